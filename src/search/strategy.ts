// What a strategy is: an object with one method that proposes the next trial from what has been recorded. It knows names,
// parameters and the history; no objective, no storage, no clock, and nothing that is not in the record.
import type { Json } from "../nn/layer.ts";
import { draw } from "../random.ts";
import type { Parameter, Space } from "./space.ts";

export type Direction = "minimize" | "maximize";

/** A trial as strategies and pruners see it. It never changes; a later look gives another. */
export interface Past {
  /** Counts from 1, in the order in which trials began. */
  readonly number: number;
  readonly state: "running" | "done" | "pruned" | "failed";
  /** Of a trial that is done the objective's value, of a pruned one its last report, else NaN. */
  readonly value: number;
  /** Values by full name: those of the space, and those that the objective asked for by `suggest`. */
  readonly values: Readonly<Record<string, unknown>>;
  /** Reported values by step. */
  readonly reports: ReadonlyMap<number, number>;
  /** What the strategy recorded with it. */
  readonly note: Json | undefined;
  /** Where its value of this name lies on the scale of a parameter; undefined: it has none there. */
  position(name: string, parameter: Parameter): number | undefined;
}

/** What a strategy is asked with. Everything here follows from the record and the seed, so a proposal can be made again. */
export interface Asking {
  /** Of the trial to be proposed, from 1. */
  readonly number: number;
  /** How many of the trials before it had values given by the user (`initial`), none of a strategy's. */
  readonly given?: number | undefined;
  readonly seed: number;
  readonly direction: Direction;
  readonly space: Space;
  /** All trials recorded so far, by number. */
  readonly trials: readonly Past[];
  /** A random number in [0, 1) that belongs to this trial and name; `index` counts several of them. */
  draw(name: string, index?: number): number;
}

export interface Proposal {
  /** Values by full name (`"units.0"`), or a function that is asked for one after the other; what is missing is drawn at random. */
  readonly params?: Readonly<Record<string, unknown>> | ((name: string, parameter: Parameter) => unknown) | undefined;
  /** Recorded with the trial. */
  readonly note?: Json | undefined;
}

/**
 * Proposes trials. `next` gives a proposal, `undefined` when there are trials enough, or `"wait"` when running ones must end first.
 * It must depend on what it is asked with only; nothing may be kept from call to call but what could be computed again.
 *
 * ```ts
 * const halving: Strategy = {
 *   kind: "halving",
 *   next: ({ number }) => (number <= 10 ? { params: { learningRate: 2 ** -number } } : undefined),
 * };
 * ```
 */
export interface Strategy {
  readonly kind: string;
  next(asking: Asking): Proposal | "wait" | undefined;
}

/** CRC-32 (IEEE 802.3), bit by bit: a site for the random numbers of a name. */
export function hash(text: string): number {
  let crc = ~0;
  for (const byte of new TextEncoder().encode(text)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (0xedb88320 & -(crc & 1));
  }
  return ~crc >>> 0;
}

const sites = new Map<string, number>();

/** A random number in [0, 1) for a name in a trial. */
export function drawFor(seed: number, number: number, name: string, index = 0): number {
  let site = sites.get(name);
  if (site === undefined) {
    site = hash(name);
    sites.set(name, site);
  }
  return draw({ seed, purpose: "search", site, step: number }, index);
}

/** The seed of a trial: a whole number below 2^32. No parameter has an empty name. */
export function trialSeed(seed: number, number: number): number {
  return Math.floor(drawFor(seed, number, "") * 2 ** 32);
}

/** Trials from best to worst: those that are done by value, ties by number; then pruned ones, then failed ones. */
export function ranked(trials: readonly Past[], direction: Direction): Past[] {
  const sign = direction === "minimize" ? 1 : -1;
  const order = { done: 0, pruned: 1, running: 2, failed: 3 };
  const value = (t: Past) => (Number.isNaN(t.value) ? Number.POSITIVE_INFINITY : sign * t.value);
  const compare = (a: number, b: number) => (a < b ? -1 : a > b ? 1 : 0);
  return [...trials].sort((a, b) => order[a.state] - order[b.state] || compare(value(a), value(b)) || a.number - b.number);
}
