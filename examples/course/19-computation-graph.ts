// The computation graph: a small formula forward and backward by hand, then a network's graph printed, read back, and drawn.
import { crossEntropy, dataset, dense, gradients, relu, sequential, sgd, type Tensor, tensor, variable } from "minibatch";
import { graph } from "minibatch/plot";
import { claim, picture, table } from "./claim.ts";

// 1. J = 3 (a + b c). Forward, left to right: u = b c, v = a + u, J = 3 v. Backward, right to left, each arrow multiplies by its own slope:
// dv = 3, du = dv, da = dv, db = du c, dc = du b. The gradient of a variable x is written dx.
const f64 = { dtype: "f64" } as const;
const [a, b, c] = [variable(5, f64), variable(3, f64), variable(2, f64)];
const u = b.mul(c);
const v = a.add(u);
const J = v.mul(3);
const [dv, du, da, db, dc] = gradients(J, [v, u, a, b, c]).map((g) => g.item()) as [number, number, number, number, number];
table([
  { node: "a", value: a.item(), "dJ/dnode": da },
  { node: "b", value: b.item(), "dJ/dnode": db },
  { node: "c", value: c.item(), "dJ/dnode": dc },
  { node: "u = b c", value: u.item(), "dJ/dnode": du },
  { node: "v = a + u", value: v.item(), "dJ/dnode": dv },
  { node: "J = 3 v", value: J.item(), "dJ/dnode": 1 },
]);
claim("J is 33, and its derivatives are 3, 6 and 9", J.item() === 33 && da === 3 && db === 6 && dc === 9);
const nudged = 3 * (5 + (3 + 0.001) * 2) - 33;
claim("b nudged by 0.001 moves J by six times as much", Math.abs(nudged - 0.001 * db) < 1e-9, { "J moves by": nudged });

// 2. A network is a longer formula. `graph()` returns its graph; toString() has a line for each node, and a node comes after what it needs.
const model = sequential([dense(3), relu(), dense(2)]).build({ shape: [4], seed: 1 });
const forward = model.graph().toString();
console.log(`${indented(forward)}\n`);

/** The lines of the text, taken apart: %5 = linear(%4, %0, %1) { activation: 0 } : f32[2, 3]  # layer "dense_1". */
function nodesOf(text: string) {
  return text.split("\n").flatMap((line) => {
    const [, id, what = ""] = /^%(\d+) = (.*?) : /.exec(line) ?? [];
    if (id === undefined) return [];
    const [, op, list = ""] = /^(\w+)\(([^)]*)\)/.exec(what) ?? [];
    return [
      { id: Number(id), what, op, inputs: [...list.matchAll(/%(\d+)/g)].map(([, n]) => Number(n)), backward: /# .*backward$/.test(line) },
    ];
  });
}
const nodes = nodesOf(forward);
claim(
  "every node stands after its inputs",
  nodes.every(({ id, inputs }) => inputs.every((input) => input < id)),
);

// 3. The text says all there is to say: read it line by line, do what it says, and the network's own answer comes out.
const x = tensor([
  [1, 2, 3, 4],
  [2, -1, 0, 1],
]); // [2, 4]
const parameters = new Map(model.parameters().map((p) => [p.name, p as Tensor]));
const values: Tensor[] = [];
for (const { op, what, inputs } of nodes) {
  const [first, second, third] = inputs.map((input) => values[input]) as [Tensor, Tensor, Tensor];
  if (op === "linear") values.push(first.matmul(second).add(third));
  else if (op === "relu") values.push(first.relu());
  else values.push(parameters.get(what.replace("argument ", "")) ?? x);
}
const apart = (values.at(-1) as Tensor)
  .sub(await model.predict(x))
  .abs()
  .max()
  .item();
claim("the printed graph, computed by hand, is the network", apart < 1e-5, { "largest difference": apart });

// 4. Backward. The gradient is not another mechanism: it is more nodes in the same graph, one for each node before, in reverse order.
// The model's loss is the one it was trained with, here cross-entropy.
await model.fit(dataset(x, [0, 1]), { loss: crossEntropy(), optimizer: sgd({ learningRate: 0.1 }), epochs: 1 });
const both = model.graph({ backward: true });
const back = nodesOf(both.toString()).filter(({ backward }) => backward);
console.log(`${indented(both.toString())}\n`);
const position = (op: string) => back.findIndex((node) => node.op === op);
claim(
  "backward starts at the loss and ends at the first layer: the loss's gradient, then relu's, then the last sums",
  position("softmaxCrossEntropyGradient") >= 0 &&
    position("softmaxCrossEntropyGradient") < position("reluGradient") &&
    position("reluGradient") < back.length - 1,
);
const stored = both.toString().match(/^gradient\.\S+/gm) ?? [];
claim("every parameter gets its gradient", stored.length === model.parameters().length, { parameters: stored.length });
claim("the same graph can be drawn: Mermaid and DOT", both.mermaid().startsWith("flowchart") && both.dot().startsWith("digraph"));

function indented(text: string): string {
  return text.replaceAll(/^/gm, "  ");
}

await picture("19-graph-forward", graph(model, { title: "dense(3), relu, dense(2)" }));
await picture("19-graph-backward", graph(model, { backward: true, title: "The same with its backward nodes" }));
