// ONNX operators that move elements, as functions of the library.
import type { Value } from "../../../src/ops/define.ts";
import { add, mul, where } from "../../../src/ops/elementwise.ts";
import { gather, oneHot } from "../../../src/ops/indexing.ts";
import { broadcastTo, concat, pad, reshape, slice, transpose } from "../../../src/ops/movement.ts";
import { broadcastShapes, sizeOf, stridesOf } from "../../../src/shape.ts";
import { tensor } from "../../../src/tensor.ts";
import { axisOf, type Call, type Operation } from "../call.ts";
import { dtypeOfElement, Item } from "../item.ts";
import { NotApplicable, requireAxes } from "../not-applicable.ts";

/** An operator whose result has the type of its first input, whatever that is. */
function moving(f: (x: Value, call: Call) => Value): Operation {
  return (call) => Item.fromValue(f(call.input(0).value(), call), call.input(0).type);
}

const range = (n: number, from = 0, step = 1) => Array.from({ length: n }, (_, i) => from + i * step);

function reshaped(x: Value, shape: readonly number[]): Value {
  requireAxes(shape.length);
  return reshape(x, shape);
}

const product = (sizes: readonly number[]) => sizeOf(sizes);

/** 0 keeps a size (unless allowed as a size), -1 is worked out. */
function newShape(dims: readonly number[], asked: readonly number[], allowZero: boolean): number[] {
  const shape = asked.map((n, i) => (n === 0 && !allowZero ? (dims[i] as number) : n));
  const open = shape.indexOf(-1);
  if (open >= 0) shape[open] = product(dims) / product(shape.filter((n) => n !== -1));
  return shape;
}

function flattenAt(dims: readonly number[], axis: number): number[] {
  const at = axis < 0 ? axis + dims.length : axis;
  return [product(dims.slice(0, at)), product(dims.slice(at))];
}

function unsqueezed(dims: readonly number[], axes: readonly number[]): number[] {
  const rank = dims.length + axes.length;
  const places = new Set(axes.map((axis) => (axis < 0 ? axis + rank : axis)));
  const rest = [...dims];
  return range(rank).map((i) => (places.has(i) ? 1 : (rest.shift() as number)));
}

/** Indices for gather: whole numbers, negative ones counted from the end. */
function indicesOf(item: Item, size: number): Value {
  return tensor(
    Int32Array.from(item.numbers(), (i) => (i < 0 ? i + size : i)),
    { shape: item.dims, dtype: "i32" },
  );
}

/** Begin, end and step along one axis, clamped as Python does; then either one slice or a gather of every step-th index. */
function sliced(x: Value, call: Call): Value {
  const old = call.opset < 10;
  const begins = (old ? call.ints("starts") : Array.from(call.input(1).numbers())) ?? [];
  const ends = (old ? call.ints("ends") : Array.from(call.input(2).numbers())) ?? [];
  const axes = (old ? call.ints("axes") : call.optional(3)?.numbers()) ?? range(begins.length);
  const steps = old ? undefined : call.optional(4)?.numbers();
  const begin = x.shape.map(() => 0);
  const size = [...x.shape];
  let y = x;
  begins.forEach((from, k) => {
    const axis = axisOf(axes[k] as number, x.rank);
    const n = x.shape[axis] as number;
    const step = steps?.[k] ?? 1;
    const [low, high] = step > 0 ? [0, n] : [-1, n - 1];
    const clamp = (i: number) => Math.min(high, Math.max(step > 0 ? 0 : low, i < 0 ? i + n : i));
    const first = clamp(from);
    const count = Math.max(0, Math.ceil((clamp(ends[k] as number) - first) / step));
    if (step === 1) {
      begin[axis] = first;
      size[axis] = count;
    } else {
      y = gather(y, tensor(Int32Array.from(range(count, first, step)), { dtype: "i32" }), axis);
      size[axis] = count;
    }
  });
  return slice(y, begin, size);
}

function padded(x: Value, call: Call): Value {
  const mode = call.text("mode", "constant");
  if (mode !== "constant") throw new NotApplicable(`pad repeats one value; mode "${mode}" is not offered`);
  const pads = (call.ints("pads") ?? Array.from(call.input(1).numbers())) as number[];
  const value = call.opset < 11 ? call.float("value", 0) : (call.optional(2)?.number() ?? 0);
  if (pads.some((n) => n < 0)) throw new NotApplicable("pad adds elements; negative pads are slices");
  return pad(x, pads.slice(0, x.rank), pads.slice(x.rank), value);
}

function split(call: Call): Item[] {
  const { dims, rank, type } = call.input(0);
  const axis = axisOf(call.int("axis", 0), rank);
  const sizes = call.list("split", 1) ?? range(call.outputCount).map(() => (dims[axis] as number) / call.outputCount);
  let from = 0;
  return sizes.map((n) => {
    const begin = dims.map((_, i) => (i === axis ? from : 0));
    from += n;
    return Item.fromValue(
      slice(
        call.input(0).value(),
        begin,
        dims.map((size, i) => (i === axis ? n : size)),
      ),
      type,
    );
  });
}

/** y[i, j, k] = x[i, indices[i, j, k], k] for axis 1: one gather in the flat tensor. */
function gatherElements(x: Value, call: Call): Value {
  const indices = call.input(1);
  const axis = axisOf(call.int("axis", 0), x.rank);
  const strides = stridesOf(x.shape);
  const places = stridesOf(indices.dims);
  const n = x.shape[axis] as number;
  const flat = Int32Array.from(indices.numbers(), (index, place) => {
    let at = 0;
    for (let d = 0; d < x.rank; d++) {
      const coordinate = Math.floor(place / (places[d] as number)) % (indices.dims[d] as number);
      at += (strides[d] as number) * (d === axis ? (index < 0 ? index + n : index) : coordinate);
    }
    return at;
  });
  return gather(reshape(x, [sizeOf(x.shape)]), tensor(flat, { shape: indices.dims, dtype: "i32" }), 0);
}

/** Values [off, on] at depth places along a new axis. An index out of range marks nothing; the library refuses such, so it is sent to a spare place. */
const oneHotOperator: Operation = (call) => {
  const depth = call.input(1).number();
  const [off, on] = Array.from(call.input(2).numbers()) as [number, number];
  const indices = call.input(0);
  const rank = indices.rank + 1;
  const type = call.input(2).type;
  const known = Int32Array.from(indices.numbers(), (i) => (i < -depth || i >= depth ? depth : i < 0 ? i + depth : i));
  const marked = oneHot(tensor(known, { shape: indices.dims, dtype: "i32" }), depth + 1, dtypeOfElement(type));
  const inRange = slice(
    marked,
    marked.shape.map(() => 0),
    [...indices.dims, depth],
  );
  const order = range(rank - 1);
  order.splice(axisOf(call.int("axis", -1), rank), 0, rank - 1);
  return Item.fromValue(transpose(add(mul(inRange, on - off), off), order), type);
};

/** [b, c, h, w] with c = block^2 * rest -> [b, rest, h * block, w * block]. */
function depthToSpace(x: Value, call: Call): Value {
  const block = call.int("blocksize", 1);
  const [b = 0, c = 0, h = 0, w = 0] = x.shape;
  const rest = c / (block * block);
  const rowsFirst = call.text("mode", "DCR") === "DCR";
  const split = reshape(x, rowsFirst ? [b, block, block, rest, h, w] : [b, rest, block, block, h, w]);
  return reshape(transpose(split, rowsFirst ? [0, 3, 4, 1, 5, 2] : [0, 1, 4, 2, 5, 3]), [b, rest, h * block, w * block]);
}

function spaceToDepth(x: Value, call: Call): Value {
  const block = call.int("blocksize", 1);
  const [b = 0, c = 0, h = 0, w = 0] = x.shape;
  const split = reshape(x, [b, c, h / block, block, w / block, block]);
  return reshape(transpose(split, [0, 3, 5, 1, 2, 4]), [b, c * block * block, h / block, w / block]);
}

/** Repeats along each axis: [n] -> [1, n] -> [times, n] -> [times * n]. */
function tiled(x: Value, call: Call): Value {
  const times = Array.from(call.input(1).numbers());
  let y = x;
  times.forEach((count, axis) => {
    const [before, after] = [y.shape.slice(0, axis), y.shape.slice(axis)];
    const wide = broadcastTo(reshape(y, [...before, 1, ...after]), [...before, count, ...after]);
    y = reshape(wide, [...before, count * (after[0] as number), ...after.slice(1)]);
  });
  return y;
}

/** Keeps the triangle on one side of a diagonal, zeros elsewhere. */
function triangle(x: Value, call: Call): Value {
  const k = call.optional(1)?.number() ?? 0;
  const [m = 0, n = 0] = x.shape.slice(-2);
  const upper = call.int("upper", 1) === 1;
  const kept = range(m * n).map((at) => {
    const diagonal = (at % n) - Math.floor(at / n);
    return (upper ? diagonal >= k : diagonal <= k) ? 1 : 0;
  });
  return where(tensor(kept, { shape: [m, n], dtype: x.dtype }), x, 0);
}

export const movement: Readonly<Record<string, Operation>> = {
  Reshape: moving((x, call) => {
    const asked = call.list("shape", 1) ?? [];
    return reshaped(x, newShape(x.shape, asked, call.int("allowzero", 0) === 1));
  }),
  Flatten: (call) => {
    const { dims, type } = call.input(0);
    const shape = flattenAt(dims, call.int("axis", 1));
    return Item.fromValue(call.input(0).shaped(shape), type);
  },
  Transpose: moving((x, call) => transpose(x, call.ints("perm") ?? range(x.rank).reverse())),
  Slice: moving(sliced),
  Concat: (call) => {
    const items = call.inputs();
    const first = items[0] as Item;
    return Item.fromValue(
      concat(
        items.map((item) => item.value()),
        axisOf(call.int("axis", 1), first.rank),
      ),
      first.type,
    );
  },
  Pad: moving(padded),
  Gather: moving((x, call) => {
    const axis = axisOf(call.int("axis", 0), x.rank);
    return gather(x, indicesOf(call.input(1), x.shape[axis] as number), axis);
  }),
  GatherElements: moving(gatherElements),
  OneHot: oneHotOperator,
  Squeeze: moving((x, call) => {
    const axes = call.list("axes", 1)?.map((axis) => axisOf(axis, x.rank));
    return reshape(
      x,
      x.shape.filter((n, i) => (axes ? !axes.includes(i) : n !== 1)),
    );
  }),
  Unsqueeze: moving((x, call) => reshaped(x, unsqueezed(x.shape, call.list("axes", 1) ?? []))),
  Expand: moving((x, call) => broadcastTo(x, broadcastShapes("Expand", x.shape, Array.from(call.input(1).numbers())))),
  Split: split,
  Tile: moving(tiled),
  Trilu: moving(triangle),
  DepthToSpace: moving(depthToSpace),
  SpaceToDepth: moving(spaceToDepth),
};
