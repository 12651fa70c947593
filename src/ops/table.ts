// The op table: every entry of every family, in one list. Whoever wants to know something of all ops reads it here.
// Knows no executor. The two ops that only place values in memory (view, pack) belong to the graph.
import { activationOps } from "./activation.ts";
import { arithmeticOps } from "./arithmetic.ts";
import type { OpDefinition } from "./define.ts";
import { dropoutOps } from "./dropout.ts";
import { elementwiseOps } from "./elementwise.ts";
import { imageOps } from "./images.ts";
import { indexingOps } from "./indexing.ts";
import { linalgOps } from "./linalg.ts";
import { lossOps } from "./loss.ts";
import { movementOps } from "./movement.ts";
import { normalizationOps } from "./normalization.ts";
import { optimizerOps } from "./optimizer.ts";
import { reduceOps } from "./reduce.ts";
import { samplingOps } from "./sampling.ts";
import { standardizationOps } from "./standardization.ts";

export const table: readonly OpDefinition[] = [
  ...arithmeticOps,
  ...elementwiseOps,
  ...activationOps,
  ...reduceOps,
  ...movementOps,
  ...indexingOps,
  ...standardizationOps,
  ...imageOps,
  ...samplingOps,
  ...linalgOps,
  ...normalizationOps,
  ...lossOps,
  ...dropoutOps,
  ...optimizerOps,
];
