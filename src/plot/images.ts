// Rows of a tensor as images, in a grid with captions. Also tells which rows are images at all.
import { checkNumber, describe, MinibatchError, ShapeError } from "../errors.ts";
import { Value } from "../ops/define.ts";
import { show } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { missing } from "./color.ts";
import { checkPicture, checkText, finished, framed, type PictureOptions } from "./picture.ts";
import { type Bitmap, dataUri } from "./png.ts";
import { defaultWidth } from "./series.ts";
import { px, shortened, size, text, xml } from "./style.ts";

export interface ImagesOptions extends PictureOptions {
  /** A caption for each image. */
  labels?: readonly (string | number)[] | undefined;
  /** Images in a row; by default as many as fit well. */
  columns?: number | undefined;
}

export interface ImageShape {
  readonly height: number;
  readonly width: number;
  readonly channels: 1 | 3;
}

/** [h, w], [h, w, 1], [h, w, 3] or [s * s] as a square; undefined where a row of this shape is no image. */
export function imageShape(row: readonly number[]): ImageShape | undefined {
  const [height = 0, width = 0, channels = 1] = row;
  if ((row.length === 2 || row.length === 3) && height > 1 && width > 1 && (channels === 1 || channels === 3))
    return { height, width, channels };
  const side = Math.round(Math.sqrt(height));
  return row.length === 1 && side * side === height && side >= 4 ? { height: side, width: side, channels: 1 } : undefined;
}

/** Which numbers are black and white. */
export interface Levels {
  readonly black: number;
  readonly white: number;
}

/** From the smallest to the largest finite number; bytes from 0. */
export function levelsOf(values: ArrayLike<number>, bytes: boolean): Levels {
  let [black, white] = [bytes ? 0 : Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    if (!Number.isFinite(value)) continue;
    if (value < black) black = value;
    if (value > white) white = value;
  }
  return black < white ? { black, white } : { black: black - 1, white: black };
}

/** Pixels of one image; numbers that are not finite come out in magenta. */
export function bitmapOf(values: ArrayLike<number>, at: number, { width, height, channels }: ImageShape, { black, white }: Levels): Bitmap {
  const count = width * height;
  const level = (i: number) => Math.round(255 * Math.min(1, Math.max(0, ((values[at + i] as number) - black) / (white - black))));
  const broken = !Array.from({ length: count * channels }, (_, i) => values[at + i] as number).every(Number.isFinite);
  if (channels === 1 && !broken) return { width, height, channels, pixels: Uint8Array.from({ length: count }, (_, i) => level(i)) };
  const pixels = new Uint8Array(3 * count);
  for (let i = 0; i < count; i++) {
    const places = [0, 1, 2].map((c) => (channels === 3 ? 3 * i + c : i));
    const fine = places.every((place) => Number.isFinite(values[at + place]));
    places.forEach((place, c) => {
      pixels[3 * i + c] = fine ? level(place) : (missing[c] as number);
    });
  }
  return { width, height, channels: 3, pixels };
}

export function imageElement(bitmap: Bitmap, x: number, y: number, width: number, height: number, name = ""): string {
  return `<image x="${px(x)}" y="${px(y)}" width="${px(width)}" height="${px(height)}" preserveAspectRatio="none" style="image-rendering:pixelated" href="${dataUri(bitmap)}"><title>${xml(name)}</title></image>`;
}

/** Images in rows; the height is what they need. */
export function imageGrid(
  bitmaps: readonly Bitmap[],
  captions: readonly string[] | undefined,
  box: { x: number; y: number; width: number },
  columns: number,
  widest = 140,
): { markup: string; height: number } {
  const gap = Math.min(10, box.width / columns / 4);
  const width = Math.min(widest, (box.width - gap * (columns - 1)) / columns);
  const [first] = bitmaps as readonly [Bitmap];
  const height = (width * first.height) / first.width;
  const step = height + (captions ? 24 : gap);
  const parts = bitmaps.map((bitmap, i) => {
    const [x, y] = [box.x + (i % columns) * (width + gap), box.y + Math.floor(i / columns) * step];
    const caption = captions?.[i];
    const frame = `<rect x="${px(x - 0.5)}" y="${px(y - 0.5)}" width="${px(width + 1)}" height="${px(height + 1)}" fill="none" stroke="#c8c8c8"/>`;
    const below = caption === undefined ? "" : text(x + width / 2, y + height + 15, shortened(caption, width + gap - 2, size.tick), { anchor: "middle", size: size.tick }); // biome-ignore format: one line
    return imageElement(bitmap, x, y, width, height, caption ?? `image ${i}`) + frame + below;
  });
  return { markup: parts.join(""), height: Math.ceil(bitmaps.length / columns) * step };
}

const mostImages = 1000;

/**
 * Images in a grid: x [m, h, w] or [m, h, w, 1] in grey, [m, h, w, 3] in colour, [m, s * s] as squares in grey. The smallest number of
 * all is black (of bytes, u8, it is 0) and the largest white; what is not finite is magenta.
 *
 * ```ts
 * await images(test.x.slice([0, 0], [20, 64]), { labels: [...test.y.data()].slice(0, 20) });
 * ```
 */
export async function images(x: Tensor, options: ImagesOptions = {}): Promise<string> {
  const where = "images";
  checkPicture(where, options, ["labels", "columns"]);
  if (!(x instanceof Value)) throw new MinibatchError(`${where}: expected a tensor of images, got ${describe(x)}; tensor(...) makes one`);
  const shape = x.rank > 1 ? imageShape(x.shape.slice(1)) : undefined;
  if (!shape)
    throw new ShapeError(`${where}: images are [m, h, w], [m, h, w, 1], [m, h, w, 3] or [m, s * s] with s from 4, got ${show(x.shape)}`);
  const count = x.size(0);
  if (count < 1 || count > mostImages)
    throw new MinibatchError(
      `${where}: a picture holds 1 to ${mostImages} images, got ${count}${count ? "; x.slice(...) takes some" : ""}`,
    );
  const { labels } = options;
  if (labels !== undefined && (!Array.isArray(labels) || labels.length !== count))
    throw new MinibatchError(`${where}: there must be a label for each of the ${count} images, got ${describe(labels)}`);
  const captions =
    labels && Array.from(labels).map((label, i) => (typeof label === "number" ? String(label) : checkText(where, `labels[${i}]`, label)));
  const values = await x.read();
  const levels = levelsOf(values, x.dtype === "u8");
  const pixels = shape.width * shape.height * shape.channels;
  const bitmaps = Array.from({ length: count }, (_, i) => bitmapOf(values, i * pixels, shape, levels));
  const width = options.width ?? defaultWidth;
  const fitting = Math.max(1, Math.min(count, Math.floor(width / Math.max(66, Math.min(150, shape.width * 3)))));
  const columns = Math.min(count, checkNumber(where, "columns", options.columns ?? fitting, { whole: true, min: 1, max: mostImages }));
  const svg = framed(width, "content", { title: options.title }, (box) => imageGrid(bitmaps, captions, box, columns));
  return finished(where, svg, options);
}
