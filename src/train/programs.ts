// Traces the programs of a model: a training step (forward, backward, update), an evaluation, a prediction. Everything
// that changes from step to step is read from memory: rows, learning rate, dropout key. Knows no loop and no policy.
import type { DType } from "../dtype.ts";
import { gradients } from "../graph/gradient.ts";
import type { Store } from "../graph/graph.ts";
import type { Layout, MemoryName, Slot } from "../graph/layout.ts";
import { type Program, program } from "../graph/program.ts";
import { view } from "../graph/segment.ts";
import type { Augmentations } from "../nn/augmentation.ts";
import type { LossDefinition } from "../nn/losses.ts";
import { judged, type Metric } from "../nn/metrics.ts";
import type { Network, ParameterEntry, SegmentName, StateEntry, Structure, Surroundings } from "../nn/network.ts";
import { penalty, type RegularizerDefinition } from "../nn/regularizers.ts";
import { tracedState } from "../nn/state.ts";
import { weightLayout } from "../nn/weights.ts";
import { scoped, source, type Value, type ValueType } from "../ops/define.ts";
import { dropout } from "../ops/dropout.ts";
import { add, clip, mul, sqrt } from "../ops/elementwise.ts";
import { gatherRows } from "../ops/movement.ts";
import { sumSquares } from "../ops/reduce.ts";
import type { UpdateRule } from "../optim/rules.ts";
import { asTensor, clipScale, type Tensor, type Variable } from "../tensor.ts";

/** The data set as it lies in memory. */
export interface DataTypes {
  readonly x: ValueType;
  readonly y: ValueType;
}

export interface TrainingSpec {
  readonly network: Network;
  readonly structure: Structure;
  readonly data: DataTypes;
  readonly loss: LossDefinition;
  readonly rule: UpdateRule;
  readonly regularizer: RegularizerDefinition | undefined;
  readonly augment: Augmentations | undefined;
  readonly clipNorm: number | undefined;
  readonly clipValue: number | undefined;
  readonly metrics: Readonly<Record<string, Metric>>;
  /** Keep probability of each dropout layer, in order; a layer whose is 1 is left out, the others read theirs from memory. */
  readonly keep: readonly number[];
}

/** Trainable segments; frozen parameters have no gradient. */
const trainable: readonly SegmentName[] = ["decay", "plain"];

/** Scalars of a training step, in the order in which the trainer writes them. */
export interface StepSlots {
  readonly learningRate: number;
  readonly others: readonly number[];
  readonly keep: readonly number[];
  /** Byte offset of the three words seed low, seed high, step. */
  readonly key: number;
  /** The same of seed low, seed high, epoch, where images are augmented. */
  readonly augment: number | undefined;
}

export interface TrainingProgram {
  readonly program: Program;
  readonly layout: Layout;
  readonly hyper: StepSlots;
  /** Byte offset of each result in the `out` of a step. */
  readonly out: {
    readonly loss: number;
    readonly error: number;
    readonly gradientNorm: number;
    readonly metrics: Readonly<Record<string, number>>;
  };
}

/** A training step that also leaves what each layer put out, in order, and the gradient as it was before clipping. */
export interface ProbeProgram extends TrainingProgram {
  readonly outputs: readonly Slot[];
  readonly gradients: ReadonlyMap<SegmentName, Slot>;
}

function memory(layout: Layout, name: MemoryName, slot: string): Value {
  return source({ kind: "memory", memory: name, name: slot }, layout.find(name, slot));
}

/** Parameters as views of their segments, statistics as slots of `state`. */
function inMemory(
  layout: Layout,
  segments: ReadonlyMap<SegmentName, Value>,
  stores: Store[] | undefined,
): Pick<Surroundings, "param" | "state"> {
  return {
    param: ({ segment, offset, shape }: ParameterEntry): Tensor => asTensor(view(segments.get(segment) as Value, offset, shape)),
    state: ({ name }: StateEntry): Variable =>
      tracedState(memory(layout, "state", name), name, stores && ((value) => keepState(stores, name, value))),
  };
}

/** The last assignment of a step wins. */
function keepState(stores: Store[], name: string, value: Value): void {
  const before = stores.findIndex((s) => s.memory === "state" && s.name === name);
  if (before >= 0) stores.splice(before, 1);
  stores.push({ value, memory: "state", name });
}

function segmentSources(layout: Layout): Map<SegmentName, Value> {
  return new Map((["decay", "plain", "frozen"] as const).map((name) => [name, memory(layout, "theta", name)]));
}

/** Rows `rows` of the data set, x as f32, y in the type of the loss. */
function gathered(layout: Layout, data: DataTypes, rows: number): { x: Value; y: Value; at: Value } {
  layout.add("input", "x", data.x);
  layout.add("input", "y", data.y);
  layout.add("rows", "rows", { shape: [rows], dtype: "i32" });
  const at = memory(layout, "rows", "rows");
  return { x: gatherRows(memory(layout, "input", "x"), at, "f32"), y: gatherRows(memory(layout, "input", "y"), at, data.y.dtype), at };
}

/** Adds all, or nothing when there is nothing. */
function total(values: readonly Value[]): Value | undefined {
  return values.reduce<Value | undefined>((sum, v) => (sum ? add(sum, v) : v), undefined);
}

/** One optimizer step on a batch of `rows` rows. */
export function trainingProgram(spec: TrainingSpec, rows: number): TrainingProgram {
  return tracedStep(spec, rows, rows, undefined);
}

/** The same step with a look inside; the regulariser's term is that of a batch of m rows, though only `rows` of them are there. */
export function probeProgram(spec: TrainingSpec, rows: number, m: number): ProbeProgram {
  const outputs: Slot[] = [];
  const gradients = new Map<SegmentName, Slot>();
  return { ...tracedStep(spec, rows, m, { outputs, gradients }), outputs, gradients };
}

function tracedStep(
  spec: TrainingSpec,
  rows: number,
  m: number,
  probe: { outputs: Slot[]; gradients: Map<SegmentName, Slot> } | undefined,
): TrainingProgram {
  const { network, structure, data, loss, rule, regularizer, augment, metrics, keep: keepProb } = spec;
  const layout = weightLayout(structure);
  const stores: Store[] = [];
  const used = trainable.filter((name) => structure.segments[name] > 0);
  for (const name of used) {
    const type = layout.find("theta", name);
    layout.add("dtheta", name, type);
    for (const slot of rule.slots) layout.add("slots", `${slot}.${name}`, type);
  }
  const hyper = hyperSlots(layout, spec);
  const keep = (name: string, value: Value, memoryName: MemoryName = "out"): Slot => {
    const slot = memoryName === "out" ? layout.add("out", name, value.type) : layout.find(memoryName, name);
    stores.push({ value, memory: memoryName, name });
    return slot;
  };

  const segments = segmentSources(layout);
  const { x, y, at } = gathered(layout, data, rows);
  const seen = augment ? scoped("augment", () => augment.apply(x, at, memory(layout, "hyper", "augment"))) : x;
  const output = network.forward(seen, {
    training: true,
    ...inMemory(layout, segments, stores),
    dropout: (value, _keepProb, site) =>
      keepProb[site] === 1 ? value : asTensor(dropout(value, memory(layout, "hyper", `keep${site}`), memory(layout, "hyper", "key"), { site }).y), // biome-ignore format: one call
    ...(probe && { seen: (layer: number, value: Tensor) => probe.outputs.push(keep(`layer${layer}`, value)) }),
  });
  const labels = asTensor(y);
  const dataLoss = loss(output, labels);
  const weights = segments.get("decay") as Value;
  const term = regularizer && structure.segments.decay > 0 ? penalty(regularizer, weights, m) : undefined;
  const cost = term ? add(dataLoss, term) : dataLoss;

  const theta = used.map((name) => segments.get(name) as Value);
  const raw = gradients(cost, theta);
  const limited = spec.clipValue === undefined ? raw : raw.map((g) => clip(g, -(spec.clipValue as number), spec.clipValue as number));
  const clipped = spec.clipNorm === undefined ? limited : scaled(limited, spec.clipNorm);

  const learningRate = memory(layout, "hyper", "learningRate");
  const others = rule.scalars.map((name) => memory(layout, "hyper", name));
  const squares: Value[] = [];
  used.forEach((name, i) => {
    keep(name, clipped[i] as Value, "dtheta");
    probe?.gradients.set(name, keep(`gradient.${name}`, raw[i] as Value));
    const slots = rule.slots.map((slot) => memory(layout, "slots", `${slot}.${name}`));
    const next = rule.update(theta[i] as Value, clipped[i] as Value, slots, { learningRate, others }, name === "decay");
    keep(name, next.theta, "theta");
    squares.push(next.squares);
    next.slots.forEach((value, s) => {
      keep(`${rule.slots[s]}.${name}`, value, "slots");
    });
  });

  keep("loss", cost);
  keep("error", errorOf(loss, output, labels, dataLoss));
  // That of the loss itself: before clipping.
  const norm = total(clipped === raw ? squares : raw.map((g) => sumSquares(g)));
  keep("gradientNorm", norm ? sqrt(norm) : asTensor(dataLoss).mul(0));
  for (const [name, metric] of Object.entries(metrics)) keep(`metric.${name}`, judged(name, metric, output, labels).reshape([]));
  const offset = (name: string) => layout.find("out", name).byteOffset;
  return {
    program: program(stores, layout),
    layout,
    hyper,
    out: {
      loss: offset("loss"),
      error: offset("error"),
      gradientNorm: offset("gradientNorm"),
      metrics: Object.fromEntries(Object.keys(metrics).map((name) => [name, offset(`metric.${name}`)])),
    },
  };
}

function scaled(list: readonly Value[], max: number): Value[] {
  const squares = total(list.map((g) => sumSquares(g)));
  return squares ? list.map((g) => mul(g, clipScale(squares, max))) : [];
}

function errorOf(loss: LossDefinition, output: Tensor, y: Tensor, dataLoss: Value): Value {
  return loss.errors ? loss.errors(output, y).mean() : dataLoss;
}

function hyperSlots(layout: Layout, { rule, network, augment }: TrainingSpec): StepSlots {
  const scalar = { shape: [], dtype: "f32" as DType };
  const add = (name: string, type: ValueType = scalar) => layout.add("hyper", name, type).byteOffset;
  return {
    learningRate: add("learningRate"),
    others: rule.scalars.map((name) => add(name)),
    keep: network.layers.filter((l) => l.kind === "dropout").map((_, site) => add(`keep${site}`)),
    key: add("key", { shape: [3], dtype: "i32" }),
    augment: augment && add("augment", { shape: [3], dtype: "i32" }),
  };
}

export interface EvaluationProgram {
  readonly program: Program;
  readonly layout: Layout;
  readonly out: { readonly loss: number; readonly error: number; readonly outputs: number | undefined };
}

/** Loss and error of a batch of `rows` rows, and its outputs when they are wanted. No dropout, running statistics. */
export function evaluationProgram(
  network: Network,
  structure: Structure,
  data: DataTypes,
  loss: LossDefinition,
  rows: number,
  wantOutputs: boolean,
): EvaluationProgram {
  const layout = weightLayout(structure);
  const { x, y } = gathered(layout, data, rows);
  const output = network.forward(x, { training: false, ...inMemory(layout, segmentSources(layout), undefined), dropout: (value) => value });
  const labels = asTensor(y);
  const dataLoss = loss(output, labels);
  const stores: Store[] = [];
  const keep = (name: string, value: Value) => {
    stores.push({ value, memory: "out", name });
    return layout.add("out", name, value.type).byteOffset;
  };
  const out = {
    loss: keep("loss", dataLoss),
    error: keep("error", errorOf(loss, output, labels, dataLoss)),
    outputs: wantOutputs ? keep("outputs", output) : undefined,
  };
  return { program: program(stores, layout), layout, out };
}

export type PredictAs = "outputs" | "probabilities" | "classes";

export interface PredictionProgram {
  readonly program: Program;
  readonly layout: Layout;
  readonly input: number;
  readonly output: ValueType & { readonly byteOffset: number };
}

/** Outputs of a batch of `rows` rows that is written into `input` as f32. */
export function predictionProgram(
  network: Network,
  structure: Structure,
  loss: LossDefinition | undefined,
  rows: number,
  as: PredictAs,
): PredictionProgram {
  const layout = weightLayout(structure);
  const slot = layout.add("input", "x", { shape: [rows, ...structure.inputShape], dtype: "f32" });
  const raw = network.forward(memory(layout, "input", "x"), {
    training: false,
    ...inMemory(layout, segmentSources(layout), undefined),
    dropout: (value) => value,
  });
  const value =
    as === "outputs" ? raw : as === "probabilities" ? (loss?.probabilities?.(raw) ?? raw) : (loss?.classes?.(raw) ?? raw.argMax(-1));
  const output = layout.add("out", "output", value.type);
  return { program: program([{ value, memory: "out", name: "output" }], layout), layout, input: slot.byteOffset, output };
}
