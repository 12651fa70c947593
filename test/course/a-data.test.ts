// Section A of the course, data and diagnosis, in the order of its rows; each test begins with the row's number.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { adam, crossEntropy, type Dataset, dataset, dense, diagnose, loadModel, relu, sequential, tensor } from "minibatch";
import { compareDistributions, iris, kFold, split, standardize, suggestSplit } from "minibatch/data";
import { afterAll, describe, expect, it } from "vitest";
import { draw, normal } from "../../src/random.ts";

/** Rows that carry their own number, of some classes. */
const numbered = (m: number, classes = 3) =>
  dataset(
    Float32Array.from({ length: m }, (_, i) => i),
    Int32Array.from({ length: m }, (_, i) => i % classes),
  );
const numbersIn = (...sets: readonly Dataset[]) => sets.flatMap(({ x }) => [...x.data()]).sort((a, b) => a - b);
const all = (m: number) => Array.from({ length: m }, (_, i) => i);

describe("1 train, dev and test", () => {
  const ratios = [
    [0.6, 0.2, 0.2],
    [0.98, 0.01, 0.01],
    [0.995, 0.0025, 0.0025],
  ] as const;
  it.each(ratios)("1 split %d / %d / %d: sizes as asked for, no row in two sets, none lost", (train, dev, test) => {
    for (const m of [1000, 1237, 4000]) {
      for (const stratify of [false, true]) {
        const parts = split(numbered(m), { train, dev, test, stratify, seed: m });
        expect(parts.dev.x.size(0)).toBe(Math.round(dev * m));
        expect(parts.test.x.size(0)).toBe(Math.round(test * m));
        expect(numbersIn(parts.train, parts.dev, parts.test)).toEqual(all(m));
      }
    }
  });

  it("1 split 70 / 30 without a dev set, and by counts", () => {
    const parts = split(numbered(200), { train: 0.7, test: 0.3, seed: 1 });
    expect([parts.train.x.size(0), parts.test.x.size(0)]).toEqual([140, 60]);
    expect(numbersIn(parts.train, parts.test)).toEqual(all(200));
    const counted = split(numbered(200), { dev: 17, test: 3, seed: 1 });
    expect([counted.train.x.size(0), counted.dev.x.size(0), counted.test.x.size(0)]).toEqual([180, 17, 3]);
  });

  it("1 kFold: every row is a dev row once and a training row k - 1 times", () => {
    for (const k of [2, 3, 10]) {
      const folds = kFold(numbered(61), { k, stratify: true, seed: k });
      expect(numbersIn(...folds.map(({ dev }) => dev))).toEqual(all(61));
      for (const { train, dev } of folds) expect(numbersIn(train, dev)).toEqual(all(61));
    }
  });

  it("1 suggestSplit: 60/20/20 under 100,000 rows; from a million on dev and test of 10,000 rows each", () => {
    for (const m of [10, 1000, 99_999]) expect(suggestSplit(m)).toEqual({ train: 0.6, dev: 0.2, test: 0.2 });
    expect(suggestSplit(1_000_000)).toEqual({ train: 0.98, dev: 0.01, test: 0.01 });
    const four = suggestSplit(4_000_000);
    expect([four.train, four.dev, four.test]).toEqual([0.995, 0.0025, 0.0025]);
    for (const m of [100_000, 300_000, 5_000_000]) {
      const { train, dev, test } = suggestSplit(m);
      expect([Math.round(dev * m), Math.round(test * m)]).toEqual([10_000, 10_000]);
      expect(train + dev + test).toBeCloseTo(1, 12);
    }
  });
});

describe("2 one distribution for dev and test", () => {
  const width = 5;
  /** Normal features and labels of four classes; with a planted shift of one feature and of the labels. */
  const sample = (seed: number, m: number, shift = 0, skew = 0): Dataset => {
    const x = new Float32Array(m * width);
    normal({ seed, purpose: "tensor" }, x);
    for (let i = 0; i < m; i++) x[i * width + 2] = (x[i * width + 2] as number) + shift;
    const label = (i: number) =>
      draw({ seed, purpose: "tensor", site: 2 }, i) < skew ? 0 : Math.floor(4 * draw({ seed, purpose: "tensor", site: 1 }, i));
    return dataset(
      tensor(x, { shape: [m, width] }),
      Int32Array.from({ length: m }, (_, i) => label(i)),
    );
  };

  it("2 compareDistributions: 1,000 pairs of equal distributions give false alarms at the nominal rate of 5%", () => {
    let alarms = 0;
    for (let trial = 0; trial < 1000; trial++) {
      if (!compareDistributions(sample(2 * trial, 60), sample(2 * trial + 1, 50)).same) alarms++;
    }
    // 50 expected, standard deviation 6.9; the correction and the discreteness of the tests may only lower it.
    expect(alarms).toBeLessThanOrEqual(50 + 3 * 6.9);
    expect(alarms).toBeGreaterThanOrEqual(20);
  });

  it("2 compareDistributions: a planted shift of a feature and of the labels is found and named, and no other", () => {
    const named = (shift: number, skew: number) =>
      Array.from({ length: 50 }, (_, trial) => {
        const { features } = compareDistributions(sample(5000 + 2 * trial, 300), sample(5001 + 2 * trial, 300, shift, skew));
        return features.filter(({ differs }) => differs).map(({ name }) => name);
      });
    const exactly = (found: readonly string[][], names: readonly string[]) => found.filter((some) => some.join() === names.join()).length;
    expect(exactly(named(0.6, 0), ["x[2]"])).toBeGreaterThanOrEqual(46);
    expect(exactly(named(0, 0.35), ["y"])).toBeGreaterThanOrEqual(46);
    expect(exactly(named(0.6, 0.35), ["x[2]", "y"])).toBeGreaterThanOrEqual(45);
  });
});

describe("3 bias and variance", () => {
  const cases = [
    [0.01, 0.015, "good fit"],
    [0.15, 0.16, "high bias"],
    [0.01, 0.15, "high variance"],
    [0.15, 0.3, "high bias and high variance"],
  ] as const;

  it.each(cases)("3 diagnose: train %d, dev %d over a baseline of 0.01 is a %s", (trainError, devError, verdict) => {
    expect(diagnose({ trainError, devError, baselineError: 0.01 }).verdict).toBe(verdict);
    expect(diagnose({ trainError, devError, baselineError: 0.01, trainSize: 60_000, devSize: 10_000 }).verdict).toBe(verdict);
  });

  it("3 diagnose: with 50 dev examples it cannot tell", () => {
    for (const [trainError, devError] of [
      [0.01, 0.015],
      [0.15, 0.16],
      [0.01, 0.06],
      [0.15, 0.24],
    ] as const) {
      const found = diagnose({ trainError, devError, baselineError: 0.01, trainSize: 10_000, devSize: 50 });
      expect(found.verdict).toBe("cannot tell");
      expect(found.advice.at(-1)).toMatch(/^variance: cannot be told from chance; about \d+ dev rows would show/);
    }
  });

  /** Errors among n rows, each with probability p. */
  let draws = 0;
  const errors = (n: number, p: number) => {
    let wrong = 0;
    for (let i = 0; i < n; i++) if (draw({ seed: 7, purpose: "tensor" }, draws++) < p) wrong++;
    return wrong / n;
  };
  const judged = (train: number, dev: number, trainSize: number, devSize: number) =>
    diagnose({ trainError: errors(trainSize, train), devError: errors(devSize, dev), baselineError: 0.01, trainSize, devSize }).verdict;

  it("3 diagnose is calibrated on the four cases: right in 95 of 100 verdicts at any size of the dev set", () => {
    for (const devSize of [50, 100, 300, 1000]) {
      let [given, right] = [0, 0];
      for (let trial = 0; trial < 150; trial++) {
        for (const [train, dev, verdict] of cases) {
          const found = judged(train, dev, 2000, devSize);
          if (found === "cannot tell") continue;
          given++;
          if (found === verdict) right++;
        }
      }
      expect(given, `${devSize} dev rows`).toBeGreaterThan(200);
      expect(right / given, `${devSize} dev rows`).toBeGreaterThan(0.95);
    }
  });

  it("3 diagnose is calibrated on gaps of every size: right in 95 of 100 verdicts", () => {
    for (const [trainSize, devSize] of [
      [200, 50],
      [1000, 200],
      [1000, 1000],
    ] as const) {
      let [given, right] = [0, 0];
      for (let trial = 0; trial < 600; trial++) {
        const train = 0.01 + 0.2 * draw({ seed: 8, purpose: "tensor", site: devSize }, 2 * trial);
        const dev = Math.max(0.001, train - 0.05 + 0.25 * draw({ seed: 8, purpose: "tensor", site: devSize }, 2 * trial + 1));
        const [bias, variance] = [train - 0.01 > 0.02, dev - train > 0.02];
        const truth = bias ? (variance ? "high bias and high variance" : "high bias") : variance ? "high variance" : "good fit";
        const found = judged(train, dev, trainSize, devSize);
        if (found === "cannot tell") continue;
        given++;
        if (found === truth) right++;
      }
      expect(given).toBeGreaterThan(60);
      expect(right / given, `${trainSize} and ${devSize} rows`).toBeGreaterThan(0.95);
    }
  });

  it("3 diagnose advises in the order of the recipe, each line naming the call that does it", () => {
    const { advice } = diagnose({ trainError: 0.15, devError: 0.3, baselineError: 0.01 });
    expect(advice.map((line) => line.split(":")[0])).toEqual([...Array<string>(4).fill("bias"), ...Array<string>(5).fill("variance")]);
    const named = ["dense(", "epochs", "adam(", "batchNorm(", "dataset(", "augment", "l2(", "dropout(", "sequential("];
    for (const [i, call] of named.entries()) expect(advice[i]).toContain(call);
  });
});

describe("5 normalised inputs", () => {
  const folder = mkdtempSync(join(tmpdir(), "minibatch-course-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("5 standardize: mean and deviation of the training set, for dev and test too, and in the model's file", async () => {
    const { train, dev } = split(await iris(), { dev: 0.3, stratify: true, seed: 2 });
    const constant = (data: Dataset) => dataset(tensor([...data.x.toArray(2)].map((row) => [...row, 7])), data.y);
    const [withConstant, devWithConstant] = [constant(train), constant(dev)];
    const scaler = standardize(withConstant);
    const scaled = scaler.transform(withConstant).x;
    for (const [j, mean] of scaled.mean({ axis: 0 }).toArray(1).entries()) {
      expect(mean).toBeCloseTo(0, 5);
      expect(scaled.variance({ axis: 0 }).toArray(1)[j]).toBeCloseTo(j < 4 ? 1 : 0, 4);
    }
    // Not its own mean: the dev set is moved by the training set's.
    const by = (j: number) =>
      devWithConstant.x.toArray(2).map((row) => ((row[j] as number) - (scaler.mean[j] as number)) / (scaler.deviation[j] as number));
    const moved = scaler.transform(devWithConstant).x.toArray(2);
    for (const j of [0, 1, 2, 3]) for (const [i, value] of by(j).entries()) expect(moved[i]?.[j]).toBeCloseTo(value, 4);
    expect(moved.every((row) => row[4] === 0)).toBe(true);
    expect(Math.abs(scaler.transform(devWithConstant).x.mean({ axis: 0 }).toArray(1)[0] as number)).toBeGreaterThan(1e-3);

    const model = sequential([scaler.layer(), dense(4), relu(), dense(3)]);
    await model.fit(withConstant, { loss: crossEntropy(), optimizer: adam({ learningRate: 0.02 }), epochs: 2, seed: 1 });
    const file = join(folder, "iris.safetensors");
    await model.save(file);
    const served = await loadModel(file);
    const raw = devWithConstant.x;
    expect(served.predictSync(raw).toArray()).toEqual(model.predictSync(raw).toArray());
    // The layer is not trained: it still is the training set's scaler.
    const weights = [...model.parameters()].filter(({ name }) => name.startsWith("dense"));
    expect(weights).toHaveLength(model.parameters().length);
  });
});
