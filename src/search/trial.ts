// A trial as the objective holds it: its seed and share of the cores, reports, values asked for on the way. It writes down
// what happens to it; whether it may go on is for others to say.
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkNumber, checkOptions, describe, MinibatchError } from "../errors.ts";
import type { Json } from "../nn/layer.ts";
import type { CheckpointOptions, Every, ResumeOptions } from "../train/checkpoint-options.ts";
import { checkpointFolder, trialFolder } from "./folder.ts";
import type { Kept } from "./ledger.ts";
import { checkDimension, type Dimension, type Parameter, type Params, resolveDimension, type Space } from "./space.ts";
import type { Entry } from "./storage.ts";

/** What `report` throws when a trial is pruned. Let it pass: the study knows, and no result is expected any more. */
export class TrialPruned extends Error {
  constructor(number: number, step: number) {
    super(`trial ${number} was pruned at step ${step}: others were better by then`);
    this.name = "TrialPruned";
  }
}

export interface TrialCheckpoints {
  /** What the checkpoints of this run are called: needed where one objective makes several runs, such as folds. "fit" by default. */
  name?: string | undefined;
  /** As in `fit`: 1 by default, after every epoch. */
  every?: Every | undefined;
  /** As in `fit`. */
  keep?: number | undefined;
}

export interface Trial {
  /** Counts from 1, in the order in which trials begin. */
  readonly number: number;
  /** The trial's own seed, from the study's seed and its number. */
  readonly seed: number;
  /** Aborted when the study ends early. */
  readonly signal: AbortSignal;
  /** Its share of the cores; what `fit` takes inside the objective unless it is told otherwise. */
  readonly threads: number;
  /** 1, and one more each time an unfinished trial was taken up again. */
  readonly attempt: number;
  /** A folder of its own, made when it is first asked for. Beside a journal it stays, so checkpoints in it outlive a crash. */
  readonly dir: string;
  /** Values reported so far, by earlier attempts too, in the order of steps. */
  readonly reports: readonly number[];
  /**
   * Tells how the trial does after one more step (an epoch), or after step `step` (from 1). Throws TrialPruned when it is not worth going
   * on, the signal's reason when the study ends, and an error when the value is not finite; each ends a loop over a run. What an earlier attempt has
   * reported of a step stays as it was, and so does what was decided then.
   */
  report(value: number, step?: number): void;
  /**
   * Options of `fit` with which the run of a trial whose process died goes on from its last checkpoint, bit for bit, when the study goes on. Its loop gets
   * the earlier epochs too, so reports line up. The checkpoints lie beside the journal and go when the trial has ended; where no journal
   * keeps the study there are none.
   *
   * ```ts
   * const run = model.fit(train, { dev, loss, optimizer, epochs: 30, seed: trial.seed, ...trial.checkpoints() });
   * ```
   */
  checkpoints(options?: TrialCheckpoints): { checkpoint?: CheckpointOptions; resume?: ResumeOptions };
  /**
   * A parameter that the space does not name, for what depends on other values: `trial.suggest("units 2", logInteger(16, 256))`.
   * The same name gives the same value within a trial.
   */
  suggest<T>(name: string, dimension: Dimension<T>): T;
}

/** A trial of one's own loop. */
export interface AskedTrial<S extends Space> extends Trial {
  readonly params: Params<S>;
}

/** What a trial needs of its study. */
export interface TrialParts<S extends Space> {
  readonly kept: Kept;
  readonly params: Params<S>;
  readonly seed: number;
  readonly threads: number;
  readonly signal: AbortSignal;
  readonly folder: string | undefined;
  /** A new value for a name that nothing is recorded for. */
  propose(name: string, parameter: Parameter): unknown;
  /** Hands an entry over; never throws. */
  write(entry: Entry): void;
  prune(step: number, reports: ReadonlyMap<number, number>): boolean;
}

export class LiveTrial<S extends Space> implements AskedTrial<S> {
  readonly number: number;
  readonly seed: number;
  readonly params: Params<S>;
  readonly threads: number;
  readonly signal: AbortSignal;
  readonly attempt: number;
  readonly #parts: TrialParts<S>;
  readonly #reports: Map<number, number>;
  /** Steps that earlier attempts have reported and this one has not come to yet. */
  readonly #ahead: Set<number>;
  /** The last of them: whether the trial may go on from there was perhaps not decided any more. */
  readonly #undecided: number | undefined;
  readonly #recorded: Map<string, Json>;
  /** What this attempt has asked for. */
  readonly #suggested = new Map<string, unknown>();
  readonly #runs = new Set<string>();
  #step = 0;
  #dir: string | undefined;
  #over = false;
  /** Why no value is expected any more, whatever the objective makes of it. */
  verdict: TrialPruned | MinibatchError | undefined;

  constructor(parts: TrialParts<S>) {
    const { kept, seed, params, threads, signal } = parts;
    this.#parts = parts;
    this.number = kept.number;
    this.attempt = kept.lease;
    this.seed = seed;
    this.params = params;
    this.threads = threads;
    this.signal = signal;
    this.#reports = new Map(kept.reports);
    this.#ahead = new Set(kept.reports.keys());
    this.#undecided = [...kept.reports.keys()].at(-1);
    this.#recorded = new Map(kept.recorded);
  }

  get reports(): readonly number[] {
    return [...this.#reports].sort(([a], [b]) => a - b).map(([, value]) => value);
  }

  get dir(): string {
    if (this.#dir === undefined) {
      const { folder } = this.#parts;
      this.#dir = folder === undefined ? mkdtempSync(join(tmpdir(), "minibatch-trial-")) : trialFolder(folder, this.number);
      mkdirSync(this.#dir, { recursive: true });
    }
    return this.#dir;
  }

  #goOn(what: string): void {
    if (this.verdict) throw this.verdict;
    if (this.#over) throw new MinibatchError(`${what}: trial ${this.number} has ended`);
    this.signal.throwIfAborted();
  }

  report(value: number, step?: number): void {
    this.#goOn("report");
    const at = step === undefined ? this.#step + 1 : checkNumber("report", "step", step, { whole: true, min: 1 });
    if (typeof value !== "number" || !Number.isFinite(value)) {
      this.verdict = new MinibatchError(`report: value must be a finite number, got ${describe(value)} (trial ${this.number}, step ${at})`);
      throw this.verdict;
    }
    this.#step = at;
    const again = this.#ahead.delete(at);
    if (again && at !== this.#undecided) return;
    if (!again) {
      this.#reports.set(at, value);
      this.#parts.write({ time: Date.now(), event: "report", trial: this.number, lease: this.attempt, step: at, value });
    }
    if (!this.#parts.prune(at, this.#reports)) return;
    this.verdict = new TrialPruned(this.number, at);
    throw this.verdict;
  }

  checkpoints(options: TrialCheckpoints = {}): { checkpoint?: CheckpointOptions; resume?: ResumeOptions } {
    this.#goOn("checkpoints");
    checkOptions("checkpoints", options, ["name", "every", "keep"]);
    const { name = "fit", every, keep } = options;
    if (typeof name !== "string" || !/^[\w-][\w .-]*$/.test(name))
      throw new MinibatchError(
        `checkpoints: name must be a text of letters, digits, spaces and any of _-. that a folder may have, got ${describe(name)}`,
      );
    if (this.#runs.has(name))
      throw new MinibatchError(
        `checkpoints: each run of a trial needs its own, got ${describe(name)} twice (trial ${this.number}); trial.checkpoints({ name: "fold 2" }) gives them a name`,
      );
    this.#runs.add(name);
    const { folder } = this.#parts;
    if (folder === undefined) return {};
    const dir = checkpointFolder(folder, this.number, name);
    return { checkpoint: { dir, every, keep }, resume: { dir, replay: true, onMismatch: "restart" } };
  }

  suggest<T>(name: string, dimension: Dimension<T>): T {
    this.#goOn("suggest");
    if (typeof name !== "string" || name === "") throw new MinibatchError(`suggest: name must be a text, got ${describe(name)}`);
    checkDimension(`suggest(${describe(name)}): the dimension`, dimension);
    return resolveDimension(name, dimension, (full, parameter) => this.#one(full, parameter));
  }

  #one<T>(name: string, parameter: Parameter<T>): T {
    const mismatch = (value: unknown) =>
      new MinibatchError(
        `suggest: "${name}" was ${describe(value)} in this trial, which ${parameter.kind} does not allow; choose another name`,
      );
    if (this.#suggested.has(name)) {
      const value = this.#suggested.get(name);
      if (parameter.position(value) === undefined) throw mismatch(value);
      return value as T;
    }
    const recorded = this.#recorded.get(name);
    if (recorded !== undefined && !this.#parts.kept.suggested.has(name))
      throw new MinibatchError(`suggest: "${name}" is a parameter of the space; choose another name`);
    // Asked in any case: strategies may go by the order in which they are asked.
    const proposed = this.#parts.propose(name, parameter);
    if (recorded !== undefined) {
      const value = parameter.recall(recorded);
      if (value === undefined) throw mismatch(recorded);
      this.#suggested.set(name, value);
      return value;
    }
    const value = parameter.record(proposed);
    this.#parts.write({
      time: Date.now(),
      event: "suggest",
      trial: this.number,
      lease: this.attempt,
      name,
      dimension: parameter.description,
      value,
    });
    this.#suggested.set(name, proposed);
    return proposed as T;
  }

  /** No report counts from here on. A folder that no journal keeps goes too. */
  end(): void {
    this.#over = true;
    if (this.#dir !== undefined && this.#parts.folder === undefined) rmSync(this.#dir, { recursive: true, force: true });
  }
}
