// The executor in plain TypeScript: the living definition of every op, the debugger, and what runs where no native
// binary loads. One instruction after the other, on the caller's thread.
import type { NumberArray } from "../dtype.ts";
import { MinibatchError } from "../errors.ts";
import { type Instruction, type Program, requiredBytes, type Slice } from "../graph/program.ts";
import type { View } from "../ops/define.ts";
import { show, sizeOf } from "../shape.ts";
import { constantBytes } from "./constants.ts";
import { debugLevel, engine } from "./environment.ts";
import { type Executor, kernelVersion, type LoadedProgram, type RunOptions } from "./executor.ts";
import { type Memory, view } from "./memory.ts";

/** How long steps may keep the event loop before timers and input have their turn. */
const sliceMilliseconds = 12;

class TypeScriptProgram implements LoadedProgram {
  readonly program: Program;
  readonly #constants: Uint8Array;
  /** The operands as they were resolved last: a compiled function runs one step at a time in one memory. */
  #last: { readonly memory: Memory; readonly version: number; readonly steps: number; readonly calls: BoundCall[] } | undefined;

  constructor(program: Program) {
    this.program = program;
    this.#constants = constantBytes(program);
  }

  runSync(memory: Memory, { steps, control }: RunOptions): number {
    const calls = this.bind(memory, steps);
    let done = 0;
    while (done < steps && !(control && Atomics.load(control, 0))) {
      this.#step(calls, done++);
      if (control) Atomics.store(control, 1, done);
    }
    return done;
  }

  async run(memory: Memory, { steps, control }: RunOptions): Promise<number> {
    const calls = this.bind(memory, steps);
    let done = 0;
    while (done < steps) {
      await turn();
      const until = performance.now() + sliceMilliseconds;
      while (done < steps && performance.now() < until) {
        if (control && Atomics.load(control, 0)) return done;
        this.#step(calls, done++);
        if (control) Atomics.store(control, 1, done);
      }
    }
    return done;
  }

  /** Resolves every operand of every instruction once for some steps in this memory. */
  bind(memory: Memory, steps: number): BoundCall[] {
    const last = this.#last;
    if (last?.memory === memory && last.version === memory.version && last.steps >= steps) return last.calls;
    const calls = this.#resolve(memory, steps);
    this.#last = { memory, version: memory.version, steps, calls };
    return calls;
  }

  #resolve(memory: Memory, steps: number): BoundCall[] {
    const bytes = this.program.memories.map((m) =>
      m.name === "constant" ? this.#constants : memory.ensure(m.name, requiredBytes(m, steps)),
    );
    const operand = (slice: Slice): Operand => {
      const m = this.program.memories[slice.memory];
      const perStep = m?.bytesPerStep ?? 0;
      const base = bytes[slice.memory] as Uint8Array;
      const at = (step: number): View => ({
        ...shapeOf(slice),
        data: view(base, slice.dtype, slice.byteOffset + step * perStep, sizeOf(slice.shape)),
      });
      return perStep ? { streamed: true, at } : { streamed: false, at, fixed: at(0) };
    };
    return this.program.instructions.map((instruction) => ({
      instruction,
      inputs: instruction.inputs.map(operand),
      outputs: instruction.outputs.map(operand),
      frees: instruction.frees.map(operand),
    }));
  }

  #step(calls: readonly BoundCall[], step: number): void {
    const debug = debugLevel();
    calls.forEach((call, i) => {
      runInstruction(call, step, i);
      if (debug >= 1) for (const freed of call.frees) poison(resolve(freed, step).data);
      if (debug >= 3) trace(call, step);
    });
  }
}

interface Operand {
  readonly streamed: boolean;
  readonly fixed?: View;
  at(step: number): View;
}

export interface BoundCall {
  readonly instruction: Instruction;
  readonly inputs: readonly Operand[];
  readonly outputs: readonly Operand[];
  readonly frees: readonly Operand[];
}

const shapeOf = ({ shape, dtype }: Slice) => ({ shape, dtype });

function resolve(operand: Operand, step: number): View {
  return operand.fixed ?? operand.at(step);
}

export function runInstruction({ instruction, inputs, outputs }: BoundCall, step: number, index: number): void {
  try {
    instruction.op.kernel(
      inputs.map((o) => resolve(o, step)),
      outputs.map((o) => resolve(o, step)),
      instruction.attributes,
    );
  } catch (error) {
    if (error instanceof MinibatchError)
      throw new MinibatchError(`${error.message} (instruction ${index}${instruction.scope ? `, ${instruction.scope}` : ""})`, error.code, {
        cause: error,
      });
    throw error;
  }
}

/** Whoever reads a freed value by mistake reads NaN (or an impossible index). */
function poison(data: NumberArray): void {
  data.fill(data instanceof Float32Array || data instanceof Float64Array ? Number.NaN : -1);
}

/** MINIBATCH_DEBUG=3: what each instruction made, in one line. */
function trace({ instruction, outputs }: BoundCall, step: number): void {
  for (const output of outputs) {
    const { data, shape } = resolve(output, step);
    let low = Number.POSITIVE_INFINITY;
    let high = Number.NEGATIVE_INFINITY;
    for (const x of data) [low, high] = [Math.min(low, x), Math.max(high, x)];
    console.error(
      `minibatch: ${instruction.op.name} ${show(shape)} in ${low}..${high}${instruction.scope ? ` # ${instruction.scope}` : ""}`,
    );
  }
}

/** Lets timers, input and promises have their turn. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof setImmediate === "function") setImmediate(resolve);
    else setTimeout(resolve, 0);
  });
}

export const typescriptExecutor: Executor & { bind(program: Program, memory: Memory, steps: number): BoundCall[] } = {
  name: "typescript",
  isa: "javascript",
  threads: 1,
  arithmetic: `typescript kernels ${kernelVersion}, ${engine()}`,
  background: false,
  load: (program) => new TypeScriptProgram(program),
  bind: (program, memory, steps) => new TypeScriptProgram(program).bind(memory, steps),
};
