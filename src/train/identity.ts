// What two runs must share for one to go on, bit for bit, where the other stood: model, options, data, kernels, program.
// As short texts by name, so that a difference can be shown. Threads, epochs, callbacks and progress are not among them.
import type { DType } from "../dtype.ts";
import type { Program } from "../graph/program.ts";
import { encode } from "../graph/program.ts";
import { sha256, sha256OfBlocks } from "../io/digest.ts";
import type { Network, Structure } from "../nn/network.ts";
import { rateAt, type Schedule } from "../optim/schedules.ts";
import { constantBytes } from "../run/constants.ts";
import type { Executor } from "../run/executor.ts";
import { type Shape, show } from "../shape.ts";
import { acceptable } from "./checkpoint-options.ts";
import type { Settings } from "./options.ts";
import type { Table } from "./table.ts";

export interface IdentityParts {
  readonly network: Network;
  readonly structure: Structure;
  readonly settings: Settings;
  readonly table: Table;
  readonly devTable: Table | undefined;
  /** That of a whole batch. */
  readonly program: Program;
  readonly executor: Executor;
}

/** Epochs at which a schedule is looked at: a function cannot be compared, its rates can. */
const sampledEpochs = [1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 610, 987];

function rates(rate: number | Schedule, stepsPerEpoch: number): [string, string][] {
  if (typeof rate === "number") return [["learningRate", String(rate)]];
  const sampled = sampledEpochs.map((epoch): [string, string] => {
    let value: string;
    try {
      value = String(rateAt(rate, { epoch, step: (epoch - 1) * stepsPerEpoch + 1 }));
    } catch {
      value = "none";
    }
    return [`learningRate.epoch ${epoch}`, value];
  });
  return [["learningRate", "a schedule"], ...sampled];
}

const text = (value: unknown) => (value === undefined ? "none" : typeof value === "string" ? value : JSON.stringify(value));

async function dataset(name: string, table: Table | undefined): Promise<[string, string][]> {
  if (!table) return [[name, "none"]];
  const shape = ({ dtype, shape }: { dtype: DType; shape: Shape }) => `${dtype}${show(shape)}`;
  return [
    [name, "a data set"],
    [`${name}.x`, shape(table.types.x)],
    [`${name}.y`, shape(table.types.y)],
    [`${name}.content`, (await sha256OfBlocks(table.input)).slice(0, 16)],
  ];
}

async function programDigest(program: Program): Promise<string> {
  const { names, code } = encode(program);
  const numbers = await sha256(new Uint8Array(code.buffer as ArrayBuffer));
  return (await sha256(`${names}\n${numbers}\n${await sha256OfBlocks(constantBytes(program))}`)).slice(0, 16);
}

export async function identify(parts: IdentityParts): Promise<Record<string, string>> {
  const { network, structure, settings: s, table, devTable, program, executor } = parts;
  const { recipe } = s;
  const { clipNorm: _norm, clipValue: _value, ...optimizer } = recipe.settings;
  return Object.fromEntries([
    ["model.input", show(structure.inputShape)],
    ["model.output", show(structure.outputShape)],
    ["model.layers", text(network.names)],
    [
      "model.parameters",
      (
        await sha256(JSON.stringify([structure.parameters, structure.states].map((list) => list.map(({ name, shape }) => [name, shape]))))
      ).slice(0, 16),
    ],
    ...network.layers.map(({ kind, options }, i) => [
      `layers.${network.names[i]}`,
      `${kind} ${options === undefined ? "(a function)" : JSON.stringify(options)}`,
    ]),
    ["loss", `${s.loss.kind} ${JSON.stringify(s.loss.options)}`],
    ["optimizer", recipe.kind],
    ...Object.entries(optimizer).map(([name, value]) => [`optimizer.${name}`, text(value)]),
    ...rates(recipe.learningRate, Math.ceil(table.rows / s.batchSize)),
    ["regularizer", s.regularizer ? JSON.stringify({ l1: s.regularizer.l1, l2: s.regularizer.l2 }) : "none"],
    ["batchSize", text(s.batchSize)],
    ["seed", text(s.seed)],
    ["shuffle", text(s.shuffle)],
    ["metrics", text(Object.keys(s.metrics))],
    ["earlyStopping", text(s.earlyStopping)],
    // Which ones they are, the program says.
    ["augment", s.augment ? "some" : "none"],
    ["clipNorm", text(s.clipNorm ?? recipe.clipNorm)],
    ["clipValue", text(s.clipValue ?? recipe.clipValue)],
    ...(await dataset("train", table)),
    ...(await dataset("dev", devTable)),
    ["kernels", executor.arithmetic],
    ["program", await programDigest(program)],
  ]);
}

export interface Difference {
  readonly name: string;
  readonly expected: string;
  readonly got: string;
}

/** What the program of a step is made from. */
const inProgram = [
  "model",
  "layers",
  "loss",
  "optimizer",
  "regularizer",
  "batchSize",
  "metrics",
  "augment",
  "clipNorm",
  "clipValue",
  "train",
];

const groupOf = (name: string) => name.split(".")[0] as string;

/** Where two identities differ, but for what is accepted. */
export function differences(
  expected: Readonly<Record<string, string>>,
  got: Readonly<Record<string, string>>,
  accepted: readonly string[],
): Difference[] {
  const names = [...new Set([...Object.keys(expected), ...Object.keys(got)])];
  const all = names
    .filter((name) => expected[name] !== got[name])
    .map((name) => ({ name, expected: expected[name] ?? "none", got: got[name] ?? "none" }));
  // Where one of these differs, that the program does says nothing more.
  const explained = all.some(({ name }) => inProgram.includes(groupOf(name)));
  return all.filter(({ name }) => !accepted.includes(groupOf(name)) && !(explained && name === "program"));
}

/** Names that `accept` would have to list, or undefined where the difference cannot be accepted. */
export function toAccept(list: readonly Difference[]): string[] | undefined {
  const groups = [...new Set(list.map(({ name }) => groupOf(name)))];
  return groups.every((group) => (acceptable as readonly string[]).includes(group)) ? groups : undefined;
}
