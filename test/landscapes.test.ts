// Test functions of two numbers: their formulas, starts and minima, and the path that a descent records. What optimizers do on
// them is in course/d-optimising.test.ts.
import { adam, gradients, type Landscape, landscapes, momentum, ShapeError, scalar, schedule, sgd, tensor, variable } from "minibatch";
import { describe, expect, it } from "vitest";

const all: readonly Landscape[] = [landscapes.canyon(), landscapes.saddle(), landscapes.plateau(), landscapes.localOptimum()];
const at = (f: Landscape, [x, y]: readonly [number, number]) => f(scalar(x, { dtype: "f64" }), scalar(y, { dtype: "f64" })).item();

function gradientAt(f: Landscape, [x, y]: readonly [number, number]): number[] {
  const at = [variable(x, { dtype: "f64" }), variable(y, { dtype: "f64" })] as const;
  return gradients(f(...at), at).map((g) => g.item());
}

describe("landscapes", () => {
  it.each(all.map((f) => [f.name, f] as const))("%s is the formula that it shows", (_, f) => {
    // Its formula as JavaScript, which writes powers and exponentials another way.
    const code = f.formula
      .replaceAll("^", "**")
      .replaceAll("exp", "Math.exp")
      .replaceAll(/(\d) ([xy])/g, "$1 * $2");
    const formula = new Function("x", "y", `return ${code}`) as (x: number, y: number) => number;
    for (const x of [-1.7, -0.3, 0, 0.9]) for (const y of [-1.1, 0, 0.4, 1.3]) expect(at(f, [x, y])).toBeCloseTo(formula(x, y), 13);
  });

  it.each(all.map((f) => [f.name, f] as const))("%s: start and minimum lie in its region, and the minimum is one", (_, f) => {
    for (const point of [f.start, f.minimum ?? f.start]) {
      for (const [axis, value] of [
        ["x", point[0]],
        ["y", point[1]],
      ] as const) {
        expect(value).toBeGreaterThanOrEqual(f.region[axis][0]);
        expect(value).toBeLessThanOrEqual(f.region[axis][1]);
      }
    }
    if (!f.minimum) return;
    const lowest = at(f, f.minimum);
    for (const slope of gradientAt(f, f.minimum)) expect(Math.abs(slope)).toBeLessThan(1e-14);
    const inside = ([low, high]: readonly [number, number]) => Array.from({ length: 41 }, (_, i) => low + ((high - low) * i) / 40);
    for (const x of inside(f.region.x)) for (const y of inside(f.region.y)) expect(at(f, [x, y])).toBeGreaterThanOrEqual(lowest);
  });

  it("canyon is as steep as it is told, and curves gently along x, steeply along y", () => {
    expect(gradientAt(landscapes.canyon(), [1, 1])).toEqual([1, 50]);
    expect(gradientAt(landscapes.canyon({ gentle: 2, steep: 8 }), [1, 1])).toEqual([2, 8]);
  });

  it("saddle: no slope at the origin, yet lower on both sides of it along y and higher along x", () => {
    const f = landscapes.saddle();
    expect(gradientAt(f, [0, 0])).toEqual([0, 0]);
    expect(at(f, [0, 0])).toBe(0);
    for (const side of [-1, 1]) {
      expect(at(f, [0, side])).toBeCloseTo(-0.25, 15);
      expect(at(f, [side, 0])).toBeCloseTo(0.5, 15);
    }
  });

  it("plateau: at the start the slope is r exp(-r^2 / 2) with r = 4", () => {
    const f = landscapes.plateau();
    expect(Math.hypot(...f.start)).toBeCloseTo(4, 12);
    expect(Math.hypot(...gradientAt(f, f.start))).toBeCloseTo(4 * Math.exp(-8), 15);
  });

  it("localOptimum: every small step from the start ends in the shallow well, 0.6 above the deep one", () => {
    const f = landscapes.localOptimum();
    for (const optimizer of [sgd({ learningRate: 0.05 }), momentum({ learningRate: 0.05 }), adam({ learningRate: 0.05 })]) {
      const { path, costs } = landscapes.descend(f, optimizer, { steps: 600 });
      expect(path.at(-1)?.[0]).toBeCloseTo(0.9601495555191056, 6);
      expect((costs.at(-1) as number) - at(f, f.minimum as [number, number])).toBeCloseTo(0.6, 2);
    }
    const other = landscapes.descend(f, sgd({ learningRate: 0.05 }), { steps: 600, from: [-0.2, 1] });
    expect(other.path.at(-1)?.[0]).toBeCloseTo(f.minimum?.[0] as number, 6);
  });

  it("take grids: elementwise, with broadcasting", () => {
    const grid = landscapes.canyon()(tensor([[1, 2]]), tensor([[0], [1]]));
    expect(grid.toArray()).toEqual([
      [0.5, 2],
      [25.5, 27],
    ]);
  });
});

describe("descend", () => {
  it("records the start and every step, in double precision, with the cost at each point", () => {
    const f = landscapes.canyon({ gentle: 1, steep: 2 });
    const { path, costs } = landscapes.descend(f, sgd({ learningRate: 0.1 }), { steps: 3, from: [1, -2] });
    let [x, y] = [1, -2] as [number, number];
    const expected = [[x, y]];
    for (let i = 0; i < 3; i++) {
      [x, y] = [x - 0.1 * x, y - 0.1 * 2 * y];
      expected.push([x, y]);
    }
    expect(path).toHaveLength(4);
    path.forEach((point, i) => {
      point.forEach((value, k) => {
        expect(value).toBeCloseTo((expected[i] as number[])[k] as number, 15);
      });
    });
    costs.forEach((cost, i) => {
      expect(cost).toBe(at(f, path[i] as [number, number]));
    });
  });

  it("gives an optimizer a fresh state each time, and steps to its schedule", () => {
    const optimizer = momentum({ learningRate: schedule.exponential({ initial: 0.1, base: 0.5 }) });
    const first = landscapes.descend(landscapes.saddle(), optimizer, { steps: 20 });
    expect(landscapes.descend(landscapes.saddle(), optimizer, { steps: 20 })).toEqual(first);
    const plain = landscapes.descend((x) => x.mul(1), sgd({ learningRate: schedule.staircase({ initial: 1, factor: 0.5, every: 1 }) }), {
      steps: 3,
      from: [0, 0],
    });
    expect(plain.path.map(([x]) => x)).toEqual([0, -1, -1.5, -1.75]);
  });

  it("ends at the last finite point of a descent that diverges", () => {
    const { path, costs } = landscapes.descend(landscapes.canyon(), sgd({ learningRate: 1e10 }), { steps: 500 });
    expect(path.length).toBeLessThan(50);
    expect(costs).toHaveLength(path.length);
    expect([...path.flat(), ...costs].every(Number.isFinite)).toBe(true);
  });

  it("says what it wants", () => {
    const rate = sgd({ learningRate: 1 });
    const f = landscapes.saddle();
    const untyped = (value: unknown) => value as never;
    expect(() => landscapes.canyon({ steep: 0.5 })).toThrow(/^landscapes\.canyon: steep must be a finite number from 1, got 0\.5$/);
    expect(() => landscapes.canyon(untyped({ steeep: 3 }))).toThrow(/unknown option "steeep", did you mean "steep"\?$/);
    expect(() => f(untyped(1), untyped(2))).toThrow(/^landscapes\.saddle: x and y must be tensors, got 1; scalar\(\.\.\.\) makes one$/);
    expect(() => landscapes.descend(f, untyped("sgd"), { steps: 1 })).toThrow(/^landscapes\.descend: optimizer must be an optimizer/);
    expect(() => landscapes.descend(f, rate, { steps: 0 })).toThrow(/^landscapes\.descend: steps must be a whole number from 1, got 0$/);
    expect(() => landscapes.descend(f, rate, untyped({}))).toThrow(/steps must be a whole number from 1, got undefined$/);
    expect(() => landscapes.descend(f, rate, { steps: 1, from: untyped([1]) })).toThrow(/from must be a point \[x, y\], got an array of 1/);
    expect(() => landscapes.descend(f, rate, { steps: 1, from: [1, Number.NaN] })).toThrow(/from\[1\] must be a finite number, got NaN$/);
    expect(() => landscapes.descend((x) => x, rate, { steps: 1 })).toThrow(/from must be a point \[x, y\], got undefined/);
    expect(() => landscapes.descend(untyped("canyon"), rate, { steps: 1 })).toThrow(/expected a function of two tensors, got "canyon"$/);
    expect(() =>
      landscapes.descend(
        untyped(() => 3),
        rate,
        { steps: 1, from: [0, 0] },
      ),
    ).toThrow(/must give a tensor, got 3$/);
    const wide = () => landscapes.descend((x) => x.reshape([1]), rate, { steps: 1, from: [0, 0] });
    expect(wide).toThrow(/must give one cost of shape \[\], got \[1\]$/);
    expect(wide).toThrow(ShapeError);
  });
});
