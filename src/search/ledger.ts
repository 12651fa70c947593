// What a log means: entries are folded, in their order, into the state of every trial. The rules are here and nowhere else, so all who
// read the same log agree: the first start of a number counts, the first resume of a lease counts, nothing counts that
// comes under an old lease or after the end. So each trial has one final state, whatever its owners do.
import { MinibatchError } from "../errors.ts";
import type { Json } from "../nn/layer.ts";
import { isRecordedChoice, type Parameter } from "./space.ts";
import type { Entry, Owner } from "./storage.ts";
import type { Direction, Past } from "./strategy.ts";

/** The format of entries; another number is another format. */
export const version = 1;

export interface Header {
  readonly space: Json;
  readonly direction: Direction;
  readonly seed: number;
}

/** A trial as the log has it so far. */
export interface Kept {
  readonly number: number;
  state: Past["state"];
  /** Values as they were recorded. */
  readonly recorded: Map<string, Json>;
  /** Names that are not in the space: the objective asked for them. */
  readonly suggested: Map<string, Json>;
  /** What those parameters were, as the log describes them. */
  readonly dimensions: Map<string, Json>;
  readonly reports: Map<number, number>;
  readonly note: Json | undefined;
  /** The strategy that proposed it. */
  readonly by: string;
  /** How many entries its proposal was made from. */
  readonly seen: number;
  readonly started: number;
  ended: number;
  value: number;
  error: string | undefined;
  lease: number;
  owner: string;
  released: boolean;
}

class View implements Past {
  readonly number: number;
  readonly state: Past["state"];
  readonly value: number;
  readonly reports: ReadonlyMap<number, number>;
  readonly note: Json | undefined;
  readonly #recorded: ReadonlyMap<string, Json>;
  readonly #running: boolean;
  readonly #positions = new WeakMap<Parameter, Map<string, number | undefined>>();
  #values: Readonly<Record<string, unknown>> | undefined;

  constructor(kept: Kept) {
    this.#running = kept.state === "running";
    this.number = kept.number;
    this.state = kept.state;
    this.value = kept.value;
    this.note = kept.note;
    // A trial that has ended changes no more; a copy of one that runs stays as it was.
    this.reports = this.#running ? new Map(kept.reports) : kept.reports;
    this.#recorded = this.#running ? new Map(kept.recorded) : kept.recorded;
  }

  get values(): Readonly<Record<string, unknown>> {
    this.#values ??= plainValues(this.#recorded);
    return this.#values;
  }

  position(name: string, parameter: Parameter): number | undefined {
    let known = this.#positions.get(parameter);
    if (!known) {
      known = new Map();
      this.#positions.set(parameter, known);
    }
    if (!known.has(name)) {
      const recorded = this.#recorded.get(name);
      const value = recorded === undefined ? undefined : parameter.recall(recorded);
      known.set(name, recorded === undefined ? undefined : parameter.position(value));
    }
    return known.get(name);
  }
}

/** Recorded values as people read them: of a choice the value, or what it is called where JSON has no such value. */
export function plainValues(recorded: ReadonlyMap<string, Json>): Record<string, unknown> {
  return Object.fromEntries([...recorded].map(([name, value]) => [name, isRecordedChoice(value) ? value.value : value]));
}

export class Ledger {
  header: Header | undefined;
  readonly trials: Kept[] = [];
  readonly owners = new Map<string, Owner>();
  /** All entries, so that a proposal can be made again from what it was made from. */
  readonly entries: Entry[] = [];
  readonly #views: (Past | undefined)[] = [];
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
  }

  /** The trials as strategies see them at this moment. */
  past(): Past[] {
    return this.trials.map((kept, i) => {
      const view = this.#views[i] ?? new View(kept);
      this.#views[i] = view;
      return view;
    });
  }

  /** The state after the first so many entries. */
  before(count: number): Ledger {
    const ledger = new Ledger(this.#name);
    for (const entry of this.entries.slice(0, count)) ledger.apply(entry);
    return ledger;
  }

  apply(entry: Entry): void {
    this.entries.push(entry);
    if (!this.header) {
      this.#begin(entry);
      return;
    }
    switch (entry.event) {
      case "owner":
        this.owners.set(entry.id, { id: entry.id, pid: entry.pid, host: entry.host, began: entry.began });
        return;
      case "start":
        this.#start(entry);
        return;
      case "resume": {
        const kept = this.trials[entry.trial - 1];
        if (kept?.state !== "running" || entry.lease !== kept.lease + 1) return;
        kept.lease = entry.lease;
        kept.owner = entry.owner;
        kept.released = false;
        return;
      }
      case "suggest":
      case "report":
      case "release":
      case "end": {
        const kept = this.trials[entry.trial - 1];
        if (kept?.state !== "running" || entry.lease !== kept.lease) return;
        this.#views[entry.trial - 1] = undefined;
        this.#change(kept, entry);
      }
    }
  }

  #begin(entry: Entry): void {
    if (entry.event !== "study")
      throw new MinibatchError(`storage: a journal must begin with the study it is of, got ${this.#name}, which does not`, "FILE");
    if (entry.version !== version)
      throw new MinibatchError(
        `storage: this library reads journals of version ${version}, got ${this.#name} of version ${entry.version}; use the release that wrote it`,
        "FILE",
      );
    this.header = { space: entry.space, direction: entry.direction, seed: entry.seed };
  }

  #start(entry: Extract<Entry, { event: "start" }>): void {
    if (entry.trial !== this.trials.length + 1) return;
    this.trials.push({
      number: entry.trial,
      state: "running",
      recorded: new Map(Object.entries(entry.params)),
      suggested: new Map(),
      dimensions: new Map(),
      reports: new Map(),
      note: entry.note,
      by: entry.by,
      seen: entry.seen,
      started: entry.time,
      ended: Number.NaN,
      value: Number.NaN,
      error: undefined,
      lease: 1,
      owner: entry.owner,
      released: false,
    });
  }

  #change(kept: Kept, entry: Extract<Entry, { event: "suggest" | "report" | "release" | "end" }>): void {
    if (entry.event === "suggest") {
      if (kept.recorded.has(entry.name)) return;
      kept.recorded.set(entry.name, entry.value);
      kept.suggested.set(entry.name, entry.value);
      kept.dimensions.set(entry.name, entry.dimension);
    } else if (entry.event === "report") {
      // In the order of the log: the last one is the last that was told.
      kept.reports.delete(entry.step);
      kept.reports.set(entry.step, entry.value);
    } else if (entry.event === "release") {
      kept.released = true;
    } else {
      kept.state = entry.state;
      kept.ended = entry.time;
      kept.error = entry.error;
      if (entry.state === "done") kept.value = entry.value ?? Number.NaN;
      else if (entry.state === "pruned") kept.value = [...kept.reports].sort(([a], [b]) => b - a)[0]?.[1] ?? Number.NaN;
    }
  }
}
