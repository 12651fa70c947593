// The space of a study: parameters, each with its own scale, and what is made of them (nested objects, alternatives, lists).
// A scale is a map between values and positions in [0, 1]; strategies know positions only, whatever a parameter means.
// Knows no strategy, no trial and no file.
import { checkNumber, describe, MinibatchError } from "../errors.ts";
import type { Json } from "../nn/layer.ts";

/** One dimension of a space; `T` is what the objective sees. */
export interface Dimension<out T> {
  readonly kind: string;
  /** Carries the type only; never set. */
  readonly example?: T;
}

/** Dimensions by name; a plain object inside is a space of its own, and comes out as an object. */
export interface Space {
  readonly [name: string]: Dimension<unknown> | Space;
}

/** What the objective gets for a space. */
export type Params<S extends Space> = {
  readonly [K in keyof S]: S[K] extends Dimension<infer T> ? T : S[K] extends Space ? Params<S[K]> : never;
};

/** Some of the values of a space, in the form in which the objective gets them; any values where the objective asks for everything. */
export type SomeParams<S extends Space> = string extends keyof S
  ? Readonly<Record<string, unknown>>
  : [keyof S] extends [never]
    ? Readonly<Record<string, unknown>>
    : { readonly [K in keyof S]?: (S[K] extends Dimension<infer T> ? T : S[K] extends Space ? SomeParams<S[K]> : never) | undefined };

/** A dimension with one value, and the scale on which strategies see it. */
export interface Parameter<out T = unknown> extends Dimension<T> {
  /** Number of different values; Infinity where the scale is continuous. */
  readonly count: number;
  /** Whether neighbouring positions are similar values; false for a choice. */
  readonly ordered: boolean;
  /** The value at a position from 0 to 1; equal lengths of positions are equally likely values. */
  at(position: number): T;
  /** The position of a value (the middle of its range where values are discrete); undefined: not a value of this parameter. */
  position(value: unknown): number | undefined;
  /** The value as a journal keeps it, and back; undefined: not one that this parameter has recorded. */
  record(value: unknown): Json;
  recall(recorded: Json): T | undefined;
  /** What a journal says of the parameter. */
  readonly description: Json;
}

/** Gets the value of one parameter; names of nested ones are joined by dots. */
export type Ask = <T>(name: string, parameter: Parameter<T>) => T;

/** Numbers on a scale. `least` keeps rounding from leaving [low, high]. */
class Scale implements Parameter<number> {
  declare readonly example?: number;
  readonly kind: string;
  readonly count: number;
  readonly ordered = true;
  readonly low: number;
  readonly high: number;
  readonly #at: (position: number) => number;
  readonly #position: (value: number) => number;

  constructor(kind: string, low: number, high: number, whole: boolean, at: (p: number) => number, position: (v: number) => number) {
    this.kind = kind;
    this.low = low;
    this.high = high;
    this.count = whole ? high - low + 1 : Number.POSITIVE_INFINITY;
    this.#at = at;
    this.#position = position;
  }

  at(position: number): number {
    return Math.min(this.high, Math.max(this.low, this.#at(position)));
  }

  position(value: unknown): number | undefined {
    if (typeof value !== "number" || !(value >= this.low && value <= this.high)) return undefined;
    if (Number.isFinite(this.count) && !Number.isInteger(value)) return undefined;
    return Math.min(1, Math.max(0, this.#position(value)));
  }

  record(value: unknown): Json {
    return value as number;
  }

  recall(recorded: Json): number | undefined {
    return this.position(recorded) === undefined ? undefined : (recorded as number);
  }

  get description(): Json {
    return { kind: this.kind, low: this.low, high: this.high };
  }
}

/** Values without an order. They are recorded by their place, beside the value itself where JSON has it. */
class Choice<T> implements Parameter<T> {
  declare readonly example?: T;
  readonly kind = "choice";
  readonly ordered = false;
  readonly values: readonly T[];
  readonly #labels: readonly Json[];

  constructor(values: readonly T[]) {
    this.values = values;
    const labels = values.map(label);
    const texts = labels.map((each) => JSON.stringify(each));
    // Two functions may be called the same: the later one is told by its place.
    this.#labels = labels.map((each, i) => (texts.indexOf(texts[i] as string) === i ? each : `${asText(each)} (${i})`));
  }

  get count(): number {
    return this.values.length;
  }

  at(position: number): T {
    return this.values[Math.min(this.count - 1, Math.max(0, Math.floor(position * this.count)))] as T;
  }

  position(value: unknown): number | undefined {
    const index = this.values.findIndex((v) => Object.is(v, value));
    return index < 0 ? undefined : (index + 0.5) / this.count;
  }

  record(value: unknown): Json {
    const index = this.values.findIndex((v) => Object.is(v, value));
    return { choice: index, value: this.#labels[index] ?? label(value) };
  }

  recall(recorded: Json): T | undefined {
    if (!isRecordedChoice(recorded)) return undefined;
    const { choice: index, value } = recorded;
    // What an objective asks for may have other values by now, or the same at other places: no header tells of them.
    return JSON.stringify(value) === JSON.stringify(this.#labels[index]) ? this.values[index] : undefined;
  }

  get description(): Json {
    return { kind: this.kind, values: this.#labels };
  }
}

export const isPlain = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && [Object.prototype, null].includes(Object.getPrototypeOf(value));

/** Whether JSON has the whole of a value, lists and plain objects too. */
function isJson(value: unknown, around: readonly unknown[] = []): boolean {
  if (value === null || typeof value === "string" || typeof value === "boolean" || Number.isFinite(value)) return true;
  if (!(Array.isArray(value) || isPlain(value)) || around.includes(value)) return false;
  // Array.from: JSON has no holes.
  const parts = Array.isArray(value) ? Array.from(value) : Object.values(value);
  return parts.every((part) => isJson(part, [...around, value]));
}

/** A value of a choice as a record has it: a copy of what JSON has, of anything else what it is called. */
function label(value: unknown): Json {
  return isJson(value) ? (JSON.parse(JSON.stringify(value)) as Json) : describe(value);
}

/** A label as text. */
export const asText = (value: Json): string => (typeof value === "object" ? JSON.stringify(value) : String(value));

export function isRecordedChoice(recorded: Json | undefined): recorded is { readonly choice: number; readonly value: Json } {
  return recorded !== null && typeof recorded === "object" && "choice" in recorded;
}

/** Several parameters under one name, some of them there only for certain values of others. */
class Compound<T> implements Dimension<T> {
  declare readonly example?: T;
  readonly kind: string;
  readonly description: Json;
  readonly #resolve: (name: string, ask: Ask) => T;
  readonly #names: (name: string) => readonly string[];

  constructor(kind: string, description: Json, resolve: (name: string, ask: Ask) => T, names: (name: string) => readonly string[]) {
    this.kind = kind;
    this.description = description;
    this.#resolve = resolve;
    this.#names = names;
  }

  resolve(name: string, ask: Ask): T {
    return this.#resolve(name, ask);
  }

  names(name: string): readonly string[] {
    return this.#names(name);
  }
}

function bounds(kind: string, low: number, high: number, limits: Parameters<typeof checkNumber>[3] = {}): void {
  checkNumber(kind, "low", low, limits);
  checkNumber(kind, "high", high, limits);
  const equal = limits.whole ? low <= high : low < high;
  if (!equal) throw new MinibatchError(`${kind}: low must be ${limits.whole ? "at most" : "below"} high, got ${low} and ${high}`);
}

/** A number evenly spread over [low, high]. */
export function uniform(low: number, high: number): Parameter<number> {
  bounds("uniform", low, high);
  return new Scale(
    "uniform",
    low,
    high,
    false,
    (p) => low + p * (high - low),
    (v) => (v - low) / (high - low),
  );
}

/**
 * a = 10^r with r evenly spread over [log10 low, log10 high]: every decade is as likely as any other. For learning rates, and for
 * whatever is right only to a factor.
 */
export function logUniform(low: number, high: number): Parameter<number> {
  bounds("logUniform", low, high, { above: 0 });
  const span = Math.log(high / low);
  return new Scale(
    "logUniform",
    low,
    high,
    false,
    (p) => low * Math.exp(p * span),
    (v) => Math.log(v / low) / span,
  );
}

/**
 * 1 - beta = 10^r with r evenly spread: for averages over the last 1/(1 - beta) values, where 0.9990 to 0.9995 doubles the memory and 0.9000 to 0.9005
 * changes nothing. low and high are bounds of beta itself: `oneMinusLogUniform(0.9, 0.999)`.
 */
export function oneMinusLogUniform(low: number, high: number): Parameter<number> {
  bounds("oneMinusLogUniform", low, high, { below: 1 });
  const span = Math.log((1 - high) / (1 - low));
  return new Scale(
    "oneMinusLogUniform",
    low,
    high,
    false,
    (p) => 1 - (1 - low) * Math.exp(p * span),
    (v) => Math.log((1 - v) / (1 - low)) / span,
  );
}

/** A whole number from low to high, both included, each equally likely. */
export function integer(low: number, high: number): Parameter<number> {
  bounds("integer", low, high, { whole: true, min: -(2 ** 52), max: 2 ** 52 });
  const count = high - low + 1;
  return new Scale(
    "integer",
    low,
    high,
    true,
    (p) => Math.floor(low + p * count),
    (v) => (v - low + 0.5) / count,
  );
}

/**
 * A whole number from low (1 at least) to high on a logarithmic scale: n has the probability of [n - 1/2, n + 1/2] under a
 * log-uniform law. For numbers of units, where 16 or 32 matters as much as 128 or 256.
 */
export function logInteger(low: number, high: number): Parameter<number> {
  bounds("logInteger", low, high, { whole: true, min: 1, max: 2 ** 52 });
  const from = low - 0.5;
  const span = Math.log((high + 0.5) / from);
  return new Scale(
    "logInteger",
    low,
    high,
    true,
    (p) => Math.round(from * Math.exp(p * span)),
    (v) => Math.log(v / from) / span,
  );
}

/** One of these values, each equally likely. They may be anything: numbers, names, functions. */
export function choice<const T>(values: readonly T[]): Parameter<T> {
  if (!Array.isArray(values) || values.length === 0)
    throw new MinibatchError(`choice: values must be an array with a value at least, got ${describe(values)}`);
  values.forEach((value, i) => {
    const first = values.findIndex((other) => Object.is(other, value));
    if (first < i) throw new MinibatchError(`choice: values must differ, got ${describe(value)} at ${first} and at ${i}`);
  });
  return new Choice<T>([...values]);
}

/** The alternative that was chosen, and its parameters. */
export type OneOf<B extends Readonly<Record<string, Space>>> = { [K in keyof B]: { readonly kind: K } & Params<B[K]> }[keyof B];

/**
 * One of several spaces: `oneOf({ momentum: { beta: oneMinusLogUniform(0.9, 0.999) }, sgd: {} })` gives `{ kind: "momentum", beta }` or
 * `{ kind: "sgd" }`. Parameters of an alternative that was not chosen do not exist in that trial.
 */
export function oneOf<const B extends Readonly<Record<string, Space>>>(alternatives: B): Dimension<OneOf<B>> {
  if (alternatives === null || typeof alternatives !== "object" || Array.isArray(alternatives))
    throw new MinibatchError(`oneOf: alternatives must be an object of spaces, got ${describe(alternatives)}`);
  const kinds = Object.keys(alternatives);
  if (kinds.length === 0) throw new MinibatchError("oneOf: there must be an alternative at least, got {}");
  for (const kind of kinds) {
    checkSpace(`oneOf: ${kind}`, alternatives[kind]);
    if (Object.hasOwn(alternatives[kind] as Space, "kind"))
      throw new MinibatchError(`oneOf: "kind" says which alternative it is, no parameter may have that name (in ${kind})`);
  }
  const which = new Choice(kinds);
  return new Compound<OneOf<B>>(
    "oneOf",
    { kind: "oneOf", alternatives: Object.fromEntries(kinds.map((kind) => [kind, describeSpace(alternatives[kind] as Space)])) },
    (name, ask) => {
      const kind = ask(name, which);
      // The type of a union's member cannot be followed through a name chosen at run time.
      return { kind, ...resolve(alternatives[kind] as Space, ask, `${name}.${kind}.`) } as OneOf<B>;
    },
    (name) => [name, ...kinds.flatMap((kind) => namesOf(alternatives[kind] as Space, `${name}.${kind}.`))],
  );
}

/** A list whose length is itself a parameter: `list(integer(1, 3), logInteger(16, 256))` gives 1 to 3 layer sizes. */
export function list<T>(length: Parameter<number>, of: Dimension<T>): Dimension<readonly T[]> {
  if (!(length instanceof Scale) || !Number.isFinite(length.count) || length.low < 0)
    throw new MinibatchError(`list: length must be integer(low, high) from 0, got ${describe(length)}`);
  checkDimension("list: of", of);
  const most = length.high;
  if (most > 1000) throw new MinibatchError(`list: length must be at most 1000, got up to ${most}`);
  return new Compound<readonly T[]>(
    "list",
    { kind: "list", length: length.description, of: describeDimension(of) },
    (name, ask) => Array.from({ length: ask(`${name}.length`, length) }, (_, i) => resolveDimension(`${name}.${i}`, of, ask)),
    (name) => [`${name}.length`, ...Array.from({ length: most }, (_, i) => namesOfDimension(`${name}.${i}`, of)).flat()],
  );
}

function isParameter(value: unknown): value is Parameter {
  return value instanceof Scale || value instanceof Choice;
}

function isDimension(value: unknown): value is Dimension<unknown> {
  return isParameter(value) || value instanceof Compound;
}

/** A dimension that the library made, or an error that says what was given. */
export function checkDimension(where: string, value: unknown): void {
  if (isDimension(value)) return;
  const hint = typeof value === "function" ? "; call it with its bounds" : Array.isArray(value) ? "; choice([...]) picks one of them" : "";
  throw new MinibatchError(`${where} must be a dimension such as logUniform(1e-4, 1), got ${describe(value)}${hint}`);
}

/** Every part of a space is a dimension or a space with something in it, and no two parameters share a name. */
export function checkSpace(where: string, space: unknown): void {
  const check = (place: string, value: unknown, top: boolean): void => {
    if (isDimension(value)) return;
    const plain = typeof value === "object" && value !== null && [Object.prototype, null].includes(Object.getPrototypeOf(value));
    if (!plain) {
      if (top) throw new MinibatchError(`${place} must be an object of dimensions, got ${describe(value)}`);
      checkDimension(place, value);
    }
    for (const [name, inner] of Object.entries(value as object)) {
      if (name === "") throw new MinibatchError(`${place}: a parameter must have a name, got ""`);
      check(`${place}.${name}`, inner, false);
    }
  };
  if (isDimension(space)) throw new MinibatchError(`${where} must be an object of dimensions by name, got ${describe(space)} alone`);
  check(where, space, true);
  const names = namesOf(space as Space);
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined) throw new MinibatchError(`${where}: two parameters are both called "${twice}"; rename one`);
}

/** The value of a dimension, asking for its parameters one after the other. */
export function resolveDimension<T>(name: string, dimension: Dimension<T>, ask: Ask): T {
  return dimension instanceof Compound ? dimension.resolve(name, ask) : ask(name, dimension as Parameter<T>);
}

/** The values of a space, asking for one parameter after the other, in the order in which they are written. */
export function resolve<S extends Space>(space: S, ask: Ask, prefix = ""): Params<S> {
  const values: Record<string, unknown> = {};
  for (const [name, part] of Object.entries(space)) {
    values[name] = isDimension(part) ? resolveDimension(prefix + name, part, ask) : resolve(part, ask, `${prefix}${name}.`);
  }
  return values as Params<S>;
}

function namesOfDimension(name: string, dimension: Dimension<unknown>): readonly string[] {
  return dimension instanceof Compound ? dimension.names(name) : [name];
}

/** Names of all parameters that a space can ask for. */
export function namesOf(space: Space, prefix = ""): readonly string[] {
  return Object.entries(space).flatMap(([name, part]) =>
    isDimension(part) ? namesOfDimension(prefix + name, part) : namesOf(part, `${prefix}${name}.`),
  );
}

function describeDimension(dimension: Dimension<unknown>): Json {
  return (dimension as Parameter | Compound<unknown>).description;
}

/** What a journal says of a space; equal spaces have equal descriptions. */
export function describeSpace(space: Space): Json {
  return Object.fromEntries(
    Object.entries(space).map(([name, part]) => [name, isDimension(part) ? describeDimension(part) : { space: describeSpace(part) }]),
  );
}
