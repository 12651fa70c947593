// Ops that move numbers without computing: other shapes, other orders, parts, joins. By index: indexing.ts.
// Imports reductions for gradients only: what is repeated forward is summed backward.
import type { NumberArray } from "../dtype.ts";
import { describe, MinibatchError, ShapeError } from "../errors.ts";
import { broadcastShapes, checkShape, resolveAxis, type Shape, sameShape, show, sizeOf, stridesOf } from "../shape.ts";
import { type Attributes, apply1, defineOp, type Sample, type Value, type ValueType, type View } from "./define.ts";
import { tensor, together } from "./operand.ts";
import { requireSame } from "./pointwise.ts";
import { sumTo } from "./reduce.ts";
import { named } from "./rules.ts";
import { broadcastStrides, walk } from "./walk.ts";

type Sizes = readonly number[];

/** A run shorter than this is copied by a loop: a subarray costs 0.2 microseconds. */
const shortRun = 64;

function copyRun(from: NumberArray, i: number, step: number, to: NumberArray, k: number, n: number): void {
  if (step === 1 && n >= shortRun) to.set(from.subarray(i, i + n), k);
  else if (step === 0) to.fill(from[i] as number, k, k + n);
  else for (const end = k + n; k < end; k++, i += step) to[k] = from[i] as number;
}

function sample<A extends Attributes>(shape: Shape, attributes: A): Sample<A> {
  return { inputs: [{ shape }], attributes };
}

// ---------------------------------------------------------------- shape

export const reshapeOp = defineOp<{ shape: Sizes }>({
  name: "reshape",
  doc: "The same numbers in the same order under another shape of the same size.",
  infer(inputs, { shape }) {
    const { x } = named("reshape", inputs, ["x"]);
    if (sizeOf(checkShape("reshape", shape)) !== sizeOf(x.shape)) {
      throw new ShapeError(
        `reshape: the number of elements must stay the same, got ${show(x.shape)} (${sizeOf(x.shape)}) to ${show(shape)} (${sizeOf(shape)})`,
      );
    }
    return [{ shape, dtype: x.dtype }];
  },
  kernel(inputs, outputs) {
    (outputs[0] as View).data.set((inputs[0] as View).data);
  },
  gradient: ({ inputs: [x], gradients: [dy] }) => [x && dy && reshape(dy, x.shape)],
  alias: true,
  samples: [
    sample([6], { shape: [2, 3] }),
    sample([2, 3], { shape: [6] }),
    sample([], { shape: [1, 1] }),
    sample([1], { shape: [] }),
    sample([2, 3, 4], { shape: [4, 6] }),
    sample([0, 3], { shape: [2, 0] }),
  ],
});

export function reshape(x: Value, shape: Shape): Value {
  tensor("reshape", x);
  if (!Array.isArray(shape)) throw new ShapeError(`reshape: a shape is an array of sizes, got ${describe(shape)}`);
  const open = shape.indexOf(-1);
  if (open < 0) return apply1(reshapeOp, [x], { shape: [...shape] });
  const others = sizeOf(checkShape("reshape", shape.toSpliced(open, 1)));
  const size = others === 0 ? 0 : sizeOf(x.shape) / others;
  if (!Number.isInteger(size) || (others === 0 && sizeOf(x.shape) > 0)) {
    throw new ShapeError(`reshape: -1 must stand for a whole size, got ${show(x.shape)} (${sizeOf(x.shape)} elements) to ${show(shape)}`);
  }
  return apply1(reshapeOp, [x], { shape: shape.with(open, size) });
}

export function flatten(x: Value): Value {
  return reshape(x, [-1]);
}

function requirePermutation(axes: Sizes, shape: Shape): void {
  if (axes.length === shape.length && shape.every((_, axis) => axes.includes(axis))) return;
  throw new ShapeError(`transpose: axes must name every axis once, got ${show(axes)} for ${show(shape)}`);
}

export const transposeOp = defineOp<{ axes: Sizes }>({
  name: "transpose",
  doc: "Axes in another order: axis i of the result is axis axes[i] of x.",
  infer(inputs, { axes }) {
    const { x } = named("transpose", inputs, ["x"]);
    requirePermutation(axes, x.shape);
    return [{ shape: axes.map((axis) => x.shape[axis] as number), dtype: x.dtype }];
  },
  kernel(inputs, outputs, { axes }) {
    const [x, y] = [inputs[0], outputs[0]] as [View, View];
    const strides = stridesOf(x.shape);
    walk(y.shape, [axes.map((axis) => strides[axis] as number)], [0], (at, n, [start = 0], [step = 1]) => {
      copyRun(x.data, start, step, y.data, at, n);
    });
  },
  gradient: ({ gradients: [dy], attributes: { axes } }) => [
    dy &&
      transpose(
        dy,
        axes.map((_, axis) => axes.indexOf(axis)),
      ),
  ],
  samples: [
    sample([], { axes: [] }),
    sample([3], { axes: [0] }),
    sample([5, 33], { axes: [1, 0] }),
    sample([5, 33], { axes: [0, 1] }),
    sample([2, 3, 4], { axes: [2, 0, 1] }),
    sample([2, 3, 70], { axes: [1, 0, 2] }),
    sample([2, 3, 4, 5], { axes: [3, 1, 2, 0] }),
    sample([2, 1, 3], { axes: [2, 1, 0] }),
    sample([0, 3], { axes: [1, 0] }),
  ],
});

export function transpose(x: Value, axes?: readonly number[]): Value {
  const { rank, shape } = tensor("transpose", x);
  if (axes !== undefined && !Array.isArray(axes)) throw new ShapeError(`transpose: axes must be a list of axes, got ${describe(axes)}`);
  const order = axes?.map((axis) => resolveAxis("transpose", axis, rank)) ?? shape.map((_, axis) => rank - 1 - axis);
  return apply1(transposeOp, [x], { axes: order });
}

export const broadcastToOp = defineOp<{ shape: Sizes }>({
  name: "broadcastTo",
  doc: "x repeated along new axes in front and along axes of size 1 until it has this shape.",
  infer(inputs, { shape }) {
    const { x } = named("broadcastTo", inputs, ["x"]);
    if (!sameShape(broadcastShapes("broadcastTo", x.shape, checkShape("broadcastTo", shape)), shape)) {
      throw new ShapeError(`broadcastTo: every size of x must be that of the shape or 1, got ${show(x.shape)} to ${show(shape)}`);
    }
    return [{ shape, dtype: x.dtype }];
  },
  kernel(inputs, outputs) {
    const [x, y] = [inputs[0], outputs[0]] as [View, View];
    walk(y.shape, [broadcastStrides(x.shape, y.shape)], [0], (at, n, [start = 0], [step = 1]) =>
      copyRun(x.data, start, step, y.data, at, n),
    );
  },
  gradient: ({ inputs: [x], gradients: [dy] }) => [x && dy && sumTo(dy, x.shape)],
  samples: [
    sample([], { shape: [] }),
    sample([], { shape: [5, 33] }),
    sample([33], { shape: [5, 33] }),
    sample([5, 1], { shape: [5, 33] }),
    sample([2, 1, 3, 1], { shape: [2, 4, 3, 5] }),
    sample([70], { shape: [70] }),
    sample([1], { shape: [0] }),
    sample([1, 3], { shape: [0, 3] }),
  ],
});

export function broadcastTo(x: Value, shape: Shape): Value {
  return apply1(broadcastToOp, [x], { shape: [...checkShape("broadcastTo", shape)] });
}

// ---------------------------------------------------------------- parts and joins

function requireInside(shape: Shape, begin: Sizes, size: Sizes): void {
  const inside =
    begin.length === shape.length &&
    size.length === shape.length &&
    shape.every((n, axis) => {
      const [from, count] = [begin[axis] as number, size[axis] as number];
      return Number.isInteger(from) && Number.isInteger(count) && from >= 0 && count >= 0 && from + count <= n;
    });
  if (!inside)
    throw new ShapeError(
      `slice: begin and size must lie inside the tensor, got begin ${show(begin)} and size ${show(size)} for ${show(shape)}`,
    );
}

export const sliceOp = defineOp<{ begin: Sizes; size: Sizes }>({
  name: "slice",
  doc: "The part of x that begins at `begin` and has the shape `size`.",
  infer(inputs, { begin, size }) {
    const { x } = named("slice", inputs, ["x"]);
    requireInside(x.shape, begin, size);
    return [{ shape: size, dtype: x.dtype }];
  },
  kernel(inputs, outputs, { begin }) {
    const [x, y] = [inputs[0], outputs[0]] as [View, View];
    const strides = stridesOf(x.shape);
    const first = begin.reduce((sum, from, axis) => sum + from * (strides[axis] as number), 0);
    walk(y.shape, [strides], [first], (at, n, [start = 0], [step = 1]) => copyRun(x.data, start, step, y.data, at, n));
  },
  gradient: ({ inputs: [x], gradients: [dy], attributes: { begin, size } }) => [
    x &&
      dy &&
      pad(
        dy,
        begin,
        x.shape.map((n, axis) => n - (begin[axis] as number) - (size[axis] as number)),
      ),
  ],
  samples: [
    sample([], { begin: [], size: [] }),
    sample([70], { begin: [1], size: [68] }),
    sample([5, 33], { begin: [1, 2], size: [3, 30] }),
    sample([5, 33], { begin: [2, 0], size: [2, 33] }),
    sample([2, 3, 4], { begin: [1, 0, 3], size: [1, 3, 1] }),
    sample([5, 3], { begin: [5, 0], size: [0, 3] }),
    sample([0, 3], { begin: [0, 1], size: [0, 2] }),
  ],
});

export function slice(x: Value, begin: readonly number[], size: readonly number[]): Value {
  const { shape } = tensor("slice", x);
  if (!Array.isArray(begin) || !Array.isArray(size))
    throw new ShapeError(`slice: begin and size must be lists, got ${describe(begin)} and ${describe(size)}`);
  if ([...begin, ...size].some((n) => !Number.isInteger(n)))
    throw new ShapeError(`slice: begin and size must be whole numbers, got ${show(begin)} and ${show(size)}`);
  if (begin.length !== size.length || begin.length > shape.length) {
    throw new ShapeError(
      `slice: begin and size must be of one length, at most the rank, got ${show(begin)} and ${show(size)} for ${show(shape)}`,
    );
  }
  const from = shape.map((_, axis) => begin[axis] ?? 0);
  const count = shape.map((n, axis) => (axis >= size.length || size[axis] === -1 ? n - (from[axis] as number) : (size[axis] as number)));
  if (count.some((n) => n < 0)) requireInside(shape, begin, size);
  return apply1(sliceOp, [x], { begin: from, size: count });
}

export const padOp = defineOp<{ before: Sizes; after: Sizes; value: number }>({
  name: "pad",
  doc: "x with `before` and `after` elements of one value added on each axis.",
  infer(inputs, { before, after }) {
    const { x } = named("pad", inputs, ["x"]);
    if ([before, after].some((list) => list.length !== x.shape.length || list.some((n) => !Number.isInteger(n) || n < 0))) {
      throw new ShapeError(
        `pad: before and after must be whole numbers from 0 on, one per axis, got ${show(before)} and ${show(after)} for ${show(x.shape)}`,
      );
    }
    return [{ shape: x.shape.map((n, axis) => n + (before[axis] as number) + (after[axis] as number)), dtype: x.dtype }];
  },
  kernel(inputs, outputs, { before, value }) {
    const [x, y] = [inputs[0], outputs[0]] as [View, View];
    const strides = stridesOf(y.shape);
    const first = before.reduce((sum, n, axis) => sum + n * (strides[axis] as number), 0);
    y.data.fill(value);
    walk(x.shape, [strides], [first], (at, n, [start = 0], [step = 1]) => {
      if (step === 1) copyRun(x.data, at, 1, y.data, start, n);
      else for (let i = 0; i < n; i++) y.data[start + i * step] = x.data[at + i] as number;
    });
  },
  gradient: ({ inputs: [x], gradients: [dy], attributes: { before } }) => [x && dy && slice(dy, before, x.shape)],
  samples: [
    sample([], { before: [], after: [], value: 0 }),
    sample([70], { before: [1], after: [2], value: 0 }),
    sample([5, 33], { before: [1, 0], after: [0, 2], value: 0.5 }),
    sample([2, 3, 4], { before: [0, 1, 2], after: [3, 0, 1], value: -1 }),
    sample([2, 3, 1], { before: [0, 1, 2], after: [0, 0, 1], value: 0 }),
    sample([5, 33], { before: [0, 0], after: [0, 0], value: 0 }),
    sample([0, 2], { before: [1, 0], after: [1, 1], value: 3 }),
  ],
});

export function pad(x: Value, before: readonly number[], after: readonly number[], value = 0): Value {
  if (!Array.isArray(before) || !Array.isArray(after))
    throw new ShapeError(`pad: before and after must be lists, got ${describe(before)} and ${describe(after)}`);
  // Any number: -Infinity is what a maximum wants around it.
  if (typeof value !== "number") throw new MinibatchError(`pad: value must be a number, got ${describe(value)}`);
  return apply1(padOp, [tensor("pad", x)], { before: [...before], after: [...after], value });
}

function concatSample(axis: number, ...shapes: Shape[]): Sample<{ axis: number }> {
  return { inputs: shapes.map((shape) => ({ shape })), attributes: { axis } };
}

export const concatOp = defineOp<{ axis: number }>({
  name: "concat",
  doc: "Tensors one after another along an axis; the other axes are equal.",
  infer(inputs, { axis }) {
    const first = inputs[0] as ValueType;
    requireSame("concat", Object.fromEntries(inputs.map((input, i) => [`input ${i + 1}`, input])));
    if (inputs.some(({ shape }) => shape.length !== first.shape.length || shape.some((n, i) => i !== axis && n !== first.shape[i]))) {
      throw new ShapeError(`concat: all axes but axis ${axis} must be equal, got ${inputs.map(({ shape }) => show(shape)).join(", ")}`);
    }
    return [
      {
        shape: first.shape.with(
          axis,
          inputs.reduce((n, { shape }) => n + (shape[axis] as number), 0),
        ),
        dtype: first.dtype,
      },
    ];
  },
  kernel(inputs, outputs, { axis }) {
    const y = outputs[0] as View;
    const outer = sizeOf(y.shape.slice(0, axis));
    const width = sizeOf(y.shape.slice(axis));
    let first = 0;
    for (const x of inputs) {
      const n = sizeOf(x.shape.slice(axis));
      for (let o = 0; o < outer; o++) copyRun(x.data, o * n, 1, y.data, o * width + first, n);
      first += n;
    }
  },
  gradient({ inputs, gradients: [dy], attributes: { axis }, needs }) {
    let first = 0;
    return inputs.map((x, i) => {
      const from = first;
      first += x.shape[axis] as number;
      return dy && needs(i)
        ? slice(
            dy,
            x.shape.map((_, a) => (a === axis ? from : 0)),
            x.shape,
          )
        : undefined;
    });
  },
  samples: [
    concatSample(0, [3]),
    concatSample(0, [70], [3]),
    concatSample(0, [5, 33], [2, 33]),
    concatSample(1, [5, 3], [5, 70], [5, 1]),
    concatSample(1, [2, 3, 4], [2, 1, 4]),
    concatSample(0, [0, 3], [2, 3]),
    concatSample(1, [2, 0], [2, 0]),
  ],
});

function listOf(op: string, xs: readonly Value[]): Value[] {
  if (!Array.isArray(xs) || xs.length === 0) throw new MinibatchError(`${op}: takes a list of at least one tensor, got ${describe(xs)}`);
  return together(
    op,
    xs.map((x) => tensor(op, x)),
  );
}

export function concat(xs: readonly Value[], axis = 0): Value {
  const list = listOf("concat", xs);
  return apply1(concatOp, list, { axis: resolveAxis("concat", axis, (list[0] as Value).rank) });
}

export function stack(xs: readonly Value[], axis = 0): Value {
  const list = listOf("stack", xs);
  const { shape, rank } = list[0] as Value;
  if (list.some((x) => !sameShape(x.shape, shape)))
    throw new ShapeError(`stack: shapes must be equal, got ${list.map((x) => show(x.shape)).join(", ")}`);
  const at = resolveAxis("stack", axis, rank + 1);
  return concat(
    list.map((x) => reshape(x, shape.toSpliced(at, 0, 1))),
    at,
  );
}

export * from "./indexing.ts";

export const movementOps = [reshapeOp, transposeOp, broadcastToOp, sliceOp, padOp, concatOp];
