// A grid against random points: 25 trials each. The grid tries five learning rates, random points try 25, and that decides it.
import { randomUniform } from "minibatch";
import { gridAndRandom } from "minibatch/plot";
import { gridSearch, logUniform, randomSearch, study, uniform } from "minibatch/search";
import { claim, percent, picture, small, table } from "./claim.ts";

// 1. Two parameters, of which one hardly matters: the learning rate and Adam's epsilon.
const space = { learningRate: logUniform(1e-4, 1), epsilon: logUniform(1e-10, 1e-6) };
const objective = ({ learningRate, epsilon }: { learningRate: number; epsilon: number }) =>
  (Math.log10(learningRate) + 1.6) ** 2 + (Math.log10(epsilon) + 8) ** 2 / 1000;
const grid = await study({ space, strategy: gridSearch({ points: 5 }), objective });
const random = await study({ space, strategy: randomSearch({ trials: 25 }), seed: 1, objective });
const values = ({ trials }: typeof grid, name: keyof typeof space) => new Set(trials.map(({ params }) => params[name])).size;
table(
  Object.entries({ grid, random }).map(([strategy, result]) => ({
    strategy,
    trials: result.trials.length,
    "learning rates tried": values(result, "learningRate"),
    "epsilons tried": values(result, "epsilon"),
    "best value": result.best.value,
  })),
);
claim("5 x 5 points of a grid try five values of each parameter", values(grid, "learningRate") === 5 && values(grid, "epsilon") === 5);
claim("25 random points try 25", values(random, "learningRate") === 25 && values(random, "epsilon") === 25);
await picture("22-grid-and-random", gridAndRandom({ grid, random, x: "learningRate", y: "epsilon" }));

// 2. Was that luck? The same with the optimum anywhere, again and again.
const repetitions = small ? 200 : 1000;
const square = { a: uniform(0, 1), b: uniform(0, 1) };
const optima = randomUniform([repetitions], { seed: 7 }).toArray(1);
// Where the optimum lies does not move a grid.
const points = await study({ space: square, strategy: gridSearch({ points: 5 }), objective: () => 0 });
let wins = 0;
for (const [i, optimum] of optima.entries()) {
  const distance = ({ a }: { a: number }) => Math.abs(a - optimum);
  const byChance = await study({ space: square, strategy: randomSearch({ trials: 25 }), seed: i, objective: distance });
  if (byChance.best.value < Math.min(...points.trials.map(({ params }) => distance(params)))) wins++;
}
// The optimum lies d from the nearest of five points, d even in [0, 1/8]; all of 25 random points are further off with (1 - 2 d)^25.
const expected = 1 - (8 * (1 - 0.75 ** 26)) / 52;
console.log(`  random search wins ${wins} of ${repetitions} times, ${percent(wins / repetitions)}; by arithmetic ${percent(expected)}\n`);
claim("where one parameter matters, random points win at least four times in five", wins / repetitions >= 0.8);
claim(
  "as often as the arithmetic says, within four deviations",
  Math.abs(wins / repetitions - expected) < 4 * Math.sqrt((expected * (1 - expected)) / repetitions),
);
