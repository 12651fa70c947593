// Trials and parameters of a study as its pictures see them: plain data, checked, each parameter on its own scale. Knows no picture.
import type { Markish } from "@observablehq/plot";
import { describe, MinibatchError } from "../errors.ts";
import { type Axis, bandAxis, numberAxis, type ScaleKind } from "./axis.ts";
import type { Plot } from "./library.ts";
import type { Named } from "./panel.ts";
import { checkText, type LegendEntry, type PictureOptions } from "./picture.ts";
import { scaleOf } from "./series.ts";
import { palette } from "./style.ts";

/** What a picture needs of a trial; a study's `trials` have it. */
export interface TrialLike {
  readonly number: number;
  readonly state: "done" | "pruned" | "failed";
  readonly value: number;
  readonly values: Readonly<Record<string, unknown>>;
}

/** A parameter with its scale; a study's `parameters` have it. */
export interface ParameterLike {
  readonly name: string;
  readonly kind: string;
  readonly low?: number;
  readonly high?: number;
  readonly values?: readonly unknown[];
}

/** What a picture needs of a study; what `study` resolves to has it. */
export interface StudyLike {
  readonly direction: "minimize" | "maximize";
  readonly trials: readonly TrialLike[];
  readonly parameters: readonly ParameterLike[];
  readonly boxes?: readonly { readonly round: number; readonly parameters: Readonly<Record<string, readonly unknown[]>> }[] | undefined;
  importance?(): readonly { readonly name: string; readonly importance: number }[];
}

export interface StudyPictureOptions extends PictureOptions {
  /** What a trial's value is, with its unit: "dev error"; "value" by default. */
  valueLabel?: string | undefined;
  /** "linear" by default. */
  valueScale?: ScaleKind | undefined;
}

export function checkStudy(where: string, result: unknown): StudyLike {
  const { trials, parameters, direction } = (result ?? {}) as Partial<StudyLike>;
  if (!Array.isArray(trials) || !Array.isArray(parameters) || (direction !== "minimize" && direction !== "maximize"))
    throw new MinibatchError(`${where}: expected what a study resolves to, got ${describe(result)}`);
  if (!trials.length) throw new MinibatchError(`${where}: there is nothing to draw, the study has no trial that has ended`);
  const holds = (item: unknown, name: string) => {
    const inner = isObject(item) ? (item as Readonly<Record<string, unknown>>)[name] : undefined;
    return name === "name" ? typeof inner === "string" : isObject(inner);
  };
  const { boxes = [] } = result as StudyLike;
  const parts = [["trials", trials, "values"], ["parameters", parameters, "name"], ["boxes", boxes, "parameters"]] as const; // biome-ignore format: one row each
  for (const [list, items, inner] of parts) {
    // Array.from: holes are found too.
    const at = Array.isArray(items) ? Array.from(items).findIndex((item) => !holds(item, inner)) : undefined;
    if (at === undefined || at >= 0)
      throw new MinibatchError(
        `${where}: ${list} must be a list of objects with ${inner}, as a study resolves to, got ${describe(at === undefined ? items : items[at])}`,
      );
  }
  const odd = trials.find(({ number, value }) => typeof number !== "number" || typeof value !== "number");
  if (odd)
    throw new MinibatchError(
      `${where}: trials must have numbers as number and value, got ${describe(odd.number)} and ${describe(odd.value)}`,
    );
  return result as StudyLike;
}

const isObject = (value: unknown) => typeof value === "object" && value !== null;

const ended = ({ trials }: StudyLike) => trials.filter(({ state, value }) => state !== "failed" && Number.isFinite(value));

export function checkAnswers(where: string, study: StudyLike): readonly TrialLike[] {
  const list = ended(study);
  if (list.length) return list;
  throw new MinibatchError(`${where}: there is nothing to draw, all ${study.trials.length} trials failed`);
}

export function valueOptions(where: string, options: StudyPictureOptions): { label: string; kind: ScaleKind } {
  const { valueLabel, valueScale } = options;
  return {
    label: valueLabel === undefined ? "value" : checkText(where, "valueLabel", valueLabel),
    kind: scaleOf(where, "valueScale", valueScale),
  };
}

/** How a parameter's values stand on an axis. */
export interface Placed {
  readonly name: string;
  readonly axis: Axis;
  /** undefined: the trial does not have it. */
  at(trial: TrialLike): number | string | undefined;
}

/** A value of a choice: lists and objects as JSON has them. */
function choiceText(value: unknown): string {
  if (!isObject(value)) return typeof value === "function" ? describe(value) : String(value);
  try {
    return JSON.stringify(value) ?? describe(value);
  } catch {
    return describe(value);
  }
}

const wholeKinds = ["integer", "logInteger"];

/** Numbers on the parameter's own scale, from its bounds; 1 - beta where that is the scale; a choice as a band. */
export function placed(where: string, parameter: ParameterLike, count = 6): Placed {
  const { name, kind, low, high, values } = parameter;
  if (kind === "choice") {
    if (values !== undefined && !Array.isArray(values))
      throw new MinibatchError(`${where}: values of parameter "${name}" must be a list, got ${describe(values)}`);
    const list = values ?? [];
    const names = list.map(choiceText);
    // Of lists and objects a trial has copies.
    const place = (value: unknown) => (isObject(value) ? names.indexOf(choiceText(value)) : list.indexOf(value));
    return {
      name,
      axis: bandAxis(name, names),
      at: (trial) => (name in trial.values ? String(Math.max(0, place(trial.values[name]))) : undefined),
    };
  }
  if (typeof low !== "number" || typeof high !== "number")
    throw new MinibatchError(`${where}: parameter "${name}" must have low and high, got ${describe(parameter)}`);
  const minus = kind === "oneMinusLogUniform";
  const log = minus || kind === "logUniform" || kind === "logInteger";
  const ends = minus ? [1 - high, 1 - low] : [low, high];
  const axis = numberAxis(where, log ? "log" : "linear", ends, {
    label: minus ? `1 − ${name}` : name,
    nice: false,
    count,
    whole: wholeKinds.includes(kind) && !log,
  });
  return {
    name,
    axis,
    at: ({ values: own }) => {
      const value = own[name];
      if (typeof value !== "number") return undefined;
      return minus ? 1 - value : value;
    },
  };
}

export function parameterOf(where: string, study: StudyLike, name: string): ParameterLike {
  const found = study.parameters.find((parameter) => parameter.name === name);
  if (found) return found;
  const all = study.parameters.map((parameter) => `"${parameter.name}"`).join(", ");
  throw new MinibatchError(`${where}: the study has no parameter "${name}"; there are ${all || "none"}`);
}

export const look = {
  done: { color: palette[0] as string, symbol: "circle" },
  pruned: { color: "#9a9a9a", symbol: "diamond" },
  failed: { color: palette[1] as string, symbol: "cross" },
  best: { color: palette[1] as string, symbol: "star" },
} as const;

const names = { done: "done", pruned: "pruned, at its last report", failed: "failed" } as const;

/** Trials done or pruned, each with its marker. */
export function dots<T extends TrialLike>(
  plot: Plot,
  named: Named,
  list: readonly T[],
  x: (trial: T) => unknown,
  y: (trial: T) => unknown,
): Markish[] {
  return (["pruned", "done"] as const).flatMap((state) => {
    const own = list.filter((trial) => trial.state === state);
    const { color, symbol } = look[state];
    const channels = { x: x as never, y: y as never };
    return own.length
      ? [plot.dot([...own], { ...channels, r: 3.4, fill: color, fillOpacity: 0.85, symbol, ...named(`trials ${state}`) })]
      : [];
  });
}

export const legendOf = (study: StudyLike, states: readonly ("done" | "pruned" | "failed")[]): LegendEntry[] =>
  states
    .filter((state) => study.trials.some((trial) => trial.state === state))
    .map((state) => ({ name: names[state], kind: "marker", ...look[state] }));
