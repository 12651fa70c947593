// What a layer is: a kind, its options as plain data, and a forward pass written on tensors. Parameters and statistics are
// asked for by name; who gives them (a training program, an eager pass, a shape trace) a layer does not know.
import { checkOptions, describe, MinibatchError } from "../errors.ts";
import { Value } from "../ops/define.ts";
import type { Shape } from "../shape.ts";
import type { Tensor, Variable } from "../tensor.ts";
import type { Init } from "./init.ts";

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

export interface ParamOptions {
  init?: Init | undefined;
  /** Whether the regulariser sees it; default: rank 2 and more. */
  decay?: boolean | undefined;
  trainable?: boolean | undefined;
}

export interface StateOptions {
  init?: Init | undefined;
}

/** What a forward pass may ask for. */
export interface LayerContext {
  readonly training: boolean;
  /** A learned tensor of this layer. */
  param(name: string, shape: Shape, options?: ParamOptions): Tensor;
  /** A tensor that is kept but not learned; `assign` in training takes effect when the step ends. */
  state(name: string, shape: Shape, options?: StateOptions): Variable;
}

/** What the library's own layers may ask for beyond that. */
export interface OwnContext extends LayerContext {
  /** The kind of activation that follows, past normalisation and dropout: it decides the default initialiser. */
  readonly activationAhead: string | undefined;
  /** The kind of the layer directly behind. */
  readonly next: string | undefined;
  /** Inverted dropout with this layer's own mask. */
  dropout(x: Tensor, keepProb: number): Tensor;
}

export const layerMark: unique symbol = Symbol("minibatch.layer");

export interface Layer {
  readonly [layerMark]: true;
  readonly kind: string;
  readonly name?: string | undefined;
}

/** A layer as the library holds it. */
export interface LayerDefinition extends Layer {
  /** The options it was made with, for the model file and the summary; undefined: it cannot be saved. */
  readonly options: Json | undefined;
  readonly forward: (x: Tensor, context: OwnContext) => Tensor;
  /** Shape of one example, when the layer fixes it (input layers). */
  readonly inputShape?: Shape;
  /** True for kinds made by layer(...): loading needs them handed in. */
  readonly own: boolean;
}

/** Options every layer takes. `shape?: never` refuses a tensor where options belong: `relu(x)` makes a layer, `x.relu()` is the op. */
export interface Named {
  name?: string | undefined;
  shape?: never;
}

export function isLayer(value: unknown): value is LayerDefinition {
  return typeof value === "object" && value !== null && (value as Partial<Layer>)[layerMark] === true;
}

/** Checks the options of a kind of layer; a tensor in their place is the usual mistake. */
export function checkLayerOptions(kind: string, options: unknown, known: readonly string[]): void {
  if (options instanceof Value) throw new MinibatchError(`${kind}: ${kind}() makes a layer; use x.${kind}() for a tensor`);
  checkOptions(kind, options, [...known, "name"]);
  const name = (options as Named | undefined)?.name;
  if (name !== undefined && (typeof name !== "string" || !/^[\w.-]{1,100}$/.test(name))) {
    throw new MinibatchError(`${kind}: name must be letters, digits, "_", "-" or ".", got ${describe(name)}`);
  }
}

/** Makes a layer of the library's own. */
export function makeLayer(
  kind: string,
  options: Named | undefined,
  forward: (x: Tensor, context: OwnContext) => Tensor,
  extra: { readonly saved?: Json; readonly savable?: boolean; readonly inputShape?: Shape; readonly own?: boolean } = {},
): LayerDefinition {
  const { name, ...rest } = options ?? {};
  const plain = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined)) as Json;
  return {
    [layerMark]: true,
    kind,
    name,
    options: extra.savable === false ? undefined : (extra.saved ?? plain),
    forward,
    own: extra.own ?? false,
    ...(extra.inputShape ? { inputShape: extra.inputShape } : {}),
  };
}

/** `layer` makes a kind of layer; calling it makes one layer of that kind with its own parameters. */
export interface LayerKind<O> {
  (...options: Record<never, never> extends O ? [options?: O & Named] : [options: O & Named]): Layer;
  readonly kind: string;
}

/** Only plain data can be written to a model file and come back the same. */
function checkJson(where: string, value: unknown, path: string, depth = 0): void {
  // An object that holds itself has no end.
  if (depth > 16) throw new MinibatchError(`${where}: options may be nested 16 deep, got more`);
  if (value === null || typeof value === "string" || typeof value === "boolean") return;
  if (typeof value === "number" && Number.isFinite(value)) return;
  if (Array.isArray(value)) {
    value.forEach((item, i) => {
      checkJson(where, item, `${path}[${i}]`, depth + 1);
    });
    return;
  }
  if (typeof value === "object" && Object.getPrototypeOf(value) === Object.prototype) {
    for (const [key, item] of Object.entries(value)) if (item !== undefined) checkJson(where, item, `${path}.${key}`, depth + 1);
    return;
  }
  throw new MinibatchError(
    `${where}: options must be plain data (numbers, strings, lists), so that the model can be saved, got ${describe(value)} at ${path}`,
  );
}

/** Kinds that files and errors already know by these names. */
const reserved = new Set<string>();
export function reserveKinds(kinds: readonly string[]): void {
  for (const kind of kinds) reserved.add(kind);
}

/**
 * A kind of layer of one's own: `layer("residual", (x, { param }) => x.add(x.matmul(param("w", [n, n])).relu()))`.
 * Options come third and must be plain data; they are saved with the model, the function is not.
 */
export function layer<O extends { readonly [K in keyof O]: Json } = Record<never, never>>(
  kind: string,
  forward: (x: Tensor, context: LayerContext, options: O) => Tensor,
): LayerKind<O> {
  if (typeof kind !== "string" || !/^[\w.-]{1,100}$/.test(kind))
    throw new MinibatchError(`layer: kind must be letters, digits, "_", "-" or ".", got ${describe(kind)}`);
  if (reserved.has(kind)) throw new MinibatchError(`layer: "${kind}" is a kind of the library; choose another name`);
  if (typeof forward !== "function")
    throw new MinibatchError(`layer: expected a function (x, context, options) => tensor, got ${describe(forward)}`);
  const make = (options?: O & Named): Layer => {
    const { name, ...rest } = (options ?? {}) as Named & Record<string, Json>;
    checkLayerOptions(kind, { name }, []);
    checkJson(kind, rest, "options");
    const own = rest as unknown as O;
    const checked = (x: Tensor, context: OwnContext) => {
      const y = forward(x, context, own);
      if (!(y instanceof Value)) throw new MinibatchError(`${kind}: the forward function must return a tensor, got ${describe(y)}`);
      return y;
    };
    return makeLayer(kind, { name, ...rest } as Named, checked, { own: true });
  };
  return Object.assign(make as unknown as LayerKind<O>, { kind });
}
