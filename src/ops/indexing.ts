// Ops that pick by index: gather and its gradient, one-hot rows, and the rows of a data set for the steps of a run.
// An index out of range is an error of the run, since indices are data. Negative indices are out of range.
import { type DType, dtypeCode } from "../dtype.ts";
import { checkNumber, describe, MinibatchError, ShapeError } from "../errors.ts";
import { resolveAxis, show, sizeOf } from "../shape.ts";
import { apply1, defineOp, type Value, type ValueType, type View } from "./define.ts";
import { cast } from "./elementwise.ts";
import { dtypeOfCode, tensor } from "./operand.ts";
import { named } from "./rules.ts";

function requireIndices(op: string, name: string, { dtype }: ValueType): void {
  if (dtype !== "i32") throw new ShapeError(`${op}: ${name} must be i32, got ${dtype}`);
}

function checkIndex(op: string, index: number, bound: number): void {
  if (!(index >= 0 && index < bound)) throw new MinibatchError(`${op}: index ${index} is out of range for ${bound}`);
}

function requireAxis(op: string, axis: number, shape: readonly number[]): number {
  const n = shape[axis];
  if (n === undefined) throw new ShapeError(`${op}: axis must lie inside the shape, got axis ${axis} of ${show(shape)}`);
  return n;
}

/** Whole numbers of any dtype as i32. */
function indicesOf(op: string, x: Value): Value {
  return cast(tensor(op, x), "i32");
}

export const gatherOp = defineOp<{ axis: number }>({
  name: "gather",
  doc: "Slices of x along an axis, by index: x [outer..., n, inner...], indices i32 [...] -> [outer..., indices..., inner...].",
  infer(inputs, { axis }) {
    const { x, indices } = named("gather", inputs, ["x", "indices"]);
    requireIndices("gather", "indices", indices);
    requireAxis("gather", axis, x.shape);
    return [{ shape: x.shape.toSpliced(axis, 1, ...indices.shape), dtype: x.dtype }];
  },
  kernel(inputs, outputs, { axis }) {
    const [x, indices, y] = [inputs[0], inputs[1], outputs[0]] as [View, View, View];
    const n = x.shape[axis] as number;
    const count = indices.data.length;
    const inner = sizeOf(x.shape.slice(axis + 1));
    for (const index of indices.data) checkIndex("gather", index, n);
    const outer = sizeOf(x.shape.slice(0, axis));
    for (let o = 0, k = 0; o < outer; o++) {
      for (let c = 0; c < count; c++) {
        let i = (o * n + (indices.data[c] as number)) * inner;
        for (const end = k + inner; k < end; k++, i++) y.data[k] = x.data[i] as number;
      }
    }
  },
  gradient: ({ inputs: [x, indices], gradients: [dy], attributes: { axis }, needs }) => [
    x && indices && dy && needs(0) ? scatterAdd(indices, dy, x.shape[axis] as number, axis) : undefined,
    undefined,
  ],
  samples: [
    { inputs: [{ shape: [5, 33] }, { shape: [7], dtype: "i32", below: 5 }], attributes: { axis: 0 } },
    { inputs: [{ shape: [5, 9] }, { shape: [2, 3], dtype: "i32", below: 9 }], attributes: { axis: 1 } },
    { inputs: [{ shape: [2, 4, 3] }, { shape: [], dtype: "i32", below: 4 }], attributes: { axis: 1 } },
    { inputs: [{ shape: [6] }, { shape: [4], dtype: "i32", values: [5, 5, 0, 5] }], attributes: { axis: 0 } },
    { inputs: [{ shape: [3, 2] }, { shape: [0], dtype: "i32", values: [] }], attributes: { axis: 0 } },
  ],
});

export const scatterAddOp = defineOp<{ axis: number; size: number }>({
  name: "scatterAdd",
  doc: "Zeros of n = size along an axis with the slices of dy added at their indices: indices i32 [...], dy [outer..., indices..., inner...] -> [outer..., n, inner...].",
  infer(inputs, { axis, size }) {
    const { indices, dy } = named("scatterAdd", inputs, ["indices", "dy"]);
    requireIndices("scatterAdd", "indices", indices);
    const rank = indices.shape.length;
    if (axis + rank > dy.shape.length || indices.shape.some((n, i) => dy.shape[axis + i] !== n)) {
      throw new ShapeError(
        `scatterAdd: dy must have the shape of the indices from axis ${axis} on, got ${show(dy.shape)} and indices ${show(indices.shape)}`,
      );
    }
    return [{ shape: dy.shape.toSpliced(axis, rank, size), dtype: dy.dtype }];
  },
  kernel(inputs, outputs, { axis, size }) {
    const [indices, dy, dx] = [inputs[0], inputs[1], outputs[0]] as [View, View, View];
    for (const index of indices.data) checkIndex("scatterAdd", index, size);
    const count = indices.data.length;
    const inner = sizeOf(dx.shape.slice(axis + 1));
    const outer = sizeOf(dx.shape.slice(0, axis));
    // Many slices may meet at one index: added in double precision, rounded once.
    const total = new Float64Array(dx.data.length);
    for (let o = 0, k = 0; o < outer; o++) {
      for (let c = 0; c < count; c++) {
        let i = (o * size + (indices.data[c] as number)) * inner;
        for (const end = k + inner; k < end; k++, i++) total[i] = (total[i] as number) + (dy.data[k] as number);
      }
    }
    dx.data.set(total);
  },
  gradient: ({ inputs: [indices], gradients: [ddx], attributes: { axis }, needs }) => [
    undefined,
    indices && ddx && needs(1) ? gather(ddx, indices, axis) : undefined,
  ],
  samples: [
    { inputs: [{ shape: [7], dtype: "i32", below: 5 }, { shape: [7, 33] }], attributes: { axis: 0, size: 5 } },
    { inputs: [{ shape: [2, 3], dtype: "i32", below: 4 }, { shape: [5, 2, 3] }], attributes: { axis: 1, size: 4 } },
    { inputs: [{ shape: [], dtype: "i32", below: 4 }, { shape: [2, 3] }], attributes: { axis: 1, size: 4 } },
    { inputs: [{ shape: [4], dtype: "i32", values: [2, 2, 2, 0] }, { shape: [4] }], attributes: { axis: 0, size: 3 } },
    { inputs: [{ shape: [0], dtype: "i32", values: [] }, { shape: [0, 2] }], attributes: { axis: 0, size: 3 } },
  ],
});

export const oneHotOp = defineOp<{ depth: number; dtype: number }>({
  name: "oneHot",
  doc: "1 at the index, 0 elsewhere, along a new last axis: indices i32 [...] -> [..., depth].",
  infer(inputs, { depth, dtype }) {
    const { indices } = named("oneHot", inputs, ["indices"]);
    requireIndices("oneHot", "indices", indices);
    return [{ shape: [...indices.shape, depth], dtype: dtypeOfCode("oneHot", dtype) }];
  },
  kernel(inputs, outputs, { depth }) {
    const [indices, y] = [inputs[0], outputs[0]] as [View, View];
    y.data.fill(0);
    indices.data.forEach((index, i) => {
      checkIndex("oneHot", index, depth);
      y.data[i * depth + index] = 1;
    });
  },
  samples: (
    [
      [[], 3],
      [[7], 5],
      [[2, 9], 33],
      [[4], 1],
      [[0], 3],
    ] as const
  ).flatMap(([shape, depth]) =>
    [dtypeCode.f32, dtypeCode.f64].map((dtype) => ({
      inputs: [{ shape, dtype: "i32" as const, below: depth }],
      attributes: { depth, dtype },
    })),
  ),
});

export const gatherRowsOp = defineOp<{ to: number }>({
  name: "gatherRows",
  doc: "Rows of a table of any dtype, by index, converted: table [m, ...], rows i32 [b] -> [b, ...].",
  infer(inputs, { to }) {
    const { table, rows } = named("gatherRows", inputs, ["table", "rows"]);
    requireIndices("gatherRows", "rows", rows);
    if (table.shape.length === 0 || rows.shape.length !== 1) {
      throw new ShapeError(
        `gatherRows: takes a table of at least one axis and a list of rows, got ${show(table.shape)} and ${show(rows.shape)}`,
      );
    }
    return [{ shape: [...rows.shape, ...table.shape.slice(1)], dtype: dtypeOfCode("gatherRows", to) }];
  },
  kernel(inputs, outputs) {
    const [table, rows, y] = [inputs[0], inputs[1], outputs[0]] as [View, View, View];
    const m = table.shape[0] as number;
    const width = sizeOf(table.shape.slice(1));
    rows.data.forEach((row, i) => {
      checkIndex("gatherRows", row, m);
      y.data.set(table.data.subarray(row * width, (row + 1) * width), i * width);
    });
  },
  samples: [
    {
      inputs: [
        { shape: [9, 33], dtype: "u8", below: 256 },
        { shape: [4], dtype: "i32", below: 9 },
      ],
      attributes: { to: dtypeCode.f32 },
    },
    {
      inputs: [
        { shape: [9, 2, 5], dtype: "u8", below: 256 },
        { shape: [4], dtype: "i32", below: 9 },
      ],
      attributes: { to: dtypeCode.f64 },
    },
    {
      inputs: [{ shape: [9, 70] }, { shape: [12], dtype: "i32", below: 9 }],
      attributes: { to: dtypeCode.f32 },
      noGradientCheck: "a table of data has no gradient",
    },
    {
      inputs: [{ shape: [9, 70] }, { shape: [12], dtype: "i32", below: 9 }],
      attributes: { to: dtypeCode.f64 },
      noGradientCheck: "a table of data has no gradient",
    },
    {
      inputs: [
        { shape: [9], dtype: "i32", below: 100 },
        { shape: [4], dtype: "i32", below: 9 },
      ],
      attributes: { to: dtypeCode.i32 },
    },
    {
      inputs: [{ shape: [9, 3] }, { shape: [0], dtype: "i32", values: [] }],
      attributes: { to: dtypeCode.f32 },
      noGradientCheck: "a table of data has no gradient",
    },
  ],
});

export function gather(x: Value, indices: Value, axis = 0): Value {
  return apply1(gatherOp, [x, indicesOf("gather", indices)], { axis: resolveAxis("gather", axis, tensor("gather", x).rank) });
}

export function scatterAdd(indices: Value, dy: Value, size: number, axis = 0): Value {
  return apply1(scatterAddOp, [indicesOf("scatterAdd", indices), dy], {
    axis: checkNumber("scatterAdd", "axis", axis, { min: 0, whole: true }),
    size: checkNumber("scatterAdd", "size", size, { min: 0, whole: true }),
  });
}

export function oneHot(indices: Value, depth: number, dtype: DType = "f32"): Value {
  if (typeof dtype !== "string" || !Object.hasOwn(dtypeCode, dtype)) {
    throw new MinibatchError(`oneHot: dtype must be one of ${Object.keys(dtypeCode).join(", ")}, got ${describe(dtype)}`);
  }
  return apply1(oneHotOp, [indicesOf("oneHot", indices)], {
    depth: checkNumber("oneHot", "depth", depth, { min: 1, whole: true }),
    dtype: dtypeCode[dtype],
  });
}

/** Rows of a data set by index, in the dtype in which the network computes: table [m, ...], rows [b] -> [b, ...]. */
export function gatherRows(table: Value, rows: Value, dtype: DType = "f32"): Value {
  return apply1(gatherRowsOp, [table, indicesOf("gatherRows", rows)], { to: dtypeCode[dtype] });
}

export const indexingOps = [gatherOp, scatterAddOp, oneHotOp, gatherRowsOp];
