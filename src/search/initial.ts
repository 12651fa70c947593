// Trials that are known to be good, tried before any that a strategy proposes. Turns what a user wrote, in the form of the
// objective's values, into values by full name. Knows no record.
import { describe, MinibatchError } from "../errors.ts";
import { isPlain, type Parameter, resolve, type Space } from "./space.ts";
import type { Proposal } from "./strategy.ts";

const deepest = 8;

/** All that a name may mean: a choice may have an object or a list as its value, an alternative is told by its kind. */
function collect(found: Map<string, unknown[]>, name: string, value: unknown, depth = 0): void {
  const add = (full: string, meant: unknown) => found.set(full, [...(found.get(full) ?? []), meant]);
  add(name, value);
  // No space is that deep; a value of a choice may hold itself.
  if (depth > deepest) return;
  if (Array.isArray(value)) {
    add(`${name}.length`, value.length);
    value.forEach((element, i) => {
      collect(found, `${name}.${i}`, element, depth + 1);
    });
  } else if (isPlain(value)) {
    const { kind } = value;
    for (const [inner, part] of Object.entries(value)) {
      collect(found, `${name}.${inner}`, part, depth + 1);
      if (typeof kind === "string" && inner !== "kind") collect(found, `${name}.${kind}.${inner}`, part, depth + 1);
    }
    if (typeof kind === "string") add(name, kind);
  }
}

/** Proposals from values in the form of the objective's, which need not be complete. Throws for what the space cannot have. */
export function checkInitial(initial: unknown, space: Space): Proposal[] {
  if (initial === undefined) return [];
  if (!Array.isArray(initial)) throw new MinibatchError(`study: initial must be a list of parameter values, got ${describe(initial)}`);
  const named = Object.keys(space).length > 0;
  return initial.map((given: unknown, i): Proposal => {
    const where = `study: initial[${i}]`;
    if (!isPlain(given)) throw new MinibatchError(`${where} must be an object of values by name, got ${describe(given)}`);
    const found = new Map<string, unknown[]>();
    for (const [name, value] of Object.entries(given)) {
      if (named && !Object.hasOwn(space, name))
        throw new MinibatchError(`${where}: the space has no ${describe(name)}; it has ${Object.keys(space).join(", ")}`);
      if (value !== undefined) collect(found, name, value);
    }
    const params = (name: string, parameter: Parameter): unknown => {
      const meant = found.get(name);
      if (!meant) return undefined;
      return meant.find((value) => parameter.position(value) !== undefined) ?? meant[0];
    };
    const used = new Set<string>();
    resolve(space, <T>(name: string, parameter: Parameter<T>): T => {
      used.add(name);
      const value = params(name, parameter);
      if (value === undefined) return parameter.at(0.5);
      if (parameter.position(value) === undefined)
        throw new MinibatchError(`${where}: ${name} must be a value of ${JSON.stringify(parameter.description)}, got ${describe(value)}`);
      return value as T;
    });
    for (const name of Object.keys(space))
      if (found.has(name) && ![...used].some((full) => (full === name || full.startsWith(`${name}.`)) && found.has(full)))
        throw new MinibatchError(`${where}: ${name} must have the form that the objective gets, got ${describe(given[name])}`);
    return { params };
  });
}
