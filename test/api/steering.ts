// One model watched: marked, nudged and, where that did not help, taken back.
import { adam, crossEntropy, dense, sequential } from "minibatch";
import { dev, train } from "./first.ts";

// Two units in the middle never come to a dev error of 5%.
const model = sequential([dense(2), dense(10)]);
// --- example
const run = model.fit(train, { dev, loss: crossEntropy(), optimizer: adam(), epochs: 40, seed: 1 });
for await (const epoch of run) {
  if (epoch.epoch === 20) await run.mark("before");
  if (epoch.epoch === 21) run.set({ learningRate: 3e-4 });
  if (epoch.epoch === 30 && epoch.devError > 0.05) await run.revert("before");
}
// --- end

export const { interventions, last } = await run;
