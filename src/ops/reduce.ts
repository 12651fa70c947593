// Sums, means, extremes along axes. The ops reduce one block of neighbouring axes; the functions bring any axes into that form.
// Knows no layers and no losses.
import type { NumberArray } from "../dtype.ts";
import { checkOptions, describe, MinibatchError, ShapeError } from "../errors.ts";
import { broadcastShapes, resolveAxis, type Shape, sameShape, show, sizeOf } from "../shape.ts";
import { apply1, defineOp, type GradientRequest, type OpDefinition, type Sample, type Value, type View } from "./define.ts";
import { cast, div, equal, mul, square, sub } from "./elementwise.ts";
import { broadcastTo, reshape, transpose } from "./movement.ts";
import { floating, tensor } from "./operand.ts";
import type { None } from "./pointwise.ts";
import { named, requireFloats } from "./rules.ts";

export interface ReduceOptions {
  /** One axis or several, negative from the end; all of them when left out. */
  readonly axis?: number | readonly number[] | undefined;
  /** Keeps the reduced axes with size 1, so that the result broadcasts against x. Default false. */
  readonly keepDims?: boolean | undefined;
}

/** The block of axes from `axis` to `axis + count`. */
type Block = { readonly axis: number; readonly count: number; readonly keepDims: boolean };

// ---------------------------------------------------------------- shapes

function reducedShape(shape: Shape, { axis, count, keepDims }: Block): Shape {
  return [...shape.slice(0, axis), ...(keepDims ? new Array<number>(count).fill(1) : []), ...shape.slice(axis + count)];
}

/** x seen as [outer, n, inner] with the block in the middle. */
function split(shape: Shape, axis: number, count: number): [outer: number, n: number, inner: number] {
  return [sizeOf(shape.slice(0, axis)), sizeOf(shape.slice(axis, axis + count)), sizeOf(shape.slice(axis + count))];
}

function requireBlock(op: string, shape: Shape, axis: number, count: number): void {
  if (axis >= 0 && count >= 0 && axis + count <= shape.length) return;
  throw new ShapeError(`${op}: the reduced axes must lie inside the shape, got axes ${axis} to ${axis + count - 1} of ${show(shape)}`);
}

// ---------------------------------------------------------------- sums

/** Below this many numbers a plain loop; above, halves, so that the rounding error grows with log n and not with n. */
const pairwiseBlock = 256;

function pairwise(x: NumberArray, from: number, n: number): number {
  if (n > pairwiseBlock) {
    const half = n >> 1;
    return pairwise(x, from, half) + pairwise(x, from + half, n - half);
  }
  // Two chains of additions run side by side in the processor.
  let even = 0;
  let odd = 0;
  const end = from + n - 1;
  let i = from;
  for (; i < end; i += 2) {
    even += x[i] as number;
    odd += x[i + 1] as number;
  }
  return i === end ? even + odd + (x[i] as number) : even + odd;
}

function pairwiseSquares(x: NumberArray, from: number, n: number): number {
  if (n > pairwiseBlock) {
    const half = n >> 1;
    return pairwiseSquares(x, from, half) + pairwiseSquares(x, from + half, n - half);
  }
  let sum = 0;
  for (let i = from; i < from + n; i++) sum += (x[i] as number) * (x[i] as number);
  return sum;
}

/** Adds up n rows of `width` numbers into `level` of the scratch, by the same halving. */
function pairwiseRows(x: NumberArray, from: number, n: number, width: number, scratch: Float64Array, level: number): void {
  if (n > pairwiseBlock) {
    const half = n >> 1;
    pairwiseRows(x, from, half, width, scratch, level);
    pairwiseRows(x, from + half * width, n - half, width, scratch, level + width);
    for (let j = level; j < level + width; j++) scratch[j] = (scratch[j] as number) + (scratch[j + width] as number);
    return;
  }
  scratch.fill(0, level, level + width);
  for (let r = 0, i = from; r < n; r++) {
    for (let j = level; j < level + width; j++, i++) scratch[j] = (scratch[j] as number) + (x[i] as number);
  }
}

function addUp(x: View, y: View, { axis, count }: Block, divisor: (n: number) => number): void {
  const [outer, n, inner] = split(x.shape, axis, count);
  const by = divisor(n);
  if (inner === 1) {
    for (let o = 0; o < outer; o++) y.data[o] = pairwise(x.data, o * n, n) / by;
    return;
  }
  const levels = 2 + Math.max(0, Math.ceil(Math.log2(n / pairwiseBlock)));
  const scratch = new Float64Array(levels * inner);
  for (let o = 0; o < outer; o++) {
    pairwiseRows(x.data, o * n * inner, n, inner, scratch, 0);
    for (let j = 0; j < inner; j++) y.data[o * inner + j] = (scratch[j] as number) / by;
  }
}

// ---------------------------------------------------------------- extremes

/** The greatest of each row of the block, or with sign -1 the least; NaN when there is one. */
function extreme(x: View, y: View, { axis, count }: Block, sign: 1 | -1): void {
  const [outer, n, inner] = split(x.shape, axis, count);
  const from = x.data;
  for (let o = 0; o < outer; o++) {
    for (let j = 0; j < inner; j++) {
      let i = o * n * inner + j;
      let best = sign * (from[i] as number);
      for (let r = 1; r < n; r++) {
        i += inner;
        const v = sign * (from[i] as number);
        if (v > best || Number.isNaN(v)) best = v;
      }
      y.data[o * inner + j] = sign * best;
    }
  }
}

/** dy goes to the elements that reached the extreme, in equal parts. */
function extremeGradient({ inputs, outputs, gradients, attributes: { axis, count } }: GradientRequest<Block>): Value[] {
  const [x, y, dy] = [inputs[0], outputs[0], gradients[0]] as [Value, Value, Value];
  const block = { axis, count, keepDims: true };
  const kept = reducedShape(x.shape, block);
  const reached = equal(x, reshape(y, kept));
  return [mul(reached, div(reshape(dy, kept), apply1(sumOp, [reached], block)))];
}

// ---------------------------------------------------------------- the ops

const blocks: readonly (readonly [Shape, axis: number, count: number])[] = [
  [[], 0, 0],
  [[1], 0, 1],
  [[70], 0, 1],
  [[1000], 0, 1],
  [[5, 33], 0, 2],
  [[5, 33], 0, 1],
  [[5, 33], 1, 1],
  [[600, 3], 0, 1],
  [[2, 3, 17], 1, 1],
  [[2, 3, 4, 5], 1, 2],
  [[3, 1, 4], 1, 1],
  [[0, 3], 1, 1],
  [[3, 4], 1, 0],
];

const emptyBlocks: typeof blocks = [
  [[0], 0, 1],
  [[3, 0], 1, 1],
  [[0, 3], 0, 1],
];

function samplesOf(empty: boolean): Sample<Block>[] {
  return [...blocks, ...(empty ? emptyBlocks : [])].flatMap(([shape, axis, count]) =>
    [false, true].map((keepDims) => ({ inputs: [{ shape }], attributes: { axis, count, keepDims } })),
  );
}

interface Reduction {
  readonly name: string;
  readonly doc: string;
  readonly floats?: boolean;
  /** Whether there is an answer for no elements at all. */
  readonly empty: boolean;
  readonly samples?: readonly Sample<Block>[];
  kernel(x: View, y: View, block: Block): void;
  gradient(request: GradientRequest<Block>): Value[];
}

function reduction({ name, doc, floats, empty, samples = [], kernel, gradient }: Reduction): OpDefinition<Block> {
  return defineOp<Block>({
    name,
    doc,
    infer(inputs, block) {
      const { x } = named(name, inputs, ["x"]);
      if (floats) requireFloats(name, { x });
      requireBlock(name, x.shape, block.axis, block.count);
      const [, n] = split(x.shape, block.axis, block.count);
      if (!empty && n === 0) throw new ShapeError(`${name}: there must be at least one number to choose from, got ${show(x.shape)}`);
      return [{ shape: reducedShape(x.shape, block), dtype: x.dtype }];
    },
    kernel(inputs, outputs, block) {
      kernel(inputs[0] as View, outputs[0] as View, block);
    },
    gradient,
    samples: [...samplesOf(empty), ...samples],
  });
}

/** dy repeated along the axes that were reduced. */
function spread(dy: Value, x: Value, { axis, count }: Block): Value {
  return broadcastTo(reshape(dy, reducedShape(x.shape, { axis, count, keepDims: true })), x.shape);
}

export const sumOp = reduction({
  name: "sum",
  doc: "Sum over a block of axes: [outer..., block..., inner...] -> [outer..., inner...].",
  empty: true,
  kernel: (x, y, block) => addUp(x, y, block, () => 1),
  gradient: ({ inputs, gradients, attributes }) => [spread(gradients[0] as Value, inputs[0] as Value, attributes)],
});

export const meanOp = reduction({
  name: "mean",
  doc: "Mean over a block of axes: [outer..., block..., inner...] -> [outer..., inner...]; NaN over no elements.",
  floats: true,
  empty: true,
  kernel: (x, y, block) => addUp(x, y, block, (n) => n),
  gradient: ({ inputs, gradients, attributes }) => {
    const x = inputs[0] as Value;
    const [, n] = split(x.shape, attributes.axis, attributes.count);
    return [spread(div(gradients[0] as Value, n), x, attributes)];
  },
});

const ties: Sample<Block>[] = [
  {
    inputs: [{ shape: [2, 4], values: [1, 3, 3, -1, 2, 2, 2, 2] }],
    attributes: { axis: 1, count: 1, keepDims: false },
    noGradientCheck: "ties",
  },
  {
    inputs: [{ shape: [3, 2], values: [1, Number.NaN, 3, -1, Number.NaN, Infinity] }],
    attributes: { axis: 0, count: 1, keepDims: true },
    noGradientCheck: "NaN",
  },
];

export const maxOp = reduction({
  name: "max",
  doc: "Greatest number of a block of axes, NaN when there is one: [outer..., block..., inner...] -> [outer..., inner...].",
  empty: false,
  samples: ties,
  kernel: (x, y, block) => extreme(x, y, block, 1),
  gradient: extremeGradient,
});

export const minOp = reduction({
  name: "min",
  doc: "Least number of a block of axes, NaN when there is one: [outer..., block..., inner...] -> [outer..., inner...].",
  empty: false,
  samples: ties,
  kernel: (x, y, block) => extreme(x, y, block, -1),
  gradient: extremeGradient,
});

export const sumSquaresOp = defineOp<None>({
  name: "sumSquares",
  doc: "Sum of the squares of all numbers: [...] -> [].",
  infer(inputs) {
    const { x } = named("sumSquares", inputs, ["x"]);
    requireFloats("sumSquares", { x });
    return [{ shape: [], dtype: x.dtype }];
  },
  kernel(inputs, outputs) {
    const x = (inputs[0] as View).data;
    (outputs[0] as View).data[0] = pairwiseSquares(x, 0, x.length);
  },
  gradient: ({ inputs, gradients }) => [mul(inputs[0] as Value, mul(gradients[0] as Value, 2))],
  samples: [[], [1], [70], [5, 333], [0]].map((shape) => ({ inputs: [{ shape }], attributes: {} })),
});

function argMaxSample(shape: Shape, axis: number, values?: readonly number[]): Sample<{ axis: number }> {
  return { inputs: [{ shape, ...(values && { values }) }], attributes: { axis } };
}

export const argMaxOp = defineOp<{ axis: number }>({
  name: "argMax",
  doc: "Index of the first greatest number along an axis, NaN counting as the greatest: [outer..., n, inner...] -> i32 [outer..., inner...].",
  infer(inputs, { axis }) {
    const { x } = named("argMax", inputs, ["x"]);
    requireBlock("argMax", x.shape, axis, 1);
    if (x.shape[axis] === 0) throw new ShapeError(`argMax: there must be at least one number to choose from, got ${show(x.shape)}`);
    return [{ shape: reducedShape(x.shape, { axis, count: 1, keepDims: false }), dtype: "i32" }];
  },
  kernel(inputs, outputs, { axis }) {
    const [x, y] = [inputs[0], outputs[0]] as [View, View];
    const [outer, n, inner] = split(x.shape, axis, 1);
    for (let o = 0; o < outer; o++) {
      for (let j = 0; j < inner; j++) {
        let i = o * n * inner + j;
        let best = x.data[i] as number;
        let at = 0;
        for (let r = 1; r < n && !Number.isNaN(best); r++) {
          i += inner;
          const v = x.data[i] as number;
          if (v > best || Number.isNaN(v)) {
            best = v;
            at = r;
          }
        }
        y.data[o * inner + j] = at;
      }
    }
  },
  samples: [
    argMaxSample([1], 0),
    argMaxSample([70], 0),
    argMaxSample([5, 33], 1),
    argMaxSample([5, 33], 0),
    argMaxSample([2, 3, 17], 1),
    argMaxSample([0, 3], 1),
    argMaxSample([4, 3], 1, [1, 1, 0, -1, -2, -1, 0, Number.NaN, Infinity, Number.NaN, 1, Number.NaN]),
  ],
});

// ---------------------------------------------------------------- the functions

/** Axes counted from the front, in order; all of them when none are given. */
function axesOf(op: string, axis: number | readonly number[] | undefined, rank: number): number[] {
  if (axis === undefined) return Array.from({ length: rank }, (_, i) => i);
  if (typeof axis !== "number" && !Array.isArray(axis))
    throw new MinibatchError(`${op}: axis must be a number or a list of numbers, got ${describe(axis)}`);
  const axes = [axis].flat().map((a) => resolveAxis(op, a, rank));
  if (new Set(axes).size < axes.length)
    throw new ShapeError(`${op}: each axis may be named once, got ${show([axis].flat())} for a tensor of rank ${rank}`);
  return axes.sort((a, b) => a - b);
}

function reduce(op: OpDefinition<Block>, x: Value, options: ReduceOptions = {}): Value {
  tensor(op.name, x);
  checkOptions(op.name, options, ["axis", "keepDims"]);
  const keepDims = options.keepDims ?? false;
  const axes = axesOf(op.name, options.axis, x.rank);
  const [first = 0] = axes;
  const count = axes.length;
  if (axes.every((axis, i) => axis === first + i)) return apply1(op, [x], { axis: first, count, keepDims });
  const kept = x.shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
  const reduced = apply1(op, [transpose(x, [...kept, ...axes])], { axis: kept.length, count, keepDims: false });
  return keepDims
    ? reshape(
        reduced,
        x.shape.map((n, axis) => (axes.includes(axis) ? 1 : n)),
      )
    : reduced;
}

export function sum(x: Value, options?: ReduceOptions): Value {
  return reduce(sumOp, tensor("sum", x).dtype === "u8" ? cast(x, "i32") : x, options);
}

export function mean(x: Value, options?: ReduceOptions): Value {
  return reduce(meanOp, floating("mean", x), options);
}

export function max(x: Value, options?: ReduceOptions): Value {
  return reduce(maxOp, x, options);
}

export function min(x: Value, options?: ReduceOptions): Value {
  return reduce(minOp, x, options);
}

export function variance(x: Value, options?: ReduceOptions): Value {
  const float = floating("variance", x);
  checkOptions("variance", options, ["axis", "keepDims"]);
  return mean(square(sub(float, mean(float, { axis: options?.axis, keepDims: true }))), options);
}

export function sumSquares(x: Value): Value {
  return apply1(sumSquaresOp, [floating("sumSquares", x)], {});
}

export function argMax(x: Value, axis?: number): Value {
  if (axis === undefined) return apply1(argMaxOp, [reshape(tensor("argMax", x), [-1])], { axis: 0 });
  return apply1(argMaxOp, [x], { axis: resolveAxis("argMax", axis, tensor("argMax", x).rank) });
}

/** The reverse of broadcasting: sums over the axes on which a value of this shape was repeated to become x. */
export function sumTo(x: Value, shape: Shape): Value {
  if (sameShape(x.shape, shape)) return x;
  if (!sameShape(broadcastShapes("sumTo", x.shape, shape), x.shape)) {
    throw new ShapeError(`sumTo: the shape must broadcast to that of x, got ${show(shape)} and ${show(x.shape)}`);
  }
  const missing = x.rank - shape.length;
  const axis = x.shape.map((_, i) => i).filter((i) => i < missing || (shape[i - missing] === 1 && x.shape[i] !== 1));
  return reshape(sum(x, { axis }), shape);
}

export const reduceOps = [sumOp, meanOp, maxOp, minOp, sumSquaresOp, argMaxOp];
