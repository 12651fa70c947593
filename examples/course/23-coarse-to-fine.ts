// From coarse to fine: random trials in the whole box, then in a smaller box around the best of them, and again.
import { crossEntropy, dense, momentum, relu, sequential } from "minibatch";
import { digits, split, standardize } from "minibatch/data";
import { boxes } from "minibatch/plot";
import { coarseToFine, logUniform, oneMinusLogUniform, randomSearch, study } from "minibatch/search";
import { claim, picture, small, table } from "./claim.ts";

const seed = 1;
const { train, dev } = split(await digits(), { train: small ? 300 : 900, dev: 450, stratify: true, seed });
const scaler = standardize(train);
const rounds = 3;
const trials = small ? 10 : 25;

// 1. The box: rate and beta of momentum, each on its own scale.
const space = { learningRate: logUniform(1e-4, 10), beta: oneMinusLogUniform(0.5, 0.999) };
const objective = async ({ learningRate, beta }: { learningRate: number; beta: number }, trial: { readonly seed: number }) => {
  const { best } = await sequential([scaler.layer(), dense(32), relu(), dense(10)]).fit(train, {
    dev,
    loss: crossEntropy(),
    optimizer: momentum({ learningRate, beta }),
    epochs: small ? 3 : 6,
    seed: trial.seed,
    progress: false,
  });
  return best.devLoss;
};
const result = await study({ space, strategy: coarseToFine({ rounds, trials }), parallel: 2, seed, objective });

// 2. The boxes are recorded, and shrink, each measured on its own scale: decades of the rate, decades of 1 - beta.
const decades = (values: readonly unknown[] | undefined, of = (value: number) => value) => {
  const [low = 1, high = 1] = (values ?? []) as readonly number[];
  return Math.abs(Math.log10(of(high) / of(low)));
};
const found = result.boxes.map(({ round, parameters }) => {
  const own = result.trials.slice((round - 1) * trials, round * trials).map(({ value }) => value);
  const sorted = own.filter(Number.isFinite).sort((a, b) => a - b);
  return {
    round,
    "decades of the rate": decades(parameters.learningRate),
    "decades of 1 - beta": decades(parameters.beta, (beta) => 1 - beta),
    "median dev loss": sorted[sorted.length >> 1] ?? Number.NaN,
    "best dev loss": sorted[0] ?? Number.NaN,
  };
});
table(found);
const [coarse, ...finer] = found as [(typeof found)[0], ...typeof found];
claim("every round has its box", result.boxes.length === rounds);
claim(
  "each box is smaller than the one before",
  finer.every(
    (now, i) =>
      now["decades of the rate"] * now["decades of 1 - beta"] <
      (found[i]?.["decades of the rate"] ?? 0) * (found[i]?.["decades of 1 - beta"] ?? 0),
  ),
);
claim(
  "where it is finer, a trial in the middle is better than one in the middle of the coarse round",
  finer.every((now) => now["median dev loss"] < coarse["median dev loss"]),
);

// 3. The first round is random search, the same trials bit for bit: what is finer costs nothing of what is coarse.
const random = await study({ space, strategy: randomSearch({ trials }), seed, objective: () => 0 });
claim(
  "the first round is random search",
  random.trials.every(({ params }, i) => JSON.stringify(params) === JSON.stringify(result.trials[i]?.params)),
);
await picture("23-coarse-to-fine", boxes(result, { x: "learningRate", y: "beta", title: "Dev loss on digits, from coarse to fine" }));
