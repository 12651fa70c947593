// Section C of the course, making deep networks trainable, in the order of its rows; each test begins with the row's number.
import {
  adam,
  batchNorm,
  checkGradients,
  clipByGlobalNorm,
  crossEntropy,
  dataset,
  dense,
  dropout,
  gradientHealth,
  type Init,
  init,
  type Layer,
  l2,
  layer,
  type Model,
  meanSquaredError,
  randomNormal,
  relu,
  sequential,
  sgd,
  sigmoid,
  stats,
  tanh,
  tensor,
  type Variable,
} from "minibatch";
import { describe, expect, it, vi } from "vitest";

const batch = randomNormal([48, 16], { seed: 1 });
const labels = tensor(Int32Array.from({ length: 48 }, (_, i) => i % 3));
const stack = (depth: number, width: number, activation: () => Layer, given?: Init) =>
  sequential([
    ...Array.from({ length: depth }, () => [dense(width, given ? { init: given } : {}), activation()]).flat(),
    dense(3, { name: "last" }),
  ]).build({ shape: [16], seed: 3 });

describe("12 vanishing and exploding gradients", () => {
  /** L linear layers of two units whose weights are k times the identity. */
  const linear = (k: number, depth: number): Model => {
    const model = sequential(Array.from({ length: depth }, () => dense(2, { bias: false }))).build({ shape: [2] });
    const matrix = [
      [k, 0],
      [0, k],
    ];
    for (const w of model.parameters()) w.assign(matrix);
    return model;
  };
  const given = {
    x: [
      [1, 0.5],
      [0.5, 1],
    ],
    y: [
      [1, 0],
      [0, 1],
    ],
    loss: meanSquaredError(),
  };

  it("12 f32: 0.5^150 underflows to 0; 1.5^150 is 2.6e26, whose square, in the cost and in the gradients, overflows", () => {
    expect(Math.fround(0.5 ** 150)).toBe(0);
    expect(Math.fround(1.5 ** 150)).toBeCloseTo(2.58e26, -25);
    expect(Math.fround((1.5 ** 150) ** 2)).toBe(Number.POSITIVE_INFINITY);
  });

  it("12 gradientHealth: 150 linear layers of 1.5 I explode until numbers are not finite, 60 explode", () => {
    const deep = gradientHealth(linear(1.5, 150), given);
    // The error times the activation overflows first where the way back begins.
    expect(deep).toMatchObject({ verdict: "not finite", layer: "dense_150" });
    const less = gradientHealth(linear(1.5, 60), given);
    // 1.5^23 is the first power above 10,000: 23 layers after the first.
    expect(less).toMatchObject({ verdict: "exploding", layer: "dense_24" });
    less.layers.forEach(({ activation }, i) => {
      expect(activation / (Math.sqrt(1.25 / 2) * 1.5 ** (i + 1))).toBeCloseTo(1, 5);
    });
  });

  it("12 gradientHealth: 150 linear layers of 0.5 I vanish, of 1 I are healthy", () => {
    const faded = gradientHealth(linear(0.5, 150), given);
    // 0.5^14 is the first power below 1/10,000.
    expect(faded).toMatchObject({ verdict: "vanishing", layer: "dense_15" });
    expect(faded.layers[149]?.activation).toBe(0);
    expect(faded.layers.every(({ gradient }) => gradient < 1e-40)).toBe(true);
    expect(gradientHealth(linear(1, 150), given)).toMatchObject({ verdict: "healthy" });
  });

  it("12 gradientHealth during a run: training 1.5 I ends not finite with the layer's name, 0.5 I learns nothing", async () => {
    vi.spyOn(console, "error").mockImplementation(() => undefined);
    const data = dataset(given.x, given.y);
    const options = { loss: meanSquaredError(), optimizer: sgd({ learningRate: 1e-3 }), batchSize: "all", epochs: 2 } as const;
    const exploding = linear(1.5, 150).fit(data, options);
    expect((await exploding).stoppedBecause).toBe("not finite");
    expect(gradientHealth(exploding)).toMatchObject({ verdict: "not finite", layer: "dense_150" });
    vi.restoreAllMocks();
    const vanishing = linear(0.5, 150).fit(data, options);
    for await (const epoch of vanishing) {
      expect(gradientHealth(vanishing).verdict).toBe("vanishing");
      expect(epoch.gradientNorm).toBeLessThan(1e-40);
    }
  });

  it("12 gradientHealth: a stack of sigmoids vanishes at its first layer, ReLU with He of the same depth does not", () => {
    const some = { x: batch, y: labels, loss: crossEntropy() };
    const sigmoids = gradientHealth(stack(10, 32, sigmoid), some);
    expect(sigmoids).toMatchObject({ verdict: "vanishing", layer: "dense_1" });
    // Each sigmoid passes on a quarter at most: 4^-10 is 1e-6.
    expect((sigmoids.layers[0]?.gradient as number) / (sigmoids.layers[10]?.gradient as number)).toBeLessThan(1e-5);
    expect(sigmoids.layers.map(({ name }) => name)).toEqual([...Array.from({ length: 10 }, (_, i) => `dense_${i + 1}`), "last"]);
    const relus = gradientHealth(stack(10, 32, relu), some);
    expect(relus.verdict).toBe("healthy");
    expect((relus.layers[0]?.gradient as number) / (relus.layers[10]?.gradient as number)).toBeGreaterThan(0.1);
  });

  it("12 clipping by global norm scales all gradients together, by value cuts each element", async () => {
    const [a, b] = clipByGlobalNorm([tensor([3, 0]), tensor([[4]])], 1);
    expect([...a.toArray(1), ...b.toArray(2).flat()].map((v) => Number(v.toFixed(6)))).toEqual([0.6, 0, 0.8]);
    const step = async (limit: { clipNorm?: number; clipValue?: number }) => {
      const model = sequential([dense(1, { bias: false, init: init.zeros() })]);
      // The gradient is -2 (30, 40): of norm 100.
      const history = await model.fit(dataset([[30, 40]], [1]), {
        loss: meanSquaredError(),
        optimizer: sgd({ learningRate: 1, ...limit }),
        epochs: 1,
      });
      return {
        moved: [...(model.parameters()[0] as Variable).data("f64")],
        norm: history.last.gradientNorm,
      };
    };
    expect((await step({ clipNorm: 5 })).moved.map((v) => Number(v.toFixed(5)))).toEqual([3, 4]);
    expect((await step({ clipNorm: 500 })).moved).toEqual([60, 80]);
    expect((await step({ clipValue: 5 })).moved).toEqual([5, 5]);
    // What is reported is the gradient of the cost itself.
    expect((await step({ clipNorm: 5 })).norm).toBeCloseTo(100, 3);
  });
});

describe("13 initialisation", () => {
  const [nIn, nOut] = [300, 200];
  const weightsOf = (layers: readonly Layer[], shape = [nIn]) => {
    const model = sequential(layers).build({ shape, seed: 5 });
    const values = (name: string) =>
      model
        .parameters()
        .find((p) => p.name === name)
        ?.data("f64") as Float64Array;
    return values;
  };
  /** Five standard errors of the variance of n normal draws: sqrt(2 / n) of it each. */
  const expectVariance = (values: Float64Array, variance: number) => {
    const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
    const found = values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length;
    expect(Math.abs(mean)).toBeLessThan(5 * Math.sqrt(variance / values.length));
    expect(Math.abs(found / variance - 1)).toBeLessThan(5 * Math.sqrt(2 / values.length));
  };

  it("13 init: He has variance 2 / n_in, Xavier 1 / n_in, Glorot 2 / (n_in + n_out), within sampling error", () => {
    for (const [given, variance] of [
      [init.he(), 2 / nIn],
      [init.xavier(), 1 / nIn],
      [init.glorot(), 2 / (nIn + nOut)],
    ] as const)
      expectVariance(weightsOf([dense(nOut, { init: given })])("dense_1.w"), variance);
  });

  it("13 init: the default follows the activation that comes next, past batch norm and dropout; biases are 0", () => {
    for (const [behind, variance] of [
      [[relu()], 2 / nIn],
      [[tanh()], 1 / nIn],
      [[sigmoid()], 2 / (nIn + nOut)],
      [[], 2 / (nIn + nOut)],
      [[batchNorm(), relu()], 2 / nIn],
      [[dropout({ keepProb: 0.5 }), tanh()], 1 / nIn],
    ] as const) {
      const values = weightsOf([dense(nOut), ...behind]);
      expectVariance(values("dense_1.w"), variance);
      expect(values("dense_1.b")?.every((b) => b === 0) ?? true).toBe(true);
    }
  });

  it("13 init: activations keep their scale through 50 layers, He with ReLU and Xavier with tanh; small random ones do not", () => {
    const x = randomNormal([64, 16], { seed: 9 });
    const scales = (activation: () => Layer, given?: Init) =>
      gradientHealth(stack(50, 128, activation, given), { x, y: tensor(new Int32Array(64)), loss: crossEntropy() }).layers.map(
        (l) => l.activation,
      );
    const he = scales(relu);
    const xavier = scales(tanh);
    for (const hidden of [he, xavier].map((list) => list.slice(0, 50))) {
      // tanh itself takes a little at each layer: the scale falls like 1 / sqrt(depth), not by a factor a layer.
      expect(Math.min(...hidden)).toBeGreaterThan(0.08);
      expect(Math.max(...hidden)).toBeLessThan(3);
    }
    expect(scales(relu, init.xavier())[49]).toBeLessThan(1e-6);
    expect(scales(relu, init.normal({ std: 0.01 }))[49]).toBeLessThan(1e-30);
  });
});

describe("14 gradient checking", () => {
  const given = { x: batch.slice([0, 0], [6, 16]), y: labels.slice([0], [6]), loss: crossEntropy() };
  /** A dense layer in whose gradients a bug can be planted: what is detached counts in the value, not in the gradient. */
  const suspicious = layer("suspicious", (x, { param }, { bug }: { bug: string }) => {
    const w = param("w", [x.size(1), 4], { init: init.glorot() });
    const b = param("b", [4], { init: init.normal({ std: 0.1 }) });
    const times = (v: typeof w, factor: number) => v.mul(factor).sub(v.mul(factor - 1).detach());
    const db = bug === "wrong sign in db" ? times(b, -1) : b;
    const dw = bug === "missing 1/m in dW" ? times(w, 6) : bug === "slightly wrong dW" ? times(w, 1 + 2e-5) : w;
    const z = x.matmul(dw).add(db);
    if (bug === "forgotten derivative of ReLU") return z.add(z.relu().sub(z).detach());
    return z.relu();
  });
  const check = (bug: string, more = {}) =>
    checkGradients(sequential([dense(5, { name: "first" }), tanh(), suspicious({ bug, name: "suspect" }), dense(3, { name: "last" })]), {
      ...given,
      ...more,
    });

  it("14 checkGradients: correct gradients, with the regulariser in the cost, differ by less than 1e-7", async () => {
    for (const regularizer of [undefined, l2(0.5)]) {
      const { difference, verdict } = await check("none", { regularizer });
      expect(difference).toBeLessThan(1e-7);
      expect(verdict).toBe("correct");
    }
  });

  it.each([
    ["wrong sign in db", "suspect.b"],
    ["missing 1/m in dW", "suspect.w"],
  ])("14 checkGradients: a %s is a bug, and only %s is wrong", async (bug, name) => {
    const { verdict, parameters } = await check(bug);
    expect(verdict).toBe("bug");
    expect(parameters[0]?.name).toBe(name);
    expect(parameters[0]?.difference).toBeGreaterThan(0.5);
    for (const other of parameters.slice(1)) expect(other.difference, other.name).toBeLessThan(1e-7);
    const worst = parameters[0]?.worst;
    expect((worst?.grad as number) / (worst?.approx as number)).toBeCloseTo(bug === "wrong sign in db" ? -1 : 6, 5);
  });

  it("14 checkGradients: a forgotten derivative of ReLU shows in that layer and those before it, not behind", async () => {
    const { verdict, parameters } = await check("forgotten derivative of ReLU");
    expect(verdict).toBe("bug");
    const wrong = parameters.filter(({ difference }) => difference > 1e-3).map(({ name }) => name);
    expect([...wrong].sort()).toEqual(["first.b", "first.w", "suspect.b", "suspect.w"]);
  });

  it("14 checkGradients: a difference of about 1e-5 is worth a look", async () => {
    const { difference, verdict, parameters } = await check("slightly wrong dW");
    expect(difference).toBeGreaterThan(1e-6);
    expect(difference).toBeLessThan(1e-4);
    expect(verdict).toBe("look");
    expect(parameters[0]?.name).toBe("suspect.w");
  });

  it("14 checkGradients: dropout is refused unless it is off or its mask is fixed", async () => {
    const model = () => sequential([dense(6), tanh(), dropout({ keepProb: 0.6 }), dense(3)]);
    await expect(checkGradients(model(), given)).rejects.toThrow(/^checkGradients: the model has dropout/);
    for (const mode of ["off", "fixed mask"] as const)
      expect((await checkGradients(model(), { ...given, dropout: mode })).verdict, mode).toBe("correct");
  });

  it("14 the two-sided difference has an error of the order of epsilon squared, the one-sided one of epsilon", () => {
    const f = (t: number) => t ** 3;
    const twoSided = (e: number) => Math.abs((f(1 + e) - f(1 - e)) / (2 * e) - 3);
    const oneSided = (e: number) => Math.abs((f(1 + e) - f(1)) / e - 3);
    // The course's numbers: at theta = 1 and epsilon = 0.01 they are 3.0001 and 3.0301.
    expect(twoSided(0.01)).toBeCloseTo(1e-4, 10);
    expect(oneSided(0.01)).toBeCloseTo(0.0301, 10);
    expect(stats.l2Norm([twoSided(0.001)])).toBeCloseTo(1e-6, 9);
  });

  it("14 a trained network is still correct", async () => {
    const model = sequential([dense(5), batchNorm(), tanh(), dense(3)]);
    await model.fit(dataset(batch, labels), { loss: crossEntropy(), optimizer: adam({ learningRate: 0.01 }), epochs: 2 });
    expect((await checkGradients(model, given)).verdict).toBe("correct");
  });
});
