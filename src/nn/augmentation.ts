// Augmentations of images: what a user chooses, and how it is written in ops on a batch and its draws. Whether they are
// applied in a training program or to be looked at, it is the same code. Knows no data set and no run.
import { newArray } from "../dtype.ts";
import { checkNumber, checkOptions, describe, MinibatchError, ShapeError } from "../errors.ts";
import { source, type Value } from "../ops/define.ts";
import { cast, mul, sub } from "../ops/elementwise.ts";
import { cropImages, flipImages, gaussianWeights, smooth, uniformRows } from "../ops/images.ts";
import { reshape } from "../ops/movement.ts";
import { displaceImages, warpImages } from "../ops/sampling.ts";
import { type Shape, show } from "../shape.ts";

type Size = readonly [height: number, width: number];

/** A random change of images, made by flip, crop, rotate, zoom or distort. */
export interface Augmentation {
  readonly kind: string;
}

const mark: unique symbol = Symbol("minibatch.augmentation");

/** An augmentation as the library holds it. */
interface AugmentationDefinition extends Augmentation {
  readonly [mark]: true;
  /** As they were given, for people to read. */
  readonly options: Readonly<Record<string, unknown>>;
  /** How many numbers from [0, 1) an image of this size takes. */
  draws(size: Size): number;
  /** The size of the results, or an error. */
  sizeAfter(where: string, size: Size): Size;
  /** x [b, h, w] or [b, h, w, c], u [b, draws]. */
  apply(x: Value, u: Value): Value;
  /** Of rotate and zoom, which about one centre are one resampling. */
  readonly warp?: { readonly degrees: number; readonly by: number };
}

const sameSize = (_where: string, size: Size): Size => size;

/**
 * Mirrors an image left to right with this probability, 0.5 by default. Not for digits or letters.
 * Images are [m, h, w] or [m, h, w, c].
 */
export function flip(options: { probability?: number | undefined } = {}): Augmentation {
  checkOptions("flip", options, ["probability"]);
  const probability = checkNumber("flip", "probability", options.probability ?? 0.5, { min: 0, max: 1 });
  const definition: AugmentationDefinition = {
    [mark]: true,
    kind: "flip",
    options: { probability },
    draws: () => 1,
    sizeAfter: sameSize,
    apply: (x, u) => flipImages(x, reshape(u, [x.shape[0] as number]), { probability }),
  };
  return definition;
}

/**
 * Cuts a window of `size` [height, width] at a random place; `pad` pixels of 0 are added on every side first. Every place is equally
 * likely. The usual shift by up to p pixels is `crop({ size: [h, w], pad: p })`. With another size than the images', the model
 * is one for images of that size: `centerCrop` makes dev and test images like that.
 */
export function crop(options: { size: readonly [height: number, width: number]; pad?: number | undefined }): Augmentation {
  checkOptions("crop", options, ["size", "pad"]);
  const given: unknown = options?.size;
  if (!Array.isArray(given) || given.length !== 2) throw new MinibatchError(`crop: size must be [height, width], got ${describe(given)}`);
  const height = checkNumber("crop", "size[0]", given[0], { whole: true, min: 1 });
  const width = checkNumber("crop", "size[1]", given[1], { whole: true, min: 1 });
  const pad = checkNumber("crop", "pad", options.pad ?? 0, { whole: true, min: 0, max: 2 ** 16 });
  const definition: AugmentationDefinition = {
    [mark]: true,
    kind: "crop",
    options: { size: [height, width], pad },
    draws: () => 2,
    sizeAfter(where, [h, w]) {
      if (height > h + 2 * pad || width > w + 2 * pad) {
        throw new ShapeError(
          `${where}: crop must not be larger than the images, got size ${show([height, width])} for images of ${show([h, w])}${pad ? ` with pad ${pad}` : "; pad adds a border of zeros"}`,
        );
      }
      return [height, width];
    },
    apply: (x, u) => cropImages(x, u, { height, width, pad }),
  };
  return definition;
}

function warped(kind: string, options: { readonly degrees?: number; readonly by?: number }): AugmentationDefinition {
  const warp = { degrees: 0, by: 0, ...options };
  return { [mark]: true, kind, options, draws: () => 2, sizeAfter: sameSize, apply: (x, u) => warpImages(x, u, warp), warp };
}

/**
 * Turns an image about its centre by an angle drawn evenly from -degrees to degrees (0 to 180). Bilinear; what comes from outside the
 * image is 0.
 */
export function rotate(options: { degrees: number }): Augmentation {
  checkOptions("rotate", options, ["degrees"]);
  return warped("rotate", { degrees: checkNumber("rotate", "degrees", options?.degrees, { min: 0, max: 180 }) });
}

/**
 * Enlarges an image about its centre by a factor drawn evenly from 1 - by to 1 + by (0 <= by < 1). Bilinear; the size stays, and what
 * comes from outside the image is 0.
 */
export function zoom(options: { by: number }): Augmentation {
  checkOptions("zoom", options, ["by"]);
  return warped("zoom", { by: checkNumber("zoom", "by", options?.by, { min: 0, below: 1 }) });
}

/** A Gaussian is cut off at this many deviations: 0.3% of it lie beyond. */
const cutOff = 3;

/**
 * Elastic distortion: every pixel is read from a place displaced by alpha G(r), in pixels, where r is drawn evenly from -1 to 1 for each pixel
 * and axis, and G smooths with a Gaussian of deviation sigma (pixels; beyond the image r is 0). Bilinear, 0 outside. A large sigma
 * gives slow bends, whose size is some 0.16 alpha / sigma. Handwritten digits of 28 x 28: alpha 34, sigma 4.
 * Source: Simard, Steinkraus, Platt, "Best practices for convolutional neural networks applied to visual document analysis", ICDAR 2003.
 */
export function distort(options: { alpha: number; sigma: number }): Augmentation {
  checkOptions("distort", options, ["alpha", "sigma"]);
  const alpha = checkNumber("distort", "alpha", options?.alpha, { min: 0 });
  const sigma = checkNumber("distort", "sigma", options.sigma, { above: 0, max: 100 });
  const taps = 2 * Math.ceil(cutOff * sigma) + 1;
  const definition: AugmentationDefinition = {
    [mark]: true,
    kind: "distort",
    options: { alpha, sigma },
    draws: ([h, w]) => 2 * h * w,
    sizeAfter: sameSize,
    apply(x, u) {
      const [b, h, w] = x.shape as [number, number, number];
      // Computed here, once for all executors: an exponential may differ between them in its last bit.
      const gaussian = (times: number) => {
        const data = newArray(u.dtype, taps);
        gaussianWeights(sigma, times, data);
        return source({ kind: "constant", data }, { shape: [taps], dtype: u.dtype });
      };
      const r = sub(mul(reshape(u, [b, 2, h, w]), 2), 1);
      return displaceImages(x, smooth(smooth(r, gaussian(1), 2), gaussian(alpha), 3));
    },
  };
  return definition;
}

function isAugmentation(value: unknown): value is AugmentationDefinition {
  return typeof value === "object" && value !== null && (value as Partial<AugmentationDefinition>)[mark] === true;
}

/** A list of augmentations, ready to be applied. */
export interface Augmentations {
  /** The shape of one example after all of them, from that of one before; an error where they do not fit. */
  exampleShape(where: string, shape: Shape): Shape;
  /**
   * A batch of images x [b, h, w] or [b, h, w, c], augmented. An image's draws follow from `rows` i32 [b], its row number in the data set,
   * and `key` i32 [3]: seed low, seed high, epoch.
   */
  apply(x: Value, rows: Value, key: Value): Value;
}

/** Checks a list of augmentations; an empty one is none. */
export function checkAugmentations(where: string, list: unknown): Augmentations | undefined {
  if (list === undefined) return undefined;
  if (!Array.isArray(list))
    throw new MinibatchError(`${where}: expected a list such as [flip(), crop({ size: [28, 28], pad: 2 })], got ${describe(list)}`);
  const given = list.map((item: unknown, i) => {
    if (isAugmentation(item)) return item;
    const hint = typeof item === "function" ? `; call it: ${item.name || "flip"}(...)` : "";
    throw new MinibatchError(`${where}: element ${i} must be flip, crop, rotate, zoom or distort, got ${describe(item)}${hint}`);
  });
  if (!given.length) return undefined;
  const steps = joined(given);
  return {
    exampleShape(at, shape) {
      const [h, w, ...channels] = shape;
      if (h === undefined || w === undefined || channels.length > 1) {
        throw new ShapeError(
          `${at}: images must be [m, height, width] or [m, height, width, channels], got x of shape [${["m", ...shape].join(", ")}]; dataset(x.reshape([m, 28, 28]), y) makes images of rows, and flatten() as the model's first layer rows of images`,
        );
      }
      return [...steps.reduce<Size>((size, step) => step.sizeAfter(at, size), [h, w]), ...channels];
    },
    apply: (x, rows, key) =>
      steps.reduce((images, step, site) => {
        const [h, w] = images.shape.slice(1) as unknown as Size;
        return step.apply(images, cast(uniformRows(rows, key, { columns: step.draws([h, w]), site }), x.dtype));
      }, x),
  };
}

/** A rotation and a zoom side by side become one resampling: two would blur twice. */
function joined(list: readonly AugmentationDefinition[]): AugmentationDefinition[] {
  const out: AugmentationDefinition[] = [];
  for (const next of list) {
    const before = out.at(-1);
    if (next.warp && before?.warp && before.kind !== next.kind && before.kind !== "warp") {
      out[out.length - 1] = warped("warp", { degrees: before.warp.degrees + next.warp.degrees, by: before.warp.by + next.warp.by });
    } else {
      out.push(next);
    }
  }
  return out;
}
