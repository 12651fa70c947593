// Initialisation: the scale of activations through 50 layers with small, large, Xavier and He weights, and what that means for learning.
import { crossEntropy, dense, type Init, init, randomNormal, relu, sequential, sgd, sigmoid, stats, type Tensor, tanh } from "minibatch";
import { digits, split, standardize } from "minibatch/data";
import { lines } from "minibatch/plot";
import { claim, percent, picture, small, table } from "./claim.ts";

const { train, dev } = split(await digits(), { train: small ? 500 : 1400, dev: 300, stratify: true, seed: 1 });
const x = standardize(train).transform(train.x.slice([0, 0], [128, 64])); // [128, 64], mean 0 and variance 1 for each pixel
const spread = (a: Tensor) => Math.sqrt(stats.l2Norm(a) ** 2 / (a.size(0) * a.size(1))); // root mean square

// 1. A layer is z = a W. Each z sums n products, so Var(z) = n Var(w) E[a^2]. With Var(w) = 1/n the scale stays as it is; ReLU throws away
// half of it, so there it takes 2/n. Anything else is multiplied by itself at every layer, 50 times.
const depth = 50;
const n = small ? 64 : 256;
function scales(std: number | ((nIn: number) => number), activation: (z: Tensor) => Tensor): number[] {
  let a = x;
  return Array.from({ length: depth }, (_, layer) => {
    const nIn = a.size(1);
    const w = randomNormal([nIn, n], { std: typeof std === "number" ? std : std(nIn), seed: 1 + 1000 * layer });
    a = activation(a.matmul(w)).detach(); // only the value is needed, not how it came about
    return spread(a);
  });
}
const he = (nIn: number) => Math.sqrt(2 / nIn);
const xavier = (nIn: number) => Math.sqrt(1 / nIn);
const curves: Record<string, number[]> = {
  "ReLU, He: sqrt(2/n)": scales(he, (z) => z.relu()),
  "ReLU, Xavier: sqrt(1/n)": scales(xavier, (z) => z.relu()),
  "ReLU, small: 0.01": scales(0.01, (z) => z.relu()),
  "ReLU, large: 0.4": scales(0.4, (z) => z.relu()),
  "tanh, Xavier: sqrt(1/n)": scales(xavier, (z) => z.tanh()),
  "tanh, small: 0.01": scales(0.01, (z) => z.tanh()),
};
const at = (name: string, layer: number) => curves[name]?.[layer - 1] ?? Number.NaN;
table(
  Object.keys(curves).map((name) => ({
    weights: name,
    "layer 1": at(name, 1).toPrecision(2),
    "layer 10": at(name, 10).toPrecision(2),
    "layer 50": at(name, 50).toPrecision(2),
  })),
);
const within = (value: number, low: number, high: number) => value >= low && value <= high;
claim("He keeps the scale through 50 ReLU layers, to within a factor of ten", within(at("ReLU, He: sqrt(2/n)", 50), 0.1, 10));
claim(
  "Xavier under ReLU loses half of the variance at every layer: 2^25 by the end",
  within(at("ReLU, Xavier: sqrt(1/n)", 50) / at("ReLU, He: sqrt(2/n)", 50), 2 ** -25.5, 2 ** -24.5),
);
claim("Xavier with tanh keeps the scale above a twentieth", at("tanh, Xavier: sqrt(1/n)", 50) > 0.05);
claim(
  "0.01 is gone after 50 layers, 0.4 has exploded",
  at("ReLU, small: 0.01", 50) < 1e-30 && at("tanh, small: 0.01", 50) < 1e-30 && at("ReLU, large: 0.4", 50) > 1e10,
);

// 2. The library chooses by the activation that follows: Var(w) = 2/n_in before ReLU, 1/n_in before tanh, else 2/(n_in + n_out).
const wanted = { relu: 2 / 400, tanh: 1 / 400, none: 2 / (400 + 100) };
const chosen = Object.entries({ relu: relu(), tanh: tanh(), none: undefined }).map(([next, activation]) => {
  const model = sequential(activation ? [dense(100), activation] : [dense(100)]).build({ shape: [400], seed: 1 });
  const [w, b] = model.parameters(); // [400, 100] and [100]
  if (!w || !b) throw new Error("a dense layer has w and b");
  return { next, variance: spread(w) ** 2, wanted: wanted[next as keyof typeof wanted], biases: stats.l1Norm(b) };
});
table(chosen);
claim(
  "the variance of 40,000 weights is what the formula says, to within sampling error, and biases are zero",
  chosen.every(({ variance, wanted, biases }) => Math.abs(variance / wanted - 1) < 5 * Math.sqrt(2 / 40_000) && biases === 0),
);

// 3. Learning. Ten hidden layers, plain gradient descent; only the initial weights differ.
const scaler = standardize(train);
const [units, epochs] = small ? [40, 8] : [64, 15];
async function learn(initial: Init | undefined, activation: typeof relu) {
  const hidden = Array.from({ length: 10 }, () => [dense(units, { init: initial }), activation()]).flat();
  const model = sequential([scaler.layer(), ...hidden, dense(10, { init: initial })]);
  const { epochs: list, last } = await model.fit(train, {
    dev,
    loss: crossEntropy(),
    optimizer: sgd({ learningRate: 0.05 }),
    epochs,
    seed: 1,
  });
  return { losses: list.map(({ trainLoss }) => trainLoss), error: last.devError };
}
const learned = {
  "ReLU, He": await learn(init.he(), relu),
  "ReLU, small: 0.01": await learn(init.normal({ std: 0.01 }), relu),
  "tanh, Xavier": await learn(init.xavier(), tanh),
  "tanh, small: 0.01": await learn(init.normal({ std: 0.01 }), tanh),
  "sigmoid, Xavier": await learn(init.xavier(), sigmoid),
};
table(
  Object.entries(learned).map(([name, { losses, error }]) => ({
    weights: name,
    "train loss": losses.at(-1) ?? Number.NaN,
    "dev error": percent(error),
  })),
);
const guessing = Math.log(10);
const learnt = small ? 0.4 : 0.1;
claim("He with ReLU and Xavier with tanh learn", learned["ReLU, He"].error < learnt && learned["tanh, Xavier"].error < learnt);
const stuck = [learned["ReLU, small: 0.01"], learned["tanh, small: 0.01"], learned["sigmoid, Xavier"]];
claim(
  `small weights, and sigmoid under any, stay at guessing: a loss of log 10 = ${guessing.toFixed(2)}`,
  stuck.every(({ losses, error }) => (losses.at(-1) ?? 0) > guessing - 0.05 && error > 0.8),
);

await picture(
  "08-initialisation",
  lines(
    Object.entries(curves).map(([name, y]) => ({ name, y: y.map((v) => (v > 0 ? v : Number.NaN)), dashed: name.startsWith("tanh") })),
    { title: "Scale of the activations through 50 layers", xLabel: "layer", yLabel: "root mean square of a", yScale: "log" },
  ),
);
await picture(
  "08-learning-curves",
  lines(
    Object.entries(learned).map(([name, { losses }]) => ({ name, y: losses })),
    { title: "Ten hidden layers on handwritten digits", xLabel: "epoch", yLabel: "train loss" },
  ),
);
