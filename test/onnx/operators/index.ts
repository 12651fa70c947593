// All mapped operators of ONNX by name.
import type { Operation } from "../call.ts";
import { bookkeeping } from "./bookkeeping.ts";
import { elementwise } from "./elementwise.ts";
import { losses } from "./losses.ts";
import { movement } from "./movement.ts";
import { network } from "./network.ts";
import { reductions } from "./reduce.ts";
import { training } from "./training.ts";

export const operators: ReadonlyMap<string, Operation> = new Map(
  Object.entries({ ...bookkeeping, ...elementwise, ...losses, ...movement, ...network, ...reductions, ...training }),
);
