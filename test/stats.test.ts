// Moving averages against the course's numbers, norms against hand-made ones, hardmax beside softmax's example.
import { describe, expect, it } from "vitest";
import {
  exponentiallyWeightedAverage,
  frobeniusNorm,
  hardmax,
  l1Norm,
  l2Norm,
  movingAverage,
  weightedMovingAverage,
} from "../src/stats.ts";
import { tensor } from "../src/tensor.ts";

describe("moving averages", () => {
  it("takes means of a window", () => {
    expect(movingAverage([1, 2, 3, 4], 2)).toEqual([1.5, 2.5, 3.5]);
    expect(movingAverage([5, 7], 1)).toEqual([5, 7]);
    expect(movingAverage([1, 2, 6], 3)).toEqual([3]);
    expect(movingAverage([], 1)).toEqual([]);
  });

  it("weights the newest value first; a number stands for n..1", () => {
    expect(weightedMovingAverage([1, 2, 4], [3, 1])).toEqual([(3 * 2 + 1) / 4, (3 * 4 + 2) / 4]);
    expect(weightedMovingAverage([1, 2, 4], 3)).toEqual([(3 * 4 + 2 * 2 + 1) / 6]);
    expect(weightedMovingAverage([1, 2, 4], [5, 5])).toEqual(movingAverage([1, 2, 4], 2));
  });

  it("averages exponentially: the course's numbers", () => {
    const [v1, v2] = exponentiallyWeightedAverage([40, 49], { beta: 0.98 });
    expect(v1).toBeCloseTo(0.8, 14);
    expect(v2).toBeCloseTo(0.0196 * 40 + 0.02 * 49, 14);
    const [c1, c2] = exponentiallyWeightedAverage([40, 49], { beta: 0.98, biasCorrection: true });
    expect(c1).toBeCloseTo(40, 12);
    expect(c2).toBeCloseTo((0.0196 * 40 + 0.02 * 49) / 0.0396, 12);
    // The share of a value that was seen k steps ago, from a single 1 followed by zeros.
    const shares = exponentiallyWeightedAverage([1, ...new Array<number>(10).fill(0)], { beta: 0.9 });
    expect(shares.slice(0, 4).map((share) => Number(share.toFixed(12)))).toEqual([0.1, 0.09, 0.081, 0.0729]);
    expect((shares[10] as number) / (shares[0] as number)).toBeCloseTo(0.349, 3);
  });

  it("corrects the bias of a constant away at every step, and is the series itself for beta 0", () => {
    for (const v of exponentiallyWeightedAverage(new Array<number>(200).fill(7), { beta: 0.98, biasCorrection: true }))
      expect(v).toBeCloseTo(7, 10);
    expect(exponentiallyWeightedAverage([3, 1, 2], { beta: 0 })).toEqual([3, 1, 2]);
  });

  it("says what it wants", () => {
    expect(() => movingAverage([1, 2], 3)).toThrow(/^stats\.movingAverage: window must be a whole number from 1 to 2, got 3$/);
    expect(() => movingAverage([1, Number.NaN, "2" as unknown as number], 1)).toThrow(/values must be numbers, got "2" at 2$/);
    expect(() => movingAverage(3 as unknown as number[], 1)).toThrow(/values must be a list of numbers, got 3$/);
    expect(() => weightedMovingAverage([1], [])).toThrow(/there must be from 1 to 1 weights, got 0$/);
    expect(() => weightedMovingAverage([1, 2], [0, 0])).toThrow(/a weight must be above 0/);
    expect(() => weightedMovingAverage([1, 2], [1, -1])).toThrow(/weights\[1\] must be a finite number from 0, got -1$/);
    expect(() => exponentiallyWeightedAverage([1], { beta: 1 })).toThrow(/beta must be a finite number from 0 below 1, got 1$/);
    expect(() => exponentiallyWeightedAverage([1], { bata: 1 } as unknown as { beta: number })).toThrow(
      /unknown option "bata", did you mean "beta"\?/,
    );
  });
});

describe("norms", () => {
  it("are the sums they are named after", () => {
    expect(l1Norm([1, -2, 3])).toBe(6);
    expect(l2Norm([3, -4])).toBe(5);
    expect(
      frobeniusNorm([
        [1, 2],
        [2, 4],
      ]),
    ).toBe(5);
    expect(
      l1Norm(
        tensor([
          [1, -1],
          [1, -1],
        ]),
      ),
    ).toBe(4);
    expect(l2Norm(new Float32Array(0))).toBe(0);
  });

  it("neither overflow nor vanish nor lose small terms", () => {
    expect(l2Norm([3e200, 4e200])).toBeCloseTo(5e200, -188);
    expect(l2Norm([3e-200, 4e-200]) / 5e-200).toBeCloseTo(1, 12);
    expect(l2Norm([1, Number.NaN])).toBeNaN();
    expect(l2Norm([1, Number.NEGATIVE_INFINITY])).toBe(Number.POSITIVE_INFINITY);
    // A running sum in single precision would stop at 2^24.
    expect(l1Norm(new Float32Array(2 ** 24 + 2).fill(1))).toBe(2 ** 24 + 2);
    expect(Math.abs(l1Norm(new Float64Array(1e6).fill(0.1)) - 1e5)).toBeLessThan(1e-9);
  });

  it("refuses a Frobenius norm of what is no matrix", () => {
    expect(() => frobeniusNorm([1, 2])).toThrow(/^stats\.frobeniusNorm: takes a matrix, got shape \[2\]/);
  });
});

describe("hardmax", () => {
  it("puts a 1 at the largest, the first of equal ones, a NaN before all", () => {
    expect(hardmax([5, 2, -1, 3]).toArray()).toEqual([1, 0, 0, 0]);
    expect(
      hardmax([
        [1, 3, 3],
        [-2, -3, -1],
      ]).toArray(),
    ).toEqual([
      [0, 1, 0],
      [0, 0, 1],
    ]);
    expect(hardmax([1, Number.NaN, 9]).toArray()).toEqual([0, 1, 0]);
    expect(hardmax(Float64Array.of(1, 2)).dtype).toBe("f64");
    expect(hardmax(Int32Array.of(1, 2)).dtype).toBe("f32");
    expect(() => hardmax(3)).toThrow(/^stats\.hardmax: the last axis must have an element, got shape \[\]$/);
  });
});
