// ONNX operators that reduce axes, as functions of the library.
import type { Value } from "../../../src/ops/define.ts";
import { abs, add, exp, log, neg, sqrt, square, sub } from "../../../src/ops/elementwise.ts";
import { oneHot } from "../../../src/ops/indexing.ts";
import { reshape, transpose } from "../../../src/ops/movement.ts";
import { argMax, max, mean, min, sum } from "../../../src/ops/reduce.ts";
import { axisOf, type Call, type Operation } from "../call.ts";
import { Item } from "../item.ts";
import { NotApplicable } from "../not-applicable.ts";

interface Reduction {
  readonly axis: readonly number[];
  readonly keepDims: boolean;
}

/** The axes of a call: all when none are given, none at all when an empty list is to mean that. */
function axesOf(call: Call): readonly number[] {
  const { rank } = call.input(0);
  const axes = call.list("axes", 1);
  if (axes?.length) return axes.map((axis) => axisOf(axis, rank));
  return call.int("noop_with_empty_axes", 0) ? [] : Array.from({ length: rank }, (_, i) => i);
}

function reduction(f: (x: Value, options: Reduction) => Value): Operation {
  return (call) => {
    const x = call.real(0);
    return Item.fromValue(f(x, { axis: axesOf(call), keepDims: call.int("keepdims", 1) === 1 }), call.input(0).type);
  };
}

/** log(sum(exp(x))), shifted by the largest element so that exp cannot overflow. */
function logSumExp(x: Value, options: Reduction): Value {
  const top = max(x, { axis: options.axis, keepDims: true });
  const inner = log(sum(exp(sub(x, top)), options));
  return add(inner, reshape(top, inner.shape));
}

function extreme(sign: (x: Value) => Value): Operation {
  return (call) => {
    if (call.int("select_last_index", 0)) throw new NotApplicable("argMax gives the first of equal elements, never the last");
    const { dims, rank } = call.input(0);
    const axis = axisOf(call.int("axis", 0), rank);
    const index = argMax(sign(call.real(0)), axis);
    const kept = call.int("keepdims", 1) ? dims.map((n, i) => (i === axis ? 1 : n)) : index.shape;
    return Item.fromValue(reshape(index, kept), "INT64");
  };
}

/** [batch, channels, ...] -> [batch, channels, 1, ...]. */
function globalPool(f: (x: Value, options: Reduction) => Value): Operation {
  return (call) => {
    const axis = call
      .input(0)
      .dims.map((_, i) => i)
      .slice(2);
    return Item.fromValue(f(call.real(0), { axis, keepDims: true }), call.input(0).type);
  };
}

/** 1 at the first largest element along an axis, 0 elsewhere. */
const hardmax: Operation = (call) => {
  const { rank, dims, type } = call.input(0);
  const axis = axisOf(call.int("axis", call.opset < 13 ? 1 : -1), rank);
  const x = call.real(0);
  const marked = oneHot(argMax(x, axis), dims[axis] as number, x.dtype as "f32" | "f64");
  // oneHot adds its axis at the end.
  const order = [...Array(rank - 1).keys()];
  order.splice(axis, 0, rank - 1);
  return Item.fromValue(transpose(marked, order), type);
};

export const reductions: Readonly<Record<string, Operation>> = {
  ReduceSum: reduction(sum),
  ReduceMean: reduction(mean),
  ReduceMax: reduction(max),
  ReduceMin: reduction(min),
  ReduceSumSquare: reduction((x, options) => sum(square(x), options)),
  ReduceL1: reduction((x, options) => sum(abs(x), options)),
  ReduceL2: reduction((x, options) => sqrt(sum(square(x), options))),
  ReduceLogSum: reduction((x, options) => log(sum(x, options))),
  ReduceLogSumExp: reduction(logSumExp),
  ArgMax: extreme((x) => x),
  ArgMin: extreme(neg),
  GlobalAveragePool: globalPool(mean),
  GlobalMaxPool: globalPool(max),
  Hardmax: hardmax,
};
