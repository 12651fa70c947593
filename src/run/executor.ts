// The interface of an executor: it loads programs and runs their steps. It need not know what the memories hold, what a
// step means, or how many there will be; it decides no policy.
import type { Program } from "../graph/program.ts";
import type { Memory } from "./memory.ts";

export interface RunOptions {
  readonly steps: number;
  readonly threads: number;
  /** control[0] set to 1 asks the run to stop at the next step boundary. */
  readonly control?: Int32Array;
}

/** A program made ready by one executor. */
export interface LoadedProgram {
  readonly program: Program;
  /** Runs on the caller's thread until done; returns the number of steps done. */
  runSync(memory: Memory, options: RunOptions): number;
  /** Runs without keeping the event loop busy, as far as the executor can. */
  run(memory: Memory, options: RunOptions): Promise<number>;
}

export interface Executor {
  readonly name: "native" | "typescript";
  /** Instruction set of its kernels. */
  readonly isa: string;
  /** The library that multiplies matrices instead of its own kernels. */
  readonly blas?: string;
  /** Threads used when nothing else is said. */
  readonly threads: number;
  /** Which arithmetic its kernels do: executors of equal text give equal bits. */
  readonly arithmetic: string;
  /** Whether `run` leaves the event loop free. */
  readonly background: boolean;
  load(program: Program): LoadedProgram;
}

/** Raised when a kernel's result gets other bits than before. */
export const kernelVersion = 1;

/** Gives `memory` what the program needs for so many steps, constants included. */
export function prepare(program: Program, memory: Memory, steps: number): void {
  for (const m of program.memories) {
    if (m.name !== "constant") memory.ensure(m.name, m.bytesPerStep ? m.bytesPerStep * steps : m.bytes);
  }
}
