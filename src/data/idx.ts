// IDX files, the format of MNIST and its kin: two zero bytes, a type, the number of axes, their sizes, the numbers; all big-endian.
import type { TypedArray } from "../dtype.ts";
import { convert } from "../dtype.ts";
import { MinibatchError } from "../errors.ts";
import { type ArrayOfKind, bytesPerNumber, decodeNumbers, type NumberKind } from "../io/bytes.ts";
import { type Shape, show, sizeOf } from "../shape.ts";
import { fromArray, type Tensor } from "../tensor.ts";
import { readBytes, shapeInFile } from "./read.ts";

/** Type codes of the format; code 10 was never given out. */
const kinds: ReadonlyMap<number, NumberKind & ("u8" | "i8" | "i16" | "i32" | "f32" | "f64")> = new Map([
  [8, "u8"],
  [9, "i8"],
  [11, "i16"],
  [12, "i32"],
  [13, "f32"],
  [14, "f64"],
]);

/** The tensor in an IDX file, gzipped or not. Signed 8- and 16-bit numbers become i32, the others keep their type. */
export async function idx(file: string | URL): Promise<Tensor> {
  const { data, shape } = decodeIdx(await readBytes("idx", file), String(file));
  return fromArray(data, shape);
}

export function decodeIdx(bytes: Uint8Array, file: string): { data: TypedArray; shape: Shape } {
  const fail = (what: string) => new MinibatchError(`idx: ${what} (${file})`, "FILE");
  const kind = kinds.get(bytes[2] ?? 0);
  const rank = bytes[3] ?? 0;
  if (bytes.length < 4 || bytes[0] !== 0 || bytes[1] !== 0 || kind === undefined) {
    const got = Array.from(bytes.subarray(0, 4), (byte) => byte.toString(16).padStart(2, "0")).join(" ");
    throw fail(`a file starts with 00 00, a type of 08 to 0e and the number of axes, got "${got}": not an IDX file?`);
  }
  const begin = 4 + 4 * rank;
  if (bytes.length < begin) throw fail(`the sizes of ${rank} axes must follow, got ${bytes.length} bytes in all: cut short?`);
  const shape = shapeInFile(Array.from(decodeNumbers("u32", bytes.subarray(4, begin), "big")), fail);
  const wanted = sizeOf(shape) * bytesPerNumber(kind);
  const got = bytes.length - begin;
  if (got !== wanted)
    throw fail(`${wanted} bytes of numbers must follow for shape ${show(shape)}, got ${got}${got < wanted ? ": cut short?" : ""}`);
  return { data: kept(decodeNumbers(kind, bytes.subarray(begin), "big")), shape };
}

/** Numbers in a type that the library has. */
function kept(data: ArrayOfKind<"u8" | "i8" | "i16" | "i32" | "f32" | "f64">): TypedArray {
  return data instanceof Int8Array || data instanceof Int16Array ? convert(data, "i32") : (data as TypedArray);
}
