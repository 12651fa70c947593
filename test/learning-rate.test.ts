// The learning-rate range test: it makes the steps that fit would make, finds where the loss falls, and changes nothing.
import {
  adam,
  batchNorm,
  crossEntropy,
  dataset,
  dense,
  dropout,
  findLearningRate,
  type Model,
  randomNormal,
  relu,
  sequential,
  sgd,
} from "minibatch";
import { describe, expect, it, vi } from "vitest";

const x = randomNormal([100, 4], { seed: 3 });
const train = dataset(
  x,
  x.toArray(2).map(([a = 0, b = 0]) => (a * b > 0 ? 1 : 0)),
);
const net = (keepProb = 0.8): Model => sequential([dense(8), batchNorm(), relu(), dropout({ keepProb }), dense(2)]);
const bits = (model: Model) => model.parameters().map((parameter) => Buffer.from(parameter.data("f32").buffer).toString("hex"));

describe("findLearningRate", () => {
  const options = { loss: crossEntropy(), optimizer: sgd({ learningRate: 1 }), batchSize: 20, seed: 1 };

  it("finds where the loss falls fastest, below where it is lowest, and stops where it diverges", async () => {
    const model = net(1);
    const curve = await findLearningRate(model, train, { ...options, from: 1e-4, to: 1e4, steps: 120 });
    const { points, suggestion, lowest, stoppedBecause } = curve;
    expect(stoppedBecause).toBe("diverged");
    expect(points.length).toBeLessThan(120);
    expect(points[0]?.learningRate).toBe(1e-4);
    expect((points[1]?.learningRate as number) / 1e-4).toBeCloseTo(1e8 ** (1 / 119), 10);
    expect(suggestion).toBeGreaterThan(1e-3);
    expect(suggestion).toBeLessThanOrEqual(lowest);
    const least = Math.min(...points.map(({ smoothed }) => smoothed));
    expect(points.find(({ learningRate }) => learningRate === lowest)?.smoothed).toBe(least);
    for (const { smoothed } of points) expect(smoothed).toBeLessThanOrEqual(4 * least * 1.5);
    expect(await findLearningRate(net(1), train, { ...options, from: 1e-4, to: 1e4, steps: 120, threads: 1 })).toEqual(curve);
  });

  it("makes the steps that fit would make at those rates", async () => {
    const { points } = await findLearningRate(net(), train, { ...options, from: 0.01, to: 1, steps: 20, beta: 0 });
    const seen: number[] = [];
    // Batches of 20 of 100 rows: whole ones only.
    await net().fit(train, {
      ...options,
      optimizer: sgd({ learningRate: ({ step }) => 0.01 * 100 ** ((step - 1) / 19) }),
      epochs: 4,
      onStep: ({ loss }) => seen.push(loss),
    });
    expect(points.map(({ loss }) => loss)).toEqual(seen);
    expect(points.map(({ smoothed }) => smoothed)).toEqual(seen);
  });

  it("leaves the model as it was, and starts from its weights", async () => {
    const model = net();
    await model.fit(train, { ...options, optimizer: adam({ learningRate: 0.02 }), epochs: 6 });
    const before = bits(model);
    const trained = await findLearningRate(model, train, options);
    expect(bits(model)).toEqual(before);
    const fresh = await findLearningRate(net(), train, options);
    expect(trained.points[0]?.loss).toBeLessThan(fresh.points[0]?.loss as number);
    // A model without weights has none after it either.
    const bare = net();
    await findLearningRate(bare, train, options);
    expect(() => bare.parameters()).toThrow(/no weights yet/);
  });

  it("looks at each loss a few times, however many steps there are", async () => {
    const looks = vi.spyOn(Number, "isFinite");
    const steps = 3000;
    const { points } = await findLearningRate(net(), train, { ...options, from: 1e-9, to: 1e-6, steps });
    const count = looks.mock.calls.length;
    looks.mockRestore();
    expect(points).toHaveLength(steps);
    expect(count).toBeLessThan(40 * steps);
  });

  it("has no suggestion where the loss never falls", async () => {
    // Without dropout, of all rows, at rates that change no weight: the same loss in every step.
    const { suggestion, points } = await findLearningRate(net(1), train, {
      ...options,
      from: 1e-30,
      to: 1e-29,
      steps: 10,
      beta: 0,
      batchSize: "all",
      shuffle: false,
    });
    expect(new Set(points.map(({ loss }) => loss)).size).toBe(1);
    expect(suggestion).toBeUndefined();
  });

  it.each([
    [undefined, /^findLearningRate: options must have at least loss and optimizer/],
    [{ loss: crossEntropy() }, /option optimizer is missing/],
    [{ ...options, epochs: 5 }, /^findLearningRate: unknown option "epochs"/],
    [{ ...options, from: 0 }, /^findLearningRate: from must be a finite number above 0, got 0/],
    [{ ...options, from: 1, to: 1 }, /^findLearningRate: to must be a finite number above 1, got 1/],
    [{ ...options, to: Number.NaN }, /^findLearningRate: to must be a finite number above 0.000001, got NaN/],
    [{ ...options, from: 1e-300, to: 1e10 }, /^findLearningRate: to \/ from must be a finite number, got from 1e-300 and to 10000000000/],
    [{ ...options, steps: 5 }, /^findLearningRate: steps must be a whole number from 10 to 100000, got 5/],
    [{ ...options, beta: 1 }, /^findLearningRate: beta must be a finite number from 0 below 1, got 1/],
  ])("refuses %j", async (wrong, says) => {
    await expect(findLearningRate(net(), train, wrong as never)).rejects.toThrow(says);
  });
});
