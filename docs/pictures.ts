// Draws the picture of the README: learning curves of the network that `npm start` trains.
//
//   npm run docs
import { adam, batchNorm, crossEntropy, dense, dropout, relu, sequential } from "minibatch";
import { digits, split, standardize } from "minibatch/data";
import { learningCurves } from "minibatch/plot";

const { train, dev } = split(await digits(), { dev: 0.15, test: 0.15, stratify: true, seed: 1 });
const block = (units: number) => [dense(units), batchNorm(), relu(), dropout({ keepProb: 0.8 })];
const model = sequential([standardize(train).layer(), ...block(128), ...block(64), dense(10)]);
const history = await model.fit(train, {
  dev,
  loss: crossEntropy(),
  optimizer: adam({ learningRate: 1e-3 }),
  batchSize: 64,
  epochs: 30,
  seed: 1,
});
await learningCurves(history, {
  title: "Learning curves: 1257 handwritten digits",
  file: new URL("./pictures/learning-curves.svg", import.meta.url),
});
