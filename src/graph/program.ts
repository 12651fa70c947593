// A Program: a list of ops over slices of a few flat memories, made once from a graph. Immutable data, which executors
// run, `verify` checks and `encode` turns into numbers for native code.
import { bytesPerElement, dtypeCode, type TypedArray } from "../dtype.ts";
import { internal } from "../errors.ts";
import { type Attributes, apply1, type Node, type OpDefinition, type Source, type Value, type ValueType } from "../ops/define.ts";
import { castOp } from "../ops/elementwise.ts";
import { sizeOf } from "../shape.ts";
import { type Graph, graphOf, type Store } from "./graph.ts";
import { aligned, type Layout, type MemoryLayout, type MemoryName } from "./layout.ts";
import { type Place, type Plan, type PlanOptions, plan } from "./plan.ts";
import { packOp } from "./segment.ts";
import { simplify } from "./simplify.ts";

/** Part of a memory, seen as a tensor. */
export interface Slice extends ValueType {
  /** Index into Program.memories. */
  readonly memory: number;
  readonly byteOffset: number;
}

export interface Instruction {
  readonly op: OpDefinition;
  readonly attributes: Attributes;
  readonly inputs: readonly Slice[];
  readonly outputs: readonly Slice[];
  readonly scope: string;
  /** Parts of the arena that nobody reads after this instruction: debug mode fills them with NaN. */
  readonly frees: readonly Slice[];
}

export interface ProgramMemory extends MemoryLayout {
  /** What the memory advances by from one step to the next: 0, or `bytes` when streamed. */
  readonly bytesPerStep: number;
}

export interface Constant {
  readonly byteOffset: number;
  readonly data: TypedArray;
}

export interface Program {
  readonly memories: readonly ProgramMemory[];
  readonly instructions: readonly Instruction[];
  /** Written into the `constant` memory before the first step. */
  readonly constants: readonly Constant[];
  /** What it was made from, for drawings. */
  readonly graph: Graph;
}

/** Where an argument or a variable lies; undefined for a constant that becomes part of the program. */
export type Bind = (node: Node) => { readonly memory: MemoryName; readonly name: string } | undefined;

export interface ProgramOptions extends PlanOptions {
  readonly bind?: Bind;
  /** Off: ops stay as they were written. For comparison. */
  readonly fuse?: boolean;
}

/** Graph -> simplify -> plan -> Program. `slots` has a place for every memory source and store. */
export function program(wanted: readonly Store[], slots: Layout, options: ProgramOptions = {}): Program {
  const stores = wanted.map((store) => computed(store, slots));
  const written = graphOf(stores);
  const graph = options.fuse === false ? written : simplify(written);
  const bindings = new Map<Node, { memory: string; name: string }>();
  for (const node of graph.nodes) {
    const bound = node.source?.kind === "memory" ? node.source : node.source && options.bind?.(node);
    if (bound) bindings.set(node, bound);
  }
  // Constants are added for this program only.
  const layout = slots.copy();
  const constants: Constant[] = [];
  for (const node of graph.nodes)
    if (node.source && !bindings.has(node)) bindings.set(node, placeConstant(node.source, node.outputs[0] as ValueType, layout, constants));
  const places = plan(graph, layout, bindings, options);
  const names = [...new Set([...layout.names, "arena"])];
  const memories = names.map((name): ProgramMemory => {
    const memory = layout.memory(name);
    const bytes = name === "arena" ? places.arenaBytes : memory.bytes;
    return { ...memory, bytes, bytesPerStep: memory.streamed ? bytes : 0 };
  });
  const instructions = lower(graph, places, new Map(names.map((name, i) => [name, i])));
  return { memories, instructions, constants, graph };
}

/** A store fits its slot, and what it keeps is made by an op: a slot copied into another is read when its turn comes. */
function computed({ value, memory, name }: Store, slots: Layout): Store {
  const slot = slots.find(memory, name);
  if (slot.dtype !== value.dtype || sizeOf(slot.shape) !== sizeOf(value.shape)) {
    throw internal(`${memory}.${name} holds ${slot.dtype}[${slot.shape}], what is stored there is ${value.dtype}[${value.shape}]`);
  }
  let root = value;
  while (root.node.op?.alias) root = root.node.inputs[0] as Value;
  return root.node.op ? { value, memory, name } : { value: apply1(castOp, [value], { to: dtypeCode[value.dtype] }), memory, name };
}

function placeConstant(from: Source, type: ValueType, layout: Layout, constants: Constant[]): { memory: string; name: string } {
  if (from.kind === "argument" || from.kind === "memory") throw internal(`the ${from.kind} ${from.name} is bound to no memory`);
  const name = `c${constants.length}`;
  constants.push({ byteOffset: layout.add("constant", name, type).byteOffset, data: from.data });
  return { memory: "constant", name };
}

function lower(graph: Graph, places: Plan, memoryIndex: ReadonlyMap<string, number>): Instruction[] {
  const at = (type: ValueType, { memory, byteOffset }: Place): Slice => {
    const index = memoryIndex.get(memory);
    if (index === undefined) throw internal(`no memory named ${memory}`);
    return { shape: type.shape, dtype: type.dtype, memory: index, byteOffset };
  };
  const slice = (v: Value) => at(v.type, places.place(v));
  const instructions: Instruction[] = [];
  const copyAfter = (position: number) => {
    for (const { value, to, after } of places.copies) {
      if (after !== position) continue;
      instructions.push({
        op: castOp as unknown as OpDefinition,
        attributes: { to: dtypeCode[value.dtype] },
        inputs: [slice(value)],
        outputs: [at(value.type, to)],
        scope: "copy",
        frees: [],
      });
    }
  };
  graph.nodes.forEach((node, position) => {
    if (node.op && !node.op.alias && node.op.name !== packOp.name) {
      instructions.push({
        op: node.op,
        attributes: node.attributes,
        inputs: node.inputs.map(slice),
        outputs: node.outputs.map((type, o) => at(type, places.place(outputOf(node, o)))),
        scope: node.scope,
        frees: (places.dying[position] ?? []).map(slice),
      });
    }
    copyAfter(position);
  });
  return instructions;
}

/** A node's output as a Value; plan and lower ask only for its node and index. */
function outputOf(node: Node, index: number): Value {
  return { node, index, type: node.outputs[index], ...node.outputs[index] } as unknown as Value;
}

const version = 1;

/** The program as numbers: see native/program.h for the order. Op names stand once each in `names`. */
export function encode(p: Program): { names: string; code: Float64Array } {
  const names = new Map<string, number>();
  const code: number[] = [version, p.memories.length];
  for (const m of p.memories) code.push(m.bytes, m.bytesPerStep);
  code.push(p.instructions.length);
  for (const { op, attributes, inputs, outputs } of p.instructions) {
    let name = names.get(op.name);
    if (name === undefined) {
      name = names.size;
      names.set(op.name, name);
    }
    const numbers = encodeAttributes(attributes);
    code.push(name, inputs.length, outputs.length, numbers.length);
    for (const s of [...inputs, ...outputs]) code.push(s.memory, s.byteOffset, dtypeCode[s.dtype], s.shape.length, ...s.shape);
    code.push(...numbers);
  }
  return { names: [...names.keys()].join("\n"), code: Float64Array.from(code) };
}

export function encodeAttributes(attributes: Attributes): number[] {
  return Object.values(attributes).flatMap((value) => {
    if (typeof value === "number") return [value];
    if (typeof value === "boolean") return [value ? 1 : 0];
    return [value.length, ...value];
  });
}

/** One line an instruction, with the place of every operand: what `MINIBATCH_DEBUG=2` prints. */
export function printProgram(p: Program): string {
  const show = (s: Slice) => `${p.memories[s.memory]?.name}@${s.byteOffset}:${s.dtype}[${s.shape.join(",")}]`;
  const lines = p.instructions.map(
    (i, n) =>
      `${String(n).padStart(3)}  ${i.outputs.map(show).join(" ")} = ${i.op.name}(${i.inputs.map(show).join(" ")})${i.scope ? `  # ${i.scope}` : ""}`,
  );
  const memories = p.memories.map((m) => `${m.name}: ${m.bytes} bytes${m.bytesPerStep ? " a step" : ""}`);
  return [...memories, ...lines].join("\n");
}

/** Bytes a memory must have for this many steps. */
export function requiredBytes(m: ProgramMemory, steps: number): number {
  return aligned(m.bytesPerStep ? m.bytesPerStep * steps : m.bytes);
}

/** Whether two slices share a byte. */
export function overlaps(a: Slice, b: Slice): boolean {
  return a.memory === b.memory && a.byteOffset < endOf(b) && b.byteOffset < endOf(a);
}

export function endOf(s: Slice): number {
  return s.byteOffset + sizeOf(s.shape) * bytesPerElement[s.dtype];
}
