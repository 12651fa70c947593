// Saddle, plateau and local optimum: places where the slope is nearly nothing and which are not the minimum; who leaves the saddle first, who
// crawls on the plateau, who rolls out of the wrong well.
import {
  adagrad,
  adam,
  adamW,
  gradients,
  type Landscape,
  landscapes,
  momentum,
  nesterov,
  type Optimizer,
  rmsprop,
  scalar,
  sgd,
  variable,
} from "minibatch";
import { landscape } from "minibatch/plot";
import { claim, picture, table } from "./claim.ts";

const rate = 0.05;
const optimizers: Record<string, Optimizer> = {
  "plain descent": sgd({ learningRate: rate }),
  momentum: momentum({ learningRate: rate }),
  Adagrad: adagrad({ learningRate: rate }),
  // RMSprop has no bias correction: its first step is 1 / sqrt(1 - beta2) = 3.2 times as long as Adam's at the same rate. Here as long.
  RMSprop: rmsprop({ learningRate: rate * Math.sqrt(0.1), beta2: 0.9 }),
  Adam: adam({ learningRate: rate }),
};

/** Length of the gradient at a point. */
function slope(f: Landscape, [x0, y0]: readonly [number, number]): number {
  const at = [variable(x0, { dtype: "f64" }), variable(y0, { dtype: "f64" })] as const;
  return Math.hypot(...gradients(f(...at), at).map((g) => g.item()));
}
function descents(f: Landscape, steps: number, below: number, who = optimizers) {
  return Object.entries(who).map(([name, optimizer]) => {
    const { path, costs } = landscapes.descend(f, optimizer, { steps });
    const reached = costs.findIndex((cost) => cost < below);
    return { name, path, cost: costs.at(-1) as number, steps: reached < 0 ? Number.POSITIVE_INFINITY : reached };
  });
}
const show = (found: ReturnType<typeof descents>, what: string) =>
  table(
    found.map(({ name, cost, steps }) => ({
      optimizer: name,
      [what]: Number.isFinite(steps) ? steps : "not yet",
      "cost at the end": cost,
    })),
  );
const stepsOf = (found: ReturnType<typeof descents>, wanted: string) => found.find(({ name }) => name === wanted)?.steps ?? Number.NaN;

// 1. The saddle: down along x, and at (0, 0) the slope is 0; but along y the cost falls on both sides. With thousands of weights nearly all
// places without slope are like this, for a minimum must curve upwards in every direction at once.
const saddle = landscapes.saddle();
const at = (x: number, y: number) => saddle(scalar(x, { dtype: "f64" }), scalar(y, { dtype: "f64" })).item();
console.log(`\n  saddle: f(x, y) = ${saddle.formula}, from (${saddle.start.join(", ")})`);
claim("at the saddle the slope is 0, yet it is no minimum", slope(saddle, [0, 0]) === 0 && at(0, 0.1) < at(0, 0) && at(0.1, 0) > at(0, 0));
const left = descents(saddle, 400, -0.2);
show(left, "steps to leave it");
const adamLeaves = stepsOf(left, "Adam");
claim(
  "Adam leaves it first",
  left.every(({ name, steps }) => name === "Adam" || steps > adamLeaves),
  { steps: adamLeaves },
);
claim("plain descent needs more than five times as long", stepsOf(left, "plain descent") > 5 * adamLeaves);
claim(
  "all of them leave it in the end: a saddle slows down, it does not hold",
  left.every(({ steps }) => Number.isFinite(steps)),
);

// 2. The plateau: a well in a plain. Steps in proportion to the slope are steps of almost nothing; a step divided by the size of the
// gradients so far is about as long as the rate wherever it is.
const plateau = landscapes.plateau();
console.log(
  `\n  plateau: f(x, y) = ${plateau.formula}, from (${plateau.start.join(", ")}), where the slope is ${slope(plateau, plateau.start).toFixed(4)}`,
);
const crossed = descents(plateau, 400, 0.01);
show(crossed, "steps to the well");
claim(
  "plain descent crawls: after 400 steps it is still on the plateau, and so is momentum",
  stepsOf(crossed, "plain descent") > 400 && stepsOf(crossed, "momentum") > 400,
);
claim("Adam crosses it in fewer than 100 steps", stepsOf(crossed, "Adam") < 100, { steps: stepsOf(crossed, "Adam") });

// 3. Adam by its numbers: v / sqrt(S) is about 1 as long as the gradients keep their sign, so each coordinate moves by about the rate.
const { path } = crossed.find(({ name }) => name === "Adam") as (typeof crossed)[0];
const [from, to] = path as [readonly [number, number], readonly [number, number]];
claim(
  "its first step moves each coordinate by the rate, however small the slope",
  Math.abs(Math.abs(to[0] - from[0]) - rate) < 1e-4 && Math.abs(Math.abs(to[1] - from[1]) - rate) < 1e-4,
);

// 4. A local optimum: two wells, and all start above the shallower one. Whoever goes by the slope of the moment stays there. A heavy ball,
// momentum that adds the whole gradient to its speed, arrives so fast that it rolls over the ridge. In a plane such wells are
// drawn everywhere; with thousands of weights they are rare, for every direction must curve upwards, and saddles are the rule.
const everyone: Record<string, Optimizer> = {
  ...optimizers,
  "heavy ball": momentum({ learningRate: rate, dampening: "none" }),
  Nesterov: nesterov({ learningRate: rate }),
  AdamW: adamW({ learningRate: rate, weightDecay: 0.1 }),
};
const wells = landscapes.localOptimum();
console.log(`\n  two wells: f(x, y) = ${wells.formula}, the deeper one at (${wells.minimum?.map((v) => v.toFixed(2)).join(", ")})`);
const settled = descents(wells, 400, 0, everyone);
show(settled, "steps to the deeper well");
claim(
  "only the heavy ball reaches the deeper well",
  settled.every(({ name, steps }) => Number.isFinite(steps) === (name === "heavy ball")),
);

// Every optimizer on every landscape. In the canyon plain descent and the heavy ball need a smaller rate, or they diverge.
const paths = (f: Landscape, steps: number, who = everyone) =>
  Object.fromEntries(descents(f, steps, 0, who).map(({ name, path }) => [name, path]));
const canyon = landscapes.canyon();
const careful = {
  ...everyone,
  "plain descent": sgd({ learningRate: 0.036 }),
  "heavy ball": momentum({ learningRate: 0.01, dampening: "none" }),
};
await picture("14-saddle", landscape(saddle, paths(saddle, 400)));
await picture("14-plateau", landscape(plateau, paths(plateau, 400)));
await picture("14-local-optimum", landscape(wells, paths(wells, 400)));
await picture("14-canyon", landscape(canyon, paths(canyon, 200, careful)));
