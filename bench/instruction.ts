// One instruction as a program of its own, with memory filled for it, and how much it computes and moves. Knows no op.
import { bytesPerElement, dtypeOf, viewOf } from "../src/dtype.ts";
import { graphOf } from "../src/graph/graph.ts";
import { aligned, alignment, bytesOf } from "../src/graph/layout.ts";
import type { Program, Slice } from "../src/graph/program.ts";
import type { Attributes, OpDefinition, SampleInput, ValueType } from "../src/ops/define.ts";
import { uniform } from "../src/random.ts";
import type { Executor } from "../src/run/executor.ts";
import { Memory } from "../src/run/memory.ts";
import { sizeOf } from "../src/shape.ts";
import type { Amount } from "./limits.ts";

export interface Instruction {
  readonly op: OpDefinition;
  readonly inputs: readonly SampleInput[];
  readonly outputs: readonly ValueType[];
  readonly attributes: Attributes;
  readonly dtype: "f32" | "f64";
}

export function instructionOf<A extends Attributes>(
  op: OpDefinition<A>,
  inputs: readonly SampleInput[],
  attributes: A,
  dtype: "f32" | "f64" = "f32",
): Instruction {
  const types = inputs.map((input) => typeOf(input, dtype));
  return { op: op as unknown as OpDefinition, inputs, outputs: op.infer(types, attributes), attributes, dtype };
}

function typeOf({ shape, dtype = "float" }: SampleInput, float: "f32" | "f64"): ValueType {
  return { shape, dtype: dtype === "float" ? float : dtype };
}

/** Of the largest operand. */
export function elementsOf({ inputs, outputs }: Instruction): number {
  return Math.max(...[...inputs, ...outputs].map(({ shape }) => sizeOf(shape)));
}

/** FLOPs where the op table counts them, else the bytes of everything read and written once. */
export function amountOf({ op, inputs, outputs, attributes, dtype }: Instruction): Amount {
  const types = inputs.map((input) => typeOf(input, dtype));
  const bytes = [...types, ...outputs].reduce((sum, type) => sum + bytesOf(type), 0);
  return op.flops ? { flops: op.flops(types, attributes), dtype, bytes } : { bytes };
}

/** A call of it, over and over, so many steps at a time. `inPlace`: outputs lie over inputs where the op allows it. */
export function runnerOf(instruction: Instruction, executor: Executor, threads: number, inPlace = false): (steps: number) => void {
  const { program, memory } = programOf(instruction, inPlace);
  const loaded = executor.load(program);
  return (steps) => {
    loaded.runSync(memory, { steps, threads });
  };
}

function programOf({ op, inputs, outputs, attributes, dtype }: Instruction, inPlace: boolean): { program: Program; memory: Memory } {
  let bytes = 0;
  const place = (type: ValueType): Slice => {
    const slice = { ...type, memory: 0, byteOffset: bytes };
    bytes = aligned(bytes + sizeOf(type.shape) * bytesPerElement[type.dtype]);
    return slice;
  };
  const read = inputs.map((input) => place(typeOf(input, dtype)));
  const written = outputs.map((type, o) => (inPlace && read[op.inPlace?.[o] ?? -1]) || place(type));
  const memory = new Memory();
  const all = memory.ensure("state", Math.max(bytes, alignment));
  inputs.forEach((input, i) => {
    const slice = read[i] as Slice;
    fill(viewOf(slice.dtype, all.buffer, all.byteOffset + slice.byteOffset, sizeOf(slice.shape)), input, i);
  });
  const memories = [{ name: "state", streamed: false, slots: new Map(), bytes, bytesPerStep: 0 }];
  const instructions = [{ op, attributes, inputs: read, outputs: written, scope: "", frees: [] }];
  return { program: { memories, instructions, constants: [], graph: graphOf([]) }, memory };
}

function fill(data: ReturnType<typeof viewOf>, { below, range = [-2, 2], values }: SampleInput, site: number): void {
  if (values) {
    data.set(values);
    return;
  }
  const [low, high] = below === undefined ? range : [0, below];
  const draws = new Float64Array(data.length);
  uniform({ seed: 1, purpose: "tensor", site }, draws, low, high);
  const whole = below !== undefined || !dtypeOf(data).startsWith("f");
  data.set(whole ? draws.map(Math.floor) : draws);
}
