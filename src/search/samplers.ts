// Strategies that do not look at values: a grid, random points, and quasi-random points, which leave smaller gaps.
// They give the same trials in any order of finishing.
import { checkNumber, checkOptions, describe, MinibatchError } from "../errors.ts";
import { permutation } from "../random.ts";
import { namesOf, type Parameter, resolve, type Space } from "./space.ts";
import { hash, type Proposal, type Strategy } from "./strategy.ts";

const checkTrials = (where: string, trials: unknown) => checkNumber(where, "trials", trials, { whole: true, min: 1 });

/** Every trial at a random point of the space, each parameter on its own scale. */
export function randomSearch(options: { trials: number }): Strategy {
  checkOptions("randomSearch", options, ["trials"]);
  const trials = checkTrials("randomSearch", options?.trials);
  return { kind: "random search", next: ({ number }) => (number <= trials ? {} : undefined) };
}

/** The positions of a parameter on a grid: all its values where they are few, else evenly spaced ones from end to end. */
function gridValues(parameter: Parameter, points: number): unknown[] {
  const { count } = parameter;
  if (count <= points || !parameter.ordered) return Array.from({ length: count }, (_, i) => parameter.at((i + 0.5) / count));
  const values = Array.from({ length: points }, (_, i) => parameter.at(points === 1 ? 0.5 : i / (points - 1)));
  return [...new Set(values)];
}

/**
 * Every combination of `points` values of each parameter, evenly spaced on its scale, ends included; of a choice all its values.
 * The last parameter changes fastest. Parameters of an alternative, and elements of a list, count only where they exist.
 * Points by name, `{ learningRate: 7 }`, leave the others at `else` (3 by default).
 */
export function gridSearch(options: { points: number | (Readonly<Record<string, number>> & { else?: number }) }): Strategy {
  checkOptions("gridSearch", options, ["points"]);
  const points = options?.points;
  const byName = typeof points === "object" && points !== null ? points : { else: points };
  for (const [name, value] of Object.entries(byName))
    checkNumber("gridSearch", name === "else" ? "points" : `points.${name}`, value, { whole: true, min: 1 });
  const pointsOf = (name: string) => byName[name] ?? byName.else ?? 3;

  /** One combination is a path: which value of how many at each parameter asked for. The list grows as trials are asked for. */
  interface Grid {
    readonly found: Readonly<Record<string, unknown>>[];
    digits: readonly number[] | undefined;
  }
  const grids = new WeakMap<Space, Grid>();
  const gridOf = (space: Space): Grid => {
    let grid = grids.get(space);
    if (!grid) {
      const names = namesOf(space);
      for (const name of Object.keys(byName))
        if (name !== "else" && !names.includes(name))
          throw new MinibatchError(`gridSearch: points names a parameter that the space does not have, got ${describe(name)}`);
      grid = { found: [], digits: [] };
      grids.set(space, grid);
    }
    return grid;
  };
  const extend = (space: Space, grid: Grid): void => {
    const digits = grid.digits as readonly number[];
    const taken: number[] = [];
    const counts: number[] = [];
    const values: Record<string, unknown> = {};
    resolve(space, (name, parameter) => {
      const all = gridValues(parameter, pointsOf(name));
      const digit = digits[taken.length] ?? 0;
      taken.push(digit);
      counts.push(all.length);
      const value = all[digit];
      values[name] = value;
      return value as never;
    });
    grid.found.push(values);
    // The odometer: the last digit that can turn turns, those behind it start again.
    let at = taken.length - 1;
    while (at >= 0 && (taken[at] as number) + 1 >= (counts[at] as number)) at--;
    grid.digits = at < 0 ? undefined : [...taken.slice(0, at), (taken[at] as number) + 1];
  };
  return {
    kind: "grid search",
    next: ({ number, given = 0, space }) => {
      const grid = gridOf(space);
      // A grid is tried as a whole, whatever was tried before it.
      const own = number - given;
      while (grid.found.length < own && grid.digits) extend(space, grid);
      const values = grid.found[own - 1];
      if (!values) return undefined;
      return {
        params: (name) => {
          if (name in values) return values[name];
          throw new MinibatchError(
            `gridSearch: a grid needs every parameter in the space, got suggest(${describe(name)}) in the objective`,
          );
        },
      };
    },
  };
}

/** The first primes, in order, as many as asked for. */
function primes(count: number): number[] {
  const found: number[] = [];
  for (let n = 2; found.length < count; n++) if (found.every((p) => n % p !== 0)) found.push(n);
  return found;
}

/**
 * Points of a scrambled Halton sequence: number i written in base b (a prime per parameter), its digits permuted at random by their
 * place and mirrored behind the point. In every stretch of b points each b-th of the scale is met once, so there are smaller gaps and
 * clusters than by random search. A parameter that only the objective asks for (`suggest`) is drawn at random.
 * Sources: Halton 1960; Owen, "A randomized Halton algorithm in R", 2017.
 */
export function quasiRandom(options: { trials: number }): Strategy {
  checkOptions("quasiRandom", options, ["trials"]);
  const trials = checkTrials("quasiRandom", options?.trials);
  const basesOf = new WeakMap<Space, ReadonlyMap<string, number>>();
  const bases = (space: Space) => {
    let found = basesOf.get(space);
    if (!found) {
      const names = namesOf(space);
      const base = primes(names.length);
      found = new Map(names.map((name, i) => [name, base[i] as number]));
      basesOf.set(space, found);
    }
    return found;
  };
  const orders = new Map<string, readonly Int32Array[]>();
  const digitOrders = (seed: number, name: string, base: number) => {
    const key = `${seed} ${base} ${name}`;
    let found = orders.get(key);
    if (!found) {
      // Digits up to the last bit of a double's 53.
      const places = Math.ceil(53 / Math.log2(base));
      const site = hash(`quasi-random ${name}`);
      found = Array.from({ length: places }, (_, step) => permutation({ seed, purpose: "search", site, step }, base));
      orders.set(key, found);
    }
    return found;
  };
  return {
    kind: "quasi-random search",
    next: ({ number, seed, space }): Proposal | undefined => {
      if (number > trials) return undefined;
      return {
        params: (name, parameter) => {
          const base = bases(space).get(name);
          if (base === undefined) return undefined;
          let rest = number - 1;
          let unit = 1;
          let position = 0;
          for (const order of digitOrders(seed, name, base)) {
            unit /= base;
            position += unit * (order[rest % base] as number);
            rest = Math.floor(rest / base);
          }
          return parameter.at(Math.min(position, 1 - 2 ** -53));
        },
      };
    },
  };
}
