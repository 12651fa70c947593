// Arithmetic on shapes: sizes, strides, broadcasting, axes. Row-major; knows nothing of data.
import { describe, ShapeError } from "./errors.ts";

export type Shape = readonly number[];

/** Tensors have at most this many axes; native/kernel.h has the same bound. */
export const maxRank = 6;

export function sizeOf(shape: Shape): number {
  let size = 1;
  for (const n of shape) size *= n;
  return size;
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((n, i) => n === b[i]);
}

/** `[32, 64]`, as errors and summaries show a shape. */
export function show(shape: Shape): string {
  // What stands in place of a size may be anything, and many.
  const items = Array.from(shape.slice(0, 12), (n: unknown) => (typeof n === "number" ? String(n) : describe(n)));
  return `[${items.join(", ")}${shape.length > 12 ? ", ..." : ""}]`;
}

/** Row-major strides, in elements. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = stride;
    stride *= shape[i] as number;
  }
  return strides;
}

/** NumPy's rule: axes are matched from the last; sizes must be equal or one of them 1. */
export function broadcastShapes(op: string, a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  const out = new Array<number>(rank);
  for (let i = 0; i < rank; i++) {
    const m = a[a.length - rank + i] ?? 1;
    const n = b[b.length - rank + i] ?? 1;
    if (m !== n && m !== 1 && n !== 1) {
      throw new ShapeError(`${op}: sizes must be equal or 1 on every axis, got ${show(a)} and ${show(b)}`);
    }
    out[i] = m === 1 ? n : m;
  }
  return out;
}

/** An axis counted from the front, from one that may be negative. */
export function resolveAxis(op: string, axis: number, rank: number): number {
  if (typeof axis !== "number") throw new ShapeError(`${op}: axis must be a whole number, got ${describe(axis)}`);
  const resolved = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || resolved < 0 || resolved >= rank) {
    throw new ShapeError(`${op}: axis must be a whole number from ${-rank} to ${rank - 1} for a tensor of rank ${rank}, got ${axis}`);
  }
  return resolved;
}

/** Every size a whole number from 0 on, at most `maxRank` of them, the product within what an array can hold. */
export function checkShape(op: string, shape: Shape): Shape {
  if (!Array.isArray(shape)) throw new ShapeError(`${op}: a shape is an array of sizes, got ${describe(shape)}`);
  for (const n of shape) {
    if (!Number.isInteger(n) || n < 0) throw new ShapeError(`${op}: sizes must be whole numbers from 0 on, got ${show(shape)}`);
  }
  if (shape.length > maxRank) throw new ShapeError(`${op}: at most ${maxRank} axes, got ${shape.length}: ${show(shape)}`);
  // Sizes beside a 0 are bounded too: kernels multiply some of them.
  let product = 1;
  for (const n of shape) product *= n || 1;
  if (product > 2 ** 32) throw new ShapeError(`${op}: at most 2^32 elements, got ${show(shape)}`);
  return shape;
}
