// Plain statistics of series and tensors, in double precision: moving averages, norms, hardmax.
import { type Numbers, newArray } from "./dtype.ts";
import { checkNumber, checkOptions, describe, MinibatchError, ShapeError } from "./errors.ts";
import { show } from "./shape.ts";
import { checkAttached, fromArray, isTypedArray, readNumbers, type Tensor, type TensorLike } from "./tensor.ts";

function checkSeries(where: string, values: unknown): readonly number[] {
  if (isTypedArray(values)) checkAttached(where, values);
  const list = isTypedArray(values) ? Array.from(values) : values;
  if (!Array.isArray(list)) throw new MinibatchError(`${where}: values must be a list of numbers, got ${describe(values)}`);
  const wrong = list.findIndex((value) => typeof value !== "number");
  if (wrong >= 0) throw new MinibatchError(`${where}: values must be numbers, got ${describe(list[wrong])} at ${wrong}`);
  return list;
}

/** sum_k weights[k] values[t - k] / sum(weights) for each t at which all the values are there. */
function weighted(values: readonly number[], weights: readonly number[]): number[] {
  const total = weights.reduce((a, b) => a + b, 0);
  return values.slice(weights.length - 1).map((_, i) => {
    const newest = i + weights.length - 1;
    return weights.reduce((sum, weight, k) => sum + weight * (values[newest - k] as number), 0) / total;
  });
}

/**
 * Means of `window` values in a row: n values in, n - window + 1 out, the first over values 0 to window - 1.
 *
 * ```ts
 * stats.movingAverage([1, 2, 3, 4], 2); // [1.5, 2.5, 3.5]
 * ```
 */
export function movingAverage(values: Numbers, window: number): number[] {
  const series = checkSeries("stats.movingAverage", values);
  checkNumber("stats.movingAverage", "window", window, { whole: true, min: 1, max: Math.max(1, series.length) });
  return weighted(series, new Array<number>(window).fill(1));
}

/**
 * Weighted means of as many values in a row as there are weights; the first weight is the newest value's. A number n stands for the
 * linear weights n, n - 1, ..., 1. The weights are divided by their sum. n values in, n - weights + 1 out.
 *
 * ```ts
 * stats.weightedMovingAverage([1, 2, 3], 2); // [(2*2 + 1)/3, (2*3 + 2)/3]
 * ```
 */
export function weightedMovingAverage(values: Numbers, weights: number | Numbers): number[] {
  const where = "stats.weightedMovingAverage";
  const series = checkSeries(where, values);
  const longest = Math.max(1, series.length);
  if (typeof weights === "number") {
    checkNumber(where, "weights", weights, { whole: true, min: 1, max: longest });
    return weighted(
      series,
      Array.from({ length: weights }, (_, k) => weights - k),
    );
  }
  const list = checkSeries(where, weights);
  if (list.length === 0 || list.length > longest) {
    throw new MinibatchError(`${where}: there must be from 1 to ${longest} weights, got ${list.length}`);
  }
  for (const [k, weight] of list.entries()) checkNumber(where, `weights[${k}]`, weight, { min: 0 });
  if (!list.some((weight) => weight > 0)) throw new MinibatchError(`${where}: a weight must be above 0, got only zeros`);
  return weighted(series, list);
}

/**
 * v_t = beta v_{t-1} + (1 - beta) x_t from v_0 = 0, about the mean of the last 1/(1 - beta) values. With `biasCorrection` (default false)
 * v_t / (1 - beta^t), which takes the zero at the start out. As many values out as in; `average` does the same value by value.
 *
 * ```ts
 * stats.exponentiallyWeightedAverage([40, 49], { beta: 0.98, biasCorrection: true }); // [40, 44.54...]
 * ```
 */
export function exponentiallyWeightedAverage(values: Numbers, options: AverageOptions): number[] {
  const where = "stats.exponentiallyWeightedAverage";
  const series = checkSeries(where, values);
  const running = new RunningAverage(where, options);
  return series.map((value) => running.push(value));
}

export interface AverageOptions {
  /** The share of the past in every step, from 0 (no memory) to below 1. */
  beta: number;
  /** Divides by 1 - beta^t; false by default. */
  biasCorrection?: boolean | undefined;
}

/** An exponentially weighted average that takes one value after another and keeps none of them. */
export interface Average {
  /** Takes a value in and returns the new average. */
  push(value: number): number;
  /** The average now; before the first value 0, or NaN with bias correction (nothing has been averaged). */
  readonly value: number;
  /** How many values it has seen. */
  readonly count: number;
}

class RunningAverage implements Average {
  readonly #beta: number;
  readonly #corrected: boolean;
  #v = 0;
  /** beta^t. */
  #power = 1;
  #count = 0;

  constructor(where: string, options: AverageOptions) {
    checkOptions(where, options, ["beta", "biasCorrection"]);
    const { biasCorrection = false } = options ?? {};
    this.#beta = checkNumber(where, "beta", options?.beta, { min: 0, below: 1 });
    if (typeof biasCorrection !== "boolean")
      throw new MinibatchError(`${where}: biasCorrection must be true or false, got ${describe(biasCorrection)}`);
    this.#corrected = biasCorrection;
  }

  push(value: number): number {
    if (typeof value !== "number") throw new MinibatchError(`stats.average: push takes a number, got ${describe(value)}`);
    this.#v = this.#beta * this.#v + (1 - this.#beta) * value;
    this.#power *= this.#beta;
    this.#count++;
    return this.value;
  }

  get value(): number {
    return this.#corrected ? this.#v / (1 - this.#power) : this.#v;
  }

  get count(): number {
    return this.#count;
  }
}

/**
 * The exponentially weighted average of a stream: v := beta v + (1 - beta) x with each `push(x)`, from v = 0; with `biasCorrection` its value is
 * v / (1 - beta^t) after t values. It keeps two numbers, however long the stream is.
 *
 * ```ts
 * const smooth = stats.average({ beta: 0.9, biasCorrection: true });
 * const run = model.fit(train, { loss, optimizer, epochs: 5, onStep: ({ loss }) => console.log(smooth.push(loss)) });
 * ```
 */
export function average(options: AverageOptions): Average {
  return new RunningAverage("stats.average", options);
}

/**
 * How many values an exponentially weighted average looks back on: 1 / (1 - beta). A value that many steps old has a weight of about 1/e of
 * the newest one's, since (1 - h)^(1/h) tends to 1/e for small h = 1 - beta. 0.9 gives 10, 0.98 gives 50, 0.5 gives 2.
 */
export function averagingWindow(beta: number): number {
  return 1 / (1 - checkNumber("stats.averagingWindow", "beta", beta, { min: 0, below: 1 }));
}

/** Sums halves: the rounding error grows with the depth of the tree, not with the length. */
function pairwiseSum(values: ArrayLike<number>, f: (value: number) => number, begin = 0, end = values.length): number {
  if (end - begin > 128) {
    const middle = (begin + end) >>> 1;
    return pairwiseSum(values, f, begin, middle) + pairwiseSum(values, f, middle, end);
  }
  let sum = 0;
  for (let i = begin; i < end; i++) sum += f(values[i] as number);
  return sum;
}

/** ||x||_1 = sum |x_i| over all elements of a tensor of any shape, in double precision. */
export function l1Norm(x: TensorLike): number {
  return pairwiseSum(readNumbers("stats.l1Norm", x, "f64").data, Math.abs);
}

/** ||x||_2 = sqrt(sum x_i^2) over all elements of a tensor of any shape, in double precision, without overflow. */
export function l2Norm(x: TensorLike): number {
  return rootOfSquares(readNumbers("stats.l2Norm", x, "f64").data);
}

/** ||X||_F = sqrt(sum_ij X_ij^2) of a matrix; a ShapeError for other ranks, where `l2Norm` serves. */
export function frobeniusNorm(x: TensorLike): number {
  const { data, shape } = readNumbers("stats.frobeniusNorm", x, "f64");
  if (shape.length !== 2) throw new ShapeError(`stats.frobeniusNorm: takes a matrix, got shape ${show(shape)}; l2Norm takes any`);
  return rootOfSquares(data);
}

function rootOfSquares(values: ArrayLike<number>): number {
  const sum = pairwiseSum(values, (value) => value * value);
  // Squares of numbers beyond about 1e154 overflow, those below 1e-154 vanish: both are scaled by the largest first.
  if (sum > 1e-280 && sum < Number.POSITIVE_INFINITY) return Math.sqrt(sum);
  let largest = 0;
  for (let i = 0; i < values.length; i++) largest = Math.max(largest, Math.abs(values[i] as number));
  if (largest === 0 || !Number.isFinite(largest)) return largest;
  return largest * Math.sqrt(pairwiseSum(values, (value) => (value / largest) ** 2));
}

/**
 * 1 at the largest element along the last axis, 0 elsewhere; the first of equal ones, a NaN before all. Beside it stands softmax, which
 * gives every element its share. `[..., n]` in, the same shape out.
 */
export function hardmax(x: TensorLike): Tensor {
  const { data, shape } = readNumbers("stats.hardmax", x);
  const n = shape[shape.length - 1];
  if (n === undefined || n === 0) throw new ShapeError(`stats.hardmax: the last axis must have an element, got shape ${show(shape)}`);
  const dtype = data instanceof Float64Array ? "f64" : "f32";
  const out = newArray(dtype, data.length);
  for (let row = 0; row < data.length; row += n) {
    let best = row;
    for (let i = row; i < row + n && !Number.isNaN(data[best]); i++) {
      const value = data[i] as number;
      if (value > (data[best] as number) || Number.isNaN(value)) best = i;
    }
    out[best] = 1;
  }
  return fromArray(out, shape);
}
