// One row per entry of the op table and executor: the entry's own sample, grown along its first axis to a size at which
// the work counts. Names no op: a new entry has its row. Ops whose entry counts FLOPs are held against the multiply-adds
// of the machine, all others against a plain copy of as many bytes; what reads only part of an input (gathers) shows more.
//
//   npm run bench -- ops
import benny from "benny";
import type { OpDefinition, SampleInput } from "../src/ops/define.ts";
import { table } from "../src/ops/table.ts";
import { findAddon } from "../src/run/addon.ts";
import type { Executor } from "../src/run/executor.ts";
import { nativeExecutor } from "../src/run/native.ts";
import { typescriptExecutor } from "../src/run/typescript.ts";
import { sizeOf } from "../src/shape.ts";
import { amountOf, elementsOf, type Instruction, instructionOf, runnerOf } from "./instruction.ts";
import { limitsOf, showRate } from "./limits.ts";
import { keep, row } from "./stamp.ts";

/** Large enough that a call costs more than its dispatch, small enough for the caches and for TypeScript. */
const elements = 1 << 16;

/** The sample with these inputs longer along axis 0, where the op's shape rule agrees. */
function grown(
  op: OpDefinition,
  sample: OpDefinition["samples"][number],
  which: (input: SampleInput, i: number) => boolean,
  factor: number,
): Instruction | undefined {
  const inputs = sample.inputs.map((input, i) => {
    const [first, ...rest] = input.shape;
    return first !== undefined && !input.values && which(input, i) ? { ...input, shape: [first * factor, ...rest] } : input;
  });
  try {
    return instructionOf(op, inputs, sample.attributes);
  } catch (error) {
    if (error instanceof Error && error.name === "ShapeError") return undefined;
    throw error;
  }
}

function caseOf(op: OpDefinition): Instruction | undefined {
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
  for (let factor = 2; rule && best && elementsOf(best) < elements; factor *= 2) {
    const larger = grown(op, sample, rule, factor);
    if (!larger || elementsOf(larger) <= elementsOf(best)) break;
    best = larger;
  }
  return best;
}

export async function benchOps(): Promise<void> {
  const { addon } = findAddon();
  const executors: Executor[] = [typescriptExecutor, ...(addon ? [nativeExecutor(addon)] : [])];
  // One thread: instructions of this size are one piece of work.
  const limits = await limitsOf(1);
  const rows = [];
  for (const c of table.map(caseOf).filter((found) => found !== undefined)) {
    const { results } = await benny.suite(
      c.op.name,
      ...executors.map((executor) =>
        benny.add(
          executor.name,
          () => {
            const run = runnerOf(c, executor, 1);
            run(1);
            return () => run(1);
          },
          { minSamples: 5, maxTime: 0.2, delay: 0 },
        ),
      ),
    );
    for (const result of results) {
      const measured = row(`${c.op.name} ${result.name}`, result, amountOf(c), limits);
      rows.push({ ...measured, threads: 1 });
      const [name, elements] = [measured.name.padEnd(36), String(elementsOf(c)).padStart(8)];
      console.log(
        `${name} ${elements} ${`${(1e3 * measured.median).toFixed(1)} us`.padStart(12)} ${measured.rate ? showRate(measured.rate) : ""}`,
      );
    }
  }
  await keep("ops", rows);
}
