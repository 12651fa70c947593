// 210 training steps with batch norm, dropout, Adam and clipping; prints the SHA-256 of all parameters. Threads and
// instruction set come from the environment, the width of the first layer from the command line. Run by bits.test.ts and
// blas.test.ts in a process of its own.
import { createHash } from "node:crypto";
import { adam, backend, batchNorm, crossEntropy, dense, dropout, l2, relu, sequential } from "minibatch";
import { digits } from "minibatch/data";

const train = await digits();
const model = sequential([
  dense(Number(process.argv[2] ?? 261)),
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
const { name, isa, threads, blas } = backend();
const { step, trainError } = (await run).last;
console.log(JSON.stringify({ name, isa, threads, blas, steps: step, trainError, hash: hash.digest("hex") }));
