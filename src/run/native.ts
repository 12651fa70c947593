// The executor that runs programs in native code, on threads of its own. An op without a native kernel is run by its
// TypeScript kernel between two native stretches, and the library says so once.
import { BusyError, internal, MinibatchError } from "../errors.ts";
import { encode, type Program, requiredBytes } from "../graph/program.ts";
import type { Addon, NativeProgram } from "./addon.ts";
import { constantBytes } from "./constants.ts";
import { debugLevel, threadCount, warnOnce } from "./environment.ts";
import { type Executor, kernelVersion, type LoadedProgram, type RunOptions } from "./executor.ts";
import { type Memory, tellAddresses } from "./memory.ts";
import { threadsHere } from "./share.ts";
import { runInstruction, typescriptExecutor } from "./typescript.ts";

class NativeLoaded implements LoadedProgram {
  readonly program: Program;
  readonly #addon: Addon;
  readonly #handle: NativeProgram;
  readonly #constants: Uint8Array;
  /** Indices of the instructions that TypeScript runs. */
  readonly #unsupported: readonly number[];

  constructor(addon: Addon, program: Program) {
    this.program = program;
    this.#addon = addon;
    const { names, code } = encode(program);
    const compiled = this.#guard(() => addon.compile(names, code));
    this.#handle = compiled.program;
    this.#unsupported = compiled.unsupported;
    this.#constants = constantBytes(program);
    if (compiled.unsupported.length && debugLevel() >= 1) {
      const ops = new Set(compiled.unsupported.map((i) => program.instructions[i]?.op.name));
      warnOnce(`no native kernel for ${[...ops].join(", ")}; TypeScript runs it`);
    }
  }

  runSync(memory: Memory, { steps, threads, control }: RunOptions): number {
    const memories = this.#memories(memory, steps);
    const all = { first: 0, last: this.program.instructions.length, threads, ...(control ? { control } : {}) };
    if (!this.#unsupported.length) return this.#guard(() => this.#addon.runSync(this.#handle, memories, { ...all, steps }));
    return this.#mixed(memory, memories, steps, threads, control);
  }

  run(memory: Memory, { steps, threads, control }: RunOptions): Promise<number> {
    const memories = this.#memories(memory, steps);
    if (this.#unsupported.length) return Promise.resolve().then(() => this.#mixed(memory, memories, steps, threads, control));
    const options = { steps, first: 0, last: this.program.instructions.length, threads, ...(control ? { control } : {}) };
    return new Promise((resolve, reject) => {
      this.#guard(() =>
        this.#addon.start(this.#handle, memories, options, (error, done) => {
          if (error === null) resolve(done);
          else reject(runError(error, this.program));
        }),
      );
    });
  }

  #memories(memory: Memory, steps: number): Uint8Array[] {
    return this.program.memories.map((m) => (m.name === "constant" ? this.#constants : memory.ensure(m.name, requiredBytes(m, steps))));
  }

  /** Step by step: native stretches, TypeScript kernels between them. */
  #mixed(memory: Memory, memories: readonly Uint8Array[], steps: number, threads: number, control: Int32Array | undefined): number {
    const calls = typescriptExecutor.bind(this.program, memory, steps);
    const end = this.program.instructions.length;
    for (let step = 0; step < steps; step++) {
      if (control && Atomics.load(control, 0)) return step;
      const here = this.program.memories.map((m, i) => {
        const bytes = memories[i] as Uint8Array;
        return m.bytesPerStep ? bytes.subarray(step * m.bytesPerStep, (step + 1) * m.bytesPerStep) : bytes;
      });
      let first = 0;
      for (const index of [...this.#unsupported, end]) {
        if (index > first) this.#guard(() => this.#addon.runSync(this.#handle, here, { steps: 1, first, last: index, threads }));
        const call = calls[index];
        if (call) runInstruction(call, step, index);
        first = index + 1;
      }
      if (control) Atomics.store(control, 1, step + 1);
    }
    return steps;
  }

  #guard<T>(f: () => T): T {
    try {
      return f();
    } catch (error) {
      throw error instanceof MinibatchError || error instanceof BusyError
        ? error
        : runError(error instanceof Error ? error.message : String(error), this.program);
    }
  }
}

/** Native errors name the instruction by number; the program knows the layer. */
function runError(message: string, program: Program): MinibatchError {
  const index = /\(instruction (\d+)\)/.exec(message)?.[1];
  const scope = index === undefined ? undefined : program.instructions[Number(index)]?.scope;
  // What the machine has run out of is no bug of ours.
  if (/^(memory|threads): /.test(message)) return new MinibatchError(message);
  if (index === undefined) return internal(message);
  return new MinibatchError(scope ? message.replace(/\(instruction \d+\)/, `(instruction ${index}, ${scope})`) : message);
}

/** AVX2 and AVX-512 kernels round alike; without fused multiply-add, or with a library of the system's, results have other bits. */
function arithmeticOf({ isa, version, blas }: ReturnType<Addon["info"]>): string {
  const family = isa === "avx2" || isa === "avx512" ? "avx2 or avx512" : isa;
  return `native kernels ${kernelVersion} of ${version}, ${family}${blas ? `, products by ${blas}` : ""}`;
}

export function nativeExecutor(addon: Addon): Executor {
  const info = addon.info();
  if (info.blasError) warnOnce(`${info.blasError}; our own kernels multiply`);
  if (addon.addressOf) tellAddresses((bytes) => addon.addressOf?.(bytes) ?? 0);
  const threads = threadCount(info.threads);
  return {
    name: "native",
    isa: info.isa,
    ...(info.blas ? { blas: info.blas } : {}),
    get threads() {
      return threadsHere(threads);
    },
    arithmetic: arithmeticOf(info),
    background: true,
    load: (program) => new NativeLoaded(addon, program),
  };
}
