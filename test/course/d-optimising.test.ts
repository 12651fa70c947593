// Section D of the course, optimising, in the order of its rows; each test begins with the row's number.
import {
  adagrad,
  adam,
  crossEntropy,
  dataset,
  dense,
  l2,
  landscapes,
  meanSquaredError,
  momentum,
  nesterov,
  type Optimizer,
  randomNormal,
  rmsprop,
  type Schedule,
  schedule,
  sequential,
  sgd,
  stats,
  tanh,
  tensor,
  variable,
} from "minibatch";
import { suggestBatchSize } from "minibatch/data";
import { describe, expect, it } from "vitest";

const data = dataset(
  randomNormal([90, 5], { seed: 1 }),
  Int32Array.from({ length: 90 }, (_, i) => (i * i) % 3),
);
const net = () => sequential([dense(6), tanh(), dense(3)]);

describe("15 mini-batches", () => {
  it("15 mini-batches: with the whole batch and a small rate the cost, penalty included, falls at every iteration", async () => {
    const losses: number[] = [];
    const onStep = ({ loss }: { loss: number }) => losses.push(loss);
    const options = {
      loss: crossEntropy(),
      optimizer: sgd({ learningRate: 0.05 }),
      regularizer: l2(2),
      batchSize: "all",
      seed: 1,
    } as const;
    const { epochs } = await net().fit(data, { ...options, epochs: 150, onStep });
    expect(losses).toHaveLength(150);
    for (let i = 1; i < losses.length; i++) expect(losses[i] as number).toBeLessThan(losses[i - 1] as number);
    expect(epochs.map(({ trainLoss }) => Math.fround(trainLoss))).toEqual(losses);
  });

  it("15 mini-batches: with batches of 16 the cost is noisy and falls in trend", async () => {
    const losses: number[] = [];
    const options = { loss: crossEntropy(), optimizer: sgd({ learningRate: 0.2 }), batchSize: 16, seed: 1 } as const;
    const { epochs } = await net().fit(data, { ...options, epochs: 60, onStep: ({ loss }) => losses.push(loss) });
    const rises = losses.slice(1).filter((loss, i) => loss > (losses[i] as number)).length;
    expect(rises / losses.length).toBeGreaterThan(0.3);
    const smooth = stats.movingAverage(losses, 60);
    expect(smooth.at(-1) as number).toBeLessThan(0.9 * (smooth[0] as number));
    expect(epochs.at(-1)?.trainLoss as number).toBeLessThan(epochs[0].trainLoss);
  });

  it("15 mini-batches: m rows are one step, 1 row m steps; the partial last batch counts with its own size", async () => {
    const at = async (batchSize: number | "all") =>
      (await net().fit(data, { loss: crossEntropy(), optimizer: sgd({ learningRate: 1e-9 }), batchSize, epochs: 1, seed: 2 })).last;
    const whole = await at("all");
    expect([whole.step, (await at(90)).step, (await at(1)).step, (await at(40)).step]).toEqual([1, 1, 90, 3]);
    // At a rate of nothing the mean over the rows is the same however they are cut: 40 + 40 + 10.
    expect((await at(40)).trainLoss).toBeCloseTo(whole.trainLoss, 5);
    expect((await at(40)).trainError).toBeCloseTo(whole.trainError, 6);
  });

  it("15 suggestBatchSize: the whole batch up to 2,000 rows, otherwise 64, 128, 256 or 512", () => {
    for (const m of [1, 2000]) expect(suggestBatchSize(m)).toBe("all");
    for (const m of [2001, 10_000, 50_000, 1e6, 1e8]) expect([64, 128, 256, 512]).toContain(suggestBatchSize(m));
  });
});

const zeros = (n: number) => new Array<number>(n).fill(0);

/** The same averages from the function over a list and from the object that takes one value after another. */
const averages: readonly (readonly [string, typeof stats.exponentiallyWeightedAverage])[] = [
  ["of a list", stats.exponentiallyWeightedAverage],
  [
    "of a stream",
    (values, options) => {
      const running = stats.average(options);
      return Array.from(values, (value) => {
        const pushed = running.push(value);
        expect(running.value).toBe(pushed);
        return pushed;
      });
    },
  ],
];

describe.each(averages)("16 moving averages, exponentially weighted %s", (_, average) => {
  it("16 moving averages: beta 0.98 and theta_1 = 40 give v_1 = 0.8, corrected 40", () => {
    expect(average([40], { beta: 0.98 })[0]).toBeCloseTo(0.8, 14);
    expect(average([40], { beta: 0.98, biasCorrection: true })[0]).toBeCloseTo(40, 12);
  });

  it("16 moving averages: v_2 = 0.0196 theta_1 + 0.02 theta_2, divided by 0.0396 when corrected", () => {
    for (const [first, second] of [
      [1, 0],
      [0, 1],
      [40, 49],
    ] as const) {
      const v2 = 0.0196 * first + 0.02 * second;
      expect(average([first, second], { beta: 0.98 })[1]).toBeCloseTo(v2, 14);
      expect(average([first, second], { beta: 0.98, biasCorrection: true })[1]).toBeCloseTo(v2 / 0.0396, 12);
    }
  });

  it("16 moving averages: beta 0.9 weighs 0.1, 0.09, 0.081, 0.0729, and after ten steps 0.9^10 = 0.349 of the first", () => {
    const shares = average([1, ...zeros(10)], { beta: 0.9 });
    [0.1, 0.09, 0.081, 0.0729].forEach((share, k) => {
      expect(shares[k]).toBeCloseTo(share, 15);
    });
    const after = (shares[10] as number) / (shares[0] as number);
    expect(after).toBeCloseTo(0.9 ** 10, 14);
    expect(after.toFixed(3)).toBe("0.349");
  });

  it("16 moving averages: a value one window of 1 / (1 - beta) old has about 1/e of the newest one's weight", () => {
    for (const beta of [0.9, 0.98]) {
      const window = Math.round(stats.averagingWindow(beta));
      const shares = average([1, ...zeros(window)], { beta });
      expect((shares[window] as number) / (shares[0] as number)).toBeCloseTo(1 / Math.E, 1);
    }
  });

  it("16 moving averages: the correction gives a constant back at every step and fades away later", () => {
    for (const v of average(new Array<number>(200).fill(7), { beta: 0.98, biasCorrection: true })) expect(v).toBeCloseTo(7, 10);
    const values = Array.from({ length: 1000 }, (_, i) => 10 + 5 * Math.sin(i / 20));
    const [plain, corrected] = [average(values, { beta: 0.98 }), average(values, { beta: 0.98, biasCorrection: true })];
    expect((corrected[4] as number) - (plain[4] as number)).toBeGreaterThan(5);
    expect((corrected[999] as number) - (plain[999] as number)).toBeLessThan(1e-7);
  });

  it("16 moving averages: a beta that is no share is refused", () => {
    for (const beta of [1, 1.5, -0.1, Number.NaN, "0.9" as unknown as number, undefined as unknown as number])
      expect(() => average([1], { beta })).toThrow(/^stats\.\w+: beta must be a finite number from 0 below 1, got /);
    expect(() => average([1], { beta: 0.9, biasCorection: true } as unknown as { beta: number })).toThrow(
      /unknown option "biasCorection", did you mean "biasCorrection"\?$/,
    );
    expect(() => average([1], { beta: 0.9, biasCorrection: 1 as unknown as boolean })).toThrow(
      /biasCorrection must be true or false, got 1$/,
    );
  });
});

describe("16 moving averages", () => {
  it("16 moving averages: 1 / (1 - beta) is the window: 0.9 ~ 10, 0.98 ~ 50, 0.5 ~ 2", () => {
    expect(stats.averagingWindow(0.9)).toBeCloseTo(10, 12);
    expect(stats.averagingWindow(0.98)).toBeCloseTo(50, 11);
    expect(stats.averagingWindow(0.5)).toBe(2);
    expect(() => stats.averagingWindow(1)).toThrow(/^stats\.averagingWindow: beta must be a finite number from 0 below 1, got 1$/);
  });

  it("16 moving averages: simple over a window, weighted by n..1 or by given weights", () => {
    expect(stats.movingAverage([1, 2, 6, 10], 2)).toEqual([1.5, 4, 8]);
    expect(stats.weightedMovingAverage([1, 2, 4], 3)).toEqual([(3 * 4 + 2 * 2 + 1 * 1) / 6]);
    expect(stats.weightedMovingAverage([1, 2, 4], [5, 1])).toEqual([(5 * 2 + 1) / 6, (5 * 4 + 2) / 6]);
  });

  it("16 moving averages: a stream says what it knows before and after its first value", () => {
    expect(stats.average({ beta: 0.9 }).value).toBe(0);
    expect(stats.average({ beta: 0.9, biasCorrection: true }).value).toBeNaN();
    const running = stats.average({ beta: 0.5 });
    running.push(4);
    running.push(0);
    expect([running.value, running.count]).toEqual([1, 2]);
    expect(() => running.push("3" as unknown as number)).toThrow(/^stats\.average: push takes a number, got "3"$/);
  });
});

/** Where a variable of 0 stands after steps with these gradients, in f64. */
function positions(optimizer: Optimizer, list: readonly number[]): number[] {
  const w = variable(0, { dtype: "f64" });
  return list.map((g) => {
    optimizer.apply([w], [tensor(g, { dtype: "f64" })]);
    return w.item();
  });
}
const slopes = [3, -1, 0.5, 2, 2];
/** The same by a formula: `next` gives the step for the gradient. */
const byHand = (next: (g: number, t: number) => number) => {
  let w = 0;
  return slopes.map((g, i) => {
    w -= next(g, i + 1);
    return w;
  });
};
const expectAll = (found: readonly number[], expected: readonly number[]) => {
  found.forEach((value, i) => {
    expect(value).toBeCloseTo(expected[i] as number, 13);
  });
};

describe("17 momentum", () => {
  const a = 0.3;
  const beta = 0.9;
  it("17 momentum: v = beta v + (1 - beta) dW, W -= a v, without bias correction", () => {
    let v = 0;
    const step = (g: number) => {
      v = beta * v + (1 - beta) * g;
      return a * v;
    };
    expectAll(positions(momentum({ learningRate: a }), slopes), byHand(step));
    // The first step is a tenth of plain descent's: nothing corrects the zero at the start.
    expect(positions(momentum({ learningRate: a }), [1])[0]).toBeCloseTo(-a * 0.1, 15);
  });

  it("17 momentum: the other form, v = beta v + dW, makes the same steps at (1 - beta) times the rate", () => {
    let v = 0;
    const step = (g: number) => {
      v = beta * v + g;
      return a * v;
    };
    const other = positions(momentum({ learningRate: a, dampening: "none" }), slopes);
    expectAll(other, byHand(step));
    expectAll(positions(momentum({ learningRate: a / (1 - beta) }), slopes), other);
    expectAll(
      positions(nesterov({ learningRate: a / (1 - beta) }), slopes),
      positions(nesterov({ learningRate: a, dampening: "none" }), slopes),
    );
  });

  it("17 Nesterov: the step is beta v + (1 - beta) dW with the new v", () => {
    let v = 0;
    const step = (g: number) => {
      v = beta * v + (1 - beta) * g;
      return a * (beta * v + (1 - beta) * g);
    };
    expectAll(positions(nesterov({ learningRate: a }), slopes), byHand(step));
  });
});

describe("18 RMSprop, 19 Adam: epsilon inside or outside the root", () => {
  const a = 0.3;
  const value = 0.7;
  const root = (s: number, inside: boolean) => (inside ? Math.sqrt(s + value) : Math.sqrt(s) + value);
  it.each([false, true])("18 RMSprop: S = beta2 S + (1 - beta2) dW^2, W -= a dW / root; epsilon inside: %s", (inside) => {
    for (const beta2 of [0.9, 0.999]) {
      let s = 0;
      const step = (g: number) => {
        s = beta2 * s + (1 - beta2) * g * g;
        return (a * g) / root(s, inside);
      };
      expectAll(positions(rmsprop({ learningRate: a, beta2, epsilon: { value, inside } }), slopes), byHand(step));
    }
  });

  it.each([false, true])("19 Adam: both averages divided by 1 - beta^t; epsilon inside: %s", (inside) => {
    let [v, s] = [0, 0];
    const step = (g: number, t: number) => {
      v = 0.9 * v + 0.1 * g;
      s = 0.999 * s + 0.001 * g * g;
      return (a * (v / (1 - 0.9 ** t))) / root(s / (1 - 0.999 ** t), inside);
    };
    expectAll(positions(adam({ learningRate: a, epsilon: { value, inside } }), slopes), byHand(step));
  });

  it("19 Adagrad: S = S + dW^2; and defaults: epsilon outside, 1e-8 for RMSprop and Adam, beta2 0.9 for RMSprop", () => {
    let s = 0;
    const step = (g: number) => {
      s += g * g;
      return (a * g) / (Math.sqrt(s) + value);
    };
    expectAll(positions(adagrad({ learningRate: a, epsilon: value }), slopes), byHand(step));
    const outside = { value: 1e-8, inside: false };
    expect(positions(rmsprop({ learningRate: a }), slopes)).toEqual(
      positions(rmsprop({ learningRate: a, beta2: 0.9, epsilon: outside }), slopes),
    );
    const explicit = adam({ learningRate: a, beta1: 0.9, beta2: 0.999, epsilon: outside });
    expect(positions(adam({ learningRate: a }), slopes)).toEqual(positions(explicit, slopes));
  });

  it("19 Adam: its first step has the length of the rate, whatever the gradient", () => {
    for (const g of [1e-4, 1, 1e5]) expect(positions(adam({ learningRate: a }), [g])[0]).toBeCloseTo(-a, 4);
  });
});

describe("20 learning-rate decay", () => {
  const rates = (s: Schedule, n: number) => Array.from({ length: n }, (_, i) => s({ step: 10 * i + 1, epoch: i + 1 }));
  it("20 schedules: the course's formulas, epochs from 1", () => {
    const a0 = 0.2;
    const check = (s: Schedule, formula: (epoch: number) => number) => expectAll(rates(s, 6), [1, 2, 3, 4, 5, 6].map(formula));
    check(schedule.inverseTime({ initial: a0, decayRate: 1 }), (n) => a0 / (1 + n));
    check(schedule.exponential({ initial: a0, base: 0.95 }), (n) => 0.95 ** n * a0);
    check(schedule.squareRoot({ initial: a0, k: 3 }), (n) => (3 / Math.sqrt(n)) * a0);
    check(schedule.staircase({ initial: a0, factor: 0.5, every: 2 }), (n) => a0 * 0.5 ** Math.floor((n - 1) / 2));
    // a0 = 0.2 and decayRate = 1: 0.1, 0.067, 0.05, 0.04.
    const table = rates(schedule.inverseTime({ initial: a0, decayRate: 1 }), 4).map((rate) => Number(rate.toFixed(3)));
    expect(table).toEqual([0.1, 0.067, 0.05, 0.04]);
  });

  it("20 schedules: a run uses the rates that one saw before, per epoch and per step", async () => {
    for (const per of ["epoch", "step"] as const) {
      const s = schedule.inverseTime({ initial: 0.2, decayRate: 1, per });
      const options = { loss: crossEntropy(), optimizer: sgd({ learningRate: s }), batchSize: 30, seed: 1 };
      const { epochs } = await net().fit(data, { ...options, epochs: 4 });
      epochs.forEach(({ learningRate, epoch, step }) => {
        expect(learningRate).toBe(s({ epoch, step }));
        expect(learningRate).toBeCloseTo(0.2 / (1 + (per === "epoch" ? epoch : step)), 12);
      });
    }
  });

  it("20 manual decay: run.set takes effect at the next step and stands in the history", async () => {
    const run = net().fit(data, { loss: crossEntropy(), optimizer: sgd({ learningRate: 0.2 }), batchSize: 30, epochs: 4, seed: 1 });
    for await (const { epoch } of run) if (epoch === 2) run.set({ learningRate: 0.02 });
    const { epochs, interventions } = await run;
    expect(epochs.map(({ learningRate }) => learningRate)).toEqual([0.2, 0.2, 0.02, 0.02]);
    expect(interventions).toEqual([{ step: 6, what: "set", value: { learningRate: 0.02 } }]);
  });

  it("20 decay ends tighter: on noisy gradients a falling rate comes closer to the minimum than a constant one", async () => {
    const x = randomNormal([200, 3], { seed: 5 });
    const y = x.matmul(tensor([[1], [-2], [0.5]])).add(randomNormal([200, 1], { seed: 6, std: 1 }));
    const cost = async (learningRate: number | Schedule) => {
      const model = sequential([dense(1)]);
      await model.fit(dataset(x, y), { loss: meanSquaredError(), optimizer: sgd({ learningRate }), batchSize: 4, epochs: 30, seed: 3 });
      return (await model.evaluate(dataset(x, y))).loss;
    };
    const constant = await cost(0.1);
    const decayed = await cost(schedule.exponential({ initial: 0.1, base: 0.85 }));
    const best = await cost(
      schedule.piecewise({
        rates: [
          [1, 0.05],
          [10, 0.005],
          [20, 0.0005],
        ],
      }),
    );
    expect(constant - best).toBeGreaterThan(5 * (decayed - best));
  });
});

type Path = readonly (readonly [number, number])[];
/** How far a path went along one axis, back and forth. */
const travel = (path: Path, axis: 0 | 1) =>
  path.slice(1).reduce((sum, point, i) => sum + Math.abs(point[axis] - (path[i] as readonly [number, number])[axis]), 0);
/** How often it crossed the floor of the canyon. */
const crossings = (path: Path) => path.slice(1).filter((point, i) => point[1] * (path[i] as readonly [number, number])[1] < 0).length;

describe("21 landscapes", () => {
  const rate = 0.036;
  const steps = 100;
  const canyon = landscapes.canyon();
  const plain = landscapes.descend(canyon, sgd({ learningRate: rate }), { steps });

  it("21 momentum damps the oscillation across the canyon, and so gets along it sooner", () => {
    const smooth = landscapes.descend(canyon, momentum({ learningRate: rate }), { steps });
    // Plain descent jumps from wall to wall in every step.
    expect(crossings(plain.path)).toBe(steps);
    expect(crossings(smooth.path)).toBeLessThan(steps / 5);
    expect(travel(smooth.path, 1)).toBeLessThan(0.65 * travel(plain.path, 1));
    const below = (costs: readonly number[]) => costs.findIndex((cost) => cost < 0.05);
    expect(below(smooth.costs)).toBeLessThan(below(plain.costs));
  });

  it("21 momentum allows a rate at which plain descent is thrown out of the canyon", () => {
    const fast = { learningRate: 0.3 };
    expect(landscapes.descend(canyon, sgd(fast), { steps }).costs.at(-1)).toBeGreaterThan(1e100);
    expect(landscapes.descend(canyon, momentum(fast), { steps }).costs.at(-1)).toBeLessThan(1e-3);
  });

  it("21 RMSprop shrinks the steps of the steep direction: at the start plain descent goes 50/9 as far across as along, RMSprop as far", () => {
    const ratio = ([from, to]: Path, axisTo = 1) => {
      const [a, b] = [from, to] as [readonly [number, number], readonly [number, number]];
      return Math.abs((b[axisTo] as number) - (a[axisTo] as number)) / Math.abs(b[0] - a[0]);
    };
    expect(ratio(plain.path)).toBeCloseTo(50 / 9, 10);
    const scaled = landscapes.descend(canyon, rmsprop({ learningRate: 0.02 }), { steps });
    expect(ratio(scaled.path)).toBeCloseTo(1, 6);
    // Over the whole way too: what plain descent wastes across is gone.
    expect(travel(scaled.path, 1) / travel(scaled.path, 0)).toBeLessThan(0.5 * (travel(plain.path, 1) / travel(plain.path, 0)));
  });

  it("21 Adam leaves the saddle first, of all whose first step is as long", () => {
    const saddle = landscapes.saddle();
    const left = (optimizer: Parameters<typeof landscapes.descend>[1]) =>
      landscapes.descend(saddle, optimizer, { steps: 400 }).costs.findIndex((cost) => cost < -0.2);
    const a = 0.05;
    const steps = left(adam({ learningRate: a }));
    expect(steps).toBeGreaterThan(0);
    expect(steps).toBeLessThan(25);
    const others = {
      sgd: sgd({ learningRate: a }),
      momentum: momentum({ learningRate: a }),
      nesterov: nesterov({ learningRate: a }),
      adagrad: adagrad({ learningRate: a }),
      // Without bias correction its first step is a / sqrt(1 - beta2): at the same rate it would be 3.2 times as long as Adam's.
      rmsprop: rmsprop({ learningRate: a * Math.sqrt(0.1), beta2: 0.9 }),
    };
    for (const [name, optimizer] of Object.entries(others)) expect(left(optimizer), name).toBeGreaterThan(1.5 * steps);
    expect(left(others.sgd)).toBeGreaterThan(5 * steps);
  });

  it("21 plain descent crawls on the plateau, Adam crosses it", () => {
    const plateau = landscapes.plateau();
    const crawl = landscapes.descend(plateau, sgd({ learningRate: 0.05 }), { steps: 400 });
    expect(travel(crawl.path, 0) + travel(crawl.path, 1)).toBeLessThan(0.05);
    expect(crawl.costs.at(-1)).toBeGreaterThan(0.999);
    const cross = landscapes.descend(plateau, adam({ learningRate: 0.05 }), { steps: 400 });
    expect(cross.costs.findIndex((cost) => cost < 0.01)).toBeLessThan(100);
    expect(cross.costs.at(-1)).toBeLessThan(1e-6);
  });
});
