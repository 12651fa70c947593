// compile(f): traces a function of tensors into a Program, once per shapes of its arguments, and gives back a function of
// the same type. Knows nothing of models or training.
import type { TypedArray } from "./dtype.ts";
import { newArray } from "./dtype.ts";
import { describe, MinibatchError } from "./errors.ts";
import type { Store } from "./graph/graph.ts";
import { Layout } from "./graph/layout.ts";
import { program } from "./graph/program.ts";
import { type Box, type Node, source, Value } from "./ops/define.ts";
import { executor } from "./run/backend.ts";
import { Cache } from "./run/cache.ts";
import { evaluate, inspected } from "./run/evaluate.ts";
import type { LoadedProgram } from "./run/executor.ts";
import { Memory } from "./run/memory.ts";
import { show } from "./shape.ts";
import { asTensor, fromArray, type Tensor } from "./tensor.ts";
import { currentTrace, type Target, Trace, traced } from "./trace.ts";

export type TensorTree = Tensor | readonly TensorTree[] | { readonly [name: string]: TensorTree };

/** A traced function for arguments of certain shapes. */
interface Compiled {
  readonly loaded: LoadedProgram;
  readonly memory: Memory;
  readonly layout: Layout;
  readonly boxes: readonly Box[];
  readonly assigned: readonly Target[];
  readonly trace: Trace;
  /** Rebuilds the result around its tensors. */
  rebuild(results: readonly Tensor[]): TensorTree;
}

function flattenTree(tree: unknown, where: string): { values: Value[]; rebuild(results: readonly Tensor[]): TensorTree } {
  const values: Value[] = [];
  const shapeOf = (item: unknown, path: string): ((results: readonly Tensor[]) => TensorTree) => {
    if (item instanceof Value) {
      const at = values.push(item.snapshot()) - 1;
      return (results) => results[at] as Tensor;
    }
    if (Array.isArray(item)) {
      const parts = item.map((inner, i) => shapeOf(inner, `${path}[${i}]`));
      return (results) => parts.map((part) => part(results));
    }
    if (item !== null && typeof item === "object" && Object.getPrototypeOf(item) === Object.prototype) {
      const parts = Object.entries(item).map(([name, inner]) => [name, shapeOf(inner, `${path}.${name}`)] as const);
      return (results) => Object.fromEntries(parts.map(([name, part]) => [name, part(results)]));
    }
    throw new MinibatchError(
      `compile: the function must return tensors, arrays or objects of them, got ${describe(item)}${path ? ` at ${path}` : ""} (${where})`,
    );
  };
  const rebuild = shapeOf(tree, "");
  return { values, rebuild };
}

function trace(f: (...args: Tensor[]) => unknown, args: readonly Value[], where: string): Compiled {
  const layout = new Layout();
  const record = new Trace();
  const inputs = args.map((arg, i) => {
    layout.add("input", `argument${i}`, arg.type);
    return asTensor(source({ kind: "argument", name: `argument${i}` }, arg.type));
  });
  const { values, rebuild } = flattenTree(
    traced(record, () => f(...inputs)),
    where,
  );
  const stores: Store[] = [];
  const store = (value: Value, name: string) => {
    layout.add("out", name, value.type);
    stores.push({ value, memory: "out", name });
  };
  values.forEach((value, i) => {
    store(value, `result${i}`);
  });
  const assigned = [...record.assignments.keys()];
  assigned.forEach((target, i) => {
    store(record.assignments.get(target) as Value, `assigned${i}`);
  });
  const boxes: Box[] = [];
  const bind = (node: Node) => {
    const from = node.source;
    if (from?.kind === "argument") return { memory: "input" as const, name: from.name };
    // What was read before this trace keeps the value of then, and becomes a constant.
    if (from?.kind !== "variable" || !record.isLive(node)) return undefined;
    let i = boxes.indexOf(from.box);
    if (i < 0) {
      i = boxes.push(from.box) - 1;
      layout.add("input", `box${i}`, node.outputs[0] as Value["type"]);
    }
    return { memory: "input" as const, name: `box${i}` };
  };
  const loaded = executor().load(inspected(program(stores, layout, { bind })));
  const memory = new Memory();
  memory.ensure("input", layout.memory("input").bytes);
  return { loaded, memory, layout, boxes, assigned, trace: record, rebuild };
}

function call({ loaded, memory, layout, boxes, assigned, trace: record, rebuild }: Compiled, args: readonly Value[]): TensorTree {
  const put = (name: string, data: TypedArray) => {
    const slot = layout.find("input", name);
    memory.view("input", slot, slot.byteOffset).set(data);
  };
  evaluate(args).forEach((data, i) => {
    put(`argument${i}`, data);
  });
  boxes.forEach((box, i) => {
    put(`box${i}`, box.current());
  });
  loaded.runSync(memory, { steps: 1, threads: executor().threads });
  const take = (name: string) => {
    const slot = layout.find("out", name);
    const shown = memory.view("out", slot, slot.byteOffset);
    const copy = newArray(slot.dtype, shown.length);
    copy.set(shown);
    return { copy, shape: slot.shape };
  };
  const results: Tensor[] = [];
  for (let i = 0; layout.memory("out").slots.has(`result${i}`); i++) {
    const { copy, shape } = take(`result${i}`);
    results.push(fromArray(copy, shape));
  }
  assigned.forEach((target, i) => {
    target.store(take(`assigned${i}`).copy);
  });
  record.ended();
  return rebuild(results);
}

/**
 * A function of tensors, traced into a Program the first time it is called with arguments of some shapes and dtypes.
 * Everything that is not a tensor or a variable is frozen when it is traced; what changes is an argument. `apply` and
 * `assign` inside take effect when the call ends. Results are copies.
 */
export function compile<F extends (...args: never[]) => TensorTree>(f: F & ((...args: Tensor[]) => TensorTree)): F {
  if (typeof f !== "function") throw new MinibatchError(`compile: expected a function of tensors, got ${describe(f)}`);
  const where = f.name || "a compiled function";
  const programs = new Cache<Compiled>(32);
  const compiled = (...args: Tensor[]): TensorTree => {
    args.forEach((arg, i) => {
      if (!(arg instanceof Value))
        throw new MinibatchError(`${where}: argument ${i + 1} must be a tensor, got ${describe(arg)}; tensor(...) makes one`);
    });
    // Inside another traced function this one is part of it.
    if (currentTrace()) return f(...args);
    const now = args.map((arg) => arg.snapshot());
    const key = now.map((v) => `${v.dtype}${show(v.shape)}`).join(",");
    return call(
      programs.get(key, () => trace(f, now, where)),
      now,
    );
  };
  Object.defineProperties(compiled, { name: { value: where }, length: { value: f.length } });
  return compiled as unknown as F;
}
