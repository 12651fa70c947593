// The contract of a Run: awaiting, looping, stopping, pausing, marks, failures. Small data, either back end.

import {
  adam,
  BusyError,
  batchNorm,
  crossEntropy,
  dataset,
  dense,
  dropout,
  type Epoch,
  type Model,
  meanSquaredError,
  momentum,
  type Run,
  randomNormal,
  relu,
  sequential,
  sgd,
  tensor,
} from "minibatch";
import { describe, expect, it, vi } from "vitest";

const rows = 96;
const x = randomNormal([rows, 4], { seed: 3 });
const labels = Int32Array.from({ length: rows }, (_, i) => {
  const data = x.data();
  return (data[i * 4] as number) + (data[i * 4 + 1] as number) > 0 ? 1 : 0;
});
const train = dataset(x, labels);

function small(): Model {
  return sequential([dense(8), batchNorm(), relu(), dropout({ keepProb: 0.9 }), dense(2)]);
}

function start(model: Model, options: { epochs?: number; learningRate?: number } = {}): Run<Epoch> {
  return model.fit(train, {
    loss: crossEntropy(),
    optimizer: momentum({ learningRate: options.learningRate ?? 0.1 }),
    epochs: options.epochs ?? 5,
    batchSize: 16,
    seed: 1,
  }) as unknown as Run<Epoch>;
}

const weights = (model: Model) => model.parameters().map((p) => Array.from(p.data()));

describe("clipping by norm", () => {
  // Biases of 8 and 2 elements lie 16 apart: what is between them is no gradient, whatever lay there before.
  it("sees the norm of the gradients and nothing that lies between them", async () => {
    const norms = async (options: { clipNorm?: number }) => {
      const seen: number[] = [];
      const onStep = ({ gradientNorm }: { gradientNorm: number }) => void seen.push(gradientNorm);
      const model = small();
      await model.fit(train, { loss: crossEntropy(), optimizer: sgd({ learningRate: 0.1 }), epochs: 2, batchSize: 20, onStep, ...options });
      return { seen, weights: weights(model) };
    };
    const free = await norms({});
    // A limit that is never reached changes nothing.
    const limited = await norms({ clipNorm: 2 * Math.max(...free.seen) });
    expect(limited.seen.map((n) => n.toPrecision(5))).toEqual(free.seen.map((n) => n.toPrecision(5)));
    expect(limited.weights).toEqual(free.weights);
  });
});

describe("a run", () => {
  it("resolves to a history, and awaiting twice gives the same one", async () => {
    const run = start(small());
    const history = await run;
    expect(await run).toBe(history);
    expect(history.epochs).toHaveLength(5);
    expect(history.epochs.map((e) => e.epoch)).toEqual([1, 2, 3, 4, 5]);
    expect(history.last.step).toBe(5 * 6);
    expect(history.stoppedBecause).toBe("epochs");
    expect(history.last.trainLoss).toBeLessThan(history.epochs[0].trainLoss);
    expect(history.last.devError).toBeUndefined();
  });

  it("gives finished epochs to every loop, early or late", async () => {
    const run = start(small());
    const seen: number[][] = [[], []];
    const follow = async (list: number[]) => {
      for await (const epoch of run) list.push(epoch.epoch);
    };
    await Promise.all([follow(seen[0] as number[]), follow(seen[1] as number[])]);
    const late: number[] = [];
    await follow(late);
    expect(seen).toEqual([
      [1, 2, 3, 4, 5],
      [1, 2, 3, 4, 5],
    ]);
    expect(late).toEqual([1, 2, 3, 4, 5]);
  });

  it("waits at the end of an epoch while a loop works on it, so that stop() takes effect exactly there", async () => {
    const run = start(small(), { epochs: 50 });
    for await (const epoch of run) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      if (epoch.epoch === 3) run.stop();
    }
    const history = await run;
    expect(history.epochs).toHaveLength(3);
    expect(history.stoppedBecause).toBe("stop");
    expect(history.interventions).toEqual([{ step: 18, what: "stop" }]);
  });

  it("set() in a loop's body is reproducible", async () => {
    const once = async () => {
      const model = small();
      const run = start(model, { epochs: 6 });
      for await (const epoch of run) if (epoch.epoch === 2) run.set({ learningRate: 0.01 });
      const history = await run;
      return { history, weights: weights(model) };
    };
    const [a, b] = [await once(), await once()];
    expect(a.weights).toEqual(b.weights);
    expect(a.history.interventions).toEqual([{ step: 12, what: "set", value: { learningRate: 0.01 } }]);
    expect(a.history.epochs.map((e) => Math.fround(e.learningRate))).toEqual([0.1, 0.1, 0.01, 0.01, 0.01, 0.01].map(Math.fround));
  });

  it("awaiting the run inside a loop releases it", async () => {
    const run = start(small());
    let epochs = 0;
    for await (const epoch of run) {
      if (epoch.epoch === 1) epochs = (await run).epochs.length;
    }
    expect(epochs).toBe(5);
  });

  it("leaving a loop early stops the run, and another fit may follow at once", async () => {
    const model = small();
    const run = start(model, { epochs: 100 });
    for await (const epoch of run) if (epoch.epoch === 2) break;
    const again = start(model, { epochs: 1 });
    expect((await run).stoppedBecause).toBe("stop");
    expect((await run).epochs).toHaveLength(2);
    await again;
  });

  it("a throw in the loop's body stops the run and comes out", async () => {
    const run = start(small(), { epochs: 100 });
    await expect(async () => {
      for await (const epoch of run) if (epoch.epoch === 2) throw new Error("mine");
    }).rejects.toThrow("mine");
    expect((await run).stoppedBecause).toBe("stop");
  });

  it("stop() before the first step still records an epoch", async () => {
    const run = start(small());
    run.stop();
    const history = await run;
    expect(history.epochs).toHaveLength(1);
    expect(history.last.step).toBe(1);
    expect(Number.isFinite(history.last.trainLoss)).toBe(true);
  });

  it("pause() holds the steps until resume()", async () => {
    const run = start(small(), { epochs: 3 });
    run.pause();
    let settled = false;
    void run.then(() => {
      settled = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(settled).toBe(false);
    run.resume();
    const history = await run;
    expect(history.interventions.map((i) => i.what)).toEqual(["pause", "resume"]);
    expect(history.epochs).toHaveLength(3);
  });

  it("a paused run can be stopped", async () => {
    const run = start(small(), { epochs: 1000 });
    run.pause();
    await new Promise((resolve) => setTimeout(resolve, 30));
    run.stop();
    expect((await run).stoppedBecause).toBe("stop");
  });

  it("revert() goes back to what mark() kept, optimizer state included", async () => {
    const straight = small();
    await start(straight, { epochs: 4 });
    const model = small();
    const run = start(model, { epochs: 4 });
    const at: number[][][] = [];
    for await (const epoch of run) {
      if (epoch.epoch === 2) {
        at.push(weights(model));
        const mark = run.mark("two");
        await Promise.resolve();
        await mark;
      }
      if (epoch.epoch === 4) {
        await run.revert("two");
      }
    }
    const history = await run;
    expect(history.interventions.map((i) => [i.what, i.step])).toEqual([
      ["mark", 12],
      ["revert", 24],
    ]);
    expect(weights(model)).toEqual(at[0]);
    await expect(run.revert("two")).rejects.toThrow("has ended");
  });

  it("revert() to an unknown mark names those there are", async () => {
    const run = start(small(), { epochs: 2 });
    for await (const epoch of run) {
      if (epoch.epoch !== 1) continue;
      await run.mark("first");
      await expect(run.revert("frist")).rejects.toThrow('no mark named "frist"; there are "first"');
    }
  });

  it("an aborted signal rejects with its reason and leaves the model usable", async () => {
    const model = small();
    const controller = new AbortController();
    const run = model.fit(train, { loss: crossEntropy(), optimizer: adam(), epochs: 100000, signal: controller.signal });
    setTimeout(() => controller.abort(new Error("enough")), 40);
    await expect(run).rejects.toThrow("enough");
    expect(model.predictSync([0, 0, 0, 0]).shape).toEqual([2]);
    await expect(model.fit(train, { loss: crossEntropy(), optimizer: adam(), epochs: 1, signal: controller.signal })).rejects.toThrow(
      "enough",
    );
  });

  it("a failure of onEpoch rejects the run and counts as handled when a loop got it", async () => {
    const run = small().fit(train, {
      loss: crossEntropy(),
      optimizer: adam(),
      epochs: 5,
      onEpoch: (epoch) => {
        if (epoch.epoch === 2) throw new Error("callback");
      },
    });
    const seen: number[] = [];
    await expect(async () => {
      for await (const epoch of run) seen.push(epoch.epoch);
    }).rejects.toThrow("callback");
    expect(seen).toEqual([1, 2]);
  });

  it("keeps the weights of the last finite epoch when numbers are not finite any more", async () => {
    const warn = vi.spyOn(console, "error").mockImplementation(() => undefined);
    const model = sequential([dense(8), relu(), dense(1)]);
    model.build({ shape: [4], seed: 1 });
    const before = weights(model);
    const history = await model.fit(dataset(x, x.slice([0, 0], [rows, 1])), {
      loss: meanSquaredError(),
      optimizer: sgd({ learningRate: 1e6 }),
      epochs: 20,
      batchSize: 8,
    });
    expect(history.stoppedBecause).toBe("not finite");
    expect(history.epochs.length).toBeGreaterThanOrEqual(1);
    expect(weights(model).flat().every(Number.isFinite)).toBe(true);
    if (history.epochs.length === 1) expect(weights(model)).toEqual(before);
    expect(warn.mock.calls.flat().join()).toContain("not finite");
    warn.mockRestore();
  });

  it("a second fit while one runs is a BusyError; predict goes on meanwhile", async () => {
    const model = small();
    const run = start(model, { epochs: 1_000_000 });
    expect(() => start(model)).toThrow(BusyError);
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect((await model.predict(x)).shape).toEqual([rows, 2]);
    expect(() => model.parameters()[0]?.assign(tensor(new Float32Array(32), { shape: [4, 8] }))).toThrow(BusyError);
    run.stop();
    await run;
  });

  it("an optimizer is a recipe: two fits with one do not share state", async () => {
    const recipe = adam({ learningRate: 0.01 });
    const once = async () => {
      const model = small();
      await model.fit(train, { loss: crossEntropy(), optimizer: recipe, epochs: 2, seed: 4 });
      return weights(model);
    };
    expect(await once()).toEqual(await once());
  });

  it("early stopping gives the weights of the best epoch", async () => {
    const dev = dataset(
      randomNormal([40, 4], { seed: 9 }),
      Int32Array.from({ length: 40 }, (_, i) => i % 2),
    );
    const model = small();
    const history = await model.fit(train, {
      dev,
      loss: crossEntropy(),
      optimizer: adam({ learningRate: 0.05 }),
      epochs: 60,
      batchSize: 16,
      earlyStopping: { patience: 4, watch: "devLoss" },
      seed: 2,
    });
    expect(history.stoppedBecause).toBe("early stopping");
    expect(history.epochs.length).toBeLessThan(60);
    const after = await model.evaluate(dev);
    expect(after.error).toBeCloseTo(history.best.devError, 6);
    expect(after.loss).toBeCloseTo(history.best.devLoss, 5);
  });
});
