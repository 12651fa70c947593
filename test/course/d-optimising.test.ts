// Section D of the course, optimising, in the order of its rows; each test begins with the row's number.
import { adagrad, adam, landscapes, momentum, nesterov, rmsprop, sgd, stats } from "minibatch";
import { describe, expect, it } from "vitest";

const zeros = (n: number) => new Array<number>(n).fill(0);

/** The same averages from the function over a list and from the object that takes one value after another. */
const averages: readonly (readonly [string, typeof stats.exponentiallyWeightedAverage])[] = [
  ["of a list", stats.exponentiallyWeightedAverage],
  [
    "of a stream",
    (values, options) => {
      const running = stats.average(options);
      return values.map((value) => {
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
