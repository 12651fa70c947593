// Schedules against the course's formulas: epochs and steps count from 1.

import { schedule } from "minibatch";
import { describe, expect, it } from "vitest";

const rates = (s: (at: { step: number; epoch: number }) => number, n: number) =>
  Array.from({ length: n }, (_, i) => Number(s({ step: 1, epoch: i + 1 }).toFixed(6)));

describe("schedules", () => {
  it("inverseTime: a0 / (1 + decayRate epoch)", () => {
    expect(rates(schedule.inverseTime({ initial: 0.2, decayRate: 1 }), 4)).toEqual([0.1, 0.066667, 0.05, 0.04]);
  });
  it("exponential: 0.95^epoch a0", () => {
    expect(rates(schedule.exponential({ initial: 1, base: 0.95 }), 3)).toEqual([0.95, 0.9025, 0.857375]);
  });
  it("squareRoot: k / sqrt(epoch) a0", () => {
    expect(rates(schedule.squareRoot({ initial: 0.2, k: 2 }), 4)).toEqual([0.4, 0.282843, 0.23094, 0.2]);
  });
  it("staircase halves after every two epochs", () => {
    expect(rates(schedule.staircase({ initial: 0.8, factor: 0.5, every: 2 }), 5)).toEqual([0.8, 0.8, 0.4, 0.4, 0.2]);
  });
  it("piecewise takes the last entry reached, in any order", () => {
    expect(
      rates(
        schedule.piecewise({
          rates: [
            [3, 0.1],
            [1, 1],
            [5, 0.01],
          ],
        }),
        6,
      ),
    ).toEqual([1, 1, 0.1, 0.1, 0.01, 0.01]);
  });
  it("cosine goes from initial to final and stays there", () => {
    expect(rates(schedule.cosine({ initial: 1, final: 0.2, over: 4 }), 6)).toEqual([1, 0.882843, 0.6, 0.317157, 0.2, 0.2]);
  });
  it("warmup rises to the first rate of what follows", () => {
    expect(rates(schedule.warmup({ over: 3, then: 0.4 }), 5)).toEqual([0.1, 0.2, 0.3, 0.4, 0.4]);
    expect(rates(schedule.warmup({ over: 2, then: schedule.staircase({ initial: 1, factor: 0.5, every: 1 }) }), 5)).toEqual([
      0.333333, 0.666667, 1, 0.5, 0.25,
    ]);
  });
  it("per step counts steps", () => {
    const s = schedule.staircase({ initial: 1, factor: 0.1, every: 100, per: "step" });
    expect([s({ step: 100, epoch: 9 }), s({ step: 101, epoch: 9 })]).toEqual([1, 0.1]);
  });
  it("refuses what cannot be", () => {
    expect(() => schedule.cosine({ initial: 0, over: 3 })).toThrow("schedule.cosine: initial must be a finite number above 0, got 0");
    expect(() => schedule.piecewise({ rates: [[2, 0.1]] })).toThrow("the first entry must start at 1");
    expect(() => schedule.staircase({ initial: 1, factor: 0.5, every: 2, per: "epochs" as "epoch" })).toThrow(
      'per must be "epoch" or "step"',
    );
  });
});
