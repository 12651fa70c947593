// jax-js with its wasm back end. A whole training step, gradient and Adam, is one compiled function: its quickest way.
import { defaultDevice, init, jit, nn, numpy as np, tree, valueAndGrad } from "@jax-js/jax";
import { batches, chunks, serve } from "./serve.mjs";

await init("wasm");
defaultDevice("wasm");

const sizes = { b: [784, 512, 256, 10], c: [784, 64, 10] };

function forward(parameters, x) {
  let y = x;
  for (let i = 0; i < parameters.length; i += 2) {
    y = np.add(np.matmul(y, parameters[i]), parameters[i + 1]);
    if (i + 2 < parameters.length) y = nn.relu(y);
  }
  return y;
}

await serve("jax-js", {
  async training({ net, seconds }) {
    if (!sizes[net]) throw new Error("written for networks (b) and (c) only");
    const rows = net === "c" ? 32 : 128;
    const loss = (parameters, x, labels) => np.negative(np.sum(np.multiply(nn.logSoftmax(forward(parameters, x)), labels))).mul(1 / rows);
    const gradient = valueAndGrad(loss);
    const step = jit((theta, m, v, x, labels, rate, correction) => {
      const [cost, g] = gradient(tree.ref(theta), x, labels);
      const next = { theta: [], m: [], v: [] };
      for (let i = 0; i < theta.length; i++) {
        const first = m[i].mul(0.9).add(g[i].ref.mul(0.1));
        const second = v[i].mul(0.999).add(np.square(g[i]).mul(0.001));
        const root = np.sqrt(second.ref.mul(correction.ref)).add(1e-8);
        next.theta.push(theta[i].sub(first.ref.mul(rate.ref).div(root)));
        next.m.push(first);
        next.v.push(second);
      }
      return [cost, next.theta, next.m, next.v];
    });
    const shapes = sizes[net].slice(1).flatMap((n, i) => [[sizes[net][i], n], [n]]);
    const filled = (value) =>
      shapes.map((shape) => {
        const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
        return np.array(
          data.map((_, i) => value(i, shape)),
          { shape },
        );
      });
    // Drawn evenly within 1 / sqrt(n_in), biases zero: what is trained matters little to how long it takes.
    let theta = filled((i, shape) => (shape.length === 2 ? (((i * 7919) % 2003) / 1001.5 - 1) / Math.sqrt(shape[0]) : 0));
    let m = filled(() => 0);
    let v = filled(() => 0);
    const next = batches(rows);
    let t = 0;
    return chunks(async () => {
      const batch = next();
      const labels = new Float32Array(rows * 10);
      for (let i = 0; i < rows; i++) labels[i * 10 + batch.y[i]] = 1;
      t++;
      const scalars = [np.array(1e-3 / (1 - 0.9 ** t)), np.array(1 / (1 - 0.999 ** t))];
      const inputs = [np.array(batch.x, { shape: [rows, 784] }), np.array(labels, { shape: [rows, 10] })];
      const [cost, ...updated] = step(theta, m, v, ...inputs, ...scalars);
      [theta, m, v] = updated;
      await cost.data();
    }, seconds);
  },
});
