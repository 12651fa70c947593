// gradientHealth of a run while it trains, after it has ended and after it ceased to be finite, against what the run itself did. What the
// course says about depth is in course/c-trainability.test.ts.
import {
  adam,
  batchNorm,
  crossEntropy,
  dataset,
  dense,
  dropout,
  flatten,
  type GradientHealth,
  gradientHealth,
  gradients,
  init,
  l2,
  lambda,
  type Model,
  meanSquaredError,
  momentum,
  type Optimizer,
  randomNormal,
  relu,
  sequential,
  sgd,
  stats,
  tensor,
  type Variable,
} from "minibatch";
import { crop } from "minibatch/data";
import { afterEach, describe, expect, it, vi } from "vitest";

const rows = 60;
const x = randomNormal([rows, 5], { seed: 11 });
const y = Array.from({ length: rows }, (_, i) => i % 3);
const train = dataset(x, y);
const norm = (list: readonly number[]) => Math.hypot(...list);
const net = () => sequential([dense(7, { name: "wide" }), relu(), dense(4), relu(), dense(3, { name: "last" })]);

/** Parameters by layer, as one list of numbers each. */
function parametersOf(model: Model): Map<string, number[]> {
  const byLayer = new Map<string, number[]>();
  for (const p of model.parameters()) {
    const layer = p.name.split(".")[0] as string;
    byLayer.set(layer, [...(byLayer.get(layer) ?? []), ...p.data("f64")]);
  }
  return byLayer;
}

describe("gradientHealth of a run", () => {
  it.each([
    ["adam", adam({ learningRate: 0.02 })],
    ["momentum, clipped", momentum({ learningRate: 0.3, clipNorm: 0.05 })],
  ] as const)("looks at the step that comes next: %s", async (_, optimizer: Optimizer) => {
    const model = net();
    const seen: { health: GradientHealth; weights: Map<string, number[]> }[] = [];
    const run = model.fit(train, { loss: crossEntropy(), optimizer, regularizer: l2(0.5), batchSize: "all", epochs: 5, seed: 3 });
    for await (const _epoch of run) seen.push({ health: gradientHealth(run), weights: parametersOf(model) });
    const { epochs } = await run;
    for (let i = 0; i + 1 < seen.length; i++) {
      const { health, weights } = seen[i] as (typeof seen)[number];
      const after = (seen[i + 1] as (typeof seen)[number]).weights;
      expect(health.verdict).toBe("healthy");
      expect(health.layers.map(({ name }) => name)).toEqual(["wide", "dense_2", "last"]);
      for (const { name, update } of health.layers) {
        const [old, now] = [weights.get(name) as number[], after.get(name) as number[]];
        expect(update / (norm(now.map((w, k) => w - (old[k] as number))) / norm(old))).toBeCloseTo(1, 3);
      }
      // The gradients of all layers together are what the next epoch's one step reported.
      expect(norm(health.layers.map(({ gradient }) => gradient)) / (epochs[i + 1]?.gradientNorm as number)).toBeCloseTo(1, 4);
    }
  });

  it("looks at augmented images, which may be smaller than those of the data set", async () => {
    const images = dataset(
      randomNormal([40, 8, 8], { seed: 5 }),
      Array.from({ length: 40 }, (_, i) => i % 3),
    );
    const model = sequential([flatten(), dense(6), relu(), dense(3)]);
    const run = model.fit(images, {
      loss: crossEntropy(),
      optimizer: sgd({ learningRate: 0.1 }),
      augment: [crop({ size: [6, 6] })],
      epochs: 2,
    });
    await run;
    const { verdict, layers } = gradientHealth(run);
    expect(verdict).toBe("healthy");
    for (const { gradient, activation } of layers) expect(gradient * activation).toBeGreaterThan(0);
  });

  it("of a partial last batch takes the whole one before it, and divides the penalty by the batch's size", async () => {
    const model = sequential([dense(3, { name: "only" })]);
    const order = { shuffle: false, batchSize: 59 };
    const run = model.fit(train, {
      loss: crossEntropy(),
      optimizer: sgd({ learningRate: 1e-9 }),
      regularizer: l2(59),
      epochs: 1,
      ...order,
    });
    await run;
    const [w, b] = model.parameters() as [Variable, Variable];
    const some = x.slice([0, 0], [59, 5]);
    const cost = crossEntropy()(model.forward(some), tensor(y.slice(0, 59), { dtype: "i32" })).add(w.square().sum().mul(0.5));
    const expected = norm(gradients(cost, [w, b]).flatMap((g) => [...g.data("f64")]));
    expect((gradientHealth(run).layers[0]?.gradient as number) / expected).toBeCloseTo(1, 5);
  });

  it("can be asked before, while and after it trains, and changes nothing", async () => {
    const ask = async (often: boolean) => {
      const model = sequential([dense(8), batchNorm(), relu(), dropout({ keepProb: 0.7 }), dense(3)]);
      const run = model.fit(train, { loss: crossEntropy(), optimizer: adam({ learningRate: 0.01 }), batchSize: 16, epochs: 4, seed: 5 });
      const verdicts = often ? [gradientHealth(run)] : [];
      for await (const _ of run) if (often) verdicts.push(gradientHealth(run), gradientHealth(run));
      await run;
      const weights = model.predictSync(x).data("f32");
      // What becomes of the model later is none of the run's business.
      for (const p of model.parameters()) p.assign(p.mul(2));
      return { weights, verdicts, last: gradientHealth(run) };
    };
    const [often, once] = [await ask(true), await ask(false)];
    expect(often.weights).toEqual(once.weights);
    expect(often.last).toEqual(once.last);
    expect(often.verdicts).toHaveLength(9);
    expect(often.verdicts[8]).toEqual(often.last);
    expect(often.verdicts[1]).toEqual(often.verdicts[2]);
    expect(often.verdicts[1]).not.toEqual(often.verdicts[3]);
  });

  it("calls a step longer than the weights exploding", async () => {
    // Plain descent on w^2 diverges from a rate of 1 on: each step turns w round and makes it longer.
    const model = sequential([dense(1, { bias: false, name: "line", init: init.constant(1) })]);
    const line = dataset([[1], [1]], [0, 0]);
    const run = model.fit(line, { loss: meanSquaredError(), optimizer: sgd({ learningRate: 1.2 }), batchSize: "all", epochs: 3 });
    await run;
    expect(gradientHealth(run)).toMatchObject({ verdict: "exploding", layer: "line" });
    expect(gradientHealth(run).layers[0]?.update).toBeCloseTo(2.4, 5);
  });
});

describe("gradientHealth of a run that is not finite any more", () => {
  afterEach(() => vi.restoreAllMocks());

  /** Descent drives the output of "second" below zero at some step in the middle of an epoch; its logarithm is then NaN. */
  const broken = () =>
    sequential([
      dense(1, { name: "first", bias: false, init: init.constant(1) }),
      dense(1, { name: "second", bias: false, init: init.constant(2) }),
      lambda((v) => v.log(), { name: "log" }),
      dense(1, { name: "last", init: init.constant(1) }),
    ]);
  const ones = dataset(
    Array.from({ length: 50 }, () => [1]),
    Array.from({ length: 50 }, () => -40),
  );
  const options = { loss: meanSquaredError(), optimizer: momentum({ learningRate: 0.004, beta: 0.5 }), batchSize: 1, epochs: 3, seed: 1 };

  it("names the layer at the step where it began, though afterwards everything is NaN", async () => {
    vi.spyOn(console, "error").mockImplementation(() => undefined);
    const model = broken();
    const steps: number[] = [];
    const run = model.fit(ones, { ...options, onStep: ({ step, loss }) => Number.isFinite(loss) && steps.push(step) });
    const { stoppedBecause, last } = await run;
    expect(stoppedBecause).toBe("not finite");
    // In the middle of an epoch, and steps went on for a while.
    expect(steps.length).toBeGreaterThan(1);
    expect(last.step).toBeGreaterThan(steps.length);
    const health = gradientHealth(run);
    expect(health).toMatchObject({ verdict: "not finite", layer: "log" });
    // What came before the logarithm still was a number, and what came back through it was not.
    expect(health.layers[0]).toMatchObject({ name: "first", gradient: Number.NaN });
    expect(health.layers[0]?.activation).toBeGreaterThan(0);
    expect(health.layers.map(({ name }) => name)).toEqual(["first", "second", "last"]);
  });

  it("goes over the epoch again with the optimizer's state: the step before the wrong one is the very same", async () => {
    vi.spyOn(console, "error").mockImplementation(() => undefined);
    const losses: number[] = [];
    const run = broken().fit(ones, { ...options, onStep: ({ loss }) => losses.push(loss) });
    await run;
    const wrong = losses.findIndex((loss) => !Number.isFinite(loss));
    // The same run on a model of which one sees the weights: stopped right before the wrong step.
    const model = broken();
    let reached = 0;
    await model.fit(dataset(ones.x.slice([0, 0], [wrong, 1]), ones.y.slice([0], [wrong])), {
      ...options,
      epochs: 1,
      onStep: () => reached++,
    });
    expect(reached).toBe(wrong);
    expect(model.forward(tensor([[1]])).item()).toBeNaN();
    expect(gradientHealth(run).layers[0]?.activation).toBe(Math.abs(model.parameters()[0]?.item() as number));
  });

  it("falls back to the last finite epoch where the epoch cannot be gone over again", async () => {
    vi.spyOn(console, "error").mockImplementation(() => undefined);
    const run = broken().fit(ones, {
      ...options,
      onStep: ({ step }) => {
        if (step === 1) run.set({ learningRate: 0.0041 });
      },
    });
    expect((await run).stoppedBecause).toBe("not finite");
    const health = gradientHealth(run);
    expect(health.verdict).toBe("not finite");
    expect(health.layers.every(({ activation }) => Number.isFinite(activation))).toBe(true);
    expect(["first", "second", "last"]).toContain(health.layer);
  });

  it("names the layer whose update overflowed when loss and gradient were still finite", async () => {
    vi.spyOn(console, "error").mockImplementation(() => undefined);
    const model = sequential([dense(1, { name: "line", bias: false, init: init.constant(1) })]);
    const run = model.fit(dataset([[1]], [1e15]), { loss: meanSquaredError(), optimizer: sgd({ learningRate: 1e30 }), epochs: 1 });
    expect((await run).stoppedBecause).toBe("not finite");
    const health = gradientHealth(run);
    expect(health).toMatchObject({ verdict: "not finite", layer: "line" });
    expect(health.layers[0]?.gradient).toBeCloseTo(2e15, -10);
    expect(health.layers[0]?.update).toBe(Number.POSITIVE_INFINITY);
  });
});

describe("gradientHealth of a model", () => {
  const given = { x, y: tensor(y), loss: crossEntropy() };

  it("gives gradients, activations behind the activation function, and ||dW|| / ||W||", () => {
    const model = net().build({ shape: [5], seed: 2 });
    const parameters = model.parameters();
    const cost = crossEntropy()(model.forward(x), tensor(y, { dtype: "i32" }));
    const found = gradients(cost, parameters).map((g) => stats.l2Norm(g));
    const health = gradientHealth(model, given);
    health.layers.forEach(({ gradient, update }, i) => {
      const [w, b] = [found[2 * i] as number, found[2 * i + 1] as number];
      expect(gradient).toBeCloseTo(Math.hypot(w, b), 5);
      expect(update).toBeCloseTo(Math.hypot(w, b) / stats.l2Norm(parameters[2 * i] as Variable), 4);
    });
    const [w1, b1] = parameters as [Variable, Variable];
    const hidden = x.matmul(w1).add(b1).relu();
    expect(health.layers[0]?.activation).toBeCloseTo(Math.sqrt(hidden.square().mean().item()), 5);
    expect(health.layers[2]?.activation).toBeCloseTo(Math.sqrt(model.forward(x).square().mean().item()), 5);
  });

  it("leaves model and statistics as they were, and builds one that was not", () => {
    const model = sequential([dense(4), batchNorm(), relu(), dropout({ keepProb: 0.5 }), dense(3)]);
    const first = gradientHealth(model, given);
    const before = model.predictSync(x).data("f32");
    expect(gradientHealth(model, given)).toEqual(first);
    expect(model.predictSync(x).data("f32")).toEqual(before);
    expect(first.layers.map(({ name }) => name)).toEqual(["dense_1", "batchNorm_1", "dense_2"]);
  });

  it("looks with dropout off", () => {
    const [without, with_] = [[], [dropout({ keepProb: 0.5 })]].map((some) =>
      sequential([dense(6, { name: "a" }), relu(), ...some, dense(3, { name: "b" })]).build({ shape: [5], seed: 4 }),
    ) as [Model, Model];
    expect(gradientHealth(with_, given)).toEqual(gradientHealth(without, given));
  });

  it("does not take a normalised scale for a lost one", () => {
    // Raw inputs in the hundred thousands; batch norm brings them to 1 by itself.
    const model = sequential([dense(8), batchNorm(), relu(), dense(8), batchNorm(), relu(), dense(3)]);
    const health = gradientHealth(model, { ...given, x: x.mul(1e7) });
    expect((health.layers[0]?.activation as number) / (health.layers[1]?.activation as number)).toBeGreaterThan(1e4);
    expect(health.verdict).toBe("healthy");
    expect(gradientHealth(model, given).verdict).toBe("healthy");
  });

  it("says what it wants", () => {
    const untyped = (value: unknown) => value as never;
    const model = net();
    expect(() => gradientHealth(untyped(3))).toThrow(/^gradientHealth: expected a model or what model\.fit returned, got 3$/);
    expect(() => gradientHealth(model, untyped(undefined))).toThrow(/^gradientHealth: a model needs \{ x, y, loss \} to be looked at$/);
    expect(() => gradientHealth(model, untyped({ ...given, los: 1 }))).toThrow(/unknown option "los", did you mean "loss"\?$/);
    expect(() => gradientHealth(model, { ...given, loss: untyped(crossEntropy) })).toThrow(/^gradientHealth: loss .*crossEntropy/);
    expect(() => gradientHealth(model, { ...given, y: tensor([9, ...y.slice(1)]) })).toThrow(/^gradientHealth: .*9/);
    expect(() => gradientHealth(model, { ...given, y: [0, 1] })).toThrow(/equally many rows, got 60 and 2/);
    const run = net().fit(train, { loss: crossEntropy(), optimizer: sgd({ learningRate: 0.1 }), epochs: 1 });
    expect(() => gradientHealth(untyped(run), given)).toThrow(/^gradientHealth: a run knows its data and its loss/);
    expect(() => gradientHealth(untyped(run.then((history) => history)))).toThrow(
      /^gradientHealth: expected a model or what model\.fit returned/,
    );
    return run;
  });
});
