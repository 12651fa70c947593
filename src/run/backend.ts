// Chooses the executor once per process: MINIBATCH_BACKEND=native|typescript|auto.
import { MinibatchError } from "../errors.ts";
import { type AddonSearch, findAddon } from "./addon.ts";
import { environment, threadCount, warnOnce } from "./environment.ts";
import type { Executor } from "./executor.ts";
import { nativeExecutor } from "./native.ts";
import { typescriptExecutor } from "./typescript.ts";

export interface Backend {
  readonly name: "native" | "typescript";
  /** Instruction set of the kernels: avx512, avx2, neon, scalar, or javascript. */
  readonly isa: string;
  /** The library that multiplies matrices (MINIBATCH_BLAS); undefined: our own kernels. */
  readonly blas?: string;
  /** Threads that a run uses unless it is told otherwise. */
  readonly threads: number;
  /** Why it is this one: what was asked for, what was tried, what failed. */
  readonly reasons: readonly string[];
}

interface Choice {
  readonly executor: Executor;
  readonly reasons: readonly string[];
}

let chosen: Choice | undefined;

function failures({ attempts }: AddonSearch): string[] {
  return attempts.map(({ path, reason }) => (path ? `${path}: ${reason}` : reason));
}

function choose(): Choice {
  const wanted = environment("MINIBATCH_BACKEND") ?? "auto";
  if (!["native", "typescript", "auto"].includes(wanted)) {
    throw new MinibatchError(`MINIBATCH_BACKEND: must be native, typescript or auto, got "${wanted}"`);
  }
  threadCount(1);
  if (wanted === "typescript") return { executor: typescriptExecutor, reasons: ["MINIBATCH_BACKEND=typescript"] };
  const search = findAddon();
  if (search.addon) return { executor: nativeExecutor(search.addon), reasons: [`loaded ${search.path}`, ...failures(search)] };
  const reasons = failures(search);
  if (wanted === "native") throw new MinibatchError(`MINIBATCH_BACKEND=native: the addon did not load:\n  ${reasons.join("\n  ")}`);
  warnOnce(
    `the native addon did not load, the TypeScript executor runs (slower): ${reasons[0] ?? "no reason known"}; npx minibatch doctor says more`,
  );
  return { executor: typescriptExecutor, reasons };
}

/** The executor of this process. */
export function executor(): Executor {
  chosen ??= choose();
  return chosen.executor;
}

/** Which executor runs, with which kernels and threads, and why. */
export function backend(): Backend {
  const { name, isa, threads, blas } = executor();
  return { name, isa, ...(blas ? { blas } : {}), threads, reasons: chosen?.reasons ?? [] };
}
