// Pictures of a search, read as text: every trial where its numbers are, on the scale of its parameter.
import * as plot from "minibatch/plot";
import { choice, coarseToFine, gridSearch, logUniform, randomSearch, type SearchedParameter, study, uniform } from "minibatch/search";
import { beforeAll, describe, expect, it } from "vitest";
import { atRandom, narrowed, onGrid, searched } from "./plot-samples.ts";
import { elements, parseXml, textOf, type XmlElement } from "./xml.ts";

const labelled = (svg: string, label: string) => elements(parseXml(svg)).filter(({ attributes }) => attributes["aria-label"] === label);
const marks = (of: XmlElement | undefined) => (of ? of.children.filter((child) => typeof child !== "string").length : 0);
const texts = (svg: string) =>
  elements(parseXml(svg))
    .filter(({ name }) => name === "text")
    .map(textOf);
/** Points of the paths in a group: M x,y L x,y, or where a marker was moved to. */
const pointsOf = (of: XmlElement | undefined) =>
  elements(of as XmlElement).flatMap(({ attributes }) => {
    const moved = /translate\(([-\d.]+),([-\d.]+)\)/.exec(attributes.transform ?? "");
    const at = moved ? [moved[1], moved[2]] : [attributes.cx, attributes.cy];
    return at[0] === undefined ? [] : [at.map(Number) as [number, number]];
  });
/** Whether ys (or xs) are a straight line over some function of the values, in any order. */
function straight(pixels: readonly number[], values: readonly number[]): boolean {
  const [a, b] = [values.indexOf(Math.min(...values)), values.indexOf(Math.max(...values))];
  const slope = ((pixels[b] as number) - (pixels[a] as number)) / ((values[b] as number) - (values[a] as number));
  return values.every(
    (value, i) => Math.abs((pixels[a] as number) + slope * (value - (values[a] as number)) - (pixels[i] as number)) < 0.3,
  );
}

let result: Awaited<ReturnType<typeof searched>>;
beforeAll(async () => {
  result = await searched();
});
const of = (state: string) => result.trials.filter((trial) => trial.state === state);

describe("what a study says of its parameters", () => {
  it("has every one that a trial had, with its scale, and flat values of each trial", () => {
    expect(result.parameters.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["learningRate", "beta", "lambda", "units.length", "units.0", "units.1", "units.2", "activation"]),
    );
    expect(result.parameters.find(({ name }) => name === "beta")).toEqual({
      name: "beta",
      kind: "oneMinusLogUniform",
      low: 0.9,
      high: 0.999,
    });
    expect(result.parameters.find(({ name }) => name === "activation")).toEqual({
      name: "activation",
      kind: "choice",
      values: ["relu", "tanh"],
    });
    for (const { params, values } of result.trials) {
      expect(values.learningRate).toBe(params.learningRate);
      expect(values["units.length"]).toBe(params.units.length);
      expect(values[`units.${params.units.length - 1}`]).toBe(params.units.at(-1));
      expect(`units.${params.units.length}` in values).toBe(false);
    }
  });

  it("has those that the objective asked for", async () => {
    const { parameters, trials } = await study({
      strategy: randomSearch({ trials: 2 }),
      objective: (_, trial) => trial.suggest("rate", logUniform(1, 10)) + trial.suggest("kind", choice([1, 2])),
    });
    const expected: SearchedParameter[] = [
      { name: "rate", kind: "logUniform", low: 1, high: 10 },
      { name: "kind", kind: "choice", values: [1, 2] },
    ];
    expect(parameters).toEqual(expected);
    expect(trials[0]?.values).toEqual(trials[0]?.suggested);
  });
});

describe("studyHistory", () => {
  it("shows every trial where it is, the best so far as steps, failures apart", async () => {
    const svg = await plot.studyHistory(result, { valueLabel: "dev error" });
    for (const state of ["done", "pruned", "failed"]) expect(marks(labelled(svg, `trials ${state}`)[0]), state).toBe(of(state).length);
    const at = pointsOf(labelled(svg, "trials done")[0]);
    expect(straight(at.map(([x]) => x), of("done").map(({ number }) => number))).toBe(true); // biome-ignore format: short
    expect(straight(at.map(([, y]) => y), of("done").map(({ value }) => value))).toBe(true); // biome-ignore format: short
    expect(marks(labelled(svg, "best so far")[0])).toBe(1);
    expect(texts(svg)).toContain("dev error");
    expect(texts(svg).some((text) => text.startsWith("best so far: 0.0"))).toBe(true);
  });

  it("of a maximum follows the greatest value", async () => {
    const up = await study({
      space: { x: uniform(0, 1) },
      strategy: randomSearch({ trials: 9 }),
      direction: "maximize",
      objective: ({ x }) => x,
    });
    const svg = await plot.studyHistory(up);
    expect(texts(svg)).toContain(`best so far: ${Number(up.best.value.toPrecision(4))}`);
  });
});

describe("slices", () => {
  it("have each parameter on its own scale, with the trials that have it", async () => {
    const svg = await plot.slices(result);
    const done = of("done");
    const xs = (name: string) => pointsOf(labelled(svg, `trials done by ${name}`)[0]).map(([x]) => x);
    const values = (name: string) => done.map((trial) => trial.values[name] as number).filter((value) => value !== undefined);
    expect(straight(xs("learningRate"), values("learningRate").map(Math.log))).toBe(true);
    expect(straight(xs("learningRate"), values("learningRate"))).toBe(false);
    expect(straight(xs("beta"), values("beta").map((beta) => Math.log(1 - beta)))).toBe(true); // biome-ignore format: short
    expect(straight(xs("lambda"), values("lambda"))).toBe(true);
    expect(xs("units.1")).toHaveLength(values("units.1").length);
    expect(xs("units.1").length).toBeLessThan(done.length);
    expect(texts(svg)).toContain("1 − beta");
    expect(texts(svg)).toEqual(expect.arrayContaining(["relu", "tanh"]));
  });

  it("keep the values of a choice apart: lists by what is in them, functions of one name by their place", async () => {
    const alike = [() => 0, () => 1];
    const lists = await study({
      space: { units: choice([[8, 16], [16, 8]]), rule: choice(alike.map((f) => Object.defineProperty(f, "name", { value: "f" }))) }, // biome-ignore format: short
      strategy: gridSearch({ points: 2 }),
      objective: ({ units, rule }) => (units[0] as number) + rule(),
    });
    expect(lists.trials[2]?.values).toEqual({ units: [16, 8], rule: "a function (f)" });
    const svg = await plot.slices(lists);
    const columns = (name: string) => new Set(pointsOf(labelled(svg, `trials done by ${name}`)[0]).slice(-4).map(([x]) => x)).size; // biome-ignore format: short
    expect([columns("units"), columns("rule")]).toEqual([2, 2]);
    expect(texts(svg)).toEqual(expect.arrayContaining(["[8,16]", "[16,8]"]));
    expect(lists.csv().split("\n")[4]).toContain('"[16,8]",a function (f) (1),');
  });

  it("of some parameters only", async () => {
    const svg = await plot.slices(result, { parameters: ["lambda"] });
    expect(labelled(svg, "trials done by lambda")).toHaveLength(1);
    expect(labelled(svg, "trials done by beta")).toHaveLength(0);
  });
});

describe("parallelCoordinates", () => {
  it("have a line for each trial that has a value, the best one on top", async () => {
    const svg = await plot.parallelCoordinates(result);
    const lines = labelled(svg, "trials")[0]?.children.filter((child) => typeof child !== "string") as XmlElement[];
    expect(lines).toHaveLength(of("done").length + of("pruned").length);
    expect(lines.at(-1)?.attributes["aria-label"]).toBe(`trial ${result.best.number}`);
    // A trial without units.1 has a gap there: its line begins twice.
    const short = result.trials.find((trial) => trial.state !== "failed" && !("units.1" in trial.values));
    const path = labelled(svg, `trial ${short?.number}`)[0]?.attributes.d ?? "";
    expect(path.split("M")).toHaveLength(3);
  });

  it("put each value at its height", async () => {
    const svg = await plot.parallelCoordinates(result, { parameters: ["learningRate", "lambda"] });
    const heights = (axis: number) =>
      result.trials
        .filter(({ state }) => state !== "failed")
        .map(({ number }) =>
          Number(/^M[^L]+|L[^L]+/g[Symbol.match](labelled(svg, `trial ${number}`)[0]?.attributes.d ?? "")?.[axis]?.split(",")[1]),
        );
    const values = (name: string) => result.trials.filter(({ state }) => state !== "failed").map((trial) => trial.values[name] as number);
    expect(straight(heights(0), values("learningRate").map(Math.log))).toBe(true);
    expect(straight(heights(1), values("lambda"))).toBe(true);
  });
});

describe("boxes", () => {
  it("have each round's box and trials, and the boxes shrink", async () => {
    const found = await narrowed();
    const svg = await plot.boxes(found);
    const areas = [1, 2, 3].map((round) => {
      expect(marks(labelled(svg, `trials of round ${round}`)[0])).toBe(12);
      const rect = elements(labelled(svg, `box of round ${round}`)[0] as XmlElement).find(({ name }) => name === "rect");
      return Number(rect?.attributes.width) * Number(rect?.attributes.height);
    }) as [number, number, number];
    expect(areas[1]).toBeLessThan(areas[0]);
    expect(areas[2]).toBeLessThan(areas[1]);
    expect(marks(labelled(svg, "best")[0])).toBe(1);
    expect(labelled(svg, "trials of no round")).toHaveLength(0);
  });

  it("have the trials that were given beforehand too", async () => {
    const given = await study({
      space: { x: uniform(0, 1), y: uniform(0, 1) },
      initial: [{ x: 0.5 }, { x: 0.2, y: 0.2 }],
      strategy: coarseToFine({ rounds: 2, trials: 5 }),
      objective: ({ x, y }) => (x - 0.6) ** 2 + y,
    });
    const svg = await plot.boxes(given);
    const counts = ["trials of no round", "trials of round 1", "trials of round 2"].map((name) => marks(labelled(svg, name)[0]));
    expect(counts).toEqual([2, 3, 5]);
    expect(texts(svg)).toContain("of no round");
  });
});

describe("importance and gridAndRandom", () => {
  it("say what matters", async () => {
    const svg = await plot.importance(result);
    expect(texts(svg)).toEqual(expect.arrayContaining(result.importance().map(({ name }) => name)));
  });

  it("a grid tries five values of the parameter that matters, random points 25", async () => {
    const svg = await plot.gridAndRandom({ grid: await onGrid(), random: await atRandom() });
    expect(texts(svg)).toContain("grid: 25 trials, 5 values of learning rate");
    expect(texts(svg)).toContain("random: 25 trials, 25 values of learning rate");
    expect(marks(labelled(svg, "values grid")[0])).toBe(5);
    expect(marks(labelled(svg, "values random")[0])).toBe(25);
    expect(marks(labelled(svg, "points random")[0])).toBe(25);
  });
});
