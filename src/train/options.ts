// The options of fit: their types, and the checks that run before anything is trained.
import { checkDataset, type Dataset } from "../dataset.ts";
import { checkNumber, checkOptions, describe, MinibatchError } from "../errors.ts";
import { pathOf } from "../io/file.ts";
import { type Augmentation, type Augmentations, checkAugmentations } from "../nn/augmentation.ts";
import { type Loss, type LossDefinition, lossDefinition } from "../nn/losses.ts";
import { checkRegularizer, type Regularizer, type RegularizerDefinition } from "../nn/regularizers.ts";
import { type Optimizer, type OptimizerRecipe, recipeOf } from "../optim/optimizers.ts";
import { checkSeed } from "../random.ts";
import { executor } from "../run/backend.ts";
import { type CheckpointOptions, type CheckpointSettings, checkCheckpoints, type ResumeOptions } from "./checkpoint-options.ts";
import type { Epoch, MetricRecord } from "./history.ts";
import type { Run } from "./run.ts";

export interface EarlyStopping {
  /** Epochs without a better value before training stops. */
  patience: number;
  /** How much lower a value must be to count as better; 0 by default. */
  minDelta?: number | undefined;
  /** Ends with the weights of the best epoch, whatever ended the run; true by default. */
  restoreBest?: boolean | undefined;
  /** "devError" by default. */
  watch?: "devError" | "devLoss" | undefined;
}

export interface StepReport {
  readonly step: number;
  readonly loss: number;
  readonly gradientNorm: number;
}

export interface FitOptions<D extends Dataset | undefined = Dataset | undefined, M extends MetricRecord = Record<never, never>> {
  /** Evaluated after every epoch; early stopping and `best` go by it. */
  dev?: D;
  loss: Loss;
  optimizer: Optimizer;
  regularizer?: Regularizer | undefined;
  /** Rows of a step, 32 by default; "all" is batch gradient descent. */
  batchSize?: number | "all" | undefined;
  epochs: number;
  /** Decides initial weights, shuffling, dropout and augmentation; 0 by default. */
  seed?: number | undefined;
  /** A new order of the rows in every epoch; true by default. */
  shuffle?: boolean | undefined;
  metrics?: M | undefined;
  earlyStopping?: EarlyStopping | undefined;
  /** Writes everything that a bit-exact resume needs, beside the training; another at the end and when the run is stopped. */
  checkpoint?: CheckpointOptions | undefined;
  /** Goes on from the newest checkpoint of a folder as if nothing had happened; starts fresh where there is none. */
  resume?: string | ResumeOptions | undefined;
  /** A file, new or that of the run it resumes: every change made to the run with its step, for `replay`; JSON lines. */
  log?: string | URL | undefined;
  /** Random changes of the training images x [m, h, w] or [m, h, w, c], in this order, new in every epoch; never of `dev`. */
  augment?: readonly Augmentation[] | undefined;
  clipNorm?: number | undefined;
  clipValue?: number | undefined;
  /** Called after every epoch; training waits for what it returns. */
  onEpoch?: ((epoch: Epoch<D, M>, run: Run<Epoch<D, M>>) => unknown) | undefined;
  /** Called for every step, soon after it was made. */
  onStep?: ((step: StepReport) => void) | undefined;
  /** A progress line on the terminal; by default shown when the output is one. */
  progress?: boolean | undefined;
  /** Native threads; by default all cores. */
  threads?: number | undefined;
  /** Aborting it rejects the run with the signal's reason. */
  signal?: AbortSignal | undefined;
}

/** Names of the options of fit. */
export const fitOptions: readonly string[] = [
  "dev",
  "loss",
  "optimizer",
  "regularizer",
  "batchSize",
  "epochs",
  "seed",
  "shuffle",
  "metrics",
  "earlyStopping",
  "checkpoint",
  "resume",
  "log",
  "augment",
  "clipNorm",
  "clipValue",
  "onEpoch",
  "onStep",
  "progress",
  "threads",
  "signal",
];

/** The options as the trainer uses them. */
export interface Settings {
  readonly dev: Dataset | undefined;
  readonly loss: LossDefinition;
  readonly recipe: OptimizerRecipe;
  readonly regularizer: RegularizerDefinition | undefined;
  readonly batchSize: number;
  readonly epochs: number;
  readonly seed: number;
  readonly shuffle: boolean;
  readonly metrics: MetricRecord;
  readonly earlyStopping:
    | { readonly patience: number; readonly minDelta: number; readonly restoreBest: boolean; readonly watch: "devError" | "devLoss" }
    | undefined;
  readonly checkpoints: CheckpointSettings | undefined;
  /** A path. */
  readonly log: string | undefined;
  readonly augment: Augmentations | undefined;
  readonly clipNorm: number | undefined;
  readonly clipValue: number | undefined;
  readonly onEpoch: ((epoch: Epoch, run: Run<Epoch>) => unknown) | undefined;
  readonly onStep: ((step: StepReport) => void) | undefined;
  readonly progress: boolean | undefined;
  readonly threads: number;
  readonly signal: AbortSignal | undefined;
}

function flag(name: string, value: unknown, fallback: boolean): boolean {
  if (value === undefined) return fallback;
  if (typeof value === "boolean") return value;
  throw new MinibatchError(`fit: ${name} must be true or false, got ${describe(value)}`);
}

function callback<T>(name: string, value: T | undefined): T | undefined {
  if (value === undefined || typeof value === "function") return value;
  throw new MinibatchError(`fit: ${name} must be a function, got ${describe(value)}`);
}

function optional(name: string, value: number | undefined): number | undefined {
  return value === undefined ? undefined : checkNumber("fit", name, value, { above: 0 });
}

function checkEarlyStopping(value: EarlyStopping | undefined, dev: Dataset | undefined): Settings["earlyStopping"] {
  if (value === undefined) return undefined;
  checkOptions("fit: earlyStopping", value, ["patience", "minDelta", "restoreBest", "watch"]);
  if (!dev) throw new MinibatchError("fit: earlyStopping watches the dev set; give dev");
  const { watch = "devError" } = value;
  if (watch !== "devError" && watch !== "devLoss")
    throw new MinibatchError(`fit: earlyStopping.watch must be "devError" or "devLoss", got ${describe(watch)}`);
  return {
    patience: checkNumber("fit", "earlyStopping.patience", value.patience, { whole: true, min: 1 }),
    minDelta: checkNumber("fit", "earlyStopping.minDelta", value.minDelta ?? 0, { min: 0 }),
    restoreBest: flag("earlyStopping.restoreBest", value.restoreBest, true),
    watch,
  };
}

function checkMetrics(value: unknown): MetricRecord {
  if (value === undefined) return {};
  checkOptions("fit: metrics", value, Object.keys((value as object | null) ?? {}));
  for (const [name, metric] of Object.entries(value as Record<string, unknown>)) {
    if (typeof metric !== "function")
      throw new MinibatchError(`fit: metrics.${name} must be a metric such as metrics.f1, got ${describe(metric)}`);
  }
  return value as MetricRecord;
}

function checkSignal(value: AbortSignal | undefined): AbortSignal | undefined {
  if (
    value === undefined ||
    (typeof value === "object" && value !== null && typeof value.addEventListener === "function" && "aborted" in value)
  )
    return value;
  throw new MinibatchError(`fit: signal must be an AbortSignal, got ${describe(value)}`);
}

/** Checks everything that can be wrong with options; throws at once. */
export function checkFitOptions(rows: number, options: unknown): Settings {
  if (options === undefined || options === null)
    throw new MinibatchError(`fit: options must be an object with at least loss, optimizer and epochs, got ${describe(options)}`);
  checkOptions("fit", options, fitOptions);
  const o = options as FitOptions;
  for (const name of ["loss", "optimizer", "epochs"] as const) {
    if (o[name] === undefined) throw new MinibatchError(`fit: option ${name} is missing`);
  }
  const { batchSize = 32 } = o;
  if (batchSize !== "all" && (typeof batchSize !== "number" || !Number.isInteger(batchSize) || batchSize < 1)) {
    throw new MinibatchError(`fit: batchSize must be a whole number from 1 or "all", got ${describe(batchSize)}`);
  }
  const dev = o.dev === undefined ? undefined : checkDataset("fit: dev", o.dev);
  return {
    dev,
    loss: lossDefinition("fit", o.loss),
    recipe: recipeOf("fit", o.optimizer),
    regularizer: checkRegularizer("fit", o.regularizer),
    batchSize: batchSize === "all" ? rows : Math.min(batchSize, rows),
    epochs: checkNumber("fit", "epochs", o.epochs, { whole: true, min: 1 }),
    seed: checkSeed("fit", o.seed ?? 0),
    shuffle: flag("shuffle", o.shuffle, true),
    metrics: checkMetrics(o.metrics),
    earlyStopping: checkEarlyStopping(o.earlyStopping, dev),
    checkpoints: checkCheckpoints(o.checkpoint, o.resume),
    log: o.log === undefined ? undefined : pathOf("fit: log", o.log),
    augment: checkAugmentations("fit: augment", o.augment),
    clipNorm: optional("clipNorm", o.clipNorm),
    clipValue: optional("clipValue", o.clipValue),
    onEpoch: callback("onEpoch", o.onEpoch) as Settings["onEpoch"],
    onStep: callback("onStep", o.onStep),
    progress: o.progress === undefined ? undefined : flag("progress", o.progress, false),
    threads: o.threads === undefined ? executor().threads : checkNumber("fit", "threads", o.threads, { whole: true, min: 1, max: 256 }),
    signal: checkSignal(o.signal),
  };
}
