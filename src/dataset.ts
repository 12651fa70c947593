// A data set: inputs and labels with one row per example. Knows nothing of files, splits or models.
import { checkOptions, describe, MinibatchError, ShapeError } from "./errors.ts";
import { Value } from "./ops/define.ts";
import { show } from "./shape.ts";
import { asTensor, type Tensor, type TensorLike, tensor } from "./tensor.ts";

export interface Dataset {
  readonly x: Tensor;
  readonly y: Tensor;
  /** Names of the classes, where the source had names. */
  readonly classes?: readonly string[] | undefined;
}

/**
 * Joins inputs x [m, ...] and labels y: classes [m], one-hot [m, k], or real [m] or [m, k].
 * Throws a ShapeError when the first dimensions differ.
 */
export function dataset(x: TensorLike, y: TensorLike, options: { classes?: readonly string[] | undefined } = {}): Dataset {
  checkOptions("dataset", options, ["classes"]);
  const inputs = x instanceof Value ? asTensor(x) : tensor(x);
  const labels = y instanceof Value ? asTensor(y) : tensor(y);
  if (inputs.rank < 1 || labels.rank < 1)
    throw new ShapeError(
      `dataset: x and y need a first axis that counts the examples, got ${show(inputs.shape)} and ${show(labels.shape)}`,
    );
  if (inputs.shape[0] !== labels.shape[0]) {
    throw new ShapeError(
      `dataset: x and y must have equally many rows, got ${inputs.shape[0]} and ${labels.shape[0]} (shapes ${show(inputs.shape)}, ${show(labels.shape)})`,
    );
  }
  const { classes } = options;
  if (classes !== undefined && (!Array.isArray(classes) || classes.some((name) => typeof name !== "string"))) {
    throw new MinibatchError(`dataset: classes must be an array of names, got ${describe(classes)}`);
  }
  return classes ? { x: inputs, y: labels, classes: [...classes] } : { x: inputs, y: labels };
}

/** Throws unless `data` looks like what dataset() makes. */
export function checkDataset(where: string, data: unknown): Dataset {
  const candidate = data as Partial<Dataset> | null;
  if (typeof data === "object" && candidate?.x instanceof Value && candidate.y instanceof Value) return data as Dataset;
  throw new MinibatchError(`${where}: expected a data set { x, y }, got ${describe(data)}; dataset(x, y) makes one`);
}
