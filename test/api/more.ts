// The smaller pieces that the guide shows. Each stretch between the marks is one block of docs/guide.md.
import { adam, batchNorm, crossEntropy, dense, dropout, relu, sequential } from "minibatch";
import { train, dev, test, model } from "./first.ts";

// --- example
import { dataset, meanSquaredError, tensor } from "minibatch";

const line = dataset([[0], [1], [2], [3]], [1, 3, 5, 7]);        // y = 2 x + 1
const fit = await sequential([dense(1)]).fit(line, { loss: meanSquaredError(), optimizer: adam({ learningRate: 0.1 }), batchSize: "all", epochs: 300 });
console.log(fit.last.trainLoss);                                 // close to 0
// --- end

// --- example
const answer = await model.predict(test.x, { as: "classes" });            // off the event loop; all rows at once
const one = model.predictSync(Array(64).fill(0), { as: "probabilities" }); // one row in, one row out
console.log(answer.shape, one.shape);                                     // [m], [10]
// --- end

// --- example
import { backend, compile, loadModel, metrics, momentum, schedule } from "minibatch";

const patient = sequential([dense(32), batchNorm(), relu(), dropout({ rate: 0.1 }), dense(10)]);
const { best, stoppedBecause } = await patient.fit(train, {
  dev,
  loss: crossEntropy(),
  optimizer: momentum({ learningRate: schedule.cosine({ initial: 0.3, over: 20 }) }),
  epochs: 20,
  metrics: { f1: metrics.f1 },
  earlyStopping: { patience: 5 },
  clipNorm: 5,
});
console.log(best.epoch, best.devError, best.devMetrics.f1, stoppedBecause);
// --- end

// --- example
await patient.save("patient.safetensors");
const loaded = await loadModel("patient.safetensors");
console.log((await loaded.evaluate(test)).accuracy);             // the same as before it was saved
// --- end

// --- example
const norm = compile((x, y) => x.sub(y).square().sum().sqrt());  // traced at the first call, one program after that
console.log(norm(tensor([1, 2]), tensor([4, 6])).item());        // 5
// --- end

// --- example
const { name, isa, threads, reasons } = backend();
console.log(name, isa, threads, reasons);
// --- end


// --- example
const patiently = () => sequential([dense(32), batchNorm(), relu(), dropout({ rate: 0.1 }), dense(10)]);
const options = { dev, loss: crossEntropy(), optimizer: adam(), epochs: 12, seed: 3 };

const night = await patiently().fit(train, {
  ...options,
  checkpoint: { dir: "runs/night" },                             // after every epoch, the newest three are kept
  resume: "runs/night",                                          // goes on where the last one left off; fresh when there is none
});
console.log(night.last.epoch);                                   // 12, whether it was killed on the way or not
// --- end

// --- example
const longer = await patiently().fit(train, { ...options, epochs: 20, resume: "runs/night" });
console.log(longer.epochs.length);                               // 20: twelve of the first run, eight more
// --- end

export { answer, best, fit, loaded, longer, night, norm, one, patient };
