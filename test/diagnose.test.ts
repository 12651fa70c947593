// Verdicts on the course's pairs of errors, intervals against published values, and advice in the order of the recipe.
import { describe, expect, it } from "vitest";
import { type DiagnoseOptions, diagnose, wilson } from "../src/diagnose/diagnose.ts";

describe("diagnose", () => {
  const course: readonly (readonly [train: number, dev: number, verdict: string])[] = [
    [0.01, 0.015, "good fit"],
    [0.15, 0.16, "high bias"],
    [0.01, 0.15, "high variance"],
    [0.15, 0.3, "high bias and high variance"],
  ];
  it.each(course)("train %d and dev %d over a baseline of one in a hundred: %s", (trainError, devError, verdict) => {
    const found = diagnose({ trainError, devError, baselineError: 0.01 });
    expect(found.verdict).toBe(verdict);
    expect(found.bias).toBeCloseTo(trainError - 0.01, 15);
    expect(found.variance).toBeCloseTo(devError - trainError, 15);
    expect(found.confidence).toBe(0);
    // With many rows the same verdict, and a sure one.
    const sized = diagnose({ trainError, devError, baselineError: 0.01, trainSize: 50_000, devSize: 10_000 });
    expect(sized.verdict).toBe(verdict);
    expect(sized.confidence).toBeGreaterThan(0.99);
  });

  it("measures bias from the baseline: 15% is a good fit where people err 14% of the time", () => {
    expect(diagnose({ trainError: 0.15, devError: 0.16, baselineError: 0.14 }).verdict).toBe("good fit");
    expect(diagnose({ trainError: 0.15, devError: 0.16 }).verdict).toBe("high bias");
    expect(diagnose({ trainError: 0, devError: 0 }).verdict).toBe("good fit");
    expect(diagnose({ trainError: 0.021, devError: 0.03 }).verdict).toBe("high bias");
    expect(diagnose({ trainError: 0.019, devError: 0.04 }).verdict).toBe("high variance");
    expect(diagnose({ trainError: 0.05, devError: 0.01, baselineError: 0.06 }).verdict).toBe("good fit");
  });

  it("cannot tell what may be chance, and says how many rows would show it", () => {
    // One error among 20 rows.
    const few = diagnose({ trainError: 0.01, devError: 1 / 20, baselineError: 0.01, trainSize: 10_000, devSize: 20 });
    expect(few.verdict).toBe("cannot tell");
    expect(few.confidence).toBeLessThan(0.975);
    expect(few.advice).toEqual([
      expect.stringMatching(/^variance: cannot be told from chance; about 460 dev rows .* split\(data, \{ dev: rows \}\)$/),
    ]);
    // No error among 20 rows is no proof of a good fit; none among 2,000 is.
    expect(diagnose({ trainError: 0.01, devError: 0, baselineError: 0.01, devSize: 20 }).verdict).toBe("cannot tell");
    expect(diagnose({ trainError: 0.01, devError: 0, baselineError: 0.01, devSize: 2000 }).verdict).toBe("good fit");
    // Of two gaps one is clear: no verdict on both, but advice on that one first.
    const half = diagnose({ trainError: 0.2, devError: 0.24, trainSize: 10_000, devSize: 50 });
    expect(half.verdict).toBe("cannot tell");
    expect(half.advice[0]).toMatch(/^bias: a bigger network/);
    expect(half.advice.at(-1)).toMatch(/^variance: cannot be told from chance/);
  });

  it("grows surer with the rows", () => {
    const at = (devSize: number) => diagnose({ trainError: 0.01, devError: 0.04, baselineError: 0.01, devSize }).confidence;
    expect(at(20)).toBeLessThan(at(100));
    expect(at(100)).toBeLessThan(at(200));
    expect(at(100_000)).toBeLessThanOrEqual(1);
  });

  it("advises in the order of the recipe, naming calls", () => {
    const { advice } = diagnose({ trainError: 0.15, devError: 0.3, baselineError: 0.01, testError: 0.4 });
    expect(advice.map((line) => line.split(":")[0])).toEqual([
      ...Array<string>(4).fill("bias"),
      ...Array<string>(5).fill("variance"),
      "test",
    ]);
    const named = [
      "dense(",
      "epochs",
      "adam(",
      "batchNorm(",
      "dataset(",
      "augment",
      "l2(",
      "dropout(",
      "sequential(",
      "compareDistributions(",
    ];
    for (const [i, call] of named.entries()) expect(advice[i]).toContain(call);
    expect(diagnose({ trainError: 0.01, devError: 0.015, baselineError: 0.01 }).advice).toEqual([]);
    expect(diagnose({ trainError: 0.01, devError: 0.15 }).advice[0]).toMatch(/^variance: more training data/);
    expect(diagnose({ trainError: 0.15, devError: 0.16 }).advice[0]).toMatch(/^bias: a bigger network/);
  });

  it("says what it wants", () => {
    const wrong = (options: unknown) => () => diagnose(options as DiagnoseOptions);
    expect(wrong({ trainError: 15, devError: 0.1 })).toThrow(/^diagnose: trainError must be a rate \(15% is 0.15\) from 0 to 1, got 15$/);
    expect(wrong({ trainError: 0.1 })).toThrow(/^diagnose: devError must be a finite number from 0 to 1, got undefined$/);
    expect(wrong({ trainError: 0.1, devError: Number.NaN })).toThrow(/devError must be .* got NaN$/);
    expect(wrong({ trainError: 0.1, devError: 0.1, devSize: 0 })).toThrow(/devSize must be a whole number from 1, got 0$/);
    expect(wrong({ trainError: 0.1, deverror: 0.1 })).toThrow(/unknown option "deverror", did you mean "devError"\?$/);
  });
});

describe("wilson", () => {
  it("gives the published intervals", () => {
    // Newcombe 1998, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
    const table = [
      [81, 263, 0.2553, 0.3662],
      [15, 148, 0.0624, 0.1605],
      [0, 20, 0, 0.1611],
      [1, 29, 0.0061, 0.1718],
    ] as const;
    for (const [wrong, n, low, high] of table) {
      const interval = wilson(wrong / n, n);
      expect(interval.low).toBeCloseTo(low, 4);
      expect(interval.high).toBeCloseTo(high, 4);
    }
  });
});
