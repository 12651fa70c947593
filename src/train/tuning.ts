// What can be changed while a run works: the values in force, what run.set may say, and both as plain data for checkpoints
// and logs. It knows how a change becomes other programs, and not when.
import { checkNumber, checkOptions, describe, MinibatchError } from "../errors.ts";
import type { Json } from "../nn/layer.ts";
import type { Network } from "../nn/network.ts";
import { checkRegularizer, elasticNet, type Regularizer, type RegularizerDefinition } from "../nn/regularizers.ts";
import type { OptimizerRecipe } from "../optim/optimizers.ts";
import { checkRate, type Schedule } from "../optim/schedules.ts";
import type { TrainingSpec } from "./programs.ts";

/**
 * What `run.set` can change; names and rules are those of `fit`, of `dropout` and of `adamW`, and `null` takes a thing away. A learning rate
 * alone takes effect at the next step; a call with anything else takes effect whole, at the start of the next epoch.
 */
export interface RunSettings {
  /** Of every step from then on: a number above 0, or a schedule, which sees the run's own steps and epochs. */
  learningRate?: number | Schedule | undefined;
  regularizer?: Regularizer | null | undefined;
  /** Decoupled weight decay of adam and adamW. */
  weightDecay?: number | undefined;
  /** Keep probability in (0, 1] of all dropout layers, or of those named: `{ dropout2: 0.7 }`. */
  keepProb?: number | Readonly<Record<string, number>> | undefined;
  clipNorm?: number | null | undefined;
  clipValue?: number | null | undefined;
  batchSize?: number | "all" | undefined;
}

/** The values in force. */
export interface Tuning {
  readonly learningRate: number | Schedule;
  readonly regularizer: RegularizerDefinition | undefined;
  /** undefined: the optimizer knows none. */
  readonly weightDecay: number | undefined;
  /** Of each dropout layer by its name, in order. */
  readonly keepProb: Readonly<Record<string, number>>;
  readonly clipNorm: number | undefined;
  readonly clipValue: number | undefined;
  readonly batchSize: number;
}

/** A checked change: what it names is replaced, of `keepProb` the layers it names. */
export type Change = { readonly [K in keyof Tuning]?: Tuning[K] };

/** What the check of a change must know of a run. */
export interface Subject {
  readonly tuning: Tuning;
  readonly recipe: OptimizerRecipe;
  readonly rows: number;
}

const names: readonly (keyof RunSettings)[] = [
  "learningRate",
  "regularizer",
  "weightDecay",
  "keepProb",
  "clipNorm",
  "clipValue",
  "batchSize",
];

/** Names of the dropout layers, in order. */
const dropoutsOf = ({ layers, names: all }: Network) => all.filter((_, i) => layers[i]?.kind === "dropout");

/** Keep probability of each dropout layer by its name, as it was made. */
function keepOf({ layers, names: all }: Network): Record<string, number> {
  const kept = layers.flatMap(({ kind, options }, i) => (kind === "dropout" ? [[all[i], (options as { keepProb: number }).keepProb]] : []));
  return Object.fromEntries(kept) as Record<string, number>;
}

/** The options that a run begins with. */
export interface Options {
  readonly recipe: OptimizerRecipe;
  readonly regularizer: RegularizerDefinition | undefined;
  readonly batchSize: number;
  readonly clipNorm: number | undefined;
  readonly clipValue: number | undefined;
}

/** What a run begins with. */
export function tuningOf(network: Network, settings: Options): Tuning {
  const { recipe } = settings;
  return {
    learningRate: recipe.learningRate,
    regularizer: settings.regularizer,
    weightDecay: recipe.withWeightDecay && (recipe.settings.weightDecay as number),
    keepProb: keepOf(network),
    clipNorm: settings.clipNorm ?? recipe.clipNorm,
    clipValue: settings.clipValue ?? recipe.clipValue,
    batchSize: settings.batchSize,
  };
}

function checkKeep(where: string, value: unknown, layers: readonly string[]): Readonly<Record<string, number>> {
  if (!layers.length) throw new MinibatchError(`${where}: keepProb needs a dropout layer, and the model has none`);
  if (typeof value !== "object" || value === null) {
    const keep = checkNumber(where, "keepProb", value, { above: 0, max: 1 });
    return Object.fromEntries(layers.map((name) => [name, keep]));
  }
  checkOptions(`${where}: keepProb`, value, layers);
  const given = Object.entries(value).filter(([, keep]) => keep !== undefined);
  if (!given.length) throw new MinibatchError(`${where}: keepProb must name a dropout layer (${layers.join(", ")}), got {}`);
  return Object.fromEntries(given.map(([name, keep]) => [name, checkNumber(where, `keepProb.${name}`, keep, { above: 0, max: 1 })]));
}

/** The change that somebody asks for; throws for what this run cannot have. */
export function checkChange(where: string, values: unknown, { tuning, recipe, rows }: Subject): Change {
  if (values === undefined || values === null)
    throw new MinibatchError(`${where}: expected an object with ${names.join(", ")}, got ${describe(values)}`);
  checkOptions(where, values, names);
  const v = values as RunSettings;
  const given = names.filter((name) => v[name] !== undefined);
  if (!given.length) throw new MinibatchError(`${where}: expected at least one of ${names.join(", ")}, got ${describe(values)}`);
  const limit = (name: "clipNorm" | "clipValue") => (v[name] === null ? undefined : checkNumber(where, name, v[name], { above: 0 }));
  const check: { readonly [K in keyof Tuning]: () => Tuning[K] } = {
    learningRate: () => checkRate(where, v.learningRate),
    regularizer: () => (v.regularizer === null ? undefined : checkRegularizer(where, v.regularizer)),
    weightDecay: () => {
      if (!recipe.withWeightDecay)
        throw new MinibatchError(
          `${where}: weightDecay is of adam and adamW, got the optimizer ${recipe.kind}; regularizer: l2(lambda) goes with any`,
        );
      return checkNumber(where, "weightDecay", v.weightDecay, { min: 0 });
    },
    keepProb: () => checkKeep(where, v.keepProb, Object.keys(tuning.keepProb)),
    clipNorm: () => limit("clipNorm"),
    clipValue: () => limit("clipValue"),
    batchSize: () => {
      if (v.batchSize === "all") return rows;
      return Math.min(rows, checkNumber(where, 'batchSize (or "all")', v.batchSize, { whole: true, min: 1 }));
    },
  };
  return Object.fromEntries(given.map((name) => [name, check[name]()])) as Change;
}

export function changed(tuning: Tuning, change: Change): Tuning {
  return { ...tuning, ...change, keepProb: { ...tuning.keepProb, ...change.keepProb } };
}

/** Whether a change waits for an epoch to begin. */
export function waits(change: Change): boolean {
  return Object.keys(change).some((name) => name !== "learningRate");
}

const plainRegularizer = (r: RegularizerDefinition | undefined): Json => (r ? { l1: r.l1, l2: r.l2 } : null);

/** A change as plain data: `null` for what is taken away, "schedule" for a function. `checkChange` takes it again. */
export function changeAsJson(change: Change): { readonly [name: string]: Json } {
  return Object.fromEntries(
    Object.entries(change).map(([name, value]): [string, Json] => {
      if (name === "learningRate") return [name, typeof value === "number" ? value : "schedule"];
      if (name === "regularizer") return [name, plainRegularizer(value as RegularizerDefinition | undefined)];
      return [name, (value as Json | undefined) ?? null];
    }),
  );
}

/** The change in plain data. `schedule` stands for a function that they could not hold; by default the learning rate of the options. */
export function changeFromJson(where: string, value: unknown, subject: Subject, schedule?: Schedule): Change {
  if (typeof value !== "object" || value === null) throw new MinibatchError(`${where}: a change must be an object, got ${describe(value)}`);
  const { regularizer, learningRate, ...others } = value as Record<string, unknown>;
  const given: Record<string, unknown> = { ...others };
  if (learningRate !== undefined)
    given.learningRate = learningRate === "schedule" ? (schedule ?? subject.recipe.learningRate) : learningRate;
  if (regularizer !== undefined) given.regularizer = regularizer === null ? null : elasticNet(regularizer as { l1: number; l2: number });
  return Object.keys(given).length ? checkChange(where, given, subject) : {};
}

/** Where values differ from others, as a change of those. */
function difference(from: Tuning, to: Tuning): Change {
  const plain = (value: unknown) => (typeof value === "function" ? value : JSON.stringify(value ?? null));
  const differs = (a: object, b: object) =>
    Object.fromEntries(Object.entries(b).filter(([name, value]) => plain(value) !== plain(a[name as keyof typeof a])));
  const { keepProb: keepFrom, regularizer: from1, ...restFrom } = from;
  const { keepProb: keepTo, regularizer: to1, ...restTo } = to;
  const keepProb = differs(keepFrom, keepTo) as Tuning["keepProb"];
  const [r1, r2] = [plainRegularizer(from1), plainRegularizer(to1)];
  return {
    ...(differs(restFrom, restTo) as Change),
    ...(Object.keys(keepProb).length && { keepProb }),
    ...(plain(r1) !== plain(r2) && { regularizer: to1 }),
  };
}

/** Values in force as plain data: where they differ from those of the options. */
export function tuningAsJson(tuning: Tuning, options: Tuning): { readonly [name: string]: Json } {
  return changeAsJson(difference(options, tuning));
}

/** Whether plain data stand for a function that they do not hold. */
export function lacksSchedule(json: Json): boolean {
  return (json as { learningRate?: unknown } | null)?.learningRate === "schedule";
}

/** The values in plain data; the learning rate of the options stands for a schedule that they could not hold. */
export function tuningFromJson(where: string, json: Json, subject: Subject): Tuning {
  const change = changeFromJson(where, json, subject);
  return changed(subject.tuning, change);
}

/** What all training steps have in common under these values. */
export function specOf(spec: TrainingSpec, recipe: OptimizerRecipe, tuning: Tuning): TrainingSpec {
  const { weightDecay, regularizer, clipNorm, clipValue, keepProb } = tuning;
  const own = weightDecay === undefined || weightDecay === recipe.settings.weightDecay;
  const rule = own ? recipe.rule : (recipe.withWeightDecay?.(weightDecay) ?? recipe.rule);
  return { ...spec, rule, regularizer, clipNorm, clipValue, keep: dropoutsOf(spec.network).map((name) => keepProb[name] as number) };
}

/** Equal for values under which programs traced for one serve the other: rates and probabilities are read from memory. */
export function traceKey({ regularizer, weightDecay, clipNorm, clipValue, keepProb, batchSize }: Tuning): string {
  const dropped = Object.values(keepProb).map((keep) => keep < 1);
  return JSON.stringify([plainRegularizer(regularizer), weightDecay ?? null, clipNorm ?? null, clipValue ?? null, dropped, batchSize]);
}
