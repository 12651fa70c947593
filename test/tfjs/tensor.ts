// tfjs's tensor as a thin coat over one of ours: its names of dtypes, its ways to look at numbers. The methods that are ops are attached
// by facade.ts. Computes nothing.
import { type DType, MinibatchError, type Operand, type Tensor, tensor, type Variable, variable } from "minibatch";
import { notApplicable, now } from "./jasmine.ts";

/** Truth values are held as 0 and 1 in u8, whole numbers in i32. */
export const dtypes: Readonly<Record<string, DType>> = { float32: "f32", int32: "i32", bool: "u8" };
const names: Readonly<Record<string, string>> = { f32: "float32", i32: "int32", u8: "bool", f64: "float64" };

export function dtypeOf(name: string): DType {
  const dtype = dtypes[name];
  if (!dtype) notApplicable(`number types are f32, f64, i32 and u8: ${name} is none`);
  return dtype;
}

/** The variables that a cost has read, for optimizers that are given none. */
export const touched = new Set<V>();

export class T {
  readonly value: Tensor;

  constructor(value: Tensor) {
    now.made++;
    this.value = value;
  }

  get shape(): number[] {
    return [...this.value.shape];
  }
  get dtype(): string {
    return names[this.value.dtype] as string;
  }
  get rank(): number {
    return this.value.rank;
  }
  get rankType(): string {
    return String(this.rank);
  }
  get size(): number {
    return this.value.shape.reduce((product, n) => product * n, 1);
  }
  async data(): Promise<unknown> {
    return this.value.read();
  }
  dataSync(): unknown {
    return this.value.data();
  }
  async array(): Promise<unknown> {
    return this.arraySync();
  }
  arraySync(): unknown {
    const numbers = this.value.toArray();
    return numbers;
  }
  async buffer(): Promise<Buffer> {
    return this.bufferSync();
  }
  bufferSync(): Buffer {
    return new Buffer(this);
  }
  dispose(): void {}
  variable(trainable = true, name?: string, dtype?: string): V {
    return makeVariable(this, trainable, name, dtype);
  }
}

/** Numbers by their coordinates, for tests that look so. */
class Buffer {
  readonly shape: number[];
  readonly values: ReturnType<Tensor["data"]>;
  constructor(of: T) {
    this.shape = of.shape;
    this.values = of.value.data();
  }
  get(...at: number[]): number {
    return this.values[this.shape.reduce((index, n, axis) => index * n + (at[axis] as number), 0)] as number;
  }
  indexToLoc(): never {
    return notApplicable("it would be the facade's own arithmetic of coordinates");
  }
  locToIndex(): never {
    return notApplicable("it would be the facade's own arithmetic of coordinates");
  }
  set(): never {
    return notApplicable("a tensor's numbers are never changed in place");
  }
  toTensor(): never {
    return notApplicable("a tensor's numbers are never changed in place");
  }
}

export class V extends T {
  readonly box: Variable;
  readonly trainable: boolean;
  constructor(box: Variable, trainable: boolean) {
    super(box);
    this.box = box;
    this.trainable = trainable;
  }
  get name(): string {
    return this.box.name;
  }
  assign(value: T): void {
    // The library converts; tfjs refuses.
    if (value instanceof T && value.dtype !== this.dtype) notApplicable("assign converts to the variable's dtype");
    this.box.assign(value instanceof T ? value.value : (value as never));
  }
}

export function makeVariable(initial: T, trainable = true, name?: string, dtype?: string): V {
  if (!["float32"].includes(dtype ?? initial.dtype)) notApplicable("variables are f32 or f64");
  return new V(variable(initial instanceof T ? initial.value : (initial as never), name === undefined ? {} : { name }), trainable);
}

type Nested = number | boolean | string | Uint8Array | readonly Nested[];

const isText = (values: unknown): boolean => (Array.isArray(values) ? values.some(isText) : typeof values === "string");
const isTruth = (values: unknown): boolean => (Array.isArray(values) ? isTruth(values[0]) : typeof values === "boolean");
/** Truth values as 0 and 1; where they are asked for, what is not 0 is true. */
function toNumbers(values: unknown, truth: boolean): unknown {
  if (Array.isArray(values)) return Array.from(values, (each) => toNumbers(each, truth));
  if (truth && ArrayBuffer.isView(values)) return Array.from(values as Float32Array, (each) => Number(each !== 0));
  return typeof values === "boolean" || (truth && typeof values === "number") ? Number(Boolean(values)) : values;
}

/** A tensor of ours from what tfjs takes: truth values become 0 and 1, bytes whole numbers. */
export function make(values: unknown, shape?: readonly number[], dtype?: string): T {
  if (dtype === "string" || isText(values) || (Array.isArray(values) && values[0] instanceof Uint8Array))
    notApplicable("text is not a tensor");
  if (dtype === "complex64") notApplicable("complex numbers are not offered");
  if (values instanceof T) return values;
  const bytes = values instanceof Uint8Array || values instanceof Uint8ClampedArray;
  const given = dtype ?? (isTruth(values) ? "bool" : bytes ? "int32" : undefined);
  const numbers = toNumbers(values, given === "bool");
  const options = { ...(shape && { shape }), ...(given !== undefined && { dtype: dtypeOf(given) }) };
  if (shape && Array.isArray(values) && Array.isArray(values[0]) && dimensions(values).join() !== shape.join())
    notApplicable("a shape beside nested arrays reads their numbers in order, where tfjs compares both");
  // tfjs cuts what is no whole number; NaN as one is 0 for both.
  return new T(tensor(numbers as never, options));
}

function dimensions(values: unknown): number[] {
  return Array.isArray(values) ? [values.length, ...dimensions(values[0])] : [];
}

/** An argument as a tensor; what is neither tensor nor numbers the library refuses. */
export function value(x: unknown): Tensor {
  if (x instanceof V) {
    touched.add(x);
    // The variable itself, so that gradients by it find it.
    return x.box;
  }
  return (x instanceof T ? x : make(x)).value;
}

export type { Nested, Operand };
export { MinibatchError };
