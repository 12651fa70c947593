// Standardising: every feature to mean 0 and deviation 1, by the numbers of the training set alone.
import { type Dataset, dataset } from "../dataset.ts";
import { newArray } from "../dtype.ts";
import { describe, MinibatchError, ShapeError } from "../errors.ts";
import type { Layer } from "../nn/layer.ts";
import { standardizationLayer } from "../nn/standardization.ts";
import { type Shape, sameShape, show } from "../shape.ts";
import { fromArray, type Tensor, type TensorLike, tensor } from "../tensor.ts";
import { isDataset, isTensor } from "./rows.ts";

/** The training set's mean and deviation per feature, and the transform that they make. */
export interface Scaler {
  readonly mean: Float64Array<ArrayBuffer>;
  /** With divisor m; 1 for a constant feature, which so becomes 0. */
  readonly deviation: Float64Array<ArrayBuffer>;
  /** (x - mean) / deviation; of a data set, its x. One row may come without its batch axis. f64 stays f64, all else becomes f32. */
  transform(data: Dataset): Dataset;
  transform(x: TensorLike): Tensor;
  /** x deviation + mean. */
  inverse(data: Dataset): Dataset;
  inverse(x: TensorLike): Tensor;
  /** The transform as a model's first layer, saved with the model. */
  layer(): Layer;
  /** As the last layer: a network that learned scaled targets answers in the target's own unit. */
  inverseLayer(): Layer;
}

/**
 * Mean and deviation of each feature over the rows of a training set `[m, ...]`, or of targets (`standardize(train.y)`).
 *
 * ```ts
 * const scaler = standardize(train);
 * const model = sequential([scaler.layer(), dense(64), relu(), dense(10)]);
 * ```
 */
export function standardize(train: Dataset | Tensor): Scaler {
  const x = isDataset(train) ? train.x : train;
  if (!isTensor(x)) throw new MinibatchError(`standardize: takes a data set or a tensor, got ${describe(train)}`);
  const rowShape = x.shape.slice(1);
  const features = rowShape.reduce((product, n) => product * n, 1);
  const { mean, deviation } = moments(x.data(), x.shape, features);

  const map = (op: string, value: Dataset | TensorLike, f: (x: number, feature: number) => number): Dataset | Tensor => {
    if (isDataset(value)) return dataset(map(op, value.x, f) as Tensor, value.y, { classes: value.classes });
    const given = tensor(value);
    if (!isRows(given.shape, rowShape, features)) {
      throw new ShapeError(`${op}: rows must have the training set's shape ${show(rowShape)}, got ${show(given.shape)}`);
    }
    const values = given.data();
    const out = newArray(given.dtype === "f64" ? "f64" : "f32", values.length);
    for (let i = 0; i < out.length; i += features) {
      for (let j = 0; j < features; j++) out[i + j] = f(values[i + j] as number, j);
    }
    return fromArray(out, given.shape);
  };
  const forward = (value: number, j: number) => (value - (mean[j] as number)) / (deviation[j] as number);
  const backward = (value: number, j: number) => value * (deviation[j] as number) + (mean[j] as number);
  return {
    mean,
    deviation,
    transform: ((value: Dataset | TensorLike) => map("standardize: transform", value, forward)) as Scaler["transform"],
    inverse: ((value: Dataset | TensorLike) => map("standardize: inverse", value, backward)) as Scaler["inverse"],
    layer: () => standardizationLayer(mean, deviation, false),
    inverseLayer: () => standardizationLayer(mean, deviation, true),
  };
}

/** Many rows, or one without its batch axis. A single feature may come as `[m]` or `[m, 1]`, as targets do. */
function isRows(shape: Shape, rowShape: Shape, features: number): boolean {
  if (sameShape(shape.slice(1), rowShape) || sameShape(shape, rowShape)) return true;
  return features === 1 && shape.slice(1).every((n) => n === 1);
}

/** Two passes in double precision: the sum of squares of differences cannot cancel as E[x^2] - E[x]^2 does. */
function moments(x: ArrayLike<number>, shape: Shape, features: number): Pick<Scaler, "mean" | "deviation"> {
  const m = shape[0] ?? 0;
  if (m === 0 || features === 0) throw new ShapeError(`standardize: there must be rows and features, got ${show(shape)}`);
  const sum = new Float64Array(features);
  const low = new Float64Array(features).fill(Number.POSITIVE_INFINITY);
  const high = new Float64Array(features).fill(Number.NEGATIVE_INFINITY);
  for (let i = 0, at = 0; i < m; i++) {
    for (let j = 0; j < features; j++, at++) {
      const value = x[at] as number;
      sum[j] = (sum[j] as number) + value;
      if (value < (low[j] as number)) low[j] = value;
      if (value > (high[j] as number)) high[j] = value;
    }
  }
  // A value that is not finite shows in its sum, and only then is looked for.
  if (!sum.every(Number.isFinite)) throw notFinite(x, features);
  // Rounding in the mean would leave a constant feature a tiny deviation, and dividing by that would blow it up.
  const isConstant = (j: number) => low[j] === high[j];
  const mean = sum.map((total, j) => (isConstant(j) ? (low[j] as number) : total / m));
  const squares = new Float64Array(features);
  for (let i = 0, at = 0; i < m; i++) {
    for (let j = 0; j < features; j++, at++) {
      const difference = (x[at] as number) - (mean[j] as number);
      squares[j] = (squares[j] as number) + difference * difference;
    }
  }
  const deviation = squares.map((total, j) => (isConstant(j) ? 1 : Math.sqrt(total / m)));
  return { mean, deviation };
}

function notFinite(x: ArrayLike<number>, features: number): MinibatchError {
  const at = Array.prototype.findIndex.call(x, (value: number) => !Number.isFinite(value));
  if (at < 0) return new MinibatchError("standardize: values must have a finite sum, got numbers too large for double precision");
  const [row, feature] = [Math.floor(at / features), at % features];
  return new MinibatchError(`standardize: values must be finite, got ${x[at]} in row ${row}, feature ${feature} (both count from 0)`);
}
