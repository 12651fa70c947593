// Folders of ONNX test cases (model.onnx, test_data_set_N/input_N.pb and output_N.pb): finding them, running them on the
// library, comparing. Every case has exactly one outcome. Which operator is which function of the library stands in onnx/operators.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join, relative } from "node:path";
import { reachable } from "../../src/graph/graph.ts";
import { Call, type Operation } from "./call.ts";
import { Item } from "./item.ts";
import { type OnnxModel, type Port, readModel, readTensor } from "./model.ts";
import { casesNotApplicable, NotApplicable, operatorsNotApplicable } from "./not-applicable.ts";
import { operators } from "./operators/index.ts";
import { Message } from "./wire.ts";

export const relativeTolerance = 1e-5;
export const absoluteTolerance = 1e-6;

export interface Outcome {
  readonly name: string;
  readonly status: "passed" | "not applicable" | "failed";
  /** Why it is not applicable, or what went wrong. */
  readonly reason: string;
}

/** Every folder under `root` that is a case: one with a model, or one whose model is only named (data.json). */
export function findCases(root: string): string[] {
  if (existsSync(join(root, "model.onnx")) || existsSync(join(root, "data.json"))) return [root];
  return readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() || entry.isSymbolicLink())
    .map((entry) => entry.name)
    .sort()
    .flatMap((name) => findCases(join(root, name)));
}

function readItem(file: string, port: Port): Item {
  if (port.kind !== "tensor") throw new NotApplicable(`sequences and optional values are not tensors`);
  const tensor = readTensor(new Message(readFileSync(file)));
  return Item.fromFile(tensor);
}

/** Refuses what is out of scope before anything is computed. */
function decide(model: OnnxModel): Map<string, Operation> {
  const found = new Map<string, Operation>();
  for (const { op, domain } of model.nodes) {
    const reason = operatorsNotApplicable.get(op);
    if (reason) throw new NotApplicable(reason);
    const name = domain && domain !== "ai.onnx" ? `${domain}:${op}` : op;
    const operation = operators.get(name);
    if (!operation) throw new Error(`no decision about operator ${name}: map it or list it as not applicable`);
    found.set(name, operation);
  }
  return found;
}

/** Runs a model's nodes in order on the given inputs; one item per output of the graph. */
export function runModel(model: OnnxModel, inputs: readonly Item[]): Item[] {
  const operations = decide(model);
  const values = new Map<string, Item>();
  for (const tensor of model.initializers) values.set(tensor.name, Item.fromFile(tensor));
  const open = model.inputs.filter((port) => !values.has(port.name));
  if (open.length !== inputs.length) throw new Error(`the model takes ${open.length} inputs, the case has ${inputs.length}`);
  open.forEach((port, i) => {
    values.set(port.name, inputs[i] as Item);
  });
  for (const node of model.nodes) {
    const operation = operations.get(node.domain && node.domain !== "ai.onnx" ? `${node.domain}:${node.op}` : node.op) as Operation;
    const results = operation(new Call(node, model.opset, (name) => values.get(name)));
    const list = results instanceof Item ? [results] : results;
    node.outputs.forEach((name, i) => {
      const result = list[i];
      if (name && !result) throw new Error(`${node.op}: output ${i} is wanted and the mapping does not make it`);
      if (name && result) values.set(name, result);
    });
  }
  return model.outputs.map((port) => {
    const item = values.get(port.name);
    if (!item) throw new Error(`the model's output ${port.name} was never made`);
    return item;
  });
}

/** The first thing in which two items differ, or undefined. */
export function mismatch(actual: Item, expected: Item): string | undefined {
  if (actual.type !== expected.type) return `type is ${actual.type}, expected ${expected.type}`;
  const dims = `[${actual.dims}]`;
  if (dims !== `[${expected.dims}]`) return `shape is ${dims}, expected [${expected.dims}]`;
  const a = actual.numbers();
  const b = expected.numbers();
  for (let i = 0; i < b.length; i++) {
    const [x, y] = [a[i] as number, b[i] as number];
    const close = Object.is(x, y) || x === y || Math.abs(x - y) <= absoluteTolerance + relativeTolerance * Math.abs(y);
    if (!close) return `element ${i} is ${x}, expected ${y}`;
  }
  return undefined;
}

function numbered(dir: string, prefix: string): string[] {
  const files = readdirSync(dir).filter((name) => name.startsWith(prefix) && name.endsWith(".pb"));
  return files.map((_, i) => join(dir, `${prefix}${i}.pb`));
}

function runSets(dir: string): void {
  const known = casesNotApplicable.get(basename(dir));
  if (known) throw new NotApplicable(known);
  if (!existsSync(join(dir, "model.onnx"))) throw new NotApplicable("the model is not in the folder, only its address");
  const model = readModel(readFileSync(join(dir, "model.onnx")));
  decide(model);
  const sets = readdirSync(dir).filter((name) => name.startsWith("test_data_set_"));
  if (!sets.length) throw new Error("the case has no test_data_set_*");
  const given = new Set(model.initializers.map((tensor) => tensor.name));
  const ports = model.inputs.filter((port) => !given.has(port.name));
  for (const set of sets) {
    const inputs = numbered(join(dir, set), "input_").map((file, i) => readItem(file, ports[i] as Port));
    const expected = numbered(join(dir, set), "output_").map((file, i) => readItem(file, model.outputs[i] as Port));
    if (!expected.length) throw new Error(`${set} has no output_*.pb`);
    const actual = runModel(model, inputs);
    const made = reachable(actual.flatMap((item) => item.history())).some((node) => node.op !== undefined);
    if (!made) throw new NotApplicable("nothing of the library would run: this reader answers by itself (constants, shapes, identity)");
    expected.forEach((item, i) => {
      const difference = mismatch(actual[i] as Item, item);
      if (difference) throw new Error(`${set}, output ${i}: ${difference}`);
    });
  }
}

export function runCase(dir: string, root: string): Outcome {
  const name = relative(root, dir) || dir;
  try {
    runSets(dir);
    return { name, status: "passed", reason: "" };
  } catch (error) {
    if (error instanceof NotApplicable) return { name, status: "not applicable", reason: error.message };
    return { name, status: "failed", reason: error instanceof Error ? error.message : String(error) };
  }
}

/** The list that is kept beside this file: what passed, then what is not applicable, by reason. */
export function listOf(outcomes: readonly Outcome[]): string {
  const groups = new Map<string, string[]>();
  for (const { name, status, reason } of outcomes) {
    const key = reason ? `${status}: ${reason}` : status;
    groups.set(key, [...(groups.get(key) ?? []), name]);
  }
  const order = (key: string) => (key === "passed" ? "" : key);
  return [...groups]
    .sort(([a], [b]) => (order(a) < order(b) ? -1 : 1))
    .map(([key, names]) => `${key} (${names.length})\n${names.map((name) => `  ${name}`).join("\n")}\n`)
    .join("\n");
}
