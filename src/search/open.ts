// An open study: gives trials out and takes their outcomes, for loops of one's own and for the library's. Between them
// stands only the log: whatever is decided here follows from it. Runs no objective.
import { checkOptions, describe, MinibatchError } from "../errors.ts";
import type { Json } from "../nn/layer.ts";
import { checkSeed } from "../random.ts";
import { backend } from "../run/backend.ts";
import { notFinite } from "./attempt.ts";
import { clearCheckpoints, sweepCheckpoints } from "./folder.ts";
import { checkInitial } from "./initial.ts";
import { journal } from "./journal.ts";
import { type Kept, Ledger, version } from "./ledger.ts";
import { alive, closeOwner, openOwner } from "./owner.ts";
import { checkPruner, type Pruner } from "./pruners.ts";
import { recordOf, type TrialRecord } from "./record.ts";
import { resultOf, type StudyResult } from "./result.ts";
import { checkSpace, describeSpace, type Parameter, type Params, resolve, type SomeParams, type Space } from "./space.ts";
import { type Entry, memoryStorage, type Owner, type Storage } from "./storage.ts";
import { type Asking, type Direction, drawFor, type Proposal, type Strategy, trialSeed } from "./strategy.ts";
import { type AskedTrial, LiveTrial, TrialPruned } from "./trial.ts";

export interface OpenOptions<S extends Space> {
  /** What is searched. It may be left out when the objective asks for everything by `trial.suggest`. */
  space?: S | undefined;
  strategy: Strategy;
  /**
   * Values known to be good, which the first trials have, before any that the strategy proposes; what is left out is drawn at random. They count among
   * the strategy's trials, and it learns from them; a grid comes whole behind them. Of a study that is gone on with only trials not yet begun are concerned.
   */
  initial?: readonly SomeParams<S>[] | undefined;
  /** "minimize" by default. */
  direction?: Direction | undefined;
  /** A journal's path (made if it is not there, gone on with if it is), or a storage of one's own; by default nothing is kept. */
  storage?: string | Storage | undefined;
  /** Decides every proposal and every trial's seed; 0 by default. */
  seed?: number | undefined;
  prune?: "median" | "successive halving" | Pruner | undefined;
  /** Ends running trials: their reports throw its reason. */
  signal?: AbortSignal | undefined;
}

/** A study whose loop is one's own: ask for a trial, try it, tell what came out. */
export interface Study<S extends Space> {
  /** The next trial: an unfinished one that nobody works on any more, or a new one; undefined when the strategy has no more. */
  ask(): Promise<AskedTrial<S> | undefined>;
  /** Records how a trial ended: a value, the error it failed with, or that it was pruned. When it resolves, the disk has it. */
  tell(trial: AskedTrial<S>, outcome: number | Error | "pruned"): Promise<void>;
  /** Trials that have ended so far, in all processes that work on the study. */
  trials(): Promise<readonly TrialRecord<S>[]>;
  /** What was found so far; an error while no trial is done. */
  result(): Promise<StudyResult<S>>;
  /** Lets go of trials that were asked for and not told: the next to open the study goes on with them. */
  close(): Promise<void>;
}

export const openKeys = ["space", "strategy", "initial", "direction", "storage", "seed", "prune", "signal"];

/** An owner that cannot be looked up has let go of its trials after two minutes of silence; while it lives it is heard four times in them. */
const silence = 120_000;
const heartbeat = 30_000;

function checkStrategy(value: unknown): Strategy {
  if (typeof value === "object" && value !== null && typeof (value as { next?: unknown }).next === "function") {
    const { kind } = value as { kind?: unknown };
    if (typeof kind === "string") return value as Strategy;
    throw new MinibatchError(
      `study: a strategy's kind must be a text, by which the journal tells who proposed what, got ${describe(kind)}`,
    );
  }
  const hint = typeof value === "function" ? "; call it with its options" : "";
  throw new MinibatchError(`study: strategy must be one such as randomSearch({ trials: 25 }), got ${describe(value)}${hint}`);
}

export function checkSignal(value: unknown): void {
  if (value !== undefined && !(value instanceof AbortSignal))
    throw new MinibatchError(`study: signal must be an AbortSignal, got ${describe(value)}`);
}

function checkStorage(value: unknown): Storage {
  if (value === undefined) return memoryStorage();
  if (typeof value === "object" && value !== null && typeof (value as { append?: unknown }).append === "function") return value as Storage;
  return journal(value as string);
}

/** Where two descriptions of a space first differ, for a message. */
function difference(kept: Json, given: Json): string {
  const [a, b] = [kept, given].map((space) => new Map(Object.entries(space as Record<string, Json>))) as [
    Map<string, Json>,
    Map<string, Json>,
  ];
  for (const [name, dimension] of a) {
    const other = b.get(name);
    if (other === undefined) return `"${name}" is missing here`;
    if (JSON.stringify(dimension) !== JSON.stringify(other))
      return `"${name}" is ${JSON.stringify(dimension)} there and ${JSON.stringify(other)} here`;
  }
  for (const name of b.keys()) if (!a.has(name)) return `"${name}" is missing there`;
  return "the order of parameters is another";
}

/** What asking gave when it gave no trial: running ones must end first, or none but running ones are left. */
export type NoTrial = "wait" | "last" | undefined;

export class OpenStudy<S extends Space> implements Study<S> {
  readonly direction: Direction;
  readonly seed: number;
  readonly #space: S;
  readonly #strategy: Strategy;
  readonly #initial: readonly Proposal[];
  readonly #pruner: Pruner | undefined;
  readonly #storage: Storage;
  readonly #ledger: Ledger;
  readonly #owner: Owner;
  readonly #signal: AbortSignal;
  readonly #live = new Map<number, LiveTrial<S>>();
  /** When anything was last heard of an owner, by this process's own clock. */
  readonly #heard = new Map<string, number>();
  #introduced = false;
  #written = 0;
  #timer: ReturnType<typeof setInterval> | undefined;
  /** Reads follow each other, and so do claims: entries must be folded in their order. */
  #reading: Promise<void> = Promise.resolve();
  #claiming: Promise<unknown> = Promise.resolve();
  /** Entries handed over whose arrival nobody has awaited yet. */
  #pending: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: OpenOptions<S>) {
    const { direction = "minimize", signal } = options;
    if (options.space !== undefined) checkSpace("study: space", options.space);
    if (options.space !== undefined && Object.keys(options.space).length === 0)
      throw new MinibatchError("study: space must have a parameter at least, got {}; leave it out where the objective suggests everything");
    if (direction !== "minimize" && direction !== "maximize")
      throw new MinibatchError(`study: direction must be "minimize" or "maximize", got ${describe(direction)}`);
    checkSignal(signal);
    this.#space = options.space ?? ({} as S);
    this.#strategy = checkStrategy(options.strategy);
    this.#initial = checkInitial(options.initial, this.#space);
    this.#pruner = checkPruner(options.prune);
    this.direction = direction;
    this.seed = checkSeed("study", options.seed ?? 0);
    this.#signal = signal ?? new AbortController().signal;
    this.#storage = checkStorage(options.storage);
    this.#ledger = new Ledger(this.#storage.name);
    this.#owner = openOwner();
  }

  /** Reads what is recorded; records the study itself where nothing is. */
  async open(): Promise<this> {
    try {
      await this.#refresh();
      if (!this.#ledger.header) {
        const { direction, seed } = this;
        await this.#append([{ time: Date.now(), event: "study", version, space: describeSpace(this.#space), direction, seed }], true);
        await this.#refresh();
      }
      this.#checkHeader();
    } catch (error) {
      await this.close();
      throw error;
    }
    const { folder } = this.#storage;
    if (folder !== undefined) sweepCheckpoints(folder, (number) => this.#hasEnded(number));
    this.#timer = setInterval(() => this.#beat(), heartbeat);
    this.#timer.unref();
    return this;
  }

  /** How many trials have ended, as far as the log was read. */
  ended(): number {
    return this.#ledger.trials.filter(({ state }) => state !== "running").length;
  }

  #hasEnded(number: number): boolean {
    const kept = this.#ledger.trials[number - 1];
    return kept !== undefined && kept.state !== "running";
  }

  #checkHeader(): void {
    const header = this.#ledger.header;
    const other = (what: string) =>
      new MinibatchError(
        `study: storage holds another study, got ${this.#storage.name}: ${what}; choose another file, or ask for the same study`,
      );
    if (!header) throw new MinibatchError(`storage: what is written must be read again, got nothing from ${this.#storage.name}`, "FILE");
    const space = describeSpace(this.#space);
    if (JSON.stringify(header.space) !== JSON.stringify(space)) throw other(difference(header.space, space));
    if (header.direction !== this.direction) throw other(`it is to ${header.direction}, here to ${this.direction}`);
    if (header.seed !== this.seed) throw other(`its seed is ${header.seed}, here ${this.seed}`);
  }

  #refresh(): Promise<void> {
    this.#reading = this.#reading
      .catch(() => undefined)
      .then(async () => {
        await this.#pending;
        const now = performance.now();
        for (const entry of await this.#storage.read()) {
          this.#ledger.apply(entry);
          const owner = "owner" in entry ? entry.owner : "trial" in entry ? this.#ledger.trials[entry.trial - 1]?.owner : undefined;
          if (owner !== undefined) this.#heard.set(owner, now);
        }
      });
    return this.#reading;
  }

  #append(entries: readonly Entry[], durable = false): Promise<void> {
    this.#written = performance.now();
    return this.#storage.append(entries, { durable });
  }

  /** Hands an entry over at once; should it not arrive, the next read says so. */
  #write(entry: Entry): void {
    const arrived = this.#append([entry]);
    // The next read tells of the first that failed; a second one must not be a rejection that nobody handles.
    arrived.catch(() => undefined);
    this.#pending = this.#pending.then(() => arrived);
    this.#pending.catch(() => undefined);
  }

  #beat(): void {
    if (this.#live.size > 0 && performance.now() - this.#written >= heartbeat)
      this.#write({ time: Date.now(), event: "alive", owner: this.#owner.id });
  }

  /** Whether an unfinished trial has nobody who works on it. */
  #abandoned(kept: Kept): boolean {
    if (kept.state !== "running" || this.#live.has(kept.number)) return false;
    if (kept.released) return true;
    const owner = this.#ledger.owners.get(kept.owner);
    const lives = owner && alive(owner);
    if (lives !== undefined) return !lives;
    return performance.now() - (this.#heard.get(kept.owner) ?? 0) > silence;
  }

  #asking(ledger: Ledger, number: number): Asking {
    return {
      number,
      given: ledger.trials.slice(0, number - 1).filter(({ by }) => by === "initial").length,
      seed: this.seed,
      direction: this.direction,
      space: this.#space,
      trials: ledger.past().slice(0, number - 1),
      draw: (name, index) => drawFor(this.seed, number, name, index),
    };
  }

  /** The value that a proposal gives to a parameter, or one at random. */
  #proposer(proposal: Proposal, number: number): (name: string, parameter: Parameter) => unknown {
    const { params } = proposal;
    return (name, parameter) => {
      const value = typeof params === "function" ? params(name, parameter) : params?.[name];
      if (value === undefined) return parameter.at(drawFor(this.seed, number, name));
      if (parameter.position(value) !== undefined) return value;
      throw new MinibatchError(
        `strategy ${describe(this.#strategy.kind)}: ${name} must be a value of ${JSON.stringify(parameter.description)}, got ${describe(value)} (trial ${number})`,
      );
    };
  }

  #next(asking: Asking): Proposal | "wait" | undefined {
    const initial = this.#initial[asking.number - 1];
    if (initial) return initial;
    const next = this.#strategy.next(asking);
    if (next === undefined || next === "wait") return next;
    const { params } = next ?? {};
    if (typeof next !== "object" || (params !== undefined && typeof params !== "function" && typeof params !== "object"))
      throw new MinibatchError(
        `strategy ${describe(this.#strategy.kind)}: next must give { params }, "wait" or undefined, got ${describe(next)}`,
      );
    return next;
  }

  /** The next trial for this process, recorded as begun. One claim at a time. */
  claim(threads: number): Promise<LiveTrial<S> | NoTrial> {
    const claimed = this.#claiming.catch(() => undefined).then(() => this.#claim(threads));
    this.#claiming = claimed;
    return claimed;
  }

  async #claim(threads: number): Promise<LiveTrial<S> | NoTrial> {
    for (;;) {
      if (this.#closed) throw new MinibatchError("study: it is closed; open it again");
      await this.#refresh();
      const { trials } = this.#ledger;
      const left = trials.find((kept) => this.#abandoned(kept));
      if (left) {
        const lease = left.lease + 1;
        await this.#appendOwned({ time: Date.now(), event: "resume", trial: left.number, lease, owner: this.#owner.id });
        if (left.state === "running" && left.owner === this.#owner.id && left.lease === lease) return this.#resumed(left, threads);
        continue;
      }
      const number = trials.length + 1;
      const seen = this.#ledger.entries.length;
      const proposal = this.#next(this.#asking(this.#ledger, number));
      if (proposal === "wait") return proposal;
      if (!proposal) return trials.some((kept) => kept.state === "running") ? "last" : undefined;
      const propose = this.#proposer(proposal, number);
      const recorded: Record<string, Json> = {};
      const params = resolve(this.#space, <T>(name: string, parameter: Parameter<T>) => {
        const value = propose(name, parameter);
        recorded[name] = parameter.record(value);
        return value as T;
      });
      const { note } = proposal;
      await this.#appendOwned({
        time: Date.now(),
        event: "start",
        trial: number,
        owner: this.#owner.id,
        by: number <= this.#initial.length ? "initial" : String(this.#strategy.kind),
        params: recorded,
        ...(note !== undefined && { note }),
        seen,
      });
      const kept = trials[number - 1];
      // Another process may have begun a trial of this number first: what was proposed is forgotten.
      if (kept?.owner === this.#owner.id) return this.#begin(kept, params, threads, propose);
    }
  }

  /** Records what this process takes on, with who it is the first time, and reads back whether it has it. */
  async #appendOwned(entry: Entry): Promise<void> {
    const time = Date.now();
    await this.#append(this.#introduced ? [entry] : [{ time, event: "owner", ...this.#owner }, entry]);
    this.#introduced = true;
    await this.#refresh();
  }

  /** An unfinished trial: its recorded values, and for what is not recorded the proposal made again from what was seen then. */
  #resumed(kept: Kept, threads: number): LiveTrial<S> {
    const again = this.#next(this.#asking(this.#ledger.before(kept.seen), kept.number));
    const propose = this.#proposer(typeof again === "object" ? again : {}, kept.number);
    const params = resolve(this.#space, <T>(name: string, parameter: Parameter<T>) => {
      const value = parameter.recall(kept.recorded.get(name) ?? null);
      if (value === undefined)
        throw new MinibatchError(
          `storage: trial ${kept.number} must have a value of ${name}, got none that fits (${this.#storage.name})`,
          "FILE",
        );
      try {
        propose(name, parameter);
      } catch {
        // Another strategy goes on with this study; what it would have proposed does not matter.
      }
      return value;
    });
    return this.#begin(kept, params, threads, propose);
  }

  #begin(kept: Kept, params: Params<S>, threads: number, propose: (name: string, parameter: Parameter) => unknown): LiveTrial<S> {
    const { number } = kept;
    const trial = new LiveTrial<S>({
      kept,
      params,
      seed: trialSeed(this.seed, number),
      threads,
      signal: this.#signal,
      folder: this.#storage.folder,
      propose,
      write: (entry) => this.#write(entry),
      prune: (step, reports) => {
        if (!this.#pruner) return false;
        const others = this.#ledger.past().filter((other) => other.number !== number);
        // For the next report: what other trials and processes have reported meanwhile.
        this.#refresh().catch(() => undefined);
        return this.#pruner.prune({ number, step, reports, direction: this.direction, others });
      },
    });
    this.#live.set(number, trial);
    return trial;
  }

  /** Whether trials run that this process does not work on. */
  foreign(): boolean {
    return this.#ledger.trials.some((kept) => kept.state === "running" && !this.#live.has(kept.number));
  }

  /** Records an end; false when another process had taken the trial over, so that this end does not count. */
  async end(trial: LiveTrial<S>, outcome: number | Error | "pruned"): Promise<boolean> {
    const { number, attempt: lease } = trial;
    const time = Date.now();
    trial.end();
    const end = { time, event: "end", trial: number, lease } as const;
    const entry: Entry =
      outcome === "pruned"
        ? { ...end, state: "pruned" }
        : typeof outcome === "number"
          ? { ...end, state: "done", value: outcome }
          : { ...end, state: "failed", error: outcome.message };
    await this.#append([entry], true);
    this.#live.delete(number);
    await this.#refresh();
    const counts = this.#ledger.trials[number - 1]?.lease === lease;
    const { folder } = this.#storage;
    if (counts && folder !== undefined) clearCheckpoints(folder, number);
    return counts;
  }

  /** Lets go of a trial without an end. */
  async release(trial: LiveTrial<S>): Promise<void> {
    trial.end();
    this.#live.delete(trial.number);
    await this.#append([{ time: Date.now(), event: "release", trial: trial.number, lease: trial.attempt }]);
  }

  async ask(): Promise<AskedTrial<S> | undefined> {
    const claimed = await this.claim(backend().threads);
    if (claimed !== "wait") return claimed === "last" ? undefined : claimed;
    throw new MinibatchError(`ask: ${this.#strategy.kind} waits for trials that run; tell how they ended before asking for the next`);
  }

  async tell(trial: AskedTrial<S>, outcome: number | Error | "pruned"): Promise<void> {
    const live = this.#live.get(trial?.number);
    if (!live || live !== trial) throw new MinibatchError("tell: trial must be one that ask gave and that was not told of yet");
    if (outcome !== "pruned" && !(outcome instanceof Error) && typeof outcome !== "number")
      throw new MinibatchError(`tell: outcome must be a number, an error or "pruned", got ${describe(outcome)}`);
    const failed = typeof outcome === "number" && !Number.isFinite(outcome);
    const end = failed ? notFinite(outcome) : live.verdict instanceof TrialPruned ? "pruned" : (live.verdict ?? outcome);
    if (!(await this.end(live, end)))
      throw new MinibatchError(`tell: trial ${live.number} was taken over by another process; its end counts`);
  }

  async trials(): Promise<readonly TrialRecord<S>[]> {
    await this.#refresh();
    return this.records();
  }

  /** Trials that have ended, as far as the log was read. */
  records(): TrialRecord<S>[] {
    return this.#ledger.trials.filter((kept) => kept.state !== "running").map((kept) => this.record(kept.number));
  }

  /** The best trial that is done so far, the earlier of equal ones. */
  best(): TrialRecord<S> | undefined {
    const sign = this.direction === "minimize" ? 1 : -1;
    let best: Kept | undefined;
    for (const kept of this.#ledger.trials) if (kept.state === "done" && (!best || sign * (kept.value - best.value) < 0)) best = kept;
    return best && this.record(best.number);
  }

  record(number: number): TrialRecord<S> {
    const kept = this.#ledger.trials[number - 1] as Kept;
    return recordOf(this.#space, kept, trialSeed(this.seed, number));
  }

  async result(): Promise<StudyResult<S>> {
    await this.#refresh();
    const ended = this.#ledger.trials.filter((kept) => kept.state !== "running");
    return resultOf(
      ended.map((kept) => ({ kept, record: this.record(kept.number) })),
      this.#space,
      this.direction,
    );
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#timer);
    try {
      for (const trial of [...this.#live.values()]) await this.release(trial);
      await this.#pending;
    } finally {
      closeOwner(this.#owner);
      await this.#storage.close();
    }
  }
}

/**
 * Opens a study whose loop is one's own.
 *
 * ```ts
 * const open = await openStudy({ space: { learningRate: logUniform(1e-4, 1) }, strategy: tpe({ trials: 40 }), storage: "study.jsonl" });
 * for (let trial = await open.ask(); trial; trial = await open.ask()) await open.tell(trial, await measure(trial.params.learningRate));
 * console.log((await open.result()).best);
 * await open.close();
 * ```
 */
export async function openStudy<const S extends Space = Record<never, never>>(options: OpenOptions<S>): Promise<Study<S>> {
  checkOptions("openStudy", options, openKeys);
  if (options === undefined) throw new MinibatchError("openStudy: options must be an object with at least strategy, got undefined");
  return new OpenStudy<S>(options).open();
}
