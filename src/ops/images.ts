// Batches of images, changed by numbers between 0 and 1 that come from outside: mirrored, cropped, smoothed, and the draws
// themselves. Resampling between pixels is sampling.ts. All sums are in one order, so that executors agree bit for bit.
import type { NumberArray } from "../dtype.ts";
import { ShapeError } from "../errors.ts";
import { philox, purposes } from "../random.ts";
import { resolveAxis, show, sizeOf } from "../shape.ts";
import { apply1, defineOp, type OpDefinition, type Sample, type Value, type ValueType, type View } from "./define.ts";
import { named, requireFloats, requireShape } from "./rules.ts";

/** Nothing is left to rounding: native kernels give these very numbers. */
export const exact = { f32: 0, f64: 0 } as const;

export interface ImageSizes {
  readonly count: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}

/** The sizes of images [b, h, w] or [b, h, w, c]. */
export function imageSizes(op: string, { shape }: ValueType): ImageSizes {
  const [count, height, width, channels = 1] = shape;
  if (shape.length < 3 || shape.length > 4 || count === undefined || height === undefined || width === undefined) {
    throw new ShapeError(`${op}: images must be [b, height, width] or [b, height, width, channels], got ${show(shape)}`);
  }
  return { count, height, width, channels };
}

// Eight counters make 32 columns, eight neighbours from the same of their four words: which is how vector units compute them.
const neighbours = 8;
const group = 4 * neighbours;

export const uniformRowsOp = defineOp<{ columns: number; site: number }>({
  name: "uniformRows",
  doc: "Draws of 24 bits from 0 to below 1, by row number: rows i32 [b], key i32 [3] = seed low, seed high, epoch -> f32 [b, columns]; the same row has the same draws in any batch.",
  infer(inputs, { columns }) {
    const { rows, key } = named("uniformRows", inputs, ["rows", "key"]);
    if (rows.dtype !== "i32" || rows.shape.length !== 1)
      throw new ShapeError(`uniformRows: rows must be i32 [b], got ${rows.dtype} ${show(rows.shape)}`);
    requireShape("uniformRows", { key }, [3], "seed low, seed high and epoch");
    if (key.dtype !== "i32") throw new ShapeError(`uniformRows: key must be i32, got ${key.dtype}`);
    return [{ shape: [rows.shape[0] as number, columns], dtype: "f32" }];
  },
  kernel([rows, key], [u], { columns, site }) {
    const numbers = (rows as View).data;
    const out = (u as View).data;
    const [seedLow, seedHigh, epoch] = (key as View).data as unknown as [number, number, number];
    const words = new Uint32Array(4);
    // Sites stand above the purpose in one word of the counter: block, row, epoch, purpose and site.
    const last = purposes.augmentation + 256 * site;
    for (let i = 0; i < numbers.length; i++) {
      for (let first = 0; first < columns; first += group) {
        for (let c = 0; c < Math.min(neighbours, columns - first); c++) {
          philox(seedLow, seedHigh, first / 4 + c, numbers[i] as number, epoch, last, words);
          for (let w = 0, column = first + c; w < 4 && column < columns; w++, column += neighbours)
            out[i * columns + column] = ((words[w] as number) >>> 8) * 2 ** -24;
        }
      }
    }
  },
  tolerance: exact,
  samples: [
    drawsSample([0, 1, 7, 59999], [1, 0, 1], 1, 0),
    drawsSample([3, 3, -1], [-7, 2097151, 4], 5, 2),
    drawsSample([2, 12], [9, 0, -3], 33, 1),
    drawsSample([5], [9, 0, 3], 130, 0),
    drawsSample([], [9, 0, 3], 4, 0),
    drawsSample([1, 2], [9, 0, 3], 0, 0),
    drawsSample(
      Array.from({ length: 130 }, (_, i) => 3 * i),
      [5, 5, 5],
      150,
      3,
    ),
  ],
});

function drawsSample(rows: readonly number[], key: readonly number[], columns: number, site: number) {
  return {
    inputs: [
      { shape: [rows.length], dtype: "i32" as const, values: rows },
      { shape: [3], dtype: "i32" as const, values: key },
    ],
    attributes: { columns, site },
  };
}

/** Draws from [0, 1) for each of the rows of a data set, f32 [b, columns]: a function of seed, epoch, row number and site. */
export function uniformRows(rows: Value, key: Value, options: { columns: number; site: number }): Value {
  return apply1(uniformRowsOp, [rows, key], { columns: options.columns, site: options.site });
}

export const flipImagesOp = defineOp<{ probability: number }>({
  name: "flipImages",
  doc: "Image i mirrored left to right where u[i] < probability: x [b, h, w] or [b, h, w, c], u [b] -> like x.",
  infer(inputs) {
    const { x, u } = named("flipImages", inputs, ["x", "u"]);
    requireFloats("flipImages", { x, u });
    requireShape("flipImages", { u }, [imageSizes("flipImages", x).count], "a number per image");
    return [x];
  },
  kernel([x, u], [y], { probability }) {
    const { count, height, width, channels } = imageSizes("flipImages", x as View);
    const from = (x as View).data;
    const to = (y as View).data;
    const lines = count * height;
    for (let line = 0; line < lines; line++) {
      const mirrored = ((u as View).data[Math.floor(line / height)] as number) < probability;
      for (let j = 0; j < width; j++) {
        const source = (line * width + (mirrored ? width - 1 - j : j)) * channels;
        for (let c = 0; c < channels; c++) to[(line * width + j) * channels + c] = from[source + c] as number;
      }
    }
  },
  tolerance: exact,
  samples: [
    { inputs: [{ shape: [3, 2, 3] }, { shape: [3], values: [0, 0.5, 0.25] }], attributes: { probability: 0.5 } },
    { inputs: [{ shape: [5, 4, 19] }, { shape: [5], range: [0, 1] }], attributes: { probability: 0.5 } },
    { inputs: [{ shape: [4, 3, 5, 3] }, { shape: [4], range: [0, 1] }], attributes: { probability: 0.7 } },
    { inputs: [{ shape: [2, 1, 1] }, { shape: [2], range: [0, 1] }], attributes: { probability: 1 } },
    { inputs: [{ shape: [2, 3, 35, 1] }, { shape: [2], range: [0, 1] }], attributes: { probability: 0 } },
    { inputs: [{ shape: [0, 3, 3] }, { shape: [0] }], attributes: { probability: 0.5 } },
    { inputs: [{ shape: [60, 28, 28] }, { shape: [60], range: [0, 1] }], attributes: { probability: 0.5 } },
  ],
});

/** Mirrors the images whose number u is below the probability: x [b, h, w] or [b, h, w, c], u [b]. */
export function flipImages(x: Value, u: Value, options: { probability: number }): Value {
  return apply1(flipImagesOp, [x, u], { probability: options.probability });
}

/** The place that u chooses among n: floor(u n), kept inside. */
function place(u: number, n: number): number {
  const at = u * n;
  return at >= n ? n - 1 : at >= 0 ? Math.floor(at) : 0;
}

export const cropImagesOp = defineOp<{ height: number; pad: number; width: number }>({
  name: "cropImages",
  doc: "A window of [height, width] of each image with `pad` zeros on every side; its top is floor(u0 (h + 2 pad - height + 1)), its left likewise by u1: x [b, h, w] or [b, h, w, c], u [b, 2] -> [b, height, width] or with c.",
  infer(inputs, { height, pad, width }) {
    const { x, u } = named("cropImages", inputs, ["x", "u"]);
    requireFloats("cropImages", { x, u });
    const sizes = imageSizes("cropImages", x);
    requireShape("cropImages", { u }, [sizes.count, 2], "two numbers per image");
    if (height > sizes.height + 2 * pad || width > sizes.width + 2 * pad) {
      throw new ShapeError(
        `cropImages: a window must fit into the padded image, got a window of ${show([height, width])}, images of ${show([sizes.height, sizes.width])} and pad ${pad}`,
      );
    }
    return [{ shape: [sizes.count, height, width, ...x.shape.slice(3)], dtype: x.dtype }];
  },
  kernel([x, u], [y], { height, pad, width }) {
    const sizes = imageSizes("cropImages", x as View);
    const { channels } = sizes;
    const from = (x as View).data;
    const to = (y as View).data;
    const choice = (u as View).data;
    to.fill(0);
    for (let image = 0; image < sizes.count; image++) {
      const top = place(choice[2 * image] as number, sizes.height + 2 * pad - height + 1) - pad;
      const left = place(choice[2 * image + 1] as number, sizes.width + 2 * pad - width + 1) - pad;
      for (let i = Math.max(0, -top); i < height && top + i < sizes.height; i++) {
        for (let j = Math.max(0, -left); j < width && left + j < sizes.width; j++) {
          const source = ((image * sizes.height + top + i) * sizes.width + left + j) * channels;
          const target = ((image * height + i) * width + j) * channels;
          for (let c = 0; c < channels; c++) to[target + c] = from[source + c] as number;
        }
      }
    }
  },
  tolerance: exact,
  samples: [
    cropSample([4, 5, 6], 3, 2, 0),
    cropSample([7, 5, 19], 5, 19, 2),
    cropSample([5, 4, 6, 3], 3, 7, 1),
    cropSample([3, 1, 1], 1, 1, 0),
    // More padding than image: some windows see nothing of it.
    cropSample([9, 2, 3], 2, 3, 4),
    { ...cropSample([2, 3, 3], 3, 3, 1), inputs: [{ shape: [2, 3, 3] }, { shape: [2, 2], values: [0, 1, 1, 0] }] },
    cropSample([0, 3, 3], 2, 2, 0),
    cropSample([70, 28, 28], 28, 28, 2),
  ],
});

function cropSample(
  shape: readonly number[],
  height: number,
  width: number,
  pad: number,
): Sample<{ height: number; pad: number; width: number }> {
  return { inputs: [{ shape }, { shape: [shape[0] as number, 2], range: [0, 1] }], attributes: { height, pad, width } };
}

/** A window of each image at a place that u [b, 2] chooses: x [b, h, w] or [b, h, w, c]. */
export function cropImages(x: Value, u: Value, options: { height: number; width: number; pad: number }): Value {
  const { height, width, pad } = options;
  return apply1(cropImagesOp, [x, u], { height, pad, width });
}

export const smoothOp = defineOp<{ axis: number }>({
  name: "smooth",
  doc: "y[i] = sum over k of weights[k] x[i + k - r] along an axis, zeros beyond its ends: x [...], weights [2 r + 1] -> like x.",
  infer(inputs, { axis }) {
    const { x, weights } = named("smooth", inputs, ["x", "weights"]);
    requireFloats("smooth", { x, weights });
    if (!(axis >= 0 && axis < x.shape.length)) throw new ShapeError(`smooth: axis must be below ${x.shape.length}, got ${axis}`);
    if (weights.shape.length !== 1 || (weights.shape[0] as number) % 2 === 0) {
      throw new ShapeError(`smooth: weights must be a list of odd length, got ${show(weights.shape)}`);
    }
    return [x];
  },
  kernel([x, weights], [y], { axis }) {
    const { shape, data } = x as View;
    const w = (weights as View).data;
    const out = (y as View).data;
    const n = shape[axis] as number;
    const inner = sizeOf(shape.slice(axis + 1));
    const r = (w.length - 1) / 2;
    const size = sizeOf(shape);
    for (let at = 0; at < size; at++) {
      const i = Math.floor(at / inner) % n;
      let sum = 0;
      for (let k = Math.max(0, r - i); k < w.length && i + k - r < n; k++) sum += (w[k] as number) * (data[at + (k - r) * inner] as number);
      out[at] = sum;
    }
  },
  flops: ([x, weights]) => 2 * sizeOf((x as ValueType).shape) * sizeOf((weights as ValueType).shape),
  tolerance: exact,
  samples: [
    { inputs: [{ shape: [2, 3, 7] }, { shape: [3] }], attributes: { axis: 2 } },
    { inputs: [{ shape: [2, 7, 21] }, { shape: [5] }], attributes: { axis: 1 } },
    { inputs: [{ shape: [3, 2, 5] }, { shape: [7] }], attributes: { axis: 0 } },
    { inputs: [{ shape: [45] }, { shape: [25] }], attributes: { axis: 0 } },
    { inputs: [{ shape: [4] }, { shape: [1] }], attributes: { axis: 0 } },
    { inputs: [{ shape: [4, 0] }, { shape: [3] }], attributes: { axis: 0 } },
    { inputs: [{ shape: [10, 2, 28, 28] }, { shape: [25] }], attributes: { axis: 3 } },
    { inputs: [{ shape: [10, 2, 28, 28] }, { shape: [25] }], attributes: { axis: 2 } },
  ],
});

/** Weighted sums of neighbours along an axis; what lies beyond the ends counts as 0. */
export function smooth(x: Value, weights: Value, axis: number): Value {
  return apply1(smoothOp, [x, weights], { axis: resolveAxis("smooth", axis, x.rank) });
}

/** Weights of a Gaussian of deviation sigma (in elements), as many as there is room for on both sides of the middle; they add up to `total`. */
export function gaussianWeights(sigma: number, total: number, out: NumberArray): void {
  const r = (out.length - 1) / 2;
  const bell = (k: number) => Math.exp((-k * k) / (2 * sigma * sigma));
  let sum = 0;
  for (let k = -r; k <= r; k++) sum += bell(k);
  for (let k = -r; k <= r; k++) out[k + r] = (total * bell(k)) / sum;
}

export const imageOps: readonly OpDefinition[] = [uniformRowsOp, flipImagesOp, cropImagesOp, smoothOp];
