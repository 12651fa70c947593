// Images read between their pixels: turned, enlarged, displaced. A pixel of the result is a weighted mean of the four
// around the point it comes from, in double precision and one order of operations; points outside the image are 0.
import type { NumberArray } from "../dtype.ts";
import { ShapeError } from "../errors.ts";
import { show } from "../shape.ts";
import { apply1, defineOp, type OpDefinition, type Value, type View } from "./define.ts";
import { exact, type ImageSizes, imageSizes } from "./images.ts";
import { named, requireFloats, requireShape } from "./rules.ts";

/** Writes the pixel at row y, column x of an image that starts at `from[start]`: a mean weighted by nearness. */
function sample(
  from: NumberArray,
  start: number,
  { height, width, channels }: ImageSizes,
  y: number,
  x: number,
  to: NumberArray,
  at: number,
) {
  if (!(y > -1 && y < height && x > -1 && x < width)) {
    for (let c = 0; c < channels; c++) to[at + c] = 0;
    return;
  }
  const top = Math.floor(y);
  const left = Math.floor(x);
  const down = y - top;
  const right = x - left;
  const pixel = (i: number, j: number, c: number) =>
    i >= 0 && i < height && j >= 0 && j < width ? (from[start + (i * width + j) * channels + c] as number) : 0;
  for (let c = 0; c < channels; c++) {
    const above = (1 - right) * pixel(top, left, c) + right * pixel(top, left + 1, c);
    const below = (1 - right) * pixel(top + 1, left, c) + right * pixel(top + 1, left + 1, c);
    to[at + c] = (1 - down) * above + down * below;
  }
}

// Taylor's series from the highest power down, in t^2. On |t| <= pi / 4 what is left out is below 1e-12.
const sineSeries = [1 / 6227020800, -1 / 39916800, 1 / 362880, -1 / 5040, 1 / 120, -1 / 6, 1];
const cosineSeries = [1 / 479001600, -1 / 3628800, 1 / 40320, -1 / 720, 1 / 24, -1 / 2, 1];

function series(square: number, coefficients: readonly number[]): number {
  let sum = 0;
  for (const coefficient of coefficients) sum = sum * square + coefficient;
  return sum;
}

/** Cosine and sine of an angle, by arithmetic that every executor does alike; multiples of 90 degrees are exact. */
export function cosineAndSine(degrees: number): [cosine: number, sine: number] {
  const quarters = Math.floor(degrees / 90 + 0.5);
  const t = (degrees - 90 * quarters) * (Math.PI / 180);
  const sine = t * series(t * t, sineSeries);
  const cosine = series(t * t, cosineSeries);
  switch (((quarters % 4) + 4) % 4) {
    case 0:
      return [cosine, sine];
    case 1:
      return [-sine, cosine];
    case 2:
      return [-cosine, -sine];
    default:
      return [sine, -cosine];
  }
}

/** u from 0 to 1 as a number from -1 to 1. */
function signed(u: number): number {
  return 2 * (u > 0 ? (u < 1 ? u : 1) : 0) - 1;
}

export const warpImagesOp = defineOp<{ by: number; degrees: number }>({
  name: "warpImages",
  doc: "Each image turned counter-clockwise by degrees (2 u0 - 1) and enlarged by the factor 1 + by (2 u1 - 1) about its centre, bilinear, 0 outside: x [b, h, w] or [b, h, w, c], u [b, 2] -> like x.",
  infer(inputs, { by, degrees }) {
    const { x, u } = named("warpImages", inputs, ["x", "u"]);
    requireFloats("warpImages", { x, u });
    requireShape("warpImages", { u }, [imageSizes("warpImages", x).count, 2], "two numbers per image");
    if (!(by >= 0 && by < 1 && degrees >= 0 && degrees <= 180))
      throw new ShapeError(`warpImages: by must be from 0 to below 1 and degrees from 0 to 180, got ${by} and ${degrees}`);
    return [x];
  },
  kernel([x, u], [y], { by, degrees }) {
    const sizes = imageSizes("warpImages", x as View);
    const { count, height, width, channels } = sizes;
    const [from, choice, to] = [(x as View).data, (u as View).data, (y as View).data];
    const middleRow = (height - 1) / 2;
    const middleColumn = (width - 1) / 2;
    for (let image = 0; image < count; image++) {
      const [cosine, sine] = cosineAndSine(degrees * signed(choice[2 * image] as number));
      const factor = 1 + by * signed(choice[2 * image + 1] as number);
      // The way back, from the result to the image: turned the other way, made smaller. Rows count downwards.
      const a = cosine / factor;
      const b = sine / factor;
      const start = image * height * width * channels;
      for (let i = 0; i < height; i++) {
        const down = i - middleRow;
        for (let j = 0; j < width; j++) {
          const right = j - middleColumn;
          const row = middleRow + (b * right + a * down);
          const column = middleColumn + (a * right - b * down);
          sample(from, start, sizes, row, column, to, start + (i * width + j) * channels);
        }
      }
    }
  },
  tolerance: exact,
  samples: [
    { inputs: [{ shape: [5, 6, 6] }, { shape: [5, 2], range: [0, 1] }], attributes: { by: 0, degrees: 30 } },
    { inputs: [{ shape: [5, 7, 19] }, { shape: [5, 2], range: [0, 1] }], attributes: { by: 0.4, degrees: 180 } },
    { inputs: [{ shape: [3, 5, 4, 3] }, { shape: [3, 2], range: [0, 1] }], attributes: { by: 0.9, degrees: 0 } },
    {
      inputs: [{ shape: [5, 4, 4] }, { shape: [5, 2], values: [0, 0.5, 1, 0.5, 0.5, 0.5, 0.5, 0, 0.5, 1] }],
      attributes: { by: 0.5, degrees: 90 },
    },
    {
      inputs: [{ shape: [3, 4, 5] }, { shape: [3, 2], values: [-1, 7, 2, -2, Number.NaN, Number.NaN] }],
      attributes: { by: 0.5, degrees: 135 },
    },
    { inputs: [{ shape: [2, 1, 1] }, { shape: [2, 2], range: [0, 1] }], attributes: { by: 0.2, degrees: 10 } },
    { inputs: [{ shape: [0, 3, 3] }, { shape: [0, 2] }], attributes: { by: 0.2, degrees: 10 } },
    { inputs: [{ shape: [24, 28, 28] }, { shape: [24, 2], range: [0, 1] }], attributes: { by: 0.2, degrees: 15 } },
  ],
});

/** Turns and enlarges images about their centres: x [b, h, w] or [b, h, w, c], u [b, 2] from 0 to 1, 0.5 for neither. */
export function warpImages(x: Value, u: Value, options: { degrees: number; by: number }): Value {
  return apply1(warpImagesOp, [x, u], { by: options.by, degrees: options.degrees });
}

export const displaceImagesOp = defineOp<Record<never, never>>({
  name: "displaceImages",
  doc: "y[i, j] = x[i + field[0, i, j], j + field[1, i, j]], bilinear, 0 outside: x [b, h, w] or [b, h, w, c], field [b, 2, h, w] -> like x.",
  infer(inputs) {
    const { x, field } = named("displaceImages", inputs, ["x", "field"]);
    requireFloats("displaceImages", { x, field });
    const { count, height, width } = imageSizes("displaceImages", x);
    requireShape("displaceImages", { field }, [count, 2, height, width], `a row and a column step for each pixel of ${show(x.shape)}`);
    return [x];
  },
  kernel([x, field], [y]) {
    const sizes = imageSizes("displaceImages", x as View);
    const { count, height, width, channels } = sizes;
    const [from, steps, to] = [(x as View).data, (field as View).data, (y as View).data];
    const size = height * width;
    for (let image = 0; image < count; image++) {
      for (let i = 0; i < height; i++) {
        for (let j = 0; j < width; j++) {
          const at = i * width + j;
          const row = i + (steps[2 * image * size + at] as number);
          const column = j + (steps[(2 * image + 1) * size + at] as number);
          sample(from, image * size * channels, sizes, row, column, to, (image * size + at) * channels);
        }
      }
    }
  },
  tolerance: exact,
  samples: [
    { inputs: [{ shape: [3, 5, 6] }, { shape: [3, 2, 5, 6] }], attributes: {} },
    { inputs: [{ shape: [2, 3, 19, 3] }, { shape: [2, 2, 3, 19], range: [-4, 4] }], attributes: {} },
    {
      inputs: [{ shape: [1, 2, 2] }, { shape: [1, 2, 2, 2], values: [Number.NaN, 1e30, -1, 0.25, 0, 0, Number.NEGATIVE_INFINITY, -0.5] }],
      attributes: {},
    },
    { inputs: [{ shape: [2, 1, 1] }, { shape: [2, 2, 1, 1], range: [-1, 1] }], attributes: {} },
    { inputs: [{ shape: [0, 3, 3] }, { shape: [0, 2, 3, 3] }], attributes: {} },
    { inputs: [{ shape: [24, 28, 28] }, { shape: [24, 2, 28, 28] }], attributes: {} },
  ],
});

/** Every pixel taken from where its displacement points: x [b, h, w] or [b, h, w, c], field [b, 2, h, w] in pixels (rows, then columns). */
export function displaceImages(x: Value, field: Value): Value {
  return apply1(displaceImagesOp, [x, field], {});
}

export const samplingOps: readonly OpDefinition[] = [warpImagesOp, displaceImagesOp];
