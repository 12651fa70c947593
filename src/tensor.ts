// Tensors as users hold them: a traced value with methods. The methods for ops come from the op table; this file adds
// making tensors, looking at their numbers, and variables. Knows no layer, no training.
import { convert, type DType, dtypeOf, isFloat, newArray, type TypedArray, type TypedArrayOf } from "./dtype.ts";
import { checkNumber, checkOptions, describe, MinibatchError, requireOptions, ShapeError } from "./errors.ts";
import { gradients as gradientsOf } from "./graph/gradient.ts";
import { reachable } from "./graph/graph.ts";
import { stopGradient } from "./graph/segment.ts";
import { type Box, type Source, source, Value } from "./ops/define.ts";
import {
  add as addOp,
  div,
  type Functions,
  ops as functions,
  type Methods,
  maximum,
  methods,
  minimum,
  mul,
  sqrt,
  sumSquares,
} from "./ops/public.ts";
import { checkSeed, normal, uniform } from "./random.ts";
import { evaluate, evaluateLater, knownData } from "./run/evaluate.ts";
import { checkShape, maxRank, resolveAxis, type Shape, sameShape, show, sizeOf } from "./shape.ts";
import { currentTrace } from "./trace.ts";

export type AnyTypedArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array;
export type NestedNumbers = number | readonly NestedNumbers[];
/** What every function that reads values accepts. */
export type TensorLike = Tensor | NestedNumbers | AnyTypedArray | readonly AnyTypedArray[];
export type Operand = Tensor | number;
export interface NestedOfRank {
  0: number;
  1: number[];
  2: number[][];
  3: number[][][];
  4: number[][][][];
}

/** Every op as a function of tensors; `ops.relu(x)` is `x.relu()`. */
export const ops = functions as unknown as Functions<Tensor>;

/** A value: what it shows never changes. It is computed when looked at. */
export interface Tensor extends Value, Methods<Tensor> {
  readonly shape: Shape;
  readonly rank: number;
  readonly dtype: DType;
  /** Size of one axis, negative from the end; throws when there is no such axis. */
  size(axis: number): number;
  /** A copy of the numbers in row-major order (never a view of the library's memory). */
  data(): TypedArray;
  /** A copy converted to this dtype. */
  data<D extends DType>(dtype: D): TypedArrayOf[D];
  /** The only number of a tensor of one element. */
  item(): number;
  /** The numbers as nested arrays. */
  toArray(): NestedNumbers;
  /** Typed by rank; throws when the tensor has another one. */
  toArray<R extends 0 | 1 | 2 | 3 | 4>(rank: R): NestedOfRank[R];
  /** Like data(), computed off the event loop where the back end can. */
  read(): Promise<TypedArray>;
  read<D extends DType>(dtype: D): Promise<TypedArrayOf[D]>;
  /** The same value without its history: gradients stop here, and what made it can be collected. */
  detach(): Tensor;
}

/** A box with a name and a current value. Using it in an expression reads the value of that moment. */
export interface Variable extends Tensor {
  readonly name: string;
  assign(value: TensorLike): void;
  /** The present value as a tensor that later updates do not touch. */
  value(): Tensor;
}

export interface TensorOptions {
  shape?: Shape | undefined;
  dtype?: DType | undefined;
}

/** Every Value has the methods of Tensor at run time: they are attached below. */
export function asTensor(value: Value): Tensor {
  return value as Tensor;
}

function copied<D extends DType>(data: TypedArray, dtype: D | undefined): TypedArray {
  checkDType("data", dtype);
  return dtype === undefined ? convert(data, dtypeOf(data)) : convert(data, dtype);
}

function nested(data: TypedArray, shape: Shape): NestedNumbers {
  let at = 0;
  const build = (axis: number): NestedNumbers =>
    axis === shape.length ? (data[at++] as number) : Array.from({ length: shape[axis] as number }, () => build(axis + 1));
  return build(0);
}

const looking = {
  size(this: Value, axis: number): number {
    return this.shape[resolveAxis("size", axis, this.rank)] as number;
  },
  data(this: Value, dtype?: DType): TypedArray {
    return copied(evaluate([this])[0] as TypedArray, dtype);
  },
  item(this: Value): number {
    if (sizeOf(this.shape) !== 1) throw new ShapeError(`item: the tensor must have one element, got shape ${show(this.shape)}`);
    return (evaluate([this])[0] as TypedArray)[0] as number;
  },
  toArray(this: Value, rank?: number): NestedNumbers {
    if (rank !== undefined && rank !== this.rank)
      throw new ShapeError(`toArray: the tensor has rank ${this.rank}, asked for ${describe(rank)} (shape ${show(this.shape)})`);
    return nested(evaluate([this])[0] as TypedArray, this.shape);
  },
  async read(this: Value, dtype?: DType): Promise<TypedArray> {
    return copied((await evaluateLater([this]))[0] as TypedArray, dtype);
  },
  detach(this: Value): Tensor {
    const now = this.snapshot();
    const known = currentTrace() ? undefined : knownData(now);
    if (known) return fromArray(known, this.shape);
    // What depends on an argument or on a run's memory has no numbers yet: there an op stops the gradient.
    const traced =
      currentTrace() !== undefined || reachable([now]).some(({ source: from }) => from?.kind === "argument" || from?.kind === "memory");
    return traced ? asTensor(stopGradient(now)) : fromArray(evaluate([now])[0] as TypedArray, this.shape);
  },
};

/** A tensor on an array that nobody else changes. */
export function fromArray(data: TypedArray, shape: Shape): Tensor {
  return asTensor(source({ kind: "constant", data }, { shape, dtype: dtypeOf(data) }));
}

/** The dtype in which a typed array of JavaScript is kept. */
function dtypeFor(data: AnyTypedArray): DType {
  if (data instanceof Float32Array) return "f32";
  if (data instanceof Float64Array) return "f64";
  if (data instanceof Uint8Array || data instanceof Uint8ClampedArray) return "u8";
  return "i32";
}

export function isTypedArray(data: unknown): data is AnyTypedArray {
  return (
    ArrayBuffer.isView(data) &&
    !(data instanceof DataView) &&
    typeof (data as unknown as { 0: unknown })[0] !== "bigint" &&
    !/^BigU?Int/.test(data.constructor.name)
  );
}

/** Refuses an array whose memory is gone: any of its methods throws then. */
export function checkAttached(where: string, data: AnyTypedArray): void {
  try {
    data.keys();
  } catch (error) {
    throw new MinibatchError(`${where}: the array's memory was transferred away (detached) or shrunk; pass a copy`, "OPTION", {
      cause: error,
    });
  }
}

/** Flattens nested arrays of numbers, or a list of typed arrays of one length, and finds their shape. */
function flatten(where: string, data: readonly unknown[]): { values: number[] | AnyTypedArray[]; shape: number[] } {
  // Not every(): it passes over holes.
  if (data.length && data.findIndex((row) => !isTypedArray(row)) < 0) {
    const rows = data as readonly AnyTypedArray[];
    const width = (rows[0] as AnyTypedArray).length;
    rows.forEach((row, i) => {
      checkAttached(where, row);
      if (row.length !== width) throw new ShapeError(`${where}: rows must have equal lengths, got ${width} and ${row.length} (row ${i})`);
    });
    return { values: [...rows], shape: [rows.length, width] };
  }
  const shape: number[] = [];
  for (let level: unknown = data; Array.isArray(level); level = level[0]) {
    shape.push(level.length);
    // An array that holds itself has no end.
    if (shape.length > maxRank) throw new ShapeError(`${where}: at most ${maxRank} axes, got arrays nested deeper`);
    if (!level.length) break;
  }
  const values: number[] = [];
  const walk = (item: unknown, axis: number, path: string): void => {
    if (axis === shape.length) {
      if (typeof item !== "number") throw new ShapeError(`${where}: every element must be a number, got ${describe(item)} at ${path}`);
      values.push(item);
      return;
    }
    if (!Array.isArray(item) || item.length !== shape[axis]) {
      const got = Array.isArray(item) ? `${item.length}` : describe(item);
      throw new ShapeError(`${where}: nested arrays must have equal lengths, got ${got} where ${shape[axis]} was expected at ${path}`);
    }
    // Not forEach(): it passes over holes.
    for (let i = 0; i < item.length; i++) walk(item[i], axis + 1, `${path}[${i}]`);
  };
  walk(data, 0, "");
  return { values, shape };
}

/** Numbers in any accepted form, copied once. */
export function readNumbers(where: string, data: unknown, dtype?: DType): { data: TypedArray; shape: Shape } {
  if (data instanceof Value) {
    const known = evaluate([data])[0] as TypedArray;
    return { data: dtype && dtype !== data.dtype ? convert(known, dtype) : known, shape: data.shape };
  }
  if (typeof data === "number") return { data: convert([data], dtype ?? "f32"), shape: [] };
  if (isTypedArray(data)) {
    checkAttached(where, data);
    if (data instanceof Uint32Array && data.some((x) => x > 0x7fffffff))
      throw new MinibatchError(`${where}: whole numbers above 2^31 - 1 do not fit i32; pass a Float64Array`);
    return { data: convert(data, dtype ?? dtypeFor(data)), shape: [data.length] };
  }
  if (Array.isArray(data)) {
    const { values, shape } = flatten(where, data);
    const first = values[0];
    if (first === undefined || typeof first === "number") return { data: convert(values as number[], dtype ?? "f32"), shape };
    const out = newArray(dtype ?? dtypeFor(first), sizeOf(shape));
    (values as AnyTypedArray[]).forEach((row, i) => {
      out.set(row, i * row.length);
    });
    return { data: out, shape };
  }
  throw new MinibatchError(`${where}: expected numbers, nested arrays, a typed array or a tensor, got ${describe(data)}`);
}

const dtypes: readonly string[] = ["f32", "f64", "i32", "u8"];

function checkDType(where: string, dtype: DType | undefined): void {
  if (dtype !== undefined && !dtypes.includes(dtype))
    throw new MinibatchError(`${where}: dtype must be one of ${dtypes.join(", ")}, got ${describe(dtype)}`);
}

function made(where: string, data: TensorLike, { shape, dtype }: TensorOptions): { data: TypedArray; shape: Shape } {
  checkDType(where, dtype);
  const read = readNumbers(where, data, dtype);
  if (shape === undefined) {
    checkShape(where, read.shape);
    return read;
  }
  checkShape(where, shape);
  if (sizeOf(shape) !== read.data.length)
    throw new ShapeError(`${where}: shape ${show(shape)} holds ${sizeOf(shape)} elements, got ${read.data.length}`);
  return { data: read.data, shape: [...shape] };
}

/**
 * A tensor from numbers: a number, nested arrays, a typed array, a list of typed arrays (rows), or another tensor.
 * The numbers are copied. Without `dtype`, JavaScript numbers become f32 and typed arrays keep their type
 * (8- and 16-bit signed and 32-bit unsigned become i32). Throws a ShapeError when the shape does not fit.
 */
export function tensor(data: TensorLike, options: TensorOptions = {}): Tensor {
  checkOptions("tensor", options, ["shape", "dtype"]);
  const { data: numbers, shape } = made("tensor", data, options);
  return fromArray(data instanceof Value ? convert(numbers, dtypeOf(numbers)) : numbers, shape);
}

interface DTypeOption {
  dtype?: DType | undefined;
}

/** A tensor of shape [] with one number; f32 unless `dtype` says otherwise. */
export function scalar(value: number, options: DTypeOption = {}): Tensor {
  if (typeof value !== "number") throw new MinibatchError(`scalar: expected a number, got ${describe(value)}`);
  return full([], value, options);
}

/** A tensor of zeros; f32 unless `dtype` says otherwise. */
export function zeros(shape: Shape, options: DTypeOption = {}): Tensor {
  return full(shape, 0, options);
}

/** A tensor of ones; f32 unless `dtype` says otherwise. */
export function ones(shape: Shape, options: DTypeOption = {}): Tensor {
  return full(shape, 1, options);
}

/** A tensor with the same number everywhere; f32 unless `dtype` says otherwise. A ShapeError for a shape with negative or broken sizes. */
export function full(shape: Shape, value: number, options: DTypeOption = {}): Tensor {
  checkOptions("full", options, ["dtype"]);
  checkDType("full", options.dtype);
  if (typeof value !== "number") throw new MinibatchError(`full: expected a number, got ${describe(value)}`);
  checkShape("full", shape);
  const data = newArray(options.dtype ?? "f32", sizeOf(shape));
  data.fill(value);
  return fromArray(data, [...shape]);
}

export interface RandomOptions extends DTypeOption {
  seed: number;
}

/** Draws in the precision they will have, in the type they are kept in; `whole` makes whole numbers of them, as cutting off would gather them at 0. */
function drawn(
  shape: Shape,
  dtype: DType,
  fill: (out: Float32Array<ArrayBuffer> | Float64Array<ArrayBuffer>) => void,
  whole: (x: number) => number,
): Tensor {
  checkShape("random", shape);
  const out = dtype === "f32" ? new Float32Array(sizeOf(shape)) : new Float64Array(sizeOf(shape));
  fill(out);
  return fromArray(dtype === "f32" || dtype === "f64" ? out : convert(out.map(whole), dtype), [...shape]);
}

/** Numbers from a normal distribution, by default of mean 0 and deviation 1, rounded where `dtype` holds whole numbers; the same seed gives the same numbers in both executors. */
export function randomNormal(shape: Shape, options: RandomOptions & { mean?: number | undefined; std?: number | undefined }): Tensor {
  requireOptions("randomNormal", options, ["seed", "dtype", "mean", "std"]);
  const { mean = 0, std = 1, dtype = "f32" } = options;
  checkDType("randomNormal", dtype);
  const seed = checkSeed("randomNormal", options.seed);
  checkNumber("randomNormal", "mean", mean);
  checkNumber("randomNormal", "std", std, { min: 0 });
  return drawn(shape, dtype, (out) => normal({ seed, purpose: "tensor" }, out, mean, std), Math.round);
}

/** Numbers drawn evenly from [low, high), by default [0, 1); as i32 or u8 the whole numbers at or below them. The same seed gives the same numbers in both executors. */
export function randomUniform(shape: Shape, options: RandomOptions & { low?: number | undefined; high?: number | undefined }): Tensor {
  requireOptions("randomUniform", options, ["seed", "dtype", "low", "high"]);
  const { low = 0, high = 1, dtype = "f32" } = options;
  checkDType("randomUniform", dtype);
  const seed = checkSeed("randomUniform", options.seed);
  checkNumber("randomUniform", "low", low);
  checkNumber("randomUniform", "high", high);
  return drawn(shape, dtype, (out) => uniform({ seed, purpose: "tensor", site: 1 }, out, low, high), Math.floor);
}

/** Where a variable keeps its numbers: an array of its own, or a model's parameters. */
export interface Storage {
  /** The present numbers, in an array that nobody changes later. */
  read(): TypedArray;
  write(data: TypedArray): void;
  /** Grows with every change. */
  version(): number;
}

class ArrayStorage implements Storage {
  #data: TypedArray;
  #version = 0;
  constructor(data: TypedArray) {
    this.#data = data;
  }
  read(): TypedArray {
    return this.#data;
  }
  write(data: TypedArray): void {
    this.#data = data;
    this.#version++;
  }
  version(): number {
    return this.#version;
  }
}

/** The value of a variable changes; every expression keeps the one it read. */
class VariableValue extends Value implements Box {
  readonly name: string;
  readonly #shape: Shape;
  readonly #dtype: DType;
  readonly #storage: Storage;
  #snapshot: { value: Value; version: number } | undefined;

  constructor(name: string, shape: Shape, dtype: DType, storage: Storage) {
    super(undefined, 0);
    this.name = name;
    this.#shape = shape;
    this.#dtype = dtype;
    this.#storage = storage;
  }

  override get node() {
    return this.snapshot().node;
  }

  override snapshot(): Value {
    const trace = currentTrace();
    if (trace)
      return trace.live(this, () =>
        source({ kind: "variable", box: this, name: this.name, data: this.#storage.read() }, { shape: this.#shape, dtype: this.#dtype }),
      );
    const version = this.#storage.version();
    if (this.#snapshot?.version !== version) {
      const from: Source = { kind: "variable", box: this, name: this.name, data: this.#storage.read() };
      this.#snapshot = { value: source(from, { shape: this.#shape, dtype: this.#dtype }), version };
    }
    return this.#snapshot.value;
  }

  current(): TypedArray {
    return this.#storage.read();
  }

  /** Sets the present value without looking at what it is; shapes were checked. */
  store(data: TypedArray): void {
    this.#storage.write(data);
  }

  value(): Tensor {
    return asTensor(this.snapshot());
  }

  assign(value: TensorLike): void {
    const trace = currentTrace();
    if (trace && value instanceof Value) {
      this.#check(value.shape);
      trace.assign(this, value.snapshot());
      return;
    }
    const read = readNumbers(`assign to ${this.name}`, value, this.#dtype);
    this.#check(read.shape);
    if (trace)
      throw new MinibatchError(`assign to ${this.name}: numbers are frozen while a function is traced; assign a tensor that it computes`);
    this.#storage.write(value instanceof Value ? convert(read.data, this.#dtype) : read.data);
  }

  #check(shape: Shape): void {
    if (!sameShape(shape, this.#shape))
      throw new ShapeError(`assign: variable ${this.name} has shape ${show(this.#shape)}, got ${show(shape)}`);
  }
}

export type { VariableValue };

/** A variable on storage of the library's own. */
export function variableOn(name: string, shape: Shape, dtype: DType, storage: Storage): Variable {
  return new VariableValue(name, shape, dtype, storage) as unknown as Variable;
}

let variables = 0;

/** A box whose value updates may change: what gradients are taken of and optimizers move. Integers become f32; f64 stays. `name` shows in errors and graphs. */
export function variable(value: TensorLike, options: TensorOptions & { name?: string | undefined } = {}): Variable {
  checkOptions("variable", options, ["shape", "dtype", "name"]);
  const { name = `variable_${++variables}` } = options;
  const { data, shape } = made("variable", value, options);
  const own =
    data instanceof Float64Array || data instanceof Float32Array ? convert(data, dtypeOf(data)) : convert(data, options.dtype ?? "f32");
  return variableOn(name, shape, dtypeOf(own), new ArrayStorage(own));
}

/** The box behind a Variable, for those who update it. */
export function boxOf(where: string, v: unknown): VariableValue {
  if (v instanceof VariableValue) return v;
  throw new MinibatchError(
    `${where}: expected a variable, got ${v instanceof Value ? "a tensor (its value never changes)" : describe(v)}; variable(...) makes one`,
  );
}

/**
 * One gradient per tensor, in order: dcost/dv for each v, of the shape of v; zeros where the cost does not depend on it. The cost is one number of
 * shape []; `of` may hold variables and any tensor on the way to the cost, all of them f32 or f64. Reverse mode: one pass back over the graph for all of them.
 *
 * ```ts
 * const w = variable(3);
 * const [dw] = gradients(w.square(), [w]); // 6
 * ```
 */
export function gradients<const V extends readonly Tensor[]>(cost: Tensor, of: V): { -readonly [K in keyof V]: Tensor } {
  if (!Array.isArray(of)) throw new MinibatchError(`gradients: expected an array of tensors, got ${describe(of)}`);
  for (const value of [cost, ...of] as readonly unknown[]) {
    if (!(value instanceof Value))
      throw new MinibatchError(`gradients: the cost and what it is differentiated by must be tensors, got ${describe(value)}`);
  }
  for (const [i, value] of [cost, ...of].entries()) {
    if (!isFloat(value.dtype))
      throw new MinibatchError(
        `gradients: only f32 and f64 have gradients, got ${value.dtype} (${i ? `tensor ${i}` : "the cost"}); x.cast("f32") before it is used`,
      );
  }
  return gradientsOf(cost, of) as { -readonly [K in keyof V]: Tensor };
}

/** Scales all of them by one factor, min(1, max / norm), so that their common Euclidean norm is at most `max` (above 0). Pascanu, Mikolov and Bengio 2013. */
export function clipByGlobalNorm<const G extends readonly Tensor[]>(list: G, max: number): { -readonly [K in keyof G]: Tensor } {
  if (!Array.isArray(list)) throw new MinibatchError(`clipByGlobalNorm: expected an array of tensors, got ${describe(list)}`);
  checkNumber("clipByGlobalNorm", "max", max, { above: 0 });
  if (!Array.isArray(list)) throw new MinibatchError(`clipByGlobalNorm: expected an array of tensors, got ${describe(list)}`);
  const [first, ...rest] = list.map((g) => sumSquares(g));
  if (!first) return [] as unknown as { -readonly [K in keyof G]: Tensor };
  const total = rest.reduce<Value>((sum, s) => addOp(sum, s), first);
  const scale = clipScale(total, max);
  return list.map((g) => mul(g, scale)) as unknown as { -readonly [K in keyof G]: Tensor };
}

/** min(1, max / sqrt(total)), 1 where the total is 0. */
export function clipScale(total: Value, max: number | Value): Value {
  return minimum(div(max, maximum(sqrt(total), 1e-30)) as Value, 1);
}

for (const [name, f] of Object.entries(methods)) {
  Object.defineProperty(Value.prototype, name, {
    value(this: Value, ...rest: unknown[]) {
      return (f as (x: Value, ...rest: unknown[]) => unknown)(this, ...rest);
    },
    writable: true,
    configurable: true,
  });
}
for (const [name, f] of Object.entries(looking)) {
  Object.defineProperty(Value.prototype, name, { value: f, writable: true, configurable: true });
}
