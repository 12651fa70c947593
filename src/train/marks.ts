// The places of a run that it can go back to: those that users name, and those it keeps by itself before every change.
// Knows nothing of how a run comes there.
import { describe, MinibatchError } from "../errors.ts";
import type { Weights } from "../nn/weights.ts";
import type { Tuning } from "./tuning.ts";

/** A place in a run that it can go back to. */
export interface Mark {
  readonly name: string;
  /** Steps made when it was kept. */
  readonly step: number;
  /** Kept by the run itself before a change. */
  readonly automatic: boolean;
}

/** What a mark keeps; nothing of it is written to any more. */
export interface Kept {
  readonly step: number;
  readonly automatic: boolean;
  readonly weights: Weights;
  /** The optimizer's state; undefined: zeros. */
  readonly slots: Uint8Array | undefined;
  /** Updates that the optimizer's state has seen. */
  readonly updates: number;
  readonly tuning: Tuning;
}

/** Each costs a copy of parameters and optimizer state, in memory and in checkpoints: three changes can be taken back one after another. */
export const automaticMarks = 3;

const automaticName = /^before change \d+$/;

export class Marks {
  /** In the order in which they were kept. */
  readonly #kept = new Map<string, Kept>();

  /** The name of a mark of a user's own, if it may be one. */
  static checkName(where: string, name: unknown): string {
    if (typeof name !== "string") throw new MinibatchError(`${where}: expected a name, got ${describe(name)}`);
    if (automaticName.test(name))
      throw new MinibatchError(`${where}: "before change N" are names of automatic marks, got ${describe(name)}`);
    return name;
  }

  /** Keeps a place; of the automatic ones only the newest stay. */
  keep(name: string, kept: Kept): void {
    this.#kept.delete(name);
    this.#kept.set(name, kept);
    const old = [...this.#kept].filter(([, { automatic }]) => automatic).slice(0, -automaticMarks);
    for (const [before] of old) this.#kept.delete(before);
  }

  /** The mark of a name, or the newest automatic one. Automatic ones that were kept there or later are forgotten: what followed them is undone. */
  goBack(name: string | undefined): { name: string; kept: Kept } {
    const all = [...this.#kept.keys()];
    const wanted = name ?? all.findLast((each) => this.#kept.get(each)?.automatic);
    if (wanted === undefined)
      throw new MinibatchError(
        "run.revert: a change that can be taken back must have taken effect, got none; run.mark(name) makes a mark to go back to",
      );
    const kept = this.#kept.get(wanted);
    if (!kept) {
      const list = all.map((each) => `"${each}"`).join(", ");
      throw new MinibatchError(`run.revert: no mark named "${wanted}"${list ? `; there are ${list}` : "; run.mark(name) makes one"}`);
    }
    for (const later of all.slice(all.indexOf(wanted))) if (this.#kept.get(later)?.automatic) this.#kept.delete(later);
    return { name: wanted, kept };
  }

  get list(): readonly Mark[] {
    return [...this.#kept].map(([name, { step, automatic }]) => ({ name, step, automatic }));
  }

  entries(): ReadonlyMap<string, Kept> {
    return new Map(this.#kept);
  }
}
