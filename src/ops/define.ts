// What an op is (an entry of the op table) and what applying one makes (a node of a graph).
// Knows no particular op, no memory and no executor.
import type { DType, NumberArray, TypedArray } from "../dtype.ts";
import { describe, MinibatchError, ShapeError } from "../errors.ts";
import { checkShape, type Shape } from "../shape.ts";

/** Shape and dtype: all that tracing needs to know of a value. */
export interface ValueType {
  readonly shape: Shape;
  readonly dtype: DType;
}

/** Settings of an op that are fixed when it is traced. Encoded for native code in the order of their keys: a number as itself, a boolean as 0 or 1, a list as its length and its items. */
export type Attributes = Readonly<Record<string, number | boolean | readonly number[]>>;

/** A value as a kernel sees it: contiguous, row-major. */
export interface View extends ValueType {
  readonly data: NumberArray;
}

/** One input of a sample: numbers drawn evenly from `range` (default -2 to 2), whole ones below `below`, or given. */
export interface SampleInput {
  readonly shape: Shape;
  /** "float" (default) takes the dtype under test. */
  readonly dtype?: "float" | "i32" | "u8";
  readonly range?: readonly [low: number, high: number];
  /** Whole numbers from 0 to below - 1. */
  readonly below?: number;
  readonly values?: readonly number[];
}

/** One case that every executor is tested on. */
export interface Sample<A extends Attributes = Attributes> {
  readonly inputs: readonly SampleInput[];
  readonly attributes: A;
  /** Why the gradient is not compared with central differences here (a kink, a tie, a draw). */
  readonly noGradientCheck?: string;
}

export interface GradientRequest<A extends Attributes = Attributes> {
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  /** One per output; undefined where nothing flows back. At least one is there. */
  readonly gradients: readonly (Value | undefined)[];
  readonly attributes: A;
  /** Whether the gradient of input i is wanted; what is not wanted may be left undefined. */
  needs(i: number): boolean;
}

/** An entry of the op table: everything TypeScript knows of an op. */
export interface OpDefinition<A extends Attributes = Attributes> {
  readonly name: string;
  /** One line: formula and shapes. Shown on the reference page and on hover. */
  readonly doc: string;
  /** The shape rule: types of the outputs, or a ShapeError. */
  infer(inputs: readonly ValueType[], attributes: A): readonly ValueType[];
  /** The meaning, in plain TypeScript. It computes in double precision and rounds where it stores. */
  kernel(inputs: readonly View[], outputs: readonly View[], attributes: A): void;
  /** Gradients of the inputs, in other ops. Absent: nothing flows back. */
  gradient?(request: GradientRequest<A>): readonly (Value | undefined)[];
  /** The same outputs in plainer ops: fallback, oracle and documentation of a fused op. */
  decomposition?(inputs: readonly Value[], attributes: A): readonly Value[];
  /** inPlace[o] = i: output o may be written over input i when that dies here. -1: it may not. */
  readonly inPlace?: readonly number[];
  /** Floating-point operations of a call, where arithmetic and not memory limits the op; a multiply-add counts as two. */
  flops?(inputs: readonly ValueType[], attributes: A): number;
  /** The output is the input's own memory under another shape; no kernel runs. */
  readonly alias?: boolean;
  /** Relative tolerance between executors; default f32 1e-5, f64 1e-12. */
  readonly tolerance?: { readonly f32: number; readonly f64: number };
  readonly samples: readonly Sample<A>[];
}

/** What holds a value that changes: a variable, a learning rate. */
export interface Box {
  current(): TypedArray;
}

/** Where the value of a source node comes from. */
export type Source =
  | { readonly kind: "constant"; readonly data: TypedArray }
  /** Handed in at each call of a traced function. */
  | { readonly kind: "argument"; readonly name: string }
  /** A variable as it was when it was read; a compiled function asks its box again at each call. */
  | { readonly kind: "variable"; readonly box: Box; readonly name: string; readonly data: TypedArray }
  /** A named part of a run's memory: a segment of parameters, a statistic, the learning rate. */
  | { readonly kind: "memory"; readonly memory: string; readonly name: string };

/** How a value came about: an op applied to values, or a source. Immutable. */
export interface Node {
  readonly id: number;
  readonly op: OpDefinition | undefined;
  readonly source: Source | undefined;
  readonly inputs: readonly Value[];
  readonly attributes: Attributes;
  readonly outputs: readonly ValueType[];
  /** The layer or function in which it was written, for errors and drawings. */
  readonly scope: string;
}

/** One output of a node. tensor.ts gives it the methods that users see. */
export class Value {
  readonly #node: Node | undefined;
  readonly #index: number;
  constructor(node: Node | undefined, index = 0) {
    this.#node = node;
    this.#index = index;
  }
  /** The node behind it; a variable answers with its present one. */
  get node(): Node {
    return this.#node as Node;
  }
  get index(): number {
    return this.#index;
  }
  get shape(): Shape {
    return this.type.shape;
  }
  get dtype(): DType {
    return this.type.dtype;
  }
  get rank(): number {
    return this.type.shape.length;
  }
  get type(): ValueType {
    return this.node.outputs[this.#index] as ValueType;
  }
  /** This value as it is now: a variable's later updates do not reach it. */
  snapshot(): Value {
    return this;
  }
}

let nextId = 1;
const scopes: string[] = [];

/** Names what is traced inside `f`; errors and drawings show it. */
export function scoped<T>(scope: string, f: () => T): T {
  scopes.push(scope);
  try {
    return f();
  } finally {
    scopes.pop();
  }
}

export function currentScope(): string {
  return scopes.join("/");
}

export function source(from: Source, type: ValueType): Value {
  return new Value({ id: nextId++, op: undefined, source: from, inputs: [], attributes: {}, outputs: [type], scope: currentScope() });
}

/** Applies an op of the table: infers the types and makes the node. */
export function apply<A extends Attributes>(op: OpDefinition<A>, inputs: readonly Value[], attributes: A): Value[] {
  const values = inputs.map((input, i) => {
    if (!(input instanceof Value)) {
      throw new MinibatchError(`${op.name}: input ${i + 1} must be a tensor, got ${describe(input)}; tensor(...) makes one`);
    }
    return input.snapshot();
  });
  let outputs: readonly ValueType[];
  try {
    outputs = op.infer(
      values.map((v) => v.type),
      attributes,
    );
    for (const type of outputs) checkShape(op.name, type.shape);
  } catch (error) {
    const scope = currentScope();
    if (!scope || !(error instanceof ShapeError) || error.message.includes(" (in ")) throw error;
    throw new ShapeError(`${error.message} (in ${scope})`, { cause: error });
  }
  const node: Node = {
    id: nextId++,
    op: op as unknown as OpDefinition,
    source: undefined,
    inputs: values,
    attributes,
    outputs,
    scope: currentScope(),
  };
  return outputs.map((_, i) => new Value(node, i));
}

/** Applies an op with one output. */
export function apply1<A extends Attributes>(op: OpDefinition<A>, inputs: readonly Value[], attributes: A): Value {
  return apply(op, inputs, attributes)[0] as Value;
}

/** Fixes the type of an entry's attributes while it is written. */
export function defineOp<A extends Attributes>(definition: OpDefinition<A>): OpDefinition<A> {
  return definition;
}

export type Operand = Value | number;

/** A constant of one number, of the dtype of what it is combined with. */
export function constantLike(value: number, dtype: DType): Value {
  const arrays = { f32: Float32Array, f64: Float64Array, i32: Int32Array, u8: Uint8Array };
  return source({ kind: "constant", data: arrays[dtype].of(value) as TypedArray }, { shape: [], dtype });
}
