// One model watched and steered, as the guide shows it.
import { adam, batchNorm, crossEntropy, dense, dropout, relu, sequential } from "minibatch";
import { dev, train } from "./first.ts";
// --- example
import { findLearningRate, l2, replay } from "minibatch";

const watchable = () => sequential([dense(32), batchNorm(), relu(), dropout({ keepProb: 0.9 }), dense(10)]);
const tested = await findLearningRate(watchable(), train, { loss: crossEntropy(), optimizer: adam() });
console.log(tested.suggestion);                          // plot.learningRates(tested) draws the curve

const baby = watchable();
const watching = baby.fit(train, { dev, loss: crossEntropy(), optimizer: adam({ learningRate: 0.01 }), epochs: 12, log: "baby.jsonl" });
for await (const { epoch, devError } of watching) {
  if (epoch === 4) await watching.set({ learningRate: 0.3 });                          // too much?
  if (epoch === 5 && devError > 0.05) await watching.revert();                         // back to before the last change
  if (epoch === 6) await watching.set({ keepProb: 0.8, regularizer: l2(0.1), batchSize: 64 });
}
await replay("baby.jsonl", watchable(), train, { dev });  // the same run again: the same weights, bit for bit
// --- end

export { baby, tested, watching };
