// One application of an ONNX operator: its inputs and attributes by the names and defaults of the specification.
// Knows no operator.
import type { Value } from "../../src/ops/define.ts";
import type { Item } from "./item.ts";
import type { Attribute, OnnxNode, TensorFile } from "./model.ts";
import { NotApplicable } from "./not-applicable.ts";

/** What an operator is here: its outputs from a call, in order. */
export type Operation = (call: Call) => Item | readonly (Item | undefined)[];

export class Call {
  readonly node: OnnxNode;
  readonly opset: number;
  readonly #lookup: (name: string) => Item | undefined;

  constructor(node: OnnxNode, opset: number, lookup: (name: string) => Item | undefined) {
    this.node = node;
    this.opset = opset;
    this.#lookup = lookup;
  }

  get outputCount(): number {
    return this.node.outputs.length;
  }

  /** An input by the name that stands in the graph. */
  named(name: string): Item {
    const item = this.#lookup(name);
    if (!item) throw new Error(`${this.node.op}: nothing is called ${name}`);
    return item;
  }

  optional(i: number): Item | undefined {
    const name = this.node.inputs[i];
    return name ? this.named(name) : undefined;
  }

  input(i: number): Item {
    const item = this.optional(i);
    if (!item) throw new Error(`${this.node.op}: input ${i} is missing`);
    return item;
  }

  inputs(): Item[] {
    return this.node.inputs.map((_, i) => this.input(i));
  }

  /** An input of any type: movement, comparison and plain arithmetic take whole numbers too. */
  any(i: number): Value {
    return this.input(i).value();
  }

  /** An input of real numbers: functions, quotients and sums are computed in f32 and f64 only. */
  real(i: number): Value {
    const item = this.input(i);
    requireReal(item);
    return item.value();
  }

  #attribute(name: string): Attribute | undefined {
    return this.node.attributes.get(name);
  }

  has(name: string): boolean {
    return this.#attribute(name) !== undefined;
  }

  int(name: string, fallback: number): number {
    return this.#attribute(name)?.int ?? fallback;
  }

  float(name: string, fallback: number): number {
    return this.#attribute(name)?.float ?? fallback;
  }

  ints(name: string): readonly number[] | undefined {
    return this.#attribute(name)?.ints;
  }

  floats(name: string): readonly number[] | undefined {
    return this.#attribute(name)?.floats;
  }

  text(name: string, fallback: string): string {
    return this.#attribute(name)?.text ?? fallback;
  }

  texts(name: string): readonly string[] {
    return this.#attribute(name)?.texts ?? [];
  }

  tensor(name: string): TensorFile | undefined {
    return this.#attribute(name)?.tensor;
  }

  /** A list of whole numbers that older operator sets give as an attribute and newer ones as an input. */
  list(name: string, input: number): number[] | undefined {
    const given = this.ints(name) ?? this.optional(input)?.numbers();
    return given && Array.from(given);
  }
}

export function requireReal(item: Item): void {
  if (item.type !== "FLOAT" && item.type !== "DOUBLE") {
    throw new NotApplicable("quotients, powers, functions, products and reductions answer in f32 or f64, never in whole numbers");
  }
}

/** An axis counted from the front. */
export function axisOf(axis: number, rank: number): number {
  const from = axis < 0 ? axis + rank : axis;
  if (from < 0 || from >= Math.max(1, rank)) throw new Error(`axis ${axis} of ${rank}`);
  return from;
}
