// Variables, a cost written forward only, gradients, an optimizer.
// --- example
import { variable, gradients, adam } from "minibatch";

const w = variable(0);
const optimizer = adam({ learningRate: 0.1 });
for (let i = 0; i < 1000; i++) {
  const cost = w.square().sub(w.mul(10)).add(25);      // J(w) = w^2 - 10 w + 25
  optimizer.apply([w], gradients(cost, [w]));
}
console.log(w.item());                                 // 5.000...

const step = optimizer.minimize(() => w.square().sub(w.mul(10)).add(25), [w]);   // the same, traced once
step();
// --- end

export { step, w };
