// NPY files, one NumPy array each: a magic word, a version, a header that is a Python dictionary, the numbers.
// Versions 1, 2 and 3; plain numbers only (no objects: they would be pickled code; no records, no strings).
import { convert, dtypeOf, newArray, type TypedArray } from "../dtype.ts";
import { describe, MinibatchError } from "../errors.ts";
import { type ByteOrder, bytesPerNumber, decodeNumbers, type NumberKind } from "../io/bytes.ts";
import { type Shape, show, sizeOf, stridesOf } from "../shape.ts";
import { fromArray, type Tensor } from "../tensor.ts";
import { readBytes, shapeInFile } from "./read.ts";

/** NumPy's type codes: how the numbers are stored. b1 is a boolean of one byte, f2 a half-precision number. */
const stored: ReadonlyMap<string, NumberKind> = new Map([
  ["b1", "u8"],
  ["u1", "u8"],
  ["i1", "i8"],
  ["i2", "i16"],
  ["u2", "u16"],
  ["i4", "i32"],
  ["u4", "u32"],
  ["i8", "i64"],
  ["u8", "u64"],
  ["f2", "u16"],
  ["f4", "f32"],
  ["f8", "f64"],
]);

/** What a header of version 1 can have; those of plain arrays have 118. */
const maxHeaderBytes = 65_535;

/**
 * The tensor in an NPY file. Types that the library has stay; half precision becomes f32, other whole numbers become i32 (or an error where one
 * does not fit). Fortran order is turned into row-major.
 */
export async function npy(file: string | URL): Promise<Tensor> {
  const { data, shape } = decodeNpy(await readBytes("npy", file), String(file));
  return fromArray(data, shape);
}

export function decodeNpy(bytes: Uint8Array, file: string): { data: TypedArray; shape: Shape } {
  const fail = (what: string) => new MinibatchError(`npy: ${what} (${file})`, "FILE");
  if (bytes.length < 10 || bytes[0] !== 0x93 || String.fromCharCode(...bytes.subarray(1, 6)) !== "NUMPY") {
    throw fail('a file starts with "\\x93NUMPY", got other bytes: not an NPY file?');
  }
  const version = bytes[6] as number;
  if (version < 1 || version > 3) throw fail(`the version must be 1, 2 or 3, got ${version}`);
  // Version 1 has a length of two bytes; from 2 on it has four, and 3 allows UTF-8.
  const begin = version === 1 ? 10 : 12;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = version === 1 ? view.getUint16(8, true) : bytes.length < 12 ? Number.POSITIVE_INFINITY : view.getUint32(8, true);
  const end = begin + length;
  if (length > maxHeaderBytes && end <= bytes.length) throw fail(`the header must have at most ${maxHeaderBytes} bytes, got ${length}`);
  if (end > bytes.length)
    throw fail(`the header of ${length} bytes must end within the file, got ${bytes.length} bytes in all: cut short?`);
  const header = new TextDecoder("utf-8").decode(bytes.subarray(begin, end));

  const field = (name: string, value: string): string => {
    const found = new RegExp(`['"]${name}['"]\\s*:\\s*${value}`).exec(header)?.[1];
    if (found === undefined)
      throw fail(`the header must give ${name} in a form that is read here (plain numbers), got ${describe(header.trim())}`);
    return found;
  };
  const descr = field("descr", `['"]([^'"]*)['"]`);
  const fortran = field("fortran_order", "(True|False)") === "True";
  const sizes = field("shape", "\\(([\\d\\sL,]*)\\)");
  const items = sizes.split(",").map((n) => n.trim());
  if (items.at(-1) === "") items.pop(); // (3,) and ()
  // Number() would take "" for 0.
  const shape = shapeInFile(
    items.map((n) => (/^\d{1,15}L?$/.test(n) ? Number.parseInt(n, 10) : Number.NaN)),
    fail,
  );

  const code = descr.slice(1);
  const kind = stored.get(code);
  const mark = descr[0];
  if (kind === undefined || (mark !== "<" && mark !== ">" && mark !== "|")) {
    throw fail(`the type must be one of ${[...stored.keys()].join(", ")}, got ${describe(descr)}`);
  }
  const byteOrder: ByteOrder = mark === ">" ? "big" : "little";
  const wanted = sizeOf(shape) * bytesPerNumber(kind);
  const got = bytes.length - end;
  if (got !== wanted)
    throw fail(`${wanted} bytes of numbers must follow for ${descr} ${show(shape)}, got ${got}${got < wanted ? ": cut short?" : ""}`);
  const numbers = decodeNumbers(kind, bytes.subarray(end), byteOrder);
  const data = code === "f2" ? Float32Array.from(numbers as Uint16Array, half) : kept(numbers, fail);
  return { data: fortran ? rowMajor(data, shape) : data, shape };
}

type Decoded = ReturnType<typeof decodeNumbers<NumberKind>>;

/** Numbers in a type that the library has. */
function kept(numbers: Decoded, fail: (what: string) => Error): TypedArray {
  if (numbers instanceof BigInt64Array || numbers instanceof BigUint64Array || numbers instanceof Uint32Array) {
    const out = new Int32Array(numbers.length);
    for (let i = 0; i < out.length; i++) {
      const value = Number(numbers[i]);
      if (value > 2 ** 31 - 1 || value < -(2 ** 31))
        throw fail(`whole numbers must fit i32, got ${numbers[i]} at element ${i} (save as float64 instead)`);
      out[i] = value;
    }
    return out;
  }
  const small = numbers instanceof Int8Array || numbers instanceof Int16Array || numbers instanceof Uint16Array;
  return small ? convert(numbers, "i32") : (numbers as TypedArray);
}

/** A half-precision number: sign, 5 bits of exponent, 10 of mantissa. */
function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const mantissa = bits & 1023;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  if (exponent === 31) return mantissa ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + mantissa / 1024) * 2 ** (exponent - 15);
}

/** From the order in which the first axis runs fastest to the one in which the last does. */
function rowMajor(data: TypedArray, shape: Shape): TypedArray {
  const out = newArray(dtypeOf(data), data.length);
  const strides = stridesOf([...shape].reverse()).reverse();
  const index = shape.map(() => 0);
  let from = 0;
  for (let i = 0; i < out.length; i++) {
    out[i] = data[from] as number;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const n = shape[axis] as number;
      const stride = strides[axis] as number;
      const next = (index[axis] as number) + 1;
      from += stride;
      if (next < n) {
        index[axis] = next;
        break;
      }
      index[axis] = 0;
      from -= n * stride;
    }
  }
  return out;
}
