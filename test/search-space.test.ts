// Spaces: distributions of every scale (Kolmogorov and Smirnov; Pearson's chi-squared where values are whole), positions and values as inverses, nested and conditional
// parameters, and their types.
import fc from "fast-check";
import {
  choice,
  integer,
  list,
  logInteger,
  logUniform,
  oneMinusLogUniform,
  oneOf,
  type Parameter,
  randomSearch,
  study,
  uniform,
} from "minibatch/search";
import { describe, expect, expectTypeOf, it } from "vitest";

const draws = 10_000;

/** Largest distance between what was drawn and a distribution function (Kolmogorov and Smirnov); of whole numbers the steps are in both. */
function distance(values: readonly number[], cdf: (x: number) => number, whole = false): number {
  const sorted = [...values].sort((a, b) => a - b);
  let largest = 0;
  sorted.forEach((x, i) => {
    if (whole && sorted[i + 1] === x) return;
    largest = Math.max(largest, Math.abs((i + 1) / draws - cdf(x)));
    if (!whole) largest = Math.max(largest, Math.abs(i / draws - cdf(x)));
  });
  return largest;
}

/** Pearson's chi-squared of what was drawn against the probability of each value, as a share of its 0.999 quantile (Wilson and Hilferty). */
function chiSquared<T>(values: readonly T[], probabilities: ReadonlyMap<T, number>): number {
  const counts = new Map<T, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  for (const value of counts.keys()) expect(probabilities.has(value), `${value}`).toBe(true);
  let sum = 0;
  for (const [value, p] of probabilities) sum += ((counts.get(value) ?? 0) - draws * p) ** 2 / (draws * p);
  const spread = 2 / (9 * (probabilities.size - 1));
  return sum / ((probabilities.size - 1) * (1 - spread + 3.09 * Math.sqrt(spread)) ** 3);
}
const equally = <T>(values: readonly T[]) => new Map(values.map((value) => [value, 1 / values.length]));

describe("the scales", async () => {
  const { trials } = await study({
    space: {
      width: uniform(-2, 3),
      rate: logUniform(1e-4, 1),
      beta: oneMinusLogUniform(0.9, 0.999),
      layers: integer(2, 7),
      units: logInteger(1, 64),
      batch: choice([32, 64, 128, 256]),
    },
    strategy: randomSearch({ trials: draws }),
    seed: 3,
    objective: () => 0,
  });
  const column = <T>(of: (params: (typeof trials)[number]["params"]) => T) => trials.map(({ params }) => of(params));
  // P(sqrt(n) D > 1.95) is 0.001 (Kolmogorov).
  const critical = 1.95 / Math.sqrt(draws);

  it("uniform", () => {
    expect(
      distance(
        column((p) => p.width),
        (x) => (x + 2) / 5,
      ),
    ).toBeLessThan(critical);
  });

  it("logUniform is 10^r with r uniform: a quarter of the rates in each decade of [1e-4, 1]", () => {
    const rates = column((p) => p.rate);
    expect(distance(rates, (x) => (Math.log10(x) + 4) / 4)).toBeLessThan(critical);
    for (const low of [1e-4, 1e-3, 1e-2, 1e-1]) {
      const share = rates.filter((x) => x >= low && x < 10 * low).length / draws;
      // Five standard deviations of a share of a quarter.
      expect(Math.abs(share - 0.25)).toBeLessThan(5 * Math.sqrt((0.25 * 0.75) / draws));
    }
  });

  it("oneMinusLogUniform is 1 - 10^r with r uniform in [-3, -1]", () => {
    const betas = column((p) => p.beta);
    // P(beta <= x) = P(r >= log10(1 - x)).
    expect(distance(betas, (x) => (-1 - Math.log10(1 - x)) / 2)).toBeLessThan(critical);
    expect(betas.filter((x) => x < 0.99).length / draws).toBeCloseTo(0.5, 1);
  });

  it("integer and choice give each value as often", () => {
    expect(
      chiSquared(
        column((p) => p.layers),
        equally([2, 3, 4, 5, 6, 7]),
      ),
    ).toBeLessThan(1);
    expect(
      chiSquared(
        column((p) => p.batch),
        equally([32, 64, 128, 256] as const),
      ),
    ).toBeLessThan(1);
  });

  it("logInteger gives n the log-uniform probability of [n - 1/2, n + 1/2]", () => {
    const probability = (n: number) => Math.log((n + 0.5) / (n - 0.5)) / Math.log(64.5 / 0.5);
    const each = new Map(Array.from({ length: 64 }, (_, i) => [i + 1, probability(i + 1)]));
    expect([...each.values()].reduce((sum, p) => sum + p)).toBeCloseTo(1, 12);
    // Sixty values dilute a sum of squares: where one end has too much, the distance tells.
    const units = column((p) => p.units);
    expect(distance(units, (n) => Math.log((n + 0.5) / 0.5) / Math.log(64.5 / 0.5), true)).toBeLessThan(critical);
    expect(chiSquared(units, each)).toBeLessThan(1);
  });

  it("no two parameters follow each other", () => {
    const [a, b] = [column((p) => Math.log(p.rate)), column((p) => p.width)];
    const mean = (v: readonly number[]) => v.reduce((x, y) => x + y, 0) / v.length;
    const [ma, mb] = [mean(a), mean(b)];
    const dot = (u: readonly number[], mu: number, v: readonly number[], mv: number) =>
      u.reduce((sum, x, i) => sum + (x - mu) * ((v[i] as number) - mv), 0);
    const r = dot(a, ma, b, mb) / Math.sqrt(dot(a, ma, a, ma) * dot(b, mb, b, mb));
    expect(Math.abs(r)).toBeLessThan(5 / Math.sqrt(draws));
  });
});

describe("a parameter", () => {
  const parameters: Parameter[] = [
    uniform(-1e3, 1e-3),
    logUniform(1e-10, 1e5),
    oneMinusLogUniform(0, 0.99999),
    integer(-3, 12),
    integer(5, 5),
    logInteger(1, 1000),
    choice(["a", "b", "c"]),
  ];

  it("maps every position into itself, and a value to its position and back", () => {
    for (const parameter of parameters) {
      fc.assert(
        fc.property(fc.double({ min: 0, max: 1, noNaN: true }), (u) => {
          const value = parameter.at(u);
          const position = parameter.position(value);
          expect(position).toBeGreaterThanOrEqual(0);
          expect(position).toBeLessThanOrEqual(1);
          const again = parameter.at(position as number);
          if (Number.isFinite(parameter.count)) expect(again).toBe(value);
          else expect(Math.abs((position as number) - u)).toBeLessThan(1e-9);
          expect(parameter.recall(JSON.parse(JSON.stringify(parameter.record(value))))).toBe(value);
        }),
      );
    }
  });

  it("knows what is not a value of it", () => {
    expect(logUniform(1e-4, 1).position(2)).toBeUndefined();
    expect(integer(1, 3).position(1.5)).toBeUndefined();
    expect(uniform(0, 1).position("0.5")).toBeUndefined();
    expect(choice(["a"]).position("b")).toBeUndefined();
    expect(choice([1, 2]).recall({ choice: 2, value: 3 })).toBeUndefined();
    // Recorded by a choice among others, or in another order.
    expect(choice(["b", "a"]).recall(choice(["a", "b"]).record("a"))).toBeUndefined();
    const lists = [[8, 16], [16, 8]]; // biome-ignore format: short
    expect(choice(lists).recall(JSON.parse(JSON.stringify(choice(lists).record(lists[1]))))).toBe(lists[1]);
  });
});

describe("nested and conditional parameters", () => {
  it("come out as objects, alternatives and lists, typed without casts", async () => {
    const { best, trials } = await study({
      space: {
        optimizer: oneOf({ momentum: { beta: oneMinusLogUniform(0.9, 0.999) }, sgd: {} }),
        units: list(integer(1, 3), logInteger(8, 64)),
        data: { batchSize: choice([32, 64]), shuffle: choice([true, false]) },
      },
      strategy: randomSearch({ trials: 40 }),
      objective: ({ units, optimizer }) => units.length + (optimizer.kind === "momentum" ? optimizer.beta : 0),
    });
    expectTypeOf(best.params.data.batchSize).toEqualTypeOf<32 | 64>();
    expectTypeOf(best.params.units).toEqualTypeOf<readonly number[]>();
    expectTypeOf(best.params.optimizer.kind).toEqualTypeOf<"momentum" | "sgd">();
    expect(new Set(trials.map(({ params }) => params.units.length))).toEqual(new Set([1, 2, 3]));
    for (const { params } of trials) {
      expect(Object.keys(params.optimizer)).toEqual(params.optimizer.kind === "momentum" ? ["kind", "beta"] : ["kind"]);
    }
    expect(best.params.units.length).toBe(1);
    expect(best.params.optimizer.kind).toBe("sgd");
  });

  it("may be asked for by the objective, with the types of what it asks for", async () => {
    const { trials } = await study({
      strategy: randomSearch({ trials: 20 }),
      objective: (_, trial) => {
        const layers = trial.suggest("layers", integer(1, 3));
        expectTypeOf(layers).toEqualTypeOf<number>();
        const kind = trial.suggest("kind", choice(["relu", "tanh"]));
        expectTypeOf(kind).toEqualTypeOf<"relu" | "tanh">();
        expect(trial.suggest("kind", choice(["relu", "tanh"]))).toBe(kind);
        let sum = 0;
        for (let i = 1; i <= layers; i++) sum += trial.suggest(`units ${i}`, logInteger(8, 64));
        return sum;
      },
    });
    for (const { suggested, value } of trials) {
      const units = [1, 2, 3].map((i) => suggested[`units ${i}`]).filter((u) => u !== undefined) as number[];
      expect(units.length).toBe(suggested.layers);
      expect(units.reduce((a, b) => a + b, 0)).toBe(value);
    }
  });
});
