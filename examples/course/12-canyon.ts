// The canyon: a long valley with steep walls, and how plain descent, momentum, RMSprop and Adam get along it.
import { adam, type Landscape, landscapes, momentum, type Optimizer, rmsprop, sgd } from "minibatch";
import { landscape } from "minibatch/plot";
import { claim, picture, table } from "./claim.ts";

// f(x, y) = (x^2 + 50 y^2) / 2: fifty times steeper across (y) than along (x). Costs of networks look like this when some directions of
// the weights matter much more than others.
const canyon = landscapes.canyon();
console.log(`\n  f(x, y) = ${canyon.formula}, from (${canyon.start.join(", ")}) to (${canyon.minimum?.join(", ")})`);

const steps = 100;
const goal = 0.05;
/** What a walk of `steps` steps amounts to: where it ends, how far it went across and along, how often from one wall to the other. */
function walk(optimizer: Optimizer, f: Landscape = canyon) {
  const { path, costs } = landscapes.descend(f, optimizer, { steps });
  const moves = path.slice(1).map(([x, y], i) => {
    const [x0, y0] = path[i] as readonly [number, number];
    return { along: Math.abs(x - x0), across: Math.abs(y - y0), crosses: y * y0 < 0 };
  });
  return {
    path,
    cost: costs.at(-1) as number,
    across: moves.reduce((sum, { across }) => sum + across, 0),
    along: moves.reduce((sum, { along }) => sum + along, 0),
    crossings: moves.filter(({ crosses }) => crosses).length,
    soon: costs.findIndex((cost) => cost < goal), // -1: not within these steps
  };
}

// 1. Plain descent takes its rate from the steep direction: beyond 2 / 50 = 0.04 it climbs the walls. Just below it jumps from wall to wall.
claim(
  "plain descent stands a rate just below 2 / 50, and none above it",
  walk(sgd({ learningRate: 0.039 })).cost < 1 && walk(sgd({ learningRate: 0.041 })).cost > 1000,
);

// 2. The four, each at a rate that suits it. Momentum also at plain descent's own.
const walks = {
  "plain, 0.036": walk(sgd({ learningRate: 0.036 })),
  "momentum, 0.036": walk(momentum({ learningRate: 0.036 })),
  "momentum, 0.1": walk(momentum({ learningRate: 0.1 })),
  "RMSprop, 0.12": walk(rmsprop({ learningRate: 0.12 })),
  "Adam, 0.3": walk(adam({ learningRate: 0.3 })),
};
table(
  Object.entries(walks).map(([name, { cost, across, along, crossings, soon }]) => ({
    "optimizer, rate": name,
    "cost after 100": cost,
    [`steps to ${goal}`]: soon < 0 ? "more" : String(soon),
    crossings,
    "way across": across,
    "way along": along,
  })),
);
const plain = walks["plain, 0.036"];
const same = walks["momentum, 0.036"];
claim("plain descent crosses the floor in every single step", plain.crossings === steps);
claim(
  "momentum at the same rate averages the oscillation away, and is there sooner",
  same.crossings < plain.crossings / 5 && same.across < 0.65 * plain.across && same.soon > 0 && same.soon < plain.soon,
  { "steps, plain": plain.soon, momentum: same.soon },
);
const fast = walks["momentum, 0.1"];
claim("and it allows a greater rate, at which plain descent flies out: three times as soon", fast.soon > 0 && fast.soon < plain.soon / 2, {
  steps: fast.soon,
});

// 3. RMSprop divides each direction by its own recent size: the steep one no longer sets the pace. How far across for each step along?
const wasted = ({ across, along }: typeof plain) => across / along;
claim(
  "RMSprop shrinks the steep direction: per way along, a fraction of plain descent's way across",
  wasted(walks["RMSprop, 0.12"]) < wasted(plain) / 2,
  {
    plain: wasted(plain),
    RMSprop: wasted(walks["RMSprop, 0.12"]),
  },
);
claim(
  "Adam does both: few crossings, little way across, and there sooner than plain descent",
  walks["Adam, 0.3"].crossings < 20 && wasted(walks["Adam, 0.3"]) < wasted(plain) && walks["Adam, 0.3"].soon < plain.soon,
);

// 4. Not only this canyon: the steeper the walls, the slower plain descent must go. Adam, which scales each direction, does not notice.
// (RMSprop is along as soon; its last steps, as long as its rate, jump about the floor: there a decaying rate helps, see 13.)
const canyons = [10, 50, 250].map((steep) => {
  const f = landscapes.canyon({ steep });
  const rate = 1.8 / steep; // the same share of what plain descent stands
  return {
    "steeper by": steep,
    plain: walk(sgd({ learningRate: rate }), f).cost,
    momentum: walk(momentum({ learningRate: 3 * rate }), f).cost,
    RMSprop: walk(rmsprop({ learningRate: 0.12 }), f).cost,
    Adam: walk(adam({ learningRate: 0.3 }), f).cost,
  };
});
table(canyons);
const [mild, , extreme] = canyons as [(typeof canyons)[0], (typeof canyons)[0], (typeof canyons)[0]];
claim(
  "in the steepest canyon plain descent has hardly begun, momentum is further, and Adam is where it always is",
  extreme.plain > 1 && extreme.momentum < extreme.plain / 10 && Math.abs(extreme.Adam / mild.Adam - 1) < 0.5,
);

await picture(
  "12-canyon",
  landscape(canyon, {
    "plain descent, 0.036": plain.path,
    "momentum, 0.1": fast.path,
    "RMSprop, 0.12": walks["RMSprop, 0.12"].path,
    "Adam, 0.3": walks["Adam, 0.3"].path,
  }),
);
