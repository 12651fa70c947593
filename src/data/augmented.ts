// Augmentation outside of training: the images that fit would see in an epoch, to look at; and images cut to the size that a
// random crop leaves. The work itself is what fit does (nn/augmentation.ts).
import { type Dataset, dataset } from "../dataset.ts";
import { newArray } from "../dtype.ts";
import { checkNumber, checkOptions, describe, MinibatchError, ShapeError } from "../errors.ts";
import { type Augmentation, checkAugmentations } from "../nn/augmentation.ts";
import { checkSeed, seedWords } from "../random.ts";
import { show, sizeOf } from "../shape.ts";
import { asTensor, fromArray, type Tensor, type TensorLike, tensor } from "../tensor.ts";
import { isDataset } from "./rows.ts";

/** Images of one program: what lies between two augmentations stays in the caches. */
const batch = 256;

/**
 * The images x [m, h, w] or [m, h, w, c] as `fit(data, { augment, seed })` sees them in an epoch (1 by default): the same row, seed and
 * epoch give the same image. f64 stays f64, all else becomes f32. Labels stay.
 *
 * ```ts
 * const shown = augmented(train, [flip(), rotate({ degrees: 10 })], { seed: 1, epoch: 3 });
 * ```
 */
export function augmented(
  data: Dataset,
  augment: readonly Augmentation[],
  options?: { seed?: number | undefined; epoch?: number | undefined },
): Dataset;
export function augmented(
  x: TensorLike,
  augment: readonly Augmentation[],
  options?: { seed?: number | undefined; epoch?: number | undefined },
): Tensor;
export function augmented(
  data: Dataset | TensorLike,
  augment: readonly Augmentation[],
  options: { seed?: number | undefined; epoch?: number | undefined } = {},
): Dataset | Tensor {
  checkOptions("augmented", options, ["seed", "epoch"]);
  const seed = checkSeed("augmented", options.seed ?? 0);
  const epoch = checkNumber("augmented", "epoch", options.epoch ?? 1, { whole: true, min: 0, max: 2 ** 31 - 1 });
  const steps = checkAugmentations("augmented", augment ?? null);
  if (isDataset(data)) return dataset(augmented(data.x, augment, options), data.y, { classes: data.classes });
  const x = imagesOf("augmented", data);
  const dtype = x.dtype === "f64" ? "f64" : "f32";
  if (!steps) return x.dtype === dtype ? x : x.cast(dtype);
  const shape = x.shape.slice(1);
  const after = steps.exampleShape("augmented", shape);
  const [m, width, widthAfter] = [x.shape[0] as number, sizeOf(shape), sizeOf(after)];
  const numbers = x.data();
  const out = newArray(dtype, m * widthAfter);
  const key = fromArray(Int32Array.from([...seedWords(seed), epoch]), [3]);
  for (let at = 0; at < m; at += batch) {
    const size = Math.min(batch, m - at);
    const rows = fromArray(
      Int32Array.from({ length: size }, (_, i) => at + i),
      [size],
    );
    const part = fromArray(numbers.slice(at * width, (at + size) * width), [size, ...shape]);
    out.set(asTensor(steps.apply(part.cast(dtype), rows, key)).data(), at * widthAfter);
  }
  return fromArray(out, [m, ...after]);
}

/**
 * The middle of images x [m, h, w] or [m, h, w, c], `size` [height, width] large: what a model trained with `crop` is given at dev and test
 * time. Where a border cannot be halved, the smaller half is cut off above and on the left.
 */
export function centerCrop(data: Dataset, size: readonly [height: number, width: number]): Dataset;
export function centerCrop(x: TensorLike, size: readonly [height: number, width: number]): Tensor;
export function centerCrop(data: Dataset | TensorLike, size: readonly [height: number, width: number]): Dataset | Tensor {
  if (isDataset(data)) return dataset(centerCrop(data.x, size), data.y, { classes: data.classes });
  const x = imagesOf("centerCrop", data);
  if (!Array.isArray(size) || size.length !== 2)
    throw new MinibatchError(`centerCrop: size must be [height, width], got ${describe(size)}`);
  const [m, h, w, ...channels] = x.shape as [number, number, number, ...number[]];
  const height = checkNumber("centerCrop", "size[0]", size[0], { whole: true, min: 1, max: h });
  const width = checkNumber("centerCrop", "size[1]", size[1], { whole: true, min: 1, max: w });
  const first = [0, Math.floor((h - height) / 2), Math.floor((w - width) / 2), ...channels.map(() => 0)];
  return x.slice(first, [m, height, width, ...channels]);
}

function imagesOf(where: string, data: TensorLike): Tensor {
  const x = tensor(data);
  if (x.rank === 3 || x.rank === 4) return x;
  throw new ShapeError(
    `${where}: images must be [m, height, width] or [m, height, width, channels], got ${show(x.shape)}; x.reshape([m, 28, 28]) makes images of rows`,
  );
}
