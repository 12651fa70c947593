// tfjs's functions that reduce axes, as ours.
import type { Tensor } from "minibatch";
import { notApplicable } from "../jasmine.ts";
import { T, value } from "../tensor.ts";
import type { Table } from "./table.ts";

type Axis = number | readonly number[] | null | undefined;

const options = (axis: Axis, keepDims: boolean) => ({ ...(axis !== undefined && axis !== null && { axis }), keepDims });
const reduction =
  (f: (x: Tensor, options: { axis?: number | readonly number[]; keepDims: boolean }) => Tensor) =>
  (x: unknown, axis?: Axis, keepDims = false) =>
    new T(f(value(x), options(axis, keepDims)));

/** Truth values have no negative ones: as whole numbers they do. */
const signed = (x: unknown): Tensor => (value(x).dtype === "u8" ? value(x).cast("i32") : value(x));

function truths(x: unknown): Tensor {
  const t = value(x);
  if (t.dtype !== "u8") notApplicable("logic of numbers that are no truth values: compare them first");
  return t;
}

/** log(sum(exp(x))), shifted by the largest element so that exp cannot overflow. */
function logSumExp(x: Tensor, { axis, keepDims }: { axis?: number | readonly number[]; keepDims: boolean }): Tensor {
  const top = x.max(options(axis, true));
  const inner = x.sub(top).exp().sum(options(axis, keepDims)).log();
  return inner.add(top.reshape(inner.shape));
}

/** The root of a sum of squares, the sum or the greatest of absolute values. */
function norm(x: unknown, order: number | string = "euclidean", axis?: Axis, keepDims = false): T {
  const t = value(x);
  const o = options(axis, keepDims);
  const axes = axis === undefined || axis === null ? t.rank : [axis].flat().length;
  if (order === "euclidean" || order === "fro" || (order === 2 && axes === 1)) return new T(t.square().sum(o).sqrt());
  if (axes <= 1 && order === 1) return new T(t.abs().sum(o));
  if (axes <= 1 && order === Infinity) return new T(t.abs().max(o));
  if (axes <= 1 && order === -Infinity) return new T(t.abs().min(o));
  return notApplicable("norms of matrices but Frobenius's are not offered");
}

export const reductions: Table = {
  sum: reduction((x, o) => x.sum(o)),
  mean: reduction((x, o) => x.mean(o)),
  max: reduction((x, o) => x.max(o)),
  min: reduction((x, o) => x.min(o)),
  all: (x: unknown, axis?: Axis, keepDims = false) => new T(truths(x).min(options(axis, keepDims))),
  any: (x: unknown, axis?: Axis, keepDims = false) => new T(truths(x).max(options(axis, keepDims))),
  argMax: (x: unknown, axis = 0) => new T(value(x).argMax(axis)),
  argMin: (x: unknown, axis = 0) => new T(signed(x).neg().argMax(axis)),
  logSumExp: reduction(logSumExp),
  moments(x: unknown, axis?: Axis, keepDims = false) {
    const t = value(x);
    return { mean: new T(t.mean(options(axis, keepDims))), variance: new T(t.variance(options(axis, keepDims))) };
  },
  norm,
  euclideanNorm: (x: unknown, axis?: Axis, keepDims = false) => norm(x, "euclidean", axis, keepDims),
};
