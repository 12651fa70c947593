// The works that are compared: what each is measured in, who takes part, and which pairs make a row of the table.
// Knows no process.
import type { Task } from "../child.ts";
import type { Configuration, Group } from "./configurations.ts";

type Untimed<T> = T extends unknown ? Omit<T, "seconds"> : never;

/** How a time is shown: `of` turns seconds per call into the figure. */
export interface Unit {
  readonly name: string;
  of(seconds: number): number;
}

/** One comparison of a work: the best of some configurations against the best of others. */
export interface Pair {
  readonly name: string;
  ours(configuration: Configuration): boolean;
  peers(configuration: Configuration): boolean;
}

export interface Work {
  readonly name: string;
  readonly task: Untimed<Task>;
  readonly seconds: number;
  readonly unit: Unit;
  readonly pairs: readonly Pair[];
}

const milliseconds: Unit = { name: "ms", of: (t) => 1e3 * t };
const microseconds: Unit = { name: "us", of: (t) => 1e6 * t };
const perSecond = (samples: number): Unit => ({ name: "samples/s", of: (t) => samples / t });
const gflops = (flops: number): Unit => ({ name: "GFLOP/s", of: (t) => flops / t / 1e9 });

const among =
  (...groups: readonly Group[]) =>
  ({ group }: Configuration) =>
    groups.includes(group);
const single = (of: (c: Configuration) => boolean) => (c: Configuration) => c.threads === 1 && of(c);

/** One thread against one thread, then whatever is best against whatever is best. */
function fairPairs(...groups: readonly Group[]): Pair[] {
  return [
    { name: "1 thread", ours: single(among("native")), peers: single(among(...groups)) },
    { name: "best of each", ours: among("native"), peers: among(...groups) },
  ];
}

/** The best of the libraries that run in Node. jax-js is written down for networks without batch norm and dropout. */
const script: Pair = { name: "JavaScript libraries", ours: among("native"), peers: among("jax", "tfjs-wasm") };
const scriptOnA: Pair = { ...script, peers: among("tfjs-wasm") };
const typescriptPairs: Pair[] = [
  { name: "TypeScript executor, tfjs cpu", ours: among("typescript"), peers: among("tfjs-cpu") },
  { name: "TypeScript executor, tfjs wasm", ours: among("typescript"), peers: among("tfjs-wasm") },
];

function training(net: "a" | "b" | "c", batch: number, pairs: readonly Pair[]): Work {
  return { name: `training (${net})`, task: { kind: "training", net }, seconds: 1.5, unit: perSecond(batch), pairs };
}

function inference(rows: number): Work {
  const pairs = fairPairs("torch", "onnx", "tfjs-wasm");
  return {
    name: `inference of (a), ${rows} row${rows > 1 ? "s" : ""}`,
    task: { kind: "inference", rows },
    seconds: 0.5,
    unit: microseconds,
    pairs,
  };
}

const sizes = [
  [128, 512],
  [4096, 1024],
] as const;

export const works: readonly Work[] = [
  training("a", 128, [...fairPairs("torch"), scriptOnA, ...typescriptPairs]),
  training("b", 128, [...fairPairs("torch"), script]),
  training("c", 32, [...fairPairs("torch"), script]),
  inference(1),
  inference(256),
  {
    name: "Adam, 10M parameters",
    task: { kind: "adam", parameters: 10_000_000 },
    seconds: 0.6,
    unit: milliseconds,
    pairs: fairPairs("torch"),
  },
  ...sizes.map(
    ([rows, columns]): Work => ({
      name: `batch norm forward and backward [${rows}, ${columns}]`,
      task: { kind: "batchNorm", rows, columns },
      seconds: 0.4,
      unit: milliseconds,
      pairs: fairPairs("torch"),
    }),
  ),
  ...sizes.map(
    ([rows, columns]): Work => ({
      name: `dropout forward [${rows}, ${columns}]`,
      task: { kind: "dropout", rows, columns },
      seconds: 0.4,
      unit: milliseconds,
      pairs: fairPairs("torch"),
    }),
  ),
  {
    name: "matmul 128x784x512",
    task: { kind: "matmul", m: 128, k: 784, n: 512 },
    seconds: 0.6,
    unit: gflops(2 * 128 * 784 * 512),
    pairs: typescriptPairs,
  },
];

/** Those whose name contains the text; an error that lists them all when there is none. */
export function chosen<W extends { readonly name: string }>(all: readonly W[], only: string | undefined): W[] {
  const found = all.filter(({ name }) => only === undefined || name.toLowerCase().includes(only.toLowerCase()));
  if (!found.length)
    throw new Error(`bench:peers: --only must be part of a name below, got "${only}"\n  ${all.map((w) => w.name).join("\n  ")}`);
  return found;
}
