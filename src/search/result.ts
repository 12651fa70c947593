// What a study found: its trials, the best of them, and what can be learned from all of them together.
import { checkNumber, MinibatchError } from "../errors.ts";
import type { Objective } from "./attempt.ts";
import { type Box, boxes } from "./coarse-to-fine.ts";
import { toCsv, toOptuna } from "./export.ts";
import { type Importance, importanceOf } from "./importance.ts";
import type { Kept } from "./ledger.ts";
import { type Recheck, type RecheckOptions, recheck } from "./recheck.ts";
import { parametersOf, type SearchedParameter, type TrialRecord } from "./record.ts";
import type { Space } from "./space.ts";
import type { Direction } from "./strategy.ts";

export interface StudyResult<S extends Space> {
  readonly direction: Direction;
  /** The trial with the best value, the earlier of equal ones. */
  readonly best: TrialRecord<S>;
  /** All trials that have ended, by number. */
  readonly trials: readonly TrialRecord<S>[];
  /** What was searched: every parameter that a trial had, with its scale. */
  readonly parameters: readonly SearchedParameter[];
  /** The boxes of coarse-to-fine, by round. */
  readonly boxes: readonly Box[];
  /** The best k trials that are done, best first; fewer where there are fewer. */
  top(k: number): TrialRecord<S>[];
  /** How much each parameter matters, the most important first. Needs ten trials that did not fail. */
  importance(): Importance[];
  /**
   * Runs the best trials again, with their seeds and values, by another objective (the same one on new data), and says whether their
   * order still holds. Nothing prunes them.
   *
   * ```ts
   * const { verdict } = await result.recheck((params, trial) => train(params, newData, trial.seed), { top: 5 });
   * ```
   */
  recheck(objective: Objective<S>, options?: RecheckOptions): Promise<Recheck<S>>;
  /** A table of all trials: number, state, value, seed, parameters, error. Numbers are written so that they read back as they were. */
  csv(): string;
  /** The study as a journal of Optuna (`JournalFileStorage`, checked with 3.1), for those who have tools that read it. */
  optunaJournal(options?: { name?: string | undefined }): string;
}

/** The result of trials that have ended; an error where none is done, with the reason of the first failure. */
export function resultOf<S extends Space>(
  trials: readonly { readonly record: TrialRecord<S>; readonly kept: Kept }[],
  space: S,
  direction: Direction,
): StudyResult<S> {
  const sign = direction === "minimize" ? 1 : -1;
  const order = trials
    .filter(({ record }) => record.state === "done")
    .sort((a, b) => sign * (a.record.value - b.record.value) || a.record.number - b.record.number);
  const best = order[0]?.record;
  const records = trials.map(({ record }) => record);
  if (!best) throw nothingDone(records);
  return {
    direction,
    best,
    trials: records,
    parameters: parametersOf(
      space,
      trials.map(({ kept }) => kept),
    ),
    boxes: boxes(records),
    top: (k) => order.slice(0, checkNumber("top", "k", k, { whole: true, min: 1 })).map(({ record }) => record),
    importance: () => importanceOf(trials.map(({ kept }) => kept)),
    recheck: (objective, options) => recheck(order, direction, objective, options),
    csv: () => toCsv(trials),
    optunaJournal: (options) => toOptuna(trials, space, direction, options),
  };
}

function nothingDone(records: readonly TrialRecord<Space>[]): MinibatchError {
  if (records.length === 0) return new MinibatchError("study: no trial has ended, so there is no best one");
  const failed = records.filter((record) => record.state === "failed");
  const first = failed[0];
  if (!first) return new MinibatchError(`study: all ${records.length} trials were pruned, so there is no best one; prune less`);
  const others = records.length - failed.length;
  const all = others ? `${failed.length} trials failed and ${others} were pruned` : `all ${records.length} trials failed`;
  return new MinibatchError(`study: ${all}; the first, trial ${first.number}: ${first.error}`);
}
