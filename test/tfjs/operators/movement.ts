// tfjs's functions that make and move elements, as ours.
import { full, ones, ops, randomNormal, randomUniform, type Tensor, tensor, zeros } from "minibatch";
import { flipImages } from "../../../src/ops/images.ts";
import { notApplicable } from "../jasmine.ts";
import { dtypeOf, make, makeVariable, T, value } from "../tensor.ts";
import type { Table } from "./table.ts";

const range = (n: number, from = 0, step = 1) => Array.from({ length: n }, (_, i) => from + i * step);
const listOf = (xs: unknown) => (Array.isArray(xs) ? xs.map(value) : (xs as never));

/** A constructor that is named after a rank: ours takes any, so that a wrong one is no question. */
function ofRank(rank: number) {
  return (values: unknown, shape?: readonly number[], dtype?: string): T => {
    if (shape && shape.length !== rank) notApplicable("tensor() takes any rank: there is none for each");
    const t = make(values, shape, dtype);
    if (t.rank !== rank) notApplicable("tensor() takes any rank: there is none for each");
    return t;
  };
}

function filled(f: (shape: readonly number[], options: { dtype: ReturnType<typeof dtypeOf> }) => Tensor) {
  return (shape: readonly number[], dtype = "float32"): T => {
    if (dtype === "complex64" || dtype === "string") notApplicable("text and complex numbers are not offered");
    return new T(f(shape, { dtype: dtypeOf(dtype) }));
  };
}

const like = (f: (shape: readonly number[], options: { dtype: Tensor["dtype"] }) => Tensor) => (x: unknown) =>
  new T(f(value(x).shape, { dtype: value(x).dtype }));

const axisOf = (axis: number, rank: number) => (axis < 0 ? axis + rank : axis);

/** Parts along an axis: so many equal ones, or of these sizes, one of which may be what is left. */
function split(x: unknown, parts: number | readonly number[], axis = 0): T[] {
  const t = value(x);
  const at = axisOf(axis, t.rank);
  const n = t.size(axis);
  if (typeof parts === "number" && n % parts !== 0) notApplicable("there is no split: parts are slices, whose sizes are given");
  const given = typeof parts === "number" ? range(parts, n / parts, 0) : parts;
  const left = n - given.reduce((sum, size) => sum + Math.max(0, size), 0);
  const sizes = given.map((size) => (size < 0 ? left : size));
  if (given.filter((size) => size < 0).length > 1 || (left !== 0 && given.every((size) => size >= 0)))
    notApplicable("there is no split: parts are slices, whose sizes are given");
  let from = 0;
  return sizes.map((size) => {
    const begin = t.shape.map((_, i) => (i === at ? from : 0));
    from += size;
    return new T(
      t.slice(
        begin,
        t.shape.map((whole, i) => (i === at ? size : whole)),
      ),
    );
  });
}

/** tfjs takes a number for the first axis, and -1 or nothing for the rest of an axis. */
function slice(x: unknown, begin: number | readonly number[], size?: number | readonly number[]): T {
  const t = value(x);
  const from = typeof begin === "number" ? [begin] : begin;
  const many = size === undefined ? from.map(() => -1) : typeof size === "number" ? [size] : size;
  return new T(t.slice(from, many));
}

function slices(rank: number) {
  return (x: unknown, begin: number | readonly number[], size: number | readonly number[]): T => {
    if (value(x).rank !== rank) notApplicable("slice takes any rank: there is none for each");
    return slice(x, begin, size);
  };
}

function pad(x: unknown, sizes: readonly (readonly [number, number])[], constant = 0): T {
  if (sizes.some((both) => both.length !== 2)) notApplicable("pad takes two lists: before and after each axis");
  return new T(
    value(x).pad(
      sizes.map(([before]) => before),
      sizes.map(([, after]) => after),
      constant,
    ),
  );
}

const padRank =
  (rank: number) =>
  (x: unknown, sizes: never, constant = 0): T => {
    if (value(x).rank !== rank) notApplicable("pad takes any rank: there is none for each");
    return pad(x, rank === 1 ? [sizes] : sizes, constant);
  };

function concat(xs: unknown, axis = 0): T {
  if (!Array.isArray(xs)) return new T(ops.concat(xs as never, axis));
  const list = xs.map(value);
  return new T(ops.concat(list, axis));
}

/** Repeats along each axis, by putting the tensor after itself. */
function tile(x: unknown, times: readonly number[]): T {
  let y = value(x);
  if (times.length !== y.rank) notApplicable("there is no tile: concat puts a tensor after itself");
  times.forEach((count, axis) => {
    if (count === 0) notApplicable("there is no tile: concat puts a tensor after itself");
    y = ops.concat(new Array<Tensor>(count).fill(y), axis);
  });
  return new T(y);
}

/** Each named axis backwards, by a gather. */
function reverse(x: unknown, axis?: number | readonly number[]): T {
  let y = value(x);
  const axes = axis === undefined ? range(y.rank) : [axis].flat();
  for (const each of axes) {
    const n = y.size(each);
    y = y.gather(tensor(Int32Array.from(range(n, n - 1, -1))), axisOf(each, y.rank));
  }
  return new T(y);
}

const reverseRank =
  (rank: number) =>
  (x: unknown, axis?: number | readonly number[]): T => {
    if (value(x).rank !== rank) notApplicable("there is no reverse: gather takes indices in any order");
    return reverse(x, axis);
  };

function squeeze(x: unknown, axis?: number | readonly number[]): T {
  const t = value(x);
  const given = axis === undefined ? [] : [axis].flat();
  const axes = given.length ? given.map((each) => axisOf(each, t.rank)) : undefined;
  if (axes?.some((each) => t.shape[each] !== 1)) notApplicable("there is no squeeze: reshape names the shape");
  return new T(t.reshape(t.shape.filter((n, i) => (axes ? !axes.includes(i) : n !== 1))));
}

function expandDims(x: unknown, axis = 0): T {
  const t = value(x);
  if (axis > t.rank || axis < -t.rank - 1) notApplicable("there is no expandDims: reshape names the shape");
  const at = axis < 0 ? axis + t.rank + 1 : axis;
  return new T(t.reshape([...t.shape.slice(0, at), 1, ...t.shape.slice(at)]));
}

function unstack(x: unknown, axis = 0): T[] {
  const t = value(x);
  const n = t.size(axis);
  const at = axisOf(axis, t.rank);
  const rest = t.shape.filter((_, i) => i !== at);
  return range(n).map((i) => {
    const begin = t.shape.map((_, each) => (each === at ? i : 0));
    return new T(
      t
        .slice(
          begin,
          t.shape.map((whole, each) => (each === at ? 1 : whole)),
        )
        .reshape(rest),
    );
  });
}

/** Indices are whole numbers: numbers of JavaScript become so, tensors must be. */
const indices = (x: unknown): Tensor => (x instanceof T ? x.value : value(make(x, undefined, "int32")));

function gather(x: unknown, at: unknown, axis = 0, batchDims = 0): T {
  if (batchDims !== 0) notApplicable("gather has no batch axes");
  return new T(value(x).gather(indices(at), axis));
}

function oneHot(x: unknown, depth: number, on = 1, off = 0, dtype = "int32"): T {
  const marked = ops.oneHot(indices(x), depth, dtypeOf(dtype));
  return new T(
    on === 1 && off === 0
      ? marked
      : marked
          .mul(on - off)
          .add(off)
          .cast(dtypeOf(dtype)),
  );
}

/** Draws differ from tfjs's; shapes, types, means and bounds do not. */
let draws = 0;

function floats(dtype: string | undefined): void {
  if (dtype === "bool") notApplicable("draws are numbers");
}

export const movement: Table = {
  tensor: (values: unknown, shape?: readonly number[], dtype?: string) => make(values, shape, dtype),
  scalar(x: unknown, dtype?: string) {
    if (typeof x === "string" || typeof x === "object") notApplicable("scalar takes a number");
    return make(x, [], dtype);
  },
  tensor1d: (values: unknown, dtype?: string) => ofRank(1)(values, undefined, dtype),
  tensor2d: ofRank(2),
  tensor3d: ofRank(3),
  tensor4d: ofRank(4),
  tensor5d: ofRank(5),
  tensor6d: ofRank(6),
  variable: (initial: T, trainable?: boolean, name?: string, dtype?: string) => makeVariable(initial, trainable, name, dtype),
  zeros: filled(zeros),
  ones: filled(ones),
  zerosLike: like(zeros),
  onesLike: like(ones),
  fill(shape: readonly number[], x: number | string, dtype?: string) {
    if (typeof x !== "number") return notApplicable("text is not a tensor");
    return new T(full(shape, x, { dtype: dtypeOf(dtype ?? "float32") }));
  },
  range(from: number, to: number, step = to < from ? -1 : 1, dtype = "float32") {
    return make(range(Math.max(0, Math.ceil((to - from) / step)), from, step), undefined, dtype);
  },
  eye(m: number, n = m, batch?: readonly number[], dtype = "float32") {
    // Places beyond the last column mark nothing.
    const marked = ops.oneHot(tensor(Int32Array.from(range(m, 0, 1), (i) => Math.min(i, n))), n + 1, dtypeOf(dtype)).slice([0, 0], [m, n]);
    return new T(batch ? marked.broadcastTo([...batch, m, n]) : marked);
  },
  randomNormal(shape: readonly number[], mean = 0, std = 1, dtype?: string, seed?: number) {
    floats(dtype);
    return new T(randomNormal(shape, { mean, std, seed: seed ?? ++draws, dtype: dtypeOf(dtype ?? "float32") }));
  },
  randomStandardNormal(shape: readonly number[], dtype?: string, seed?: number) {
    floats(dtype);
    return new T(randomNormal(shape, { seed: seed ?? ++draws, dtype: dtypeOf(dtype ?? "float32") }));
  },
  randomUniform(shape: readonly number[], low = 0, high = 1, dtype?: string, seed?: number | string) {
    floats(dtype);
    if (typeof seed === "string") notApplicable("seeds are numbers");
    return new T(randomUniform(shape, { low, high, seed: (seed as number | undefined) ?? ++draws, dtype: dtypeOf(dtype ?? "float32") }));
  },

  reshape: (x: unknown, shape: readonly number[]) => new T(value(x).reshape(shape)),
  reshapeAs: (x: unknown, other: T) => new T(value(x).reshape(other.shape)),
  flatten: (x: unknown) => new T(value(x).flatten()),
  as1D: (x: unknown) => new T(value(x).flatten()),
  asScalar: (x: unknown) => new T(value(x).reshape([])),
  as2D: (x: unknown, ...shape: number[]) => new T(value(x).reshape(shape)),
  as3D: (x: unknown, ...shape: number[]) => new T(value(x).reshape(shape)),
  as4D: (x: unknown, ...shape: number[]) => new T(value(x).reshape(shape)),
  as5D: (x: unknown, ...shape: number[]) => new T(value(x).reshape(shape)),
  expandDims,
  squeeze,
  transpose(x: unknown, axes?: readonly number[]) {
    return new T(value(x).transpose(axes));
  },
  broadcastTo: (x: unknown, shape: readonly number[]) => new T(value(x).broadcastTo(shape)),
  slice,
  slice1d: slices(1),
  slice2d: slices(2),
  slice3d: slices(3),
  slice4d: slices(4),
  split,
  pad,
  pad1d: padRank(1),
  pad2d: padRank(2),
  pad3d: padRank(3),
  pad4d: padRank(4),
  concat: (x: unknown, ...rest: unknown[]) =>
    // As a method: the others may come in a list, then the axis.
    x instanceof T ? concat([x, ...[rest[0]].flat()], (rest[1] as number | undefined) ?? 0) : concat(x, rest[0] as number | undefined),
  concat1d: (xs: unknown) => concat(xs, 0),
  concat2d: concat,
  concat3d: concat,
  concat4d: concat,
  stack: (xs: unknown, axis = 0) => {
    // As a method of one tensor.
    const list = xs instanceof T ? [xs, ...[axis as unknown].flat()] : xs;
    return new T(ops.stack(listOf(list), xs instanceof T ? 0 : axis));
  },
  unstack,
  tile,
  reverse,
  reverse1d: reverseRank(1),
  reverse2d: reverseRank(2),
  reverse3d: reverseRank(3),
  reverse4d: reverseRank(4),
  gather,
  oneHot,
  unsortedSegmentSum: (x: unknown, segments: unknown, n: number) => new T(ops.scatterAdd(indices(segments), value(x), n)),
  "image.flipLeftRight"(x: unknown) {
    const t = value(x);
    return new T(flipImages(t, zeros([t.size(0)]), { probability: 1 }) as Tensor);
  },
};
