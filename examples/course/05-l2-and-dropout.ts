// L2, L1 and dropout closing a variance gap: a network far too large for 120 patients; and how a large lambda makes it linear.
import {
  adam,
  type Dataset,
  dense,
  dropout,
  l1,
  l2,
  type Model,
  meanSquaredError,
  type Regularizer,
  relu,
  schedule,
  sequential,
  stats,
  tanh,
} from "minibatch";
import { diabetes, split, standardize } from "minibatch/data";
import { bars, lines } from "minibatch/plot";
import { claim, picture, small, table } from "./claim.ts";

// Ten measurements of a patient, and how far the illness went within a year. In units of the target's deviation, predicting
// the mean gives a mean square error of 1. 120 rows stand against some 18,000 weights: such a network learns rows by heart.
const { train, dev } = split(await diabetes(), { train: 120, dev: 200, seed: 1 });
const [xs, ys] = [standardize(train), standardize(train.y)];
const scaled = ({ x, y }: Dataset): Dataset => ({ x: xs.transform(x), y: ys.transform(y) });
const [rows, devRows] = [scaled(train), scaled(dev)];

const units = small ? 80 : 128;
const epochs = small ? 120 : 150;
const batchSize = 40;
interface Setting {
  regularizer?: Regularizer;
  keepProb?: number;
  activation?: typeof relu;
}
async function learn({ regularizer, keepProb = 1, activation = relu }: Setting): Promise<{ model: Model; train: number; dev: number }> {
  const hidden = () => [dense(units), activation(), dropout({ keepProb })]; // keepProb 1 is exactly no dropout
  const model = sequential([...hidden(), ...hidden(), dense(1)]);
  const optimizer = adam({ learningRate: schedule.cosine({ initial: 3e-3, over: epochs }) });
  await model.fit(rows, { loss: meanSquaredError(), optimizer, regularizer, batchSize, epochs, seed: 1 });
  // `error` of a regression is the loss without the regulariser's term, and evaluate() drops nothing out.
  return { model, train: (await model.evaluate(rows)).error, dev: (await model.evaluate(devRows)).error };
}
const weightsOf = (model: Model) => model.parameters().filter(({ name }) => name.endsWith("w")); // biases are never penalised
const nearZero = (model: Model) => {
  const values = weightsOf(model).flatMap((w) => Array.from(w.data()));
  return values.filter((w) => Math.abs(w) < 1e-3).length / values.length;
};

// L2      J = (1/m) sum L + lambda/(2m) sum ||W||^2,  so  W := (1 - a lambda/m) W - a dW: every weight decays a little each step
// L1      J = (1/m) sum L + lambda/m sum |W|,         which pulls with the same force however small a weight is: towards zero
// dropout a := a * mask / keepProb in training:       no unit can rely on one other, so the weights are spread
const lambda = 10;
const results = {
  none: await learn({}),
  L2: await learn({ regularizer: l2(lambda) }),
  L1: await learn({ regularizer: l1(1) }),
  dropout: await learn({ keepProb: 0.5 }),
};
const gap = ({ train, dev }: { train: number; dev: number }) => dev - train;
table(
  Object.entries(results).map(([name, result]) => ({
    name,
    train: result.train.toFixed(2),
    dev: result.dev.toFixed(2),
    gap: gap(result).toFixed(2),
    "weights near 0": `${Math.round(100 * nearZero(result.model))} %`,
  })),
);
const { none, L2, L1, dropout: dropped } = results;
claim("without any, the rows are learned by heart: a train error near 0 and a gap above 0.5", none.train < 0.05 && gap(none) > 0.5);
for (const [name, result] of Object.entries({ L2, L1, dropout: dropped })) {
  claim(`${name} closes half of the gap at least, and the dev error falls`, gap(result) < gap(none) / 2 && result.dev < 0.95 * none.dev);
}
claim("L1 leaves more than four of five weights within 0.001 of zero, L2 does not", nearZero(L1.model) > 0.8 && nearZero(L2.model) < 0.7);

// The cost that the library reports includes the term; m is the batch's size, as in the cost of a mini-batch.
const { loss, error } = await L2.model.evaluate(rows);
const squares = weightsOf(L2.model).reduce((sum, w) => sum + stats.frobeniusNorm(w) ** 2, 0);
const term = (lambda / (2 * batchSize)) * squares;
claim("the reported cost is the error plus lambda/(2m) ||W||^2", Math.abs(loss - error - term) < 1e-5 * loss, { cost: loss, error, term });

// Why does a large lambda help? Small weights keep z near 0, and there tanh(z) is nearly z: the network comes close to a linear one.
// A linear function gives the midpoint of two patients the midpoint of their answers. How far off is the network?
async function bend(model: Model): Promise<number> {
  const [a, b] = [devRows.x.slice([0, 0], [100, 10]), devRows.x.slice([100, 0], [100, 10])];
  const [fa, fb, middle] = await Promise.all([a, b, a.add(b).div(2)].map((x) => model.predict(x)));
  if (!fa || !fb || !middle) return Number.NaN;
  return stats.l2Norm(middle.sub(fa.add(fb).div(2))) / stats.l2Norm(fa.sub(fb).div(2));
}
const lambdas = small ? [0, 30] : [0, 0.1, 0.3, 1, 3, 10, 30];
const bends: { lambda: number; train: number; dev: number; bend: number }[] = [];
for (const lambda of lambdas) {
  const { model, ...errors } = await learn({ regularizer: l2(lambda), activation: tanh });
  bends.push({ lambda, ...errors, bend: await bend(model) });
}
table(bends);
const [free, tight] = [bends[0]?.bend ?? 0, bends.at(-1)?.bend ?? 1];
claim("with lambda 30 the tanh network is nearly a linear one; without, it is far from that", tight < 0.15 && free > 0.4);
claim("the train error rises with lambda all the while: that is the price", (bends.at(-1)?.train ?? 0) > (bends[0]?.train ?? 1) + 0.3);

const round = (x: number) => Math.round(100 * x) / 100;
await picture(
  "05-l2-and-dropout",
  bars(
    Object.entries(results).flatMap(([name, { train, dev }]) => [
      { name, group: "train", value: round(train) },
      { name, group: "dev", value: round(dev) },
    ]),
    { title: "Train and dev error, 120 patients", xLabel: "", yLabel: "mean square error" },
  ),
);
await picture(
  "05-large-lambda",
  lines(
    [
      { name: "train error", x: bends.slice(1).map(({ lambda }) => lambda), y: bends.slice(1).map(({ train }) => train) },
      { name: "dev error", x: bends.slice(1).map(({ lambda }) => lambda), y: bends.slice(1).map(({ dev }) => dev) },
      { name: "distance from a linear function", x: bends.slice(1).map(({ lambda }) => lambda), y: bends.slice(1).map(({ bend }) => bend) },
    ],
    { title: "A tanh network under growing L2", xLabel: "lambda", yLabel: "error, distance", xScale: "log" },
  ),
);
