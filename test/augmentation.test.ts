// Augmentation: exact on small images, spread as it should be over many, and in fit the very images that augmented() shows.
// That native kernels have the bits of the TypeScript ones is checked here for whole lists; op by op, in ops-native.test.ts.
import { createHash } from "node:crypto";
import { backend, crossEntropy, type Dataset, dataset, dense, flatten, relu, sequential, sgd, type Tensor, tensor } from "minibatch";
import { type Augmentation, augmented, centerCrop, crop, digits, distort, flip, rotate, standardize, zoom } from "minibatch/data";
import { describe, expect, it } from "vitest";
import { gaussianWeights, smooth } from "../src/ops/images.ts";
import { cosineAndSine, displaceImages, warpImages } from "../src/ops/sampling.ts";
import { asTensor, fromArray } from "../src/tensor.ts";
import { executors, useExecutor } from "./executors.ts";

/** Images [m, h, w] or [m, h, w, c] whose numbers are all different, the first 1. */
const counted = (...shape: number[]): Tensor => {
  const size = shape.reduce((product, n) => product * n, 1);
  return fromArray(
    Float32Array.from({ length: size }, (_, i) => i + 1),
    shape,
  );
};
/** m images of a height and width that show their column's number, or their row's. */
const ramps = (m: number, h: number, w: number, row = false): Tensor =>
  fromArray(
    Float32Array.from({ length: m * h * w }, (_, i) => (row ? Math.floor(i / w) % h : i % w)),
    [m, h, w],
  );
const numbers = (x: Tensor): number[] => [...x.data()];
const images = async (rows = 1797): Promise<Dataset> => {
  const { x, y } = await digits();
  return dataset(x.slice([0, 0], [rows, 64]).reshape([rows, 8, 8]), y.slice([0], [rows]));
};

describe("one augmentation, exactly", () => {
  it("flip mirrors rows, with channels as they are", () => {
    expect(augmented(counted(1, 2, 3), [flip({ probability: 1 })]).toArray(3)).toEqual([
      [
        [3, 2, 1],
        [6, 5, 4],
      ],
    ]);
    expect(augmented(counted(1, 1, 3, 2), [flip({ probability: 1 })]).toArray(4)).toEqual([
      [
        [
          [5, 6],
          [3, 4],
          [1, 2],
        ],
      ],
    ]);
  });

  it.each([
    ["two flips", [flip({ probability: 1 }), flip({ probability: 1 })]],
    ["a flip that never happens", [flip({ probability: 0 })]],
    ["a crop of the images' own size", [crop({ size: [5, 7] })]],
    ["a rotation by 0", [rotate({ degrees: 0 })]],
    ["a zoom by 0", [zoom({ by: 0 })]],
    ["both", [rotate({ degrees: 0 }), zoom({ by: 0 })]],
    ["a distortion of no strength", [distort({ alpha: 0, sigma: 2 })]],
    ["none", []],
  ] as [string, Augmentation[]][])("%s: the identity", (_what, list) => {
    for (const x of [counted(9, 5, 7), counted(4, 5, 7, 3)]) expect(numbers(augmented(x, list))).toEqual(numbers(x));
  });

  it("crop cuts windows of its size, with zeros beyond the border", () => {
    const [h, w, pad] = [4, 6, 2];
    const x = counted(200, h, w);
    const cut = augmented(x, [crop({ size: [5, 3], pad })]);
    expect(cut.shape).toEqual([200, 5, 3]);
    const [from, to] = [numbers(x), numbers(cut)];
    for (let image = 0; image < 200; image++) {
      const window = (top: number, left: number) =>
        Array.from({ length: 15 }, (_, at) => {
          const [i, j] = [top + Math.floor(at / 3), left + (at % 3)];
          return i >= 0 && i < h && j >= 0 && j < w ? from[(image * h + i) * w + j] : 0;
        });
      const places = Array.from({ length: 4 * 8 }, (_, at) => window(Math.floor(at / 8) - pad, (at % 8) - pad));
      expect(places).toContainEqual(to.slice(image * 15, image * 15 + 15));
    }
    expect(augmented(counted(2, 4, 4, 3), [crop({ size: [2, 3] })]).shape).toEqual([2, 2, 3, 3]);
  });

  it("quarter turns are exact, counter-clockwise first", () => {
    // u = 1 is a turn by +90 degrees, 0.5 by none, 0 by -90.
    const turned = warpImages(counted(3, 2, 2), tensor([1, 0.5, 0.5, 0.5, 0, 0.5], { shape: [3, 2] }), { degrees: 90, by: 0 });
    expect(numbers(asTensor(turned))).toEqual([2, 4, 1, 3, 5, 6, 7, 8, 11, 9, 12, 10]);
    const half = warpImages(counted(1, 2, 3), tensor([[1, 0.5]]), { degrees: 180, by: 0 });
    expect(numbers(asTensor(half))).toEqual([6, 5, 4, 3, 2, 1]);
  });

  it("cosine and sine are those of Math", () => {
    for (let degrees = -180; degrees <= 180; degrees += 0.7) {
      const [cosine, sine] = cosineAndSine(degrees);
      expect(Math.abs(cosine - Math.cos((degrees * Math.PI) / 180))).toBeLessThan(1e-11);
      expect(Math.abs(sine - Math.sin((degrees * Math.PI) / 180))).toBeLessThan(1e-11);
    }
  });

  it("a zoom by 2 shows every pixel of the middle twice as large", () => {
    // Factor 1.5 of a ramp about its middle 2: 2 + (j - 2) / 1.5.
    const enlarged = numbers(asTensor(warpImages(ramps(1, 1, 5), tensor([[0.5, 1]]), { degrees: 0, by: 0.5 })));
    enlarged.forEach((value, j) => {
      expect(value).toBeCloseTo(2 + (j - 2) / 1.5, 6);
    });
    // Factor 0.5: what lies outside is 0, what lies between is a mean.
    expect(numbers(asTensor(warpImages(counted(1, 1, 5), tensor([[0.5, 0]]), { degrees: 0, by: 0.5 })))).toEqual([0, 1, 3, 5, 0]);
  });

  it("displacements move by whole pixels, and between pixels by means", () => {
    const field = [1, 1, 1, 1, 0, 0, 0.5, 0]; // a row further down; the pixel below on the left half a column to the right
    expect(numbers(asTensor(displaceImages(counted(1, 2, 2), tensor(field, { shape: [1, 2, 2, 2] }))))).toEqual([3, 4, 0, 0]);
    const half = [0, 0, 0, 0, 0.5, 0.5, 0.25, -1];
    expect(numbers(asTensor(displaceImages(counted(1, 2, 2), tensor(half, { shape: [1, 2, 2, 2] }))))).toEqual([1.5, 1, 3.25, 3]);
  });

  it("smoothing an impulse shows the Gaussian", () => {
    const weights = new Float64Array(13);
    gaussianWeights(2, 1, weights);
    expect(weights.reduce((sum, w) => sum + w, 0)).toBeCloseTo(1, 14);
    expect((weights[8] as number) / (weights[6] as number)).toBeCloseTo(Math.exp(-0.5), 14);
    const impulse = new Float64Array(20);
    impulse[8] = 1;
    const smoothed = asTensor(smooth(fromArray(impulse, [1, 20]), fromArray(weights, [13]), 1));
    expect(numbers(smoothed).slice(2, 15)).toEqual([...weights]);
  });

  it("bytes become f32, f64 stays f64, labels and classes stay", () => {
    const bytes = tensor(new Uint8Array([1, 2, 3, 4]), { shape: [1, 2, 2] });
    expect(augmented(bytes, [flip({ probability: 1 })]).dtype).toBe("f32");
    expect(augmented(bytes, []).dtype).toBe("f32");
    expect(augmented(bytes.cast("f64"), [flip({ probability: 1 })]).dtype).toBe("f64");
    const made = augmented(dataset(bytes, [3], { classes: ["a", "b", "c", "d"] }), [flip({ probability: 1 })]);
    expect(numbers(made.x)).toEqual([2, 1, 4, 3]);
    expect([numbers(made.y), made.classes]).toEqual([[3], ["a", "b", "c", "d"]]);
  });

  it("centerCrop keeps the middle", () => {
    expect(centerCrop(counted(1, 4, 5), [2, 2]).toArray(3)).toEqual([
      [
        [7, 8],
        [12, 13],
      ],
    ]);
    expect(centerCrop(dataset(counted(2, 3, 3, 2), [0, 1]), [1, 1]).x.toArray(4)).toEqual([[[[9, 10]]], [[[27, 28]]]]);
  });
});

describe("draws", () => {
  it("follow from seed, epoch and row, not from the batch", () => {
    const x = counted(300, 4, 4);
    const list = [flip(), crop({ size: [4, 4], pad: 2 }), rotate({ degrees: 20 })];
    const whole = numbers(augmented(x, list, { seed: 5, epoch: 2 }));
    expect(numbers(augmented(x, list, { seed: 5, epoch: 2 }))).toEqual(whole);
    expect(numbers(augmented(x.slice([0, 0, 0], [40, 4, 4]), list, { seed: 5, epoch: 2 }))).toEqual(whole.slice(0, 640));
    expect(numbers(augmented(x, list, { seed: 5, epoch: 3 }))).not.toEqual(whole);
    expect(numbers(augmented(x, list, { seed: 6, epoch: 2 }))).not.toEqual(whole);
    // Seeds beyond 2^32 have a second word.
    expect(numbers(augmented(x, list, { seed: 5 + 2 ** 32, epoch: 2 }))).not.toEqual(whole);
  });

  it("differ between augmentations of one list", () => {
    // Two flips at once, or none, would leave every image as it was.
    const m = 1000;
    const first = numbers(augmented(ramps(m, 1, 2), [flip(), flip()])).filter((_, i) => i % 2 === 0);
    const mirrored = first.reduce((sum, value) => sum + value, 0) / m;
    expect(Math.abs(mirrored - 0.5)).toBeLessThan(4 * Math.sqrt(0.25 / m));
  });

  it("flip at the rate asked for", () => {
    const m = 4000;
    for (const probability of [0.5, 0.3]) {
      const first = numbers(augmented(ramps(m, 1, 2), [flip({ probability })], { seed: 3 })).filter((_, i) => i % 2 === 0);
      const share = first.reduce((sum, value) => sum + value, 0) / m;
      expect(Math.abs(share - probability)).toBeLessThan(4 * Math.sqrt((probability * (1 - probability)) / m));
    }
  });

  it("crop at every place alike: chi-squared over 5 x 5 places", () => {
    const m = 5000;
    // An image of one pixel that is not 0 in the middle, cut to 5 x 5: where it is then tells the place.
    const middle = fromArray(
      Float32Array.from({ length: m * 81 }, (_, i) => (i % 81 === 40 ? 1 : 0)),
      [m, 9, 9],
    );
    const counts = new Array<number>(25).fill(0);
    numbers(augmented(middle, [crop({ size: [5, 5] })], { seed: 8 })).forEach((value, i) => {
      if (value === 1) counts[i % 25] = (counts[i % 25] as number) + 1;
    });
    expect(counts.reduce((sum, n) => sum + n, 0)).toBe(m);
    const chiSquared = counts.reduce((sum, n) => sum + (n - m / 25) ** 2 / (m / 25), 0);
    // 24 degrees of freedom: above 51.2 once in a thousand seeds.
    expect(chiSquared).toBeLessThan(51.2);
    expect(chiSquared).toBeGreaterThan(6);
  });

  it("rotate by angles spread evenly over -degrees to degrees", () => {
    const m = 2000;
    // A row's number, three columns right of the middle: 4 + sin(angle) 3 + cos(angle) 0.
    const turned = augmented(ramps(m, 9, 9, true), [rotate({ degrees: 30 })], { seed: 2 }).data();
    const angles = Array.from({ length: m }, (_, i) => (Math.asin(((turned[i * 81 + 4 * 9 + 7] as number) - 4) / 3) * 180) / Math.PI);
    expectEven(angles, -30, 30);
  });

  it("zoom by factors spread evenly over 1 - by to 1 + by", () => {
    const m = 2000;
    const zoomed = augmented(ramps(m, 1, 9), [zoom({ by: 0.2 })], { seed: 2 }).data();
    expectEven(
      Array.from({ length: m }, (_, i) => 2 / ((zoomed[i * 9 + 6] as number) - 4)),
      0.8,
      1.2,
    );
  });

  it.each([
    ["zoom and rotate", [zoom({ by: 0.2 }), rotate({ degrees: 30 })]],
    ["rotate and zoom", [rotate({ degrees: 30 }), zoom({ by: 0.2 })]],
  ])("%s side by side are one resampling, with an angle and a factor of its own", (_what, list) => {
    const m = 1000;
    const [rows, columns] = [true, false].map((row) => augmented(ramps(m, 9, 9, row), list, { seed: 2 }).data()) as unknown as [
      ArrayLike<number>,
      ArrayLike<number>,
    ];
    const angles: number[] = [];
    const factors: number[] = [];
    for (let i = 0; i < m; i++) {
      const [down, right] = [rows, columns].map((r) => (r[i * 81 + 4 * 9 + 6] as number) - 4) as [number, number];
      factors.push(2 / Math.hypot(down, right));
      angles.push((Math.atan2(down, right) * 180) / Math.PI);
    }
    expectEven(factors, 0.8, 1.2);
    expectEven(angles, -30, 30);
    const together = angles.reduce((sum, angle, i) => sum + (angle / 30) * (((factors[i] as number) - 1) / 0.2), 0) / m;
    expect(Math.abs(together)).toBeLessThan(4 / 3 / Math.sqrt(m));
  });

  it("distort by displacements of deviation alpha / (2 sqrt(3 pi) sigma), smooth, and as far across as down", () => {
    const [m, n, alpha, sigma] = [60, 25, 12, 3];
    for (const row of [true, false]) {
      const moved = augmented(ramps(m, n, n, row), [distort({ alpha, sigma })], { seed: 4 }).data();
      const steps: number[] = [];
      let rough = 0;
      for (let i = 0; i < m; i++) {
        // Away from the border, beyond which there is neither a displacement nor an image.
        for (let a = 9; a < 16; a++) {
          for (let b = 9; b < 16; b++) {
            const at = (i * n + a) * n + b;
            const step = (moved[at] as number) - (row ? a : b);
            steps.push(step);
            rough += (step - ((moved[at + (row ? 1 : n)] as number) - (row ? a : b))) ** 2;
          }
        }
      }
      const mean = steps.reduce((sum, d) => sum + d, 0) / steps.length;
      const deviation = Math.sqrt(steps.reduce((sum, d) => sum + (d - mean) ** 2, 0) / steps.length);
      const expected = alpha / (2 * Math.sqrt(3 * Math.PI) * sigma);
      expect(Math.abs(deviation / expected - 1)).toBeLessThan(0.15);
      expect(Math.abs(mean)).toBeLessThan(0.25 * expected);
      // Of neighbours: variance 2 s^2 (1 - exp(-1 / (4 sigma^2))).
      const apart = Math.sqrt(rough / steps.length) / (expected * Math.sqrt(2 * (1 - Math.exp(-1 / (4 * sigma * sigma)))));
      expect(Math.abs(apart - 1)).toBeLessThan(0.15);
    }
  });
});

/** Even spread over [low, high]: inside it, with its mean, its deviation and its quarters, each within four standard errors. */
function expectEven(values: readonly number[], low: number, high: number): void {
  const m = values.length;
  const range = high - low;
  expect(Math.min(...values)).toBeGreaterThan(low - 1e-4 * range);
  expect(Math.max(...values)).toBeLessThan(high + 1e-4 * range);
  for (let quarter = 0; quarter < 4; quarter++) {
    const share = values.filter((v) => v >= low + (quarter / 4) * range && v < low + ((quarter + 1) / 4) * range).length / m;
    expect(Math.abs(share - 0.25)).toBeLessThan(4 * Math.sqrt(0.1875 / m));
  }
}

describe("in fit", () => {
  // A seed of two words. Steps too small to change a weight: the loss of an epoch is that of its images.
  const seed = 9 + 2 ** 32;
  const still = { loss: crossEntropy(), optimizer: sgd({ learningRate: 1e-30 }), epochs: 2, seed };
  const list = [flip(), crop({ size: [8, 8], pad: 2 }), rotate({ degrees: 25 }), zoom({ by: 0.2 }), distort({ alpha: 5, sigma: 2 })];

  it("the images of an epoch are those that augmented shows, in batches of any size", async () => {
    const train = await images(150);
    const model = sequential([standardize(train).layer(), flatten(), dense(12), relu(), dense(10)]).build({ shape: [8, 8], seed: 4 });
    const plain = (await model.evaluate(train, { loss: still.loss })).loss;
    for (const batchSize of [64, 7]) {
      const { epochs } = await model.fit(train, { ...still, batchSize, augment: list });
      for (const { epoch, trainLoss } of epochs) {
        const { loss } = await model.evaluate(augmented(train, list, { seed, epoch }));
        expect(Math.abs(trainLoss - loss)).toBeLessThan(1e-5);
        expect(Math.abs(trainLoss - plain)).toBeGreaterThan(1e-3);
      }
      expect(Math.abs((epochs[1]?.trainLoss ?? 0) - epochs[0].trainLoss)).toBeGreaterThan(1e-4);
    }
  });

  it("dev is never augmented", async () => {
    const train = await images(64);
    const model = sequential([flatten(), dense(10)]).build({ shape: [8, 8], seed: 4 });
    const { epochs } = await model.fit(train, { ...still, dev: train, augment: list });
    const { loss } = await model.evaluate(train);
    expect(epochs.map(({ devLoss }) => devLoss)).toEqual([loss, loss]);
  });

  it("a crop to another size makes a model for images of that size", async () => {
    const train = await images(64);
    const model = sequential([flatten(), dense(10)]);
    const small = [crop({ size: [5, 6] })];
    const { last } = await model.fit(train, { ...still, dev: centerCrop(train, [5, 6]), augment: small });
    expect(model.parameters()[0]?.shape).toEqual([30, 10]);
    expect((await model.evaluate(augmented(train, small, { seed, epoch: 2 }))).loss).toBeCloseTo(last.trainLoss, 5);
    expect((await model.predict(centerCrop(train.x, [5, 6]))).shape).toEqual([64, 10]);
  });

  it("helps: a model trained on shifted digits reads shifted digits better", async () => {
    const train = await images(600);
    const shifted = augmented(await images(300), [crop({ size: [8, 8], pad: 1 })], { seed: 77 });
    const errors: number[] = [];
    for (const augment of [undefined, [crop({ size: [8, 8], pad: 1 })]]) {
      const model = sequential([standardize(train).layer(), flatten(), dense(32), relu(), dense(10)]);
      await model.fit(train, { loss: crossEntropy(), optimizer: sgd({ learningRate: 0.1 }), epochs: 8, seed: 1, augment });
      errors.push((await model.evaluate(shifted)).error);
    }
    expect(errors[1]).toBeLessThan((errors[0] as number) - 0.1);
  });

  it("the same seed gives the same weights, for any number of threads", async () => {
    const train = await images(200);
    const weights = async (threads: number) => {
      const model = sequential([flatten(), dense(16), relu(), dense(10)]);
      await model.fit(train, { loss: crossEntropy(), optimizer: sgd({ learningRate: 0.05 }), epochs: 3, seed: 3, threads, augment: list });
      return model.parameters().map((parameter) => numbers(parameter));
    };
    const first = await weights(1);
    for (const threads of backend().name === "native" ? [1, 2, 3] : [1]) expect(await weights(threads)).toEqual(first);
  });
});

describe.runIf(executors.length > 1)("executors (needs the native addon)", () => {
  it("native and TypeScript give the same bits", async ({ skip }) => {
    const hashes: string[] = [];
    for (const name of executors) {
      const missing = await useExecutor(name);
      if (missing) return skip(missing);
      const data = await import("minibatch/data");
      const { fromArray: from } = await import("../src/tensor.ts");
      const x = from(
        Float32Array.from({ length: 300 * 169 * 3 }, (_, i) => ((i * 7919) % 256) - 100 / (1 + (i % 7))),
        [300, 13, 13, 3],
      );
      const list = [data.flip(), data.crop({ size: [11, 14], pad: 2 }), data.rotate({ degrees: 40 }), data.zoom({ by: 0.3 })];
      const made = data.augmented(x, [...list, data.distort({ alpha: 9, sigma: 2.5 })], { seed: 12, epoch: 6 });
      hashes.push(
        createHash("sha256")
          .update(new Uint8Array(made.data("f32").buffer))
          .digest("hex"),
      );
    }
    expect(hashes).toHaveLength(2);
    expect(hashes[1]).toBe(hashes[0]);
  });
});
