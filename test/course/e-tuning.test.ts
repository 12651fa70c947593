// Section E of the course, tuning, in the order of its rows; each test begins with the row's number. Rows that are tested where their parts
// are (scales, boxes, runs that are steered, journals, staleness) are named in docs/course/README.md.
import { readFileSync } from "node:fs";
import { gridSearch, logUniform, priorities, randomSearch, study, suggestSpace, uniform } from "minibatch/search";
import { describe, expect, expectTypeOf, it } from "vitest";
import { draw } from "../../src/random.ts";

describe("22 priorities", () => {
  it("22 priorities: the learning rate; then batch size, beta and units; then layers and decay; Adam's betas and epsilon last", () => {
    const of = (wanted: number) => priorities.filter(({ rank }) => rank === wanted).map(({ name }) => name);
    expect([1, 2, 3, 4].map(of)).toEqual([
      ["learningRate"],
      ["batchSize", "beta", "units"],
      ["layers", "decayRate"],
      ["beta1", "beta2", "epsilon"],
    ]);
    expect(priorities.map(({ rank }) => rank)).toEqual([1, 2, 2, 2, 3, 3, 4, 4, 4]);
  });

  it("22 priorities: the search takes them as a space, with the types of its values", async () => {
    for (const upTo of [1, 2, 3, 4] as const) {
      const wanted = priorities.filter(({ rank }) => rank <= upTo).map(({ name, dimension }) => [name, dimension]);
      expect(Object.entries(suggestSpace({ upTo }))).toEqual(wanted);
    }
    const { best, trials } = await study({
      space: { ...suggestSpace({ upTo: 2 }), keepProb: uniform(0.5, 1) },
      strategy: randomSearch({ trials: 30 }),
      objective: ({ learningRate }) => Math.abs(Math.log10(learningRate) + 2),
    });
    expectTypeOf(best.params.batchSize).toEqualTypeOf<32 | 64 | 128 | 256>();
    expectTypeOf(best.params).toEqualTypeOf<{
      readonly learningRate: number;
      readonly batchSize: 32 | 64 | 128 | 256;
      readonly beta: number;
      readonly units: number;
      readonly keepProb: number;
    }>();
    for (const { params } of trials)
      for (const { name, dimension } of priorities.slice(0, 4)) expect(dimension.position(params[name as "beta"]), name).toBeDefined();
  });

  it("22 priorities: the usual values lie inside", () => {
    const usual = {
      learningRate: 0.01,
      batchSize: 64,
      beta: 0.9,
      units: 128,
      layers: 2,
      decayRate: 0.1,
      beta1: 0.9,
      beta2: 0.999,
      epsilon: 1e-8,
    };
    for (const { name, dimension } of priorities) expect(dimension.position(usual[name]), name).toBeDefined();
  });

  it.each([undefined, {}, { upTo: 0 }, { upTo: 5 }, { upTo: 1.5 }, { upTo: "2" }, { upto: 2 }])("22 priorities: refuses %j", (wrong) => {
    expect(() => suggestSpace(wrong as never)).toThrow(/^suggestSpace: (upTo must be a rank of the order|unknown option "upto")/);
  });

  it("22 priorities: the page about searching shows the same order, scales and bounds", () => {
    const page = readFileSync(new URL("../../docs/search.md", import.meta.url), "utf8");
    const rows = [...page.matchAll(/^\| ([1-4]) \| `(\w+)` of `?([\w.]+[\w ]*)`? \| `(\w+)\((.*)\)` \| (.*) \|$/gm)].map(
      ([, ...cells]) => cells,
    );
    const shown = ({ rank, name, of, why, dimension }: (typeof priorities)[number]) => {
      const { kind, low, high, values } = dimension.description as { kind: string; low: number; high: number; values?: readonly number[] };
      return [`${rank}`, name, of, kind, ...(values ? [values] : [[low, high]]), why];
    };
    expect(rows.map(([rank, name, of, kind, bounds, why]) => [rank, name, of, kind, JSON.parse(`[${bounds}]`).flat(), why])).toEqual(
      priorities.map(shown),
    );
  });
});

describe("23 grid and random", () => {
  const space = { learningRate: logUniform(1e-4, 1), epsilon: logUniform(1e-10, 1e-6) };

  it("23 grid and random: 5 x 5 points of a grid try 5 values of each parameter, 25 random ones try 25", async () => {
    const grid = await study({ space, strategy: gridSearch({ points: 5 }), objective: () => 0 });
    const random = await study({ space, strategy: randomSearch({ trials: 25 }), objective: () => 0 });
    const distinct = (trials: typeof grid.trials, name: keyof typeof space) => new Set(trials.map(({ params }) => params[name])).size;
    expect([grid.trials.length, random.trials.length]).toEqual([25, 25]);
    expect([distinct(grid.trials, "learningRate"), distinct(grid.trials, "epsilon")]).toEqual([5, 5]);
    expect([distinct(random.trials, "learningRate"), distinct(random.trials, "epsilon")]).toEqual([25, 25]);
    const exponents = [...new Set(grid.trials.map(({ params }) => Math.log10(params.learningRate)))];
    for (const [i, r] of [-4, -3, -2, -1, 0].entries()) expect(exponents[i]).toBeCloseTo(r, 12);
  });

  it("23 grid and random: where one parameter matters, random wins in about 85 of 100 studies of 25 trials", async () => {
    const repetitions = 1000;
    const square = { a: uniform(0, 1), b: uniform(0, 1) };
    // Where the optimum lies does not move a grid.
    const grid = await study({ space: square, strategy: gridSearch({ points: 5 }), objective: () => 0 });
    let wins = 0;
    for (let seed = 1; seed <= repetitions; seed++) {
      const optimum = draw({ seed, purpose: "search", step: 0 }, 0);
      const objective = ({ a }: { a: number }) => Math.abs(a - optimum);
      const random = await study({ space: square, strategy: randomSearch({ trials: 25 }), seed, objective });
      if (random.best.value < Math.min(...grid.trials.map(({ params }) => objective(params)))) wins++;
    }
    console.log(`23 grid and random: random search wins ${wins} of ${repetitions} times`);
    // The optimum is d from the nearest of 5 points, d even in [0, 1/8], and some of 25 random points is nearer with 1 - (1 - 2 d)^25:
    // 1 - 8 (1 - 0.75^26) / 52 = 0.846 of the time. Four deviations of 1,000 tries.
    expect(wins / repetitions).toBeGreaterThanOrEqual(0.8);
    expect(Math.abs(wins / repetitions - 0.846)).toBeLessThan(4 * Math.sqrt((0.846 * 0.154) / repetitions));
  });
});
