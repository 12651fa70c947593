// Gives every value of a graph its place: a slot of a memory where one is named, else a block of the arena that is
// shared by values whose lifetimes do not overlap. Knows nothing of executors.
import { bytesPerElement } from "../dtype.ts";
import { internal } from "../errors.ts";
import type { Node, Value } from "../ops/define.ts";
import type { Graph } from "./graph.ts";
import { aligned, bytesOf, type Layout } from "./layout.ts";
import { packOp } from "./segment.ts";

export interface Place {
  readonly memory: string;
  readonly byteOffset: number;
}

/** A copy that the plan could not avoid: after node `after` has run, `value` goes to `to`. */
export interface Copy {
  readonly after: number;
  readonly value: Value;
  readonly to: Place;
}

export interface Plan {
  place(v: Value): Place;
  readonly copies: readonly Copy[];
  readonly arenaBytes: number;
  /** For each node: the values in the arena that nobody reads after it. */
  readonly dying: readonly (readonly Value[])[];
}

/** Where the value of a source node lies. */
export type Bindings = ReadonlyMap<Node, { readonly memory: string; readonly name: string }>;

export interface PlanOptions {
  /** Off: every value has a block of its own and nothing is written over its input. For comparison. */
  readonly reuse?: boolean;
}

/** Memory that some values share; its place is known when `at` is set. */
interface Block {
  bytes: number;
  first: number;
  last: number;
  at: Place | undefined;
}

interface Home {
  readonly block: Block;
  readonly byteOffset: number;
}

export function plan(graph: Graph, layout: Layout, bindings: Bindings, { reuse = true }: PlanOptions = {}): Plan {
  return new Planner(graph, layout, bindings, reuse).plan();
}

class Planner {
  readonly #graph: Graph;
  readonly #layout: Layout;
  readonly #bindings: Bindings;
  readonly #reuse: boolean;
  readonly #position: Map<Node, number>;
  readonly #homes = new Map<Node, (Home | undefined)[]>();
  readonly #copies: Copy[] = [];
  /** For each value produced by an op and not aliased: the last node that reads it or an alias of it. */
  readonly #lastRead = new Map<Node, number[]>();
  /** Last position at which the slot `memory.name` is read as a source. */
  readonly #slotReads = new Map<string, number[]>();

  constructor(graph: Graph, layout: Layout, bindings: Bindings, reuse: boolean) {
    this.#graph = graph;
    this.#layout = layout;
    this.#bindings = bindings;
    this.#reuse = reuse;
    this.#position = new Map(graph.nodes.map((node, i) => [node, i]));
    for (const node of graph.nodes)
      this.#homes.set(
        node,
        node.outputs.map(() => undefined),
      );
  }

  plan(): Plan {
    this.#placeSources();
    this.#measureLifetimes();
    this.#placeStores();
    this.#placeParts();
    const blocks = this.#placeRest();
    const arenaBytes = this.#pack(blocks);
    this.#addCopies();
    return { place: (v) => this.#placeOf(v), copies: this.#copies, arenaBytes, dying: this.#dying() };
  }

  #home(v: Value): Home | undefined {
    return this.#homes.get(v.node)?.[v.index];
  }

  #setHome(v: Value, home: Home): void {
    (this.#homes.get(v.node) as (Home | undefined)[])[v.index] = home;
  }

  /** The value whose memory an alias shows, and where in it the alias begins. */
  #root(v: Value): { value: Value; byteOffset: number } {
    let value = v;
    let byteOffset = 0;
    while (value.node.op?.alias) {
      byteOffset += ((value.node.attributes.offset as number | undefined) ?? 0) * bytesPerElement[value.dtype];
      value = value.node.inputs[0] as Value;
    }
    return { value, byteOffset };
  }

  #placeSources(): void {
    for (const node of this.#graph.nodes) {
      if (!node.source) continue;
      const bound = this.#bindings.get(node);
      if (!bound) throw internal(`a ${node.source.kind} is bound to no memory`);
      const { memory, name } = bound;
      const slot = this.#layout.find(memory, name);
      this.#homes.set(node, [
        {
          block: { bytes: bytesOf(slot), first: -1, last: Number.POSITIVE_INFINITY, at: { memory, byteOffset: slot.byteOffset } },
          byteOffset: 0,
        },
      ]);
    }
  }

  #measureLifetimes(): void {
    this.#graph.nodes.forEach((node, i) => {
      this.#lastRead.set(
        node,
        node.outputs.map(() => i),
      );
      if (node.op?.alias) return;
      for (const input of node.inputs) {
        const { value } = this.#root(input);
        (this.#lastRead.get(value.node) as number[])[value.index] = i;
        const from = this.#bindings.get(value.node);
        if (!from) continue;
        const key = `${from.memory}.${from.name}`;
        this.#slotReads.set(key, [...(this.#slotReads.get(key) ?? []), i]);
      }
    });
    for (const { value } of this.#graph.stores) {
      const root = this.#root(value).value;
      (this.#lastRead.get(root.node) as number[])[root.index] = this.#graph.nodes.length;
    }
  }

  /** A stored value is computed right where it is to be kept, unless the old content is still read later. */
  #placeStores(): void {
    for (const { value, memory, name } of this.#graph.stores) {
      const slot = this.#layout.find(memory, name);
      const at: Place = { memory, byteOffset: slot.byteOffset };
      const { value: root, byteOffset } = this.#root(value);
      const own = this.#home(root);
      if (own?.block.at?.memory === memory && own.block.at.byteOffset + own.byteOffset + byteOffset === slot.byteOffset) continue;
      const position = this.#position.get(root.node) as number;
      const hazard = (this.#slotReads.get(`${memory}.${name}`) ?? []).some(
        (read) => read > position || (read === position && !this.#mayWriteOver(root, memory, name)),
      );
      if (own || byteOffset !== 0 || hazard || bytesOf(root.type) !== bytesOf(slot)) {
        this.#copies.push({ after: this.#graph.nodes.length - 1, value, to: at });
        continue;
      }
      this.#setHome(root, { block: { bytes: bytesOf(slot), first: position, last: Number.POSITIVE_INFINITY, at }, byteOffset: 0 });
    }
  }

  /** Whether the op that makes `v` allows the very input that lies in this slot to be overwritten by it. */
  #mayWriteOver(v: Value, memory: string, name: string): boolean {
    const allowed = v.node.op?.inPlace?.[v.index] ?? -1;
    return v.node.inputs.every((input, i) => {
      const { value } = this.#root(input);
      const from = this.#bindings.get(value.node);
      const here = from?.memory === memory && from.name === name;
      return !here || (i === allowed && input === value && value.type.dtype === v.dtype);
    });
  }

  /** The parts of a packed segment are computed in their places inside it. */
  #placeParts(): void {
    for (const node of this.#graph.nodes) {
      if (node.op?.name !== packOp.name) continue;
      const whole = this.#valueOf(node);
      const home = this.#home(whole) ?? this.#homeAhead(whole) ?? this.#newHome(whole);
      this.#setHome(whole, home);
      const offsets = node.attributes.offsets as readonly number[];
      node.inputs.forEach((input, i) => {
        const byteOffset = home.byteOffset + (offsets[i] as number) * bytesPerElement[whole.dtype];
        const { value: root, byteOffset: inside } = this.#root(input);
        const firstUse = !this.#home(root) && inside === 0 && root.node.op !== undefined && bytesOf(root.type) === bytesOf(input.type);
        if (firstUse) {
          this.#setHome(root, { block: home.block, byteOffset });
          home.block.first = Math.min(home.block.first, this.#position.get(root.node) as number);
        } else if (!this.#isAt(input, home.block, byteOffset)) {
          this.#copies.push({ after: (this.#position.get(node) as number) - 1, value: input, to: { memory: "", byteOffset } });
          this.#pending.push({ copy: this.#copies.length - 1, block: home.block });
        }
      });
    }
  }

  /** Copies whose target is a block without a place yet. */
  readonly #pending: { copy: number; block: Block }[] = [];

  #isAt(v: Value, block: Block, byteOffset: number): boolean {
    const { value, byteOffset: inside } = this.#root(v);
    const home = this.#home(value);
    return home?.block === block && home.byteOffset + inside === byteOffset;
  }

  #valueOf(node: Node): Value {
    for (const later of this.#graph.nodes) for (const input of later.inputs) if (input.node === node) return input;
    for (const { value } of this.#graph.stores) if (value.node === node) return value;
    throw internal("a node that nobody reads is in the graph");
  }

  /** Where a chain of in-place ops that starts with `v` ends up, if that is a named slot. */
  #homeAhead(v: Value): Home | undefined {
    const position = this.#lastReadOf(v);
    const reader = this.#graph.nodes[position];
    if (!reader?.op) return undefined;
    for (let o = 0; o < reader.outputs.length; o++) {
      const i = reader.op.inPlace?.[o] ?? -1;
      if (i < 0 || reader.inputs[i]?.node !== v.node) continue;
      const home = this.#homes.get(reader)?.[o];
      if (home?.block.at && home.block.bytes === bytesOf(v.type) && home.block.at.memory === "dtheta") return home;
      const type = reader.outputs[o];
      if (type && !home && bytesOf(type) === bytesOf(v.type)) {
        const ahead = this.#homeAhead(this.#outputOf(reader, o));
        if (ahead) this.#setHome(this.#outputOf(reader, o), ahead);
        return ahead;
      }
    }
    return undefined;
  }

  #outputOf(node: Node, index: number): Value {
    for (const later of this.#graph.nodes) for (const input of later.inputs) if (input.node === node && input.index === index) return input;
    for (const { value } of this.#graph.stores) if (value.node === node && value.index === index) return value;
    return this.#valueOf(node);
  }

  #lastReadOf(v: Value): number {
    return (this.#lastRead.get(v.node) as number[])[v.index] as number;
  }

  #newHome(v: Value): Home {
    const first = this.#position.get(v.node) as number;
    return { block: { bytes: bytesOf(v.type), first, last: this.#lastReadOf(v), at: undefined }, byteOffset: 0 };
  }

  /** Everything else lives in the arena; an op that may write over a dying input takes its block. */
  #placeRest(): Block[] {
    const blocks = new Set<Block>();
    this.#graph.nodes.forEach((node, position) => {
      if (!node.op || node.op.alias) return;
      const taken = new Set<number>();
      node.outputs.forEach((type, o) => {
        const homes = this.#homes.get(node) as (Home | undefined)[];
        const last = (this.#lastRead.get(node) as number[])[o] as number;
        if (!homes[o])
          homes[o] = this.#overInput(node, o, position, taken) ?? {
            block: { bytes: bytesOf(type), first: position, last, at: undefined },
            byteOffset: 0,
          };
        const { block } = homes[o] as Home;
        block.last = Math.max(block.last, last);
        if (!block.at) blocks.add(block);
      });
    });
    return [...blocks];
  }

  #overInput(node: Node, o: number, position: number, taken: Set<number>): Home | undefined {
    const i = node.op?.inPlace?.[o] ?? -1;
    const input = node.inputs[i];
    if (!this.#reuse || !input || taken.has(i)) return undefined;
    const { value: root, byteOffset } = this.#root(input);
    const home = this.#home(root);
    if (!home || home.block.at || byteOffset !== 0 || home.byteOffset !== 0) return undefined;
    if (
      home.block.last !== position ||
      bytesOf(root.type) !== home.block.bytes ||
      bytesOf(node.outputs[o] as Value["type"]) !== home.block.bytes
    )
      return undefined;
    // The same memory under another input would be destroyed while it is read.
    if (node.inputs.some((other, j) => j !== i && this.#home(this.#root(other).value)?.block === home.block)) return undefined;
    taken.add(i);
    return home;
  }

  /** Greedy by size: large blocks first, each at the lowest offset that no block alive at the same time covers. */
  #pack(blocks: readonly Block[]): number {
    const placed: { block: Block; start: number; end: number }[] = [];
    let total = 0;
    for (const block of [...blocks].sort((a, b) => b.bytes - a.bytes || a.first - b.first)) {
      const bytes = aligned(block.bytes);
      const rivals = placed
        .filter((p) => !this.#reuse || (p.block.first <= block.last && block.first <= p.block.last))
        .sort((a, b) => a.start - b.start);
      let start = 0;
      for (const rival of rivals) {
        if (start + bytes <= rival.start) break;
        start = Math.max(start, rival.end);
      }
      placed.push({ block, start, end: start + bytes });
      block.at = { memory: "arena", byteOffset: start };
      total = Math.max(total, start + bytes);
    }
    return total;
  }

  #addCopies(): void {
    for (const { copy, block } of this.#pending) {
      const { value, after, to } = this.#copies[copy] as Copy;
      const at = block.at as Place;
      this.#copies[copy] = { value, after, to: { memory: at.memory, byteOffset: at.byteOffset + to.byteOffset } };
    }
  }

  #placeOf(v: Value): Place {
    const { value, byteOffset } = this.#root(v);
    const home = this.#home(value);
    if (!home?.block.at) throw internal(`no place for an output of ${v.node.op?.name ?? "a source"}`);
    return { memory: home.block.at.memory, byteOffset: home.block.at.byteOffset + home.byteOffset + byteOffset };
  }

  #dying(): Value[][] {
    const lists: Value[][] = this.#graph.nodes.map(() => []);
    const done = new Set<Block>();
    for (const node of this.#graph.nodes) {
      for (const input of node.inputs) {
        const { value } = this.#root(input);
        const home = this.#home(value);
        if (home?.block.at?.memory !== "arena" || home.byteOffset !== 0 || bytesOf(value.type) !== home.block.bytes || done.has(home.block))
          continue;
        done.add(home.block);
        if (Number.isFinite(home.block.last)) lists[home.block.last]?.push(value);
      }
    }
    return lists;
  }
}
