// Finds a network for digits: 40 trials, two at a time, in a journal; the ones that lag behind are stopped early. Stop it with
// Ctrl-C, or kill it, and start it again: it goes on. `npx tsx examples/search.ts`
import { adam, batchNorm, crossEntropy, dense, dropout, type Layer, l2, relu, sequential } from "minibatch";
import { digits, split, standardize } from "minibatch/data";
import { choice, integer, list, logInteger, logUniform, study, tpe, uniform } from "minibatch/search";

const { train, dev } = split(await digits(), { dev: 0.2, stratify: true, seed: 1 });
const scaler = standardize(train);

const { best, trials, importance } = await study({
  space: {
    learningRate: logUniform(1e-4, 1e-1),
    units: list(integer(1, 3), logInteger(32, 256)), // one to three layers, each of its own size
    keepProb: uniform(0.4, 1),
    lambda: logUniform(1e-4, 10),
    batchSize: choice([32, 64, 128]),
  },
  strategy: tpe({ trials: 40 }),
  prune: "median",
  parallel: 2,
  seed: 1,
  storage: "digits-search.jsonl",
  objective: async ({ learningRate, units, keepProb, lambda, batchSize }, trial) => {
    const layers: Layer[] = [scaler.layer()];
    for (const n of units) layers.push(dense(n), batchNorm(), relu(), dropout({ keepProb }));
    const run = sequential([...layers, dense(10)]).fit(train, {
      dev,
      loss: crossEntropy(),
      optimizer: adam({ learningRate }),
      regularizer: l2(lambda),
      batchSize,
      epochs: 30,
      seed: trial.seed,
      progress: false,
      ...trial.checkpoints({ every: { seconds: 1 } }), // a trial that was running goes on from there
    });
    for await (const epoch of run) trial.report(epoch.devError);
    return (await run).best.devError;
  },
  onTrial: ({ number, state, value }, { best: soFar }) =>
    console.log(`trial ${number} ${state}: ${value.toFixed(4)}, best so far ${soFar?.value.toFixed(4)}`),
});

const ended = (state: string) => trials.filter((trial) => trial.state === state).length;
console.log(`${ended("done")} trials to the end, ${ended("pruned")} stopped early`);
console.log(`best: trial ${best.number}, dev accuracy ${(100 * (1 - best.value)).toFixed(2)} %`, best.params);
if (trials.length >= 10)
  for (const { name, importance: share } of importance()) console.log(`  ${name.padEnd(14)} ${(100 * share).toFixed(0).padStart(3)} %`);
