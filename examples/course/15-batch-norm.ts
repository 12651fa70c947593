// Batch norm: the same network with and without, on digits; how much sooner it has learned, and what learning rates it stands.
import { batchNorm, crossEntropy, dense, type Layer, relu, sequential, sgd, sigmoid } from "minibatch";
import { digits, split, standardize } from "minibatch/data";
import { lines } from "minibatch/plot";
import { claim, percent, picture, small, table } from "./claim.ts";

const seed = 1;
const epochs = small ? 6 : 10;
const { train, dev } = split(await digits(), { dev: 0.3, stratify: true, seed }); // x [1258, 64] and [539, 64]

/** `depth` hidden layers of 32 units; batch norm, where there is one, stands between z = x W (+ b) and the activation. */
function network(depth: number, activation: () => Layer, normed: boolean) {
  const hidden = Array.from({ length: depth }, () => [dense(32), ...(normed ? [batchNorm()] : []), activation()]);
  return sequential([standardize(train).layer(), ...hidden.flat(), dense(10)]);
}
async function learn(depth: number, activation: () => Layer, normed: boolean, learningRate: number) {
  const history = await network(depth, activation, normed).fit(train, {
    dev,
    loss: crossEntropy(),
    optimizer: sgd({ learningRate }),
    batchSize: 64,
    epochs,
    seed,
  });
  const { trainLoss, devError } = history.last; // NaN when training left the finite numbers
  return {
    learningRate,
    costs: history.epochs.map((epoch) => epoch.trainLoss),
    cost: trainLoss,
    error: Number.isNaN(devError) ? 1 : devError,
  };
}
type Learned = Awaited<ReturnType<typeof learn>>;

// 1. Sooner. Three layers of sigmoids: each squeezes what it gets, so behind them the differences between examples are small, and learning
// is slow. Batch norm spreads them again at every layer. Both networks at several rates, so that neither has only its bad ones.
const rates = small ? [1, 3] : [0.1, 0.3, 1, 3, 10];
async function both(depth: number, activation: () => Layer, wanted: readonly number[]): Promise<{ plain: Learned[]; normed: Learned[] }> {
  const found: { plain: Learned[]; normed: Learned[] } = { plain: [], normed: [] };
  for (const rate of wanted) {
    found.plain.push(await learn(depth, activation, false, rate));
    found.normed.push(await learn(depth, activation, true, rate));
  }
  return found;
}
const show = ({ plain, normed }: Awaited<ReturnType<typeof both>>) =>
  table(
    plain.map(({ learningRate, cost, error }, i) => ({
      "learning rate": learningRate,
      "cost without": cost,
      "with batch norm": normed[i]?.cost as number,
      "dev error without": percent(error),
      "with it": percent(normed[i]?.error as number),
    })),
  );
console.log(`\n  three layers of sigmoids, ${epochs} epochs`);
const slow = await both(3, sigmoid, rates);
show(slow);
claim(
  "with batch norm the cost is lower at every rate",
  slow.plain.every(({ cost }, i) => (slow.normed[i]?.cost as number) < cost),
);
const best = (runs: readonly Learned[]) => runs.reduce((a, b) => (b.cost < a.cost ? b : a));
const [bestPlain, bestNormed] = [best(slow.plain), best(slow.normed)];
const when = (run: Learned, goal: number) => 1 + run.costs.findIndex((cost) => cost <= goal);
claim(
  "each at its own best rate: with batch norm the other's final cost is reached in three quarters of the epochs or fewer",
  when(bestNormed, bestPlain.cost) > 0 && when(bestNormed, bestPlain.cost) <= 0.75 * epochs,
  { cost: bestPlain.cost, "epochs without": epochs, with: when(bestNormed, bestPlain.cost) },
);

// 2. Larger rates. Five layers of ReLUs with He's initialisation learn well without batch norm too, at a rate that suits them: there it
// gains nothing in speed. But it forgives: doubling W doubles mu and sigma of x W as well, and nothing changes behind the normalisation.
const wide = small ? [0.3, 3] : [0.03, 0.1, 0.3, 1, 3, 10];
console.log(`  five layers of ReLUs, ${epochs} epochs`);
const deep = await both(5, relu, wide);
show(deep);
const learned = (runs: readonly Learned[]) => runs.filter(({ error }) => error < 0.2).map(({ learningRate }) => learningRate);
const [without, withIt] = [learned(deep.plain), learned(deep.normed)];
claim(
  "batch norm stands a rate ten times as large as any that the plain network stands",
  without.length > 0 && Math.max(...withIt) >= 9 * Math.max(...without),
  {
    "largest without": Math.max(...without),
    with: Math.max(...withIt),
  },
);

await picture(
  "15-batch-norm-speed",
  lines(
    [
      { name: `without, rate ${bestPlain.learningRate}`, y: bestPlain.costs, dashed: true },
      { name: `batch norm, rate ${bestPlain.learningRate}`, y: slow.normed[slow.plain.indexOf(bestPlain)]?.costs ?? [] },
      { name: `without, rate 1`, y: slow.plain.find(({ learningRate }) => learningRate === 1)?.costs ?? [], dashed: true },
      { name: `batch norm, rate 1`, y: slow.normed.find(({ learningRate }) => learningRate === 1)?.costs ?? [] },
    ],
    { title: "Three layers of sigmoids on digits", xLabel: "epoch", yLabel: "training cost", yScale: "log" },
  ),
);
await picture(
  "15-batch-norm-rates",
  lines(
    [
      { name: "without", x: wide, y: deep.plain.map(({ error }) => 100 * error), dashed: true },
      { name: "with batch norm", x: wide, y: deep.normed.map(({ error }) => 100 * error) },
    ],
    { title: `Five layers of ReLUs, ${epochs} epochs`, xLabel: "learning rate", yLabel: "dev error in %", xScale: "log" },
  ),
);
