// Section F of the course, batch normalisation; each test begins with the row's number.
import {
  batchNorm,
  dataset,
  dense,
  gradients,
  type Model,
  meanSquaredError,
  randomNormal,
  sequential,
  sgd,
  type Tensor,
  type Variable,
} from "minibatch";
import { describe, expect, it } from "vitest";

const x = randomNormal([64, 4], { seed: 1, mean: 3, std: 2 });
const columns = (of: Tensor) => {
  const rows = of.toArray(2);
  const at = (j: number) => rows.map((row) => row[j] as number);
  return [0, 1, 2, 3].map((j) => {
    const mean = at(j).reduce((sum, v) => sum + v, 0) / rows.length;
    return { mean, variance: at(j).reduce((sum, v) => sum + (v - mean) ** 2, 0) / rows.length };
  });
};
const norm = (options = {}) => sequential([batchNorm(options)]).build({ shape: [4] });
const assign = (model: Model, key: string, values: readonly number[]) =>
  (model.parameters().find(({ name }) => name.endsWith(`.${key}`)) as Variable).assign(values);

describe("29 batch norm in training", () => {
  it("29 batch norm: a [64, 4] input has 4 means, 4 variances, 4 gammas, 4 betas", () => {
    const model = norm();
    expect(model.parameters().map((p) => [p.name, p.shape])).toEqual([
      ["batchNorm_1.gamma", [4]],
      ["batchNorm_1.beta", [4]],
    ]);
    for (const { mean, variance } of columns(model.forward(x, { training: true }))) {
      expect(mean).toBeCloseTo(0, 5);
      expect(variance).toBeCloseTo(1, 4);
    }
  });

  it("29 batch norm: gamma and beta set deviation and mean; gamma = sqrt(variance + eps), beta = mean gives the identity", () => {
    const model = norm();
    assign(model, "gamma", [1, 2, 3, 4]);
    assign(model, "beta", [0, 5, -5, 1]);
    columns(model.forward(x, { training: true })).forEach(({ mean, variance }, j) => {
      expect(mean).toBeCloseTo([0, 5, -5, 1][j] as number, 4);
      expect(Math.sqrt(variance)).toBeCloseTo(j + 1, 4);
    });
    const statistics = columns(x);
    assign(
      model,
      "gamma",
      statistics.map(({ variance }) => Math.sqrt(variance + 1e-5)),
    );
    assign(
      model,
      "beta",
      statistics.map(({ mean }) => mean),
    );
    const back = model.forward(x, { training: true }).data("f64");
    x.data("f64").forEach((value, i) => {
      expect(back[i]).toBeCloseTo(value, 4);
    });
  });

  it("29 batch norm: the bias before it is dropped; one that is asked for has the gradient 0", () => {
    const names = (bias?: boolean) =>
      sequential([dense(4, bias === undefined ? {} : { bias }), batchNorm()])
        .build({ shape: [4] })
        .parameters()
        .map(({ name }) => name);
    expect(names()).not.toContain("dense_1.b");
    expect(names(true)).toContain("dense_1.b");
    const model = sequential([dense(4, { bias: true }), batchNorm()]).build({ shape: [4] });
    assign(model, "b", [1, -2, 3, 10]);
    const output = model.forward(x, { training: true });
    const cost = output
      .mul(randomNormal([64, 4], { seed: 2 }))
      .square()
      .mean();
    const [w, b] = model.parameters() as [Variable, Variable];
    const [dw, db] = gradients(cost, [w, b]);
    expect(Math.max(...dw.abs().data())).toBeGreaterThan(0.01);
    expect(Math.max(...db.abs().data())).toBeLessThan(1e-6);
  });
});

describe("30 batch norm at test time", () => {
  /** Trained for so many steps on the same rows at a rate of nothing: only the running statistics move. */
  const trainedFor = async (steps: number, options = {}) => {
    const model = norm(options);
    const data = dataset(x, x);
    await model.fit(data, { loss: meanSquaredError(), optimizer: sgd({ learningRate: 1e-20 }), batchSize: "all", epochs: steps });
    return model;
  };
  /** y = (x - mean) / sqrt(variance + eps): two rows tell what the layer's mean and variance are. */
  const running = (model: Model, epsilon = 1e-5) => {
    const [low, high] = model
      .predictSync([
        [0, 0, 0, 0],
        [1, 1, 1, 1],
      ])
      .toArray(2) as [number[], number[]];
    return low.map((y0, j) => {
      const inverse = (high[j] as number) - y0;
      return { mean: -y0 / inverse, variance: 1 / inverse ** 2 - epsilon };
    });
  };

  it("30 running values: 0.9 of the old and 0.1 of the new, of which the variance is the unbiased one, m / (m - 1)", async () => {
    for (const [options, momentum] of [
      [{}, 0.1],
      [{ momentum: 0.4 }, 0.4],
    ] as const) {
      for (const steps of [1, 3]) {
        const kept = (1 - momentum) ** steps;
        const found = running(await trainedFor(steps, options));
        columns(x).forEach(({ mean, variance }, j) => {
          expect(found[j]?.mean).toBeCloseTo((1 - kept) * mean, 3);
          expect((found[j]?.variance as number) / (kept + (1 - kept) * variance * (64 / 63))).toBeCloseTo(1, 3);
        });
      }
    }
  });

  it("30 running values: Keras's momentum is 1 - ours, so that 0.99 there is 0.01 here", async () => {
    const keras = 0.99;
    const found = running(await trainedFor(2, { momentum: 1 - keras }));
    columns(x).forEach(({ mean }, j) => {
      expect(found[j]?.mean).toBeCloseTo((1 - keras ** 2) * mean, 3);
    });
  });

  it("30 one example gets the same as among many, and its own statistics count for nothing", async () => {
    const model = await trainedFor(5);
    const many = model.predictSync(x).toArray(2);
    for (const i of [0, 31, 63]) {
      const row = model.predictSync(x.slice([i, 0], [1, 4])).toArray(2)[0] as number[];
      row.forEach((value, j) => {
        expect(value).toBeCloseTo(many[i]?.[j] as number, 6);
      });
    }
    expect(running(await trainedFor(5, { epsilon: 0.5 }), 0.5)[0]?.variance).toBeCloseTo(running(model)[0]?.variance as number, 3);
  });
});
