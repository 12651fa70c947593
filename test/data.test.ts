// Data sets, splits, standardising, batches and the comparison of distributions.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, expectTypeOf, it } from "vitest";
import { chiSquared, holm, kolmogorovSmirnov, kolmogorovTail, upperGamma } from "../src/data/compare.ts";
import {
  batches,
  breastCancer,
  compareDistributions,
  diabetes,
  digits,
  fashionMnist,
  iris,
  kFold,
  oneHot,
  type SplitCommon,
  split,
  standardize,
  suggestBatchSize,
  suggestSplit,
  wine,
} from "../src/data/index.ts";
import { type Dataset, dataset } from "../src/dataset.ts";
import { normal, uniform } from "../src/random.ts";
import { tensor } from "../src/tensor.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "minibatch-data-"));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});
async function written(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

/** m rows, the row's number in x, its class in y. */
function numbered(m: number, classOf: (row: number) => number = () => 0): Dataset {
  return dataset(
    Int32Array.from({ length: m }, (_, i) => i),
    Int32Array.from({ length: m }, (_, i) => classOf(i)),
  );
}
const rowsOf = (data: Dataset | undefined): number[] => (data ? [...data.x.data()] : []);
const countOf = (data: Dataset | undefined, label: number): number => (data ? [...data.y.data()].filter((y) => y === label).length : 0);
const inOrder = (m: number): number[] => Array.from({ length: m }, (_, i) => i);
const sorted = (rows: readonly number[]): number[] => [...rows].sort((a, b) => a - b);

describe("shipped data sets", () => {
  const sum = (values: ArrayLike<number>) => Array.from(values).reduce((a, b) => a + b, 0);

  // Sums and counts from NumPy over the same files.
  it("has digits", async () => {
    const { x, y, classes } = await digits();
    expect([x.shape, x.dtype, y.shape, y.dtype, classes]).toEqual([[1797, 64], "u8", [1797], "i32", undefined]);
    expect(sum(x.data())).toBe(561718);
    expect(Math.max(...x.data())).toBe(16);
    expect([...y.data().slice(0, 12)]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]);
    expect(inOrder(10).map((digit) => countOf({ x, y }, digit))).toEqual([178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
  });

  it("has iris, wine and breast cancer, with the names of their classes", async () => {
    const sets = [await iris(), await wine(), await breastCancer()];
    expect(sets.map(({ x, y }) => [x.shape, x.dtype, y.shape, y.dtype])).toEqual([
      [[150, 4], "f32", [150], "i32"],
      [[178, 13], "f32", [178], "i32"],
      [[569, 30], "f32", [569], "i32"],
    ]);
    expect(sets.map(({ classes }) => classes)).toEqual([
      ["setosa", "versicolor", "virginica"],
      ["class_0", "class_1", "class_2"],
      ["malignant", "benign"],
    ]);
    expect(sets.map((set) => inOrder(3).map((label) => countOf(set, label)))).toEqual([
      [50, 50, 50],
      [59, 71, 48],
      [212, 357, 0],
    ]);
    expect([...(sets[0] as Dataset).x.data().slice(0, 4)]).toEqual([...Float32Array.of(5.1, 3.5, 1.4, 0.2)]);
  });

  it("has diabetes", async () => {
    const { x, y } = await diabetes();
    expect([x.shape, x.dtype, y.shape, y.dtype]).toEqual([[442, 10], "f32", [442], "f32"]);
    expect(sum(y.data())).toBe(67243);
    expect([...x.data().slice(0, 10)]).toEqual([...Float32Array.of(59, 2, 32.1, 101, 157, 93.2, 38, 4, 4.8598, 87)]);
  });

  it("reads Fashion-MNIST from a folder, packed or not", async () => {
    const image = (m: number) =>
      Uint8Array.from([0, 0, 8, 3, 0, 0, 0, m, 0, 0, 0, 28, 0, 0, 0, 28, ...inOrder(m * 784).map((i) => i % 251)]);
    const label = (m: number) => Uint8Array.from([0, 0, 8, 1, 0, 0, 0, m, ...inOrder(m)]);
    await written("train-images-idx3-ubyte.gz", gzipSync(image(3)));
    await written("train-labels-idx1-ubyte.gz", gzipSync(label(3)));
    await written("t10k-images-idx3-ubyte", image(2));
    await expect(fashionMnist({ dir: folder })).rejects.toThrow(
      /without t10k-labels-idx1-ubyte; on Debian "apt install dataset-fashion-mnist"/,
    );
    await written("t10k-labels-idx1-ubyte", label(2));
    const { train, test } = await fashionMnist({ dir: folder });
    expect([train.x.shape, train.x.dtype, train.y.dtype, test.x.shape]).toEqual([[3, 784], "u8", "i32", [2, 784]]);
    expect([...train.y.data()]).toEqual([0, 1, 2]);
    expect(train.x.data()[784]).toBe(784 % 251);
    expect(train.classes?.[9]).toBe("Ankle boot");
  });

  it("names the four files and the package where Fashion-MNIST is not", async () => {
    const before = process.env.MINIBATCH_FASHION_MNIST;
    process.env.MINIBATCH_FASHION_MNIST = join(folder, "nowhere");
    try {
      const message =
        /train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte .*nowhere.*dataset-fashion-mnist/;
      await expect(fashionMnist()).rejects.toThrow(message);
      await expect(fashionMnist({ dir: "" })).rejects.toThrow(/dir must be a folder's path, got ""/);
    } finally {
      if (before === undefined) delete process.env.MINIBATCH_FASHION_MNIST;
      else process.env.MINIBATCH_FASHION_MNIST = before;
    }
  });
});

describe("split", () => {
  it("puts every row into one part, whatever the sizes", () => {
    const size = fc.oneof(fc.double({ min: 0.01, max: 0.45, noNaN: true }), fc.integer({ min: 1, max: 25 }));
    fc.assert(
      fc.property(fc.integer({ min: 100, max: 300 }), size, size, fc.boolean(), fc.nat(), (m, dev, test, stratify, seed) => {
        const parts = split(
          numbered(m, (row) => row % 7),
          { dev, test, stratify, seed },
        );
        expect(sorted([parts.train, parts.dev, parts.test].flatMap(rowsOf))).toEqual(inOrder(m));
        const wanted = (part: number) => (part < 1 ? Math.round(part * m) : part);
        expect([parts.dev.x.shape[0], parts.test.x.shape[0]]).toEqual([wanted(dev), wanted(test)]);
      }),
    );
  });

  it("keeps x and y of a row together, and the names of the classes", () => {
    const data = dataset(
      [
        [0, 10],
        [1, 11],
        [2, 12],
        [3, 13],
      ],
      [[0], [1], [2], [3]],
      { classes: ["a", "b", "c", "d"] },
    );
    const { train, test } = split(data, { test: 0.5, seed: 3 });
    for (const part of [train, test]) {
      expect([part.x.shape, part.y.shape, part.classes]).toEqual([
        [2, 2],
        [2, 1],
        ["a", "b", "c", "d"],
      ]);
      expect(part.x.toArray(2)).toEqual(part.y.toArray(2).map(([row = 0]) => [row, row + 10]));
    }
  });

  it("gives each part its share of every class", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 3, max: 60 }), { minLength: 2, maxLength: 12 }),
        fc.double({ min: 0.1, max: 0.4, noNaN: true }),
        fc.nat(),
        (sizes, part, seed) => {
          const labels = sizes.flatMap((n, label) => new Array<number>(n).fill(label));
          const m = labels.length;
          const parts = split(
            numbered(m, (row) => labels[row] as number),
            { dev: part, test: part, stratify: true, seed },
          );
          for (const [label, n] of sizes.entries()) {
            for (const data of [parts.dev, parts.test]) {
              expect(Math.abs(countOf(data, label) - (n * rowsOf(data).length) / m)).toBeLessThan(1);
            }
          }
        },
      ),
    );
    // 50 flowers of each kind and 23 rows in each part: nobody is a row short twice.
    const parts = split(
      numbered(150, (row) => Math.floor(row / 50)),
      { dev: 23, test: 23, stratify: true, seed: 1 },
    );
    const counts = inOrder(3).map((label) => [countOf(parts.dev, label), countOf(parts.test, label)]);
    for (const pair of counts) expect(sorted(pair)).not.toEqual([7, 7]);
  });

  it("stratifies by one-hot labels and by whole numbers of any dtype", () => {
    const labels = inOrder(40).map((row) => row % 4);
    for (const y of [oneHot(labels), tensor(labels, { dtype: "f64" }), tensor(labels, { shape: [40, 1], dtype: "u8" })]) {
      const { test } = split(dataset(labels, y), { test: 0.5, stratify: true, seed: 0 });
      expect(inOrder(4).map((label) => rowsOf(test).filter((row) => row === label).length)).toEqual([5, 5, 5, 5]);
    }
  });

  it("is decided by the seed, and shuffles", () => {
    const data = numbered(100);
    const at = (seed: number) => rowsOf(split(data, { test: 0.5, seed }).test);
    expect(at(1)).toEqual(at(1));
    expect(at(1)).not.toEqual(at(2));
    expect(at(1)).not.toEqual(sorted(at(1)));
    const stratified = rowsOf(
      split(
        numbered(100, (row) => (row < 50 ? 0 : 1)),
        { test: 0.5, stratify: true, seed: 1 },
      ).test,
    );
    // Classes are mixed, not one behind the other.
    expect(stratified.slice(0, 25).some((row) => row >= 50)).toBe(true);
  });

  it("takes fractions that add up, and a smaller count of training rows", () => {
    const sizes = (m: number, options: SplitCommon & { dev: number; test: number }) => {
      const { train, dev, test } = split(numbered(m), options);
      return [train, dev, test].map((part) => part.x.shape[0]);
    };
    expect(sizes(1000, { train: 0.6, dev: 0.2, test: 0.2, seed: 1 })).toEqual([600, 200, 200]);
    expect(sizes(10_000, { train: 0.995, dev: 0.0025, test: 0.0025, seed: 1 })).toEqual([9950, 25, 25]);
    expect(sizes(1000, { train: 0.98, dev: 0.01, test: 0.01, seed: 1 })).toEqual([980, 10, 10]);
    expect(sizes(1797, { dev: 0.15, test: 0.15, seed: 1 })).toEqual([1257, 270, 270]);
    expect(sizes(1000, { train: 100, dev: 50, test: 20, seed: 1 })).toEqual([100, 50, 20]);
    expect(sizes(1000, { train: 100, dev: 50, test: 20, stratify: true, seed: 1 })).toEqual([100, 50, 20]);
    expect(sizes(1000, { train: 0.8, dev: 100, test: 100, seed: 1 })).toEqual([800, 100, 100]);
  });

  it("leaves out what was not asked for, in the types too", () => {
    const noDev = split(numbered(10), { test: 2, seed: 1 });
    expect(Object.keys(noDev)).toEqual(["train", "test"]);
    expectTypeOf(noDev).toEqualTypeOf<{ train: Dataset; test: Dataset }>();
    const noTest = split(numbered(10), { dev: 2, seed: 1 });
    expect(Object.keys(noTest)).toEqual(["train", "dev"]);
    expectTypeOf(noTest).toEqualTypeOf<{ train: Dataset; dev: Dataset }>();
  });

  const wrong: readonly (readonly [options: unknown, message: RegExp])[] = [
    [{ seed: 1 }, /dev or test must be given/],
    [{ dev: 0.5 }, /seed must be a whole number/],
    [undefined, /seed must be a whole number/],
    [{ dev: 0, seed: 1 }, /dev must be a finite number above 0, got 0$/],
    [{ dev: -0.5, seed: 1 }, /dev must be a finite number above 0/],
    [{ dev: 1.5, seed: 1 }, /dev must be a fraction below 1 or a whole number of rows, got 1.5$/],
    [{ dev: 0.01, seed: 1 }, /dev must be a row at least, got 0.01 of 10 rows$/],
    [{ dev: 0.5, test: 0.5, seed: 1 }, /must leave rows for train, got 5 \+ 5 of 10 rows$/],
    [{ dev: 11, seed: 1 }, /must leave rows for train/],
    [{ train: 0.6, dev: 0.2, seed: 1 }, /fractions must add up to 1/],
    [{ train: 0.5, dev: 2, seed: 1 }, /fractions must add up to 1/],
    [{ train: 9, dev: 2, seed: 1 }, /must fit into the data, got 9 \+ 2 \+ 0 of 10 rows$/],
    [{ dev: 0.5, stratify: "yes", seed: 1 }, /stratify must be true or false, got "yes"$/],
    [{ dev: 0.5, sed: 1 }, /unknown option "sed", did you mean "seed"\?$/],
  ];
  it.each(wrong)("refuses %j", (options, message) => {
    expect(() => split(numbered(10), options as { dev: number; seed: number })).toThrow(message);
    expect(() => split(numbered(10), options as { dev: number; seed: number })).toThrow(/^split: /);
  });

  it("refuses to stratify by what is no class", () => {
    const by = (y: Parameters<typeof tensor>[0]) => () => split(dataset([0, 1, 2, 3], y), { test: 0.5, stratify: true, seed: 1 });
    expect(by([0, 1, 0.5, 1])).toThrow(/^split: stratify: a class is a whole number from 0 on, got 0.5 in row 2/);
    expect(by([0, 1, -1, 1])).toThrow(/got -1 in row 2/);
    expect(by([0, 1, Number.NaN, 1])).toThrow(/got NaN in row 2/);
    expect(
      by([
        [0, 1],
        [1, 0],
        [1, 1],
        [0, 1],
      ]),
    ).toThrow(/a one-hot row has a single 1 among zeros, got \[1, 1\] in row 2/);
    expect(
      by([
        [0, 1],
        [1, 0],
        [0, 0],
        [0, 1],
      ]),
    ).toThrow(/got \[0, 0\] in row 2/);
    expect(by([0, 0, 0, 1])).toThrow(/needs a row of every class for each of 2 sets, got 1 of class 1/);
    expect(() => split(3 as unknown as Dataset, { test: 1, seed: 1 })).toThrow(/^split: expected a data set/);
    expect(() => split(dataset(new Float32Array(0), new Int32Array(0)), { test: 1, seed: 1 })).toThrow(
      /a data set must have rows, got \[0\]/,
    );
  });
});

describe("kFold", () => {
  it("puts every row into the dev set of one fold, in even sizes", () => {
    fc.assert(
      fc.property(fc.integer({ min: 20, max: 90 }), fc.integer({ min: 2, max: 10 }), fc.boolean(), fc.nat(), (m, k, stratify, seed) => {
        const folds = kFold(
          numbered(m, (row) => row % 4),
          { k, stratify, seed },
        );
        expect(folds.map(({ fold }) => fold)).toEqual(inOrder(k).map((i) => i + 1));
        expect(sorted(folds.flatMap(({ dev }) => rowsOf(dev)))).toEqual(inOrder(m));
        for (const { train, dev } of folds) {
          expect(sorted([...rowsOf(train), ...rowsOf(dev)])).toEqual(inOrder(m));
          expect([Math.floor(m / k), Math.ceil(m / k)]).toContain(rowsOf(dev).length);
          if (!stratify) continue;
          for (let label = 0; label < 4; label++) {
            const n = inOrder(m).filter((row) => row % 4 === label).length;
            expect([Math.floor(n / k), Math.ceil(n / k)]).toContain(countOf(dev, label));
          }
        }
      }),
      { numRuns: 50 },
    );
  });

  it("is decided by the seed, and says what it wants", () => {
    const at = (seed: number) => kFold(numbered(20), { k: 4, seed }).map(({ dev }) => rowsOf(dev));
    expect(at(1)).toEqual(at(1));
    expect(at(1)).not.toEqual(at(2));
    expect(() => kFold(numbered(4), { k: 5, seed: 1 })).toThrow(/^kFold: k must be a whole number from 2 to 4, got 5$/);
    expect(() => kFold(numbered(4), { k: 1, seed: 1 })).toThrow(/got 1$/);
  });
});

describe("suggestions", () => {
  it("gives 60/20/20 to small data, 10,000 rows to dev and test of large", () => {
    expect(suggestSplit(1000)).toEqual({ train: 0.6, dev: 0.2, test: 0.2 });
    expect(suggestSplit(1_000_000)).toEqual({ train: 0.98, dev: 0.01, test: 0.01 });
    expect(suggestSplit(200_000)).toEqual({ train: 0.9, dev: 0.05, test: 0.05 });
    for (const m of [5, 99_999]) {
      const { train, dev, test } = split(numbered(m), { ...suggestSplit(m), seed: 1 });
      expect([train, dev, test].flatMap(rowsOf).length).toBe(m);
    }
    expect(() => suggestSplit(0)).toThrow(/^suggestSplit: m must be a whole number from 3, got 0$/);
  });

  it("gives the whole batch up to 2000 rows, then powers of two", () => {
    expect([1, 2000, 2001, 25_600, 60_000, 1e6].map(suggestBatchSize)).toEqual(["all", "all", 64, 128, 256, 512]);
    expect(() => suggestBatchSize(2.5)).toThrow(/^suggestBatchSize: m must be a whole number/);
  });
});

describe("batches", () => {
  it("goes through all rows once, the last batch smaller", () => {
    const all = [...batches(numbered(23), { size: 5, seed: 1, epoch: 1 })];
    expect(all.map(({ x }) => x.shape[0])).toEqual([5, 5, 5, 5, 3]);
    expect(sorted(all.flatMap(rowsOf))).toEqual(inOrder(23));
    expect([...batches(numbered(3), { size: 9 })].length).toBe(1);
  });

  it("depends on seed and epoch alone, however often it is gone through", () => {
    const data = numbered(50);
    const at = (seed: number, epoch: number) => [...batches(data, { size: 7, seed, epoch })].flatMap(rowsOf);
    expect(at(1, 1)).not.toEqual(at(1, 2));
    expect(at(1, 1)).not.toEqual(at(2, 1));
    const again = batches(data, { size: 7, seed: 1, epoch: 1 });
    expect([...again].flatMap(rowsOf)).toEqual(at(1, 1));
    expect([...again].flatMap(rowsOf)).toEqual(at(1, 1));
    expect([...batches(data, { size: 7 })].flatMap(rowsOf)).toEqual(at(0, 1));
    expect(() => batches(data, { size: 0 })).toThrow(/^batches: size must be a whole number from 1, got 0$/);
  });
});

describe("oneHot", () => {
  it("writes a 1 in the class's column", () => {
    expect(oneHot([2, 0]).toArray()).toEqual([
      [0, 0, 1],
      [1, 0, 0],
    ]);
    expect(oneHot([[1], [0]], 2).toArray()).toEqual([[[0, 1]], [[1, 0]]]);
    expect(oneHot(1, 2).toArray()).toEqual([0, 1]);
    expect(oneHot(Uint8Array.of(1)).dtype).toBe("f32");
    expect(oneHot([], 3).shape).toEqual([0, 3]);
  });
  it("refuses what is no class", () => {
    expect(() => oneHot([0, 3], 3)).toThrow(/^oneHot: a class must be below 3, got 3 in row 1/);
    expect(() => oneHot([0.5])).toThrow(/^oneHot: a class is a whole number from 0 on, got 0.5 in row 0/);
    expect(() => oneHot([-1])).toThrow(/got -1/);
    expect(() => oneHot([0], 0)).toThrow(/^oneHot: classes must be a whole number from 1, got 0$/);
    expect(() => oneHot([])).toThrow(/the number of classes must be given/);
  });
});

describe("standardize", () => {
  it("takes mean and deviation of the training set, in two passes", () => {
    const { mean, deviation } = standardize(
      tensor(
        [
          [1, 10],
          [3, 10],
          [5, 40],
        ],
        { dtype: "f64" },
      ),
    );
    expect([...mean]).toEqual([3, 20]);
    expect(deviation[0]).toBeCloseTo(Math.sqrt(8 / 3), 15);
    expect(deviation[1]).toBeCloseTo(Math.sqrt(200), 13);
    // E[x^2] - E[x]^2 would give 0 or a negative number here.
    const far = standardize(tensor([1e9, 1e9 + 1, 1e9 + 2], { dtype: "f64" }));
    expect(far.deviation[0]).toBeCloseTo(Math.sqrt(2 / 3), 12);
  });

  it("makes the training set's features mean 0 and deviation 1, constant ones 0", async () => {
    const train = await digits();
    const scaled = standardize(train).transform(train);
    expect([scaled.x.dtype, scaled.x.shape, scaled.y]).toEqual(["f32", [1797, 64], train.y]);
    const { mean, deviation } = standardize(scaled);
    for (let j = 0; j < 64; j++) {
      const constant = j === 0 || j === 32 || j === 39;
      expect(Math.abs(mean[j] as number)).toBeLessThan(1e-6);
      expect(deviation[j]).toBeCloseTo(1, 5);
      if (constant) expect(scaled.x.data()[j]).toBe(0);
    }
  });

  it("gives a constant feature deviation 1, though its mean is rounded", () => {
    const { mean, deviation, transform } = standardize(tensor(new Array<number[]>(7).fill([0.1, 1e30]), { dtype: "f64" }));
    expect([...mean]).toEqual([0.1, 1e30]);
    expect([...deviation]).toEqual([1, 1]);
    expect(transform(tensor([[0.1, 1e30]], { dtype: "f64" })).toArray()).toEqual([[0, 0]]);
  });

  it("comes back by inverse, for data sets, rows and targets", () => {
    const data = dataset(
      tensor(
        [
          [1, 5],
          [2, 9],
          [4, 1],
        ],
        { dtype: "f64" },
      ),
      [7, 8, 12],
      { classes: ["a"] },
    );
    const scaler = standardize(data);
    const back = scaler.inverse(scaler.transform(data));
    expect([back.y, back.classes, back.x.dtype]).toEqual([data.y, ["a"], "f64"]);
    for (const [i, value] of back.x.data().entries()) expect(value).toBeCloseTo(data.x.data()[i] as number, 12);
    expect(scaler.transform([1, 5]).shape).toEqual([2]);
    expect(scaler.transform(scaler.mean).toArray()).toEqual([0, 0]);
    const target = standardize(data.y);
    expect(target.inverse([[0], [0]]).toArray()).toEqual([[9], [9]]);
    expect(target.transform([9, 9, 9, 9]).shape).toEqual([4]);
  });

  it("takes images with a mean for every pixel", () => {
    const scaler = standardize(tensor(Uint8Array.from(inOrder(18)), { shape: [2, 3, 3] }));
    expect(scaler.mean.length).toBe(9);
    expect(
      scaler
        .transform(tensor(inOrder(9), { shape: [3, 3] }))
        .toArray(2)
        .flat(),
    ).toEqual(new Array<number>(9).fill(-1));
  });

  it("says what it wants", () => {
    expect(() => standardize([[1]] as unknown as Dataset)).toThrow(/^standardize: takes a data set or a tensor, got an array of 1$/);
    expect(() => standardize(tensor([[1], [Number.NaN]]))).toThrow(/values must be finite, got NaN in row 1, feature 0/);
    expect(() => standardize(tensor([1e308, 1e308], { dtype: "f64" }))).toThrow(/must have a finite sum/);
    expect(() => standardize(tensor([], { shape: [0, 3] }))).toThrow(/there must be rows and features, got \[0, 3\]/);
    expect(() => standardize(tensor([[1, 2]])).transform([[1, 2, 3]])).toThrow(
      /transform: rows must have the training set's shape \[2\], got \[1, 3\]$/,
    );
    expect(() => standardize(tensor([[1, 2]])).inverse([1, 2, 3])).toThrow(/inverse: rows must have/);
  });

  it("makes layers", () => {
    const scaler = standardize(
      tensor([
        [1, 2],
        [3, 4],
      ]),
    );
    expect([scaler.layer().kind, scaler.inverseLayer().kind]).toEqual(["standardization", "standardization"]);
  });
});

describe("compareDistributions", () => {
  it("has the statistics and p-values of SciPy", () => {
    // scipy 1.17: ks_2samp of two samples with ties, chi2_contingency without Yates' correction, kolmogorov, gammaincc.
    const [a, b] = [
      [1, 2, 2, 3, 3, 3, 4, 5, 5, 6],
      [2, 3, 4, 4, 5, 6, 6, 7, 7, 7, 8, 9],
    ];
    expect(kolmogorovSmirnov(Float64Array.from(a), Float64Array.from(b)).statistic).toBeCloseTo(0.48333333333333334, 15);
    expect(Math.abs(kolmogorovSmirnov(Float64Array.from(a), Float64Array.from(b)).p - 0.1113)).toBeLessThan(0.02);
    const tails = [
      [0.3, 0.9999906941986655],
      [0.5, 0.9639452436648751],
      [0.8, 0.5441424115741981],
      [1.19, 0.11774229287977166],
      [1.2, 0.11224966667072497],
      [1.5, 0.022217962616525127],
      [2.2, 0.00012504300754960976],
    ] as const;
    for (const [t, p] of tails) expect(kolmogorovTail(t)).toBeCloseTo(p, 12);
    const table = chiSquared([30, 20, 10], [20, 25, 30]);
    expect(table.statistic).toBeCloseTo(11.025, 12);
    expect(table.p).toBeCloseTo(0.004036004748319556, 14);
    const gammas = [
      [1, 3.84, 0.05004352124870519],
      [9, 2.5, 0.9808834914028134],
      [3, 25, 1.5440498291101365e-5],
      [99, 120.5, 0.06995556459600587],
    ] as const;
    for (const [freedom, x, p] of gammas) expect(upperGamma(freedom / 2, x / 2) / p).toBeCloseTo(1, 10);
  });

  it("corrects by Holm's method", () => {
    expect(holm([0.01, 0.04, 0.03, 0.005]).map((p) => Number(p.toFixed(12)))).toEqual([0.03, 0.06, 0.06, 0.02]);
    expect(holm([0.9, 0.8])).toEqual([1, 1]);
    expect(holm([])).toEqual([]);
  });

  const sample = (seed: number, m: number, shift = 0): Dataset => {
    const x = new Float32Array(m * 6);
    normal({ seed, purpose: "tensor" }, x);
    for (let i = 0; i < m; i++) x[i * 6 + 4] = (x[i * 6 + 4] as number) + shift;
    const u = new Float64Array(m);
    uniform({ seed, purpose: "tensor", site: 1 }, u);
    return dataset(
      tensor(x, { shape: [m, 6] }),
      Int32Array.from(u, (value) => Math.floor(3 * value)),
    );
  };

  it("finds equal distributions equal: a false alarm in about one of twenty comparisons at most", () => {
    let alarms = 0;
    for (let trial = 0; trial < 200; trial++) {
      if (!compareDistributions(sample(2 * trial, 80), sample(2 * trial + 1, 60)).same) alarms++;
    }
    // 5% of 200 and three standard deviations.
    expect(alarms).toBeLessThanOrEqual(19);
    expect(alarms).toBeGreaterThan(0);
  });

  it("names the feature that differs, and by how much", () => {
    const { same, features } = compareDistributions(sample(1, 300), sample(2, 300, 1));
    expect(same).toBe(false);
    expect(features.map(({ name, test, differs }) => [name, test, differs])).toEqual([
      ...inOrder(6).map((j) => [`x[${j}]`, "kolmogorov-smirnov", j === 4]),
      ["y", "chi-squared", false],
    ]);
    // Two normal distributions one deviation apart: the distance of their cumulative distributions is 0.383.
    expect(Math.abs((features[4]?.statistic ?? 0) - 0.383)).toBeLessThan(0.1);
  });

  it("compares classes by chi-squared and real targets by Kolmogorov-Smirnov", () => {
    const x = new Float32Array(40).fill(1);
    const of = (y: Parameters<typeof tensor>[0]) => dataset(x, y);
    const skewed = compareDistributions(of(inOrder(40).map((i) => i % 4)), of(inOrder(40).map((i) => (i < 30 ? 0 : i % 4))));
    expect(skewed.features[0]).toMatchObject({ name: "x", statistic: 0, p: 1, differs: false });
    expect(skewed.features[1]).toMatchObject({ name: "y", test: "chi-squared", differs: true });
    const hot = compareDistributions(of(oneHot(inOrder(40).map((i) => i % 4))), of(oneHot(inOrder(40).map((i) => i % 4))));
    expect(hot.features[1]).toMatchObject({ test: "chi-squared", statistic: 0, p: 1 });
    const real = compareDistributions(of(inOrder(40)), of(inOrder(40).map((i) => i + 100)));
    expect(real.features[1]).toMatchObject({ name: "y", test: "kolmogorov-smirnov", statistic: 1, differs: true });
    // A class that one set has not at all.
    expect(compareDistributions(of(new Int32Array(40)), of(new Int32Array(40).fill(1))).same).toBe(false);
  });

  it("names pixels by their place, and wants rows of one shape", () => {
    const image = (fill: number) => dataset(tensor(new Float32Array(20 * 6).fill(fill), { shape: [20, 2, 3] }), new Int32Array(20));
    expect(compareDistributions(image(1), image(2)).features.map(({ name }) => name)).toEqual([
      "x[0, 0]",
      "x[0, 1]",
      "x[0, 2]",
      "x[1, 0]",
      "x[1, 1]",
      "x[1, 2]",
      "y",
    ]);
    expect(() => compareDistributions(sample(1, 9), image(1))).toThrow(
      /^compareDistributions: rows of x must have one shape in both, got \[9, 6\] and \[20, 2, 3\]$/,
    );
  });
});
