// ONNX models and tensors as they stand in a file: which field of onnx.proto means what.
// Knows nothing of this library; numbers come out as plain arrays.
import { Message } from "./wire.ts";

/** Names of TensorProto.DataType, by number. */
export const elementTypes = [
  "UNDEFINED",
  "FLOAT",
  "UINT8",
  "INT8",
  "UINT16",
  "INT16",
  "INT32",
  "INT64",
  "STRING",
  "BOOL",
  "FLOAT16",
  "DOUBLE",
  "UINT32",
  "UINT64",
  "COMPLEX64",
  "COMPLEX128",
  "BFLOAT16",
] as const;
export type ElementType = (typeof elementTypes)[number];

export function elementType(code: number): ElementType {
  const type = elementTypes[code];
  if (type === undefined) throw new Error(`onnx: element types go from 0 to ${elementTypes.length - 1}, got ${code}`);
  return type;
}

/** A tensor's numbers, read exactly but for 64-bit integers beyond 2^53; undefined for types that no JavaScript number holds. */
export interface TensorFile {
  readonly name: string;
  readonly type: ElementType;
  readonly dims: readonly number[];
  readonly numbers: ArrayLike<number> | undefined;
}

export interface Attribute {
  readonly name: string;
  /** Float, whole number and text as ONNX tells them apart by the type field. */
  readonly kind: "float" | "int" | "string" | "tensor" | "graph" | "floats" | "ints" | "strings" | "other";
  readonly float: number;
  readonly int: number;
  readonly text: string;
  readonly tensor: TensorFile | undefined;
  readonly floats: readonly number[];
  readonly ints: readonly number[];
  readonly texts: readonly string[];
}

export interface OnnxNode {
  readonly op: string;
  readonly domain: string;
  readonly name: string;
  /** "" stands for an optional input or output that is left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, Attribute>;
}

/** A graph's input or output: "tensor" with its element type, or another kind of value. */
export interface Port {
  readonly name: string;
  readonly kind: "tensor" | "sequence" | "map" | "optional" | "sparse" | "unknown";
  readonly type: ElementType;
}

export interface OnnxModel {
  /** Version of the default operator set. */
  readonly opset: number;
  readonly domains: readonly string[];
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly TensorFile[];
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
}

/** Elements in raw_data: little-endian, fixed width. */
const rawReaders: Partial<Record<ElementType, readonly [size: number, read: (view: DataView, at: number) => number]>> = {
  FLOAT: [4, (v, i) => v.getFloat32(i, true)],
  DOUBLE: [8, (v, i) => v.getFloat64(i, true)],
  UINT8: [1, (v, i) => v.getUint8(i)],
  INT8: [1, (v, i) => v.getInt8(i)],
  BOOL: [1, (v, i) => v.getUint8(i)],
  UINT16: [2, (v, i) => v.getUint16(i, true)],
  INT16: [2, (v, i) => v.getInt16(i, true)],
  INT32: [4, (v, i) => v.getInt32(i, true)],
  UINT32: [4, (v, i) => v.getUint32(i, true)],
  INT64: [8, (v, i) => Number(v.getBigInt64(i, true))],
  UINT64: [8, (v, i) => Number(v.getBigUint64(i, true))],
};

function numbersOf(message: Message, type: ElementType, count: number): ArrayLike<number> | undefined {
  const reader = rawReaders[type];
  if (!reader) return undefined;
  const raw = message.bytes(9);
  let numbers: number[];
  if (raw.length > 0) {
    const [size, read] = reader;
    if (raw.length !== count * size) throw new Error(`onnx: raw_data must hold ${count} x ${size} bytes, got ${raw.length} (${type})`);
    const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
    numbers = Array.from({ length: count }, (_, i) => read(view, i * size));
  } else if (type === "FLOAT") {
    numbers = message.reals(4, 4);
  } else if (type === "DOUBLE") {
    numbers = message.reals(10, 8);
  } else {
    numbers = message.wholes(type === "INT64" ? 7 : type === "UINT32" || type === "UINT64" ? 11 : 5);
  }
  if (numbers.length !== count) throw new Error(`onnx: a tensor of ${count} elements must hold as many, got ${numbers.length} (${type})`);
  return numbers;
}

/** TensorProto. */
export function readTensor(message: Message): TensorFile {
  const type = elementType(message.whole(2));
  const dims = message.wholes(1);
  const count = dims.reduce((product, n) => product * n, 1);
  if (message.whole(14) !== 0) throw new Error("onnx: the numbers of this tensor are in another file");
  return { name: message.text(8), type, dims, numbers: numbersOf(message, type, count) };
}

const attributeKinds = ["other", "float", "int", "string", "tensor", "graph", "floats", "ints", "strings"] as const;

/** AttributeProto. */
function readAttribute(message: Message): Attribute {
  const tensor = message.message(5);
  return {
    name: message.text(1),
    kind: attributeKinds[message.whole(20)] ?? "other",
    float: message.reals(2, 4).at(-1) ?? 0,
    int: message.whole(3),
    text: message.text(4),
    tensor: tensor && readTensor(tensor),
    floats: message.reals(7, 4),
    ints: message.wholes(8),
    texts: message.texts(9),
  };
}

/** NodeProto. */
function readNode(message: Message): OnnxNode {
  return {
    op: message.text(4),
    domain: message.text(7),
    name: message.text(3),
    inputs: message.texts(1),
    outputs: message.texts(2),
    attributes: new Map(message.messages(5).map((m) => [m.text(1), readAttribute(m)])),
  };
}

/** ValueInfoProto: a name and a TypeProto, of which exactly one kind is set. */
function readPort(message: Message): Port {
  const type = message.message(2);
  const tensor = type?.message(1);
  const kind = tensor
    ? "tensor"
    : type?.has(4)
      ? "sequence"
      : type?.has(5)
        ? "map"
        : type?.has(9)
          ? "optional"
          : type?.has(8)
            ? "sparse"
            : "unknown";
  return { name: message.text(1), kind, type: elementType(tensor?.whole(1) ?? 0) };
}

/** ModelProto, as bytes. */
export function readModel(bytes: Uint8Array): OnnxModel {
  const model = new Message(bytes);
  const graph = model.message(7);
  if (!graph) throw new Error("onnx: a model must have a graph, got none");
  const sets = model.messages(8).map((m) => ({ domain: m.text(1), version: m.whole(2) }));
  return {
    opset: sets.find((s) => s.domain === "" || s.domain === "ai.onnx")?.version ?? 1,
    domains: sets.map((s) => s.domain),
    nodes: graph.messages(1).map(readNode),
    initializers: graph.messages(5).map(readTensor),
    inputs: graph.messages(11).map(readPort),
    outputs: graph.messages(12).map(readPort),
  };
}
