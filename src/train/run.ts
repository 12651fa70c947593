// The handle of a run: a promise of its history, a sequence of epochs, and the reins. It holds no numbers of the model;
// the trainer asks it what to do at step boundaries and tells it what happened.
import { checkOptions, describe, MinibatchError } from "../errors.ts";
import type { Json } from "../nn/layer.ts";
import { checkRate, type Schedule } from "../optim/schedules.ts";
import type { Epoch, History, Intervention } from "./history.ts";
import type { Probe } from "./probe.ts";
import { type RunFacts, reporter } from "./report.ts";

export interface Mark {
  readonly name: string;
  readonly step: number;
}

/** Await it for the history, iterate it for epochs as they finish, steer it while it works. */
export interface Run<E = Epoch> extends Promise<History<E>>, AsyncIterable<E, void, undefined> {
  /** Halts at the next step boundary until resume(). */
  pause(): void;
  resume(): void;
  /** Ends the run at the next step boundary; the epoch is closed, evaluated and recorded, and the run resolves. */
  stop(): void;
  set(values: { learningRate: number | Schedule }): void;
  /** Keeps parameters, statistics and optimizer state under a name. */
  mark(name: string): Promise<Mark>;
  /** Goes back to what a mark kept. */
  revert(mark: Mark | string): Promise<void>;
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

/** What the trainer can do for a handle at a step boundary. */
export interface Steered {
  /** Steps made so far. */
  step(): number;
  setLearningRate(rate: number | Schedule): void;
  mark(name: string): Mark;
  revert(name: string): void;
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
  paused = false;
  stopping = false;
  /** Epochs of the run that this one goes on with: loops begin behind them. */
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
  }

  record(what: Intervention["what"], step: number, value?: Json): void {
    this.interventions.push(value === undefined ? { step, what } : { step, what, value });
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

  /** What a run before this one, of which it is the continuation, has left behind. */
  restore(epochs: readonly E[], interventions: readonly Intervention[]): void {
    this.epochs.push(...epochs);
    this.interventions.unshift(...interventions);
    this.#resumed = epochs.length;
    for (const reader of this.#readers) reader.next = epochs.length;
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
  #marks = 0;

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
    control.command({ run: (target) => control.record("stop", target.step()), drop: () => undefined });
  }

  set(values: { learningRate: number | Schedule }): void {
    checkOptions("run.set", values, ["learningRate"]);
    const rate = checkRate("run.set", values?.learningRate);
    const control = this.#reins;
    if (control.settled) throw ended();
    control.command({
      run: (target) => {
        target.setLearningRate(rate);
        control.record("set", target.step(), { learningRate: typeof rate === "number" ? rate : "schedule" });
      },
      drop: () => undefined,
    });
  }

  mark(name: string): Promise<Mark> {
    if (name !== undefined && typeof name !== "string")
      return Promise.reject(new MinibatchError(`run.mark: expected a name, got ${describe(name)}`));
    const chosen = name ?? `mark ${++this.#marks}`;
    return this.#later((target, control) => {
      const mark = target.mark(chosen);
      control.record("mark", target.step(), chosen);
      return mark;
    });
  }

  revert(mark: Mark | string): Promise<void> {
    const name = typeof mark === "string" ? mark : mark?.name;
    if (typeof name !== "string")
      return Promise.reject(new MinibatchError(`run.revert: expected a mark or its name, got ${describe(mark)}`));
    return this.#later((target, control) => {
      target.revert(name);
      control.record("revert", target.step(), name);
    });
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

  #later<T>(f: (target: Steered, control: RunControl<E>) => T): Promise<T> {
    const control = this.#reins;
    return new Promise<T>((resolve, reject) => {
      control.command({
        run: (target) => {
          try {
            resolve(f(target, control));
          } catch (error) {
            reject(error);
          }
        },
        drop: () => reject(ended()),
      });
    });
  }
}
