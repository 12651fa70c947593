// Where a run stands between two steps: everything that the steps to come depend on, and its form in a checkpoint, by name
// and to the last bit. What does not follow from the seed, the data and the options is here. Knows no files and no loop.
import type { TypedArray } from "../dtype.ts";
import { describe, MinibatchError } from "../errors.ts";
import type { Layout } from "../graph/layout.ts";
import type { CheckpointContent } from "../io/checkpoint-file.ts";
import { type HeaderMap, type HeaderValue, parseHeader } from "../io/header.ts";
import type { StoredTensor } from "../io/safetensors.ts";
import type { Structure } from "../nn/network.ts";
import { Weights } from "../nn/weights.ts";
import { allocate, view } from "../run/memory.ts";
import { sameShape, show, sizeOf } from "../shape.ts";
import type { Epoch, Intervention } from "./history.ts";
import type { Kept } from "./marks.ts";
import {
  type Change,
  changeAsJson,
  changeFromJson,
  lacksSchedule,
  type Subject,
  type Tuning,
  tuningAsJson,
  tuningFromJson,
} from "./tuning.ts";

/** Sums over the steps of an epoch, weighted by rows, in f64. */
export interface Sums {
  rows: number;
  steps: number;
  loss: number;
  error: number;
  gradientNorm: number;
  /** The first step, counted from 0 in the epoch, whose loss or gradient was not finite; no checkpoint is made after one. */
  wrongStep: number | undefined;
  metrics: Record<string, number>;
}

/** The epoch under way. */
export interface Place {
  readonly epoch: number;
  /** Rows of it that have been trained on. */
  at: number;
  readonly sums: Sums;
  /** Spent on it by runs before this one. */
  readonly seconds: number;
}

export function startOf(epoch: number): Place {
  return { epoch, at: 0, sums: { rows: 0, steps: 0, loss: 0, error: 0, gradientNorm: 0, wrongStep: undefined, metrics: {} }, seconds: 0 };
}

export interface Standing {
  readonly weights: Weights;
  readonly slots: Uint8Array | undefined;
  readonly step: number;
  readonly updates: number;
  readonly lastRate: number;
  /** What run.set made of the options. */
  readonly tuning: Tuning;
  /** Changes that wait for the next epoch. */
  readonly pending: readonly Change[];
  readonly place: Place;
  readonly lastFinite: Weights;
  /** Weights that early stopping ends with. */
  readonly restore: Weights | undefined;
  /** Number of the best epoch; 0 before the first. */
  readonly best: number;
  readonly watched: number;
  readonly epochsWithoutBetter: number;
  readonly marks: ReadonlyMap<string, Kept>;
  readonly epochs: readonly Epoch[];
  readonly interventions: readonly Intervention[];
}

/** How the arrays of a run are laid out, and what its epochs are measured by. */
export interface Frame {
  readonly structure: Structure;
  readonly layout: Layout;
  /** Names of the optimizer's state vectors. */
  readonly slots: readonly string[];
  readonly metrics: readonly string[];
  /** The options, from which the values of a run differ by its changes. */
  readonly subject: Subject;
}

type Tensors = Map<string, StoredTensor<TypedArray>>;

/** Every parameter's part of every state vector of the optimizer. */
function slotParts(
  { structure, layout, slots }: Frame,
  bytes: Uint8Array,
): { name: string; shape: readonly number[]; data: Float32Array }[] {
  return slots.flatMap((slot) =>
    structure.parameters
      .filter(({ segment }) => segment !== "frozen")
      .map(({ name, shape, segment, offset }) => {
        const { byteOffset } = layout.find("slots", `${slot}.${segment}`);
        return { name: `${slot}/${name}`, shape, data: view(bytes, "f32", byteOffset + offset * 4, sizeOf(shape)) as Float32Array };
      }),
  );
}

/** Memories are whole numbers of 64 bytes: compared by words. */
function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  const [x, y] = [a, b].map(({ buffer, byteOffset, byteLength }) => new Int32Array(buffer, byteOffset, byteLength / 4)) as [
    Int32Array,
    Int32Array,
  ];
  if (x.length !== y.length) return false;
  for (let i = 0; i < x.length; i++) if (x[i] !== y[i]) return false;
  return true;
}

function sameWeights(a: Weights, b: Weights): boolean {
  return a === b || (sameBytes(a.theta, b.theta) && sameBytes(a.state, b.state));
}

/** Doubles of the run that may be infinite or not a number; they are kept as bits. */
const scalars = ["lastRate", "watched", "loss", "error", "gradientNorm", "seconds"] as const;
const epochColumns = [
  "step",
  "trainLoss",
  "trainError",
  "hasDev",
  "devLoss",
  "devError",
  "learningRate",
  "gradientNorm",
  "seconds",
] as const;

function epochRow(epoch: Epoch, metrics: readonly string[]): number[] {
  const { devLoss = Number.NaN, devError = Number.NaN } = epoch;
  const values = { ...epoch, hasDev: epoch.devLoss === undefined ? 0 : 1, devLoss, devError };
  const { trainMetrics, devMetrics } = epoch as unknown as Record<"trainMetrics" | "devMetrics", Record<string, number | undefined>>;
  return [
    ...epochColumns.map((column) => values[column]),
    ...metrics.map((name) => trainMetrics[name] ?? Number.NaN),
    ...metrics.map((name) => devMetrics[name] ?? Number.NaN),
  ];
}

function epochOf(row: TypedArray, number: number, metrics: readonly string[]): Epoch {
  const value = (column: (typeof epochColumns)[number]) => row[epochColumns.indexOf(column)] as number;
  const hasDev = value("hasDev") === 1;
  const first = epochColumns.length;
  const values = metrics.map((name, i) => [name, row[first + i] as number] as const);
  const devValues = metrics.map((name, i) => [name, hasDev ? (row[first + metrics.length + i] as number) : undefined] as const);
  return {
    epoch: number,
    step: value("step"),
    trainLoss: value("trainLoss"),
    trainError: value("trainError"),
    devLoss: hasDev ? value("devLoss") : undefined,
    devError: hasDev ? value("devError") : undefined,
    trainMetrics: Object.fromEntries(values),
    devMetrics: Object.fromEntries(devValues),
    learningRate: value("learningRate"),
    gradientNorm: value("gradientNorm"),
    seconds: value("seconds"),
  };
}

/** `identity`: what the run must share with the one that goes on with it. */
export function encodeStanding(s: Standing, frame: Frame, identity: Readonly<Record<string, string>>): CheckpointContent {
  const tensors: Tensors = new Map();
  const put = (name: string, shape: readonly number[], data: TypedArray) =>
    tensors.set(name, { dtype: data instanceof Float64Array ? "f64" : "f32", shape, data });
  const putWeights = (prefix: string, weights: Weights) => {
    for (const { name, shape, data } of weights.entries()) put(`${prefix}/${name}`, shape, data);
  };
  const putSlots = (prefix: string, bytes: Uint8Array | undefined) => {
    if (bytes) for (const { name, shape, data } of slotParts(frame, bytes)) put(`${prefix}/${name}`, shape, new Float32Array(data));
  };
  putWeights("weights", s.weights);
  putSlots("slots", s.slots);
  const finite = sameWeights(s.lastFinite, s.weights) ? "weights" : "own";
  if (finite === "own") putWeights("finite", s.lastFinite);
  const best = s.restore === undefined ? "none" : s.restore === s.lastFinite ? "finite" : "own";
  if (s.restore && best === "own") putWeights("best", s.restore);
  [...s.marks.values()].forEach((kept, i) => {
    putWeights(`mark ${i}/weights`, kept.weights);
    putSlots(`mark ${i}/slots`, kept.slots);
  });
  const { sums, seconds } = s.place;
  const values = { ...sums, seconds, lastRate: s.lastRate, watched: s.watched };
  put(
    "scalars",
    [scalars.length],
    Float64Array.from(scalars, (name) => values[name]),
  );
  put(
    "sums",
    [frame.metrics.length],
    Float64Array.from(frame.metrics, (name) => sums.metrics[name] ?? 0),
  );
  const rows = s.epochs.map((epoch) => epochRow(epoch, frame.metrics));
  put("epochs", [rows.length, epochColumns.length + 2 * frame.metrics.length], Float64Array.from(rows.flat()));
  const run = {
    step: s.step,
    updates: s.updates,
    // As JSON of their own: names may have any characters, numbers need not be whole.
    tuning: JSON.stringify(tuningAsJson(s.tuning, frame.subject.tuning)),
    pending: s.pending.map((change) => ({ change: JSON.stringify(changeAsJson(change)) })),
    epoch: s.place.epoch,
    at: s.place.at,
    rows: sums.rows,
    steps: sums.steps,
    slots: s.slots !== undefined,
    finite,
    best,
    bestEpoch: s.best,
    epochsWithoutBetter: s.epochsWithoutBetter,
    marks: [...s.marks].map(([name, { step, automatic, updates, slots, tuning }]) => ({
      name: JSON.stringify(name),
      step,
      automatic,
      updates,
      slots: slots !== undefined,
      tuning: JSON.stringify(tuningAsJson(tuning, frame.subject.tuning)),
    })),
    interventions: s.interventions.map(({ step, what, value }) => ({
      step,
      what,
      value: value === undefined ? "" : JSON.stringify(value),
    })),
    identity,
  };
  return { run: JSON.stringify(run), tensors };
}

/** Reads the fields of a checkpoint's text one by one; `fail` says which one is wrong. */
class Fields {
  readonly #map: HeaderMap;
  readonly #where: string;
  readonly #fail: (what: string) => never;

  constructor(value: HeaderValue | undefined, where: string, fail: (what: string) => never) {
    this.#map = value instanceof Map ? (value as HeaderMap) : fail(`${where} must be an object`);
    this.#where = where;
    this.#fail = fail;
  }

  #read<T extends HeaderValue>(name: string, kind: string, fits: (value: HeaderValue | undefined) => value is T): T {
    const value = this.#map.get(name);
    return fits(value) ? value : this.#fail(`${this.#where}.${name} must be ${kind}`);
  }

  number(name: string, min = 0): number {
    return this.#read(name, `a whole number from ${min}`, (v): v is number => typeof v === "number" && v >= min);
  }

  flag(name: string): boolean {
    return this.#read(name, "true or false", (v): v is boolean => typeof v === "boolean");
  }

  text(name: string): string {
    return this.#read(name, "text", (v): v is string => typeof v === "string");
  }

  oneOf<const T extends string>(name: string, values: readonly T[]): T {
    return this.#read(name, `one of ${values.join(", ")}`, (v): v is T => values.includes(v as T));
  }

  list(name: string): Fields[] {
    const items = this.#read(name, "a list", (v): v is readonly HeaderValue[] => Array.isArray(v));
    return items.map((item, i) => new Fields(item, `${this.#where}.${name}[${i}]`, this.#fail));
  }

  object(name: string): Fields {
    return new Fields(this.#map.get(name), `${this.#where}.${name}`, this.#fail);
  }

  get names(): string[] {
    return [...this.#map.keys()];
  }
}

type Fail = (what: string) => never;

function fieldsOf(content: CheckpointContent, fail: Fail): Fields {
  let value: HeaderValue;
  try {
    value = parseHeader(content.run);
  } catch (error) {
    return fail(`run: ${error instanceof Error ? error.message : String(error)}`);
  }
  return new Fields(value, "run", fail);
}

/** What the run that wrote a checkpoint was. */
export function identityOf(content: CheckpointContent, fail: Fail): Record<string, string> {
  const identity = fieldsOf(content, fail).object("identity");
  return Object.fromEntries(identity.names.map((name) => [name, identity.text(name)]));
}

/** JSON with prototypes out of reach; undefined for no text. */
function parsed(text: string, fail: Fail): Intervention["value"] {
  try {
    return text === ""
      ? undefined
      : (JSON.parse(text, (key, value: unknown) => (key === "__proto__" ? undefined : value)) as Intervention["value"]);
  } catch {
    return fail(`run: names and values must be JSON, got ${describe(text)}`);
  }
}

/** Whether values that it needs are in no file: run.set had given a schedule. */
export function needsSchedule(content: CheckpointContent, fail: Fail): boolean {
  const run = fieldsOf(content, fail);
  const texts = [
    run.text("tuning"),
    ...run.list("marks").map((mark) => mark.text("tuning")),
    ...run.list("pending").map((p) => p.text("change")),
  ];
  return texts.some((text) => lacksSchedule(parsed(text, fail) ?? null));
}

/** Where the run stood. `fail` throws the error for a checkpoint that does not fit `frame`. */
export function decodeStanding(content: CheckpointContent, frame: Frame, fail: Fail): Standing {
  const { structure, layout, metrics, subject } = frame;
  const sound = <T>(make: () => T): T => {
    try {
      return make();
    } catch (error) {
      return fail(error instanceof MinibatchError ? error.message : describe(error));
    }
  };
  const tuningOf = (field: Fields) => sound(() => tuningFromJson("run", parsed(field.text("tuning"), fail) ?? null, subject));
  const run = fieldsOf(content, fail);
  const left = new Map(content.tensors);
  const take = (name: string, dtype: "f32" | "f64", shape: readonly number[]): TypedArray => {
    const stored = left.get(name);
    if (!stored) return fail(`tensor "${name}" is missing`);
    if (stored.dtype !== dtype || !sameShape(stored.shape, shape))
      return fail(`tensor "${name}" must be ${dtype}${show(shape)}, got ${stored.dtype}${show(stored.shape)}`);
    left.delete(name);
    return stored.data;
  };
  const takeWeights = (prefix: string): Weights => {
    const weights = new Weights(structure);
    for (const p of structure.parameters) weights.parameter(p).set(take(`${prefix}/${p.name}`, "f32", p.shape));
    for (const s of structure.states) weights.stateOf(s).set(take(`${prefix}/${s.name}`, "f32", s.shape));
    return weights;
  };
  const takeSlots = (prefix: string, there: boolean): Uint8Array | undefined => {
    if (!there) return undefined;
    const bytes = allocate(layout.memory("slots").bytes);
    for (const { name, shape, data } of slotParts(frame, bytes)) data.set(take(`${prefix}/${name}`, "f32", shape));
    return bytes;
  };

  const weights = takeWeights("weights");
  const slots = takeSlots("slots", run.flag("slots"));
  const lastFinite = run.oneOf("finite", ["weights", "own"]) === "own" ? takeWeights("finite") : weights.copy();
  const best = run.oneOf("best", ["none", "finite", "own"]);
  const restore = best === "none" ? undefined : best === "finite" ? lastFinite : takeWeights("best");
  const marks = new Map<string, Kept>();
  run.list("marks").forEach((mark, i) => {
    const kept: Kept = {
      step: mark.number("step"),
      automatic: mark.flag("automatic"),
      tuning: tuningOf(mark),
      weights: takeWeights(`mark ${i}/weights`),
      slots: takeSlots(`mark ${i}/slots`, mark.flag("slots")),
      updates: mark.number("updates"),
    };
    marks.set(String(parsed(mark.text("name"), fail)), kept);
  });
  const numbers = take("scalars", "f64", [scalars.length]);
  const scalar = (name: (typeof scalars)[number]) => numbers[scalars.indexOf(name)] as number;
  const sums = take("sums", "f64", [metrics.length]);
  const steps = run.number("steps");
  const columns = epochColumns.length + 2 * metrics.length;
  const epoch = run.number("epoch", 1);
  const rows = take("epochs", "f64", [epoch - 1, columns]);
  const epochs = Array.from({ length: epoch - 1 }, (_, i) => epochOf(rows.subarray(i * columns, (i + 1) * columns), i + 1, metrics));
  const bestEpoch = run.number("bestEpoch");
  if (bestEpoch > epochs.length) fail(`run.bestEpoch must be one of the ${epochs.length} epochs, got ${bestEpoch}`);
  const [unknown] = left.keys();
  if (unknown !== undefined) fail(`tensor "${unknown}" belongs to no part of a run`);
  return {
    weights,
    slots,
    step: run.number("step"),
    updates: run.number("updates"),
    lastRate: scalar("lastRate"),
    tuning: tuningOf(run),
    pending: run.list("pending").map((p) => sound(() => changeFromJson("run", parsed(p.text("change"), fail), subject))),
    place: {
      epoch,
      at: run.number("at"),
      sums: {
        rows: run.number("rows"),
        steps,
        loss: scalar("loss"),
        error: scalar("error"),
        gradientNorm: scalar("gradientNorm"),
        wrongStep: undefined,
        metrics: steps ? Object.fromEntries(metrics.map((name, i) => [name, sums[i] as number])) : {},
      },
      seconds: scalar("seconds"),
    },
    lastFinite,
    restore,
    best: bestEpoch,
    watched: scalar("watched"),
    epochsWithoutBetter: run.number("epochsWithoutBetter"),
    marks,
    epochs,
    interventions: run.list("interventions").map((i) => {
      const value = parsed(i.text("value"), fail);
      const what = i.oneOf("what", ["pause", "resume", "stop", "set", "mark", "revert"]);
      return value === undefined ? { step: i.number("step"), what } : { step: i.number("step"), what, value };
    }),
  };
}
