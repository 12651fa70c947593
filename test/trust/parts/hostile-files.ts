// Valid files of every format to be damaged, with independent readers of them: short, slow, written from the formats' definitions
// and sharing no code with the library's. Knows no mutation.
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  adam,
  batchNorm,
  crossEntropy,
  dense,
  dropout,
  elu,
  input,
  l2,
  layerNorm,
  leakyRelu,
  meanSquaredError,
  relu,
  reshape,
  sequential,
  tensor,
} from "minibatch";
import { standardize } from "minibatch/data";
import { convert, type DType } from "../../../src/dtype.ts";
import { encodeSafetensors, type StoredTensor } from "../../../src/io/safetensors.ts";

const dtypes: readonly DType[] = ["u8", "i32", "f32", "f64"];
const text = new TextEncoder();

export function safetensorsFiles(): Uint8Array[] {
  const tensors = new Map<string, StoredTensor>();
  for (const [i, dtype] of dtypes.entries()) {
    tensors.set(`layer_${i}.w`, {
      dtype,
      shape: [2, i + 1],
      data: convert(
        Array.from({ length: 2 * i + 2 }, (_, k) => k - i),
        dtype,
      ),
    });
  }
  tensors.set("__proto__", { dtype: "f32", shape: [], data: Float32Array.of(-0) });
  tensors.set("empty", { dtype: "f64", shape: [0, 3], data: new Float64Array(0) });
  const metadata = new Map([
    ["format", "pt"],
    ["constructor", 'é "quoted" \\ \n'],
  ]);
  return [encodeSafetensors({ tensors, metadata }), encodeSafetensors({ tensors: new Map(), metadata: new Map() })];
}

/** Saved models of small networks that together have every kind of layer with numbers or options. */
export async function modelFiles(): Promise<Uint8Array[]> {
  const folder = await mkdtemp(join(tmpdir(), "minibatch-hostile-"));
  const x = tensor([
    [1, 2, 3],
    [4, 5, 7],
    [2, 2, 9],
    [0, 1, 1],
  ]);
  const files: Uint8Array[] = [];
  const models = [
    {
      model: sequential([standardize(x).layer(), dense(4), batchNorm(), relu(), dropout({ keepProb: 0.8 }), dense(2)]),
      loss: crossEntropy(),
      y: tensor([0, 1, 0, 1]),
    },
    {
      model: sequential([input({ shape: [3] }), reshape([3, 1]), dense(2), layerNorm(), leakyRelu(), reshape([6]), elu(), dense(1)]),
      loss: meanSquaredError(),
      y: tensor([1, 2, 3, 4]),
    },
  ];
  try {
    for (const [i, { model, loss, y }] of models.entries()) {
      await model.fit({ x, y }, { loss, optimizer: adam({ learningRate: 0.01 }), regularizer: l2(0.1), epochs: 1, batchSize: 4 });
      const file = join(folder, `${i}.safetensors`);
      await model.save(file);
      files.push(await readFile(file));
    }
  } finally {
    await rm(folder, { recursive: true });
  }
  return files.map((bytes) => new Uint8Array(bytes));
}

const idxTypes = [8, 9, 11, 12, 13, 14] as const;
const idxWidth: Readonly<Record<number, number>> = { 8: 1, 9: 1, 11: 2, 12: 4, 13: 4, 14: 8 };

export function idxFiles(): Uint8Array[] {
  return idxTypes.map((type, i) => {
    const shape = i % 2 ? [2, 3] : [3, 1, 2];
    const bytes = new Uint8Array(4 + 4 * shape.length + 6 * (idxWidth[type] as number));
    bytes.set([0, 0, type, shape.length]);
    const view = new DataView(bytes.buffer);
    shape.forEach((n, axis) => {
      view.setUint32(4 + 4 * axis, n);
    });
    for (let at = 4 + 4 * shape.length; at < bytes.length; at++) bytes[at] = at * 37;
    return bytes;
  });
}

const npyTypes = ["|b1", "|u1", "|i1", "<i2", ">u2", "<i4", ">u4", "<i8", "<f2", "<f4", ">f8"] as const;

export function npyFiles(): Uint8Array[] {
  return npyTypes.map((descr, i) => {
    const version = 1 + (i % 3);
    const header = `{'descr': '${descr}', 'fortran_order': ${i % 2 ? "True" : "False"}, 'shape': (2, 3), }`.padEnd(117).concat("\n");
    const begin = version === 1 ? 10 : 12;
    const bytes = new Uint8Array(begin + header.length + 6 * Number(descr[2]));
    bytes.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, version, 0, header.length]);
    bytes.set(text.encode(header), begin);
    for (let at = begin + header.length; at < bytes.length; at++)
      bytes[at] = (at * 29) % (descr.endsWith("8") && descr[1] === "i" ? 2 : 256);
    if (descr === "<i8") bytes.fill(0, begin + header.length);
    if (descr === ">u4") for (let k = 0; k < 6; k++) bytes[begin + header.length + 4 * k] = 1;
    return bytes;
  });
}

export function csvFiles(): Uint8Array[] {
  return [
    "a,b,y\n1,2,0\n-3.5,4e2,1\n.5,6.,1\n",
    'x,"the ""label""\nof it",y\r\n1,2,yes\r\n\r\n3,4,"no, not"\r\n',
    "\ufeffy,a\n0.25,1\n-1e-3,2",
  ].map((lines) => text.encode(lines));
}

/** What an independent reader makes of a file: rows of numbers by name, or undefined where it would not read it. */
export type Read = ReadonlyMap<string, { readonly shape: readonly number[]; readonly values: readonly number[] }>;

const elements = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** By JSON.parse and a DataView. Says nothing of duplicate names, which JSON.parse passes over. */
export function readSafetensors(bytes: Uint8Array): Read {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = 8 + Number(view.getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, end))) as object;
  const made = new Map<string, { shape: number[]; values: number[] }>();
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const { dtype, shape, data_offsets } = entry as { dtype: string; shape: number[]; data_offsets: [number, number] };
    const width = { U8: 1, I32: 4, F32: 4, F64: 8 }[dtype] as number;
    const values: number[] = [];
    for (let i = 0; i < elements(shape); i++) {
      const at = end + data_offsets[0] + i * width;
      values.push(
        dtype === "U8"
          ? view.getUint8(at)
          : dtype === "I32"
            ? view.getInt32(at, true)
            : dtype === "F32"
              ? view.getFloat32(at, true)
              : view.getFloat64(at, true),
      );
    }
    made.set(name, { shape, values });
  }
  return made;
}

export function readIdx(bytes: Uint8Array): Read {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const type = view.getUint8(2);
  const rank = view.getUint8(3);
  const shape = Array.from({ length: rank }, (_, i) => view.getUint32(4 + 4 * i));
  const width = idxWidth[type] as number;
  const values = Array.from({ length: elements(shape) }, (_, i) => {
    const at = 4 + 4 * rank + i * width;
    if (type === 8) return view.getUint8(at);
    if (type === 9) return view.getInt8(at);
    if (type === 11) return view.getInt16(at);
    if (type === 12) return view.getInt32(at);
    return type === 13 ? view.getFloat32(at) : view.getFloat64(at);
  });
  return new Map([["", { shape, values }]]);
}

export function readNpy(bytes: Uint8Array): Read {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const wide = view.getUint8(6) > 1;
  const begin = wide ? 12 : 10;
  const end = begin + (wide ? view.getUint32(8, true) : view.getUint16(8, true));
  const header = new TextDecoder().decode(bytes.subarray(begin, end));
  const [, mark, kind, size] = /['"]descr['"]\s*:\s*['"](.)(.)(\d)['"]/.exec(header) as RegExpExecArray;
  const fortran = /['"]fortran_order['"]\s*:\s*True/.test(header);
  const shape = ((/['"]shape['"]\s*:\s*\(([^)]*)\)/.exec(header) as RegExpExecArray)[1] as string)
    .split(",")
    .filter((n) => n.trim() !== "")
    .map((n) => Number.parseInt(n, 10));
  const little = mark !== ">";
  const one = (i: number): number => {
    const at = end + i * Number(size);
    if (kind === "f") return size === "8" ? view.getFloat64(at, little) : size === "4" ? view.getFloat32(at, little) : halfAt(at);
    const unsigned = kind !== "i";
    if (size === "1") return unsigned ? view.getUint8(at) : view.getInt8(at);
    if (size === "2") return unsigned ? view.getUint16(at, little) : view.getInt16(at, little);
    if (size === "4") return unsigned ? view.getUint32(at, little) : view.getInt32(at, little);
    return Number(unsigned ? view.getBigUint64(at, little) : view.getBigInt64(at, little));
  };
  const halfAt = (at: number): number => {
    const bits = view.getUint16(at, little);
    const [sign, exponent, mantissa] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
    if (exponent === 31) return mantissa ? Number.NaN : sign * Number.POSITIVE_INFINITY;
    return exponent ? sign * 2 ** (exponent - 15) * (1 + mantissa / 1024) : sign * 2 ** -14 * (mantissa / 1024);
  };
  const values = Array.from({ length: elements(shape) }, (_, i) => {
    if (!fortran) return one(i);
    let [rest, stride, from] = [i, 1, 0];
    const index = shape.map(() => 0);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis] = rest % (shape[axis] as number);
      rest = Math.floor(rest / (shape[axis] as number));
    }
    for (const [axis, n] of shape.entries()) {
      from += (index[axis] as number) * stride;
      stride *= n;
    }
    return one(from);
  });
  return new Map([["", { shape, values }]]);
}

/** Fields without quotes only; undefined for a text with some. */
export function readCsv(bytes: Uint8Array): number[] | undefined {
  const lines = new TextDecoder().decode(bytes);
  if (lines.includes('"')) return undefined;
  const [names = [], ...rows] = lines
    .split("\n")
    .map((line) => line.replace(/\r$/, ""))
    .map((line) => line.split(",").map((field) => field.trim()))
    .filter((fields) => fields.length > 1 || fields[0] !== "");
  const label = names.indexOf("y");
  return rows.flatMap((fields) => fields.filter((_, j) => j !== label).map((field) => Math.fround(Number(field))));
}
