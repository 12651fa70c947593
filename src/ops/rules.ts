// Checks that the shape rules of fused ops share: number types and exact shapes, with errors in the house form.
// Knows no particular op.
import { isFloat } from "../dtype.ts";
import { ShapeError } from "../errors.ts";
import { type Shape, sameShape, show } from "../shape.ts";
import type { ValueType } from "./define.ts";

/** Why a sample that native kernels cut into pieces is not differentiated by differences: that grows with the square of its size. */
export const tooLarge = "too large for differences of every element";

/** Inputs by the names that errors use. */
export type NamedTypes = Readonly<Record<string, ValueType>>;

/** The inputs of a call under their names; an error when their number is wrong. */
export function named<const N extends readonly string[]>(
  op: string,
  inputs: readonly ValueType[],
  names: N,
): { readonly [K in N[number]]: ValueType } {
  if (inputs.length !== names.length)
    throw new ShapeError(`${op}: takes ${names.length} inputs (${names.join(", ")}), got ${inputs.length}`);
  return Object.fromEntries(names.map((name, i) => [name, inputs[i]])) as { readonly [K in N[number]]: ValueType };
}

/** Every one f32, or every one f64. */
export function requireFloats(op: string, types: NamedTypes): void {
  const first = Object.values(types)[0] as ValueType;
  if (isFloat(first.dtype) && Object.values(types).every((type) => type.dtype === first.dtype)) return;
  const got = Object.entries(types).map(([name, type]) => `${name} ${type.dtype}`);
  throw new ShapeError(`${op}: numbers must be f32 or f64, the same for all inputs, got ${got.join(", ")}`);
}

export function requireShape(op: string, types: NamedTypes, shape: Shape, why: string): void {
  for (const [name, type] of Object.entries(types)) {
    if (!sameShape(type.shape, shape)) throw new ShapeError(`${op}: ${name} must be ${show(shape)}, ${why}, got ${show(type.shape)}`);
  }
}

/** The sizes of a matrix with at least one row and one column. */
export function requireMatrix(op: string, name: string, type: ValueType): [rows: number, columns: number] {
  const [m, n] = type.shape;
  if (type.shape.length !== 2 || m === undefined || n === undefined) {
    throw new ShapeError(`${op}: ${name} must be a matrix [rows, columns], got ${show(type.shape)}`);
  }
  return [m, n];
}
