// The gradient check: right gradients pass, and a wrong sign in one db is found and named; why the formula is two-sided, and dropout is off.
import {
  checkGradients,
  crossEntropy,
  dense,
  dropout,
  gradients,
  l2,
  layer,
  ops,
  randomNormal,
  sequential,
  stats,
  type Tensor,
  tanh,
  variable,
} from "minibatch";
import { digits, split, standardize } from "minibatch/data";
import { bars, lines } from "minibatch/plot";
import { claim, picture, small, table } from "./claim.ts";

const { train } = split(await digits(), { dev: 0.2, stratify: true, seed: 1 });
const rows = 16;
const x = standardize(train).transform(train.x).slice([0, 0], [rows, 64]); // [16, 64]
const y = train.y.slice([0], [rows]);

// 1. Every parameter theta_i is moved a little both ways, and the slope of the cost is set beside the gradient:
//   approx_i = (J(theta + eps e_i) - J(theta - eps e_i)) / 2 eps      check = ||approx - grad|| / (||approx|| + ||grad||)
// It runs in f64 and over all parameters, unrolled into one vector; the regulariser is part of J.
const units = small ? 6 : 12;
const honest = sequential([dense(units), tanh(), dense(units), tanh(), dense(10)]);
const right = await checkGradients(honest, { x, y, loss: crossEntropy(), regularizer: l2(0.1) });
claim("the library's own gradients are right", right.verdict === "correct", { check: right.difference });

// 2. Now a layer whose backward pass is wrong: the gradient of its bias has the wrong sign. The trick: b (detached) counts twice with +,
// and b once with -, so the value is that of x W + b while the gradient that flows into b is turned around.
const wrongSign = layer("wrongSign", (input, { param }, { units }: { units: number }) => {
  const w = param("w", [input.size(1), units]);
  const b = param("b", [units]);
  return input.matmul(w).add(b.detach().mul(2).sub(b)); // value: 2 b - b = b; gradient: -1 instead of 1
});
const planted = sequential([dense(units), tanh(), wrongSign({ units }), tanh(), dense(10)]);
const wrong = await checkGradients(planted, { x, y, loss: crossEntropy(), regularizer: l2(0.1) });
table(
  wrong.parameters.map(({ name, difference, worst }) => ({
    parameter: name,
    check: difference.toExponential(1),
    "worst element": `[${worst.index.join(", ")}]`,
    approx: worst.approx,
    gradient: worst.grad,
  })),
);
const [culprit, ...others] = wrong.parameters;
claim("the planted bug is found", wrong.verdict === "bug", { check: wrong.difference });
claim(
  `it is named: ${culprit?.name}, and no other parameter`,
  /wrongSign.*b$/.test(culprit?.name ?? "") && (culprit?.difference ?? 0) > 0.99 && others.every(({ difference }) => difference < 1e-6),
);
const { approx = 0, grad = 0 } = culprit?.worst ?? {};
claim("approximation and gradient differ by their sign alone", Math.abs(approx + grad) < 1e-6 * Math.abs(approx));

// 3. Why both sides? One-sided, (J(theta + eps) - J(theta)) / eps, the error falls with eps; two-sided with eps squared.
const f = (value: number) => Math.log1p(Math.exp(value)) + value ** 3; // some smooth cost of one parameter
const at = 0.7;
const slope = 1 / (1 + Math.exp(-at)) + 3 * at ** 2;
const steps = Array.from({ length: 19 }, (_, i) => 10 ** (-1 - i / 2)); // 0.1 to 1e-10
const errors = steps.map((eps) => ({
  eps,
  one: Math.abs((f(at + eps) - f(at)) / eps - slope),
  two: Math.abs((f(at + eps) - f(at - eps)) / (2 * eps) - slope),
}));
const [coarse, fine] = [errors[2], errors[4]]; // eps 0.01 and 0.001
claim(
  "a tenth of eps: a tenth of the one-sided error, a hundredth of the two-sided one",
  !!coarse && !!fine && Math.abs(coarse.one / fine.one - 10) < 1 && Math.abs(coarse.two / fine.two - 100) < 10,
);
const least = errors.reduce((a, b) => (b.two < a.two ? b : a));
claim(
  "and eps must not be too small either: below about 1e-6 rounding takes over",
  least.eps > 1e-7 && (errors.at(-1)?.two ?? 0) > 100 * least.two,
  {
    "best eps": least.eps.toExponential(0),
  },
);

// 4. Dropout draws another network at every evaluation, so J would jump between both sides. The check refuses until it is told what to do.
const withDropout = sequential([dense(units), tanh(), dropout({ keepProb: 0.8 }), dense(10)]);
const refused = await checkGradients(withDropout, { x, y, loss: crossEntropy() }).then(
  () => "",
  (error: Error) => error.message,
);
const fixed = await checkGradients(withDropout, { x, y, loss: crossEntropy(), dropout: "fixed mask" });
claim("with dropout it refuses, and with a fixed mask it checks", refused.includes("dropout") && fixed.verdict === "correct", {
  check: fixed.difference,
});

// 5. The same by hand, for gradients of one's own: a softmax layer whose db forgets the mean over the batch.
const w = variable(randomNormal([64, 10], { std: 0.1, seed: 1, dtype: "f64" }), { dtype: "f64" });
const b = variable(new Float64Array(10), { dtype: "f64" });
const inputs = x.data("f64");
const xs = variable(inputs, { shape: [rows, 64], dtype: "f64" });
const cost = () => crossEntropy()(ops.matmul(xs, w).add(b), y);
const [, db] = gradients(cost(), [w, b]);
const forgotten = db.mul(rows); // a sum where the mean belongs
const numeric = Array.from({ length: 10 }, (_, i) => {
  const eps = 1e-6;
  const shifted = (by: number) => {
    b.assign(Float64Array.from({ length: 10 }, (_, j) => (i === j ? by : 0)));
    return cost().item();
  };
  const slope = (shifted(eps) - shifted(-eps)) / (2 * eps);
  b.assign(new Float64Array(10));
  return slope;
});
const distance = (grad: Tensor) =>
  stats.l2Norm(Array.from(grad.data("f64"), (g, i) => g - (numeric[i] ?? 0))) / (stats.l2Norm(grad) + stats.l2Norm(numeric));
claim("by hand: the library's db passes, the forgotten mean does not", distance(db) < 1e-7 && distance(forgotten) > 0.8, {
  right: distance(db),
  forgotten: distance(forgotten),
});

await picture(
  "09-gradient-check",
  bars(
    wrong.parameters.map(({ name, difference }) => ({ name, value: difference })),
    { title: "A wrong sign in one db: the check of every parameter", xLabel: "parameter", yLabel: "check", yScale: "log" },
  ),
);
await picture(
  "09-two-sided",
  lines(
    [
      { name: "one-sided", x: steps, y: errors.map(({ one }) => one) },
      { name: "two-sided", x: steps, y: errors.map(({ two }) => two) },
    ],
    { title: "Error of the numeric slope", xLabel: "epsilon", yLabel: "error", xScale: "log", yScale: "log" },
  ),
);
