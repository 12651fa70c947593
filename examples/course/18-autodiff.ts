// Only the forward pass: the minimum of J(w) = w^2 - 10 w + 25, found without a derivative written by hand.
import { adam, gradients, momentum, type Optimizer, rmsprop, sgd, tensor, variable } from "minibatch";
import { lines } from "minibatch/plot";
import { claim, picture, table } from "./claim.ts";

// 1. A variable, a cost written forward, and an optimizer. J = (w - 5)^2, so the answer is 5; the program is never told.
const w = variable(0);
const optimizer = adam({ learningRate: 0.1 });
const path = [w.item()];
for (let i = 0; i < 1000; i++) {
  const cost = w.square().sub(w.mul(10)).add(25);
  optimizer.apply([w], gradients(cost, [w]));
  path.push(w.item());
}
claim("after 1,000 steps of Adam w is 5 to a thousandth", Math.abs(w.item() - 5) < 1e-3, { w: w.item() });

// 2. The gradient is exact, not a difference: 2 w - 10, wherever w is.
const f64 = { dtype: "f64" } as const;
const slopes = [-3, 0, 5, 7.25].map((at) => {
  const here = variable(at, f64);
  const [dw] = gradients(here.square().sub(here.mul(10)).add(25), [here]);
  const difference = ((at + 1e-3) ** 2 - 10 * (at + 1e-3) - ((at - 1e-3) ** 2 - 10 * (at - 1e-3))) / 2e-3;
  return { w: at, gradient: dw.item(), "2 w - 10": 2 * at - 10, "by differences": difference };
});
table(slopes);
claim(
  "the gradient is 2 w - 10",
  slopes.every((row) => row.gradient === row["2 w - 10"]),
);

// 3. Another optimizer is another word. The cost stays as it is.
const optimizers: Record<string, Optimizer> = {
  "plain descent": sgd({ learningRate: 0.1 }),
  momentum: momentum({ learningRate: 0.1 }),
  RMSprop: rmsprop({ learningRate: 0.1 }),
  Adam: adam({ learningRate: 0.1 }),
};
const paths = Object.entries(optimizers).map(([name, chosen]) => {
  const v = variable(0);
  const step = chosen.minimize(() => v.square().sub(v.mul(10)).add(25), [v]); // the loop's body, traced once
  const y = [v.item()];
  for (let i = 0; i < 1000; i++) {
    step();
    y.push(v.item());
  }
  return { name, y };
});
table(
  paths.map(({ name, y }) => ({
    optimizer: name,
    "w after 10 steps": y[10] as number,
    "after 100": y[100] as number,
    "after 1000": y[1000] as number,
  })),
);
claim(
  "each of the four ends within 0.1 of 5",
  paths.every(({ y }) => Math.abs((y[1000] as number) - 5) < 0.1),
);
claim(
  "the traced step makes the same steps as the loop",
  paths.at(-1)?.y.every((v, i) => Math.abs(v - (path[i] as number)) < 1e-5) === true,
);

// 4. Data comes in as an argument: the coefficients 1, -10, 25 are a tensor, and another cost needs no new program.
const u = variable(0);
const learn = adam({ learningRate: 0.1 }).minimize(
  (c) => {
    const [square, linear, constant] = [0, 1, 2].map((i) => c.slice([i], [1]).reshape([])) as [typeof c, typeof c, typeof c];
    return u.square().mul(square).add(u.mul(linear)).add(constant);
  },
  [u],
);
const solve = (coefficients: readonly number[]) => {
  u.assign(0);
  for (let i = 0; i < 1500; i++) learn(tensor(coefficients));
  return u.item();
};
const [five, minusTwo] = [solve([1, -10, 25]), solve([1, 4, 4])];
claim(
  "with coefficients as data: w^2 - 10 w + 25 has its minimum at 5, w^2 + 4 w + 4 at -2",
  Math.abs(five - 5) < 1e-2 && Math.abs(minusTwo + 2) < 1e-2,
  {
    first: five,
    second: minusTwo,
  },
);

await picture(
  "18-autodiff",
  lines(
    paths.map(({ name, y }) => ({ name, y: y.slice(0, 201) })),
    { title: "Minimising w^2 - 10 w + 25 from 0, rate 0.1", xLabel: "step", yLabel: "w" },
  ),
);
