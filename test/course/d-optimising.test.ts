// Section D of the course, optimising, in the order of its rows; each test begins with the row's number.
import { adagrad, adam, landscapes, momentum, nesterov, rmsprop, sgd } from "minibatch";
import { describe, expect, it } from "vitest";

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
