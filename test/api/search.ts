// A study: 25 random trials, two at a time, kept in a journal.
import { crossEntropy, dense, relu, sequential } from "minibatch";
import { dev, scaler, train } from "./first.ts";
// --- example
import { momentum } from "minibatch";
import { study, randomSearch, logUniform, oneMinusLogUniform, integer, choice } from "minibatch/search";

const result = await study({
  space: { learningRate: logUniform(1e-4, 1), beta: oneMinusLogUniform(0.9, 0.999), hidden: integer(50, 100), batchSize: choice([32, 64, 128]) },
  strategy: randomSearch({ trials: 25 }),          // or gridSearch({ points: 5 }), coarseToFine({ rounds: 3, trials: 12 })
  parallel: 2,                                     // trials at once, in this process: training is off the event loop
  storage: "study.jsonl",                          // survives a crash; the same call goes on where it stopped
  seed: 1,
  objective: async (params, trial) => {
    const model = sequential([scaler.layer(), dense(params.hidden), relu(), dense(10)]);
    const run = model.fit(train, {
      dev, loss: crossEntropy(), optimizer: momentum({ learningRate: params.learningRate, beta: params.beta }),
      batchSize: params.batchSize, epochs: 10, seed: trial.seed,
    });
    for await (const epoch of run) trial.report(epoch.devError);   // throws when the trial is pruned, which stops the run
    return (await run).best.devError;
  },
});
result.best.params;                                // typed like the space: batchSize is 32 | 64 | 128
// --- end

export { result };
