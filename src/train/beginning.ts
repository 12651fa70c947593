// What a run begins with: what all its training steps have in common, and a look at it before the first. Knows no loop.
import type { Network, Structure } from "../nn/network.ts";
import type { Weights } from "../nn/weights.ts";
import { rateAt } from "../optim/schedules.ts";
import type { Settings } from "./options.ts";
import { Probe } from "./probe.ts";
import type { TrainingSpec } from "./programs.ts";
import type { Table } from "./table.ts";
import { specOf, tuningOf } from "./tuning.ts";

/** A look at a run needs so many rows of its last batch: enough for norms to two digits, and quick. */
export const rowsToLookAt = 256;

/** What all training steps of a run have in common when it begins. */
export function trainingSpec(network: Network, structure: Structure, table: Table, settings: Settings): TrainingSpec {
  const { loss, recipe, augment, metrics } = settings;
  const tuned = { regularizer: undefined, clipNorm: undefined, clipValue: undefined, keep: [] };
  const spec = { network, structure, data: table.types, loss, rule: recipe.rule, augment, metrics, ...tuned };
  return specOf(spec, recipe, tuningOf(network, settings));
}

export interface RunStart {
  readonly spec: TrainingSpec;
  readonly table: Table;
  readonly settings: Settings;
  /** Where training starts; not written to. */
  readonly start: Weights;
}

/** Looks at a run that has not begun yet: at its first rows in the order of the data set. */
export function probeOfStart({ spec, table, settings, start }: RunStart): Probe {
  return new Probe(
    { spec, table, seed: settings.seed, batchSize: settings.batchSize },
    {
      weights: start,
      slots: undefined,
      rows: Int32Array.from({ length: Math.min(settings.batchSize, rowsToLookAt) }, (_, i) => i),
      learningRate: () => rateAt(settings.recipe.learningRate, { step: 1, epoch: 1 }),
      step: 0,
      updates: 0,
    },
  );
}
