// The loop of a study: places for so many trials at once, each with its share of the cores; the end in good order when it is
// interrupted. All that is decided or recorded is the open study's.
import { checkNumber, checkOptions, describe, MinibatchError } from "../errors.ts";
import { backend } from "../run/backend.ts";
import { attempt, type Objective, shares } from "./attempt.ts";
import { checkSignal, type OpenOptions, OpenStudy, openKeys } from "./open.ts";
import type { TrialRecord } from "./record.ts";
import type { StudyResult } from "./result.ts";
import type { Space } from "./space.ts";

/** What a study that runs has found. */
export interface StudySoFar<S extends Space> {
  /** Of all processes that work on it; undefined while no trial is done. */
  readonly best: TrialRecord<S> | undefined;
  /** How many trials have ended. */
  readonly trials: number;
  /** Begins no further trial; those that run are finished, and the study resolves with what there is. */
  stop(): void;
}

export interface StudyOptions<S extends Space> extends OpenOptions<S> {
  /** What is to be made small (or great): trains with these values, returns the value. */
  objective: Objective<S>;
  /** Trials at once, in this process; they share the cores. 1 by default. */
  parallel?: number | undefined;
  /**
   * Told of every trial that this process has ended, in the order of their ends, with what was found so far. It may stop the study. The next trial
   * in that trial's place waits for what it returns; what it throws ends the study.
   */
  onTrial?: ((trial: TrialRecord<S>, soFar: StudySoFar<S>) => unknown) | undefined;
  /** Seconds after which no further trial begins; those that run are finished. The same call goes on with another timeout. */
  timeout?: number | undefined;
  /** Ends the study: trials that run are let go of, everything is recorded, and the study rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

/** How often the log is looked at while other processes run the last trials. */
const pollMilliseconds = 200;

function interrupted(kept: boolean): MinibatchError {
  return new MinibatchError(
    `study: interrupted (SIGINT)${kept ? "; everything is recorded, and the same call goes on from here" : "; nothing is kept, as there is no storage"}`,
  );
}

/**
 * Runs trials until the strategy has no more, and resolves to what was found. A trial that throws, or whose value is not finite,
 * is recorded as failed and the study goes on; it rejects when no trial succeeds. With a journal, the same call goes on where it stopped:
 * finished trials are not repeated, unfinished ones go on with their values and seed, from their checkpoints where the objective's `fit` has
 * `...trial.checkpoints()`. Ctrl-C ends it in good order, a second one at once.
 *
 * ```ts
 * const { best } = await study({
 *   space: { x: uniform(-5, 10), y: uniform(0, 15) },
 *   strategy: randomSearch({ trials: 50 }),
 *   objective: ({ x, y }) => (y - x * x) ** 2 + (x - 1) ** 2,
 * });
 * ```
 */
export async function study<const S extends Space = Record<never, never>>(options: StudyOptions<S>): Promise<StudyResult<S>> {
  checkOptions("study", options, [...openKeys, "objective", "parallel", "onTrial", "timeout"]);
  if (options === undefined)
    throw new MinibatchError("study: options must be an object with at least strategy and objective, got undefined");
  const { objective, onTrial, timeout, ...rest } = options;
  if (typeof objective !== "function") throw new MinibatchError(`study: objective must be a function, got ${describe(objective)}`);
  if (onTrial !== undefined && typeof onTrial !== "function")
    throw new MinibatchError(`study: onTrial must be a function, got ${describe(onTrial)}`);
  const parallel = checkNumber("study", "parallel", options.parallel ?? 1, { whole: true, min: 1, max: 256 });
  const last =
    timeout === undefined ? Number.POSITIVE_INFINITY : performance.now() + 1000 * checkNumber("study", "timeout", timeout, { above: 0 });
  checkSignal(options.signal);
  const end = new AbortController();
  const open = new OpenStudy<S>({ ...rest, signal: options.signal ? AbortSignal.any([options.signal, end.signal]) : end.signal });
  const interrupt = () => end.abort(interrupted(options.storage !== undefined));
  process.once("SIGINT", interrupt);
  try {
    options.signal?.throwIfAborted();
    await open.open();
    await new Loop({ open, objective, onTrial, end, last }).run(shares(backend().threads, parallel), options.signal);
    return await open.result();
  } finally {
    process.removeListener("SIGINT", interrupt);
    await open.close();
  }
}

interface LoopParts<S extends Space> {
  readonly open: OpenStudy<S>;
  readonly objective: Objective<S>;
  readonly onTrial: StudyOptions<S>["onTrial"];
  readonly end: AbortController;
  /** When no further trial begins, by the clock of `performance`. */
  readonly last: number;
}

class Loop<S extends Space> {
  readonly #open: OpenStudy<S>;
  readonly #objective: Objective<S>;
  readonly #onTrial: StudyOptions<S>["onTrial"];
  readonly #end: AbortController;
  #last: number;
  /** Called when a trial of this process has ended, or none must be waited for any more. */
  #wake: (() => void)[] = [];

  constructor({ open, objective, onTrial, end, last }: LoopParts<S>) {
    this.#open = open;
    this.#objective = objective;
    this.#onTrial = onTrial;
    this.#end = end;
    this.#last = last;
  }

  async run(places: readonly number[], outer: AbortSignal | undefined): Promise<void> {
    const wake = () => this.#changed();
    outer?.addEventListener("abort", wake);
    this.#end.signal.addEventListener("abort", wake);
    const stopped = () => (outer?.aborted ? outer : this.#end.signal.aborted ? this.#end.signal : undefined);
    try {
      // A place that fails (the disk is full) ends the others too, once their objectives have let go.
      await Promise.all(
        places.map((threads) =>
          this.#place(threads, () => stopped() !== undefined).catch((error: unknown) => {
            this.#end.abort(error);
          }),
        ),
      );
    } finally {
      outer?.removeEventListener("abort", wake);
    }
    stopped()?.throwIfAborted();
  }

  #changed(): void {
    const waiting = this.#wake;
    this.#wake = [];
    for (const wake of waiting) wake();
  }

  /** Until a trial of this process ends, or for a moment where other processes may end theirs. */
  async #wait(): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    await new Promise<void>((resolve) => {
      this.#wake.push(resolve);
      if (this.#open.foreign()) timer = setTimeout(resolve, pollMilliseconds);
    });
    clearTimeout(timer);
  }

  async #tell(number: number): Promise<void> {
    await this.#onTrial?.(this.#open.record(number), {
      best: this.#open.best(),
      trials: this.#open.ended(),
      stop: () => {
        this.#last = Number.NEGATIVE_INFINITY;
      },
    });
  }

  async #place(threads: number, stopped: () => boolean): Promise<void> {
    while (!stopped() && performance.now() < this.#last) {
      const trial = await this.#open.claim(threads);
      if (trial === undefined) return;
      if (trial === "wait" || trial === "last") {
        // Trials of this process need nobody who waits for them; those of others may be left behind.
        if (trial === "last" && !this.#open.foreign()) return;
        await this.#wait();
        continue;
      }
      const outcome = await attempt(this.#objective, trial);
      try {
        if (outcome === undefined) await this.#open.release(trial);
        else if (await this.#open.end(trial, outcome)) await this.#tell(trial.number);
        else console.error(`minibatch: trial ${trial.number} was taken over by another process, whose end counts`);
      } finally {
        this.#changed();
      }
    }
  }
}
