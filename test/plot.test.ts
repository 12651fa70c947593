// Pictures read as text: well-formed XML that holds what was asked for, the same bytes each time. How they look is for
// plot-browser.test.ts, and for people.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { inflateSync } from "node:zlib";
import { batchNorm, dense, type Landscape, landscapes, relu, sequential, stats, type Tensor, tensor, zeros } from "minibatch";
import * as plot from "minibatch/plot";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadWith } from "../src/plot/library.ts";
import { png } from "../src/plot/png.ts";
import { thinned } from "../src/plot/series.ts";
import { showNumber } from "../src/plot/style.ts";
import { allPictures, nasty, normal, trainedOnDigits } from "./plot-samples.ts";
import { elements, parseXml, textOf, type XmlElement } from "./xml.ts";

const axes = { xLabel: "epoch", yLabel: "cost" };
const texts = (svg: string) =>
  elements(parseXml(svg))
    .filter(({ name }) => name === "text")
    .map(textOf);
const labelled = (svg: string, label: string) => elements(parseXml(svg)).filter(({ attributes }) => attributes["aria-label"] === label);
const marks = (of: XmlElement | undefined) => (of ? of.children.filter((child) => typeof child !== "string").length : 0);

const scratch = mkdtempSync(join(tmpdir(), "minibatch-plot-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe("every picture", () => {
  let pictures: Record<string, string>;
  beforeAll(async () => {
    pictures = await allPictures();
  }, 120_000);

  it("is well-formed, complete in itself and has its size", () => {
    for (const [name, svg] of Object.entries(pictures)) {
      const root = parseXml(svg);
      expect(root.name, name).toBe("svg");
      expect(root.attributes.xmlns, name).toBe("http://www.w3.org/2000/svg");
      expect(root.attributes.viewBox, name).toBe(`0 0 ${root.attributes.width} ${root.attributes.height}`);
      for (const { name: tag, attributes } of elements(root)) {
        expect(["script", "foreignObject", "style"]).not.toContain(tag);
        for (const [key, value] of Object.entries(attributes)) {
          expect(key).not.toMatch(/^on/);
          if (key === "href") expect(value).toMatch(/^data:image\/png;base64,/);
          expect(value, `${name}: ${tag} ${key}`).not.toMatch(/NaN|undefined|Infinity|\[object/);
        }
      }
      for (const text of texts(svg)) expect(text, name).not.toMatch(/NaN|undefined|\[object/);
    }
  });

  it("is the same text when drawn again", { timeout: 120_000 }, async () => {
    const again = await allPictures();
    for (const [name, svg] of Object.entries(pictures)) expect(again[name] === svg, name).toBe(true);
  });

  it("refers only to names that it defines", () => {
    for (const svg of Object.values(pictures)) {
      const all = elements(parseXml(svg));
      const ids = all.flatMap(({ attributes }) => (attributes.id === undefined ? [] : [attributes.id]));
      expect(new Set(ids).size).toBe(ids.length);
      for (const { attributes } of all) {
        const used = attributes["clip-path"]?.match(/^url\(#(.*)\)$/)?.[1];
        if (used !== undefined) expect(ids).toContain(used);
      }
    }
  });
});

describe("lines", () => {
  it("has a path and a name in the legend for each series, and its labels", async () => {
    const svg = await plot.lines([{ name: "a", y: [3, 2, 1] }, { name: "b", y: [1, 2, 3], dashed: true }], { ...axes, title: "Costs" }); // biome-ignore format: short
    for (const name of ["a", "b"]) {
      expect(marks(labelled(svg, `line ${name}`)[0])).toBe(1);
      expect(marks(labelled(svg, `markers ${name}`)[0])).toBe(3);
      expect(texts(svg)).toContain(name);
    }
    expect(texts(svg)).toEqual(expect.arrayContaining(["Costs", "epoch", "cost"]));
    expect(labelled(svg, "line b")[0]?.attributes["stroke-dasharray"]).toBe("6 5");
    expect(labelled(svg, "line a")[0]?.attributes["stroke-dasharray"]).toBeUndefined();
    expect(labelled(svg, "line a")[0]?.attributes.stroke).not.toBe(labelled(svg, "line b")[0]?.attributes.stroke);
  });

  it("shows names as they are, whatever they hold", async () => {
    const svg = await plot.lines(nasty.map((name) => ({ name, y: [1, 2] })), { ...axes, title: "\u0000 \ud800 &amp;" }); // biome-ignore format: short
    expect(texts(svg)).toEqual(expect.arrayContaining([nasty[0], nasty[1], "\ufffd \ufffd &amp;"]));
    expect(svg).not.toContain("<script");
  });

  it("leaves a gap where a value is not finite", async () => {
    const path = async (y: readonly number[]) => {
      const group = labelled(await plot.lines([{ name: "a", y }], axes), "line a")[0] as XmlElement;
      return (group.children[0] as XmlElement).attributes.d as string;
    };
    const count = (d: string, letter: string) => d.split(letter).length - 1;
    expect(count(await path([1, 2, 3, 4, 5]), "M")).toBe(1);
    expect(count(await path([1, 2, Number.NaN, 4, 5]), "M")).toBe(2);
    expect(count(await path([1, 2, Number.POSITIVE_INFINITY, 4, 5]), "M")).toBe(2);
  });

  it("places points by their numbers: doubling is half the height on a line, a decade a step on logarithms", async () => {
    const ys = async (yScale: "linear" | "log", y: readonly number[]) => {
      const group = labelled(await plot.lines([{ name: "a", y }], { ...axes, yScale }), "markers a")[0] as XmlElement;
      return group.children.map((dot) => Number((dot as XmlElement).attributes.cy));
    };
    const [a = 0, b = 0, c = 0] = await ys("linear", [0, 5, 10]);
    expect(a - b).toBeCloseTo(b - c, 0);
    const [d = 0, e = 0, f = 0] = await ys("log", [1, 10, 100]);
    expect(d - e).toBeCloseTo(e - f, 0);
    expect(d - f).toBeGreaterThan(200);
  });

  it("keeps lowest and highest of a long line's stretches", () => {
    const points = Array.from({ length: 100_000 }, (_, i) => [i, i === 54_321 ? 99 : i === 12_345 ? Number.NaN : Math.sin(i)] as const);
    const kept = thinned(points, 400);
    expect(kept.length).toBeLessThanOrEqual(5 * 400);
    expect(kept).toContainEqual([54_321, 99]);
    expect(kept.some(([x, y]) => x === 12_345 && Number.isNaN(y))).toBe(true);
    expect(kept.map(([x]) => x)).toEqual([...kept.map(([x]) => x)].sort((a, b) => a - b));
  });

  it("writes SVG and pages to files", async () => {
    const svg = await plot.lines([{ name: "a", y: [1, 2] }], { ...axes, file: join(scratch, "a.svg") });
    expect(readFileSync(join(scratch, "a.svg"), "utf8")).toBe(svg);
    await plot.lines([{ name: "a", y: [1, 2] }], { ...axes, title: "A < B", file: pathToFileURL(join(scratch, "a.html")) });
    const page = readFileSync(join(scratch, "a.html"), "utf8");
    expect(page).toContain("<svg xmlns=");
    expect(page).toContain("<title>A &lt; B</title>");
    expect(page).toMatch(/^<!doctype html>/);
  });
});

describe("other pictures of numbers", () => {
  it("scatter: a mark for each point, none for one that is not finite", async () => {
    const svg = await plot.scatter([{ name: "g", points: [[1, 2], [2, 3], [Number.NaN, 1]] }, { name: "h", points: [[1, 1]] }], axes); // biome-ignore format: short
    expect(marks(labelled(svg, "points g")[0])).toBe(2);
    expect(marks(labelled(svg, "points h")[0])).toBe(1);
  });

  it("bars: height by value, a colour by group, numbers on top", async () => {
    const svg = await plot.bars([1, 2, 4].map((value) => ({ name: `n${value}`, value })), { xLabel: "name", yLabel: "value" }); // biome-ignore format: short
    const heights = labelled(svg, "bars value")[0]?.children.map((bar) => Number((bar as XmlElement).attributes.height)) as number[];
    expect(heights).toHaveLength(3);
    expect((heights[2] as number) / (heights[0] as number)).toBeCloseTo(4, 1);
    expect(texts(svg)).toEqual(expect.arrayContaining(["n1", "n2", "n4", "1", "2", "4"]));
    const grouped = await plot.bars(["a", "b"].flatMap((name) => ["u", "v"].map((group) => ({ name, group, value: 1 }))), { xLabel: "", yLabel: "" }); // biome-ignore format: short
    expect(labelled(grouped, "bars u")[0]?.attributes.fill).not.toBe(labelled(grouped, "bars v")[0]?.attributes.fill);
    expect(texts(grouped)).toEqual(expect.arrayContaining(["u", "v"]));
  });

  it("histograms: every value is counted once", async () => {
    const svg = await plot.histograms([{ name: "v", values: [0, 0, 0, 1, 1, 2, 4] }], { xLabel: "value", bins: 4 });
    const bins = labelled(svg, "bins v")[0]?.children.map((bar) => Number((bar as XmlElement).attributes.height)) as number[];
    // [0, 1): 3, [1, 2): 2, [2, 3): 1, [3, 4]: 1.
    expect(bins.map((height) => Math.round(height / (bins[3] as number)))).toEqual([3, 2, 1, 1]);
  });

  it("schedules: a per-epoch schedule takes the epoch's rate, a per-step one the step's", async () => {
    const seen: string[] = [];
    await plot.schedule(({ step, epoch }) => { seen.push(`${step} ${epoch}`); return 1; }, { epochs: 2, stepsPerEpoch: 3 }); // biome-ignore format: short
    expect(seen).toEqual(["1 1", "2 1", "3 1", "4 2", "5 2", "6 2"]);
  });

  it("moving averages: each stands at its newest value", async () => {
    const svg = await plot.movingAverages(normal(9, 1), { window: 4, beta: [0.5, 0.9], biasCorrection: true });
    expect(marks(labelled(svg, "points values")[0])).toBe(9);
    expect(marks(labelled(svg, "markers mean of 4")[0])).toBe(6);
    for (const name of ["β = 0.5, corrected", "β = 0.5, not corrected", "β = 0.9, corrected"]) {
      expect(marks(labelled(svg, `line ${name}`)[0])).toBe(1);
      expect(texts(svg)).toContain(name);
    }
    // A circle has a middle, other markers are moved to theirs.
    const xs = (label: string) =>
      (labelled(svg, label)[0] as XmlElement).children.map((dot) => {
        const { cx, transform } = (dot as XmlElement).attributes;
        return Number(cx ?? transform?.match(/\(([\d.]+)/)?.[1]);
      });
    expect(xs("markers mean of 4")[0]).toBe(xs("markers β = 0.5, corrected")[3]);
  });

  it("learning curves: training and dev, loss and error, the best epoch, what was done", async () => {
    const { history } = await trainedOnDigits();
    const svg = await plot.learningCurves(history);
    for (const name of ["training", "dev"]) expect(labelled(svg, `line ${name}`)).toHaveLength(2);
    expect(texts(svg)).toEqual(
      expect.arrayContaining(["loss", "error", "epoch", "training", "dev", `best epoch, ${history.best.epoch}`, "set"]),
    );
    // Two things at one step are written side by side, not over each other.
    const { step } = history.epochs[1] as (typeof history.epochs)[0];
    const twice = [
      { step, what: "revert", value: "good" },
      { step, what: "set", value: { learningRate: 0.1 } },
    ] as const;
    const crowded = texts(await plot.learningCurves({ ...history, interventions: twice }));
    expect(crowded.filter((text) => /revert|set/.test(text))).toEqual(["revert, set", "revert, set"]);
    const { devLoss: _l, devError: _e, ...bare } = history.epochs[0];
    const alone = await plot.learningCurves({ ...history, epochs: [{ ...bare, devLoss: undefined, devError: undefined }] });
    expect(texts(alone)).not.toContain("dev");
  });

  it("a landscape: a path for each optimizer, the marks of start and minimum", async () => {
    const f = landscapes.canyon();
    const svg = await plot.landscape(f, { a: [[-9, 1], [0, 0]], far: [[-9, 1], [-9, 40], [40, 40]] }); // biome-ignore format: short
    expect(marks(labelled(svg, "path a")[0])).toBe(1);
    expect(marks(labelled(svg, "steps far")[0])).toBe(1);
    expect(marks(labelled(svg, "end far")[0])).toBe(0);
    expect(marks(labelled(svg, "start")[0])).toBe(2);
    expect(marks(labelled(svg, "contours")[0])).toBeGreaterThan(8);
    expect(texts(svg).join()).toContain(f.formula);
    // Cut at the edge: no coordinate of the path lies outside the picture.
    const d = ((labelled(svg, "path far")[0] as XmlElement).children[0] as XmlElement).attributes.d as string;
    for (const number of d.match(/[\d.-]+/g) ?? []) expect(Number(number)).toBeLessThan(800);
  });

  it("a confusion matrix: each count, classes by name", async () => {
    const svg = await plot.confusionMatrix([[5, 2, 0], [0, 7, 1], [3, 0, 9]], { classes: ["x", "y", "z"] }); // biome-ignore format: short
    expect(marks(labelled(svg, "cells")[0])).toBe(9);
    expect(texts(svg)).toEqual(expect.arrayContaining(["5", "2", "7", "1", "3", "9", "x", "y", "z", "actual class", "predicted class"]));
  });
});

describe("where counts stand", () => {
  it("in a confusion matrix the row is the actual class, from the top, the column the predicted one", async () => {
    const at = async (matrix: readonly (readonly number[])[]) => {
      const [count] = labelled(await plot.confusionMatrix(matrix), "counts").flatMap(({ children }) => children) as XmlElement[];
      return (count?.attributes.transform?.match(/[\d.]+/g) ?? []).map(Number) as [number, number];
    };
    const [right, top] = await at([[0, 5], [0, 0]]); // biome-ignore format: a matrix
    const [left, bottom] = await at([[0, 0], [5, 0]]); // biome-ignore format: a matrix
    expect(right).toBeGreaterThan(left);
    expect(bottom).toBeGreaterThan(top);
  });

  it("low ground of a landscape is where the function is low", async () => {
    // f rises with y: every contour's area begins higher up in the picture than the one before, and reaches the top.
    const f = Object.assign((_x: Tensor, y: Tensor) => y.add(0), {
      region: { x: [0, 1], y: [0, 1] },
      start: [0, 0],
      formula: "y",
    } as const);
    const contours = labelled(await plot.landscape(f as unknown as Landscape), "contours")[0] as XmlElement;
    const lowest = contours.children.map((path) => Math.max(...(((path as XmlElement).attributes.d ?? "").match(/,-?[\d.]+/g) ?? []).map((y) => Number(y.slice(1))))); // biome-ignore format: short
    expect(lowest.length).toBeGreaterThan(8);
    expect(lowest).toEqual([...lowest].sort((a, b) => b - a));
    expect(lowest[0]).toBeGreaterThan((lowest.at(-1) as number) + 200);
  });
});

describe("pictures of models", () => {
  it("a graph: a box for each op, the shapes, parameters where they are read", async () => {
    const model = sequential([dense(3), relu(), dense(2)]).build({ shape: [4] });
    const svg = await plot.graph(model);
    const boxes = elements(parseXml(svg)).filter(({ attributes }) => attributes.class === "node");
    expect(boxes).toHaveLength(4);
    expect(texts(svg)).toEqual(expect.arrayContaining(["x", "[2, 4]", "relu", "← dense_1.w [4, 3]", "← dense_2.b [2]", "→ output"]));
    const backward = await plot.graph(model, { backward: true });
    for (const name of ["dense_1.w", "dense_1.b", "dense_2.w", "dense_2.b"]) expect(backward).toContain(`→ gradient of ${name}`);
  });

  it("a long graph grows in height and stays as wide", async () => {
    const deep = sequential(Array.from({ length: 100 }, (_, i) => (i % 2 ? relu() : dense(4)))).build({ shape: [4] });
    const { width, height } = parseXml(await plot.graph(deep)).attributes;
    expect(width).toBe("800");
    expect(Number(height)).toBeGreaterThan(4000);
  });

  it("weights: one map for each matrix, images where the inputs are a square", async () => {
    const model = sequential([dense(6), relu(), dense(3)]).build({ shape: [25] });
    const images = elements(parseXml(await plot.weights(model))).filter(({ name }) => name === "image");
    expect(images).toHaveLength(6 + 1);
    expect(texts(await plot.weights(model))).toEqual(expect.arrayContaining(["dense_1.w  [25, 6]", "dense_2.w  [6, 3]"]));
  });

  it("activations: a histogram for each layer, with its zeros", async () => {
    const model = sequential([dense(20), relu(), dense(2)]).build({ shape: [5] });
    const svg = await plot.activationHistograms(model, tensor(normal(500, 2), { shape: [100, 5] }));
    expect(texts(svg)).toEqual(expect.arrayContaining(["dense_1", "relu_1", "dense_2"]));
    expect(texts(svg).filter((text) => /% zeros/.test(text))).toHaveLength(1);
  });

  it("gradient health: a mark for each layer and measure, the verdict", async () => {
    const layers = ["dense_1", "dense_2"].map((name) => ({ name, gradient: 1, activation: 2, update: 0.001 }));
    const svg = await plot.gradientHealth({ verdict: "exploding", layer: "dense_2", layers });
    for (const key of ["gradient", "activation", "update"]) expect(marks(labelled(svg, `${key} by layer`)[0])).toBe(2);
    expect(texts(svg)).toContain("Verdict: exploding, layer dense_2");
  });

  it("images: pixels as they are", async () => {
    const svg = await plot.images(tensor([[[0, 1], [2, 4]]]), { labels: ["one"] }); // biome-ignore format: short
    const [image] = elements(parseXml(svg)).filter(({ name }) => name === "image") as [XmlElement];
    const bytes = Buffer.from(image.attributes.href?.split(",")[1] as string, "base64");
    const data = bytes.subarray(bytes.indexOf("IDAT") + 4, bytes.indexOf("IEND") - 8);
    // Each row begins with its filter, 0.
    expect([...inflateSync(data)]).toEqual([0, 0, 64, 0, 128, 255]);
    expect(texts(svg)).toContain("one");
  });

  it("a PNG of more than one stored block is read back", () => {
    const pixels = Uint8Array.from({ length: 300 * 301 }, (_, i) => (i * 7) % 251);
    const bytes = Buffer.from(png({ width: 300, height: 301, channels: 1, pixels }));
    expect(bytes.readUInt32BE(16)).toBe(300);
    expect(bytes.readUInt32BE(20)).toBe(301);
    const length = bytes.readUInt32BE(33);
    const raw = inflateSync(bytes.subarray(41, 41 + length));
    expect(raw.length).toBe(301 * 301);
    expect([...raw.subarray(301 * 299 + 1, 301 * 300)]).toEqual([...pixels.subarray(299 * 300, 300 * 300)]);
  });
});

describe("odd inputs", () => {
  const box = (svg: string) => Number(parseXml(svg).attributes.width);

  it("lines: the smallest numbers, and all there are on a logarithm", async () => {
    for (const svg of [
      await plot.lines([{ name: "a", y: [0, 5e-324] }], axes),
      await plot.lines([{ name: "a", y: [1e-320, 1e300] }], { ...axes, yScale: "log" }),
    ]) {
      expect(marks(labelled(svg, "markers a")[0])).toBe(2);
      expect(labelled(svg, "line a")[0]?.children).toHaveLength(1);
    }
  });

  it("bars: of many names only as many are written as have room", async () => {
    const svg = await plot.bars(Array.from({ length: 200 }, (_, i) => ({ name: `bar ${i}`, value: i })), { xLabel: "x", yLabel: "y" }); // biome-ignore format: short
    const written = texts(svg).filter((text) => text.startsWith("bar "));
    expect(written.length).toBeGreaterThan(20);
    expect(written.length).toBeLessThan(60);
  });

  it("images: as many columns as are asked for, all of some width", async () => {
    const svg = await plot.images(zeros([1000, 4, 4]), { columns: 1000 });
    const widths = elements(parseXml(svg))
      .filter(({ name }) => name === "image")
      .map(({ attributes }) => Number(attributes.width));
    expect(widths).toHaveLength(1000);
    expect(Math.min(...widths)).toBeGreaterThan(0);
  });

  it("a graph is at least as wide as its widest row", async () => {
    const model = sequential([dense(32), batchNorm(), relu(), dense(10)]).build({ shape: [64] });
    const svg = await plot.graph(model, { backward: true, width: 240 });
    for (const { name, attributes } of elements(parseXml(svg))) {
      if (name !== "rect" || attributes.x === undefined) continue;
      // A margin of 14 pixels.
      expect(Number(attributes.x)).toBeGreaterThan(13);
      expect(Number(attributes.x) + Number(attributes.width)).toBeLessThan(box(svg) - 13);
    }
  });

  it("moving averages: values are counted in whole numbers", async () => {
    const svg = await plot.movingAverages([100.5, 101.25, 102.5, 103], { beta: 0.5 });
    expect(texts(svg)).toEqual(expect.arrayContaining(["1", "2", "3", "4"]));
    expect(texts(svg)).not.toContain("1.5");
  });

  it("a confusion matrix of 200 classes is small where few are confused", async () => {
    const counts = Array.from({ length: 200 }, (_, i) => Array.from({ length: 200 }, (_, j) => (i === j ? 9 : 0)));
    expect((await plot.confusionMatrix(counts)).length).toBeLessThan(100_000);
  });

  it("takes the numbers of a tensor as they are", async () => {
    const values = tensor([1, 2, 3, 4]).data();
    expect(marks(labelled(await plot.lines([{ name: "a", y: values, x: values }], axes), "markers a")[0])).toBe(4);
    await plot.histograms([{ name: "a", values }], { xLabel: "x" });
    await plot.movingAverages(values, { beta: 0.5 });
    expect(stats.movingAverage(values, 2)).toEqual([1.5, 2.5, 3.5]);
    expect(stats.weightedMovingAverage(values, 2)).toHaveLength(3);
    expect(stats.exponentiallyWeightedAverage(values, { beta: 0.5 })).toHaveLength(4);
  });
});

describe("the optional packages", () => {
  it("are named when one is missing", async () => {
    const missing = (name: string) => Promise.reject(new Error(`Cannot find package '${name}'`));
    await expect(loadWith(missing)).rejects.toThrow(
      /^minibatch\/plot: pictures need the packages @observablehq\/plot and linkedom.*npm install @observablehq\/plot linkedom$/,
    );
  });
});

describe("numbers in pictures", () => {
  it("are short", () => {
    expect([0, 1, -2.5, 0.123456, 1e-5, 1234567, Number.NaN, Number.POSITIVE_INFINITY].map((x) => showNumber(x))).toEqual([
      "0", "1", "−2.5", "0.1235", "1e−5", "1.235e6", "not a number", "∞",
    ]); // biome-ignore format: one row
  });
});
