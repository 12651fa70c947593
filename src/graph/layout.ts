// Where named values live: each memory is one flat array, each slot a 64-byte aligned part of it.
// Knows nothing of graphs or executors.
import { bytesPerElement } from "../dtype.ts";
import { internal } from "../errors.ts";
import type { ValueType } from "../ops/define.ts";
import { sizeOf } from "../shape.ts";

/** One cache line and one AVX-512 register: no slot shares either with its neighbour. */
export const alignment = 64;

export function aligned(bytes: number): number {
  return Math.ceil(bytes / alignment) * alignment;
}

export function bytesOf(type: ValueType): number {
  return sizeOf(type.shape) * bytesPerElement[type.dtype];
}

export interface Slot extends ValueType {
  readonly byteOffset: number;
}

export interface MemoryLayout {
  readonly name: string;
  /** A streamed memory holds one such block per step: rows, learning rates, losses. */
  readonly streamed: boolean;
  readonly slots: ReadonlyMap<string, Slot>;
  /** Bytes in all, of one step when streamed. */
  readonly bytes: number;
}

/** Names of the memories of a run; see docs/layout.md for what each holds. */
export type MemoryName = "theta" | "dtheta" | "slots" | "state" | "input" | "rows" | "hyper" | "constant" | "arena" | "out";

const streamed: ReadonlySet<string> = new Set<MemoryName>(["rows", "hyper", "out"]);

/** Collects slots while a program is traced. */
export class Layout {
  readonly #memories = new Map<string, { slots: Map<string, Slot>; bytes: number }>();

  add(memory: MemoryName, name: string, type: ValueType): Slot {
    let entry = this.#memories.get(memory);
    if (!entry) {
      entry = { slots: new Map(), bytes: 0 };
      this.#memories.set(memory, entry);
    }
    if (entry.slots.has(name)) throw internal(`two slots named ${memory}.${name}`);
    const slot: Slot = { shape: type.shape, dtype: type.dtype, byteOffset: entry.bytes };
    entry.slots.set(name, slot);
    entry.bytes = aligned(entry.bytes + bytesOf(type));
    return slot;
  }

  /** The same slots; what is added to one is not in the other. */
  copy(): Layout {
    const made = new Layout();
    for (const [name, { slots, bytes }] of this.#memories) made.#memories.set(name, { slots: new Map(slots), bytes });
    return made;
  }

  find(memory: string, name: string): Slot {
    const slot = this.#memories.get(memory)?.slots.get(name);
    if (!slot) throw internal(`no slot ${memory}.${name} in the layout`);
    return slot;
  }

  memory(name: string): MemoryLayout {
    const entry = this.#memories.get(name);
    return { name, streamed: streamed.has(name), slots: entry?.slots ?? new Map(), bytes: entry?.bytes ?? 0 };
  }

  get names(): string[] {
    return [...this.#memories.keys()];
  }
}
