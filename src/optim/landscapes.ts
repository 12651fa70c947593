// Costs of two numbers on which to watch optimizers, and the path that one takes on them. Written with what users have:
// tensors, variables, an optimizer. Knows no model and no picture.
import { checkNumber, checkOptions, describe, MinibatchError, ShapeError } from "../errors.ts";
import { Value } from "../ops/define.ts";
import { show } from "../shape.ts";
import { scalar, type Tensor, variable } from "../tensor.ts";
import { type Optimizer, recipeOf } from "./optimizers.ts";

/** A cost of x and y with what one needs to draw it: where to begin, where it is lowest, which part to look at. */
export interface Landscape {
  /** Elementwise: x and y of any shapes that broadcast, so that a whole grid is one call. */
  (x: Tensor, y: Tensor): Tensor;
  readonly name: string;
  readonly formula: string;
  /** Where a descent begins. */
  readonly start: readonly [x: number, y: number];
  /** Where the cost is lowest; absent where it is lowest in several places. */
  readonly minimum?: readonly [x: number, y: number];
  readonly region: { readonly x: readonly [low: number, high: number]; readonly y: readonly [low: number, high: number] };
}

export interface Descent {
  /** The start and the point after each step. */
  readonly path: readonly (readonly [x: number, y: number])[];
  /** The cost at each point of the path. */
  readonly costs: readonly number[];
}

/** Landscape without its call signature. */
type Facts = { readonly [K in keyof Landscape]: Landscape[K] };

function landscape(f: (x: Tensor, y: Tensor) => Tensor, facts: Facts): Landscape {
  const made = (x: Tensor, y: Tensor) => {
    for (const value of [x, y]) {
      if (!(value instanceof Value))
        throw new MinibatchError(`landscapes.${facts.name}: x and y must be tensors, got ${describe(value)}; scalar(...) makes one`);
    }
    return f(x, y);
  };
  // A function has a name of its own, which an assignment would not replace.
  for (const [key, value] of Object.entries(facts)) Object.defineProperty(made, key, { value, enumerable: true });
  return made as unknown as Landscape;
}

/** Slope of the local optimum's tilt: enough to make one well deeper, not enough to fill the other up (that takes 8 / (3 sqrt 3) = 1.54). */
const tilt = 0.3;

/** The lowest point of the deeper well of localOptimum: the least root of 4 x^3 - 4 x + tilt = 0, by Viete's formula for three real roots. */
const deep = (2 / Math.sqrt(3)) * Math.cos(Math.acos((-3 * Math.sqrt(3) * tilt) / 8) / 3 + (2 * Math.PI) / 3);

/**
 * A long valley with steep walls, f = (gentle x^2 + steep y^2) / 2: the ravine of the course's drawings of momentum. Plain descent must
 * take its rate from the steep direction (below 2 / steep, or it diverges), and then creeps along the gentle one. By default gentle 1
 * and steep 50.
 */
function canyon(options: { gentle?: number | undefined; steep?: number | undefined } = {}): Landscape {
  checkOptions("landscapes.canyon", options, ["gentle", "steep"]);
  const gentle = checkNumber("landscapes.canyon", "gentle", options.gentle ?? 1, { above: 0 });
  const steep = checkNumber("landscapes.canyon", "steep", options.steep ?? 50, { min: gentle });
  return landscape(
    (x, y) =>
      x
        .square()
        .mul(gentle / 2)
        .add(y.square().mul(steep / 2)),
    {
      name: "canyon",
      formula: `(${gentle} x^2 + ${steep} y^2) / 2`,
      start: [-9, 1],
      minimum: [0, 0],
      region: { x: [-10, 3], y: [-1.5, 1.5] },
    },
  );
}

/**
 * f = x^2 / 2 - y^2 / 2 + y^4 / 4: down along x, up along y at first sight, for at the saddle (0, 0) the gradient is 0 and the cost still falls
 * on both sides of it, to -1/4 at (0, 1) and (0, -1). The start lies next to the ridge, where y pulls with no more than its own 0.001.
 */
function saddle(): Landscape {
  return landscape((x, y) => x.square().div(2).sub(y.square().div(2)).add(y.square().square().div(4)), {
    name: "saddle",
    formula: "x^2 / 2 - y^2 / 2 + y^4 / 4",
    start: [-1, 0.001],
    region: { x: [-1.5, 1.5], y: [-1.5, 1.5] },
  });
}

/**
 * A well in a plain, f = 1 - exp(-(x^2 + y^2) / 2): far from the well the gradient is r exp(-r^2 / 2), at the start (r = 4) about 0.0013, so
 * that steps in proportion to it hardly move for a long time.
 */
function plateau(): Landscape {
  return landscape((x, y) => x.square().add(y.square()).div(-2).exp().neg().add(1), {
    name: "plateau",
    formula: "1 - exp(-(x^2 + y^2) / 2)",
    start: [-3.2, 2.4],
    minimum: [0, 0],
    region: { x: [-4, 2], y: [-2, 4] },
  });
}

/**
 * Two wells, f = (x^2 - 1)^2 + 0.3 x + y^2 / 2: descent from the start ends in the shallow one at x = 0.960, which is 0.6 above the deep one
 * at x = -1.036. With thousands of parameters such places are rare beside saddles: a minimum must curve upwards in every direction.
 */
function localOptimum(): Landscape {
  return landscape((x, y) => x.square().sub(1).square().add(x.mul(tilt)).add(y.square().div(2)), {
    name: "localOptimum",
    formula: `(x^2 - 1)^2 + ${tilt} x + y^2 / 2`,
    start: [1.6, 1],
    minimum: [deep, 0],
    region: { x: [-1.8, 1.8], y: [-1.5, 1.5] },
  });
}

/**
 * The path of an optimizer over a landscape, or over any function of two tensors of shape [] (then with `from`): `steps` steps in f64, with a
 * state of their own. `costs[i]` is the cost at `path[i]`; both begin with the start and so are `steps + 1` long, but end earlier, at the
 * last finite point, where the optimizer diverges. A schedule counts every step as an epoch too.
 *
 * ```ts
 * const { path, costs } = landscapes.descend(landscapes.canyon(), momentum({ learningRate: 0.1 }), { steps: 100 });
 * ```
 */
function descend(
  f: Landscape | ((x: Tensor, y: Tensor) => Tensor),
  optimizer: Optimizer,
  options: { steps: number; from?: readonly [x: number, y: number] | undefined },
): Descent {
  const where = "landscapes.descend";
  if (typeof f !== "function") throw new MinibatchError(`${where}: expected a function of two tensors, got ${describe(f)}`);
  recipeOf(where, optimizer);
  checkOptions(where, options, ["steps", "from"]);
  const steps = checkNumber(where, "steps", options?.steps, { whole: true, min: 1 });
  const from: unknown = options.from ?? (f as Partial<Landscape>).start;
  if (!Array.isArray(from) || from.length !== 2)
    throw new MinibatchError(`${where}: from must be a point [x, y], got ${describe(from)}; a function of one's own has no start`);
  const [x, y] = ["x", "y"].map((name, i) => variable(checkNumber(where, `from[${i}]`, from[i]), { name, dtype: "f64" })) as [
    ReturnType<typeof variable>,
    ReturnType<typeof variable>,
  ];
  const cost = () => {
    const value: unknown = f(x, y);
    if (!(value instanceof Value)) throw new MinibatchError(`${where}: the function must give a tensor, got ${describe(value)}`);
    if (value.rank !== 0) throw new ShapeError(`${where}: the function must give one cost of shape [], got ${show(value.shape)}`);
    return value as Tensor;
  };
  const step = optimizer.minimize(cost, [x, y]);
  const path: (readonly [number, number])[] = [];
  const costs: number[] = [];
  for (let i = 0; i <= steps; i++) {
    const point = [x.item(), y.item()] as const;
    // A step tells the cost before it; after the last one there is none.
    const here = (i < steps ? step() : f(scalar(point[0], { dtype: "f64" }), scalar(point[1], { dtype: "f64" }))).item();
    if (![...point, here].every(Number.isFinite)) break;
    path.push(point);
    costs.push(here);
  }
  return { path, costs };
}

/** Test functions of two numbers, each a Landscape, and the path of an optimizer over one of them. */
export const landscapes = { canyon, saddle, plateau, localOptimum, descend } as const;
