// Inverted dropout: draws that both executors make alike, a mask of bits, and the gradient through it.
// Knows no training flag: an evaluation program simply has no dropout in it.
import { type DType, type NumberArray, newArray } from "../dtype.ts";
import { ShapeError } from "../errors.ts";
import { philox, purposes } from "../random.ts";
import { sizeOf } from "../shape.ts";
import { apply, apply1, defineOp, type OpDefinition, source, type Value, type View } from "./define.ts";
import { add, cast, clip, div, mul, where } from "./elementwise.ts";
import { gather } from "./indexing.ts";
import { reshape, slice } from "./movement.ts";
import { named, requireFloats, requireShape, tooLarge } from "./rules.ts";

type DropoutAttributes = { readonly site: number };
type NoAttributes = Record<never, never>;

/** Draws have 16 bits: an element is kept when its draw is below keep in 65536ths. */
const draws = 65536;

/** keep as a count of draws. The expectation is exact for this count, and keep = 1 keeps everything. */
function thresholdOf(keep: number): number {
  const threshold = Math.floor(keep * draws + 0.5);
  return threshold > 0 ? Math.min(threshold, draws) : 0;
}

function scaleOf(threshold: number): number {
  return threshold === 0 ? 0 : draws / threshold;
}

function maskShape(size: number): readonly number[] {
  return [Math.ceil(size / 8)];
}

// A group is 512 elements: 64 counters give 4 words, 8 draws each, and 64 neighbours share the word and half they take.
// So neighbours lie in neighbouring counters, which is how vector units compute them.
const counters = 64;
const group = 8 * counters;

const dropoutOp = defineOp<DropoutAttributes>({
  name: "dropout",
  doc: "y = kept ? x 65536 / threshold : 0 with threshold = round(65536 keep), kept = draw < threshold, draws of 16 bits from Philox: x, keep [], key i32 [3] = seed low, seed high, step -> y like x, mask u8 [ceil(size / 8)], bit i % 8 of byte floor(i / 8) for element i",
  infer(inputs) {
    const { x, keep, key } = named("dropout", inputs, ["x", "keep", "key"]);
    requireFloats("dropout", { x, keep });
    requireShape("dropout", { keep }, [], "one number");
    requireShape("dropout", { key }, [3], "seed low, seed high and step");
    if (key.dtype !== "i32") throw new ShapeError(`dropout: key must be i32, got ${key.dtype}`);
    return [x, { shape: maskShape(sizeOf(x.shape)), dtype: "u8" }];
  },
  kernel(inputs, outputs, { site }) {
    const [x, keep, key] = inputs.map((view) => view.data) as [NumberArray, NumberArray, NumberArray];
    const [y, mask] = outputs.map((view) => view.data) as [NumberArray, NumberArray];
    const [seedLow, seedHigh, step] = key as unknown as [number, number, number];
    const threshold = thresholdOf(keep[0] as number);
    const scale = scaleOf(threshold);
    const words = new Uint32Array(4);
    mask.fill(0);
    for (let start = 0, block = 0; start < x.length; start += group) {
      const used = Math.min(counters, x.length - start);
      for (let c = 0; c < used; c++) {
        philox(seedLow, seedHigh, block + c, site, step, purposes.dropout, words);
        for (let d = 0, i = start + c; d < 8 && i < x.length; d++, i += counters) {
          const word = words[d >> 1] as number;
          const kept = (d & 1 ? word >>> 16 : word & 0xffff) < threshold;
          y[i] = kept ? (x[i] as number) * scale : 0;
          if (kept) mask[i >> 3] = (mask[i >> 3] as number) | (1 << (i & 7));
        }
      }
      block += counters;
    }
  },
  gradient: ({ inputs, outputs, gradients }) => [gradients[0] && dropoutGradient(gradients[0], outputs[1] as Value, inputs[1] as Value)],
  inPlace: [0, -1],
  samples: [
    dropoutSample([7, 5], 0.8, [1, 0, 5], 0),
    dropoutSample([3, 180], 0.5, [-1, 2097152, 7], 3),
    dropoutSample([1029], 0.3, [12345, 6, -2], 1),
    dropoutSample([4, 33], 1, [1, 0, 0], 0),
    dropoutSample([17], 0, [1, 0, 0], 0),
    dropoutSample([1], 0.7, [2, 0, 1], 2),
    dropoutSample([0, 3], 0.5, [2, 0, 1], 2),
    { ...dropoutSample([1601, 131], 0.8, [3, 1, 4], 5), noGradientCheck: tooLarge },
  ],
});

/** The gradient takes y as flat in keep, which it is between the steps of the threshold: these keep a quarter of a step away. */
function dropoutSample(shape: readonly number[], keep: number, key: readonly number[], site: number) {
  return { inputs: [{ shape }, { shape: [], values: [keep] }, { shape: [3], dtype: "i32" as const, values: key }], attributes: { site } };
}

/**
 * Sets each element to zero with probability 1 - keep and scales the others so that the mean stays.
 * `site` tells the dropouts of one network apart. Source: Srivastava et al., JMLR 15 (2014).
 */
export function dropout(x: Value, keep: Value, key: Value, options: DropoutAttributes): { y: Value; mask: Value } {
  const [y, mask] = apply(dropoutOp, [x, keep, key], { site: options.site }) as [Value, Value];
  return { y, mask };
}

const dropoutGradientOp = defineOp<NoAttributes>({
  name: "dropoutGradient",
  doc: "dx = kept ? dy 65536 / round(65536 keep) : 0: dy, mask u8 [ceil(size / 8)], keep [] -> dx like dy",
  infer(inputs) {
    const { dy, mask, keep } = named("dropoutGradient", inputs, ["dy", "mask", "keep"]);
    requireFloats("dropoutGradient", { dy, keep });
    requireShape("dropoutGradient", { keep }, [], "one number");
    requireShape("dropoutGradient", { mask }, maskShape(sizeOf(dy.shape)), "a bit per element");
    if (mask.dtype !== "u8") throw new ShapeError(`dropoutGradient: mask must be u8, got ${mask.dtype}`);
    return [dy];
  },
  kernel([dy, mask, keep], [dx]) {
    const from = (dy as View).data;
    const to = (dx as View).data;
    const bits = (mask as View).data;
    const scale = scaleOf(thresholdOf((keep as View).data[0] as number));
    for (let i = 0; i < from.length; i++) to[i] = ((bits[i >> 3] as number) >> (i & 7)) & 1 ? (from[i] as number) * scale : 0;
  },
  gradient: ({ inputs, gradients }) => [dropoutGradient(gradients[0] as Value, inputs[1] as Value, inputs[2] as Value)],
  decomposition([dy, mask, keep]) {
    const g = dy as Value;
    const bytes = (mask as Value).shape[0] as number;
    const kept = reshape(
      slice(reshape(gather(bitTable(g.dtype), cast(mask as Value, "i32")), [bytes * 8]), [0], [sizeOf(g.shape)]),
      g.shape,
    );
    // A cast to i32 cuts off the fraction.
    const threshold = cast(cast(clip(add(mul(keep as Value, draws), 0.5), 0, draws), "i32"), g.dtype);
    const scale = where(threshold, div(draws, threshold), 0);
    return [where(kept, mul(g, scale), 0)];
  },
  inPlace: [0],
  samples: [
    dropoutGradientSample([7, 5], 0.8),
    dropoutGradientSample([3, 70], 0.5),
    dropoutGradientSample([4, 33], 1),
    dropoutGradientSample([17], 0),
    dropoutGradientSample([1], 0.7),
    dropoutGradientSample([0, 3], 0.5),
    { ...dropoutGradientSample([1601, 131], 0.8), noGradientCheck: tooLarge },
  ],
});

/** Row b holds the 8 bits of byte b, the lowest first. */
function bitTable(dtype: DType): Value {
  const data = newArray(dtype, 256 * 8);
  for (let i = 0; i < data.length; i++) data[i] = ((i >> 3) >> (i & 7)) & 1;
  return source({ kind: "constant", data }, { shape: [256, 8], dtype });
}

function dropoutGradientSample(shape: readonly number[], keep: number) {
  return { inputs: [{ shape }, { shape: maskShape(sizeOf(shape)), dtype: "u8" as const }, { shape: [], values: [keep] }], attributes: {} };
}

export function dropoutGradient(dy: Value, mask: Value, keep: Value): Value {
  return apply1(dropoutGradientOp, [dy, mask, keep], {});
}

export const dropoutOps: readonly OpDefinition[] = [dropoutOp, dropoutGradientOp];
