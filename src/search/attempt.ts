// One run of the objective on one trial, and what came of it. Knows no record and no loop.
import { describe, MinibatchError } from "../errors.ts";
import { withThreads } from "../run/share.ts";
import type { Params, Space } from "./space.ts";
import { type LiveTrial, type Trial, TrialPruned } from "./trial.ts";

export type Objective<S extends Space> = (params: Params<S>, trial: Trial) => number | Promise<number>;

/** A value, the error it failed with, or pruned; undefined when the study ended it before it had one. */
export type Outcome = number | Error | "pruned" | undefined;

export function notFinite(value: unknown): MinibatchError {
  const hint = value === undefined ? "; is there a return?" : "";
  return new MinibatchError(`study: the objective must return a finite number, got ${describe(value)}${hint}`);
}

/** Calls the objective on the trial's share of the cores; whatever it does becomes an outcome. */
export async function attempt<S extends Space>(objective: Objective<S>, trial: LiveTrial<S>): Promise<Outcome> {
  try {
    const value: unknown = await withThreads(trial.threads, () => objective(trial.params, trial));
    if (trial.verdict) return trial.verdict instanceof TrialPruned ? "pruned" : trial.verdict;
    return typeof value === "number" && Number.isFinite(value) ? value : notFinite(value);
  } catch (error) {
    if (trial.verdict) return trial.verdict instanceof TrialPruned ? "pruned" : trial.verdict;
    if (trial.signal.aborted) return undefined;
    return error instanceof Error ? error : new Error(typeof error === "string" ? error : describe(error));
  }
}

/** Threads of each of `parallel` places that share all threads: as equal as whole numbers can be, one at least. */
export function shares(all: number, parallel: number): number[] {
  return Array.from({ length: parallel }, (_, i) => Math.max(1, Math.floor(all / parallel) + (i < all % parallel ? 1 : 0)));
}
