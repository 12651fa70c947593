// 210 training steps with batch norm, dropout, Adam and clipping; prints the SHA-256 of all parameters. Threads and
// instruction set come from the environment. Run by bits.test.ts in a process of its own.
import { createHash } from "node:crypto";
import { adam, backend, batchNorm, crossEntropy, dense, dropout, l2, relu, sequential } from "minibatch";
import { digits } from "minibatch/data";

const train = await digits();
const model = sequential([
  dense(261),
  batchNorm(),
  relu(),
  dropout({ keepProb: 0.7 }),
  dense(133),
  batchNorm(),
  relu(),
  dropout({ keepProb: 0.9 }),
  dense(10),
]);
// 15 steps an epoch, the last of them smaller: 210 steps in all.
const run = model.fit(train, {
  loss: crossEntropy(),
  optimizer: adam({ learningRate: 2e-3, clipNorm: 5 }),
  regularizer: l2(0.01),
  batchSize: 128,
  epochs: 14,
  seed: 11,
});
await run;
const hash = createHash("sha256");
for (const parameter of model.parameters()) hash.update(new Uint8Array(parameter.data("f32").buffer));
const { name, isa, threads } = backend();
console.log(JSON.stringify({ name, isa, threads, steps: (await run).last.step, hash: hash.digest("hex") }));
