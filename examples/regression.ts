// Predicting a number: how far diabetes progressed within a year, from ten measurements (442 patients).
// The network learns standardised targets, and its last layer answers in the target's own unit.
//
//   npx tsx examples/regression.ts
import { adam, dense, l2, meanSquaredError, relu, sequential, stats } from "minibatch";
import { diabetes, split, standardize } from "minibatch/data";

export async function learn() {
  const { train, dev, test } = split(await diabetes(), { dev: 0.2, test: 0.2, seed: 2 });
  const model = sequential([
    standardize(train).layer(), // [m, 10]
    dense(32),
    relu(),
    dense(1),
    standardize(train.y).inverseLayer(), // [m, 1], in units of the target
  ]);
  const history = await model.fit(train, {
    dev,
    loss: meanSquaredError(),
    regularizer: l2(1),
    optimizer: adam({ learningRate: 3e-3 }),
    epochs: 200,
    seed: 2,
    earlyStopping: { patience: 20 },
  });

  // What predicting the training mean would give: the least a model must beat.
  const mean = train.y.data("f64").reduce((sum, y) => sum + y, 0) / train.y.size(0);
  const predicted = (await model.predict(test.x)).reshape([test.x.size(0)]);
  const deviation = (error: number) => error / Math.sqrt(test.x.size(0));
  return {
    epochs: history.epochs.length,
    best: history.best.epoch,
    network: deviation(stats.l2Norm(predicted.sub(test.y))),
    baseline: deviation(stats.l2Norm(test.y.sub(mean))),
  };
}

if (process.argv[1]?.endsWith("regression.ts")) {
  const { epochs, best, network, baseline } = await learn();
  console.log(`stopped after ${epochs} epochs, best was epoch ${best}`);
  console.log(`root mean square error on the test rows: ${network.toFixed(1)} (always predicting the mean: ${baseline.toFixed(1)})`);
}
