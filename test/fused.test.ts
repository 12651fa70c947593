// Facts about the fused ops that the op table cannot say of itself: published numbers, what dropout's draws are, identities
// of the methods, and the errors of wrong inputs. Everything runs on the TypeScript kernels, in f64 unless said.
import { describe, expect, test } from "vitest";
import { type DType, type NumberArray, newArray } from "../src/dtype.ts";
import { source, type Value } from "../src/ops/define.ts";
import { dropout, dropoutGradient } from "../src/ops/dropout.ts";
import { sigmoid } from "../src/ops/elementwise.ts";
import { classificationErrors, sigmoidCrossEntropy, softmax, softmaxCrossEntropy } from "../src/ops/loss.ts";
import { batchNorm, batchNormInference, layerNorm } from "../src/ops/normalization.ts";
import { adamUpdate } from "../src/ops/optimizer.ts";
import { normal, philox } from "../src/random.ts";
import { type Shape, sizeOf } from "../src/shape.ts";
import { evaluate } from "./evaluate.ts";

function tensor(values: ArrayLike<number>, shape: Shape = [values.length], dtype: DType = "f64"): Value {
  const data = newArray(dtype, sizeOf(shape));
  data.set(values);
  return source({ kind: "constant", data }, { shape, dtype });
}

function numbers(value: Value): number[] {
  return [...(evaluate([value])[0] as NumberArray)];
}

function expectClose(actual: readonly number[], expected: readonly number[], digits = 12): void {
  expect(actual.length).toBe(expected.length);
  actual.forEach((x, i) => {
    expect(x).toBeCloseTo(expected[i] as number, digits);
  });
}

describe("softmax", () => {
  test("has the course's numbers", () => {
    expectClose(numbers(softmax(tensor([5, 2, -1, 3]))), [0.842, 0.042, 0.002, 0.114], 3);
  });

  test("of two classes is logistic regression", () => {
    const logits = tensor([1.5, -0.25, -3, 2, 0, 0], [3, 2]);
    const differences = tensor([1.75, -5, 0]);
    const positive = numbers(softmax(logits)).filter((_, i) => i % 2 === 0);
    expectClose(positive, numbers(sigmoid(differences)));
    const labels = tensor([0, 1, 0], [3], "i32");
    const binary = numbers(sigmoidCrossEntropy(differences, tensor([1, 0, 1])));
    expectClose(numbers(softmaxCrossEntropy(logits, labels).losses), binary);
  });

  test("works along any axis", () => {
    const x = tensor([5, 0, 2, 1, -1, 0, 3, 2], [4, 2]);
    const columns = numbers(softmax(x, 0));
    expectClose(
      columns.filter((_, i) => i % 2 === 0),
      numbers(softmax(tensor([5, 2, -1, 3]))),
    );
    expectClose(
      columns.filter((_, i) => i % 2 === 1),
      numbers(softmax(tensor([0, 1, 0, 2]))),
    );
    expect(() => softmax(x, 2)).toThrow("softmax: axis must be a whole number from -2 to 1");
  });
});

describe("cross-entropy", () => {
  const logits = tensor([1, 2, 3, -1, 0.5, 0], [2, 3]);

  test("classes and one-hot rows give the same", () => {
    const classes = softmaxCrossEntropy(logits, tensor([2, 0], [2], "i32"));
    const rows = softmaxCrossEntropy(logits, tensor([0, 0, 1, 1, 0, 0], [2, 3]));
    expectClose(numbers(rows.losses), numbers(classes.losses));
    expect(numbers(classificationErrors(logits, tensor([2, 0], [2], "i32")))).toEqual([0, 1]);
    expect(numbers(classificationErrors(logits, tensor([0, 0, 1, 1, 0, 0], [2, 3])))).toEqual([0, 1]);
  });

  test("refuses labels that are no classes, and shapes that do not fit", () => {
    for (const wrong of [3, -1]) {
      const losses = softmaxCrossEntropy(logits, tensor([0, wrong], [2], "i32")).losses;
      expect(() => numbers(losses)).toThrow(`softmaxCrossEntropy: labels must be classes from 0 to 2, got ${wrong} (row 1)`);
    }
    expect(() => softmaxCrossEntropy(logits, tensor([0, 1, 2], [3], "i32"))).toThrow(
      "softmaxCrossEntropy: labels must be [2], a class from 0 to 2 per row, got [3]",
    );
    expect(() => softmaxCrossEntropy(logits, tensor([0, 1], [2], "f32"))).toThrow(
      "softmaxCrossEntropy: labels must be classes in i32 or one number per class in f64, got f32 [2]",
    );
    expect(() => softmaxCrossEntropy(tensor([1, 2]), tensor([0, 1], [2], "i32"))).toThrow(
      "logits must be a matrix [rows, columns], got [2]",
    );
    expect(() => sigmoidCrossEntropy(tensor([1, 2]), tensor([1], [1]))).toThrow(
      "sigmoidCrossEntropy: targets must be [2], the shape of the logits, got [1]",
    );
  });
});

describe("normalisation", () => {
  const data = new Float64Array(64 * 4);
  normal({ seed: 3, purpose: "tensor" }, data, 5, 2);
  const x = tensor(data, [64, 4]);
  const ones = tensor([1, 1, 1, 1]);
  const zeros = tensor([0, 0, 0, 0]);
  const options = { epsilon: 1e-5, activation: 0 };

  test("gives columns mean 0 and variance 1, and four of each statistic for four columns", () => {
    const { y, mean, variance } = batchNorm(x, ones, zeros, options);
    expect([mean.shape, variance.shape]).toEqual([[4], [4]]);
    const again = batchNorm(y, ones, zeros, options);
    expectClose(numbers(again.mean), [0, 0, 0, 0]);
    expectClose(
      numbers(again.variance),
      numbers(variance).map((v) => v / (v + 1e-5)),
    );
  });

  test("is the identity for gamma = sqrt(variance + epsilon), beta = mean, and at inference the same as in training", () => {
    const { mean, variance } = batchNorm(x, ones, zeros, options);
    const [means, variances] = [numbers(mean), numbers(variance)];
    const gamma = tensor(variances.map((v) => Math.sqrt(v + 1e-5)));
    expectClose(numbers(batchNorm(x, gamma, tensor(means), options).y), [...data]);
    const inference = batchNormInference(x, gamma, tensor(means), tensor(means), tensor(variances), options);
    expectClose(numbers(inference), [...data]);
  });

  test("of rows is that of columns turned round", () => {
    const turned = tensor(
      Float64Array.from(data, (_, i) => data[(i % 64) * 4 + Math.floor(i / 64)] as number),
      [4, 64],
    );
    const wide = (value: number) => tensor(new Float64Array(64).fill(value));
    const { mean, variance } = layerNorm(turned, wide(1), wide(0), { epsilon: options.epsilon });
    const columns = batchNorm(x, ones, zeros, options);
    expectClose(numbers(mean), numbers(columns.mean));
    expectClose(numbers(variance), numbers(columns.variance));
  });

  test("refuses empty batches and statistics of another size", () => {
    expect(() => batchNorm(tensor([], [0, 4]), ones, zeros, options)).toThrow(
      "batchNorm: needs at least one row and one column, got [0, 4]",
    );
    expect(() => batchNorm(x, tensor([1, 1]), zeros, options)).toThrow("batchNorm: gamma must be [4], one per column of x, got [2]");
    expect(() => batchNorm(x, tensor([1, 1, 1, 1], [4], "f32"), zeros, options)).toThrow(
      "batchNorm: numbers must be f32 or f64, the same for all inputs",
    );
  });
});

describe("dropout", () => {
  const key = (seed: number, step: number) => tensor([seed | 0, Math.floor(seed / 2 ** 32), step], [3], "i32");
  const ones = (n: number, dtype: DType = "f64") => tensor(new Float64Array(n).fill(1), [n], dtype);
  const keep = (value: number, dtype: DType = "f64") => tensor([value], [], dtype);

  test("draws element i as documented: 64 neighbours share a half word of neighbouring counters", () => {
    const n = 1300;
    const [seed, step, site] = [2 ** 32 * 5 + 7, 9, 3];
    const { y, mask } = dropout(ones(n), keep(0.8), key(seed, step), { site });
    const [kept, bits] = [numbers(y), numbers(mask)];
    const words = new Uint32Array(4);
    const threshold = Math.round(0.8 * 65536);
    for (let i = 0; i < n; i++) {
      philox(7, 5, 64 * Math.floor(i / 512) + (i % 64), site, step, 1, words);
      const nth = Math.floor((i % 512) / 64);
      const word = words[Math.floor(nth / 2)] as number;
      const draw = nth % 2 === 0 ? word % 65536 : Math.floor(word / 65536);
      expect(kept[i]).toBe(draw < threshold ? 65536 / threshold : 0);
      expect(((bits[Math.floor(i / 8)] as number) >> (i % 8)) & 1).toBe(draw < threshold ? 1 : 0);
    }
  });

  test("keeps the mean, for every keep probability", () => {
    const n = 100_000;
    for (const p of [0.1, 0.5, 0.8, 0.999]) {
      const mean = numbers(dropout(ones(n), keep(p), key(1, 0), { site: 0 }).y).reduce((sum, x) => sum + x, 0) / n;
      expect(Math.abs(mean - 1)).toBeLessThan(5 * Math.sqrt((1 - p) / p / n));
    }
  });

  test("keep = 1 is exactly the identity, keep = 0 leaves nothing", () => {
    const x = tensor([0.1, -3, 1e-300, 7], [4]);
    const all = dropout(x, keep(1), key(1, 0), { site: 0 });
    expect(numbers(all.y)).toEqual(numbers(x));
    expect(numbers(dropoutGradient(x, all.mask, keep(1)))).toEqual(numbers(x));
    expect(numbers(dropout(x, keep(0), key(1, 0), { site: 0 }).y)).toEqual([0, 0, 0, 0]);
  });

  test("has another mask for another seed, step and site, and one mask for both number types", () => {
    const masks = [
      [1, 0, 0],
      [2, 0, 0],
      [1 + 2 ** 32, 0, 0],
      [1, 1, 0],
      [1, 0, 1],
    ].map(([seed = 0, step = 0, site = 0]) => numbers(dropout(ones(512), keep(0.5), key(seed, step), { site }).mask).join());
    expect(new Set(masks).size).toBe(5);
    expect(numbers(dropout(ones(512, "f32"), keep(0.5, "f32"), key(1, 0), { site: 0 }).mask).join()).toBe(masks[0]);
  });
});

test("Adam's first step has the size of the learning rate, whatever the gradient", () => {
  const slot = tensor([0, 0]);
  const settings = { beta1: 0.9, beta2: 0.999, epsilon: 0, inside: false, weightDecay: 0 };
  const corrections = [0.1, 0.001].map((c) => tensor([c], [])) as [Value, Value];
  const { theta, m, v } = adamUpdate(tensor([1, 1]), tensor([1e-4, -300]), slot, slot, tensor([0.01], []), ...corrections, settings);
  expectClose(numbers(theta), [0.99, 1.01]);
  expectClose(numbers(m), [1e-5, -30]);
  expectClose(numbers(v), [1e-11, 90]);
});
