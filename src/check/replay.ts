// Makes a run again from its log: the same options, the same interventions at the same steps, and a look after every epoch
// whether the weights are the same to the last bit. Knows the log and the model, and nothing of how steps are made.
import { checkDataset, type Dataset } from "../dataset.ts";
import { checkOptions, describe, MinibatchError } from "../errors.ts";
import { type Model, replayOn } from "../model.ts";
import { type Loss, losses } from "../nn/losses.ts";
import { elasticNet } from "../nn/regularizers.ts";
import { type Optimizer, optimizerOf } from "../optim/optimizers.ts";
import type { Schedule } from "../optim/schedules.ts";
import type { Epoch, History } from "../train/history.ts";
import { differences } from "../train/identity.ts";
import { type Logged, type LoggedEpoch, type LoggedIntervention, readLog } from "../train/log.ts";
import { Marks } from "../train/marks.ts";
import type { FitOptions } from "../train/options.ts";
import { type Recorder, weightsDigest } from "../train/recorder.ts";
import type { Cue, Steered } from "../train/run.ts";
import { changeFromJson } from "../train/tuning.ts";

/** What a log cannot hold: data, and whatever is a function. Each as `fit` was given it. */
export interface ReplayOptions {
  dev?: Dataset | undefined;
  /** Of one's own making; the library's losses and optimizers stand in the log. */
  loss?: Loss | undefined;
  /** One whose learning rate was a schedule. */
  optimizer?: Optimizer | undefined;
  augment?: FitOptions["augment"];
  metrics?: FitOptions["metrics"];
  /** Schedules that `run.set` was given, in order. */
  schedules?: readonly Schedule[] | undefined;
  /** Whether data, model, kernels and weights must be those of the log, bit for bit: true by default. */
  verify?: boolean | undefined;
  onEpoch?: ((epoch: Epoch) => unknown) | undefined;
  progress?: boolean | undefined;
  threads?: number | undefined;
  signal?: AbortSignal | undefined;
}

const names: readonly (keyof ReplayOptions)[] = [
  "dev",
  "loss",
  "optimizer",
  "augment",
  "metrics",
  "schedules",
  "verify",
  "onEpoch",
  "progress",
  "threads",
  "signal",
];

/** Compares what a replay does with what its log says. */
class Comparison implements Recorder {
  readonly #log: Logged;
  readonly #epochs: ReadonlyMap<number, LoggedEpoch>;
  readonly #file: string;

  constructor(log: Logged, file: string) {
    this.#log = log;
    this.#epochs = new Map(log.epochs.map((each) => [each.epoch, each]));
    this.#file = file;
  }

  #fail(what: string): never {
    throw new MinibatchError(`replay: ${what} (${this.#file}); verify: false plays it all the same`);
  }

  async begin({ identity, start }: Parameters<Recorder["begin"]>[0]): Promise<void> {
    // Metrics change no weights.
    const list = differences(this.#log.identity, identity, ["metrics"]);
    if (list.length) {
      const shown = list.slice(0, 3).map(({ name, expected, got }) => `${name} expected ${expected}, got ${got}`);
      this.#fail(`the run must be the one of the log: ${shown.join("; ")}${list.length > 3 ? `; ${list.length - 3} more` : ""}`);
    }
    const digest = await weightsDigest(start);
    if (digest !== this.#log.start)
      this.#fail(
        `the model must start with the weights of the run, expected SHA-256 ${this.#log.start}, got ${digest}; a new one takes them from the seed`,
      );
  }

  intervention(): void {
    // They come from the log.
  }

  async epoch({ epoch, step }: Epoch, weights: Parameters<Recorder["epoch"]>[1]): Promise<void> {
    const logged = this.#epochs.get(epoch);
    if (!logged) return;
    if (logged.step !== step) this.#fail(`epoch ${epoch} must end at step ${logged.step}, got ${step}`);
    await this.#compare(`after epoch ${epoch}`, logged.weights, weights);
  }

  async end(because: History["stoppedBecause"], step: number, weights: Parameters<Recorder["end"]>[2]): Promise<void> {
    const { end } = this.#log;
    if (!end) return;
    if (end.because !== because || end.step !== step)
      this.#fail(`the run must end because of "${end.because}" at step ${end.step}, got "${because}" at step ${step}`);
    await this.#compare("at the end", end.weights, weights);
  }

  async close(): Promise<void> {
    // Nothing is open.
  }

  async #compare(when: string, expected: string, weights: Parameters<Recorder["end"]>[2]): Promise<void> {
    const got = await weightsDigest(weights);
    if (got !== expected) this.#fail(`the weights ${when} must be those of the log, expected SHA-256 ${expected}, got ${got}`);
  }
}

/** What each intervention does again. Pauses change nothing. */
function cueOf({ step, what, value, closed }: LoggedIntervention, schedules: Schedule[]): Cue | undefined {
  const does = (run: (target: Steered) => void): Cue => ({ step, closed, run });
  switch (what) {
    case "set": {
      const needs = (value as { learningRate?: unknown } | undefined)?.learningRate === "schedule";
      const schedule = needs ? schedules.shift() : undefined;
      if (needs && !schedule)
        throw new MinibatchError(
          `replay: the run was given a schedule at step ${step}, a function that no log can hold; schedules: [...] takes those of run.set in order`,
        );
      return does((target) => target.set(changeFromJson("replay: set", value, target.subject(), schedule), () => undefined));
    }
    case "mark":
      return does((target) => target.mark(Marks.checkName("replay: mark", value)));
    case "revert": {
      const { mark, settings } =
        typeof value === "string" ? { mark: value, settings: undefined } : (value as Readonly<Record<string, unknown>>);
      return does((target) => target.revert(String(mark), settings === "keep"));
    }
    case "stop":
      return does((target) => target.stop());
    default:
      return undefined;
  }
}

/** A log that has no end is played to its last line. */
function scriptOf({ interventions, epochs, end }: Logged, given: readonly Schedule[]): Cue[] {
  const schedules = [...given];
  const cues = interventions.map((each) => cueOf(each, schedules)).filter((cue) => cue !== undefined);
  if (schedules.length)
    throw new MinibatchError(
      `replay: expected ${given.length - schedules.length} schedules, as many as run.set was given, got ${given.length}`,
    );
  // Steps never fall from line to line.
  const last = Math.max(epochs.at(-1)?.step ?? 0, cues.at(-1)?.step ?? 0);
  if (!end) cues.push({ step: last, run: (target) => target.stop() });
  return cues;
}

function optionsOf({ options: o }: Logged, given: ReplayOptions): FitOptions {
  const known = Object.hasOwn(losses, o.loss.kind) ? losses[o.loss.kind] : undefined;
  const { loss = known?.(o.loss.options), dev, augment, metrics, onEpoch, progress, threads, signal } = given;
  if (!loss) throw new MinibatchError(`replay: the log's loss "${o.loss.kind}" is none of the library's; give it as option loss`);
  const { learningRate, kind, settings } = o.optimizer;
  if (!given.optimizer && learningRate === "schedule")
    throw new MinibatchError(
      "replay: the run's learning rate was a schedule, a function that no log can hold; give its optimizer as option optimizer",
    );
  const optimizer = given.optimizer ?? optimizerOf(kind, learningRate as number, settings);
  if (!optimizer) throw new MinibatchError(`replay: the log's optimizer "${kind}" is none of the library's; give it as option optimizer`);
  return {
    ...{ dev, loss, optimizer, augment, metrics, onEpoch, progress, threads, signal },
    regularizer: o.regularizer ? elasticNet(o.regularizer) : undefined,
    batchSize: o.batchSize,
    epochs: o.epochs,
    seed: o.seed,
    shuffle: o.shuffle,
    earlyStopping: o.earlyStopping ?? undefined,
    clipNorm: o.clipNorm ?? undefined,
    clipValue: o.clipValue ?? undefined,
  };
}

/**
 * Trains `model` as the run did that wrote `log` (option `log` of fit): every `set`, `mark`, `revert` and `stop` at the step at which it took effect.
 * The model must be built like the run's and have its first weights (a new one draws them from the same seed), the data must be the same. After
 * every epoch and at the end the weights are compared with the log; rejects at the first bit that differs. Resolves to the history.
 *
 * ```ts
 * await model.fit(train, { dev, loss: crossEntropy(), optimizer: adam(), epochs: 20, log: "run.jsonl" });
 * await replay("run.jsonl", sequential(layers), train, { dev }); // the same weights, bit for bit
 * ```
 */
export async function replay(log: string | URL, model: Model, train: Dataset, options: ReplayOptions = {}): Promise<History> {
  checkOptions("replay", options, names);
  checkDataset("replay: train", train);
  const { schedules = [], verify = true } = options;
  if (!Array.isArray(schedules) || !schedules.every((each) => typeof each === "function"))
    throw new MinibatchError(`replay: schedules must be a list of schedules, got ${describe(schedules)}`);
  if (typeof verify !== "boolean") throw new MinibatchError(`replay: verify must be true or false, got ${describe(verify)}`);
  const { logged } = await readLog("replay", log);
  if (!logged.epochs.length && !logged.interventions.length && !logged.end)
    throw new MinibatchError(`replay: the log has no epoch and no intervention, so there is nothing to play (${String(log)})`);
  const fit = optionsOf(logged, options);
  const recorder = verify ? new Comparison(logged, String(log)) : undefined;
  return replayOn("replay", model, train, fit, { recorder, script: scriptOf(logged, schedules) });
}
