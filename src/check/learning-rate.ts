// The learning-rate range test: a few steps at rates that grow from step to step, and what the loss says of each. The model
// is looked at and not changed.
import { checkDataset, type Dataset } from "../dataset.ts";
import { checkNumber, checkOptions, MinibatchError } from "../errors.ts";
import { insideOf, type Model } from "../model.ts";
import { Network } from "../nn/network.ts";
import { Weights } from "../nn/weights.ts";
import { permutation } from "../random.ts";
import { exponentiallyWeightedAverage } from "../stats.ts";
import { trainingSpec } from "../train/beginning.ts";
import { checkFitOptions, type FitOptions } from "../train/options.ts";
import { Stepper } from "../train/stepper.ts";
import { tableOf } from "../train/table.ts";
import { tuningOf } from "../train/tuning.ts";

/** The options of `fit` that a step depends on, and the rates to try. The optimizer's own learning rate is not used. */
export interface FindLearningRateOptions
  extends Pick<
    FitOptions,
    "loss" | "optimizer" | "regularizer" | "batchSize" | "seed" | "shuffle" | "augment" | "clipNorm" | "clipValue" | "threads"
  > {
  /** The first rate, 1e-6 by default. */
  from?: number | undefined;
  /** The last one, 10 by default. */
  to?: number | undefined;
  /** Steps, one for each rate, 100 by default. */
  steps?: number | undefined;
  /** Of the average that smooths the losses, 0.9 by default; 0 takes them as they are. */
  beta?: number | undefined;
}

export interface LearningRatePoint {
  readonly learningRate: number;
  /** Of the batch before the step at this rate, regulariser included. */
  readonly loss: number;
  /** Exponentially weighted average of the losses up to here, bias corrected. */
  readonly smoothed: number;
}

export interface LearningRateCurve {
  readonly points: readonly LearningRatePoint[];
  /** Where the smoothed loss falls fastest over the logarithm of the rate, behind the first tenth of the steps; undefined where it does not fall. */
  readonly suggestion: number | undefined;
  /** Where the smoothed loss is lowest: training at this rate is close to diverging. */
  readonly lowest: number;
  /** "diverged": the smoothed loss was more than 4 times the lowest, or not finite, before the last rate. */
  readonly stoppedBecause: "steps" | "diverged";
}

const fitNames = [
  "loss",
  "optimizer",
  "regularizer",
  "batchSize",
  "seed",
  "shuffle",
  "augment",
  "clipNorm",
  "clipValue",
  "threads",
] as const;
/** So many times the lowest smoothed loss, and the test has seen enough. */
const divergence = 4;
/** Steps made before the losses are looked at. */
const stride = 16;
/** They are looked at as a whole: again when there are so many more of them, or many steps would be looked at far too often. */
const growth = 1.1;
/** Points on each side of one whose slope is measured, as a share of the steps: with the default rates a third of a decade. */
const windowShare = 0.05;
/** Of the steps, at the start: the average has seen few losses there, and their noise looks like a slope. */
const skippedShare = 0.1;

function curveOf(rates: readonly number[], losses: readonly number[], beta: number, steps: number): LearningRateCurve {
  const averages = beta === 0 ? losses : exponentiallyWeightedAverage(losses, { beta, biasCorrection: true });
  let count = 0;
  let lowest = 0;
  for (; count < losses.length; count++) {
    const value = averages[count] as number;
    if (!Number.isFinite(value) || !Number.isFinite(losses[count])) break;
    if (value < (averages[lowest] as number)) lowest = count;
    // A loss below 0 has no multiple that means anything: only one that is not finite ends such a test.
    else if ((averages[lowest] as number) > 0 && value > divergence * (averages[lowest] as number)) break;
  }
  const points = averages.slice(0, count).map((smoothed, i) => ({ learningRate: rates[i] as number, loss: losses[i] as number, smoothed }));
  let suggestion: number | undefined;
  let steepest = 0;
  const half = Math.max(1, Math.round(windowShare * steps));
  for (let i = Math.round(skippedShare * steps) + half; i + half < count && i <= lowest; i++) {
    const slope = (averages[i + half] as number) - (averages[i - half] as number);
    if (slope >= steepest) continue;
    steepest = slope;
    suggestion = rates[i];
  }
  return { points, suggestion, lowest: rates[lowest] as number, stoppedBecause: count < steps ? "diverged" : "steps" };
}

/**
 * The learning-rate range test (Smith, "Cyclical learning rates for training neural networks", 2017): one step at each of `steps` rates from
 * `from` to `to`, evenly spaced on a logarithmic scale, from the model's present weights on (those of `seed` where it has none), until the loss
 * diverges. The model, and every run of it, stay as they were. `suggestion` is the rate at which the smoothed loss falls fastest; a third of
 * `lowest` is another common choice.
 *
 * ```ts
 * const { suggestion } = await findLearningRate(model, train, { loss: crossEntropy(), optimizer: adam() });
 * ```
 */
export async function findLearningRate(model: Model, train: Dataset, options: FindLearningRateOptions): Promise<LearningRateCurve> {
  const where = "findLearningRate";
  const { network, weights } = insideOf(where, model);
  const data = checkDataset(`${where}: train`, train);
  if (options === undefined || options === null) throw new MinibatchError(`${where}: options must have at least loss and optimizer`);
  checkOptions(where, options, [...fitNames, "from", "to", "steps", "beta"]);
  const { from: first, to: last, steps: wanted, beta: smoothing, ...rest } = options;
  const from = checkNumber(where, "from", first ?? 1e-6, { above: 0 });
  const to = checkNumber(where, "to", last ?? 10, { above: from });
  if (!Number.isFinite(to / from)) throw new MinibatchError(`${where}: to / from must be a finite number, got from ${from} and to ${to}`);
  const steps = checkNumber(where, "steps", wanted ?? 100, { whole: true, min: 10, max: 100_000 });
  const beta = checkNumber(where, "beta", smoothing ?? 0.9, { min: 0, below: 1 });
  const settings = checkFitOptions(data.x.shape[0] ?? 0, { ...rest, epochs: 1 });
  const exampleShape = data.x.shape.slice(1);
  const seenShape = settings.augment?.exampleShape(`${where}: augment`, exampleShape) ?? exampleShape;
  // A network of its own: a model without a shape keeps having none.
  const twin = new Network(network.layers);
  const structure = weights ? network.structureFor(seenShape) : twin.build(seenShape);
  const table = tableOf(`${where}: train`, data, settings.loss, exampleShape, structure.outputShape);
  const start = weights ?? Weights.initialised(structure, settings.seed);
  const spec = trainingSpec(weights ? network : twin, structure, table, settings);
  const stepper = new Stepper({ spec, start, table, seed: settings.seed, threads: settings.threads });
  const { batchSize: size } = tuningOf(network, settings);
  const rates = Array.from({ length: steps }, (_, i) => from * (to / from) ** (i / (steps - 1)));
  const losses: number[] = [];
  const whole = Math.floor(table.rows / size);
  let looked = 0;
  for (let epoch = 1; losses.length < steps; epoch++) {
    const order = settings.shuffle
      ? permutation({ seed: settings.seed, purpose: "shuffle", step: epoch }, table.rows)
      : Int32Array.from({ length: table.rows }, (_, i) => i);
    for (let made = 0; made < whole && losses.length < steps; ) {
      const chunk = Math.min(whole - made, stride, steps - losses.length);
      const done = await stepper.run({ epoch, order, at: made * size, size, steps: chunk, rate: (step) => rates[step - 1] as number });
      const result = stepper.results(done);
      for (let s = 0; s < done; s++) losses.push(result(s).loss);
      stepper.counted(done);
      made += done;
      if (losses.length < growth * looked) continue;
      looked = losses.length;
      const curve = curveOf(rates, losses, beta, losses.length);
      if (curve.stoppedBecause === "diverged") return finished(where, curveOf(rates, losses, beta, steps));
    }
  }
  return finished(where, curveOf(rates, losses, beta, steps));
}

function finished(where: string, curve: LearningRateCurve): LearningRateCurve {
  if (curve.points.length) return curve;
  throw new MinibatchError(
    `${where}: the loss of the first step must be finite, got one that is not; the model's weights or the data are to blame, not the rate`,
  );
}
