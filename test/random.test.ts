// Random numbers: known answers of the paper, distributions, and independence of what is drawn beside them.
import { describe, expect, test } from "vitest";
import {
  checkSeed,
  draw,
  inverseNormal,
  maxSeed,
  normal,
  type Purpose,
  permutation,
  philox,
  purposes,
  type Stream,
  seedWords,
  uniform,
} from "../src/random.ts";

const stream: Stream = { seed: 1, purpose: "tensor" };

function uniforms(from: Stream, n: number): Float64Array {
  const out = new Float64Array(n);
  uniform(from, out);
  return out;
}

/** Sum of (seen - expected)^2 / expected. For d degrees of freedom it stays below d + 5 sqrt(2 d) but once in millions. */
function chiSquared(counts: readonly number[], expected: number): number {
  return counts.reduce((sum, seen) => sum + (seen - expected) ** 2 / expected, 0);
}

function count(cells: number[], cell: number): void {
  cells[cell] = (cells[cell] as number) + 1;
}

function chiBound(degrees: number): number {
  return degrees + 5 * Math.sqrt(2 * degrees);
}

describe("philox", () => {
  // The known answers that come with Random123, "philox4x32 10": zeros, ones, digits of pi.
  test.each([
    { counter: [0, 0, 0, 0], key: [0, 0], words: [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8] },
    {
      counter: [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      key: [0xffffffff, 0xffffffff],
      words: [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    },
    {
      counter: [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      key: [0xa4093822, 0x299f31d0],
      words: [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    },
  ])("known answer for key $key", ({ counter, key, words }) => {
    const out = new Uint32Array(4);
    const [k0, k1] = key as [number, number];
    const [c0, c1, c2, c3] = counter as [number, number, number, number];
    philox(k0, k1, c0, c1, c2, c3, out);
    expect([...out]).toEqual(words);
    // Signed words, as an i32 tensor holds them, are the same words.
    philox(k0 | 0, k1 | 0, c0 | 0, c1 | 0, c2 | 0, c3 | 0, out);
    expect([...out]).toEqual(words);
  });

  test("one bit of key or counter changes about half of the 128 bits", () => {
    const base = new Uint32Array(4);
    const other = new Uint32Array(4);
    const start = [1, 2, 3, 4, 5, 6];
    philox(1, 2, 3, 4, 5, 6, base);
    for (let place = 0; place < 6; place++) {
      for (let bit = 0; bit < 32; bit++) {
        const changed = start.map((word, i) => (i === place ? word ^ (1 << bit) : word)) as [
          number,
          number,
          number,
          number,
          number,
          number,
        ];
        philox(...changed, other);
        const flipped = base.reduce(
          (sum, word, i) => sum + [...((word ^ (other[i] as number)) >>> 0).toString(2)].filter((c) => c === "1").length,
          0,
        );
        expect(flipped).toBeGreaterThan(32);
        expect(flipped).toBeLessThan(96);
      }
    }
  });
});

describe("seeds", () => {
  test("are whole numbers from 0 to 2^53, in two words", () => {
    expect(checkSeed("fit", 0)).toBe(0);
    expect(checkSeed("fit", maxSeed)).toBe(2 ** 53);
    expect(seedWords(2 ** 53)).toEqual([0, 2 ** 21]);
    expect(seedWords(5 * 2 ** 32 + 7)).toEqual([7, 5]);
    for (const wrong of [-1, 0.5, Number.NaN, 2 ** 54, "1", undefined])
      expect(() => checkSeed("fit", wrong)).toThrow(/^fit: seed must be a whole number from 0 to /);
  });

  test("both words count", () => {
    expect(uniforms({ ...stream, seed: 3 }, 4)).not.toEqual(uniforms({ ...stream, seed: 3 + 2 ** 32 }, 4));
  });
});

describe("streams", () => {
  test("differ by seed, purpose, site and step, and are the same every time", () => {
    const seen = new Set<number>();
    const all: Stream[] = [];
    for (const seed of [0, 1, 2 ** 40])
      for (const purpose of Object.keys(purposes) as Purpose[])
        for (const site of [0, 1]) for (const step of [0, 1]) all.push({ seed, purpose, site, step });
    for (const one of all) {
      expect(uniforms(one, 8)).toEqual(uniforms(one, 8));
      for (const u of uniforms(one, 8)) seen.add(u);
    }
    expect(seen.size).toBe(8 * all.length);
  });

  test("an element does not depend on the length, and can be drawn alone", () => {
    const long = uniforms(stream, 101);
    expect(uniforms(stream, 7)).toEqual(long.slice(0, 7));
    for (const i of [0, 1, 2, 57, 100]) expect(draw(stream, i)).toBe(long[i]);
  });

  test("f32 has the same draws, shortened", () => {
    const single = new Float32Array(1000);
    uniform(stream, single);
    uniforms(stream, 1000).forEach((u, i) => {
      expect(Math.abs(u - (single[i] as number))).toBeLessThan(2 ** -24);
      expect(single[i]).toBeLessThan(1);
    });
    const normals = new Float64Array(1000);
    normal(stream, normals);
    normal(stream, single);
    expect(single).toEqual(Float32Array.from(normals));
  });
});

describe("uniform", () => {
  const n = 200_000;
  const u = uniforms(stream, n);

  test("fills [0, 1) evenly, neighbours are independent", () => {
    const single = new Array<number>(64).fill(0);
    const pairs = new Array<number>(256).fill(0);
    expect(u.every((x) => x >= 0 && x < 1)).toBe(true);
    for (let i = 0; i < n; i++) {
      const x = u[i] as number;
      count(single, Math.floor(x * 64));
      if (i % 2) count(pairs, Math.floor((u[i - 1] as number) * 16) * 16 + Math.floor(x * 16));
    }
    expect(chiSquared(single, n / 64)).toBeLessThan(chiBound(63));
    expect(chiSquared(pairs, n / 512)).toBeLessThan(chiBound(255));
  });

  test("every four neighbouring bits of the 53 are even", () => {
    for (let above = 0; above <= 49; above++) {
      const cells = new Array<number>(16).fill(0);
      for (let i = 0; i < 20_000; i++) count(cells, Math.floor((((u[i] as number) * 2 ** above) % 1) * 16));
      expect(chiSquared(cells, 20_000 / 16), `below bit ${above}`).toBeLessThan(chiBound(15));
    }
  });

  test("takes other limits", () => {
    const out = new Float64Array(1000);
    uniform(stream, out, -3, 5);
    expect(Math.min(...out)).toBeGreaterThanOrEqual(-3);
    expect(Math.max(...out)).toBeLessThan(5);
    expect(out[10]).toBeCloseTo(-3 + 8 * (u[10] as number), 14);
  });
});

describe("normal", () => {
  test("inverts the distribution: published quantiles, symmetry, the ends", () => {
    // Tables of the standard normal distribution.
    for (const [p, z] of [
      [0.5, 0],
      [0.9, 1.2815515655446004],
      [0.975, 1.959963984540054],
      [0.999, 3.090232306167813],
      [1e-10, -6.361340902404056],
      [2 ** -53, -8.209536151601387],
    ] as const) {
      expect(inverseNormal(p)).toBeCloseTo(z, 13);
    }
    for (let k = 1; k < 128; k++) expect(inverseNormal(k / 256)).toBe(-inverseNormal(1 - k / 256));
  });

  test("has mean, deviation, tails and shape", () => {
    const n = 200_000;
    const z = new Float64Array(n);
    normal(stream, z);
    let sum = 0;
    let squares = 0;
    let fourth = 0;
    for (const x of z) {
      sum += x;
      squares += x * x;
      fourth += x ** 4;
    }
    // Five standard errors: of the mean 1, of x^2 sqrt 2, of x^4 sqrt 96, each over sqrt n.
    expect(Math.abs(sum / n)).toBeLessThan(5 / Math.sqrt(n));
    expect(Math.abs(squares / n - 1)).toBeLessThan((5 * Math.SQRT2) / Math.sqrt(n));
    expect(Math.abs(fourth / n - 3)).toBeLessThan((5 * Math.sqrt(96)) / Math.sqrt(n));
    // 32 cells of equal probability, cut by the quantiles.
    const cuts = Array.from({ length: 31 }, (_, k) => inverseNormal((k + 1) / 32));
    const counts = new Array<number>(32).fill(0);
    for (const x of z) count(counts, cuts.filter((cut) => cut <= x).length);
    expect(chiSquared(counts, n / 32)).toBeLessThan(chiBound(31));
  });

  test("takes mean and deviation", () => {
    const plain = new Float64Array(100);
    const moved = new Float64Array(100);
    normal(stream, plain);
    normal(stream, moved, 3, 0.5);
    moved.forEach((x, i) => {
      expect(x).toBe(3 + 0.5 * (plain[i] as number));
    });
  });
});

describe("permutation", () => {
  const shuffle = (n: number, step = 0) => permutation({ seed: 7, purpose: "shuffle", step }, n);

  test("holds every number once, for any size", () => {
    for (const n of [0, 1, 2, 3, 10, 1000, 60_000]) expect(shuffle(n).slice().sort()).toEqual(Int32Array.from({ length: n }, (_, i) => i));
  });

  test("is another one at each step, the same again for the same step", () => {
    expect(shuffle(100, 3)).toEqual(shuffle(100, 3));
    expect(shuffle(100, 3)).not.toEqual(shuffle(100, 4));
  });

  test("every order of five is equally likely", () => {
    const counts = new Map<string, number>();
    const times = 24_000;
    for (let step = 0; step < times; step++) {
      const order = shuffle(5, step).join("");
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(120);
    expect(chiSquared([...counts.values()], times / 120)).toBeLessThan(chiBound(119));
  });

  test("every number reaches every place of a long one", () => {
    // First place of 1000 numbers, in 20 cells.
    const cells = new Array<number>(20).fill(0);
    for (let step = 0; step < 2000; step++) count(cells, Math.floor((shuffle(1000, step)[0] as number) / 50));
    expect(chiSquared(cells, 100)).toBeLessThan(chiBound(19));
  });
});
