// Walks over the elements of a shape in runs: the part of broadcasting, transposing, slicing and padding that is the same
// for all of them. Knows no op and no number type.
import type { Shape } from "../shape.ts";
import { stridesOf } from "../shape.ts";

/** One run: elements `at` to `at + length` of the walked shape, and for each operand its start and its step per element. */
export type Run = (at: number, length: number, starts: readonly number[], steps: readonly number[]) => void;

/**
 * Walks over `shape` in row-major order beside operands with strides of their own. Axes along which every operand moves
 * evenly are joined first, so that equal shapes are one run and the last axis is as long as it can be.
 */
export function walk(shape: Shape, strides: readonly (readonly number[])[], starts: readonly number[], run: Run): void {
  const sizes: number[] = [];
  const steps: number[][] = [];
  let total = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const n = shape[axis] as number;
    total *= n;
    if (n === 1) continue;
    const inner = steps.length - 1;
    if (inner >= 0 && strides.every((s, t) => s[axis] === (steps[inner]?.[t] as number) * (sizes[inner] as number))) {
      sizes[inner] = (sizes[inner] as number) * n;
    } else {
      sizes.push(n);
      steps.push(strides.map((s) => s[axis] as number));
    }
  }
  if (total === 0) return;
  const length = sizes[0] ?? 1;
  const first = steps[0] ?? strides.map(() => 0);
  const here = [...starts];
  const index = sizes.map(() => 0);
  for (let at = 0; at < total; at += length) {
    run(at, length, here, first);
    for (let g = 1; g < sizes.length; g++) {
      const step = steps[g] as number[];
      const n = sizes[g] as number;
      const next = (index[g] as number) + 1;
      const wraps = next === n;
      index[g] = wraps ? 0 : next;
      for (let t = 0; t < here.length; t++) here[t] = (here[t] as number) + (step[t] as number) * (wraps ? 1 - n : 1);
      if (!wraps) break;
    }
  }
}

/** Strides of a value that is broadcast to `shape`: 0 along the axes on which it is repeated. */
export function broadcastStrides(from: Shape, shape: Shape): number[] {
  const own = stridesOf(from);
  const missing = shape.length - from.length;
  return shape.map((_, axis) => (axis < missing || from[axis - missing] === 1 ? 0 : (own[axis - missing] as number)));
}
