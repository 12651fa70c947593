// Early stopping: the dev error turns while the train error still falls; the best weights come back; and why it is a knob with two jobs.
import { adam, type Dataset, dense, init, l2, type Model, meanSquaredError, relu, sequential, stats } from "minibatch";
import { diabetes, split, standardize } from "minibatch/data";
import { lines } from "minibatch/plot";
import { claim, picture, small, table } from "./claim.ts";

// The network of example 05: far too large for 120 patients. Errors are in units of the target's variance: guessing the mean gives 1.
const parts = split(await diabetes(), { train: 120, dev: 160, test: 160, seed: 1 });
const [xs, ys] = [standardize(parts.train), standardize(parts.train.y)];
const scaled = ({ x, y }: Dataset): Dataset => ({ x: xs.transform(x), y: ys.transform(y) });
const [train, dev, test] = [scaled(parts.train), scaled(parts.dev), scaled(parts.test)];

const epochs = small ? 100 : 150;
const units = small ? 64 : 128;
const start = init.normal({ std: 0.05 }); // small, so that the network starts close to a linear one
const network = () => sequential([dense(units, { init: start }), relu(), dense(units, { init: start }), relu(), dense(1, { init: start })]);
const options = { dev, loss: meanSquaredError(), optimizer: adam({ learningRate: 2e-3 }), batchSize: 40, epochs, seed: 1 } as const;
const size = (model: Model) =>
  Math.hypot(
    ...model
      .parameters()
      .filter(({ name }) => name.endsWith("w"))
      .map((w) => stats.frobeniusNorm(w)),
  );

// 1. To the end. The train error falls and falls; the dev error falls, turns, and rises. The weights grow all the while.
const patientless = network();
const norms: number[] = [];
const full = await patientless.fit(train, { ...options, onEpoch: () => void norms.push(size(patientless)) });
const devCurve = full.epochs.map(({ devError }) => devError);
const trainCurve = full.epochs.map(({ trainError }) => trainError);
table(
  [1, Math.ceil(full.best.epoch / 2), full.best.epoch, 2 * full.best.epoch, epochs].map((epoch) => ({
    epoch,
    train: (trainCurve[epoch - 1] ?? Number.NaN).toFixed(3),
    dev: (devCurve[epoch - 1] ?? Number.NaN).toFixed(3),
    "||W||": (norms[epoch - 1] ?? Number.NaN).toFixed(1),
  })),
);
claim(
  "the dev error turns in the first half of the run and ends a quarter higher",
  full.best.epoch < epochs / 2 && full.last.devError > 1.25 * full.best.devError,
  {
    "best epoch": full.best.epoch,
    "lowest dev error": full.best.devError,
    "at the end": full.last.devError,
  },
);
claim("the train error knows nothing of it", full.last.trainError < full.best.trainError / 3);
claim("early weights are small ones: stopping early holds ||W|| down as L2 does", (norms[full.best.epoch - 1] ?? 0) < (norms.at(-1) ?? 0));

// 2. Stopped: after `patience` epochs without a better dev error, and the weights of the best epoch come back.
const patience = 10;
const stopped = network();
const history = await stopped.fit(train, { ...options, earlyStopping: { patience } });
const now = (await stopped.evaluate(dev)).error;
claim("it stops by itself", history.stoppedBecause === "early stopping" && history.epochs.length === history.best.epoch + patience, {
  epochs: history.epochs.length,
});
claim("the model that comes out is the one of the best epoch", Math.abs(now - history.best.devError) < 1e-6, { "dev error": now });

// 3. The price. Which knob made the cost low, and which held the network back? It was the same one: the number of epochs.
// Two knobs for two jobs: train to the end for a low cost, and let L2 take care of the variance. Each can be turned alone.
const separate = network();
await separate.fit(train, { ...options, dev: undefined, regularizer: l2(10) });
const errors = async (model: Model) => ({
  train: (await model.evaluate(train)).error,
  dev: (await model.evaluate(dev)).error,
  test: (await model.evaluate(test)).error,
});
const compared = {
  "to the end": await errors(patientless),
  "early stopping": await errors(stopped),
  "L2, to the end": await errors(separate),
};
table(
  Object.entries(compared).map(([name, { train, dev, test }]) => ({
    name,
    train: train.toFixed(3),
    dev: dev.toFixed(3),
    test: test.toFixed(3),
  })),
);
const { "to the end": end, "early stopping": early, "L2, to the end": penalised } = compared;
claim("on test rows, which chose nothing, both beat training to the end", Math.max(early.test, penalised.test) < 0.9 * end.test);

// Turn the optimizer's knob, and the moment to stop is another one: the number of epochs is no measure of regularisation. Lambda is one.
const moments: { rate: number; epoch: number; dev: number }[] = [];
for (const rate of [5e-4, 2e-3, 8e-3]) {
  const { best } = await network().fit(train, {
    ...options,
    optimizer: adam({ learningRate: rate }),
    earlyStopping: { patience: 2 * patience },
  });
  moments.push({ rate, epoch: best.epoch, dev: best.devError });
}
table(moments.map(({ rate, epoch, dev }) => ({ "learning rate": rate, "best epoch": epoch, "dev error": dev.toFixed(3) })));
claim(
  "sixteen times the learning rate, and the best epoch is a third of what it was",
  (moments[2]?.epoch ?? 0) <= (moments[0]?.epoch ?? 0) / 3,
);

await picture(
  "06-early-stopping",
  lines(
    [
      { name: "train", y: trainCurve },
      { name: "dev", y: devCurve },
      { name: "lowest dev error", x: [full.best.epoch, full.best.epoch], y: [0, Math.max(...devCurve)], dashed: true },
    ],
    { title: "Where to stop", xLabel: "epoch", yLabel: "mean square error" },
  ),
);
