// The gradient check: every parameter moved a little both ways, in f64, against the graph's own gradient. Theta is one
// flat vector already. Knows no training.
import type { TypedArray } from "../dtype.ts";
import { checkNumber, checkOptions, describe, MinibatchError } from "../errors.ts";
import { gradients } from "../graph/gradient.ts";
import { Layout } from "../graph/layout.ts";
import { program } from "../graph/program.ts";
import { view } from "../graph/segment.ts";
import { insideOf, type Model } from "../model.ts";
import { type Loss, lossDefinition } from "../nn/losses.ts";
import { type SegmentName, segmentNames } from "../nn/network.ts";
import { checkRegularizer, penalty, type Regularizer } from "../nn/regularizers.ts";
import { tracedState } from "../nn/state.ts";
import { Weights } from "../nn/weights.ts";
import { source, type Value } from "../ops/define.ts";
import { dropout as dropoutOp } from "../ops/dropout.ts";
import { add } from "../ops/elementwise.ts";
import { executor } from "../run/backend.ts";
import { inspected } from "../run/evaluate.ts";
import { Memory } from "../run/memory.ts";
import { sizeOf, stridesOf } from "../shape.ts";
import { asTensor, readNumbers, scalar, type Tensor, type TensorLike, tensor } from "../tensor.ts";

export interface ParameterReport {
  readonly name: string;
  readonly difference: number;
  /** The element whose approximation and gradient lie farthest apart. */
  readonly worst: { readonly index: readonly number[]; readonly approx: number; readonly grad: number };
}

export interface GradientReport {
  /** ||approx - grad|| / (||approx|| + ||grad||) over all parameters; about 1e-9 when all is well. */
  readonly difference: number;
  /** "correct" up to 1e-7, "look" below 1e-3, "bug" from there on. */
  readonly verdict: "correct" | "look" | "bug";
  /** The same for each parameter, the worst first. */
  readonly parameters: readonly ParameterReport[];
}

export interface CheckGradientsOptions {
  x: TensorLike;
  y: TensorLike;
  loss: Loss;
  regularizer?: Regularizer | undefined;
  /** By how much each parameter is moved, 1e-7 by default. */
  epsilon?: number | undefined;
  /** What to do about dropout layers: without an answer a model with one is refused. */
  dropout?: "off" | "fixed mask" | undefined;
}

function verdictOf(difference: number): GradientReport["verdict"] {
  return difference <= 1e-7 ? "correct" : difference < 1e-3 ? "look" : "bug";
}

/** Relative distance of two vectors; 0 when both are zero. */
function relativeDistance(pairs: readonly { approx: number; grad: number }[]): number {
  let apart = 0;
  let a = 0;
  let g = 0;
  for (const { approx, grad } of pairs) {
    apart += (approx - grad) ** 2;
    a += approx ** 2;
    g += grad ** 2;
  }
  const size = Math.sqrt(a) + Math.sqrt(g);
  return size === 0 ? 0 : Math.sqrt(apart) / size;
}

/**
 * Compares the gradient of the model's cost on a batch with two-sided differences, (J(theta + eps) - J(theta - eps)) / 2 eps,
 * for every parameter, in f64 and in training mode, the regulariser included. Parameters whose gradient is exactly zero
 * on both sides count as equal. Small models and a few rows are enough: the cost is evaluated twice per parameter. `difference` is
 * ||approx - grad|| / (||approx|| + ||grad||): up to 1e-7 "correct", from 1e-3 "bug". epsilon is 1e-7 by default. Throws where the model has dropout
 * and `dropout` does not say what to do with it.
 */
export async function checkGradients(model: Model, options: CheckGradientsOptions): Promise<GradientReport> {
  checkOptions("checkGradients", options, ["x", "y", "loss", "regularizer", "epsilon", "dropout"]);
  const loss = lossDefinition("checkGradients", options?.loss);
  const epsilon = checkNumber("checkGradients", "epsilon", options.epsilon ?? 1e-7, { above: 0, max: 1e-2 });
  const { network, weights: present } = insideOf("checkGradients", model);
  const mode = options.dropout;
  if (mode !== undefined && mode !== "off" && mode !== "fixed mask")
    throw new MinibatchError(`checkGradients: dropout must be "off" or "fixed mask", got ${describe(mode)}`);
  if (mode === undefined && network.layers.some((l) => l.kind === "dropout")) {
    throw new MinibatchError(
      'checkGradients: the model has dropout, whose new mask at every evaluation would make the cost jump; say dropout: "off" or dropout: "fixed mask"',
    );
  }
  const regularizer = checkRegularizer("checkGradients", options.regularizer);
  const xs = readNumbers("checkGradients: x", options.x, "f64");
  const ys = readNumbers("checkGradients: y", options.y);
  const rows = xs.shape[0] ?? 0;
  if (!rows || rows !== ys.shape[0])
    throw new MinibatchError(`checkGradients: x and y must have equally many rows, at least one, got ${rows} and ${ys.shape[0] ?? 0}`);
  const structure = network.build(xs.shape.slice(1));
  loss.checkLabels("checkGradients", { data: ys.data as TypedArray, shape: ys.shape }, structure.outputShape);
  const weights = present ?? Weights.initialised(structure, 0);

  const layout = new Layout();
  const labelType = loss.labelType(ys.shape) === "i32" ? "i32" : "f64";
  for (const name of segmentNames) layout.add("theta", name, { shape: [structure.segments[name]], dtype: "f64" });
  for (const { name, shape } of structure.states) layout.add("state", name, { shape, dtype: "f64" });
  layout.add("input", "x", { shape: xs.shape, dtype: "f64" });
  layout.add("input", "y", { shape: ys.shape, dtype: labelType });
  layout.add("out", "cost", { shape: [], dtype: "f64" });
  const at = (memory: string, name: string): Value => source({ kind: "memory", memory, name }, layout.find(memory, name));
  const segments = new Map(segmentNames.map((name) => [name, at("theta", name)]));
  const output = network.forward(at("input", "x"), {
    training: true,
    param: ({ segment, offset, shape }) => asTensor(view(segments.get(segment) as Value, offset, shape)),
    state: ({ name }) => tracedState(at("state", name), name),
    dropout: (x, keepProb, site) => (mode === "off" || keepProb === 1 ? x : fixedMask(x, keepProb, site)),
  });
  if (output.dtype !== "f64")
    throw new MinibatchError(
      `checkGradients: the check runs in f64, but the model's output is ${output.dtype}; a layer of your own converts to another type`,
    );
  const dataLoss = loss(output, asTensor(at("input", "y")));
  const term = regularizer && structure.segments.decay > 0 ? penalty(regularizer, segments.get("decay") as Value, rows) : undefined;
  const cost = term ? add(dataLoss, term) : dataLoss;
  const used = (["decay", "plain"] as const).filter((name) => structure.segments[name] > 0);
  for (const name of used) layout.add("dtheta", name, layout.find("theta", name));
  const grads = gradients(
    cost,
    used.map((name) => segments.get(name) as Value),
  );
  const costStore = { value: cost as Value, memory: "out", name: "cost" };
  const costProgram = executor().load(inspected(program([costStore], layout)));
  const gradientProgram = executor().load(
    inspected(program([costStore, ...used.map((name, i) => ({ value: grads[i] as Value, memory: "dtheta", name }))], layout)),
  );

  const memory = new Memory();
  memory.ensure("theta", layout.memory("theta").bytes);
  memory.ensure("state", layout.memory("state").bytes);
  memory.ensure("input", layout.memory("input").bytes);
  const put = (name: string, data: ArrayLike<number>) => {
    const slot = layout.find("input", name);
    memory.view("input", slot, slot.byteOffset).set(data);
  };
  put("x", xs.data);
  put("y", ys.data);
  for (const entry of structure.states) {
    const slot = layout.find("state", entry.name);
    memory.view("state", slot, slot.byteOffset).set(weights.stateOf(entry));
  }
  const segmentOf = (memoryName: string, name: SegmentName) => {
    const slot = layout.find(memoryName, name);
    return memory.view(memoryName, slot, slot.byteOffset);
  };
  for (const entry of structure.parameters) segmentOf("theta", entry.segment).set(weights.parameter(entry), entry.offset);
  const one = { steps: 1, threads: executor().threads };
  gradientProgram.runSync(memory, one);
  const trainable = structure.parameters.filter((p) => p.segment !== "frozen");
  const analytic = trainable.map((p) => Float64Array.from(segmentOf("dtheta", p.segment).subarray(p.offset, p.offset + sizeOf(p.shape))));

  const costSlot = layout.find("out", "cost");
  const costNow = () => {
    costProgram.runSync(memory, one);
    return memory.view("out", costSlot, costSlot.byteOffset)[0] as number;
  };
  const reports: { report: ParameterReport; pairs: { approx: number; grad: number }[] }[] = [];
  let evaluations = 0;
  for (const [p, entry] of trainable.entries()) {
    const theta = segmentOf("theta", entry.segment);
    const pairs: { approx: number; grad: number }[] = [];
    for (let i = 0; i < sizeOf(entry.shape); i++) {
      const k = entry.offset + i;
      const value = theta[k] as number;
      theta[k] = value + epsilon;
      const up = theta[k] as number;
      const above = costNow();
      theta[k] = value - epsilon;
      const down = theta[k] as number;
      const below = costNow();
      theta[k] = value;
      pairs.push({ approx: (above - below) / (up - down), grad: (analytic[p] as Float64Array)[i] as number });
      // The event loop has its turn now and then.
      if (++evaluations % 512 === 0) await new Promise<void>((resolve) => setTimeout(resolve, 0));
    }
    reports.push({ report: parameterReport(entry.name, entry.shape, pairs), pairs });
  }
  const difference = relativeDistance(reports.flatMap((r) => r.pairs));
  return {
    difference,
    verdict: verdictOf(difference),
    parameters: reports.map((r) => r.report).sort((a, b) => b.difference - a.difference),
  };
}

function parameterReport(name: string, shape: readonly number[], pairs: readonly { approx: number; grad: number }[]): ParameterReport {
  let worst = 0;
  pairs.forEach(({ approx, grad }, i) => {
    const { approx: a, grad: g } = pairs[worst] as { approx: number; grad: number };
    if (Math.abs(approx - grad) > Math.abs(a - g)) worst = i;
  });
  const { approx, grad } = pairs[worst] ?? { approx: 0, grad: 0 };
  const index = stridesOf(shape).map((stride, axis) => Math.floor(worst / stride) % (shape[axis] as number));
  return { name, difference: relativeDistance(pairs), worst: { index, approx, grad } };
}

/** The same draws at every evaluation. */
function fixedMask(x: Tensor, keepProb: number, site: number): Tensor {
  return asTensor(dropoutOp(x, scalar(keepProb, { dtype: "f64" }), tensor(Int32Array.of(0, 0, 0)), { site }).y);
}
