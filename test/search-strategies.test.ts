// Strategies and pruners: what they propose, and that the clever ones are worth it on standard test functions. A grid beside random
// points is in course/e-tuning.test.ts.
import {
  type Box,
  choice,
  coarseToFine,
  gridSearch,
  integer,
  list,
  logInteger,
  logUniform,
  medianPruner,
  oneOf,
  type Past,
  quasiRandom,
  type Reporting,
  randomSearch,
  type Space,
  type Strategy,
  study,
  successiveHalving,
  tpe,
  uniform,
} from "minibatch/search";
import { describe, expect, it } from "vitest";
import { branin, hartmann6, type Problem } from "./search-problems.ts";

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1] as number;

async function bests<S extends Space>({ space, f }: Problem<S>, strategy: Strategy, seeds: number): Promise<number[]> {
  const found: number[] = [];
  for (let seed = 1; seed <= seeds; seed++) found.push((await study({ space, strategy, seed, objective: f })).best.value);
  return found;
}

describe("grid search", () => {
  it("a grid has all values of choices and short ranges, and follows alternatives and lists", async () => {
    const { trials } = await study({
      space: {
        kind: oneOf({ a: { x: uniform(0, 1) }, b: {} }),
        sizes: list(integer(1, 2), choice([8, 16])),
        n: integer(1, 2),
      },
      strategy: gridSearch({ points: { else: 5, "kind.a.x": 3 } }),
      objective: () => 0,
    });
    // (3 + 1) alternatives, 2 + 4 lists, 2 numbers.
    expect(trials).toHaveLength(4 * 6 * 2);
    expect(new Set(trials.map(({ params }) => JSON.stringify(params))).size).toBe(48);
    const few = await study({ space: { u: logInteger(1, 1000) }, strategy: gridSearch({ points: 4 }), objective: () => 0 });
    expect(few.trials.map(({ params }) => params.u)).toEqual([1, 6, 79, 1000]);
  });
});

describe("quasi-random points", () => {
  it("meet every n-th of a scale once in n points, and differ by seed", async () => {
    const space = { a: uniform(0, 1), b: uniform(0, 1), c: uniform(0, 1) };
    const points = async (seed: number) =>
      (await study({ space, strategy: quasiRandom({ trials: 2 * 81 }), seed, objective: () => 0 })).trials.map(({ params }) => params);
    const first = await points(1);
    expect(await points(1)).toEqual(first);
    expect(await points(2)).not.toEqual(first);
    expect(new Set(first.slice(0, 64).map(({ a }) => Math.floor(64 * a))).size).toBe(64);
    expect(new Set(first.slice(81).map(({ b }) => Math.floor(81 * b))).size).toBe(81);
    // 6 x 6 cells in two dimensions: four whole rounds of 36 points put four into each.
    const cells = new Map<number, number>();
    for (const { a, b } of first.slice(0, 144)) {
      const cell = 9 * Math.floor(4 * a) + Math.floor(9 * b);
      cells.set(cell, (cells.get(cell) ?? 0) + 1);
    }
    expect([...cells.values()]).toEqual(Array.from({ length: 36 }, () => 4));
  });
});

describe("against random search", () => {
  it("tpe is better on Branin and on Hartmann's function of six variables", async () => {
    const compare = async <S extends Space>(problem: Problem<S>, better: number) => {
      const random = await bests(problem, randomSearch({ trials: 50 }), 15);
      const model = await bests(problem, tpe({ trials: 50 }), 15);
      expect(median(model), problem.name).toBeLessThan(median(random) - better);
      expect(Math.min(...model), problem.name).toBeGreaterThan(problem.minimum);
    };
    await compare(branin, 0.2);
    await compare(hartmann6, 0.4);
  });

  it("coarse to fine is better where the optimum lies in one place", async () => {
    const random = await bests(hartmann6, randomSearch({ trials: 60 }), 15);
    const fine = await bests(hartmann6, coarseToFine({ rounds: 4, trials: 15 }), 15);
    expect(median(fine)).toBeLessThan(median(random) - 0.2);
  });

  it("tpe learns choices, conditions and what the objective asks for", async () => {
    const { trials } = await study({
      space: { model: oneOf({ good: { x: uniform(0, 1) }, bad: { y: uniform(0, 1) }, worse: {} }) },
      strategy: tpe({ trials: 80 }),
      seed: 2,
      objective: ({ model }, trial) => {
        const extra = trial.suggest("extra", logUniform(1e-3, 1e3));
        const base = model.kind === "good" ? (model.x - 0.3) ** 2 : model.kind === "bad" ? 1 : 2;
        return base + Math.abs(Math.log10(extra) - 1) / 3;
      },
    });
    const late = trials.slice(40);
    expect(late.filter(({ params }) => params.model.kind === "good").length).toBeGreaterThan(30);
    expect(median(late.map(({ suggested }) => Math.abs(Math.log10(suggested.extra as number) - 1)))).toBeLessThan(0.7);
  });
});

describe("coarse to fine", () => {
  const problem = {
    space: { learningRate: logUniform(1e-4, 1), units: integer(10, 100), act: choice(["relu", "tanh", "sigmoid"]) },
    objective: (p: { learningRate: number; units: number; act: string }) =>
      Math.abs(Math.log10(p.learningRate) + 2) + Math.abs(p.units - 40) / 100 + (p.act === "relu" ? 0 : 0.5),
  };

  it("records boxes that shrink around the best trials, and draws from them", async () => {
    const { boxes, trials, best } = await study({ ...problem, strategy: coarseToFine({ rounds: 3, trials: 16 }), seed: 4 });
    expect(boxes.map(({ round }) => round)).toEqual([1, 2, 3]);
    const width = (i: number) => {
      const { learningRate } = (boxes[i] as Box).parameters;
      const [low, high] = learningRate as [number, number];
      return Math.log10(high / low);
    };
    expect(width(0)).toBeCloseTo(4, 10);
    expect(width(1)).toBeLessThan(width(0) / 1.5);
    expect(width(2)).toBeLessThan(width(1));
    expect(boxes[0]?.parameters.act).toEqual(["relu", "tanh", "sigmoid"]);
    expect(boxes[2]?.parameters.act).toContain("relu");
    trials.forEach(({ params }, i) => {
      const { learningRate, units, act } = (boxes[Math.floor(i / 16)] as Box).parameters as Record<string, readonly (string | number)[]>;
      expect(params.learningRate).toBeGreaterThanOrEqual((learningRate?.[0] as number) * (1 - 1e-12));
      expect(params.learningRate).toBeLessThanOrEqual((learningRate?.[1] as number) * (1 + 1e-12));
      expect(params.units).toBeGreaterThanOrEqual(units?.[0] as number);
      expect(params.units).toBeLessThanOrEqual(units?.[1] as number);
      expect(act).toContain(params.act);
    });
    expect(best.number).toBeGreaterThan(16);
  });

  it("gives the same trials with several at once: a round waits for the one before", async () => {
    const options = { ...problem, strategy: coarseToFine({ rounds: 3, trials: 6 }), seed: 5 };
    const one = await study(options);
    const objective: typeof problem.objective = problem.objective;
    const slow = async (p: Parameters<typeof objective>[0], { number }: { number: number }) => {
      await new Promise((resolve) => setTimeout(resolve, (number * 7) % 5));
      return objective(p);
    };
    expect((await study({ ...options, objective: slow, parallel: 4 })).trials).toEqual(one.trials);
  });
});

describe("a strategy of one's own", () => {
  it("is an object with one method; what it leaves out is drawn at random", async () => {
    const halving: Strategy = {
      kind: "halving",
      next: ({ number, trials }) => {
        if (number > 6) return undefined;
        const best = trials.filter(({ state }) => state === "done").sort((a, b) => a.value - b.value)[0];
        return { params: { x: best ? (best.values.x as number) / 2 : 1 }, note: { from: best?.number ?? 0 } };
      },
    };
    const { trials } = await study({
      space: { x: uniform(0, 1), y: uniform(0, 1) },
      strategy: halving,
      objective: ({ x }) => x,
    });
    expect(trials.map(({ params }) => params.x)).toEqual([1, 0.5, 0.25, 0.125, 0.0625, 0.03125]);
    expect(new Set(trials.map(({ params }) => params.y)).size).toBe(6);
    expect(trials.map(({ note }) => note)).toEqual([0, 1, 2, 3, 4, 5].map((from) => ({ from })));
  });
});

describe("pruners", () => {
  const past = (number: number, values: readonly number[], state: Past["state"] = "done"): Past => ({
    number,
    state,
    value: values.at(-1) ?? Number.NaN,
    values: {},
    reports: new Map(values.map((value, i) => [i + 1, value])),
    note: undefined,
    position: () => undefined,
  });
  const reporting = (values: readonly number[], others: readonly Past[], direction: Reporting["direction"] = "minimize"): Reporting => ({
    number: 100,
    step: values.length,
    reports: new Map(values.map((value, i) => [i + 1, value])),
    direction,
    others,
  });

  it("median: worse than half of those that are done, by the best value up to the same step", () => {
    const others = [0.5, 0.4, 0.3, 0.2, 0.1].map((v, i) => past(i + 1, [1, v, 0.05]));
    const pruner = medianPruner();
    expect(pruner.prune(reporting([1, 0.31], others))).toBe(true);
    expect(pruner.prune(reporting([1, 0.3], others))).toBe(false);
    // A good start counts: a single bad step ends nothing.
    expect(pruner.prune(reporting([0.2, 0.9], others))).toBe(false);
    expect(pruner.prune(reporting([1, 0.9], others.slice(1)))).toBe(false);
    expect(pruner.prune(reporting([1, 0.9], [...others.slice(1), past(9, [0, 0], "running")]))).toBe(false);
    expect(medianPruner({ warmup: 2 }).prune(reporting([1, 0.9], others))).toBe(false);
    expect(pruner.prune(reporting([0, 0.29], others, "maximize"))).toBe(true);
    expect(
      pruner.prune(
        reporting(
          [0, 0.31],
          [0.5, 0.4, 0.3, 0.2, 0.1].map((v, i) => past(i + 1, [0, v])),
          "maximize",
        ),
      ),
    ).toBe(false);
  });

  it("successive halving: the best third goes on at steps 1, 3, 9, whoever comes first always", () => {
    const pruner = successiveHalving();
    expect(pruner.prune(reporting([5], []))).toBe(false);
    expect(pruner.prune(reporting([5], [past(1, [4], "pruned")]))).toBe(true);
    expect(pruner.prune(reporting([3], [past(1, [4], "running")]))).toBe(false);
    const six = [1, 2, 3, 4, 5].map((v, i) => past(i + 1, [v], "running"));
    expect(pruner.prune(reporting([1.5], six))).toBe(false);
    expect(pruner.prune(reporting([2.5], six))).toBe(true);
    expect(pruner.prune(reporting([9, 9], six))).toBe(false);
    const far = [1, 2, 3, 4, 5, 6, 7, 8].map((v, i) => past(i + 1, [v, v, v]));
    expect(pruner.prune(reporting([3.5, 3.5, 3.5], far))).toBe(true);
    expect(pruner.prune(reporting([2.5, 2.5, 2.5], far))).toBe(false);
    expect(successiveHalving({ first: 2, factor: 2 }).prune(reporting([9], six))).toBe(false);
  });

  it("save most of the steps and keep the best trials", async () => {
    const space = { quality: uniform(0, 1) };
    for (const prune of ["median", "successive halving"] as const) {
      let steps = 0;
      const { best, trials } = await study({
        space,
        strategy: randomSearch({ trials: 40 }),
        seed: 6,
        prune,
        objective: ({ quality }, trial) => {
          for (let step = 1; step <= 27; step++) {
            steps++;
            trial.report(quality + 1 / step);
          }
          return quality;
        },
      });
      expect(steps).toBeLessThan(0.6 * 40 * 27);
      const pruned = trials.filter(({ state }) => state === "pruned");
      expect(pruned.length).toBeGreaterThan(10);
      for (const { reports, value, steps: at } of pruned) {
        expect(value).toBe(reports.at(-1));
        expect(at).toEqual(reports.map((_, i) => i + 1));
      }
      expect(best.params.quality).toBe(Math.min(...trials.map(({ params }) => params.quality)));
    }
  });
});
