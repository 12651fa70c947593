// Values that nobody should pass: numbers at the edges, memory that goes away, objects that bite back. Fresh ones for every call.
// Knows no function that they are passed to.
import { type Tensor, tensor, variable } from "minibatch";
import type { Random } from "./evidence.ts";

/** What a hostile getter or proxy throws: it must come out unchanged, as any error of the caller's own code. */
export class HostileError extends Error {}

export const edges: readonly number[] = [
  Number.NaN,
  -0,
  0,
  1,
  -1,
  2,
  3,
  0.5,
  7,
  64,
  255,
  256,
  65_535,
  65_536,
  2 ** 31 - 1,
  2 ** 31,
  -(2 ** 31),
  2 ** 32,
  2 ** 32 + 1,
  2 ** 53 - 1,
  2 ** 53,
  2 ** 63,
  2 ** 64,
  1e308,
  -1e308,
  1e-320,
  Number.MIN_VALUE,
  Number.MAX_VALUE,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  1e39,
  -1.5,
  1 + 2 ** -52,
];

const kinds = [
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
] as const;
type Make = new (buffer: ArrayBufferLike, offset?: number, length?: number) => ArrayBufferView;
interface Resizable {
  resize(bytes: number): void;
}
const ResizableBuffer = ArrayBuffer as unknown as new (bytes: number, options: { maxByteLength: number }) => ArrayBuffer & Resizable;
const GrowableBuffer = SharedArrayBuffer as unknown as new (
  bytes: number,
  options: { maxByteLength: number },
) => SharedArrayBuffer & { grow(bytes: number): void };

export function detach(buffer: ArrayBuffer): void {
  structuredClone(buffer, { transfer: [buffer] });
}

/** A typed array of any kind over memory of any kind, some of it already gone. */
export function memoryView(random: Random, n = random.below(20)): ArrayBufferView {
  const Kind = random.pick(kinds) as unknown as Make & { BYTES_PER_ELEMENT: number };
  const width = Kind.BYTES_PER_ELEMENT;
  switch (random.below(8)) {
    case 0: {
      const view = new Kind(new ArrayBuffer(n * width));
      detach(view.buffer as ArrayBuffer);
      return view;
    }
    case 1: {
      const buffer = new ResizableBuffer(n * width, { maxByteLength: 4096 });
      const view = random.chance(0.5) ? new Kind(buffer) : new Kind(buffer, 0, n);
      buffer.resize(random.pick([0, 4096, Math.floor(n / 2) * width]));
      return view;
    }
    case 2:
      return new Kind(new SharedArrayBuffer(n * width));
    case 3: {
      const buffer = new GrowableBuffer(n * width, { maxByteLength: 4096 });
      const view = new Kind(buffer);
      buffer.grow(4096);
      return view;
    }
    case 4:
      return new Kind(new ArrayBuffer((n + 3) * width), width, n);
    case 5:
      return new DataView(new ArrayBuffer(n));
    case 6:
      return random.chance(0.5) ? new BigInt64Array(n) : new Kind(new ArrayBuffer(n * width), n * width, 0);
    default: {
      const view = new Kind(new ArrayBuffer(n * width));
      new Uint8Array(view.buffer).forEach((_, i, bytes) => {
        bytes[i] = random.word();
      });
      return view;
    }
  }
}

function biting(random: Random, detachable: readonly ArrayBuffer[]): object {
  const bite = (): never => {
    throw new HostileError("bitten");
  };
  const steal = (): number => {
    const buffer = random.pick(detachable);
    if (buffer && !(buffer as { detached?: boolean }).detached && buffer.byteLength) detach(buffer);
    return 1;
  };
  const name = random.pick([
    "shape",
    "dtype",
    "seed",
    "length",
    "0",
    "x",
    "y",
    "learningRate",
    "epochs",
    "loss",
    "threads",
    "steps",
    "first",
    "last",
    "control",
    "constructor",
    "axis",
    "name",
  ]);
  switch (random.below(7)) {
    case 0:
      return Object.defineProperty({}, name, { get: bite, enumerable: true });
    case 1:
      return Object.defineProperty({}, name, { get: steal, enumerable: true });
    case 2:
      return new Proxy([1, 2], { get: (target, key) => (key === "1" ? steal() : Reflect.get(target, key)) });
    case 3:
      return new Proxy([], { get: bite });
    case 4:
      return new Proxy(new Float32Array(4), {});
    case 5:
      return { valueOf: bite, toString: bite, [Symbol.toPrimitive]: bite };
    default:
      return Object.defineProperty([1, 2, 3], "1", { get: random.chance(0.5) ? bite : steal });
  }
}

function cyclic(): unknown[] {
  const list: unknown[] = [];
  list.push(list);
  return list;
}

/** Something that is no number, or none that should be there. */
export function hostile(random: Random, detachable: readonly ArrayBuffer[] = []): unknown {
  switch (random.below(30)) {
    case 0:
      return undefined;
    case 1:
      return null;
    case 2:
      return random.pick([
        "",
        "f32",
        "f64",
        "i32",
        "u8",
        "__proto__",
        "constructor",
        "toString",
        "x".repeat(1000),
        "\u0000",
        "relu",
        "epoch",
        "\ud800",
      ]);
    case 3:
      return random.chance(0.5);
    case 4:
      return Symbol("hostile");
    case 5:
      return 2n ** 64n;
    case 6:
      return () => random.pick(edges);
    case 7:
      return {};
    case 8:
      return [];
    case 9:
      return [random.pick(edges), random.pick(edges)];
    case 10:
      return [[1, 2], [3]];
    case 11:
      return cyclic();
    case 12:
      return random.chance(0.5) ? new Array(5) : Object.assign([1], { 5: 2 });
    case 13:
      return new Array(100_000).fill(0);
    case 14:
    case 15:
      return memoryView(random);
    case 16:
    case 17:
      return biting(random, detachable);
    case 18:
      return random.pick([
        new Date(0),
        /x/,
        new Map(),
        new Set([1]),
        Promise.resolve(1),
        new WeakMap(),
        new ArrayBuffer(8),
        new SharedArrayBuffer(8),
        globalThis,
        new URL("file:///x"),
        new Error("x"),
      ]);
    case 19:
      return Object.create(null);
    case 20:
      return [[[[[[[[1]]]]]]]];
    case 21:
      return random.chance(0.5) ? [[], []] : [[[]]];
    case 22:
      return ["1", "2"];
    case 23:
      return [1, Number.NaN, undefined];
    case 24:
      return { length: 3, 0: 1, 1: 2, 2: 3 };
    case 25:
      return { [random.pick(["seed", "shape", "dtype", "epochs", "axis"])]: hostile(random, detachable) };
    case 26:
      return [hostile(random, detachable)];
    case 27:
      return function* () {
        yield 1;
      };
    case 28:
      return Reflect.get({ async f() {} }, "f");
    default:
      return random.pick(edges);
  }
}

/** A small shape, or one that nobody can have; never one that is merely large. */
export function shape(random: Random): number[] {
  if (random.chance(0.12))
    return random.pick([
      [2 ** 31, 2 ** 31],
      [-1, 2],
      [1.5],
      [Number.NaN],
      [2 ** 53],
      [2 ** 40, 0],
      [1, 1, 1, 1, 1, 1, 1],
      [0],
      [0, 5, 0],
      [Number.POSITIVE_INFINITY],
      [-0],
    ]);
  return Array.from({ length: random.below(4) }, () => random.pick([0, 1, 1, 2, 3, 4, 5, 8, 17, 33]));
}

/** A tensor of numbers that kernels may stumble over. */
export function anyTensor(random: Random, of = shape(random)): Tensor {
  const dtype = random.pick(["f32", "f32", "f32", "f64", "i32", "u8"] as const);
  const size = of.reduce((a, b) => a * b, 1);
  if (of.length > 6 || !of.every((k) => Number.isInteger(k) && k >= 0 && k <= 2 ** 16) || size > 2 ** 16) return tensor([1, 2, 3]);
  const values = Array.from({ length: size }, () =>
    random.chance(0.1) ? random.pick(edges) : dtype === "i32" && random.chance(0.5) ? random.below(5) : random.unit() * 4 - 2,
  );
  const made = { shape: of, dtype };
  return random.chance(0.1) && (dtype === "f32" || dtype === "f64") ? variable(values, made) : tensor(values, made);
}
