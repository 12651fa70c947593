// The handle of a run: a promise of its history, a sequence of epochs, and the reins. It holds no numbers of the model;
// the trainer asks it what to do at step boundaries and tells it what happened.
import { checkOptions, describe, internal, MinibatchError } from "../errors.ts";
import type { Json } from "../nn/layer.ts";
import type { Epoch, History, Intervention } from "./history.ts";
import { type Mark, Marks } from "./marks.ts";
import type { Probe } from "./probe.ts";
import { type RunFacts, reporter } from "./report.ts";
import { type Change, checkChange, type RunSettings, type Subject } from "./tuning.ts";

/** When a change took effect. */
export interface Applied {
  /** Steps made before it. */
  readonly step: number;
  /** The epoch that was to be trained then, or was being trained. */
  readonly epoch: number;
  /** Where the run stood before it; `run.revert()` goes back there. */
  readonly mark: Mark;
}

/** Await it for the history, iterate it for epochs as they finish, steer it while it works. */
export interface Run<E = Epoch> extends Promise<History<E>>, AsyncIterable<E, void, undefined> {
  /** Halts at the next step boundary until resume(). */
  pause(): void;
  resume(): void;
  /** Ends the run at the next step boundary; the epoch is closed, evaluated and recorded, and the run resolves. */
  stop(): void;
  /**
   * Changes what steps are made with. A learning rate alone holds from the next step on; a call with anything else takes effect whole, at the
   * start of the next epoch, which in a loop's body and in `onEpoch` is at once. Before it the run keeps a mark, for `revert()`. Resolves when it
   * has taken effect; with undefined when the run has ended, or a revert takes it back, before that. Throws for values that the run cannot have.
   *
   * ```ts
   * for await (const { epoch } of run) if (epoch === 10) run.set({ learningRate: 0.01, regularizer: l2(0.5), batchSize: 128 });
   * ```
   */
  set(values: RunSettings): Promise<Applied | undefined>;
  /** Keeps parameters, statistics, optimizer state and settings under a name. */
  mark(name: string): Promise<Mark>;
  /**
   * Goes back to what a mark kept, by default to where the run stood before the last change that is not undone yet. Settings go back too,
   * unless `settings: "keep"`; steps and epochs count on, and the rows to come are those that were to come. It takes effect at the next step
   * boundary. In a loop's body or `onEpoch` it also saves a run that is not finite any more. Rejects where there is no such mark.
   */
  revert(mark?: Mark | string, options?: RevertOptions): Promise<void>;
  /** What it can go back to, in the order in which it was kept; of the automatic ones the newest three. */
  readonly marks: readonly Mark[];
  /**
   * Waits for the end of the run and writes a page about it, a name that ends in .html: settings, summary, learning curves, gradient health,
   * confusion matrix (of a regression the residuals), diagnosis with advice, the worst mistakes; of dev where it was given. It
   * needs the optional packages of minibatch/plot.
   *
   * ```ts
   * await run.report("report.html");
   * ```
   */
  report(file: string | URL): Promise<void>;
}

export interface RevertOptions {
  /** "revert" by default: learning rate, batch size and so on are those of the mark again; "keep": as they are now. */
  settings?: "revert" | "keep" | undefined;
}

/** What the trainer can do for a handle at a step boundary. */
export interface Steered {
  /** Steps made so far. */
  step(): number;
  /** Whether steps have been made of an epoch that has not ended. */
  inEpoch(): boolean;
  /** What a change must fit. */
  subject(): Subject;
  /** Tells when it has taken effect, and undefined when it never will. */
  set(change: Change, told: (applied: Applied | undefined) => void): void;
  mark(name: string): Mark;
  revert(name: string | undefined, keepSettings: boolean): void;
  stop(): void;
}

/** Something to be done once the run has made so many steps. */
export interface Cue {
  readonly step: number;
  /** After the end of the epoch under way, which a stop has cut short at this step. */
  readonly closed?: boolean;
  run(target: Steered): void;
}

interface Reader<E> {
  next: number;
  /** Training waits for this reader at the end of an epoch. */
  holds: boolean;
  /** Asked for and not answered yet, in order. */
  readonly waiting: { resolve(result: IteratorResult<E, void>): void; reject(error: unknown): void }[];
  /** It was told the end, the failure, or that nobody listens any more. */
  over: boolean;
}

interface Command {
  run(target: Steered): void;
  /** Told when the run ends before it was its turn. */
  drop(): void;
}

const ended = () => new MinibatchError("run: it has ended; start another with fit");

/** What fit and its trainer share with the handle. */
export class RunControl<E> {
  /** control[0] interrupts the steps that are under way; control[1] counts those done. */
  readonly flags = new Int32Array(new SharedArrayBuffer(8));
  readonly epochs: E[] = [];
  readonly interventions: Intervention[] = [];
  /** Told of every intervention. */
  told: ((intervention: Intervention) => void) | undefined;
  /** What a change must fit, before the trainer says so; set by fit. */
  subject: Subject | undefined;
  marks: readonly Mark[] = [];
  /** What a replay does, in order. */
  readonly script: Cue[] = [];
  paused = false;
  stopping = false;
  /** Epochs of the run that this one goes on with, where loops begin behind them. */
  #resumed = 0;
  /** What a report is made of; set by fit. */
  facts: (() => RunFacts) | undefined;
  /** For a look inside: where the run stood at the end of the last epoch, or where it ceased to be finite. */
  probe: { readonly at: Probe; readonly finite: boolean } | undefined;
  readonly #readers = new Set<Reader<E>>();
  readonly #commands: Command[] = [];
  #settled: { error?: unknown } | undefined;
  #wake: (() => void) | undefined;

  get settled(): boolean {
    return this.#settled !== undefined;
  }

  /** Interrupts the steps under way and wakes the trainer, should it wait. */
  interrupt(): void {
    Atomics.store(this.flags, 0, 1);
    this.wake();
  }

  /** The trainer looks again at what it waits for. */
  wake(): void {
    this.#wake?.();
  }

  command(command: Command): void {
    if (this.#settled) {
      command.drop();
      return;
    }
    this.#commands.push(command);
    this.interrupt();
  }

  /** At a step boundary: everything asked for since the last one, in order. */
  obey(target: Steered): void {
    Atomics.store(this.flags, 0, 0);
    for (let command = this.#commands.shift(); command; command = this.#commands.shift()) command.run(target);
    for (let cue = this.script[0]; cue && cue.step <= target.step(); cue = this.script[0]) {
      if (cue.closed && target.inEpoch()) return;
      if (cue.step < target.step()) throw internal(`a replay came past step ${cue.step}, it stands at ${target.step()}`);
      this.script.shift();
      cue.run(target);
    }
  }

  /** Steps to the next cue. */
  stepsLeft(step: number): number {
    const [cue] = this.script;
    return cue ? Math.max(1, cue.step - step) : Number.POSITIVE_INFINITY;
  }

  record(what: Intervention["what"], step: number, value?: Json): void {
    const intervention = value === undefined ? { step, what } : { step, what, value };
    this.interventions.push(intervention);
    this.told?.(intervention);
  }

  /** Waits until `ready`, obeying commands meanwhile. */
  async wait(target: Steered, ready: () => boolean): Promise<void> {
    for (;;) {
      this.obey(target);
      if (ready()) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
  }

  /** What a run before this one, of which it is the continuation, has left behind; with `replay` loops get its epochs too. */
  restore(epochs: readonly E[], interventions: readonly Intervention[], replay: boolean): void {
    // One by one: as arguments of one call there may be too many.
    for (const epoch of epochs) this.epochs.push(epoch);
    this.interventions.unshift(...interventions);
    this.#resumed = replay ? 0 : epochs.length;
    for (const reader of this.#readers) {
      reader.next = this.#resumed;
      this.#serve(reader);
    }
  }

  /** A finished epoch goes to every reader that waits for it. */
  push(epoch: E): void {
    this.epochs.push(epoch);
    for (const reader of this.#readers) this.#serve(reader);
  }

  /** Whether no loop still works on an epoch: each that holds the run has asked for the next. */
  released(): boolean {
    for (const reader of this.#readers) if (reader.holds && !reader.waiting.length) return false;
    return true;
  }

  /** Somebody awaits the run: loops that are open no longer hold it back. */
  release(): void {
    for (const reader of this.#readers) reader.holds = false;
    this.#wake?.();
  }

  /** The end: readers get the rest of the epochs, then the end or the failure. True when a reader took the failure. */
  settle(outcome: { error?: unknown }): boolean {
    this.#settled = outcome;
    for (let command = this.#commands.shift(); command; command = this.#commands.shift()) command.drop();
    const told = "error" in outcome && [...this.#readers].some((reader) => reader.waiting.length > 0);
    for (const reader of this.#readers) this.#serve(reader);
    this.#tellEnded();
    return told;
  }

  /** Resolves when the run has settled, however; nothing counts as handled by it. */
  readonly ended: Promise<void>;
  #tellEnded: () => void = () => undefined;

  constructor() {
    this.ended = new Promise((resolve) => {
      this.#tellEnded = resolve;
    });
  }

  #serve(reader: Reader<E>): void {
    while (reader.waiting.length && (reader.next < this.epochs.length || this.#settled || reader.over)) {
      const waiting = reader.waiting.shift() as Reader<E>["waiting"][number];
      if (!reader.over && reader.next < this.epochs.length) {
        waiting.resolve({ done: false, value: this.epochs[reader.next++] as E });
        continue;
      }
      const failed = !reader.over && this.#settled !== undefined && "error" in this.#settled;
      this.#close(reader);
      if (failed) waiting.reject((this.#settled as { error: unknown }).error);
      else waiting.resolve({ done: true, value: undefined });
    }
  }

  #close(reader: Reader<E>): void {
    reader.over = true;
    this.#readers.delete(reader);
  }

  reader(onLeave: () => Promise<void>, onFailure: () => void): AsyncIterator<E, void, undefined> {
    const reader: Reader<E> = { next: this.#resumed, holds: true, waiting: [], over: false };
    this.#readers.add(reader);
    return {
      next: () =>
        new Promise((resolve, reject) => {
          reader.waiting.push({
            resolve,
            reject: (error) => {
              onFailure();
              reject(error);
            },
          });
          this.#serve(reader);
          this.#wake?.();
        }),
      return: async () => {
        if (!reader.over) {
          this.#close(reader);
          this.#serve(reader);
          this.#wake?.();
          await onLeave();
        }
        return { done: true, value: undefined };
      },
    };
  }
}

type Settle<E> = { resolve(history: History<E>): void; reject(error: unknown): void };

/** A promise of the history with reins. `then` on it is an ordinary promise's. */
export class RunHandle<E> extends Promise<History<E>> implements Run<E> {
  #control: RunControl<E> | undefined;

  static override get [Symbol.species](): PromiseConstructor {
    return Promise;
  }

  /** Makes a handle; `begin` gets its control and the way to settle it. */
  static start<E>(control: RunControl<E>, begin: (settle: Settle<E>) => void): RunHandle<E> {
    let settle: Settle<E> | undefined;
    const handle = new RunHandle<E>((resolve, reject) => {
      settle = { resolve, reject };
    });
    handle.#control = control;
    const { resolve, reject } = settle as unknown as Settle<E>;
    begin({
      resolve: (history) => {
        control.settle({});
        resolve(history);
      },
      reject: (error) => {
        if (control.settle({ error })) handle.#handled();
        reject(error);
      },
    });
    return handle;
  }

  get #reins(): RunControl<E> {
    return this.#control as RunControl<E>;
  }

  /** The control of a run, for who looks inside it; undefined for anything else. */
  static controlOf(run: unknown): RunControl<unknown> | undefined {
    return run instanceof RunHandle ? (run.#control as RunControl<unknown> | undefined) : undefined;
  }

  /** A failure that a loop was told counts as handled. */
  #handled(): void {
    super.then(undefined, () => undefined);
  }

  // biome-ignore lint/suspicious/noThenProperty: a Run is a promise; awaiting it inside a loop releases the loop's hold.
  override then<A = History<E>, B = never>(
    onFulfilled?: ((value: History<E>) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.#control?.release();
    return super.then(onFulfilled, onRejected);
  }

  [Symbol.asyncIterator](): AsyncIterator<E, void, undefined> {
    const leave = async () => {
      this.stop();
      // Ends when the run has ended, so that a second fit may follow at once; a failure is for whoever awaits the run.
      await this.#reins.ended;
    };
    return this.#reins.reader(leave, () => this.#handled());
  }

  pause(): void {
    const control = this.#reins;
    if (control.settled || control.paused) return;
    control.paused = true;
    control.command({ run: (target) => control.record("pause", target.step()), drop: () => undefined });
  }

  resume(): void {
    const control = this.#reins;
    if (control.settled || !control.paused) return;
    control.paused = false;
    control.command({ run: (target) => control.record("resume", target.step()), drop: () => undefined });
  }

  stop(): void {
    const control = this.#reins;
    if (control.settled || control.stopping) return;
    control.stopping = true;
    control.command({ run: (target) => target.stop(), drop: () => undefined });
  }

  set(values: RunSettings): Promise<Applied | undefined> {
    const control = this.#reins;
    if (!control.subject) throw new MinibatchError("run.set: this run was not made by fit");
    const change = checkChange("run.set", values, control.subject);
    return new Promise((resolve, reject) => {
      control.command({
        run: (target) => {
          try {
            target.set(change, resolve);
          } catch (error) {
            reject(error);
          }
        },
        drop: () => resolve(undefined),
      });
    });
  }

  get marks(): readonly Mark[] {
    return this.#reins.marks;
  }

  mark(name: string): Promise<Mark> {
    let chosen: string;
    try {
      chosen = Marks.checkName("run.mark", name);
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#later((target) => target.mark(chosen));
  }

  revert(mark?: Mark | string, options: RevertOptions = {}): Promise<void> {
    const name = typeof mark === "object" ? mark?.name : mark;
    let keep: boolean;
    try {
      if (mark !== undefined && typeof name !== "string")
        throw new MinibatchError(`run.revert: expected a mark or its name, got ${describe(mark)}`);
      checkOptions("run.revert", options, ["settings"]);
      const { settings = "revert" } = options;
      if (settings !== "revert" && settings !== "keep")
        throw new MinibatchError(`run.revert: settings must be "revert" or "keep", got ${describe(settings)}`);
      keep = settings === "keep";
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#later((target) => target.revert(name, keep));
  }

  async report(file: string | URL): Promise<void> {
    // Whoever asks for a report is told of the run's failure by it, also of one that comes while the maker is loaded.
    this.#handled();
    const { checkReportFile, writeReport } = await reporter();
    checkReportFile(file);
    const history = await this;
    const { facts } = this.#reins;
    if (!facts) throw new MinibatchError("run.report: this run was not made by fit");
    await writeReport(this, facts(), history as unknown as History<Epoch>, file);
  }

  #later<T>(f: (target: Steered) => T): Promise<T> {
    const control = this.#reins;
    return new Promise<T>((resolve, reject) => {
      control.command({
        run: (target) => {
          try {
            resolve(f(target));
          } catch (error) {
            reject(error);
          }
        },
        drop: () => reject(ended()),
      });
    });
  }
}
