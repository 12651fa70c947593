// A kind of layer of one's own: only the forward pass is written.
import { dense, relu, sequential } from "minibatch";
// --- example
import { layer, init } from "minibatch";

const residual = layer("residual", (x, { param }) => {
  const n = x.size(1);
  const w = param("w", [n, n], { init: init.he() });
  return x.add(x.matmul(w).relu());
});
const deep = sequential([dense(64), relu(), residual(), residual(), dense(10)]);
// --- end

// --- example
const scale = layer("scale", (x, _, { by }: { by: number }) => x.mul(by));
// --- end

export { deep, residual, scale };
