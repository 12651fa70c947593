// The safetensors format: an 8-byte little-endian length, a JSON header, the numbers of all tensors without a gap. Bytes in, bytes out.
// A file is a stranger: every rule of the format is checked before a number is read. Knows no models and no file system.
import { bytesPerElement, type DType, dtypeOf, type NumberArray, type TypedArray } from "../dtype.ts";
import { describe, MinibatchError } from "../errors.ts";
import { type Shape, show, sizeOf } from "../shape.ts";
import { decodeNumbers, littleEndianBytes } from "./bytes.ts";
import { HeaderError, type HeaderMap, type HeaderValue, headerFields, loneSurrogate } from "./header.ts";

export interface StoredTensor<A extends NumberArray = NumberArray> {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly data: A;
}

/** What a file holds; the maps keep the file's order. */
export interface Safetensors<A extends NumberArray = NumberArray> {
  readonly tensors: ReadonlyMap<string, StoredTensor<A>>;
  /** Free text beside the tensors. */
  readonly metadata: ReadonlyMap<string, string>;
}

/** The bound of the format's reference reader: a longer header is taken for an attack. */
export const maxHeaderBytes = 100_000_000;
const metadataName = "__metadata__";

/** Largest alignment first, so that every tensor starts at a multiple of its element size. */
const order: readonly DType[] = ["f64", "f32", "i32", "u8"];
const nameOf: Readonly<Record<DType, string>> = { f64: "F64", f32: "F32", i32: "I32", u8: "U8" };
const dtypeNamed: ReadonlyMap<string, DType> = new Map(order.map((dtype) => [nameOf[dtype], dtype]));

/** The whole file. Equal maps give equal bytes, whatever the order in which the tensors were put in. */
export function encodeSafetensors({ tensors, metadata }: Safetensors): Uint8Array<ArrayBuffer> {
  const sorted = [...tensors].sort(([a, { dtype: s }], [b, { dtype: t }]) => order.indexOf(s) - order.indexOf(t) || (a < b ? -1 : 1));
  const fields: string[] = [];
  if (metadata.size > 0) fields.push(`${JSON.stringify(metadataName)}:${textMap(metadata)}`);
  let bytes = 0;
  for (const [name, tensor] of sorted) {
    checkStored(name, tensor);
    const end = bytes + tensor.data.byteLength;
    const entry = { dtype: nameOf[tensor.dtype], shape: tensor.shape, data_offsets: [bytes, end] };
    fields.push(`${JSON.stringify(name)}:${JSON.stringify(entry)}`);
    bytes = end;
  }
  const header = new TextEncoder().encode(`{${fields.join(",")}}`);
  // The header is filled up with spaces so that the numbers start at a multiple of 8.
  const headerBytes = Math.ceil(header.length / 8) * 8;
  if (headerBytes > maxHeaderBytes) {
    throw new MinibatchError(`safetensors: a header has at most ${maxHeaderBytes} bytes, got ${headerBytes}`, "FILE");
  }
  const file = new Uint8Array(8 + headerBytes + bytes).fill(0x20, 8 + header.length, 8 + headerBytes);
  new DataView(file.buffer).setUint32(0, headerBytes, true);
  file.set(header, 8);
  let offset = 8 + headerBytes;
  for (const [, { data }] of sorted) {
    file.set(littleEndianBytes(data), offset);
    offset += data.byteLength;
  }
  return file;
}

function textMap(metadata: ReadonlyMap<string, string>): string {
  const fields = [...metadata].map(([name, value]) => {
    if (typeof value !== "string")
      throw new MinibatchError(`safetensors: metadata "${name}" must be a string, got ${describe(value)}`, "FILE");
    if (loneSurrogate.test(name + value)) throw new MinibatchError(`safetensors: metadata "${name}" must be well-formed text`, "FILE");
    return `${JSON.stringify(name)}:${JSON.stringify(value)}`;
  });
  return `{${fields.join(",")}}`;
}

function checkStored(name: string, { dtype, shape, data }: StoredTensor): void {
  const fits = dtypeOf(data) === dtype && shape.every((n) => Number.isSafeInteger(n) && n >= 0) && sizeOf(shape) === data.length;
  if (name === metadataName || loneSurrogate.test(name)) {
    throw new MinibatchError(`safetensors: a tensor's name must be well-formed text other than "${metadataName}", got "${name}"`, "FILE");
  }
  if (fits) return;
  throw new MinibatchError(
    `safetensors: tensor "${name}" must hold the ${dtype} numbers of its shape ${show(shape)}, got ${describe(data)} of ${data.length}`,
    "FILE",
  );
}

/** Tensors and metadata of a file. `file` is named in errors. Throws a `MinibatchError` with code "FILE" at the first broken rule. */
export function decodeSafetensors(bytes: Uint8Array, file?: string): Safetensors<TypedArray> {
  const fail = (what: string, cause?: unknown): never => {
    const options = cause === undefined ? undefined : { cause };
    throw new MinibatchError(`safetensors: ${what}${file === undefined ? "" : ` (${file})`}`, "FILE", options);
  };
  let metadata: ReadonlyMap<string, string> = new Map();
  const entries: Entry[] = [];
  const end = readHeader(bytes, fail, (name, value) => {
    if (name === metadataName) metadata = readMetadata(value, fail);
    else entries.push(readEntry(name, value, fail));
  });
  const numbers = bytes.subarray(end);

  // In the order of their offsets the tensors must cover the numbers exactly: no hole, no overlap, nothing left over.
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let covered = 0;
  for (const { name: fullName, begin, end } of entries) {
    const name = short(fullName);
    if (begin !== covered) fail(`"${name}".data_offsets must start at ${covered}, where the tensor before it ends, got [${begin}, ${end}]`);
    if (end > numbers.length) fail(`"${name}".data_offsets must end within the ${numbers.length} bytes of numbers, got [${begin}, ${end}]`);
    covered = end;
  }
  if (covered !== numbers.length) fail(`the tensors must cover all ${numbers.length} bytes after the header, got ${covered}`);

  const tensors = new Map<string, StoredTensor<TypedArray>>();
  for (const { name, dtype, shape, begin, end } of entries) {
    tensors.set(name, { dtype, shape, data: decodeNumbers(dtype, numbers.subarray(begin, end), "little") as TypedArray });
  }
  return { tensors, metadata };
}

type Fail = (what: string, cause?: unknown) => never;

interface Entry {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/** Hands the header's fields out in order; where the header ends. */
function readHeader(bytes: Uint8Array, fail: Fail, field: (name: string, value: HeaderValue) => void): number {
  if (bytes.length < 8) return fail(`a file starts with the 8 bytes of the header's length, got ${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getBigUint64(0, true);
  if (length > maxHeaderBytes) return fail(`the header's length must be at most ${maxHeaderBytes}, got ${length}: not a safetensors file?`);
  const end = 8 + Number(length);
  if (end > bytes.length)
    return fail(`the header must end within the file, got ${length} bytes of header in a file of ${bytes.length}: cut short?`);
  let source: string;
  try {
    source = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes.subarray(8, end));
  } catch (cause) {
    return fail("the header must be UTF-8, got other bytes", cause);
  }
  if (!source.startsWith("{")) return fail(`the header must start with "{", got ${describe(source.slice(0, 12))}`);
  try {
    headerFields(source, field);
    return end;
  } catch (cause) {
    if (cause instanceof HeaderError) return fail(cause.message, cause);
    throw cause;
  }
}

/** A header's value in an error message. */
function shown(value: HeaderValue): string {
  return isMap(value) ? "an object" : describe(value);
}

function isMap(value: HeaderValue | undefined): value is HeaderMap {
  return value instanceof Map;
}

/** A name in an error message: it may be as long as the header. */
function short(name: string): string {
  return name.length > 60 ? `${name.slice(0, 57)}...` : name;
}

function readMetadata(value: HeaderValue, fail: Fail): ReadonlyMap<string, string> {
  if (!isMap(value)) return fail(`"${metadataName}" must be an object of strings, got ${shown(value)}`);
  for (const [name, text] of value) {
    if (typeof text !== "string") fail(`"${metadataName}"."${short(name)}" must be a string, got ${shown(text)}`);
  }
  return value as ReadonlyMap<string, string>;
}

function readEntry(fullName: string, value: HeaderValue, fail: Fail): Entry {
  const name = short(fullName);
  if (!isMap(value)) return fail(`"${name}" must be an object with dtype, shape and data_offsets, got ${shown(value)}`);
  const field = (key: string): HeaderValue => {
    const found = value.get(key);
    return found === undefined ? fail(`"${name}" must have dtype, shape and data_offsets, got no ${key}`) : found;
  };
  const numbers = (key: string): readonly number[] => {
    const list = field(key);
    if (!Array.isArray(list) || !list.every((n) => typeof n === "number")) {
      return fail(`"${name}".${key} must be a list of whole numbers, got ${shown(list)}`);
    }
    return list;
  };

  const kind = field("dtype");
  const dtype = typeof kind === "string" ? dtypeNamed.get(kind) : undefined;
  if (dtype === undefined) return fail(`"${name}".dtype must be ${[...dtypeNamed.keys()].join(", ")}, got ${shown(kind)}`);
  const shape = numbers("shape");
  const offsets = numbers("data_offsets");
  const [begin = 0, end = 0] = offsets;
  if (offsets.length !== 2 || begin > end) return fail(`"${name}".data_offsets must be [begin, end], got ${show(offsets)}`);
  let bytes = bytesPerElement[dtype];
  for (const n of shape) {
    bytes *= n;
    if (!Number.isSafeInteger(bytes)) fail(`"${name}".shape must be of a size that a file can have, got ${show(shape)}`);
  }
  if (end - begin !== bytes) fail(`"${name}".data_offsets must span the ${bytes} bytes of ${kind} ${show(shape)}, got [${begin}, ${end}]`);
  return { name: fullName, dtype, shape, begin, end };
}
