// Gradient health: whether signals and gradients keep their scale through the layers of a model or a run, and where they do not. It reads
// one step made aside; how that step is made it does not know.
import { dataset } from "../dataset.ts";
import { checkOptions, describe, MinibatchError } from "../errors.ts";
import { insideOf, type Model } from "../model.ts";
import { type Loss, lossDefinition } from "../nn/losses.ts";
import { Weights } from "../nn/weights.ts";
import { sgdRule } from "../optim/rules.ts";
import { type TensorLike, tensor } from "../tensor.ts";
import { type LayerMeasure, type Measure, Probe } from "../train/probe.ts";
import { type Run, RunHandle } from "../train/run.ts";
import { tableOf } from "../train/table.ts";

export interface LayerHealth {
  readonly name: string;
  /** Norm of the cost's gradient with respect to all of its parameters, before clipping. */
  readonly gradient: number;
  /** Root of the mean square of what it hands to the next layer with parameters: a[l], after its activation. */
  readonly activation: number;
  /** Norm of one step over the norm of the parameters before it; 1 where those were all zero. */
  readonly update: number;
}

export interface GradientHealth {
  readonly verdict: "healthy" | "vanishing" | "exploding" | "not finite";
  /** The layer to which a verdict other than "healthy" points. */
  readonly layer?: string | undefined;
  /** Every layer with trainable parameters, in the order of the stack. */
  readonly layers: readonly LayerHealth[];
}

export interface GradientHealthOptions {
  x: TensorLike;
  y: TensorLike;
  loss: Loss;
}

/**
 * Scales this far apart are a verdict. One learning rate serves all layers: a layer whose gradient is 10,000 times smaller than the last
 * one's needs 10,000 steps for what that learns in one, longer than most runs; and four of the seven digits of f32 are gone. Between
 * layers of healthy networks lie factors up to about a hundred, widths and depths of 50 layers included.
 */
const apart = 1e4;
/** A step longer than the weights that it changes turns them round: what was learned before it is gone. Usual is about 0.001. */
const longestStep = 1;
/** After these the scale says nothing about the layers before. */
const normalising: ReadonlySet<string> = new Set(["batchNorm", "layerNorm"]);

/**
 * How gradients fare in each layer: the norm of its gradient, the scale of its activation, the size of a step beside its weights, and a
 * verdict with the name of the layer.
 *
 * - "not finite": a number is infinite or NaN. The layer is the first whose output is; else the last whose gradient is, for it is the first
 *   on the way back; else the first whose step is. A run that ended so names the layer at the step where it began.
 * - "exploding": a hidden activation is more than 10,000 times the first one's (since the last normalising layer), or a gradient more than
 *   10,000 times the last layer's; in a run also a step longer than the weights.
 * - "vanishing": the same the other way: less than a 10,000th.
 *
 * Of a run, at any time: its next step after the last finished epoch (before that, its first), with its optimizer and dropout, on up to 256
 * rows of its last batch, augmented anew. Of a model: on the rows given, dropout off, batch norm as in training; `update` is then
 * that of plain descent with rate 1, ||dW|| / ||W||. Nothing is changed. It costs one step, and a run nothing as long as nobody asks.
 *
 * ```ts
 * for await (const { epoch } of run) console.log(epoch, gradientHealth(run).verdict);
 * ```
 */
export function gradientHealth(run: Run<unknown>): GradientHealth;
export function gradientHealth(model: Model, options: GradientHealthOptions): GradientHealth;
export function gradientHealth(of: unknown, options?: GradientHealthOptions): GradientHealth {
  const control = RunHandle.controlOf(of);
  if (!control) return judged(measureModel(of, options), { finite: true, steps: false });
  if (options !== undefined)
    throw new MinibatchError(
      `gradientHealth: a run knows its data and its loss, got ${describe(options)} beside it; pass the model for others`,
    );
  if (!control.probe) throw new MinibatchError("gradientHealth: this run was not made by fit");
  return judged(control.probe.at.measure(), { finite: control.probe.finite, steps: true });
}

function measureModel(model: unknown, options: GradientHealthOptions | undefined): Measure {
  if (model instanceof Promise)
    throw new MinibatchError(
      `gradientHealth: expected a model or what model.fit returned, got ${describe(model)}; a run loses itself in then()`,
    );
  const { network, weights: present } = insideOf("gradientHealth", model, "a model or what model.fit returned");
  if (options === undefined || options === null) throw new MinibatchError("gradientHealth: a model needs { x, y, loss } to be looked at");
  checkOptions("gradientHealth", options, ["x", "y", "loss"]);
  const loss = lossDefinition("gradientHealth", options.loss);
  const data = dataset(tensor(options.x), tensor(options.y));
  const structure = network.structureFor(data.x.shape.slice(1));
  const table = tableOf("gradientHealth", data, loss, structure.inputShape, structure.outputShape);
  network.build(structure.inputShape);
  const keep = network.layers.filter((l) => l.kind === "dropout").map(() => 1);
  const none = { regularizer: undefined, augment: undefined, clipNorm: undefined, clipValue: undefined, metrics: {}, keep };
  const spec = { network, structure, data: table.types, loss, rule: sgdRule(), ...none };
  const moment = {
    weights: present ?? Weights.initialised(structure, 0),
    slots: undefined,
    rows: Int32Array.from({ length: table.rows }, (_, i) => i),
    learningRate: () => 1,
    step: 0,
    updates: 0,
  };
  return new Probe({ spec, table, seed: 0, batchSize: table.rows }, moment).measure();
}

/** A layer with parameters and the scale at which its signal reaches the next one. */
interface Block extends LayerHealth {
  readonly kind: string;
}

/** Layers without parameters belong to the one before: what they put out is its activation. */
function blocksOf(layers: readonly LayerMeasure[]): Block[] {
  const blocks: Block[] = [];
  for (const { name, kind, output, parameters } of layers) {
    const open = blocks.at(-1);
    if (parameters) {
      const { gradient, weights, step } = parameters;
      blocks.push({ name, kind, gradient, activation: output, update: weights > 0 ? step / weights : step > 0 ? 1 : step });
    } else if (open) {
      blocks[blocks.length - 1] = { ...open, activation: output };
    }
  }
  return blocks;
}

function judged(measure: Measure, { finite, steps }: { finite: boolean; steps: boolean }): GradientHealth {
  const blocks = blocksOf(measure.layers);
  const layers = blocks.map(({ name, gradient, activation, update }) => ({ name, gradient, activation, update }));
  const wrong = notFinite(measure);
  const grown = exploding(blocks, steps);
  if (wrong !== undefined) return { verdict: "not finite", layer: wrong, layers };
  // The step at which the run ceased to be finite could not be found again: the layer with the longest step is the likeliest.
  if (!finite) return { verdict: "not finite", layer: grown ?? largest(blocks, "update")?.name, layers };
  if (grown !== undefined) return { verdict: "exploding", layer: grown, layers };
  const faded = vanishing(blocks);
  return faded === undefined ? { verdict: "healthy", layers } : { verdict: "vanishing", layer: faded, layers };
}

/** The layer where numbers first cease to be finite, in the order in which a step computes them. */
function notFinite({ cost, layers }: Measure): string | undefined {
  const forward = layers.find(({ output }) => !Number.isFinite(output));
  if (forward) return forward.name;
  const backward = layers.findLast(({ parameters }) => parameters && !Number.isFinite(parameters.gradient));
  if (backward) return backward.name;
  const update = layers.find(({ parameters }) => parameters && !Number.isFinite(parameters.step));
  return update?.name ?? (Number.isFinite(cost) ? undefined : layers.at(-1)?.name);
}

/** Hidden activations with the one that each is compared with: the first of the stack, or since the last normalising layer. */
function hiddenScales(blocks: readonly Block[]): { name: string; ratio: number }[] {
  let first = Number.NaN;
  return blocks.slice(0, -1).map(({ name, kind, activation }, i) => {
    if (i === 0 || normalising.has(kind)) first = activation;
    return { name, ratio: activation / first };
  });
}

function largest(blocks: readonly Block[], of: "gradient" | "update"): Block | undefined {
  return blocks.reduce<Block | undefined>((best, block) => (best && best[of] >= block[of] ? best : block), undefined);
}

function exploding(blocks: readonly Block[], steps: boolean): string | undefined {
  const signal = hiddenScales(blocks).find(({ ratio }) => ratio > apart);
  if (signal) return signal.name;
  const [top, last] = [largest(blocks, "gradient"), blocks.at(-1)];
  if (top && last && last.gradient > 0 && top.gradient > apart * last.gradient) return top.name;
  const longest = largest(blocks, "update");
  return steps && longest && longest.update > longestStep ? longest.name : undefined;
}

function vanishing(blocks: readonly Block[]): string | undefined {
  const signal = hiddenScales(blocks).find(({ ratio }) => ratio < 1 / apart);
  if (signal) return signal.name;
  const last = blocks.at(-1);
  const least = blocks.reduce<Block | undefined>((best, block) => (best && best.gradient <= block.gradient ? best : block), undefined);
  return last && least && least.gradient < last.gradient / apart ? least.name : undefined;
}
