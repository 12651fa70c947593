// Section B of the course, regularisation, in the order of its rows; each test begins with the row's number.
import {
  adamW,
  batchNorm,
  crossEntropy,
  dataset,
  dense,
  dropout,
  type Epoch,
  elasticNet,
  type FitOptions,
  gradients,
  type History,
  l1,
  l2,
  type Model,
  meanSquaredError,
  momentum,
  type Regularizer,
  randomNormal,
  relu,
  sequential,
  sgd,
  stats,
  tanh,
  tensor,
  type Variable,
  variable,
} from "minibatch";
import { afterEach, describe, expect, it, vi } from "vitest";
import { penalty, type RegularizerDefinition } from "../../src/nn/regularizers.ts";
import { asTensor } from "../../src/tensor.ts";

const m = 40;
const x = randomNormal([m, 6], { seed: 1 });
const classes = Int32Array.from({ length: m }, (_, i) => i % 3);
const train = dataset(x, classes);
const numbers = (v: Variable) => [...v.data("f64")];
const named = (model: Model, name: string) => model.parameters().find((p) => p.name === name) as Variable;
const isWeight = ({ name }: { name: string }) => name.endsWith(".w");

describe("7 L2, 8 L1 and elastic net", () => {
  const w = Float64Array.from({ length: 500 }, (_, i) => Math.sin(3 * i) * (i % 7));
  const lambda = 0.7;
  const formulas = [
    ["7 l2", l2(lambda), (v: number) => (lambda / (2 * m)) * v * v, (v: number) => (lambda / m) * v],
    ["8 l1", l1(lambda), (v: number) => (lambda / m) * Math.abs(v), (v: number) => (lambda / m) * Math.sign(v)],
    [
      "8 elasticNet",
      elasticNet({ l1: 0.3, l2: 0.9 }),
      (v: number) => (0.3 / m) * Math.abs(v) + (0.9 / (2 * m)) * v * v,
      (v: number) => (0.3 / m) * Math.sign(v) + (0.9 / m) * v,
    ],
  ] as const;
  it.each(formulas)("%s: cost and gradient are the formulas to 1e-12 in f64", (_, regularizer, cost, slope) => {
    const weights = variable(w, { dtype: "f64" });
    const term = asTensor(penalty(regularizer as RegularizerDefinition, weights, m) as Variable);
    const expected = w.reduce((sum, v) => sum + cost(v), 0);
    expect(Math.abs(term.item() / expected - 1)).toBeLessThan(1e-12);
    const [dw] = gradients(term, [weights]);
    dw.data("f64").forEach((g, i) => {
      expect(Math.abs(g - slope(w[i] as number))).toBeLessThan(1e-12);
    });
  });

  /** One step of plain descent from the same weights, without and with the penalty. */
  const oneStep = async (regularizer: Regularizer) => {
    const model = sequential([dense(5, { name: "a" }), batchNorm({ name: "n" }), relu(), dense(3, { name: "b" })]).build({
      shape: [6],
      seed: 2,
    });
    for (const p of model.parameters()) p.assign(randomNormal(p.shape, { seed: p.shape[0] as number, mean: 1 }));
    const before = new Map(model.parameters().map((p) => [p.name, numbers(p)]));
    const without = await moved(model, before, undefined);
    const with_ = await moved(model, before, regularizer);
    return { before, without, with_ };
  };
  const moved = async (model: Model, before: ReadonlyMap<string, number[]>, regularizer: Regularizer | undefined) => {
    for (const p of model.parameters()) p.assign(tensor(before.get(p.name) as number[], { shape: p.shape }));
    await model.fit(train, { loss: crossEntropy(), optimizer: sgd({ learningRate: 0.5 }), regularizer, batchSize: "all", epochs: 1 });
    return new Map(model.parameters().map((p) => [p.name, numbers(p)]));
  };

  it("7 l2 is weight decay: W := (1 - a lambda / m) W - a dW, and biases, gamma and beta are not touched", async () => {
    const lambda = 8;
    const { before, without, with_ } = await oneStep(l2(lambda));
    expect([...before.keys()].sort()).toEqual(["a.w", "b.b", "b.w", "n.beta", "n.gamma"]);
    for (const [name, old] of before) {
      for (const [i, value] of (with_.get(name) as number[]).entries()) {
        const decay = name.endsWith(".w") ? (0.5 * lambda * (old[i] as number)) / m : 0;
        expect(value, name).toBeCloseTo(((without.get(name) as number[])[i] as number) - decay, 5);
      }
    }
  });

  it("7 l2, 8 l1: after one step biases, gamma and beta have the very bits of a run without penalty", async () => {
    for (const regularizer of [l2(100), l1(100)]) {
      const { without, with_ } = await oneStep(regularizer);
      for (const name of ["b.b", "n.beta", "n.gamma"]) expect(with_.get(name), name).toEqual(without.get(name));
      for (const name of ["a.w", "b.w"]) expect(with_.get(name), name).not.toEqual(without.get(name));
    }
  });

  it("7 l2: after many steps that only the penalty drives, weights are gone and biases, gamma and beta are where they were", async () => {
    // Outputs of 0 for targets of 0: the data have no gradient, in any step.
    const model = sequential([dense(4, { name: "a", bias: true }), batchNorm({ name: "n" }), relu(), dense(1, { name: "b", bias: false })]);
    model.build({ shape: [6], seed: 1 });
    named(model, "b.w").assign(tensor(new Float32Array(4), { shape: [4, 1] }));
    for (const name of ["a.b", "n.gamma", "n.beta"]) named(model, name).assign([3, -2, 0.5, 7]);
    const regression = dataset(x, new Float32Array(m));
    await model.fit(regression, {
      loss: meanSquaredError(),
      optimizer: momentum({ learningRate: 0.2 }),
      regularizer: l2(40),
      batchSize: "all",
      epochs: 200,
    });
    expect(stats.l2Norm(named(model, "a.w"))).toBeLessThan(1e-5);
    for (const name of ["a.b", "n.gamma", "n.beta"]) expect(numbers(named(model, name)), name).toEqual([3, -2, 0.5, 7]);
  });

  it("7 the reported cost includes the term: lambda / 2m ||W||^2 with m the batch's size", async () => {
    for (const [regularizer, term] of [
      [l2(3), (v: number) => (3 / (2 * 10)) * v * v],
      [l1(3), (v: number) => (3 / 10) * Math.abs(v)],
    ] as const) {
      const model = sequential([dense(4), tanh(), dense(3)]).build({ shape: [6], seed: 1 });
      const squares = model
        .parameters()
        .filter(isWeight)
        .flatMap(numbers)
        .reduce((sum, v) => sum + term(v), 0);
      const plain = (await model.evaluate(train, { loss: crossEntropy() })).loss;
      const options = { loss: crossEntropy(), optimizer: sgd({ learningRate: 1e-12 }), batchSize: 10, epochs: 1, dev: train } as const;
      const { last } = await model.fit(train, { ...options, regularizer });
      expect(last.trainLoss).toBeCloseTo(plain + squares, 4);
      expect(last.devLoss).toBeCloseTo(plain + squares, 4);
      expect((await model.evaluate(train)).loss).toBeCloseTo(plain + squares, 4);
    }
  });

  it("7 a large lambda keeps tanh units in their linear range, until the network is nearly a linear one", async () => {
    const y = x.toArray(2).map(([a = 0, b = 0, c = 0]) => Math.sin(2 * a) + 0.5 * b + 0.5 * b * c);
    const trained = async (lambda: number) => {
      const model = sequential([dense(12, { name: "a" }), tanh(), dense(1)]);
      const options = {
        loss: meanSquaredError(),
        optimizer: momentum({ learningRate: 0.05 }),
        batchSize: "all",
        epochs: 600,
        seed: 1,
      } as const;
      await model.fit(dataset(x, y), { ...options, regularizer: l2(lambda) });
      const f = (v: typeof x) => model.forward(v);
      const z = x.matmul(named(model, "a.w")).add(named(model, "a.b"));
      const size = stats.l2Norm;
      return {
        // Of a linear function f(x) + f(-x) = 2 f(0), whatever its slope.
        bend:
          size(
            f(x)
              .add(f(x.neg()))
              .sub(f(x.mul(0)).mul(2)),
          ) / size(f(x).sub(f(x.neg()))),
        // How far tanh z is from z.
        squashed: size(z.tanh().sub(z)) / size(z),
        slope: size(f(x).sub(f(x.neg()))),
      };
    };
    const [free, some, much] = [await trained(0), await trained(4), await trained(20)];
    expect(free.bend).toBeGreaterThan(0.6);
    expect(some.bend).toBeLessThan(0.6 * free.bend);
    expect(much.bend).toBeLessThan(0.2 * free.bend);
    expect(free.squashed).toBeGreaterThan(0.5);
    expect(some.squashed).toBeLessThan(0.7 * free.squashed);
    expect(much.squashed).toBeLessThan(0.3 * free.squashed);
    // It still is a function of x: the weights are small, not gone.
    expect(much.slope).toBeGreaterThan(0.4 * free.slope);
  });

  it("8 l1: of 40 features of which 4 matter at least 30 get weights below 1e-3, and none with l2 of the same fit", async () => {
    const wide = randomNormal([200, 40], { seed: 3 });
    const truth = new Float32Array(40);
    for (const [j, v] of [3, -2, 2, -3].entries()) truth[j * 9] = v;
    const y = wide.matmul(tensor(truth, { shape: [40, 1] })).add(randomNormal([200, 1], { seed: 4, std: 0.3 }));
    const zeros = async (regularizer: Regularizer) => {
      const model = sequential([dense(1, { name: "line" })]);
      await model.fit(dataset(wide, y), {
        loss: meanSquaredError(),
        optimizer: sgd({ learningRate: 1e-3 }),
        regularizer,
        batchSize: "all",
        epochs: 3000,
      });
      const w = numbers(named(model, "line.w"));
      for (const j of [0, 9, 18, 27]) expect(Math.abs(w[j] as number)).toBeGreaterThan(1.5);
      return w.filter((v) => Math.abs(v) < 1e-3).length;
    };
    expect(await zeros(l1(40))).toBeGreaterThanOrEqual(30);
    expect(await zeros(l2(40))).toBeLessThanOrEqual(2);
  });

  it("8 decoupled weight decay is adamW's own option: it shrinks weights by a w each step and reports the cost without it", async () => {
    const model = sequential([dense(3, { name: "a" })]).build({ shape: [6], seed: 1 });
    const before = numbers(named(model, "a.w"));
    const plain = (await model.evaluate(train, { loss: crossEntropy() })).loss;
    const step = async (weightDecay: number) => {
      named(model, "a.w").assign(tensor(before, { shape: [6, 3] }));
      named(model, "a.b").assign([0, 0, 0]);
      const history = await model.fit(train, {
        loss: crossEntropy(),
        optimizer: adamW({ learningRate: 0.1, weightDecay }),
        batchSize: "all",
        epochs: 1,
      });
      return { w: numbers(named(model, "a.w")), b: numbers(named(model, "a.b")), loss: history.last.trainLoss };
    };
    const [without, with_] = [await step(0), await step(0.5)];
    expect(with_.loss).toBe(without.loss);
    expect(with_.loss).toBeCloseTo(plain, 5);
    expect(with_.b).toEqual(without.b);
    with_.w.forEach((value, i) => {
      expect(value).toBeCloseTo((without.w[i] as number) - 0.1 * 0.5 * (before[i] as number), 6);
    });
  });
});

describe("9 norms", () => {
  it("9 norms: L1 adds sizes, L2 and Frobenius are roots of sums of squares", () => {
    const matrix = [
      [1, -2],
      [2, -4],
    ];
    expect([stats.l1Norm(matrix), stats.l2Norm(matrix), stats.frobeniusNorm(matrix)]).toEqual([9, 5, 5]);
    expect([stats.l1Norm([3, -4]), stats.l2Norm([3, -4])]).toEqual([7, 5]);
  });
});

describe("10 inverted dropout", () => {
  const wide = tensor(new Float32Array(60_000).fill(1), { shape: [60, 1000] });
  it("10 dropout: the expectation is unchanged, and what is kept is divided by keepProb", () => {
    for (const keepProb of [0.5, 0.8, 0.9]) {
      const model = sequential([dropout({ keepProb })]).build({ shape: [1000] });
      const values = model.forward(wide, { training: true }).data("f64");
      // Draws have 16 bits: what is kept is divided by the probability to a 65536th with which it is.
      const kept = Math.fround(65536 / Math.round(65536 * keepProb));
      expect(new Set(values)).toEqual(new Set([0, kept]));
      expect(kept).toBeCloseTo(1 / keepProb, 4);
      const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
      // Five standard errors of the mean of n draws: sqrt((1 - p) / (p n)).
      expect(Math.abs(mean - 1)).toBeLessThan(5 * Math.sqrt((1 - keepProb) / (keepProb * values.length)));
    }
  });

  it("10 dropout: keepProb 1 is exactly the identity, in training too, and at test time there is nothing to do", () => {
    const x = randomNormal([50, 30], { seed: 1 });
    const whole = sequential([dropout({ keepProb: 1 })]).build({ shape: [30] });
    expect(whole.forward(x, { training: true }).data()).toEqual(x.data());
    const half = sequential([dropout({ keepProb: 0.5 })]).build({ shape: [30] });
    expect(half.forward(x).data()).toEqual(x.data());
    expect(half.predictSync(x).data()).toEqual(x.data());
    expect(half.forward(x, { training: true }).data()).not.toEqual(x.data());
  });

  it("10 dropout: rate is 1 - keepProb, and a training run with keepProb 1 has the bits of one without dropout", async () => {
    const trained = async (...between: ReturnType<typeof dropout>[]) => {
      const model = sequential([dense(8, { name: "a" }), relu(), ...between, dense(3, { name: "b" })]);
      await model.fit(train, { loss: crossEntropy(), optimizer: sgd({ learningRate: 0.1 }), batchSize: 8, epochs: 2, seed: 4 });
      return model.predictSync(x).data("f32");
    };
    expect(await trained(dropout({ keepProb: 1 }))).toEqual(await trained());
    expect(await trained(dropout({ rate: 0.25 }))).toEqual(await trained(dropout({ keepProb: 0.75 })));
    expect(await trained(dropout({ rate: 0.25 }))).not.toEqual(await trained());
  });
});

describe("11 early stopping", () => {
  afterEach(() => vi.restoreAllMocks());
  // A large network on few rows with random labels: the dev error soon rises, and falls and rises again.
  const dev = dataset(
    randomNormal([60, 6], { seed: 8 }),
    Int32Array.from({ length: 60 }, (_, i) => (i * 7) % 3),
  );
  const options = { dev, loss: crossEntropy(), optimizer: momentum({ learningRate: 0.3 }), batchSize: 8, seed: 3 } as const;
  const patience = { patience: 6, watch: "devLoss" } as const;
  const net = () => sequential([dense(24), relu(), dense(3)]);
  type Ended = History<Epoch<typeof dev>>;

  const bestOf = async (model: Model, { epochs, best }: Pick<Ended, "epochs" | "best">) => {
    expect(best.devError).toBe(Math.min(...epochs.map(({ devError }) => devError).filter(Number.isFinite)));
    const now = await model.evaluate(dev);
    expect(now.error).toBeCloseTo(best.devError, 6);
    expect(now.loss).toBeCloseTo(best.devLoss, 5);
    return best;
  };

  it("11 early stopping ends after patience epochs without a better value, with the model of the lowest dev error", async () => {
    const model = net();
    const history = await model.fit(train, { ...options, epochs: 60, earlyStopping: patience });
    expect(history.stoppedBecause).toBe("early stopping");
    const losses = history.epochs.map(({ devLoss }) => devLoss);
    expect(losses.length - 1 - losses.indexOf(Math.min(...losses))).toBe(6);
    expect((await bestOf(model, history)).epoch).toBeLessThanOrEqual(history.last.epoch);
  });

  it("11 early stopping gives the best whatever ended the run: the epochs, a stop, a signal, numbers that are not finite", async () => {
    vi.spyOn(console, "error").mockImplementation(() => undefined);
    const earlyStopping = { ...patience, patience: 1000 };
    const ends: Record<string, (model: Model) => Promise<Pick<Ended, "epochs" | "best">>> = {
      epochs: (model) => model.fit(train, { ...options, epochs: 14, earlyStopping }),
      stop: (model) =>
        model.fit(train, { ...options, epochs: 60, earlyStopping, onEpoch: ({ epoch }, run) => (epoch === 14 ? run.stop() : undefined) }),
      signal: async (model) => {
        const abort = new AbortController();
        const epochs: Epoch<typeof dev>[] = [];
        const onEpoch = (epoch: Epoch<typeof dev>) => {
          epochs.push(epoch);
          if (epoch.epoch === 14) abort.abort(new Error("enough"));
        };
        const fit: FitOptions<typeof dev> = { ...options, epochs: 60, earlyStopping, signal: abort.signal, onEpoch };
        await expect(model.fit(train, fit)).rejects.toThrow("enough");
        const better = (a: Epoch<typeof dev>, b: Epoch<typeof dev>) =>
          b.devError < a.devError || (b.devError === a.devError && b.devLoss < a.devLoss) ? b : a;
        return { epochs: epochs as unknown as Ended["epochs"], best: epochs.reduce(better) };
      },
      "not finite": (model) =>
        model.fit(train, {
          ...options,
          epochs: 60,
          earlyStopping,
          onEpoch: ({ epoch }, run) => (epoch === 14 ? run.set({ learningRate: 1e38 }) : undefined),
        }),
    };
    for (const [how, end] of Object.entries(ends)) {
      const model = net();
      const history = await end(model);
      if ("stoppedBecause" in history) expect(history.stoppedBecause, how).toBe(how);
      const best = await bestOf(model, history);
      expect(best.epoch, how).toBeLessThan((history.epochs.at(-1) as Epoch).epoch);
    }
  });

  it("11 early stopping: minDelta, and restoreBest off", async () => {
    const model = net();
    const history = await model.fit(train, {
      ...options,
      epochs: 60,
      earlyStopping: { ...patience, minDelta: 10, patience: 3, restoreBest: false },
    });
    // Nothing is better by 10: the first value counts, then three epochs pass.
    expect(history.last.epoch).toBe(4);
    expect((await model.evaluate(dev)).loss).toBeCloseTo(history.last.devLoss, 5);
  });
});
