// Normalised against raw inputs: the same network, each at the learning rate that suits it best, and how fast its cost falls.
import { binaryCrossEntropy, type Dataset, dense, init, sequential, sgd } from "minibatch";
import { breastCancer, digits, split, standardize } from "minibatch/data";
import { lines } from "minibatch/plot";
import { claim, percent, picture, small, table } from "./claim.ts";

const { train, dev } = split(await breastCancer(), { dev: 0.3, stratify: true, seed: 1 }); // x [398, 30] and [171, 30]

// Raw features live on scales of their own: an area of a thousand beside a smoothness of a tenth.
const scaler = standardize(train); // mu and sigma of each feature, from the training rows only
const deviations = Array.from(scaler.deviation).sort((a, b) => a - b);
const ratio = (deviations.at(-1) ?? 0) / (deviations[0] ?? 1);
console.log(`\nlargest deviation of a feature / smallest: ${Math.round(ratio)}`);

// x := (x - mu) / sigma. The dev set goes through the same mu and sigma, so it comes out near 0 and 1, not exactly there.
const measured = [train, dev].map((part) => standardize(scaler.transform(part)));
const farthest = measured.map(({ mean }) => Math.max(...mean.map(Math.abs))) as [number, number];
claim(
  "the training set has mean 0 exactly, the dev set only nearly, for it was not asked",
  farthest[0] < 1e-5 && farthest[1] > 0.01 && farthest[1] < 0.5,
  {
    train: farthest[0].toExponential(1),
    dev: farthest[1],
  },
);

// Batch gradient descent on a logistic regression. Every learning rate from 1e-8 to 100, so that neither side is treated unfairly.
const iterations = small ? 60 : 300;
const rates = Array.from({ length: 21 }, (_, i) => 10 ** (i / 2 - 8));
async function costs(data: Dataset, learningRate: number): Promise<number[]> {
  const model = sequential([dense(1, { init: init.zeros() })]); // both sides start at the same cost, log 2
  const options = { loss: binaryCrossEntropy(), optimizer: sgd({ learningRate }), batchSize: "all", epochs: iterations, seed: 1 } as const;
  const { epochs } = await model.fit(data, options);
  return epochs.map(({ trainLoss }) => trainLoss);
}
async function best(data: Dataset): Promise<{ learningRate: number; curve: number[]; mean: number }> {
  const runs: { learningRate: number; curve: number[]; mean: number }[] = [];
  for (const learningRate of rates) {
    const curve = await costs(data, learningRate);
    // The mean cost over all iterations: who falls fast and stays down is the best. A run that diverged ended early, and is out.
    const mean = curve.length === iterations ? curve.reduce((a, b) => a + b) / iterations : Number.POSITIVE_INFINITY;
    runs.push({ learningRate, curve, mean });
  }
  return runs.reduce((a, b) => (b.mean < a.mean ? b : a));
}
const raw = await best(train);
const normalised = await best(scaler.transform(train));

// How many iterations until the cost is below what the raw inputs reached at the very end?
const lowest = Math.min(...raw.curve);
const reached = normalised.curve.findIndex((cost) => cost < lowest) + 1;
table(
  Object.entries({ raw, normalised }).map(([inputs, { learningRate, curve }]) => ({
    inputs,
    "best rate": learningRate.toExponential(0),
    "cost at 10": curve[9] ?? Number.NaN,
    "cost at the end": curve.at(-1) ?? Number.NaN,
  })),
);
claim(
  `normalised inputs get within a twentieth of the iterations where raw ones get in ${iterations}`,
  reached > 0 && reached <= iterations / 20,
  {
    iterations: reached,
  },
);
claim("and go on: their cost at the end is less than half", (normalised.curve.at(-1) ?? 1) < lowest / 2);

// As the first layer of a model the scaler is saved with it, and whoever uses the model gives raw numbers.
const model = sequential([scaler.layer(), dense(1)]);
await model.fit(train, {
  loss: binaryCrossEntropy(),
  optimizer: sgd({ learningRate: 0.3 }),
  batchSize: "all",
  epochs: iterations,
  seed: 1,
});
const { error } = await model.evaluate(dev);
claim("with the scaler as its first layer it reads raw dev rows", error < 0.08, { "dev error": percent(error) });

// A pixel that is always 0 has no deviation to divide by. It becomes 0, not infinite.
const images = (await digits()).x; // [1797, 64]
const pixels = standardize(images).transform(images).data();
claim("constant features become 0 and stay finite", pixels.every(Number.isFinite) && pixels[0] === 0);

await picture(
  "03-normalised-inputs",
  lines(
    [
      { name: `raw, rate ${Number(raw.learningRate.toPrecision(1))}`, y: raw.curve },
      { name: `normalised, rate ${Number(normalised.learningRate.toPrecision(1))}`, y: normalised.curve },
    ],
    { title: "Cost of a logistic regression, each at its best rate", xLabel: "iteration", yLabel: "cost J", yScale: "log" },
  ),
);
