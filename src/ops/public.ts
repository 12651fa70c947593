// The ops as users get them: functions of tensors, and those of them that are methods of a tensor. The comments here are what
// an editor shows at x.add and ops.add, since a property keeps only its own; the functions themselves stand with their ops.
// (Each comment takes three lines: the bundler of the published types moves one-line comments to the property before.)

import type { Value } from "./define.ts";
import {
  abs,
  add,
  cast,
  clip,
  div,
  elu,
  equal,
  erf,
  exp,
  gelu,
  greater,
  leakyRelu,
  less,
  log,
  maximum,
  minimum,
  mul,
  neg,
  pow,
  relu,
  sigmoid,
  sign,
  silu,
  softplus,
  sqrt,
  square,
  sub,
  tanh,
  where,
} from "./elementwise.ts";
import { linear, matmul } from "./linalg.ts";
import { classificationErrors, logSoftmax, sigmoidCrossEntropy, softmax, softmaxCrossEntropy } from "./loss.ts";
import { broadcastTo, concat, flatten, gather, oneHot, pad, reshape, scatterAdd, slice, stack, transpose } from "./movement.ts";
import { layerNorm } from "./normalization.ts";
import { argMax, max, mean, min, sum, sumSquares, variance } from "./reduce.ts";

/** What is a method of every tensor: the first parameter is the tensor itself. */
export const methods = {
  /**
   * Sum, x + y. Shapes broadcast as in NumPy; the result has the wider dtype (u8 < i32 < f32 < f64), a number takes the tensor's.
   */
  add,
  /**
   * Difference, x - y. Shapes broadcast.
   */
  sub,
  /**
   * Product element by element, x y. Shapes broadcast. For matrices see `matmul`.
   */
  mul,
  /**
   * Quotient, x / y. Shapes broadcast; whole numbers are divided as f32.
   */
  div,
  /**
   * Power, x^y. Shapes broadcast; NaN for a negative x with a y that is not whole. Whole numbers are taken as f32.
   */
  pow,
  /**
   * The greater of both, max(x, y), element by element; NaN when either is. Shapes broadcast. Equal numbers share the gradient in halves.
   */
  maximum,
  /**
   * The smaller of both, min(x, y), element by element; NaN when either is. Shapes broadcast. Equal numbers share the gradient in halves.
   */
  minimum,
  /**
   * 1 where x = y, else 0 (also for NaN). Shapes broadcast; no gradient.
   */
  equal,
  /**
   * 1 where x > y, else 0. Shapes broadcast; no gradient.
   */
  greater,
  /**
   * 1 where x < y, else 0. Shapes broadcast; no gradient.
   */
  less,

  /**
   * Negative, -x.
   */
  neg,
  /**
   * Absolute value, |x|. The gradient at 0 is 0.
   */
  abs,
  /**
   * Square, x^2.
   */
  square,
  /**
   * Square root; NaN below 0. The gradient at 0 is infinite.
   */
  sqrt,
  /**
   * Exponential, e^x.
   */
  exp,
  /**
   * Natural logarithm; -Infinity at 0, NaN below.
   */
  log,
  /**
   * Sign: -1, 0 or 1. No gradient.
   */
  sign,
  /**
   * x held between two numbers: low below low, high above high. The gradient is 0 outside, that of x on the bounds.
   */
  clip,
  /**
   * Error function, 2 / sqrt(pi) times the integral of e^(-t^2) from 0 to x.
   */
  erf,
  /**
   * The same numbers in another dtype: f32 and f64 round, i32 and u8 truncate and wrap as typed arrays do.
   */
  cast,

  /**
   * Rectified linear unit, max(x, 0). The gradient at 0 is 0.
   */
  relu,
  /**
   * x above 0, slope x (default 0.01) below and at 0.
   */
  leakyRelu,
  /**
   * Exponential linear unit: x above 0, alpha (e^x - 1) (default 1) below and at 0.
   */
  elu,
  /**
   * Gaussian error linear unit in its exact form, x (1 + erf(x / sqrt 2)) / 2 (Hendrycks and Gimpel 2016).
   */
  gelu,
  /**
   * Sigmoid linear unit, x / (1 + e^-x), also called swish.
   */
  silu,
  /**
   * Hyperbolic tangent, between -1 and 1.
   */
  tanh,
  /**
   * Logistic function, 1 / (1 + e^-x), between 0 and 1.
   */
  sigmoid,
  /**
   * Smooth relu, ln(1 + e^x); its derivative is the sigmoid.
   */
  softplus,
  /**
   * e^x / sum e^x along an axis, the last by default: numbers from 0 to 1 that add up to 1.
   */
  softmax,
  /**
   * ln softmax(x) along an axis, the last by default, without ever taking the logarithm of a rounded 0.
   */
  logSoftmax,

  /**
   * Sum over axes, all by default: [m, n].sum({ axis: 0 }) -> [n]. u8 is summed as i32.
   */
  sum,
  /**
   * Mean over axes, all by default; NaN over no elements.
   */
  mean,
  /**
   * Greatest number over axes, all by default; NaN when there is one. Equal greatest numbers share the gradient evenly.
   */
  max,
  /**
   * Least number over axes, all by default; NaN when there is one. Equal least numbers share the gradient evenly.
   */
  min,
  /**
   * Biased variance over axes, mean((x - mean x)^2), in two passes; all axes by default.
   */
  variance,
  /**
   * Index (i32) of the greatest number along an axis, the first of equals; without an axis, of x read as one row. NaN counts as the greatest.
   */
  argMax,
  /**
   * Sum of the squares of all numbers, ||x||^2: [...] -> [].
   */
  sumSquares,

  /**
   * Matrix product: [m, k] x [k, n] -> [m, n]. Further axes in front are batches and broadcast; a vector on the left is a row, on the
   * right a column, and its axis is left out of the result. Whole numbers are multiplied as f32.
   */
  matmul,
  /**
   * Axes in another order, reversed when none is given: axis i of the result is axis axes[i] of x.
   */
  transpose,
  /**
   * The same numbers under another shape of the same size; -1 stands for the one size that follows from the others.
   */
  reshape,
  /**
   * All numbers in one row: [...] -> [size].
   */
  flatten,
  /**
   * x repeated, by NumPy's rule of broadcasting, until it has this shape.
   */
  broadcastTo,
  /**
   * The part of x from `begin` with the shape `size`; -1 takes an axis to its end, axes not named are taken whole.
   */
  slice,
  /**
   * x with elements of one value (default 0) added before and after it, as many as said for each axis.
   */
  pad,
  /**
   * Slices of x along an axis (the first by default) by index: x [outer..., n, inner...], indices [...] -> [outer..., indices..., inner...].
   */
  gather,
  /**
   * 1 at the index, 0 elsewhere, along a new last axis: whole numbers [...] below depth -> [..., depth].
   */
  oneHot,
} as const;

/** Every function of tensors. */
export const ops = {
  ...methods,
  /**
   * x where the condition is not 0, else y. The three shapes broadcast; no gradient flows into the condition.
   */
  where,
  /**
   * Tensors one after another along an axis, the first by default; all other axes are equal.
   */
  concat,
  /**
   * Tensors of one shape side by side along a new axis, the first by default: n of [...] -> [n, ...].
   */
  stack,
  /**
   * The reverse of gather: zeros of `size` along an axis, with the slices of dy added at their indices.
   */
  scatterAdd,
  /**
   * A dense layer in one op: act(x w + b) with x [..., k], w [k, n] and, where there is one, b [n] -> [..., n].
   */
  linear,
  /**
   * (x - mean) / sqrt(variance + epsilon) gamma + beta over the last axis of x [m, n], with the mean and variance [m] of each row.
   */
  layerNorm,
  /**
   * Cross-entropy of labels (classes i32 [m], or probabilities [m, k]) under softmax(logits [m, k]): losses [m] and probabilities [m, k].
   */
  softmaxCrossEntropy,
  /**
   * Cross-entropy of targets from 0 to 1 under sigmoid(logits), element by element.
   */
  sigmoidCrossEntropy,
  /**
   * 1 for each row whose greatest output is not at its label, else 0: outputs [m, k], labels i32 [m] or [m, k] -> [m]. No gradient.
   */
  classificationErrors,
} as const;

/** A parameter or a result with T in the place of Value. */
type Swap<P, T> = P extends Value
  ? T
  : P extends readonly Value[]
    ? readonly T[]
    : P extends Readonly<Record<string, Value>>
      ? { [K in keyof P]: T }
      : P;
type SwapAll<A extends readonly unknown[], T> = { [K in keyof A]: Swap<A[K], T> };

/** The methods as an interface of T: `(x: Value, ...rest) => Value` becomes `(...rest) => T`, names and comments kept. */
export type Methods<T> = {
  [K in keyof typeof methods]: (typeof methods)[K] extends (x: never, ...rest: infer A) => infer R
    ? (...rest: SwapAll<A, T>) => Swap<R, T>
    : never;
};

/** The functions on T instead of Value. */
export type Functions<T> = {
  readonly [K in keyof typeof ops]: (typeof ops)[K] extends (...all: infer A) => infer R ? (...all: SwapAll<A, T>) => Swap<R, T> : never;
};

export { add, div, maximum, minimum, mul, sqrt, sumSquares };
