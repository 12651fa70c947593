// The numbers of an op's samples, and how two results are compared. Shared by everything that is tested over the op table.
import { convert, type FloatType, isFloat, type NumberArray } from "../src/dtype.ts";
import type { OpDefinition, Sample, SampleInput, View } from "../src/ops/define.ts";
import { draw, type Stream } from "../src/random.ts";
import { show, sizeOf } from "../src/shape.ts";

/** A seed of a name, so that an op's numbers do not depend on its place in the table (the hash FNV-1a). */
function seedOf(name: string): number {
  let hash = 0x811c9dc5;
  for (const character of name) hash = Math.imul(hash ^ (character.codePointAt(0) as number), 0x01000193);
  return hash >>> 0;
}

/** f64 gets the numbers of f32: then both compute the same thing, and differ by their own rounding only. */
function numbersOf(input: SampleInput, stream: Stream): number[] {
  const size = sizeOf(input.shape);
  const { values, below, dtype = "float", range = [-2, 2] } = input;
  if (values) {
    if (values.length !== size) throw new Error(`a sample of shape ${show(input.shape)} has ${values.length} values`);
    return values.map((x) => (dtype === "float" ? Math.fround(x) : x));
  }
  return Array.from({ length: size }, (_, i) => {
    const u = draw(stream, i);
    if (below !== undefined || dtype !== "float") return Math.floor(u * (below ?? (dtype === "u8" ? 256 : 100)));
    return Math.fround(range[0] + (range[1] - range[0]) * u);
  });
}

/** The inputs of sample `index` of an op, in the dtype under test. */
export function inputsOf(op: OpDefinition, index: number, dtype: FloatType): View[] {
  const sample = op.samples[index] as Sample;
  return sample.inputs.map((input, i): View => {
    const type = input.dtype === undefined || input.dtype === "float" ? dtype : input.dtype;
    const numbers = numbersOf(input, { seed: seedOf(op.name), purpose: "tensor", site: index, step: i });
    return { shape: input.shape, dtype: type, data: convert(numbers, type) };
  });
}

export function labelOf(op: OpDefinition, index: number): string {
  const { inputs, attributes } = op.samples[index] as Sample;
  return `${op.name} sample ${index}: ${inputs.map((input) => show(input.shape)).join(" ")} ${JSON.stringify(attributes)}`;
}

export function toleranceOf(op: OpDefinition, dtype: FloatType): number {
  return (op.tolerance ?? { f32: 1e-5, f64: 1e-12 })[dtype];
}

/** The largest finite magnitude. */
export function largest(data: ArrayLike<number>): number {
  let most = 0;
  for (let i = 0; i < data.length; i++) if (Number.isFinite(data[i])) most = Math.max(most, Math.abs(data[i] as number));
  return most;
}

/**
 * What is wrong with `actual`, or undefined. Whole numbers must be equal, and what is not finite must be the same; for others
 * |actual - expected| <= tolerance (|expected| + min(1, largest expected)): relative, with room for what cancels
 * among numbers of the samples' size, and none where all results are small.
 */
export function mismatch(actual: View, expected: View, tolerance: number): string | undefined {
  if (actual.dtype !== expected.dtype && !(isFloat(actual.dtype) && isFloat(expected.dtype)))
    return `dtype ${actual.dtype}, expected ${expected.dtype}`;
  if (actual.data.length !== expected.data.length) return `${actual.data.length} elements, expected ${expected.data.length}`;
  const exact = !isFloat(expected.dtype);
  const floor = Math.min(1, largest(expected.data));
  for (let i = 0; i < expected.data.length; i++) {
    const x = actual.data[i] as number;
    // An f32 result can overflow or vanish where f64 does not.
    const y = actual.dtype === "f32" ? Math.fround(expected.data[i] as number) : (expected.data[i] as number);
    if (x === y || (Number.isNaN(x) && Number.isNaN(y))) continue;
    const allowed = exact ? 0 : tolerance * (Math.abs(y) + floor);
    if (!(Math.abs(x - y) <= allowed)) return `element ${i} is ${x}, expected ${y} (allowed difference ${allowed})`;
  }
  return undefined;
}

/** Which element is not the very same number in both, or undefined. (A test library's own comparison takes seconds for long arrays.) */
export function difference(actual: NumberArray, expected: NumberArray): string | undefined {
  if (actual.length !== expected.length) return `${actual.length} elements, expected ${expected.length}`;
  for (let i = 0; i < actual.length; i++)
    if (!Object.is(actual[i], expected[i])) return `element ${i} is ${actual[i]}, expected ${expected[i]}`;
  return undefined;
}

/** Copies of views, to run a kernel on. */
export function copies(views: readonly View[]): View[] {
  return views.map((view) => ({ ...view, data: view.data.slice() as NumberArray }));
}
