// Random numbers without a generator: Philox 4x32 with 10 rounds, a function of (seed, purpose, site, step, index).
// There is no state to save, and any element can be drawn alone: the same numbers come for every executor and any
// number of threads. Knows nothing of tensors. The words and what is made of them depend on no engine's Math.
// Source: Salmon, Moraes, Dror and Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011.
import { checkNumber } from "./errors.ts";

/** What numbers are drawn for. Two purposes never share a number under one seed; native code knows 1 (dropout). */
export const purposes = { dropout: 1, initialisation: 2, shuffle: 3, tensor: 4, split: 5, augmentation: 6, search: 7 } as const;
export type Purpose = keyof typeof purposes;

/** Names one sequence of random numbers. */
export interface Stream {
  /** A whole number from 0 to 2^53. */
  readonly seed: number;
  readonly purpose: Purpose;
  /** Which of several users of one purpose: a layer, a parameter. Default 0. */
  readonly site?: number;
  /** When: a training step, an epoch. Default 0. */
  readonly step?: number;
}

/** The greatest seed: a JavaScript number still tells all whole numbers up to here apart. */
export const maxSeed = 2 ** 53;

export function checkSeed(where: string, seed: unknown): number {
  return checkNumber(where, "seed", seed, { whole: true, min: 0, max: maxSeed });
}

/** A seed as the two words of a Philox key. */
export function seedWords(seed: number): [low: number, high: number] {
  return [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0];
}

/**
 * The four words of Philox4x32-10 for a key of two words and a counter of four.
 * Each round multiplies two counter words by odd constants and mixes high halves, low halves and key.
 */
export function philox(seedLow: number, seedHigh: number, c0: number, c1: number, c2: number, c3: number, out: Uint32Array): void {
  let k0 = seedLow >>> 0;
  let k1 = seedHigh >>> 0;
  let x0 = c0 >>> 0;
  let x1 = c1 >>> 0;
  let x2 = c2 >>> 0;
  let x3 = c3 >>> 0;
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(x0, 0xd251, 0x1f53);
    const low0 = Math.imul(x0, 0xd2511f53) >>> 0;
    const high1 = multiplyHigh(x2, 0xcd9e, 0x8d57);
    const low1 = Math.imul(x2, 0xcd9e8d57) >>> 0;
    x0 = (high1 ^ x1 ^ k0) >>> 0;
    x1 = low1;
    x2 = (high0 ^ x3 ^ k1) >>> 0;
    x3 = low0;
    k0 = (k0 + 0x9e3779b9) >>> 0;
    k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  out[0] = x0;
  out[1] = x1;
  out[2] = x2;
  out[3] = x3;
}

/** The high word of a 32 x 32 bit product, from halves: every sum below stays under 2^32. */
function multiplyHigh(x: number, constantHigh: number, constantLow: number): number {
  const high = x >>> 16;
  const low = x & 0xffff;
  const middle = Math.imul(high, constantLow) + (Math.imul(low, constantLow) >>> 16);
  const carry = Math.imul(low, constantHigh) + (middle & 0xffff);
  return (Math.imul(high, constantHigh) + (middle >>> 16) + (carry >>> 16)) >>> 0;
}

const words = new Uint32Array(4);

/** The four words of block `block` of a stream. */
function block(stream: Stream, index: number): Uint32Array {
  const { seed, purpose, site = 0, step = 0 } = stream;
  philox(seed >>> 0, Math.floor(seed / 2 ** 32), index, site, step, purposes[purpose], words);
  return words;
}

/** Calls `take(i, high, low)` with the two words of each of `count` draws: a block serves draws 2b and 2b + 1. */
function pairs(stream: Stream, count: number, take: (i: number, high: number, low: number) => void): void {
  for (let i = 0; i < count; i += 2) {
    const drawn = block(stream, i / 2);
    take(i, drawn[0] as number, drawn[1] as number);
    if (i + 1 < count) take(i + 1, drawn[2] as number, drawn[3] as number);
  }
}

/** Draw `index` of a stream, evenly spread over [0, 1): a multiple of 2^-53. */
export function draw(stream: Stream, index: number): number {
  const drawn = block(stream, Math.floor(index / 2));
  const at = (index % 2) * 2;
  return unit(drawn[at] as number, drawn[at + 1] as number);
}

/** 32 bits of one word and 21 of the other. */
function unit(high: number, low: number): number {
  return (high * 2 ** 21 + (low >>> 11)) * 2 ** -53;
}

/**
 * Fills `out` with numbers evenly spread over [low, high); element i is draw i, whatever the length.
 * f32 keeps the first 24 bits of the same draws, so that rounding cannot reach 1.
 */
export function uniform(stream: Stream, out: Float32Array | Float64Array, low = 0, high = 1): void {
  const single = out instanceof Float32Array;
  pairs(stream, out.length, (i, first, second) => {
    out[i] = low + (high - low) * (single ? (first >>> 8) * 2 ** -24 : unit(first, second));
  });
}

/** Fills `out` with normally distributed numbers; f32 is the rounding of the same draws. */
export function normal(stream: Stream, out: Float32Array | Float64Array, mean = 0, std = 1): void {
  pairs(stream, out.length, (i, first, second) => {
    // 52 bits and a half: strictly between 0 and 1, symmetric about 1/2, exact in a double.
    out[i] = mean + std * inverseNormal((first * 2 ** 20 + (second >>> 12) + 0.5) * 2 ** -52);
  });
}

/**
 * The numbers 0..n-1 in random order, each order equally likely: Fisher and Yates' exchange, from the end.
 * A word that would favour small remainders (the incomplete last multiple of the range) is passed over.
 */
export function permutation(stream: Stream, n: number): Int32Array<ArrayBuffer> {
  const order = new Int32Array(n);
  for (let i = 0; i < n; i++) order[i] = i;
  let drawn: Uint32Array = words;
  let used = 4;
  let next = 0;
  for (let i = n - 1; i > 0; i--) {
    const range = i + 1;
    const limit = Math.floor(2 ** 32 / range) * range;
    let word: number;
    do {
      if (used === 4) {
        drawn = block(stream, next++);
        used = 0;
      }
      word = drawn[used++] as number;
    } while (word >= limit);
    const j = word % range;
    const moved = order[i] as number;
    order[i] = order[j] as number;
    order[j] = moved;
  }
  return order;
}

/** Quotient of two polynomials of degree 7, coefficients from the constant on; the denominator's first is 1. */
function rational(x: number, numerator: readonly number[], denominator: readonly number[]): number {
  let above = 0;
  let below = 0;
  for (let k = 7; k >= 0; k--) {
    above = above * x + (numerator[k] as number);
    below = below * x + (denominator[k] as number);
  }
  return above / below;
}

// Wichura, "The percentage points of the normal distribution", Applied Statistics 37 (1988), algorithm AS 241:
// three rational functions, relative error about 1e-16. Middle: |p - 1/2| <= 0.425; tails: by r = sqrt(-log p) up to 5, and beyond.
const middleAbove = [
  3.3871328727963665, 133.14166789178438, 1971.5909503065513, 13731.69376550946, 45921.95393154987, 67265.7709270087, 33430.57558358813,
  2509.0809287301227,
];
const middleBelow = [
  1, 42.31333070160091, 687.1870074920579, 5394.196021424751, 21213.794301586597, 39307.89580009271, 28729.085735721943, 5226.495278852854,
];
const tailAbove = [
  1.4234371107496835, 4.630337846156546, 5.769497221460691, 3.6478483247632045, 1.2704582524523684, 0.2417807251774506,
  0.022723844989269184, 0.0007745450142783414,
];
const tailBelow = [
  1, 2.053191626637759, 1.6763848301838038, 0.6897673349851, 0.14810397642748008, 0.015198666563616457, 0.0005475938084995345,
  1.0507500716444169e-9,
];
const farAbove = [
  6.657904643501103, 5.463784911164114, 1.7848265399172913, 0.29656057182850487, 0.026532189526576124, 0.0012426609473880784,
  2.7115555687434876e-5, 2.0103343992922881e-7,
];
const farBelow = [
  1, 0.599832206555888, 0.1369298809227358, 0.014875361290850615, 0.0007868691311456133, 1.8463183175100548e-5, 1.421511758316446e-7,
  2.0442631033899397e-15,
];

/** The z below which a standard normal number falls with probability p, 0 < p < 1. */
export function inverseNormal(p: number): number {
  const q = p - 0.5;
  if (Math.abs(q) <= 0.425) return q * rational(0.180625 - q * q, middleAbove, middleBelow);
  const r = Math.sqrt(-smallLog(q < 0 ? p : 1 - p));
  const z = r <= 5 ? rational(r - 1.6, tailAbove, tailBelow) : rational(r - 5, farAbove, farBelow);
  return q < 0 ? -z : z;
}

/**
 * log p for 0 < p < 1 by arithmetic alone, so that no engine's version of Math.log can change a weight:
 * p = 2^e m with m about 1, log m = 2 artanh((m - 1)/(m + 1)), whose series is below 1e-17 after 12 terms.
 */
function smallLog(p: number): number {
  let m = p;
  let exponent = 0;
  for (; m < Math.SQRT1_2; exponent--) m *= 2;
  const s = (m - 1) / (m + 1);
  let series = 0;
  for (let k = 11; k >= 0; k--) series = series * s * s + 1 / (2 * k + 1);
  return exponent * Math.LN2 + 2 * s * series;
}
