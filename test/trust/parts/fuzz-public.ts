// Calls of the public functions with hostile arguments. A refusal is a MinibatchError that does not speak of an internal error, or the
// caller's own error passed through. Run by api-fuzz.ts in a process of its own.
import * as minibatch from "minibatch";
import * as data from "minibatch/data";
import type { Random } from "./evidence.ts";
import { around, fileOf, steering } from "./fuzz-around.ts";
import { anyTensor, edges, HostileError, hostile, memoryView, shape } from "./hostile-values.ts";

const { MinibatchError } = minibatch;
export type Function_ = (...args: unknown[]) => unknown;

/** Values that earlier calls made, by kind: later ones are built of them. */
class Pool {
  readonly #byKind = new Map<string, unknown[]>();

  add(kind: string, value: unknown, random: Random): void {
    const list = this.#byKind.get(kind) ?? [];
    this.#byKind.set(kind, list);
    if (list.length < 40) list.push(value);
    else list[random.below(40)] = value;
  }

  pick(kind: string, random: Random): unknown {
    const list = this.#byKind.get(kind);
    return list?.length ? random.pick(list) : undefined;
  }
}

export interface Target {
  readonly name: string;
  readonly call: Function_;
  /** What its arguments are when they are right, by word. */
  readonly takes: string;
}

const namespaceOf = (prefix: string, from: Readonly<Record<string, unknown>>, takes: string): Target[] =>
  Object.entries(from).flatMap(([name, f]) => (typeof f === "function" ? [{ name: `${prefix}${name}`, call: f as Function_, takes }] : []));

/** The functions of the library with the kinds of their arguments; everything that is exported is here. */
export function targets(): Target[] {
  const known: Readonly<Record<string, string>> = {
    tensor: "values tensorOptions",
    scalar: "number tensorOptions",
    zeros: "shape tensorOptions",
    ones: "shape tensorOptions",
    full: "shape number tensorOptions",
    randomNormal: "shape seeded",
    randomUniform: "shape seeded",
    variable: "values tensorOptions",
    gradients: "tensor tensors",
    clipByGlobalNorm: "tensors number",
    gradientHealth: "model checking",
    findLearningRate: "model dataset ranging",
    replay: "log model dataset replaying",
    withThreads: "whole function",
    compile: "function",
    dataset: "values values",
    sequential: "layers",
    layer: "string function",
    diagnose: "diagnosis",
    checkGradients: "model checking",
    loadModel: "file",
    backend: "",
    dense: "whole named",
    batchNorm: "named",
    dropout: "keep",
    elu: "named",
    flatten: "named",
    gelu: "named",
    input: "shaped",
    lambda: "function named",
    layerNorm: "named",
    leakyRelu: "named",
    relu: "named",
    reshape: "shape named",
    sigmoid: "named",
    silu: "named",
    softmax: "named",
    softplus: "named",
    tanh: "named",
    binaryCrossEntropy: "",
    crossEntropy: "",
    huber: "options",
    meanAbsoluteError: "",
    meanSquaredError: "",
    elasticNet: "options",
    l1: "number",
    l2: "number",
    adagrad: "rated",
    adam: "rated",
    adamW: "rated",
    momentum: "rated",
    nesterov: "rated",
    rmsprop: "rated",
    sgd: "rated",
  };
  const readers: Readonly<Record<string, string>> = {
    batches: "dataset batching",
    suggestBatchSize: "whole",
    compareDistributions: "dataset dataset",
    csv: "file options",
    idx: "file",
    npy: "file",
    oneHot: "values whole",
    kFold: "dataset folding",
    split: "dataset splitting",
    suggestSplit: "whole",
    standardize: "values",
  };
  const made: Target[] = [];
  for (const [name, value] of Object.entries(minibatch)) {
    if (typeof value !== "function" || /Error$/.test(name)) continue;
    if (known[name] === undefined) throw new Error(`fuzz-public.ts must say what ${name} takes`);
    made.push({ name, call: value as Function_, takes: known[name] });
  }
  for (const [name, call] of Object.entries(data)) {
    if (readers[name] !== undefined) made.push({ name, call: call as Function_, takes: readers[name] });
  }
  made.push(...namespaceOf("ops.", minibatch.ops, "tensor tensor any"), ...namespaceOf("ops.", minibatch.ops, "tensor any any"));
  made.push(
    ...namespaceOf("stats.", minibatch.stats, "values any"),
    ...namespaceOf("init.", minibatch.init, "options"),
    ...namespaceOf("schedule.", minibatch.schedule, "any options"),
    ...namespaceOf("metrics.", minibatch.metrics, "any"),
  );
  // Optimizers, losses, initialisers, schedules, models, tensors: what they can do when made.
  const method = (kind: string, name: string, takes: string): Target => ({
    name: `${kind}.${name}`,
    takes: `${kind} ${takes}`,
    call: (self, ...args) => ((self as Record<string, Function_> | undefined)?.[name] as Function_ | undefined)?.call(self, ...args),
  });
  for (const [name, takes] of Object.entries({
    data: "any",
    item: "",
    toArray: "any",
    read: "any",
    detach: "",
    size: "whole",
    assign: "values",
    value: "",
  }))
    made.push(method("tensor", name, takes));
  for (const name of Object.keys(minibatch.ops)) made.push(method("tensor", name, "any any"));
  for (const [name, takes] of Object.entries({
    build: "building",
    fit: "dataset fitting",
    predict: "values predicting",
    predictSync: "values predicting",
    evaluate: "dataset evaluating",
    forward: "tensor training",
    parameters: "",
    summary: "",
    graph: "any",
    save: "folder",
  })) {
    for (let k = 0; k < (name === "fit" || name.startsWith("predict") ? 4 : 1); k++) made.push(method("model", name, takes));
  }
  for (const [name, takes] of Object.entries({ apply: "variables tensors", minimize: "function variables" }))
    made.push(method("optimizer", name, takes));
  for (const [name, takes] of Object.entries({ transform: "values", inverse: "values", layer: "", inverseLayer: "" }))
    made.push(method("scaler", name, takes));
  made.push(...around(), ...steering());
  made.push({ name: "loss()", takes: "loss tensor tensor", call: (loss, ...args) => (loss as Function_ | undefined)?.(...args) });
  made.push({ name: "compiled()", takes: "compiled tensor tensor", call: (f, ...args) => (f as Function_ | undefined)?.(...args) });
  made.push({ name: "schedule()", takes: "schedule any", call: (f, at) => (f as Function_ | undefined)?.(at) });
  return made;
}

const someOptions: Readonly<Record<string, readonly string[]>> = {
  tensorOptions: ["shape", "dtype"],
  seeded: ["seed", "mean", "std", "low", "high", "dtype"],
  named: ["name", "bias", "init", "momentum", "epsilon", "slope", "alpha"],
  keep: ["keepProb", "rate", "name"],
  shaped: ["shape", "dtype"],
  options: [
    "delta",
    "l1",
    "l2",
    "std",
    "limit",
    "label",
    "columns",
    "separator",
    "decay",
    "every",
    "factor",
    "period",
    "steps",
    "rates",
    "per",
    "warmup",
    "total",
    "epochs",
  ],
  rated: ["learningRate", "beta", "beta1", "beta2", "epsilon", "clipNorm", "clipValue", "weightDecay", "dampening"],
  checking: ["x", "y", "loss", "regularizer", "epsilon", "dropout", "seed"],
  ranging: [
    "loss",
    "optimizer",
    "regularizer",
    "batchSize",
    "seed",
    "shuffle",
    "clipNorm",
    "clipValue",
    "threads",
    "from",
    "to",
    "steps",
    "beta",
  ],
  replaying: ["dev", "loss", "optimizer", "metrics", "verify", "onEpoch", "threads", "signal"],
  settings: ["learningRate", "regularizer", "weightDecay", "keepProb", "clipNorm", "clipValue", "batchSize"],
  reverting: ["settings"],
  picture: [
    "width",
    "height",
    "title",
    "xLabel",
    "yLabel",
    "valueLabel",
    "valueScale",
    "bins",
    "parameters",
    "classes",
    "epochs",
    "columns",
  ],
  diagnosis: ["trainError", "devError", "testError", "baselineError", "trainSize", "devSize"],
  batching: ["size", "seed", "epoch"],
  folding: ["k", "stratify", "seed"],
  splitting: ["train", "dev", "test", "stratify", "seed"],
  building: ["shape", "seed"],
  fitting: [
    "loss",
    "optimizer",
    "epochs",
    "batchSize",
    "seed",
    "dev",
    "regularizer",
    "shuffle",
    "metrics",
    "earlyStopping",
    "clipNorm",
    "clipValue",
    "onEpoch",
    "onStep",
    "threads",
    "signal",
    "progress",
    "resume",
    "checkpoint",
    "log",
  ],
  predicting: ["as"],
  evaluating: ["metrics", "loss", "batchSize"],
  training: ["training"],
};
const required: Readonly<Record<string, readonly string[]>> = {
  seeded: ["seed"],
  rated: ["learningRate"],
  fitting: ["loss", "optimizer", "epochs"],
  ranging: ["loss", "optimizer", "steps"],
  keep: ["keepProb"],
  shaped: ["shape"],
  checking: ["x", "y", "loss"],
  batching: ["size", "seed", "epoch"],
  folding: ["k", "seed"],
  splitting: ["dev", "seed"],
  building: ["shape"],
  diagnosis: ["trainError", "devError"],
};

export class PublicFuzz {
  readonly #pool = new Pool();
  readonly #targets = targets();
  readonly #random: Random;
  readonly folder: string;
  #detachable: ArrayBuffer[] = [];

  constructor(random: Random, folder: string) {
    this.#random = random;
    this.folder = folder;
  }

  get targetCount(): number {
    return new Set(this.#targets.map(({ name }) => name)).size;
  }

  #option(name: string): unknown {
    const random = this.#random;
    switch (name) {
      case "loss":
        return this.#pool.pick("loss", random) ?? minibatch.crossEntropy();
      case "optimizer":
        return this.#pool.pick("optimizer", random) ?? minibatch.sgd({ learningRate: 0.1 });
      case "regularizer":
        return minibatch.l2(0.1);
      case "epochs":
      case "k":
        return random.pick([1, 1, 2, 3]);
      case "batchSize":
      case "size":
        return random.pick<unknown>([1, 3, 32, "all"]);
      case "epoch":
        return 1;
      case "seed":
        return random.below(1000);
      case "dev":
        return random.chance(0.5) ? 0.3 : this.#argument("dataset");
      case "shape":
        return shape(random);
      case "dtype":
        return random.pick(["f32", "f64", "i32", "u8"]);
      case "x":
        return this.#argument("tensor");
      case "y":
        return this.#argument("tensor");
      case "metrics":
        return { m: minibatch.metrics.error };
      case "earlyStopping":
        return { patience: 1 };
      case "onEpoch":
      case "onStep":
        return () => undefined;
      case "threads":
        return random.pick([1, 2]);
      case "shuffle":
      case "stratify":
      case "bias":
      case "training":
        return random.chance(0.5);
      case "as":
        return random.pick(["outputs", "probabilities", "classes"]);
      case "dropout":
        return "off";
      case "log":
        return `${this.folder}/log`;
      case "steps":
        return random.pick([1, 2, 20]);
      case "from":
        return 1e-3;
      case "to":
        return 1;
      case "verify":
        return random.chance(0.5);
      case "resume":
      case "checkpoint":
      case "progress":
      case "signal":
        return undefined;
      case "init":
        return this.#pool.pick("init", random);
      case "name":
        return random.pick(["a", "b"]);
      case "learningRate":
        return random.pick<unknown>([0.1, 1e-3, this.#pool.pick("schedule", random)]);
      default:
        return random.pick([0.5, 0.9, 1, 2, 0.1]);
    }
  }

  #optionsOf(kind: string): Record<string, unknown> {
    const random = this.#random;
    const made: Record<string, unknown> = {};
    for (const name of required[kind] ?? []) made[name] = this.#option(name);
    for (const name of someOptions[kind] ?? []) if (random.chance(0.15)) made[name] = this.#option(name);
    if (random.chance(0.15))
      made[random.pick(someOptions[kind] ?? ["x"])] = random.chance(0.5) ? random.pick(edges) : hostile(random, this.#detachable);
    return made;
  }

  #argument(word: string): unknown {
    const random = this.#random;
    const some = (of: () => unknown): unknown[] => Array.from({ length: random.below(4) }, of);
    const pooled = (kind: string, make: () => unknown) => (random.chance(0.3) ? make() : (this.#pool.pick(kind, random) ?? make()));
    switch (word) {
      case "tensor":
        return pooled("tensor", () => anyTensor(random));
      case "tensors":
        return some(() => this.#argument("tensor"));
      case "variables":
        return some(() => pooled("variable", () => minibatch.variable(random.unit())));
      case "values":
        return random.chance(0.4)
          ? this.#argument("tensor")
          : random.chance(0.5)
            ? memoryView(random)
            : [
                [1, 2],
                [3, random.pick(edges)],
              ];
      case "number":
        return random.pick(edges);
      case "whole":
        return random.chance(0.7) ? random.below(9) : random.pick(edges);
      case "shape":
        return shape(random);
      case "string":
        return random.pick(["a", "own", "relu", "", "x y"]);
      case "random":
        return random;
      case "scratch":
        return this.folder;
      case "log":
      case "journal":
        return fileOf(word, this.folder, random);
      case "file":
        return random.pick<unknown>([`${this.folder}/none`, this.folder, "", "\0", 7, new URL("http://x/y"), `${this.folder}/model`]);
      case "folder":
        return random.pick<unknown>([`${this.folder}/model`, `${this.folder}/no/such`, 7]);
      case "function":
        return random.pick<unknown>([
          (x: minibatch.Tensor | undefined) => x?.mul(2),
          (x: minibatch.Tensor | undefined) => x?.add(x).relu(),
          () => 7,
          () => {
            throw new HostileError("bitten");
          },
          (x: unknown) => x,
        ]);
      case "layers":
        return some(() => pooled("layer", () => minibatch.dense(1 + random.below(4))));
      case "model":
        return pooled("model", () =>
          minibatch.sequential([minibatch.dense(1 + random.below(4)), minibatch.relu(), minibatch.dense(1 + random.below(3))]),
        );
      case "dataset": {
        if (random.chance(0.3)) return { x: this.#argument("tensor"), y: this.#argument("tensor") };
        const [m, k] = [1 + random.below(9), 1 + random.below(4)];
        return minibatch.dataset(
          anyTensor(random, [m, k]),
          random.chance(0.5)
            ? minibatch.tensor(
                Array.from({ length: m }, () => random.below(3)),
                { dtype: "i32" },
              )
            : anyTensor(random, [m, 1]),
        );
      }
      case "loss":
        return pooled("loss", () => random.pick([minibatch.crossEntropy(), minibatch.meanSquaredError(), minibatch.binaryCrossEntropy()]));
      case "optimizer":
        return pooled("optimizer", () => minibatch.adam({ learningRate: 0.1 }));
      case "scaler":
      case "compiled":
      case "schedule":
      case "init":
        return this.#pool.pick(word, random);
      case "any":
        return random.pick<() => unknown>([
          () => undefined,
          () => random.pick(edges),
          () => random.below(4),
          () => this.#argument("tensor"),
          () => shape(random),
          () => hostile(random, this.#detachable),
          () => ({ axis: random.below(3), [random.pick(["keepDims", "dtype", "transposeA", "before"])]: random.chance(0.5) }),
        ])();
      default:
        return someOptions[word] ? (random.chance(0.1) ? undefined : this.#optionsOf(word)) : undefined;
    }
  }

  #keep(name: string, result: unknown): void {
    const random = this.#random;
    const keep = (kind: string) => this.#pool.add(kind, result, random);
    if (result === null || (typeof result !== "object" && typeof result !== "function")) return;
    const shown = result as {
      shape?: readonly number[];
      dtype?: string;
      fit?: unknown;
      kind?: unknown;
      apply?: unknown;
      inverseLayer?: unknown;
      assign?: unknown;
      fill?: unknown;
    };
    if (typeof result === "function") keep(name === "compile" ? "compiled" : name.startsWith("schedule.") ? "schedule" : "loss");
    else if (shown.fit) keep("model");
    else if (shown.inverseLayer) keep("scaler");
    else if (name.startsWith("init.")) keep("init");
    else if (shown.shape && shown.dtype) {
      if (shown.shape.reduce((a, b) => a * b, 1) <= 2 ** 16) keep(name === "variable" ? "variable" : "tensor");
    } else if (shown.kind) keep("layer");
    else if (typeof shown.apply === "function") keep("optimizer");
  }

  /** One call; what it was, and what was wrong with how it ended. */
  async call(): Promise<{ what: string; wrong?: string }> {
    const random = this.#random;
    const target = random.pick(this.#targets);
    const args = target.takes
      .split(" ")
      .filter(Boolean)
      .map((word) => this.#argument(word));
    // Mostly one wrong argument among right ones: what is wrong from the start is refused at the first check.
    // What is called itself is not replaced.
    const first = /^(loss|compiled|schedule) /.test(target.takes) || /^(tensor|model|optimizer|scaler|run)[., ]/.test(target.name) ? 1 : 0;
    // Such a call damages its arguments itself.
    if (target.takes.startsWith("random")) return this.#end(target, args);
    if (args.length > first && random.chance(0.35)) args[first + random.below(args.length - first)] = hostile(random, this.#detachable);
    if (random.chance(0.02)) args.push(hostile(random));
    if (random.chance(0.02)) args.length = Math.max(Math.min(first, args.length), random.below(args.length + 1));
    // What would merely be large is not asked for: memory is the machine's.
    if (/^(zeros|ones|full|random|input|dense|reshape)/.test(target.name) && args.some((arg) => isLarge(arg)))
      return { what: `${target.name}, not called: large` };
    const inner = target.takes.split(" ")[0];
    if (target.name.includes(".") && inner && args[0] === undefined && ["scaler", "compiled", "schedule"].includes(inner))
      return { what: `${target.name}, nothing to call` };
    // As many steps as it says: legal, and long.
    if (target.name === "findLearningRate" && isLong(args[2])) return { what: `${target.name}, not called: long` };
    this.#detachable = args.flatMap((arg) => (ArrayBuffer.isView(arg) && arg.buffer instanceof ArrayBuffer ? [arg.buffer] : []));
    return this.#end(target, args);
  }

  async #end(target: Target, args: readonly unknown[]): Promise<{ what: string; wrong?: string }> {
    const random = this.#random;
    try {
      let result = target.call(...args);
      if (result instanceof Promise || typeof (result as { then?: unknown } | null)?.then === "function") result = await result;
      this.#keep(target.name, result);
      const shown = result as minibatch.Tensor | null;
      if (
        shown &&
        typeof shown === "object" &&
        "dtype" in shown &&
        Array.isArray(shown.shape) &&
        random.chance(0.5) &&
        shown.shape.reduce((a, b) => a * b, 1) <= 2 ** 16
      )
        shown.data?.();
    } catch (error) {
      const wrong = wrongError(error);
      if (wrong) return { what: `${target.name}(${args.map(shownValue).join(", ")})`, wrong };
    }
    return { what: target.name };
  }
}

function isLong(options: unknown): boolean {
  try {
    return (options as { steps: number }).steps > 1000;
  } catch {
    return false;
  }
}

function isLarge(arg: unknown): boolean {
  if (typeof arg === "object" && arg !== null && !Array.isArray(arg) && Object.getPrototypeOf(arg) !== Object.prototype) return false;
  try {
    return sizesAreLarge(arg);
  } catch {
    return false;
  }
}

function sizesAreLarge(arg: unknown): boolean {
  const size = (list: unknown): number =>
    Array.isArray(list) ? list.reduce<number>((a, b) => a * Number(typeof b === "number" ? b : 1), 1) : typeof list === "number" ? list : 1;
  const most = Math.max(size(arg), size((arg as { shape?: unknown } | null | undefined)?.shape));
  return most > 2 ** 16 && most <= 2 ** 32;
}

function wrongError(error: unknown): string | undefined {
  if (error instanceof HostileError) return undefined;
  if (error instanceof MinibatchError) {
    if (error.code === "INTERNAL" || /internal:/.test(error.message)) return error.message;
    return /Cannot read|is not a function|is not iterable|of undefined/.test(error.message) ? `${error.name}: ${error.message}` : undefined;
  }
  return error instanceof Error
    ? `${error.name}: ${error.message}\n${(error.stack ?? "").split("\n").slice(1, 5).join("\n")}`
    : `threw ${String(error)}`;
}

export function shownValue(value: unknown): string {
  try {
    if (typeof value === "object" && value !== null && "dtype" in value && "shape" in value)
      return `${String((value as { dtype: unknown }).dtype)}[${String((value as { shape: unknown }).shape)}]`;
    if (ArrayBuffer.isView(value)) return `${value.constructor.name}(${(value as Uint8Array).length})`;
    if (typeof value === "function") return "function";
    return (JSON.stringify(value) ?? String(value)).slice(0, 200);
  } catch {
    return typeof value;
  }
}
