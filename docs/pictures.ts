// Draws the pictures of the documents: for the README the learning curves of the network that `npm start` trains, for the page about
// searching what it says of coarse-to-fine and of grids.
//
//   npm run docs
import { adam, batchNorm, crossEntropy, dense, dropout, relu, sequential } from "minibatch";
import { digits, split, standardize } from "minibatch/data";
import { boxes, gridAndRandom, learningCurves } from "minibatch/plot";
import { coarseToFine, gridSearch, logUniform, randomSearch, study } from "minibatch/search";

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

const space = { rate: logUniform(1e-4, 1), decay: logUniform(1e-5, 1e-1) };
const objective = ({ rate, decay }: { rate: number; decay: number }) => (Math.log10(rate) + 1.5) ** 2 + (Math.log10(decay) + 3) ** 2 / 20;
await boxes(await study({ space, strategy: coarseToFine({ rounds: 3, trials: 15 }), objective }), {
  x: "rate",
  y: "decay",
  file: new URL("./pictures/boxes.svg", import.meta.url),
});
await gridAndRandom({
  grid: await study({ space, strategy: gridSearch({ points: 5 }), objective }),
  random: await study({ space, strategy: randomSearch({ trials: 25 }), objective }),
  file: new URL("./pictures/grid-and-random.svg", import.meta.url),
});
