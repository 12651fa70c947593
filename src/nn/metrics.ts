// Metrics: functions of outputs and labels that judge a classifier. All from tensors, so that they can be traced.
import { describe, MinibatchError, ShapeError } from "../errors.ts";
import { Value } from "../ops/define.ts";
import { cast } from "../ops/elementwise.ts";
import { oneHot } from "../ops/movement.ts";
import { show, sizeOf } from "../shape.ts";
import { asTensor, type Tensor, tensor } from "../tensor.ts";

/** outputs [m, k] (or [m], [m, 1] for two classes) and labels -> one number. */
export interface Metric {
  (output: Tensor, y: Tensor): Tensor;
  readonly kind: string;
}

/**
 * The metric's number for outputs and labels as they lie in a data set. Labels [m] go with outputs [m, 1], never
 * broadcast to [m, m]. Throws when the metric gives more than one number.
 */
export function judged(name: string, metric: Metric, output: Tensor, y: Tensor): Tensor {
  const column = y.rank === 1 && output.rank === 2 && output.size(1) === 1;
  const value = metric(output, column ? y.reshape(output.shape) : y);
  if (!(value instanceof Value)) throw new MinibatchError(`metrics.${name}: a metric must give a tensor, got ${describe(value)}`);
  if (sizeOf(value.shape) !== 1) throw new ShapeError(`metrics.${name}: a metric must give one number, got shape ${show(value.shape)}`);
  return value.dtype === "f32" ? value : asTensor(cast(value, "f32"));
}

interface Classes {
  readonly predicted: Tensor;
  readonly actual: Tensor;
  readonly count: number;
}

/** Predicted and actual classes, i32 [m]. One output is a logit: above 0 is class 1. */
function classesOf(where: string, output: Tensor, y: Tensor): Classes {
  const single = output.rank === 1 || (output.rank === 2 && output.size(1) === 1);
  if (output.rank > 2) throw new ShapeError(`${where}: outputs must be [m, k] or [m], got ${show(output.shape)}`);
  const column = (t: Tensor) => (t.rank === 1 ? t : t.reshape([t.size(0)]));
  const whole = (t: Tensor) => (t.dtype === "i32" ? t : asTensor(cast(t, "i32")));
  const predicted = single ? whole(column(output).greater(0)) : output.argMax(-1);
  const actual = y.rank === 2 && y.size(1) > 1 ? y.argMax(-1) : whole(column(y));
  if (actual.size(0) !== predicted.size(0))
    throw new ShapeError(`${where}: outputs and labels must have equally many rows, got ${predicted.size(0)} and ${actual.size(0)}`);
  return { predicted, actual, count: single ? 2 : output.size(1) };
}

function metric(kind: string, f: (output: Tensor, y: Tensor) => Tensor): Metric {
  const checked = (output: Tensor, y: Tensor) => {
    for (const value of [output, y]) {
      if (!(value instanceof Value))
        throw new MinibatchError(
          `metrics.${kind}: both the outputs and the labels must be tensors, got ${describe(value)}; tensor(...) makes one`,
        );
    }
    return f(output, y);
  };
  return Object.assign(checked, { kind });
}

/** confusion[i][j]: how many examples of class i were taken for class j. f32 [k, k]. */
function confusion(output: Tensor, y: Tensor): Tensor {
  const { predicted, actual, count } = classesOf("confusionMatrix", output, y);
  const rows = asTensor(oneHot(actual, count, "f32")); // [m, k]
  return rows.transpose().matmul(asTensor(oneHot(predicted, count, "f32"))); // [k, k]
}

/** Right positives, all predicted, all actual, per class; with two classes only of class 1. */
function counts(output: Tensor, y: Tensor): { hits: Tensor; predicted: Tensor; actual: Tensor } {
  const matrix = confusion(output, y);
  const k = matrix.size(0);
  const identity = asTensor(oneHot(tensor(Int32Array.from({ length: k }, (_, i) => i)), k, "f32")); // [k, k]
  const all = { hits: matrix.mul(identity).sum({ axis: 0 }), predicted: matrix.sum({ axis: 0 }), actual: matrix.sum({ axis: 1 }) };
  if (k !== 2) return all;
  const second = (t: Tensor) => t.slice([1], [1]);
  return { hits: second(all.hits), predicted: second(all.predicted), actual: second(all.actual) };
}

/** 0 where nothing was there to be found. */
function ratio(part: Tensor, whole: Tensor): Tensor {
  return part.div(whole.maximum(1));
}

const errorRate = metric("error", (output, y) => {
  const { predicted, actual } = classesOf("error", output, y);
  return asTensor(cast(predicted.equal(actual), "f32"))
    .mean()
    .neg()
    .add(1);
});

/**
 * Metrics for `fit({ metrics })` and `evaluate(data, { metrics })`, or to be called: (output, y) -> []. outputs are logits [m, k], or [m] or [m, 1] for two
 * classes (above 0 is class 1); y holds classes [m] or rows [m, k]. Throws where the numbers of rows differ.
 */
export const metrics = {
  /** The share of misclassified examples, 0 to 1. */
  error: errorRate,
  /** The share of rightly classified examples. */
  accuracy: metric("accuracy", (output, y) => errorRate(output, y).neg().add(1)),
  /** Of those taken for a class, the share that is of it; of class 1 for two classes, else the mean over classes. */
  precision: metric("precision", (output, y) => {
    const { hits, predicted } = counts(output, y);
    return ratio(hits, predicted).mean();
  }),
  /** Of those of a class, the share that was found; of class 1 for two classes, else the mean over classes. */
  recall: metric("recall", (output, y) => {
    const { hits, actual } = counts(output, y);
    return ratio(hits, actual).mean();
  }),
  /** The harmonic mean of precision and recall, 2 hits / (predicted + actual); the mean over classes beyond two. */
  f1: metric("f1", (output, y) => {
    const { hits, predicted, actual } = counts(output, y);
    return ratio(hits.mul(2), predicted.add(actual)).mean();
  }),
  /** Counts [k, k]: row = actual class, column = predicted class. */
  confusionMatrix: metric("confusionMatrix", confusion) as (output: Tensor, y: Tensor) => Tensor,
} as const;
