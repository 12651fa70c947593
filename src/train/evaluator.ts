// Loss, error and outputs of a network over a data set, in batches, off the event loop where the back end can.
import { internal } from "../errors.ts";
import type { LossDefinition } from "../nn/losses.ts";
import type { Network, Structure } from "../nn/network.ts";
import type { Weights } from "../nn/weights.ts";
import { executor } from "../run/backend.ts";
import { inspected } from "../run/evaluate.ts";
import type { LoadedProgram } from "../run/executor.ts";
import { Memory } from "../run/memory.ts";
import { sizeOf } from "../shape.ts";
import { type EvaluationProgram, evaluationProgram } from "./programs.ts";
import type { Table } from "./table.ts";

export interface Evaluated {
  /** Mean over the rows, without a regulariser. */
  readonly loss: number;
  readonly error: number;
  /** [rows, ...], when they were asked for. */
  readonly outputs: Float32Array<ArrayBuffer> | undefined;
}

/** Rows of one step: activations of a few hundred rows still fit the second-level cache. */
const batch = 256;
/** Steps of one call: half a million rows' worth at most, so that a stop is not far away. */
const stepsPerCall = 64;

interface Loaded extends EvaluationProgram {
  readonly loaded: LoadedProgram;
}

export class Evaluator {
  readonly #network: Network;
  readonly #structure: Structure;
  readonly #loss: LossDefinition;
  readonly #table: Table;
  readonly #wantOutputs: boolean;
  readonly #programs = new Map<number, Loaded>();
  readonly #memory = new Memory();

  constructor(network: Network, structure: Structure, loss: LossDefinition, table: Table, wantOutputs: boolean) {
    this.#network = network;
    this.#structure = structure;
    this.#loss = loss;
    this.#table = table;
    this.#wantOutputs = wantOutputs;
    this.#memory.share("input", table.input);
  }

  #program(rows: number): Loaded {
    let found = this.#programs.get(rows);
    if (!found) {
      const made = evaluationProgram(this.#network, this.#structure, this.#table.types, this.#loss, rows, this.#wantOutputs);
      found = { ...made, loaded: executor().load(inspected(made.program)) };
      this.#programs.set(rows, found);
    }
    return found;
  }

  /** One evaluation at a time: they share the arena. */
  async run(weights: Weights, threads: number): Promise<Evaluated> {
    const { rows } = this.#table;
    this.#memory.share("theta", weights.theta);
    this.#memory.share("state", weights.state);
    const width = sizeOf(this.#structure.outputShape);
    const outputs = this.#wantOutputs ? new Float32Array(rows * width) : undefined;
    let loss = 0;
    let error = 0;
    for (let at = 0; at < rows; ) {
      const size = Math.min(batch, rows - at);
      const steps = Math.min(stepsPerCall, Math.max(1, Math.floor((rows - at) / size)));
      const { loaded, layout, out, program } = this.#program(size);
      const rowBytes = layout.memory("rows").bytes;
      const outBytes = layout.memory("out").bytes;
      this.#memory.ensure("rows", rowBytes * steps);
      this.#memory.ensure("out", outBytes * steps);
      for (let s = 0; s < steps; s++) {
        const view = this.#memory.view("rows", { shape: [size], dtype: "i32" }, s * rowBytes);
        for (let i = 0; i < size; i++) view[i] = at + s * size + i;
      }
      const done = await loaded.run(this.#memory, { steps, threads });
      if (done !== steps) throw internal(`an evaluation made ${done} of ${steps} steps of ${program.instructions.length} instructions`);
      const scalar = { shape: [], dtype: "f32" } as const;
      for (let s = 0; s < steps; s++) {
        loss += size * (this.#memory.view("out", scalar, s * outBytes + out.loss)[0] as number);
        error += size * (this.#memory.view("out", scalar, s * outBytes + out.error)[0] as number);
        if (outputs && out.outputs !== undefined) {
          outputs.set(
            this.#memory.view("out", { shape: [size * width], dtype: "f32" }, s * outBytes + out.outputs),
            (at + s * size) * width,
          );
        }
      }
      at += steps * size;
    }
    return { loss: loss / rows, error: error / rows, outputs };
  }
}
