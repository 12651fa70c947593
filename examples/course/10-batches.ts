// Batch, mini-batch and stochastic descent: three ways down the same cost, how noisy each is, and what each costs in time.
import { crossEntropy, dense, l2, relu, sequential, sgd, stats } from "minibatch";
import { digits, split, standardize, suggestBatchSize } from "minibatch/data";
import { lines } from "minibatch/plot";
import { claim, picture, small, table } from "./claim.ts";

const seed = 1;
const { train } = split(await digits(), { dev: 0.3, stratify: true, seed });
const m = train.x.size(0); // 1258 rows, x [m, 64]

// The same network and the same first weights each time; only the number of rows behind one step differs. The penalty's lambda grows
// with the batch, because the course divides it by the batch's size: so all three go down the same J.
async function descend(name: string, batchSize: number | "all", learningRate: number, epochs: number) {
  const network = sequential([standardize(train).layer(), dense(32), relu(), dense(10)]);
  const costs: number[] = []; // J{t} of every step, penalty included
  const history = await network.fit(train, {
    loss: crossEntropy(),
    regularizer: l2(1e-4 * (batchSize === "all" ? m : batchSize)),
    optimizer: sgd({ learningRate }),
    batchSize,
    epochs,
    seed,
    onStep: ({ loss }) => {
      costs.push(loss);
    },
  });
  const seconds = history.epochs.reduce((sum, epoch) => sum + epoch.seconds, 0);
  return { name, costs, epochs: history.epochs, perEpoch: costs.length / epochs, microseconds: (1e6 * seconds) / (epochs * m) };
}
const batch = await descend("batch (all rows)", "all", 0.2, small ? 40 : 100);
const mini = await descend("mini-batch (64)", 64, 0.2, small ? 3 : 6);
const stochastic = await descend("stochastic (1)", 1, 0.01, 2);
const all = [batch, mini, stochastic];

// 1. How often does the cost rise from one step to the next? With all rows never: each step goes down the very J that is recorded.
// With fewer rows every step looks at other rows, so J{t} goes up and down, and only its trend falls.
const rises = (costs: readonly number[]) => costs.slice(1).filter((cost, i) => cost >= (costs[i] as number)).length;
const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const quarter = (costs: readonly number[], k: number) => mean(costs.slice((k * costs.length) / 4, ((k + 1) * costs.length) / 4));

// 2. What does it take to get the cost down? An epoch's mean counts, which the first rows of the epoch make worse than J at its end.
const goal = 0.6;
const reach = ({ epochs }: typeof batch) => {
  const i = epochs.findIndex(({ trainLoss }) => trainLoss <= goal);
  const there = epochs.slice(0, i + 1);
  return i < 0
    ? { epochs: Number.NaN, seconds: Number.NaN }
    : { epochs: i + 1, seconds: there.reduce((sum, { seconds }) => sum + seconds, 0) };
};
table(
  all.map((run) => ({
    descent: run.name,
    "steps per epoch": run.perEpoch,
    steps: run.costs.length,
    "cost rises in": rises(run.costs),
    "first quarter": quarter(run.costs, 0),
    "last quarter": quarter(run.costs, 3),
    [`epochs to ${goal}`]: reach(run).epochs,
    "ms to it": 1000 * reach(run).seconds,
    "us per row": run.microseconds,
  })),
);
claim("batch descent with a small rate falls at every step", rises(batch.costs) === 0, { steps: batch.costs.length });
claim(
  "mini-batch descent is noisy: it rises in a good part of its steps, and falls in trend all the same",
  rises(mini.costs) > mini.costs.length / 5 && quarter(mini.costs, 3) < quarter(mini.costs, 0) / 2,
  { "rises in": rises(mini.costs), of: mini.costs.length - 1 },
);
claim("single rows are the noisiest: about every second step goes up", rises(stochastic.costs) > 0.4 * stochastic.costs.length);
claim("mini-batches need a fifth of the epochs of the whole batch, or fewer", reach(mini).epochs <= reach(batch).epochs / 5, {
  "mini-batch": reach(mini).epochs,
  batch: reach(batch).epochs,
});
// The last column is shown and not claimed: a row costs most when it comes alone, for vector instructions have nothing to work on side by
// side; but times are the machine's, and of whatever else it does.

// 3. The rule of thumb as a call: up to 2000 rows all of them, beyond that a power of two.
table([1258, 2000, 50_000, 1_000_000].map((rows) => ({ rows, "suggested batch": suggestBatchSize(rows) })));

// The picture has epochs below, so that equal distances are equal work. Smooth lines are averages of noisy ones: about ten steps of the
// mini-batches, a hundred of the single rows. The single rows themselves would fill the picture.
const overEpochs = ({ costs, perEpoch }: typeof batch) => costs.map((_, i) => (i + 1) / perEpoch);
const smooth = (costs: readonly number[], beta: number) => stats.exponentiallyWeightedAverage(costs, { beta, biasCorrection: true });
await picture(
  "10-batches",
  lines(
    [
      { name: batch.name, x: overEpochs(batch), y: batch.costs },
      { name: mini.name, x: overEpochs(mini), y: mini.costs },
      { name: `${mini.name}, averaged`, x: overEpochs(mini), y: smooth(mini.costs, 0.9), dashed: true },
      { name: `${stochastic.name}, averaged`, x: overEpochs(stochastic), y: smooth(stochastic.costs, 0.99) },
    ],
    { title: "The cost of every step", xLabel: "epochs (rows seen / rows)", yLabel: "cost J{t}", xScale: "log", yScale: "log" },
  ),
);
