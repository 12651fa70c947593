// Makes steps of a training program: keeps its memories, writes rows, rates and keys for a chunk, makes one call for it, and
// gives back what each step put out. It decides nothing: how many steps, on which rows and at which rate it is told.
import type { Weights } from "../nn/weights.ts";
import { seedWords } from "../random.ts";
import { executor } from "../run/backend.ts";
import { inspected } from "../run/evaluate.ts";
import type { LoadedProgram } from "../run/executor.ts";
import { Memory } from "../run/memory.ts";
import { type TrainingProgram, type TrainingSpec, trainingProgram } from "./programs.ts";
import type { Table } from "./table.ts";

/** Steps of a chunk at most: what rows, rates and results of a chunk take stays small. */
export const mostSteps = 4096;

interface Loaded extends TrainingProgram {
  readonly loaded: LoadedProgram;
}

export interface Chunk {
  readonly epoch: number;
  /** Rows of the data set; the chunk begins with the one at `at` and takes `size` for each of at most `steps` steps. */
  readonly order: Int32Array;
  readonly at: number;
  readonly size: number;
  readonly steps: number;
  /** The learning rate of a step, counted from 1. */
  rate(step: number): number;
  /** See RunOptions. */
  readonly control?: Int32Array;
}

/** What one step put out. */
export interface StepResult {
  readonly loss: number;
  readonly error: number;
  readonly gradientNorm: number;
  metric(name: string): number;
}

export class Stepper {
  /** What the steps change, in place. */
  readonly weights: Weights;
  /** Steps made. */
  step = 0;
  /** Updates the optimizer's state has seen: a revert takes it back, the step goes on. */
  updates = 0;
  /** Of a step, as measured last; 0 before the first. */
  milliseconds = 0;
  readonly #memory = new Memory();
  readonly #seed: number;
  readonly #threads: number;
  #spec: TrainingSpec;
  readonly #programs = new Map<number, Loaded>();
  #last: Loaded | undefined;
  /** Learning rates of the last chunk, unrounded. */
  readonly #rates: number[] = [];

  constructor(o: { spec: TrainingSpec; start: Weights; table: Table; seed: number; threads: number }) {
    this.weights = o.start.copy();
    this.#spec = o.spec;
    this.#seed = o.seed;
    this.#threads = o.threads;
    this.#memory.share("theta", this.weights.theta);
    this.#memory.share("state", this.weights.state);
    this.#memory.share("input", o.table.input);
  }

  /** From here on steps are of this kind; `traced`: the programs that there are serve it too. */
  use(spec: TrainingSpec, traced: boolean): void {
    this.#spec = spec;
    if (!traced) this.#programs.clear();
  }

  /** The program of a step on so many rows. */
  program(rows: number): Loaded {
    let found = this.#programs.get(rows);
    if (!found) {
      const made = trainingProgram(this.#spec, rows);
      found = { ...made, loaded: executor().load(inspected(made.program)) };
      this.#programs.set(rows, found);
    }
    return found;
  }

  /** A copy of the optimizer's state; undefined before the first step. */
  slots(): Uint8Array | undefined {
    return this.#memory.has("slots") ? this.#memory.get("slots").slice() : undefined;
  }

  /** Goes on from other weights and another state of the optimizer; undefined: zeros. */
  place(weights: Weights, slots: Uint8Array | undefined, updates: number): void {
    this.weights.set(weights);
    if (slots) this.#memory.ensure("slots", slots.byteLength).set(slots);
    else if (this.#memory.has("slots")) this.#memory.get("slots").fill(0);
    this.updates = updates;
  }

  /** Makes up to `chunk.steps` steps; returns how many were made. They count once `counted` has been told of them. */
  async run(chunk: Chunk): Promise<number> {
    const loaded = this.program(chunk.size);
    this.#write(loaded, chunk);
    const began = performance.now();
    const { steps, control } = chunk;
    const done = await loaded.loaded.run(this.#memory, { steps, threads: this.#threads, ...(control && { control }) });
    if (done > 0) this.milliseconds = Math.max(1e-4, (performance.now() - began) / done);
    this.#last = loaded;
    return done;
  }

  counted(steps: number): void {
    this.step += steps;
    this.updates += steps;
  }

  /** The learning rate of the last chunk's step s, from 0. */
  rate(s: number): number {
    return this.#rates[s] as number;
  }

  /** What the steps of the last chunk put out. One view of the whole memory: a step of a tiny network is over in microseconds. */
  results(steps: number): (s: number) => StepResult {
    const { layout, out } = this.#last as Loaded;
    const bytes = layout.memory("out").bytes;
    const numbers = this.#memory.view("out", { shape: [(bytes / 4) * steps], dtype: "f32" }, 0);
    return (s) => {
      const value = (byteOffset: number) => numbers[(s * bytes + byteOffset) / 4] as number;
      return {
        loss: value(out.loss),
        error: value(out.error),
        gradientNorm: value(out.gradientNorm),
        metric: (name) => value(out.metrics[name] as number),
      };
    };
  }

  /** Rows, rates and keys of a chunk. One view each of the whole memories. */
  #write({ layout, hyper }: Loaded, { epoch, order, at, size, steps, rate: rateOf }: Chunk): void {
    const rowWords = layout.memory("rows").bytes / 4;
    const hyperWords = layout.memory("hyper").bytes / 4;
    this.#memory.ensure("rows", rowWords * 4 * steps);
    this.#memory.ensure("hyper", hyperWords * 4 * steps);
    this.#memory.ensure("out", layout.memory("out").bytes * steps);
    const rows = this.#memory.view("rows", { shape: [rowWords * steps], dtype: "i32" }, 0);
    const words = this.#memory.view("hyper", { shape: [hyperWords * steps], dtype: "i32" }, 0);
    const scalars = this.#memory.view("hyper", { shape: [hyperWords * steps], dtype: "f32" }, 0);
    const [low, high] = seedWords(this.#seed);
    const { rule, keep } = this.#spec;
    for (let s = 0; s < steps; s++) {
      const first = at + s * size;
      for (let i = 0, to = s * rowWords; i < size; i++) rows[to + i] = order[first + i] as number;
      const step = this.step + s + 1;
      const base = s * hyperWords;
      const rate = rateOf(step);
      this.#rates[s] = rate;
      scalars[base + hyper.learningRate / 4] = rate;
      const others = rule.scalarsAt(this.updates + s + 1);
      for (let i = 0; i < others.length; i++) scalars[base + (hyper.others[i] as number) / 4] = others[i] as number;
      for (let i = 0; i < keep.length; i++) scalars[base + (hyper.keep[i] as number) / 4] = keep[i] as number;
      const key = base + hyper.key / 4;
      words[key] = low;
      words[key + 1] = high;
      words[key + 2] = step;
      if (hyper.augment === undefined) continue;
      const augment = base + hyper.augment / 4;
      words[augment] = low;
      words[augment + 1] = high;
      words[augment + 2] = epoch;
    }
  }
}
