// What to tune first: the order as data, and a search over everything at once that says whether the order holds for this problem.
import { adam, crossEntropy, dense, type Layer, relu, schedule, sequential } from "minibatch";
import { digits, split, standardize } from "minibatch/data";
import { importance } from "minibatch/plot";
import { priorities, quasiRandom, study, suggestSpace } from "minibatch/search";
import { claim, picture, small, table } from "./claim.ts";

const seed = 1;

// 1. The order: one parameter, then three, then two, and three that hardly anyone has to touch.
table(priorities.map(({ rank, name, of, why }) => ({ rank, parameter: name, "option of": of, why })));
claim("the learning rate comes first, and alone", priorities.filter(({ rank }) => rank === 1).map(({ name }) => name).join() === "learningRate"); // biome-ignore format: short

// 2. All of it as a space, less momentum's beta: this network is trained by Adam. Few epochs, so that a bad setting shows.
const { train, dev } = split(await digits(), { train: small ? 200 : 900, dev: 450, stratify: true, seed });
const scaler = standardize(train);
const { beta: _, ...space } = suggestSpace({ upTo: 4 });
const result = await study({
  space,
  strategy: quasiRandom({ trials: small ? 24 : 150 }),
  parallel: 2,
  seed,
  objective: async ({ learningRate, batchSize, units, layers, decayRate, beta1, beta2, epsilon }, trial) => {
    const hidden: Layer[] = Array.from({ length: layers }, () => [dense(units), relu()]).flat();
    const { best } = await sequential([scaler.layer(), ...hidden, dense(10)]).fit(train, {
      dev,
      loss: crossEntropy(),
      optimizer: adam({
        learningRate: schedule.inverseTime({ initial: learningRate, decayRate }),
        beta1,
        beta2,
        epsilon: { value: epsilon, inside: false },
      }),
      batchSize,
      epochs: small ? 2 : 5,
      seed: trial.seed,
      progress: false,
    });
    return best.devError;
  },
});

// 3. How much worse a forest of trees guesses the error when it is told one parameter wrongly: that is how much the parameter matters.
const shares = result.importance();
table(
  shares.map(({ name, importance: share }) => ({
    parameter: name,
    rank: priorities.find((each) => each.name === name)?.rank ?? 0,
    "share of the importance": share,
  })),
);
const shareOf = (wanted: number) =>
  shares
    .filter(({ name }) => priorities.some((each) => each.name === name && each.rank === wanted))
    .reduce((sum, { importance: share }) => sum + share, 0);
claim("on these digits the learning rate matters most", shares[0]?.name === "learningRate", { share: shares[0]?.importance ?? 0 });
claim("more than Adam's betas and epsilon together", shareOf(1) > shareOf(4), {
  "learning rate": shareOf(1),
  "betas and epsilon": shareOf(4),
});
await picture("21-priorities", importance(result, { title: "What the dev error of a network on digits depends on" }));
