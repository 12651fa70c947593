// One row per entry of the op table and executor: the entry's own sample, grown along its first axis to a size at which
// the work counts. Names no op: a new entry has its row.
//
//   npm run bench -- ops
import benny from "benny";
import { bytesPerElement, dtypeOf, viewOf } from "../src/dtype.ts";
import { graphOf } from "../src/graph/graph.ts";
import { aligned, alignment } from "../src/graph/layout.ts";
import type { Program, Slice } from "../src/graph/program.ts";
import type { OpDefinition, SampleInput, ValueType } from "../src/ops/define.ts";
import { table } from "../src/ops/table.ts";
import { uniform } from "../src/random.ts";
import { findAddon } from "../src/run/addon.ts";
import type { Executor } from "../src/run/executor.ts";
import { Memory } from "../src/run/memory.ts";
import { nativeExecutor } from "../src/run/native.ts";
import { typescriptExecutor } from "../src/run/typescript.ts";
import { sizeOf } from "../src/shape.ts";
import { keep, row } from "./stamp.ts";

/** Large enough that a call costs more than its dispatch, small enough for the caches and for TypeScript. */
const elements = 1 << 16;

interface Case {
  readonly op: OpDefinition;
  readonly inputs: readonly SampleInput[];
  readonly outputs: readonly ValueType[];
  readonly attributes: OpDefinition["samples"][number]["attributes"];
  /** Of the largest operand. */
  readonly size: number;
}

const typeOf = ({ shape, dtype = "float" }: SampleInput): ValueType => ({ shape, dtype: dtype === "float" ? "f32" : dtype });

/** The sample with these inputs longer along axis 0, where the op's shape rule agrees. */
function grown(
  op: OpDefinition,
  sample: OpDefinition["samples"][number],
  which: (input: SampleInput, i: number) => boolean,
  factor: number,
): Case | undefined {
  const inputs = sample.inputs.map((input, i) => {
    const [first, ...rest] = input.shape;
    return first !== undefined && !input.values && which(input, i) ? { ...input, shape: [first * factor, ...rest] } : input;
  });
  let outputs: readonly ValueType[];
  try {
    outputs = op.infer(inputs.map(typeOf), sample.attributes);
  } catch (error) {
    if (error instanceof Error && error.name === "ShapeError") return undefined;
    throw error;
  }
  const size = Math.max(...inputs.map(({ shape }) => sizeOf(shape)), ...outputs.map(({ shape }) => sizeOf(shape)));
  return { op, inputs, outputs, attributes: sample.attributes, size };
}

function caseOf(op: OpDefinition): Case | undefined {
  if (op.alias) return undefined;
  const total = ({ inputs }: OpDefinition["samples"][number]) => inputs.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  const [sample] = [...op.samples].sort((a, b) => total(b) - total(a));
  if (!sample) return undefined;
  const lead = sample.inputs[0]?.shape[0];
  // Which inputs have rows: those as long as the first; else, one of them alone.
  const rules = [
    ({ shape }: SampleInput) => shape[0] === lead,
    ...sample.inputs.map((_, which) => (_input: SampleInput, i: number) => i === which),
  ];
  const rule = rules.find((which) => grown(op, sample, which, 2));
  let best = grown(op, sample, () => false, 1);
  for (let factor = 2; rule && best && best.size < elements; factor *= 2) {
    const larger = grown(op, sample, rule, factor);
    if (!larger || larger.size <= best.size) break;
    best = larger;
  }
  return best;
}

/** A program of the one instruction, and memory filled for it. */
function programOf({ op, inputs, outputs, attributes }: Case): { program: Program; memory: Memory } {
  let bytes = 0;
  const place = (type: ValueType): Slice => {
    const slice = { ...type, memory: 0, byteOffset: bytes };
    bytes = aligned(bytes + sizeOf(type.shape) * bytesPerElement[type.dtype]);
    return slice;
  };
  const instruction = {
    op,
    attributes,
    inputs: inputs.map((input) => place(typeOf(input))),
    outputs: outputs.map(place),
    scope: "",
    frees: [],
  };
  const memory = new Memory();
  const all = memory.ensure("state", Math.max(bytes, alignment));
  inputs.forEach((input, i) => {
    const { dtype, shape, byteOffset } = instruction.inputs[i] as Slice;
    fill(viewOf(dtype, all.buffer, all.byteOffset + byteOffset, sizeOf(shape)), input, i);
  });
  const memories = [{ name: "state", streamed: false, slots: new Map(), bytes, bytesPerStep: 0 }];
  return { program: { memories, instructions: [instruction], constants: [], graph: graphOf([]) }, memory };
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

export async function benchOps(): Promise<void> {
  const { addon } = findAddon();
  const executors: Executor[] = [typescriptExecutor, ...(addon ? [nativeExecutor(addon)] : [])];
  const cases = table.map(caseOf).filter((c) => c !== undefined);
  const rows = [];
  for (const c of cases) {
    const runs = executors.map((executor) => ({ executor, ...programOf(c) }));
    const { results } = await benny.suite(
      c.op.name,
      ...runs.map(({ executor, program, memory }) =>
        benny.add(
          executor.name,
          () => {
            const loaded = executor.load(program);
            const options = { steps: 1, threads: executor.threads };
            loaded.runSync(memory, options);
            return () => {
              loaded.runSync(memory, options);
            };
          },
          { minSamples: 5, maxTime: 0.2, delay: 0 },
        ),
      ),
    );
    const measured = results.map((result) => ({ ...row(result, "elements", c.size), name: `${c.op.name} ${result.name}` }));
    rows.push(...measured);
    console.log(
      `${c.op.name.padEnd(30)} ${String(c.size).padStart(8)}  ${measured.map(({ median }) => `${(1e3 * median).toFixed(1)} us`.padStart(14)).join("")}`,
    );
  }
  keep("ops", rows);
}
