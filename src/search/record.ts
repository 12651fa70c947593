// A trial that has ended, as its users see it. Knows the log's state and the space, no other trial.
import type { Json } from "../nn/layer.ts";
import { type Kept, plainValues } from "./ledger.ts";
import { namesOf, type Parameter, type Params, resolve, type Space } from "./space.ts";

export interface TrialRecord<S extends Space> {
  readonly number: number;
  readonly seed: number;
  readonly params: Params<S>;
  /** Values that the objective asked for by `suggest`, by full name. */
  readonly suggested: Readonly<Record<string, unknown>>;
  /** Every value of the trial by its full name, nested and suggested ones too: "units.0"; of a choice what JSON has of it. */
  readonly values: Readonly<Record<string, unknown>>;
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
    values: plainValues(kept.recorded),
    value,
    state: kept.state as TrialRecord<S>["state"],
    reports: reports.map(([, reported]) => reported),
    steps: reports.map(([step]) => step),
    attempts: lease,
    ...(error !== undefined && { error }),
    ...(note !== undefined && { note }),
  };
}

/** What a parameter of a study was: its kind, with the bounds of a number or the values of a choice. */
export type SearchedParameter =
  | { readonly name: string; readonly kind: "choice"; readonly values: readonly Json[] }
  | { readonly name: string; readonly kind: NumberKind; readonly low: number; readonly high: number };
/** Scales of numbers. */
export type NumberKind = "uniform" | "logUniform" | "oneMinusLogUniform" | "integer" | "logInteger";

/** What the parameters of a trial were, by full name, as a journal describes them. */
export function descriptionsOf(space: Space, kept: Kept): Map<string, Json> {
  const descriptions = new Map(kept.dimensions);
  resolve(space, <T>(name: string, parameter: Parameter<T>) => {
    descriptions.set(name, parameter.description);
    return parameter.recall(kept.recorded.get(name) ?? null) as T;
  });
  return descriptions;
}

/** All parameters that trials had: those of the space in its order, then those that objectives asked for. */
export function parametersOf(space: Space, trials: readonly Kept[]): SearchedParameter[] {
  const found = new Map<string, SearchedParameter>();
  for (const kept of trials) {
    const descriptions = descriptionsOf(space, kept);
    for (const name of kept.recorded.keys()) {
      const description = descriptions.get(name);
      if (!found.has(name) && description !== undefined) found.set(name, { name, ...(description as object) } as SearchedParameter);
    }
  }
  const known = namesOf(space).flatMap((name) => found.get(name) ?? []);
  return [...known, ...[...found.values()].filter((parameter) => !known.includes(parameter))];
}
