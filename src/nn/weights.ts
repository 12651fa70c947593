// The numbers of a built network: theta (parameters in their segments) and state (running statistics), each flat, and
// the slots that say where every name lies. Knows no training.
import { convert, type TypedArray } from "../dtype.ts";
import { Layout } from "../graph/layout.ts";
import { executor } from "../run/backend.ts";
import { allocate, view } from "../run/memory.ts";
import { sizeOf } from "../shape.ts";
import { type ParameterEntry, type StateEntry, type Structure, segmentNames } from "./network.ts";

/** The slots of theta and state: every program of a network begins with these, so that all agree. */
export function weightLayout({ segments, states }: Structure): Layout {
  const layout = new Layout();
  for (const name of segmentNames) layout.add("theta", name, { shape: [segments[name]], dtype: "f32" });
  for (const { name, shape } of states) layout.add("state", name, { shape, dtype: "f32" });
  return layout;
}

export class Weights {
  readonly structure: Structure;
  readonly theta: Uint8Array;
  readonly state: Uint8Array;
  readonly #layout: Layout;

  constructor(structure: Structure) {
    this.structure = structure;
    // With the executor chosen, memory can be aligned: native code tells addresses.
    executor();
    this.#layout = weightLayout(structure);
    this.theta = allocate(this.#layout.memory("theta").bytes);
    this.state = allocate(this.#layout.memory("state").bytes);
  }

  /** Draws every parameter by its initialiser; the same seed gives the same numbers. */
  static initialised(structure: Structure, seed: number): Weights {
    const weights = new Weights(structure);
    structure.parameters.forEach((entry, site) => {
      entry.init.fill(weights.parameter(entry), entry.shape, { seed, purpose: "initialisation", site });
    });
    structure.states.forEach((entry, i) => {
      entry.init.fill(weights.stateOf(entry), entry.shape, { seed, purpose: "initialisation", site: structure.parameters.length + i });
    });
    return weights;
  }

  /** The parameter's own memory. */
  parameter({ segment, offset, shape }: ParameterEntry): Float32Array {
    const slot = this.#layout.find("theta", segment);
    return view(this.theta, "f32", slot.byteOffset + offset * 4, sizeOf(shape)) as Float32Array;
  }

  stateOf({ name, shape }: StateEntry): Float32Array {
    const slot = this.#layout.find("state", name);
    return view(this.state, "f32", slot.byteOffset, sizeOf(shape)) as Float32Array;
  }

  /** Whether every parameter is a finite number: a sum is not finite when one of them is not. */
  finite(): boolean {
    let sum = 0;
    const numbers = new Float32Array(this.theta.buffer, this.theta.byteOffset, this.theta.byteLength / 4);
    for (let i = 0; i < numbers.length; i++) sum += numbers[i] as number;
    return Number.isFinite(sum);
  }

  copy(): Weights {
    const made = new Weights(this.structure);
    made.set(this);
    return made;
  }

  set(from: Weights): void {
    this.theta.set(from.theta);
    this.state.set(from.state);
  }

  /** Every tensor by name, as copies. */
  entries(): { readonly name: string; readonly shape: readonly number[]; readonly data: TypedArray }[] {
    const { parameters, states } = this.structure;
    return [
      ...parameters.map((p) => ({ name: p.name, shape: p.shape, data: convert(this.parameter(p), "f32") })),
      ...states.map((s) => ({ name: s.name, shape: s.shape, data: convert(this.stateOf(s), "f32") })),
    ];
  }
}
