// Softmax: shares instead of a winner, what its loss teaches, C = 2 as logistic regression, and integer labels beside one-hot ones.
import { binaryCrossEntropy, crossEntropy, dense, gradients, sequential, sgd, stats, type Tensor, tensor, variable } from "minibatch";
import { breastCancer, iris, oneHot, standardize } from "minibatch/data";
import { bars, scatter } from "minibatch/plot";
import { claim, picture, small, table } from "./claim.ts";

const f64 = { dtype: "f64" } as const;
/** The largest difference between two tensors of one shape. */
const apart = (a: Tensor, b: Tensor) => a.sub(b).abs().max().item();

// 1. Softmax gives every class a share, e^z / sum e^z; hardmax gives all to the largest.
const z = tensor([[5, 2, -1, 3]], f64); // [1, 4]
const soft = z.softmax().toArray(2)[0] as number[];
const hard = stats.hardmax(z).toArray(2)[0] as number[];
const exponentials = (z.toArray(2)[0] as number[]).map(Math.exp);
const total = exponentials.reduce((a, b) => a + b, 0);
table(
  exponentials.map((e, i) => ({
    class: i,
    z: z.slice([0, i], [1, 1]).item(),
    "e^z": e,
    softmax: soft[i] as number,
    hardmax: hard[i] as number,
  })),
);
claim(
  "the exponentials add up to 176.3, the shares to 1",
  Math.abs(total - 176.3) < 0.05 && Math.abs(soft.reduce((a, b) => a + b) - 1) < 1e-12,
);
claim(
  "the shares are 0.842, 0.042, 0.002 and 0.114",
  [0.842, 0.042, 0.002, 0.114].every((p, i) => Math.abs((soft[i] as number) - p) < 5e-4),
);
claim(
  "only differences count, and large numbers do no harm: 1000 added to each z changes nothing",
  apart(z.softmax(), z.add(1000).softmax()) < 1e-12,
);

// 2. The loss -log(share of the right class), and the gradient that makes it easy: y^ - y, what was said minus what was true.
const flowers = await iris();
const { x, y } = standardize(flowers).transform(flowers); // x [150, 4], y [150] with classes 0, 1, 2
const logits = variable(
  x.matmul(
    tensor([
      [1, 0, -1],
      [0, 1, 0],
      [-1, 0, 1],
      [0.5, -1, 2],
    ]),
  ),
  f64,
); // [150, 3], any will do
const loss = crossEntropy();
const [byGraph] = gradients(loss(logits, y), [logits]) as [Tensor];
const byFormula = logits
  .softmax()
  .sub(oneHot(y, 3).mul(tensor(1, f64)))
  .div(150);
claim("the graph's own gradient is (y^ - y) / m", apart(byGraph, byFormula) < 1e-12, { "largest difference": apart(byGraph, byFormula) });

// 3. Labels as whole numbers or as one-hot rows: the same cost, and the same gradient.
const rows = oneHot(y, 3); // [150, 3]
const [byRows] = gradients(loss(logits, rows), [logits]) as [Tensor];
claim(
  "integer and one-hot labels give the same",
  Math.abs(loss(logits, y).item() - loss(logits, rows).item()) < 1e-12 && apart(byGraph, byRows) < 1e-12,
);

// 4. With two classes softmax is logistic regression. Only z_1 - z_0 counts, so its two columns of weights hold one column's worth of
// knowledge. Both are trained on the same rows by the same steps; softmax at half the rate, because both of its columns move.
const tumours = await breastCancer(); // x [569, 30], y [569]
const features = tensor(standardize(tumours).transform(tumours.x), f64);
const [w1, b1] = [variable(tensor(new Float64Array(30), { shape: [30, 1] })), variable(tensor(new Float64Array(1)))];
const [w2, b2] = [variable(tensor(new Float64Array(60), { shape: [30, 2] })), variable(tensor(new Float64Array(2)))];
const a = 0.5;
const binary = binaryCrossEntropy();
const logistic = sgd({ learningRate: a }).minimize(() => binary(features.matmul(w1).add(b1), tumours.y), [w1, b1]);
const softmax = sgd({ learningRate: a / 2 }).minimize(() => loss(features.matmul(w2).add(b2), tumours.y), [w2, b2]);
const steps = small ? 50 : 200;
let furthest = 0;
let cost = [0, 0];
for (let i = 0; i < steps; i++) {
  cost = [logistic().item(), softmax().item()];
  furthest = Math.max(furthest, Math.abs((cost[0] as number) - (cost[1] as number)));
}
const answers = [features.matmul(w1).add(b1).sigmoid(), features.matmul(w2).add(b2).softmax().slice([0, 1], [569, 1])] as const;
claim(`softmax with C = 2 and logistic regression are the same at each of ${steps} steps`, furthest < 1e-9 && apart(...answers) < 1e-9, {
  "cost at the end": cost[0] as number,
  "largest difference of costs": furthest,
  "of probabilities": apart(...answers),
});
const difference = w2.slice([0, 1], [30, 1]).sub(w2.slice([0, 0], [30, 1]));
claim("w_1 - w_0 of the softmax is the w of the logistic regression", apart(difference, w1) < 1e-9);

// 5. Without hidden layers the borders between classes are straight lines: three kinds of iris by the sizes of their petals.
const petals = { x: x.slice([0, 2], [150, 2]), y }; // x [150, 2]
const model = sequential([dense(3)]);
const seed = 1;
await model.fit(petals, { loss, optimizer: sgd({ learningRate: 1 }), batchSize: "all", epochs: small ? 200 : 500, seed });
const { error } = await model.evaluate(petals);
claim("softmax regression on two features tells the three kinds apart, but for a few flowers", error < 0.06, { error });

await picture(
  "17-softmax",
  bars(
    soft.flatMap((share, i) => [
      { name: `class ${i}`, group: "softmax", value: share },
      { name: `class ${i}`, group: "hardmax", value: hard[i] as number },
    ]),
    { title: "z = [5, 2, -1, 3]", xLabel: "class", yLabel: "share" },
  ),
);
// A border runs where the answer changes between neighbours of a fine grid.
const side = 161;
const at = (k: number) => -1.8 + (3.7 * k) / (side - 1);
const grid = Array.from({ length: side * side }, (_, i) => [at(i % side), at(Math.floor(i / side))] as const); // [161 * 161, 2]
const regions = (await model.predict(grid, { as: "classes" })).toArray(1);
const border = grid.filter(
  (_, i) => (i % side < side - 1 && regions[i] !== regions[i + 1]) || (regions[i + side] ?? regions[i]) !== regions[i],
);
const points = petals.x.toArray(2) as [number, number][];
const kinds = y.toArray(1);
await picture(
  "17-linear-borders",
  scatter(
    [
      ...["setosa", "versicolor", "virginica"].map((name, kind) => ({ name, points: points.filter((_, i) => kinds[i] === kind) })),
      { name: "border", points: border.filter((_, i) => i % 3 === 0) },
    ],
    { title: "Three kinds of iris, softmax regression", xLabel: "petal length, standardised", yLabel: "petal width, standardised" },
  ),
);
