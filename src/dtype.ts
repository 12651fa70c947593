// The four number types of the library and their typed arrays. Knows nothing of shapes or tensors.
import { MinibatchError } from "./errors.ts";

export type DType = "f32" | "f64" | "i32" | "u8";
/** The types in which a network computes. */
export type FloatType = "f32" | "f64";

export interface TypedArrayOf {
  f32: Float32Array<ArrayBuffer>;
  f64: Float64Array<ArrayBuffer>;
  i32: Int32Array<ArrayBuffer>;
  u8: Uint8Array<ArrayBuffer>;
}
export type TypedArray = TypedArrayOf[DType];

/** The same on any buffer: what kernels read and write, shared memory included. */
export type NumberArray = Float32Array | Float64Array | Int32Array | Uint8Array;
/** A list of numbers, or a typed array as `tensor.data()` gives it. */
export type Numbers = readonly number[] | NumberArray;

const arrays = { f32: Float32Array, f64: Float64Array, i32: Int32Array, u8: Uint8Array } as const;

export const bytesPerElement: Readonly<Record<DType, number>> = { f32: 4, f64: 8, i32: 4, u8: 1 };

/** The number that stands for a dtype in an encoded program; native/kernel.h has the same order. */
export const dtypeCode: Readonly<Record<DType, number>> = { f32: 0, f64: 1, i32: 2, u8: 3 };

export function isFloat(dtype: DType): dtype is FloatType {
  return dtype === "f32" || dtype === "f64";
}

export function newArray<D extends DType>(dtype: D, length: number): TypedArrayOf[D] {
  try {
    return new arrays[dtype](length) as TypedArrayOf[D];
  } catch (cause) {
    const megabytes = ((length * bytesPerElement[dtype]) / 2 ** 20).toFixed(0);
    throw new MinibatchError(`memory: ${megabytes} MB could not be allocated; a smaller tensor needs less`, "OPTION", { cause });
  }
}

/** A copy of the numbers in another type; integers are truncated and wrapped as JavaScript's typed arrays do. */
export function convert<D extends DType>(data: ArrayLike<number>, dtype: D): TypedArrayOf[D] {
  const out = newArray(dtype, data.length);
  out.set(data as ArrayLike<number>);
  return out;
}

/** A typed view of `length` elements that starts `byteOffset` bytes into a buffer. */
export function viewOf(dtype: DType, buffer: ArrayBufferLike, byteOffset: number, length: number): NumberArray {
  return new arrays[dtype](buffer as ArrayBuffer, byteOffset, length);
}

export function dtypeOf(data: NumberArray): DType {
  if (data instanceof Float32Array) return "f32";
  if (data instanceof Float64Array) return "f64";
  if (data instanceof Int32Array) return "i32";
  return "u8";
}

const rank: Readonly<Record<DType, number>> = { u8: 0, i32: 1, f32: 2, f64: 3 };

/** The type of a result computed from both: u8 < i32 < f32 < f64. */
export function promote(x: DType, y: DType): DType {
  return rank[x] >= rank[y] ? x : y;
}
