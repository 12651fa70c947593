// Every example of the API runs as written (test/api/), with types that need no casts (`npm run check` compiles them),
// and what the README and the guide show is what runs here.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, expectTypeOf, it } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = process.cwd();
let scratch: string;

// The examples save files where they are run.
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), "minibatch-api-"));
  process.chdir(scratch);
});
afterAll(() => {
  process.chdir(folder);
  rmSync(scratch, { recursive: true, force: true });
});

describe("the examples of the API", () => {
  it("the shortest useful program learns digits and saves the model", { timeout: 300_000 }, async () => {
    const { history, model, test } = await import("./api/first.ts");
    expect(history.epochs).toHaveLength(30);
    expect(history.stoppedBecause).toBe("epochs");
    expect(history.best.devError).toBeLessThan(0.05);
    expect((await model.evaluate(test)).accuracy).toBeGreaterThan(0.95);
    expect(statSync("digits.safetensors").size).toBeGreaterThan(4 * (64 * 128 + 128 * 64 + 64 * 10));
  });

  it("a run is iterated, stopped and awaited", { timeout: 300_000 }, async () => {
    const { result } = await import("./api/run.ts");
    const stopped = result.epochs.findIndex((epoch) => epoch.devError < 0.02);
    if (result.stoppedBecause === "stop") {
      expect(stopped).toBe(result.epochs.length - 1);
      expect(result.interventions).toEqual([expect.objectContaining({ what: "stop", step: result.last.step })]);
    } else {
      expect(result.stoppedBecause).toBe("epochs");
      expect(stopped).toBe(-1);
    }
  });

  it("a layer of one's own has parameters of its own and trains", { timeout: 300_000 }, async () => {
    const { deep, scale } = await import("./api/layer.ts");
    const { train } = await import("./api/first.ts");
    const { adam, crossEntropy, sequential, tensor } = await import("minibatch");
    const { epochs } = await deep.fit(train, { loss: crossEntropy(), optimizer: adam({ learningRate: 1e-4 }), epochs: 2 });
    expect(epochs[1]?.trainLoss).toBeLessThan(epochs[0].trainLoss);
    // Two dense layers with biases, two residual layers with one matrix each.
    expect(deep.parameters()).toHaveLength(6);
    expect(
      sequential([scale({ by: 3 })])
        .build({ shape: [2] })
        .predictSync(tensor([1, 2]))
        .toArray(1),
    ).toEqual([3, 6]);
  });

  it("only the forward pass is written by hand", async () => {
    const { w } = await import("./api/forward.ts");
    expect(Math.abs(w.item() - 5)).toBeLessThan(1e-3);
  });

  it("gradients are checked", { timeout: 300_000 }, async () => {
    const { report } = await import("./api/checking.ts");
    expect(report.verdict).toBe("correct");
    expect(report.difference).toBeLessThan(1e-7);
    expect(report.parameters.map(({ name }) => name).length).toBeGreaterThan(3);
  });

  it("a study searches, and goes on where it stopped", { timeout: 300_000 }, async () => {
    const { result } = await import("./api/search.ts");
    expect(result.trials).toHaveLength(25);
    expect(result.best.value).toBeLessThan(0.06);
    expect(result.best.params.batchSize).toBeOneOf([32, 64, 128]);
    expectTypeOf(result.best.params.batchSize).toEqualTypeOf<32 | 64 | 128>();
    expectTypeOf(result.best.params.learningRate).toEqualTypeOf<number>();
    const { choice, integer, logUniform, oneMinusLogUniform, randomSearch, study } = await import("minibatch/search");
    const again = await study({
      space: {
        learningRate: logUniform(1e-4, 1),
        beta: oneMinusLogUniform(0.9, 0.999),
        hidden: integer(50, 100),
        batchSize: choice([32, 64, 128]),
      },
      strategy: randomSearch({ trials: 25 }),
      storage: "study.jsonl",
      seed: 1,
      objective: () => Promise.reject(new Error("nothing is left to run")),
    });
    expect(again.trials).toEqual(result.trials);
  });

  it("the smaller pieces of the page about searching", { timeout: 300_000 }, async () => {
    const { asked, best, found, grid, halved, kept, known, tuned, verdict } = await import("./api/search-more.ts");
    expectTypeOf(best.params.units).toEqualTypeOf<readonly number[]>();
    expectTypeOf(best.params.data.batchSize).toEqualTypeOf<32 | 64>();
    expect(best.params.units).toHaveLength(1);
    expect(Object.keys(asked.best.suggested)).toEqual(["layers", "units 1"]);
    expect(Math.abs(found.best.params.x - 2)).toBeLessThan(0.5);
    expect(halved.best.params.learningRate).toBe(2 ** -10);
    expect(kept.trials.map(({ state, reports }) => [state, reports.length])).toEqual(Array(4).fill(["done", 5]));
    expect(existsSync("kept.jsonl.trials")).toBe(false);
    expect(known.trials.slice(0, 2).map(({ params }) => params.learningRate)).toEqual([0.01, 0.1]);
    expect(known.best.value).toBeLessThan(0.6);
    expect(grid.importance()[0]?.name).toBe("a");
    expect(tuned.importance()[0]?.name).toBe("learningRate");
    expect(verdict).toMatch(/^stale: trial \d+ is now better/);
  });

  it("the smaller pieces of the guide", { timeout: 300_000 }, async () => {
    const { answer, best, fit, loaded, longer, night, norm, one, patient } = await import("./api/more.ts");
    const { test } = await import("./api/first.ts");
    const { tensor } = await import("minibatch");
    expect(fit.last.trainLoss).toBeLessThan(1e-2);
    expect(answer.shape).toEqual([test.x.size(0)]);
    expect(one.shape).toEqual([10]);
    expect(best.devError).toBeLessThan(0.1);
    expect(best.devMetrics.f1).toBeGreaterThan(0.9);
    expect(await loaded.evaluate(test)).toEqual(await patient.evaluate(test));
    expect(longer.epochs.slice(0, 12)).toEqual(night.epochs);
    expect(longer.last.epoch).toBe(20);
    expect(norm(tensor([1, 2]), tensor([4, 6])).item()).toBe(5);
  });

  it("a run is babysat, and played again", { timeout: 300_000 }, async () => {
    const { tested, watching } = await import("./api/babysitting.ts");
    expect(tested.suggestion).toBeGreaterThan(1e-4);
    const { interventions, last } = await watching;
    expect(interventions.map(({ what }) => what)).toEqual(["set", "revert", "set"]);
    expect(last.devError).toBeLessThan(0.1);
  });

  it("images are augmented, and looked at", { timeout: 300_000 }, async () => {
    const { images, learnt, reader, shown } = await import("./api/augmentation.ts");
    expect(learnt.best.devError).toBeLessThan(0.06);
    expect(shown.x.shape).toEqual(images.x.shape);
    // The last epoch's images, with the weights after it.
    expect(Math.abs((await reader.evaluate(shown)).loss - learnt.last.trainLoss)).toBeLessThan(0.1);
  });
});

describe("the examples of the course's pages", () => {
  it("a run is nudged and taken back", { timeout: 300_000 }, async () => {
    const { interventions, last } = await import("./api/steering.ts");
    expect(interventions.map(({ what }) => what)).toEqual(["mark", "set", "revert"]);
    expect(last.epoch).toBe(40);
  });
});

describe("the examples of pictures", () => {
  it("draw and write what they say", { timeout: 300_000 }, async () => {
    const { curves } = await import("./api/plot.ts");
    expect(curves).toBe(readFileSync("curves.svg", "utf8"));
    for (const file of ["rate.svg", "confusion.html", "cost.svg", "canyon.svg", "report.html", "health.svg"])
      expect(statSync(file).size, file).toBeGreaterThan(1000);
  });
});

describe("the documents", () => {
  const sources = ["test/api", "examples"]
    .flatMap((name) => readdirSync(join(root, name)).map((file) => join(root, name, file)))
    .filter((file) => file.endsWith(".ts"))
    .map((file) => readFileSync(file, "utf8"));

  const pages = readdirSync(join(root, "docs/course")).filter((file) => file.endsWith(".md"));
  for (const document of ["README.md", "docs/guide.md", "docs/search.md", ...pages.map((page) => `docs/course/${page}`)]) {
    const text = readFileSync(join(root, document), "utf8");
    const blocks = [...text.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map((match) => match[1] as string);
    it(`${document} shows only code that runs in test/api or examples`, () => {
      if (!document.startsWith("docs/course/")) expect(blocks.length).toBeGreaterThan(0);
      for (const block of blocks)
        expect(
          sources.some((source) => source.includes(block.trimEnd())),
          block,
        ).toBe(true);
    });
  }
});
