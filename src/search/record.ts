// A trial that has ended, as its users see it. Knows the log's state and the space, no other trial.
import type { Json } from "../nn/layer.ts";
import { type Kept, plainValues } from "./ledger.ts";
import { type Parameter, type Params, resolve, type Space } from "./space.ts";

export interface TrialRecord<S extends Space> {
  readonly number: number;
  readonly seed: number;
  readonly params: Params<S>;
  /** Values that the objective asked for by `suggest`, by full name. */
  readonly suggested: Readonly<Record<string, unknown>>;
  /** What the objective returned; of a pruned trial the last report, of a failed one NaN. */
  readonly value: number;
  readonly state: "done" | "pruned" | "failed";
  /** Reported values in the order of steps, and those steps. */
  readonly reports: readonly number[];
  readonly steps: readonly number[];
  /** 1, and one more for each time the trial was taken up again after its process had died. */
  readonly attempts: number;
  /** Why it failed. */
  readonly error?: string | undefined;
  /** What the strategy recorded with it. */
  readonly note?: Json | undefined;
}

/** A trial that has ended, as its users see it. */
export function recordOf<S extends Space>(space: S, kept: Kept, seed: number): TrialRecord<S> {
  const reports = [...kept.reports].sort(([a], [b]) => a - b);
  const { number, value, lease, error, note } = kept;
  return {
    number,
    seed,
    params: resolve(space, <T>(name: string, parameter: Parameter<T>) => parameter.recall(kept.recorded.get(name) ?? null) as T),
    suggested: plainValues(kept.suggested),
    value,
    state: kept.state as TrialRecord<S>["state"],
    reports: reports.map(([, reported]) => reported),
    steps: reports.map(([step]) => step),
    attempts: lease,
    ...(error !== undefined && { error }),
    ...(note !== undefined && { note }),
  };
}
