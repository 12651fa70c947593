// Pruners: objects with one method that says, at a report, whether a trial may stop because others were better at the same
// step. They see what is recorded; knows nothing of objectives.
import { checkNumber, checkOptions, describe, MinibatchError } from "../errors.ts";
import type { Direction, Past } from "./strategy.ts";

/** What a pruner is asked with, after a trial has reported. */
export interface Reporting {
  readonly number: number;
  /** The step just reported, from 1. */
  readonly step: number;
  /** All values this trial has reported so far, by step. */
  readonly reports: ReadonlyMap<number, number>;
  readonly direction: Direction;
  /** The other trials as recorded so far, by number. */
  readonly others: readonly Past[];
}

export interface Pruner {
  readonly kind: string;
  /** Whether the trial ends here. */
  prune(reporting: Reporting): boolean;
}

/** The best value reported up to a step: a single bad epoch ends no trial. Undefined before the first report. */
function bestUpTo(reports: ReadonlyMap<number, number>, step: number, direction: Direction): number | undefined {
  let best: number | undefined;
  for (const [at, value] of reports) {
    if (at > step) continue;
    if (best === undefined || (direction === "minimize" ? value < best : value > best)) best = value;
  }
  return best;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? (sorted[half] as number) : ((sorted[half - 1] as number) + (sorted[half] as number)) / 2;
}

/**
 * A trial ends when its best value so far is worse than the median of what trials that are done had reached by the same step.
 * None ends before `startup` trials are done (5), nor in its first `warmup` steps (0).
 * Source: Golovin et al., "Google Vizier", KDD 2017.
 */
export function medianPruner(options: { startup?: number | undefined; warmup?: number | undefined } = {}): Pruner {
  checkOptions("medianPruner", options, ["startup", "warmup"]);
  const startup = checkNumber("medianPruner", "startup", options.startup ?? 5, { whole: true, min: 1 });
  const warmup = checkNumber("medianPruner", "warmup", options.warmup ?? 0, { whole: true, min: 0 });
  return {
    kind: "median",
    prune: ({ step, reports, direction, others }) => {
      if (step <= warmup) return false;
      const reached = others
        .filter((trial) => trial.state === "done")
        .map((trial) => bestUpTo(trial.reports, step, direction))
        .filter((value) => value !== undefined);
      if (reached.length < startup) return false;
      const own = bestUpTo(reports, step, direction) as number;
      return direction === "minimize" ? own > median(reached) : own < median(reached);
    },
  };
}

/**
 * Asynchronous successive halving: at steps `first`, `first * factor`, `first * factor^2`, ... only the best 1/factor of the trials that came so far go on,
 * and one of few always does. Nobody waits for anybody, so it suits trials in parallel.
 * Source: Li et al., "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020.
 */
export function successiveHalving(options: { first?: number | undefined; factor?: number | undefined } = {}): Pruner {
  checkOptions("successiveHalving", options, ["first", "factor"]);
  const first = checkNumber("successiveHalving", "first", options.first ?? 1, { whole: true, min: 1 });
  const factor = checkNumber("successiveHalving", "factor", options.factor ?? 3, { whole: true, min: 2 });
  const isRung = (step: number) => {
    let rung = first;
    while (rung < step) rung *= factor;
    return rung === step;
  };
  return {
    kind: "successive halving",
    prune: ({ step, reports, direction, others }) => {
      if (!isRung(step)) return false;
      const came = others.filter((trial) => trial.reports.has(step)).map((trial) => bestUpTo(trial.reports, step, direction) as number);
      const own = bestUpTo(reports, step, direction) as number;
      const better = came.filter((value) => (direction === "minimize" ? value < own : value > own)).length;
      return better >= Math.max(1, Math.floor((came.length + 1) / factor));
    },
  };
}

/** The pruner that an option names. */
export function checkPruner(value: unknown): Pruner | undefined {
  if (value === undefined) return undefined;
  if (value === "median") return medianPruner();
  if (value === "successive halving") return successiveHalving();
  if (typeof value === "object" && value !== null && typeof (value as { prune?: unknown }).prune === "function") return value as Pruner;
  const hint = value === medianPruner || value === successiveHalving ? "; call it" : "";
  throw new MinibatchError(
    `study: prune must be "median", "successive halving" or an object with a method prune, got ${describe(value)}${hint}`,
  );
}
