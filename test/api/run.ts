// Training is a Run: iterated, stopped, awaited.
import { crossEntropy } from "minibatch";
import { dev, model, train } from "./first.ts";
// --- example
import { momentum } from "minibatch";

const run = model.fit(train, { dev, loss: crossEntropy(), optimizer: momentum({ learningRate: 0.1 }), epochs: 50, seed: 7 });

for await (const epoch of run) {                   // { epoch, step, trainLoss, trainError, devLoss, devError, learningRate, seconds, ... }
  if (epoch.devError < 0.02) run.stop();
}
const result = await run;                          // { epochs, best, last, interventions, stoppedBecause: "stop" | "epochs" | "early stopping" | "not finite" }
// --- end

export { result, run };
