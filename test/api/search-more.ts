// The smaller pieces of the page about searching.
import { adam, crossEntropy, dense, relu, sequential } from "minibatch";
import { gridSearch, integer, logUniform, study, uniform } from "minibatch/search";
import { dev, scaler, train } from "./first.ts";
// --- example
import { choice, list, logInteger, oneMinusLogUniform, oneOf, randomSearch } from "minibatch/search";

const { best } = await study({
  space: {
    optimizer: oneOf({ momentum: { beta: oneMinusLogUniform(0.9, 0.999) }, sgd: {} }), // { kind: "momentum", beta } or { kind: "sgd" }
    units: list(integer(1, 3), logInteger(16, 256)),                                   // number[] of one to three
    data: { batchSize: choice([32, 64]) },                                             // nested as written
  },
  strategy: randomSearch({ trials: 30 }),
  objective: ({ optimizer, units, data }) =>
    units.length + data.batchSize / 64 + (optimizer.kind === "momentum" ? 1 - optimizer.beta : 1),
});
console.log(best.params.units, best.params.data.batchSize);        // number[], 32 | 64
// --- end

// --- example
const asked = await study({
  strategy: randomSearch({ trials: 20 }),
  objective: (_, trial) => {
    const layers = trial.suggest("layers", integer(1, 3));
    let sum = 0;
    for (let i = 1; i <= layers; i++) sum += trial.suggest(`units ${i}`, logInteger(16, 256));
    return sum;
  },
});
console.log(asked.best.suggested);                                 // { layers: 1, "units 1": ... }
// --- end

// --- example
import { openStudy, tpe } from "minibatch/search";

const open = await openStudy({ space: { x: uniform(-5, 5) }, strategy: tpe({ trials: 25 }), storage: "asked.jsonl" });
for (let trial = await open.ask(); trial; trial = await open.ask()) {
  await open.tell(trial, (trial.params.x - 2) ** 2);               // or an Error, or "pruned"
}
const found = await open.result();
await open.close();
// --- end

// --- example
import type { Strategy } from "minibatch/search";

const halving: Strategy = {
  kind: "halving",
  next: ({ number }) => (number <= 10 ? { params: { learningRate: 2 ** -number } } : undefined),
};
// --- end

// --- example
const kept = await study({
  space: { learningRate: logUniform(1e-3, 1e-1) },
  strategy: randomSearch({ trials: 4 }),
  storage: "kept.jsonl",
  objective: async ({ learningRate }, trial) => {
    const run = sequential([scaler.layer(), dense(32), relu(), dense(10)]).fit(train, {
      dev, loss: crossEntropy(), optimizer: adam({ learningRate }), epochs: 5, seed: trial.seed,
      ...trial.checkpoints(),                                      // { every, keep, name }: as in fit, and what the run is called
    });
    for await (const epoch of run) trial.report(epoch.devError);
    return (await run).best.devError;
  },
});
// --- end

// --- example
const known = await study({
  space: { learningRate: logUniform(1e-4, 1), hidden: integer(8, 64) },
  initial: [{ learningRate: 0.01, hidden: 32 }, { learningRate: 0.1 }], // tried first; what is left out is drawn at random
  strategy: tpe({ trials: 40 }),
  timeout: 600,                                                    // seconds after which no further trial begins
  onTrial: (trial, { best, trials, stop }) => {                    // told of every end, with the best so far
    console.log(`${trials} trials, trial ${trial.number} ${trial.state}, best ${best?.value}`);
    if (best && best.value < 0.05) stop();                         // good enough: no further trial begins
  },
  objective: ({ learningRate, hidden }) => Math.abs(Math.log10(learningRate) + 1.5) + hidden / 1000,
});
// --- end

const halved = await study({ space: { learningRate: logUniform(1e-4, 1) }, strategy: halving, objective: (p) => p.learningRate });

// --- example
const grid = await study({ space: { a: uniform(0, 1), b: uniform(0, 1) }, strategy: gridSearch({ points: 5 }), objective: ({ a, b }) => a + b / 100 });
grid.top(3);                                                       // the best three trials
grid.importance();                                                 // [{ name: "a", importance: 0.99... }, { name: "b", ... }]
grid.csv();                                                        // a table of all trials
const { verdict } = await grid.recheck(({ a, b }) => a - b);       // the best five again, on new data: "stale: trial ... is now better ..."
// --- end

// --- example
import { coarseToFine } from "minibatch/search";
import * as plot from "minibatch/plot";

const space = { rate: logUniform(1e-4, 1), decay: logUniform(1e-5, 1e-1) };
const objective = ({ rate, decay }: { rate: number; decay: number }) => (Math.log10(rate) + 1.5) ** 2 + (Math.log10(decay) + 3) ** 2 / 20;
const narrowed = await study({ space, strategy: coarseToFine({ rounds: 3, trials: 15 }), objective });

await plot.studyHistory(narrowed, { valueLabel: "dev error", valueScale: "log", file: "history.svg" });
await plot.parallelCoordinates(narrowed, { valueLabel: "dev error", file: "parallel.svg" });
await plot.slices(narrowed, { valueLabel: "dev error", file: "slices.svg" });
await plot.importance(narrowed, { file: "importance.svg" });
await plot.boxes(narrowed, { x: "rate", y: "decay", file: "boxes.svg" });
await plot.gridAndRandom({
  grid: await study({ space, strategy: gridSearch({ points: 5 }), objective }),
  random: await study({ space, strategy: randomSearch({ trials: 25 }), objective }),
  file: "grid-and-random.svg",
});
// --- end

// --- example
import { suggestSpace } from "minibatch/search";

const { learningRate, units: width } = suggestSpace({ upTo: 2 });  // leave out what a model does not have
const tuned = await study({
  space: { learningRate, width, keepProb: uniform(0.5, 1) },       // and add what it has beside
  strategy: randomSearch({ trials: 25 }),
  objective: (params) => Math.abs(Math.log10(params.learningRate) + 2) + params.keepProb / params.width,
});
tuned.importance();                                                // whether the order holds for this problem
// --- end

export { asked, best, found, grid, halved, kept, known, tuned, verdict };
