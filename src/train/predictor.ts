// Predictions: rows in, outputs out, by programs kept per number of rows. Knows no training.
import { newArray, type TypedArray } from "../dtype.ts";
import { describe, MinibatchError, ShapeError } from "../errors.ts";
import type { LossDefinition } from "../nn/losses.ts";
import type { Network, Structure } from "../nn/network.ts";
import type { Weights } from "../nn/weights.ts";
import { executor } from "../run/backend.ts";
import { Cache } from "../run/cache.ts";
import { inspected } from "../run/evaluate.ts";
import type { LoadedProgram } from "../run/executor.ts";
import { Memory } from "../run/memory.ts";
import { type Shape, sameShape, show, sizeOf } from "../shape.ts";
import { checkAttached, fromArray, isTypedArray, readNumbers, type Tensor, type TensorLike } from "../tensor.ts";
import { type PredictAs, type PredictionProgram, predictionProgram } from "./programs.ts";

/** Rows of one step; more are predicted in several. */
const batch = 256;

interface Loaded extends PredictionProgram {
  readonly loaded: LoadedProgram;
}

/** Rows of numbers, and whether they came as one row without its axis. */
export interface Rows {
  readonly data: ArrayLike<number>;
  readonly count: number;
  readonly single: boolean;
}

/** Reads raw numbers, typed arrays or tensors: one row or many. */
export function rowsOf(where: string, x: TensorLike, inputShape: Shape): Rows {
  if (isTypedArray(x)) checkAttached(where, x);
  const { data, shape } =
    isTypedArray(x) && x instanceof Float32Array && inputShape.length === 1 && x.length === inputShape[0]
      ? { data: x, shape: inputShape }
      : readNumbers(where, x);
  if (sameShape(shape, inputShape)) return { data, count: 1, single: true };
  if (shape.length === inputShape.length + 1 && sameShape(shape.slice(1), inputShape))
    return { data, count: shape[0] as number, single: false };
  const flat =
    shape.length === 1 && inputShape.length !== 1 && shape[0] === sizeOf(inputShape)
      ? `; tensor(x, { shape: ${show(inputShape)} }) says that it is one example`
      : "";
  throw new ShapeError(
    `${where}: the model takes rows of shape ${show(inputShape)}, one ${show(inputShape)} or many [${["m", ...inputShape].join(", ")}], got ${show(shape)}${flat}`,
  );
}

export class Predictor {
  readonly #network: Network;
  readonly #structure: Structure;
  readonly #programs = new Cache<Loaded>(24);
  /** Memories that no prediction uses right now. */
  readonly #idle: Memory[] = [];

  constructor(network: Network, structure: Structure) {
    this.#network = network;
    this.#structure = structure;
  }

  /** Forgets programs that read the loss. */
  #program(rows: number, as: PredictAs, loss: LossDefinition | undefined): Loaded {
    return this.#programs.get(`${rows} ${as} ${loss?.kind}`, () => {
      const made = predictionProgram(this.#network, this.#structure, loss, rows, as);
      return { ...made, loaded: executor().load(inspected(made.program)) };
    });
  }

  #check(as: unknown, loss: LossDefinition | undefined): PredictAs {
    if (as !== "outputs" && as !== "probabilities" && as !== "classes")
      throw new MinibatchError(`predict: as must be "outputs", "probabilities" or "classes", got ${describe(as)}`);
    if (as !== "outputs" && loss?.task === "regression")
      throw new MinibatchError(`predict: a model trained with ${loss.kind} has no ${as}; use { as: "outputs" }`);
    if (as === "probabilities" && !loss)
      throw new MinibatchError('predict: the model was never trained, so what its probabilities are is not known; use { as: "outputs" }');
    return as;
  }

  predictSync(weights: Weights, loss: LossDefinition | undefined, rows: Rows, as: PredictAs): Tensor {
    const kind = this.#check(as, loss);
    const memory = this.#take(weights);
    const parts: TypedArray[] = [];
    let loaded: Loaded | undefined;
    for (let at = 0; at < rows.count; at += batch) {
      const size = Math.min(batch, rows.count - at);
      loaded = this.#program(size, kind, loss);
      this.#load(loaded, memory, rows, at, size);
      // A batch of this size is over before a second thread has woken, unless it is a large one.
      loaded.loaded.runSync(memory, { steps: 1, threads: executor().threads });
      parts.push(this.#output(loaded, memory));
    }
    this.#idle.push(memory);
    return this.#join(rows, parts, loaded ?? this.#program(1, kind, loss));
  }

  async predict(weights: Weights, loss: LossDefinition | undefined, rows: Rows, as: PredictAs): Promise<Tensor> {
    const kind = this.#check(as, loss);
    const memory = this.#take(weights);
    const parts: TypedArray[] = [];
    let loaded: Loaded | undefined;
    for (let at = 0; at < rows.count; at += batch) {
      const size = Math.min(batch, rows.count - at);
      loaded = this.#program(size, kind, loss);
      this.#load(loaded, memory, rows, at, size);
      await loaded.loaded.run(memory, { steps: 1, threads: executor().threads });
      parts.push(this.#output(loaded, memory));
    }
    this.#idle.push(memory);
    return this.#join(rows, parts, loaded ?? this.#program(1, kind, loss));
  }

  #take(weights: Weights): Memory {
    const memory = this.#idle.pop() ?? new Memory();
    memory.share("theta", weights.theta);
    memory.share("state", weights.state);
    return memory;
  }

  #load({ layout, input }: Loaded, memory: Memory, rows: Rows, at: number, size: number): void {
    const width = sizeOf(this.#structure.inputShape);
    memory.ensure("input", layout.memory("input").bytes);
    const slot = memory.view("input", { shape: [size * width], dtype: "f32" }, input);
    if (at === 0 && size === rows.count) slot.set(rows.data);
    else slot.set((rows.data as Float32Array).subarray(at * width, (at + size) * width));
  }

  #output({ output }: Loaded, memory: Memory): TypedArray {
    const shown = memory.view("out", output, output.byteOffset);
    const copy = newArray(output.dtype, shown.length);
    copy.set(shown);
    return copy;
  }

  #join(rows: Rows, parts: readonly TypedArray[], { output }: Loaded): Tensor {
    const rowShape = output.shape.slice(1);
    const only = parts[0];
    if (parts.length === 1 && only) return fromArray(only, rows.single ? rowShape : [rows.count, ...rowShape]);
    const whole = newArray(output.dtype, rows.count * sizeOf(rowShape));
    let at = 0;
    for (const part of parts) {
      whole.set(part, at);
      at += part.length;
    }
    return fromArray(whole, [rows.count, ...rowShape]);
  }
}
