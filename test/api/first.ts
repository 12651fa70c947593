// The shortest useful program; the other examples go on with what it makes.
// --- example
import { sequential, dense, batchNorm, relu, dropout, crossEntropy, adam } from "minibatch";
import { digits, split, standardize } from "minibatch/data";

const { train, dev, test } = split(await digits(), { dev: 0.15, test: 0.15, stratify: true, seed: 1 });
const scaler = standardize(train);                 // mean and deviation come from the training set only

const model = sequential([
  scaler.layer(),                                  // the same transform everywhere, saved with the model
  dense(128), batchNorm(), relu(), dropout({ keepProb: 0.8 }),
  dense(64),  batchNorm(), relu(), dropout({ keepProb: 0.8 }),
  dense(10),
]);

const history = await model.fit(train, {
  dev,
  loss: crossEntropy(),
  optimizer: adam({ learningRate: 1e-3 }),
  batchSize: 64,
  epochs: 30,
  seed: 1,
});
console.log(await model.evaluate(test));           // { loss, error, accuracy }
await model.save("digits.safetensors");
// --- end

export { dev, history, model, scaler, test, train };
