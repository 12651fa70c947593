// A look at where a run stands: the step that it would make next from weights it has published, made aside in memory of its own, with every
// layer's output, gradient and update left to be read. It costs a run nothing but remembering; it judges nothing.
import { bytesPerElement, type NumberArray } from "../dtype.ts";
import { aligned, bytesOf } from "../graph/layout.ts";
import type { ParameterEntry } from "../nn/network.ts";
import type { Weights } from "../nn/weights.ts";
import { seedWords } from "../random.ts";
import { executor } from "../run/backend.ts";
import { inspected } from "../run/evaluate.ts";
import type { LoadedProgram } from "../run/executor.ts";
import { allocate, Memory } from "../run/memory.ts";
import { sizeOf } from "../shape.ts";
import { type ProbeProgram, probeProgram, type TrainingSpec } from "./programs.ts";
import type { Table } from "./table.ts";

/** A place in a run from which the next step can be made. */
export interface Moment {
  /** Not written to any more. */
  readonly weights: Weights;
  /** The optimizer's state; undefined: zeros. Not written to any more. */
  readonly slots: Uint8Array | undefined;
  /** Rows of the data set to look at. */
  readonly rows: Int32Array;
  /** Of the step to be made. */
  learningRate(): number;
  /** Steps made, and those that the optimizer's state has seen. */
  readonly step: number;
  readonly updates: number;
}

/** How the run trains, until `settings` says otherwise. */
export interface ProbeParts {
  readonly spec: TrainingSpec;
  readonly table: Table;
  readonly seed: number;
  /** Rows of a training step, by which the regulariser's term is divided. */
  readonly batchSize: number;
}

export interface LayerMeasure {
  readonly name: string;
  readonly kind: string;
  /** Root of the mean square of its output. */
  readonly output: number;
  /** Of its trainable parameters, if it has any: Euclidean norms of their gradient, of themselves, and of the step. */
  readonly parameters: { readonly gradient: number; readonly weights: number; readonly step: number } | undefined;
}

export interface Measure {
  /** Cost of the rows looked at, before the step. */
  readonly cost: number;
  /** In the order of the stack. */
  readonly layers: readonly LayerMeasure[];
}

export class Probe {
  #spec: TrainingSpec;
  readonly #seed: number;
  #batchSize: number;
  #table: Table | undefined;
  #moment: Moment;
  /** The rows of the moment, where the table is not kept any more. */
  #rows: Table | undefined;
  #program: { readonly rows: number; readonly made: ProbeProgram; readonly loaded: LoadedProgram } | undefined;
  #measured: Measure | undefined;

  constructor({ spec, table, seed, batchSize }: ProbeParts, moment: Moment) {
    this.#spec = spec;
    this.#table = table;
    this.#seed = seed;
    this.#batchSize = batchSize;
    this.#moment = moment;
  }

  get moment(): Moment {
    return this.#moment;
  }

  /** From here on the run stands there. */
  move(moment: Moment): void {
    this.#moment = moment;
    this.#measured = undefined;
  }

  /** From here on the run trains so. */
  settings(spec: TrainingSpec, batchSize: number): void {
    this.#spec = spec;
    this.#batchSize = batchSize;
    this.#program = undefined;
    this.#measured = undefined;
  }

  /** The run is over: keeps the rows it looks at and lets go of the data set; the weights may be assigned to from now on. */
  end(): void {
    if (!this.#table) return;
    this.#moment = { ...this.#moment, weights: this.#moment.weights.copy() };
    this.#rows = rowsOf(this.#table, this.#spec, this.#moment.rows);
    this.#table = undefined;
  }

  /** Made once for each moment. */
  measure(): Measure {
    this.#measured ??= this.#step();
    return this.#measured;
  }

  #loaded(rows: number, spec: TrainingSpec): { readonly made: ProbeProgram; readonly loaded: LoadedProgram } {
    if (this.#program?.rows !== rows) {
      const made = probeProgram(spec, rows, this.#batchSize);
      this.#program = { rows, made, loaded: executor().load(inspected(made.program)) };
    }
    return this.#program;
  }

  #step(): Measure {
    const { weights, slots, rows, step, updates } = this.#moment;
    const table = this.#rows ?? rowsOf(this.#table as Table, this.#spec, rows);
    const spec = { ...this.#spec, data: table.types };
    const { made, loaded } = this.#loaded(rows.length, spec);
    const { layout, hyper } = made;
    const memory = new Memory();
    memory.share("input", table.input);
    for (const name of ["theta", "dtheta", "slots", "state", "rows", "hyper", "out"] as const)
      memory.ensure(name, layout.memory(name).bytes);
    memory.get("theta").set(weights.theta);
    memory.get("state").set(weights.state);
    if (slots) memory.get("slots").set(slots.subarray(0, layout.memory("slots").bytes));
    const numbers = memory.view("rows", { shape: [rows.length], dtype: "i32" }, 0);
    for (let i = 0; i < rows.length; i++) numbers[i] = i;
    const write = (byteOffset: number, value: number) => {
      memory.view("hyper", { shape: [], dtype: "f32" }, byteOffset)[0] = value;
    };
    write(hyper.learningRate, this.#moment.learningRate());
    spec.rule.scalarsAt(updates + 1).forEach((value, i) => {
      write(hyper.others[i] as number, value);
    });
    spec.keep.forEach((value, i) => {
      write(hyper.keep[i] as number, value);
    });
    memory.view("hyper", { shape: [3], dtype: "i32" }, hyper.key).set([...seedWords(this.#seed), step + 1]);
    // Images are changed as training changes them, by draws of their own.
    if (hyper.augment !== undefined)
      memory.view("hyper", { shape: [3], dtype: "i32" }, hyper.augment).set([...seedWords(this.#seed), step + 1]);
    loaded.runSync(memory, { steps: 1, threads: executor().threads });
    return {
      cost: memory.view("out", { shape: [], dtype: "f32" }, made.out.loss)[0] as number,
      layers: measureLayers(spec, made, memory, weights),
    };
  }
}

function measureLayers(
  { network, structure }: TrainingSpec,
  { layout, outputs, gradients }: ProbeProgram,
  memory: Memory,
  before: Weights,
) {
  const part = ({ offset, shape }: ParameterEntry, from: NumberArray) => from.subarray(offset, offset + sizeOf(shape));
  const segmentIn = (name: ParameterEntry["segment"], memoryName: "theta" | "out") => {
    const slot = memoryName === "theta" ? layout.find("theta", name) : gradients.get(name);
    return slot && memory.view(memoryName, slot, slot.byteOffset);
  };
  return network.names.map((name, i): LayerMeasure => {
    const slot = outputs[i] as (typeof outputs)[number];
    const values = memory.view("out", slot, slot.byteOffset);
    const sums = { gradient: 0, weights: 0, step: 0 };
    const own = structure.parameters.filter((p) => p.segment !== "frozen" && p.name.slice(0, p.name.lastIndexOf(".")) === name);
    for (const entry of own) {
      const gradient = segmentIn(entry.segment, "out");
      const after = segmentIn(entry.segment, "theta");
      if (!gradient || !after) continue;
      const old = before.parameter(entry);
      sums.gradient += sumOfSquares(part(entry, gradient));
      sums.weights += sumOfSquares(old);
      part(entry, after).forEach((value, k) => {
        sums.step += (value - (old[k] as number)) ** 2;
      });
    }
    const parameters = { gradient: Math.sqrt(sums.gradient), weights: Math.sqrt(sums.weights), step: Math.sqrt(sums.step) };
    return {
      name,
      kind: network.layers[i]?.kind ?? "",
      output: Math.sqrt(sumOfSquares(values) / Math.max(1, values.length)),
      parameters: own.length ? parameters : undefined,
    };
  });
}

/** In f64, where the squares of all f32 numbers fit: neither 1e-40 nor 1e30 is lost. */
function sumOfSquares(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += (values[i] as number) ** 2;
  return sum;
}

/** A table of some rows of another. */
function rowsOf({ input }: Table, { data }: TrainingSpec, rows: Int32Array): Table {
  const types = {
    x: { ...data.x, shape: [rows.length, ...data.x.shape.slice(1)] },
    y: { ...data.y, shape: [rows.length, ...data.y.shape.slice(1)] },
  };
  const made = allocate(aligned(bytesOf(types.x)) + aligned(bytesOf(types.y)));
  const copy = (type: typeof types.x, from: number, to: number) => {
    const width = sizeOf(type.shape.slice(1)) * bytesPerElement[type.dtype];
    rows.forEach((row, i) => {
      made.set(input.subarray(from + row * width, from + (row + 1) * width), to + i * width);
    });
  };
  copy(types.x, 0, 0);
  copy(types.y, aligned(bytesOf(data.x)), aligned(bytesOf(types.x)));
  return { rows: rows.length, types, input: made };
}
