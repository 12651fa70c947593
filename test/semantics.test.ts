// Promises of the API about values, boxes, state and runs that are easy to break silently.
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  adam,
  compile,
  crossEntropy,
  type Dataset,
  dataset,
  dense,
  dropout,
  gradients,
  init,
  input,
  l2,
  lambda,
  layer,
  loadModel,
  type Metric,
  type Model,
  meanAbsoluteError,
  meanSquaredError,
  metrics,
  ones,
  randomNormal,
  randomUniform,
  relu,
  scalar,
  sequential,
  sgd,
  type Tensor,
  variable,
} from "minibatch";
import { describe, expect, it } from "vitest";

const x = randomNormal([24, 3], { seed: 5 });
const classes = dataset(
  x,
  Int32Array.from({ length: 24 }, (_, i) => i % 2),
);
const real = dataset(x, x.slice([0, 0], [24, 1]).reshape([24]));
const weights = (model: Model) => model.parameters().map((p) => Array.from(p.data()));

describe("tensors", () => {
  it("are padded with any number, the infinite ones too, and the gradient leaves it out", () => {
    const w = variable([1, -2]);
    const padded = w.pad([1], [2], -Infinity);
    expect([...padded.data()]).toEqual([-Infinity, 1, -2, -Infinity, -Infinity]);
    expect(padded.max().item()).toBe(1);
    expect([...gradients(padded.max(), [w])[0].data()]).toEqual([1, 0]);
    expect([...w.pad([0], [1], Number.NaN).data()]).toEqual([1, -2, Number.NaN]);
  });

  it("of whole numbers are drawn as evenly below 0 as above", () => {
    const counts = (drawn: Tensor) => {
      const found = new Map<number, number>();
      for (const x of drawn.data()) found.set(x, (found.get(x) ?? 0) + 1);
      return found;
    };
    const n = 60_000;
    const even = counts(randomUniform([n], { seed: 1, low: -3, high: 3, dtype: "i32" }));
    expect([...even.keys()].sort((a, b) => a - b)).toEqual([-3, -2, -1, 0, 1, 2]);
    // A sixth each; the deviation of a count is 91.
    for (const count of even.values()) expect(Math.abs(count - n / 6)).toBeLessThan(500);
    // Rounded: P(0) = P(|z| < 1/2) = 0.3829 for deviation 1, not the 0.6827 within 1 that cutting off would give.
    const normal = counts(randomNormal([n], { seed: 1, dtype: "i32" }));
    expect(Math.abs((normal.get(0) as number) / n - 0.3829)).toBeLessThan(0.01);
  });
});

describe("values and boxes in compiled functions", () => {
  it("what was read before keeps its value; what is read inside follows the variable", () => {
    const w = variable(1);
    const kept = w.value();
    const earlier = w.mul(10);
    const f = compile((a: Tensor) => a.mul(kept).add(earlier).add(w.mul(100)));
    expect(f(scalar(1)).item()).toBe(111);
    w.assign(5);
    expect(f(scalar(1)).item()).toBe(511);
    expect([kept.item(), earlier.item()]).toEqual([1, 10]);
  });

  it("detach follows the variable and stops its gradient", () => {
    const w = variable(1);
    const f = compile((a: Tensor) => a.add(w.detach()));
    f(scalar(1));
    w.assign(5);
    expect(f(scalar(1)).item()).toBe(6);
    const step = sgd({ learningRate: 1 }).minimize(() => w.mul(w.detach()), [w]);
    step();
    expect(w.item()).toBe(0);
  });

  it("dropout draws a new mask at every call of a traced loop", () => {
    const model = sequential([dropout({ rate: 0.5 }), dense(1)]).build({ shape: [64] });
    const step = sgd({ learningRate: 1e-9 }).minimize((a: Tensor) => model.forward(a, { training: true }).sum(), model.parameters());
    const costs = [1, 2, 3].map(() => step(ones([4, 64])).item());
    expect(new Set(costs).size).toBe(3);
  });

  it("an optimizer counts steps for each variable", () => {
    const [a, b] = [variable(0), variable(0)];
    const one = adam({ learningRate: 0.1 });
    one.apply([a], [scalar(1)]);
    one.apply([b], [scalar(1)]);
    expect(b.item()).toBe(a.item());
    const twice = compile(() => {
      one.apply([a], [scalar(1)]);
      one.apply([a], [scalar(1)]);
      return scalar(0);
    });
    expect(() => twice()).toThrow("is moved twice in one traced function");
  });
});

describe("state of layers", () => {
  const fitted = async (forward: Parameters<typeof layer>[1], steps = 4): Promise<Record<string, number[]>> => {
    const model = sequential([layer("stateful", forward)(), dense(2)]);
    await model.fit(classes, { loss: crossEntropy(), optimizer: sgd({ learningRate: 0.1 }), epochs: steps, batchSize: "all" });
    const folder = mkdtempSync(join(tmpdir(), "minibatch-"));
    try {
      await model.save(join(folder, "m.safetensors"));
      const { decodeSafetensors } = await import("../src/io/safetensors.ts");
      const { readFile } = await import("../src/io/file.ts");
      const { tensors } = decodeSafetensors(await readFile("test", join(folder, "m.safetensors")));
      return Object.fromEntries([...tensors].map(([name, t]) => [name, Array.from(t.data)]));
    } finally {
      rmSync(folder, { recursive: true });
    }
  };

  it("assignments take effect together: a shift register shifts, a swap swaps", async () => {
    const shifted = await fitted((a, { state }) => {
      const [p, q] = [state("p", [1]), state("q", [1])];
      q.assign(p);
      p.assign(p.add(1));
      return a;
    });
    expect([shifted["stateful_1.p"], shifted["stateful_1.q"]]).toEqual([[4], [3]]);
    const swapped = await fitted((a, { state }) => {
      const [p, q] = [state("p", [1], { init: init.constant(1) }), state("q", [1], { init: init.constant(2) })];
      p.assign(q);
      q.assign(p);
      return a;
    }, 1);
    expect([swapped["stateful_1.p"], swapped["stateful_1.q"]]).toEqual([[2], [1]]);
  });

  it("takes numbers and other dtypes, and refuses another shape", async () => {
    const got = await fitted((a, { state }) => {
      state("p", [1]).assign([3]);
      state("q", [2]).assign(a.argMax(1).slice([0], [2]).mul(0).add(7));
      expect(state("p", [1]).value().shape).toEqual([1]);
      return a;
    });
    expect([got["stateful_1.p"], got["stateful_1.q"]]).toEqual([[3], [7, 7]]);
    await expect(
      fitted((a, { state }) => {
        state("p", [1]).assign(a.reshape([-1]));
        return a;
      }),
    ).rejects.toThrow("state stateful_1.p has shape [1], got [");
  });

  it("options of param and state are checked", async () => {
    const bad = (options: object) => sequential([layer("own", (a, { param }) => a.mul(param("w", [3], options)))()]).build({ shape: [3] });
    expect(() => bad({ trainabel: false })).toThrow('unknown option "trainabel", did you mean "trainable"?');
    expect(() => bad({ init: "he" })).toThrow('own_1: param("w"): init must be an initialiser such as init.he(), got "he"');
  });

  it("a variable captured by a layer is refused by name", () => {
    const w = variable(2, { name: "w" });
    expect(() => sequential([lambda((a) => a.mul(w))]).build({ shape: [3] })).toThrow("a layer uses the variable w");
    expect(
      sequential([lambda((a) => a.mul(w.detach()))])
        .build({ shape: [3] })
        .predictSync([1, 2, 3])
        .toArray(1),
    ).toEqual([2, 4, 6]);
  });
});

describe("fit", () => {
  const train = (model: Model, seed: number, data: Dataset = classes) =>
    model.fit(data, { loss: crossEntropy(), optimizer: sgd({ learningRate: 1e-9 }), epochs: 1, seed });

  it("the seed decides the weights, with and without an input layer", async () => {
    const once = async (seed: number, layers: Parameters<typeof sequential>[0]) => {
      const model = sequential(layers);
      await train(model, seed);
      return weights(model)[0]?.[0];
    };
    expect(await once(1, [input({ shape: [3] }), dense(2)])).toBe(await once(1, [dense(2)]));
    expect(await once(1, [input({ shape: [3] }), dense(2)])).not.toBe(await once(2, [input({ shape: [3] }), dense(2)]));
  });

  it("a refused fit leaves the model as it was", async () => {
    const model = sequential([dense(2)]);
    expect(() => train(model, 1, dataset(randomNormal([4, 5], { seed: 1 }), [0, 1, 2, 0]))).toThrow("out of range");
    await train(model, 1);
    expect(model.parameters()[0]?.shape).toEqual([3, 2]);
  });

  it("labels [m] go with outputs [m, 1] in metrics too", async () => {
    const absolute: Metric = Object.assign((a: Tensor, b: Tensor) => a.sub(b).abs().mean(), { kind: "absolute" });
    const model = sequential([dense(1)]);
    const history = await model.fit(real, {
      dev: real,
      loss: meanAbsoluteError(),
      optimizer: sgd({ learningRate: 1e-9 }),
      epochs: 1,
      metrics: { absolute },
    });
    expect(history.last.devMetrics.absolute).toBeCloseTo(history.last.devLoss, 5);
    expect(history.last.trainMetrics.absolute).toBeCloseTo(history.last.trainLoss, 5);
    expect((await model.evaluate(real, { metrics: { absolute } })).metrics.absolute).toBeCloseTo(history.last.devLoss, 5);
  });

  it("a metric of more than one number is refused by name", async () => {
    const run = sequential([dense(2)]).fit(classes, {
      loss: crossEntropy(),
      optimizer: adam(),
      epochs: 1,
      metrics: { confusion: metrics.confusionMatrix as unknown as Metric },
    });
    await expect(run).rejects.toThrow("metrics.confusion: a metric must give one number, got shape [2, 2]");
  });

  it("the regulariser's term survives saving", async () => {
    const folder = mkdtempSync(join(tmpdir(), "minibatch-"));
    try {
      const model = sequential([dense(4), relu(), dense(2)]);
      await model.fit(classes, { loss: crossEntropy(), optimizer: sgd({ learningRate: 0.01 }), epochs: 1, regularizer: l2(5) });
      await model.save(join(folder, "m.safetensors"));
      expect(existsSync(join(folder, "m.safetensors"))).toBe(true);
      expect(await (await loadModel(join(folder, "m.safetensors"))).evaluate(classes)).toEqual(await model.evaluate(classes));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("divergence in the very last step is seen, and the weights stay finite", async () => {
    const model = sequential([dense(1)]);
    const history = await model.fit(real, {
      loss: meanSquaredError(),
      optimizer: sgd({ learningRate: 3e38 }),
      epochs: 1,
      batchSize: "all",
    });
    expect(history.stoppedBecause).toBe("not finite");
    expect(weights(model).flat().every(Number.isFinite)).toBe(true);
  });
});

describe("runs", () => {
  const begin = (options: object = {}) =>
    sequential([dense(2)]).fit(classes, { loss: crossEntropy(), optimizer: adam(), epochs: 50, batchSize: 8, ...options });

  it("a paused run can be aborted", async () => {
    const controller = new AbortController();
    const run = begin({ signal: controller.signal, onEpoch: (_: unknown, r: { pause(): void }) => r.pause() });
    setTimeout(() => controller.abort(new Error("enough")), 30);
    await expect(run).rejects.toThrow("enough");
  });

  it("two next() calls at once get two epochs", async () => {
    const run = begin();
    const reader = run[Symbol.asyncIterator]();
    const both = await Promise.all([reader.next(), reader.next()]);
    expect(both.map((r) => (r.done ? 0 : r.value.epoch))).toEqual([1, 2]);
    await reader.return?.();
    expect((await reader.next()).done).toBe(true);
  });

  it("a stop between two epochs adds no empty epoch", async () => {
    for (let turns = 0; turns < 8; turns++) {
      const run = begin();
      const reader = run[Symbol.asyncIterator]();
      await reader.next();
      const next = reader.next();
      for (let i = 0; i < turns; i++) await null;
      run.stop();
      const history = await run;
      await next;
      for (const epoch of history.epochs) expect(epoch.trainLoss, `after ${turns} turns`).toBeGreaterThan(0);
    }
  });

  it("a failure after a loop was left is not swallowed", async () => {
    const run = begin({
      onEpoch: (epoch: { epoch: number }) => {
        if (epoch.epoch === 2) throw new Error("late");
      },
    });
    const reader = run[Symbol.asyncIterator]();
    await reader.next();
    await reader.next().catch(() => undefined);
    await expect(run).rejects.toThrow("late");
  });

  it("early stopping keeps its word when the run is aborted", async () => {
    const dev = dataset(
      randomNormal([30, 3], { seed: 8 }),
      Int32Array.from({ length: 30 }, (_, i) => (i * 7) % 2),
    );
    const model = sequential([dense(8), relu(), dense(2)]);
    const controller = new AbortController();
    const errors: number[] = [];
    const run = model.fit(classes, {
      dev,
      loss: crossEntropy(),
      optimizer: adam({ learningRate: 0.1 }),
      epochs: 100,
      batchSize: 4,
      signal: controller.signal,
      earlyStopping: { patience: 100 },
      onEpoch: (epoch) => {
        errors.push(epoch.devError);
        if (epoch.epoch === 12) controller.abort(new Error("enough"));
      },
    });
    await expect(run).rejects.toThrow("enough");
    expect((await model.evaluate(dev)).error).toBeCloseTo(Math.min(...errors), 6);
  });
});
