// Eager use: the value of an expression is computed when it is looked at, by the same machinery as a training step, on a
// small graph whose Program is cached by structure.
import { newArray, type TypedArray } from "../dtype.ts";
import { MinibatchError } from "../errors.ts";
import { GraphView, type Store } from "../graph/graph.ts";
import { Layout } from "../graph/layout.ts";
import { type Program, printProgram, program } from "../graph/program.ts";
import { verify } from "../graph/verify.ts";
import { type Node, Value } from "../ops/define.ts";
import { executor } from "./backend.ts";
import { Cache } from "./cache.ts";
import { debugLevel } from "./environment.ts";
import type { LoadedProgram } from "./executor.ts";
import { Memory } from "./memory.ts";

/** Computed outputs of nodes. A node that is no longer referred to takes its data with it. */
const known = new WeakMap<Node, (TypedArray | undefined)[]>();

export function knownData(v: Value): TypedArray | undefined {
  const { node, index } = v;
  const from = node.source;
  if (from?.kind === "constant" || from?.kind === "variable") return from.data;
  return known.get(node)?.[index];
}

function remember(v: Value, data: TypedArray): void {
  const list = known.get(v.node) ?? v.node.outputs.map(() => undefined);
  list[v.index] = data;
  known.set(v.node, list);
}

interface Eager {
  readonly loaded: LoadedProgram;
  readonly memory: Memory;
  readonly layout: Layout;
}

/** Structures that differ only in their numbers share a program; 256 of them are kept. */
const programs = new Cache<Eager>(256);

/** In debug mode every new program is verified and, from level 2, printed. */
export function inspected(p: Program): Program {
  if (debugLevel() >= 1) verify(p);
  if (debugLevel() >= 2) console.error(printProgram(p));
  if (debugLevel() >= 4) console.error(new GraphView(p.graph).toString());
  return p;
}

/** What must be computed for `values`, cut where the data are known: those values become inputs. */
function outline(values: readonly Value[]): { key: string; inputs: Value[]; rebuild: () => Value[] } {
  const inputs: Value[] = [];
  const names = new Map<Node, Map<number, string>>();
  const steps: { node: Node; id: number }[] = [];
  const parts: string[] = [];
  const nameOf = (v: Value): string | undefined => names.get(v.node)?.get(v.index);
  const setName = (v: Value, name: string) => {
    const map = names.get(v.node) ?? new Map<number, string>();
    names.set(v.node, map.set(v.index, name));
  };
  const visit = (v: Value): void => {
    const open: Value[] = [v];
    while (open.length) {
      const top = open[open.length - 1] as Value;
      if (nameOf(top)) {
        open.pop();
        continue;
      }
      if (knownData(top)) {
        setName(top, `i${inputs.length}`);
        parts.push(`i:${top.dtype}[${top.shape}]`);
        inputs.push(top);
        open.pop();
        continue;
      }
      const { node } = top;
      if (!node.op) {
        throw new MinibatchError(
          `data: the value of ${node.source?.kind === "argument" ? "an argument" : "a traced value"} is not known while a function is traced; branch with where(), or compute it outside`,
        );
      }
      const missing = node.inputs.filter((input) => !nameOf(input));
      if (missing.length) {
        open.push(...missing);
        continue;
      }
      const id = steps.length;
      steps.push({ node, id });
      node.outputs.forEach((_, o) => {
        setName(new Value(node, o), `n${id}.${o}`);
      });
      parts.push(`${node.op.name}(${node.inputs.map(nameOf)})${JSON.stringify(node.attributes)}`);
      open.pop();
    }
  };
  for (const v of values) visit(v);
  const key = `${parts.join(";")}>${values.map(nameOf)}`;
  const rebuild = () => {
    const made = new Map<string, Value>();
    inputs.forEach((input, i) => {
      const node: Node = {
        id: i,
        op: undefined,
        source: { kind: "argument", name: `i${i}` },
        inputs: [],
        attributes: {},
        outputs: [input.type],
        scope: "",
      };
      made.set(`i${i}`, new Value(node, 0));
    });
    for (const { node, id } of steps) {
      const copy: Node = {
        ...node,
        id: inputs.length + id,
        inputs: node.inputs.map((input) => made.get(nameOf(input) as string) as Value),
      };
      node.outputs.forEach((_, o) => {
        made.set(`n${id}.${o}`, new Value(copy, o));
      });
    }
    return values.map((v) => made.get(nameOf(v) as string) as Value);
  };
  return { key, inputs, rebuild };
}

interface Work {
  readonly loaded: LoadedProgram;
  /** Copies the inputs into a memory and gives it back. */
  load(): Memory;
  /** Keeps what the program left there. */
  collect(memory: Memory): void;
}

/** `own`: a memory of its own, for a run during which the event loop goes on. */
function prepared(values: readonly Value[], own: boolean): Work | undefined {
  const wanted = values.filter((v) => !knownData(v));
  if (!wanted.length) return undefined;
  const { key, inputs, rebuild } = outline(wanted);
  const { loaded, layout, ...kept } = programs.get(key, () => {
    const layout = new Layout();
    inputs.forEach((input, i) => {
      layout.add("input", `i${i}`, input.type);
    });
    const stores: Store[] = rebuild().map((value, i) => {
      layout.add("out", `o${i}`, value.type);
      return { value, memory: "out", name: `o${i}` };
    });
    const bind = (node: Node) => (node.source?.kind === "argument" ? { memory: "input" as const, name: node.source.name } : undefined);
    return { loaded: executor().load(inspected(program(stores, layout, { bind }))), memory: new Memory(), layout };
  });
  return {
    loaded,
    load() {
      const memory = own ? new Memory() : kept.memory;
      memory.ensure("input", layout.memory("input").bytes);
      inputs.forEach((input, i) => {
        const slot = layout.find("input", `i${i}`);
        memory.view("input", slot, slot.byteOffset).set(knownData(input) as TypedArray);
      });
      return memory;
    },
    collect(memory) {
      wanted.forEach((v, i) => {
        const slot = layout.find("out", `o${i}`);
        const shown = memory.view("out", slot, slot.byteOffset);
        const copy = newArray(slot.dtype, shown.length);
        copy.set(shown);
        remember(v, copy);
      });
    },
  };
}

/** Computes these values and keeps their data: one program for all of them. */
export function evaluate(values: readonly Value[]): TypedArray[] {
  const now = values.map((v) => v.snapshot());
  const work = prepared(now, false);
  if (work) {
    const memory = work.load();
    work.loaded.runSync(memory, { steps: 1, threads: executor().threads });
    work.collect(memory);
  }
  return now.map((v) => knownData(v) as TypedArray);
}

/** The same off the event loop, where the executor can. */
export async function evaluateLater(values: readonly Value[]): Promise<TypedArray[]> {
  const now = values.map((v) => v.snapshot());
  const work = prepared(now, true);
  if (work) {
    const memory = work.load();
    await work.loaded.run(memory, { steps: 1, threads: executor().threads });
    work.collect(memory);
  }
  return now.map((v) => knownData(v) as TypedArray);
}
