// Numbers out of raw bytes and back, in either byte order and at any offset. Knows no file format.
import type { NumberArray } from "../dtype.ts";

export type ByteOrder = "little" | "big";

const arrays = {
  i8: Int8Array,
  u8: Uint8Array,
  i16: Int16Array,
  u16: Uint16Array,
  i32: Int32Array,
  u32: Uint32Array,
  i64: BigInt64Array,
  u64: BigUint64Array,
  f32: Float32Array,
  f64: Float64Array,
} as const;
export type NumberKind = keyof typeof arrays;
export type ArrayOfKind<K extends NumberKind> = InstanceType<(typeof arrays)[K]>;

const hostOrder: ByteOrder = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1 ? "little" : "big";

export function bytesPerNumber(kind: NumberKind): number {
  return arrays[kind].BYTES_PER_ELEMENT;
}

/** Turns every group of `width` bytes round, in place. */
export function swapBytes(bytes: Uint8Array, width: number): Uint8Array {
  for (let at = 0; at + width <= bytes.length; at += width) bytes.subarray(at, at + width).reverse();
  return bytes;
}

/** A copy of the bytes as numbers: aligned whatever the offset they came from. Their count is the length of `bytes` divided by the width. */
export function decodeNumbers<K extends NumberKind>(kind: K, bytes: Uint8Array, order: ByteOrder): ArrayOfKind<K> {
  const copy = new Uint8Array(bytes);
  const width = bytesPerNumber(kind);
  if (order !== hostOrder && width > 1) swapBytes(copy, width);
  return new arrays[kind](copy.buffer) as ArrayOfKind<K>;
}

/** The numbers' bytes, little-endian: a view where the machine is little-endian itself, else a copy. */
export function littleEndianBytes(data: NumberArray): Uint8Array {
  const view = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return hostOrder === "little" ? view : swapBytes(new Uint8Array(view), data.BYTES_PER_ELEMENT);
}
