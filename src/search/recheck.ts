// Staleness: the best trials of a study run again by another objective (the same one on new data), and whether their order
// still holds.
import { checkNumber, checkOptions, describe, MinibatchError } from "../errors.ts";
import { backend } from "../run/backend.ts";
import { attempt, type Objective, shares } from "./attempt.ts";
import type { Kept } from "./ledger.ts";
import type { TrialRecord } from "./record.ts";
import type { Space } from "./space.ts";
import type { Direction } from "./strategy.ts";
import { LiveTrial } from "./trial.ts";

export interface RecheckOptions {
  /** How many of the best; 5 by default. */
  top?: number | undefined;
  /** Trials at once; 1 by default. */
  parallel?: number | undefined;
  signal?: AbortSignal | undefined;
}

export interface Rechecked<S extends Space> {
  readonly number: number;
  readonly params: TrialRecord<S>["params"];
  readonly before: number;
  /** NaN where the new run failed. */
  readonly now: number;
  readonly error?: string | undefined;
}

export interface Recheck<S extends Space> {
  /** The best trials in the order of the study. */
  readonly trials: readonly Rechecked<S>[];
  /** The number of the trial that is best now. */
  readonly best: number;
  /** Whether the study's best is still the best, or as good as it. */
  readonly bestHolds: boolean;
  /** Kendall's rank correlation (tau-b) between the values then and now: 1 the same order, -1 the reverse; NaN where one has no order. */
  readonly tau: number;
  /** One sentence for people. */
  readonly verdict: string;
}

/** Kendall's tau-b: pairs in the same order less pairs in the reverse one, as a share of those that have an order. */
export function kendall(a: readonly number[], b: readonly number[]): number {
  let sum = 0;
  let [pairsA, pairsB] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    for (let j = 0; j < i; j++) {
      const [da, db] = [Math.sign((a[i] as number) - (a[j] as number)), Math.sign((b[i] as number) - (b[j] as number))];
      sum += da * db;
      pairsA += da * da;
      pairsB += db * db;
    }
  }
  return pairsA && pairsB ? sum / Math.sqrt(pairsA * pairsB) : Number.NaN;
}

/** Runs the given trials (best first) again, each with its own seed and values. */
export async function recheck<S extends Space>(
  best: readonly { readonly record: TrialRecord<S>; readonly kept: Kept }[],
  direction: Direction,
  objective: Objective<S>,
  options: RecheckOptions = {},
): Promise<Recheck<S>> {
  checkOptions("recheck", options, ["top", "parallel", "signal"]);
  if (typeof objective !== "function") throw new MinibatchError(`recheck: objective must be a function, got ${describe(objective)}`);
  const top = checkNumber("recheck", "top", options.top ?? 5, { whole: true, min: 1 });
  const parallel = checkNumber("recheck", "parallel", options.parallel ?? 1, { whole: true, min: 1, max: 256 });
  const signal = options.signal ?? new AbortController().signal;
  const chosen = best.slice(0, top);
  const outcomes: (number | Error)[] = [];
  let next = 0;
  const place = async (threads: number) => {
    for (let i = next++; i < chosen.length; i = next++) {
      signal.throwIfAborted();
      const { record, kept } = chosen[i] as (typeof chosen)[number];
      const trial = new LiveTrial<S>({
        kept: { ...kept, reports: new Map() },
        params: record.params,
        seed: record.seed,
        threads,
        signal,
        folder: undefined,
        propose: (_, parameter) => parameter.at(0.5),
        write: () => undefined,
        prune: () => false,
      });
      const outcome = await attempt(objective, trial);
      trial.end();
      if (outcome === undefined) throw signal.reason;
      outcomes[i] = outcome as number | Error;
    }
  };
  await Promise.all(shares(backend().threads, parallel).map(place));

  const trials = chosen.map(({ record }, i): Rechecked<S> => {
    const outcome = outcomes[i] as number | Error;
    const { number, params, value: before } = record;
    return outcome instanceof Error
      ? { number, params, before, now: Number.NaN, error: outcome.message }
      : { number, params, before, now: outcome };
  });
  const sign = direction === "minimize" ? 1 : -1;
  const score = ({ now }: Rechecked<S>) => (Number.isNaN(now) ? Number.POSITIVE_INFINITY : sign * now);
  const failed = outcomes.find((outcome) => outcome instanceof Error);
  if (failed && outcomes.every((outcome) => outcome instanceof Error))
    throw new MinibatchError(`recheck: all ${trials.length} trials failed; the first: ${failed.message}`, "OPTION", { cause: failed });
  const winner = trials.reduce((a, b) => (score(b) < score(a) ? b : a));
  const first = trials[0] as Rechecked<S>;
  const bestHolds = score(first) <= score(winner);
  const tau = kendall(
    trials.map(({ before }) => sign * before),
    trials.map(score),
  );
  const order = tau === 1 ? ", and the order holds" : Number.isNaN(tau) ? "" : `; the order's rank correlation is ${tau.toFixed(2)}`;
  const show = ({ now }: Rechecked<S>) => String(Number(now.toPrecision(4)));
  const verdict = bestHolds
    ? `the best of the study, trial ${first.number}, is still the best of ${trials.length}${order}`
    : `stale: trial ${winner.number} is now better (${show(winner)}) than trial ${first.number} (${show(first)}), the best of the study${order}`;
  return { trials, best: winner.number, bestHolds, tau, verdict };
}
