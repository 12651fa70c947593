// TensorFlow.js: `node tfjs.mjs wasm` or `cpu`. Its wasm back end has one thread in Node: with more it fails to start.
import { createRequire } from "node:module";
import { batches, chunks, numbers, sample, serve } from "./serve.mjs";

const require = createRequire(import.meta.url);
const tf = require("@tensorflow/tfjs");
const backend = process.argv[2];
if (backend === "wasm") {
  const wasm = require("@tensorflow/tfjs-backend-wasm");
  wasm.setWasmPaths(`${require.resolve("@tensorflow/tfjs-backend-wasm/package.json").replace("package.json", "")}dist/`);
}
tf.enableProdMode(); // leaves out its checks of every operation
await tf.setBackend(backend);
await tf.ready();

function network(name) {
  const { dense, batchNormalization, reLU, dropout } = tf.layers;
  const hidden = (units, inputShape) =>
    name === "a"
      ? [dense({ units, inputShape }), batchNormalization({}), reLU({}), dropout({ rate: 0.2 })]
      : [dense({ units, inputShape, activation: "relu" })];
  const sizes = name === "c" ? [64] : [512, 256];
  const model = tf.sequential();
  for (const [i, units] of sizes.entries()) for (const layer of hidden(units, i === 0 ? [784] : undefined)) model.add(layer);
  model.add(dense({ units: 10 }));
  return model;
}

await serve("TensorFlow.js", {
  training({ net, seconds }) {
    const model = network(net);
    const optimizer = tf.train.adam(1e-3);
    const rows = net === "c" ? 32 : 128;
    const next = batches(rows);
    const weights = model.trainableWeights.map((w) => w.val);
    const step = () => {
      const { x, y } = next();
      // minimize on the layers' own apply is as quick as trainOnBatch, and waits for nothing in between.
      tf.tidy(() => {
        const [input, labels] = [tf.tensor2d(x, [rows, 784]), tf.oneHot(tf.tensor1d(y, "int32"), 10).toFloat()];
        optimizer.minimize(() => tf.losses.softmaxCrossEntropy(labels, model.apply(input, { training: true })), false, weights);
      });
    };
    return chunks(step, seconds);
  },
  inference({ rows, seconds }) {
    const model = network("a");
    const x = numbers(rows * 784);
    return sample(() => {
      const y = tf.tidy(() => model.predict(tf.tensor2d(x, [rows, 784])));
      y.dataSync();
      y.dispose();
    }, seconds);
  },
  matmul({ m, k, n, seconds }) {
    const [a, b] = [tf.tensor2d(numbers(m * k), [m, k]), tf.tensor2d(numbers(k * n), [k, n])];
    return sample(() => {
      const c = tf.matMul(a, b);
      c.dataSync();
      c.dispose();
    }, seconds);
  },
});
