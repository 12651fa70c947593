// Section G of the course, softmax, gradients of what was written forward, and the graph; each test begins with the row's number.
import {
  adam,
  binaryCrossEntropy,
  crossEntropy,
  dataset,
  dense,
  gradients,
  randomNormal,
  relu,
  sequential,
  sgd,
  stats,
  tensor,
  type Variable,
  variable,
} from "minibatch";
import { describe, expect, it } from "vitest";

describe("32 softmax regression", () => {
  const z = [5, 2, -1, 3];
  it("32 softmax: [5, 2, -1, 3] gives 0.842, 0.042, 0.002, 0.114; the sum of the exponentials is 176.3; hardmax gives 1, 0, 0, 0", () => {
    expect(z.reduce((sum, v) => sum + Math.exp(v), 0).toFixed(1)).toBe("176.3");
    const shares = tensor([z], { dtype: "f64" }).softmax().toArray(2)[0] as number[];
    expect(shares.map((v) => Number(v.toFixed(3)))).toEqual([0.842, 0.042, 0.002, 0.114]);
    expect(stats.hardmax(z).toArray()).toEqual([1, 0, 0, 0]);
  });

  it("32 softmax is stable: large logits neither overflow nor lose their differences", () => {
    const far = tensor(
      [
        [1005, 1002, 999, 1003],
        [-1e30, 0, 0, 0],
      ],
      { dtype: "f64" },
    )
      .softmax()
      .toArray(2);
    expect(far[0]?.map((v) => Number(v.toFixed(3)))).toEqual([0.842, 0.042, 0.002, 0.114]);
    expect(far[1]?.[0]).toBe(0);
    expect(far[1]?.[1]).toBeCloseTo(1 / 3, 14);
  });

  it("32 the cost is the mean of -log of the true class's share, its gradient (y^ - y) / m, and labels may be classes or one-hot", () => {
    const logits = variable([z, [0, 1, 2, 3], [1, 1, 1, 1]], { dtype: "f64" });
    const classes = [1, 3, 0];
    const oneHot = classes.map((c) => [0, 1, 2, 3].map((j) => (j === c ? 1 : 0)));
    const byClass = crossEntropy()(logits, tensor(classes, { dtype: "i32" }));
    const byRow = crossEntropy()(logits, tensor(oneHot, { dtype: "f64" }));
    const shares = logits.softmax().toArray(2);
    const expected = classes.reduce((sum, c, i) => sum - Math.log(shares[i]?.[c] as number), 0) / 3;
    expect(byClass.item()).toBeCloseTo(expected, 13);
    expect(byRow.item()).toBeCloseTo(expected, 13);
    for (const cost of [byClass, byRow]) {
      const [dz] = gradients(cost, [logits]);
      dz.toArray(2).forEach((row, i) => {
        row.forEach((g, j) => {
          expect(g).toBeCloseTo(((shares[i]?.[j] as number) - (oneHot[i]?.[j] as number)) / 3, 14);
        });
      });
    }
  });

  it("32 softmax over two classes is logistic regression: the same cost, gradient and training", async () => {
    const x = randomNormal([30, 3], { seed: 1 });
    const y = Int32Array.from({ length: 30 }, (_, i) => ((i * i + i) % 3) % 2);
    const two = sequential([dense(2)]).build({ shape: [3] });
    const one = sequential([dense(1)]).build({ shape: [3] });
    const start = [0.3, -0.2, 0.5];
    // Logits (-z/2, z/2) differ by z; each of two columns learns half as fast, and z feels both.
    (two.parameters()[0] as Variable).assign(start.map((w) => [-w / 2, w / 2]));
    (one.parameters()[0] as Variable).assign(start.map((w) => [w]));
    const options = { batchSize: "all", epochs: 20, shuffle: false } as const;
    const a = await two.fit(dataset(x, y), { ...options, loss: crossEntropy(), optimizer: sgd({ learningRate: 0.25 }) });
    const b = await one.fit(dataset(x, y), { ...options, loss: binaryCrossEntropy(), optimizer: sgd({ learningRate: 0.5 }) });
    a.epochs.forEach((epoch, i) => {
      expect(epoch.trainLoss).toBeCloseTo(b.epochs[i]?.trainLoss as number, 5);
      expect(epoch.trainError).toBe(b.epochs[i]?.trainError);
    });
    const second = two
      .predictSync(x, { as: "probabilities" })
      .toArray(2)
      .map((row) => row[1] as number);
    const alone = one.predictSync(x, { as: "probabilities" }).data("f64");
    second.forEach((p, i) => {
      expect(p).toBeCloseTo(alone[i] as number, 5);
    });
  });
});

describe("33 autodiff", () => {
  it("33 w^2 - 10 w + 25 from 0 with Adam at 0.1 for 1,000 steps gives 5 within 1e-3", () => {
    const w = variable(0);
    const step = adam({ learningRate: 0.1 }).minimize(() => w.square().sub(w.mul(10)).add(25), [w]);
    expect(step().item()).toBe(25);
    for (let i = 1; i < 1000; i++) step();
    expect(Math.abs(w.item() - 5)).toBeLessThan(1e-3);
    const [dw] = gradients(w.square().sub(w.mul(10)).add(25), [w]);
    expect(dw.item()).toBeCloseTo(2 * w.item() - 10, 5);
  });
});

describe("34 computation graph", () => {
  const model = sequential([dense(3, { name: "hidden" }), relu(), dense(2, { name: "out" })]).build({ shape: [4] });
  it("34 graph: printed by layer and drawn as Mermaid and DOT; backward nodes on request", () => {
    const [forward, both] = [model.graph(), model.graph({ backward: true })];
    for (const name of ["hidden.w", "hidden.b", "out.w", "out.b"]) expect(forward.toString()).toContain(name);
    expect(forward.mermaid()).toMatch(/^(graph|flowchart) /);
    expect(forward.dot()).toMatch(/^digraph /);
    const lines = (text: string) => text.split("\n").length;
    expect(lines(both.toString())).toBeGreaterThan(1.5 * lines(forward.toString()));
    expect(both.dot().length).toBeGreaterThan(1.5 * forward.dot().length);
  });
});
