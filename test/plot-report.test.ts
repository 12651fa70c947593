// run.report(): what the page holds for each kind of run, and what it says where something is not there.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { adam, binaryCrossEntropy, crossEntropy, dataset, dense, flatten, l2, meanSquaredError, metrics, randomNormal, relu, schedule, sequential, sgd, type Tensor, tensor } from "minibatch"; // biome-ignore format: one line
import { crop, distort, flip, rotate, zoom } from "minibatch/data";
import { confusionMatrix } from "minibatch/plot";
import { afterAll, describe, expect, it } from "vitest";
import { writeReport } from "../src/plot/report.ts";
import type { RunFacts } from "../src/train/report.ts";
import { trainedOnDigits } from "./plot-samples.ts";
import { parseXml } from "./xml.ts";

const scratch = mkdtempSync(join(tmpdir(), "minibatch-report-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const file = join(scratch, "report.html");

async function reported(run: { report(file: string): Promise<void> }): Promise<string> {
  await run.report(file);
  const html = readFileSync(file, "utf8");
  // Complete in itself, and nothing that could run or load.
  expect(html).not.toMatch(/<script|<link|src=|@import|url\((?!#)/);
  expect(html).not.toMatch(/undefined|\[object|>NaN|NaN%/);
  for (const [svg] of html.matchAll(/<svg[\s\S]*?<\/svg>/g)) parseXml(svg);
  return html;
}

const titles = (html: string) => [...html.matchAll(/<h2>(.*?)<\/h2>/g)].map((match) => match[1]);

describe("run.report", () => {
  it("of a classifier of images with dev", async () => {
    const { run, history, dev, model } = await trainedOnDigits();
    const html = await reported(run);
    expect(titles(html)).toEqual([
      "Settings",
      "Model",
      "Learning curves",
      "Gradient health",
      "Confusion matrix",
      "Diagnosis",
      "Worst mistakes",
    ]);
    const { accuracy } = await model.evaluate(dev);
    const wrong = Math.round((1 - accuracy) * dev.x.size(0));
    expect(wrong).toBeGreaterThan(0);
    expect(html).toContain(`${wrong} of ${dev.x.size(0)} rows of the dev set are misclassified`);
    expect(html.match(/<image /g)?.length).toBe(Math.min(wrong, 24));
    const counts = metrics.confusionMatrix(await model.predict(dev.x), dev.y);
    expect(html).toContain(await confusionMatrix(counts, { title: "Confusion matrix of the dev set" }));
    // The first picture is of the row whose own class got the least probability.
    const labels = [...dev.y.data()];
    const given = (await model.predict(dev.x, { as: "probabilities" })).toArray(2).map((row, i) => row[labels[i] as number] as number);
    const surest = given.indexOf(Math.min(...given));
    expect(html.match(/<image [^>]*><title>(\d+): (\d)/)?.slice(1)).toEqual([String(surest), String(labels[surest])]);
    expect(html).toContain("adam(learningRate: 0.01, beta1: 0.9");
    expect(html).toContain("standardization_1");
    expect(html).toContain(`in epoch ${history.best.epoch}`);
    expect(html).toMatch(/Verdict: ((good fit|high bias|high variance|high bias and high variance) \(confidence \d|cannot tell\.)/);
    expect(html).toContain("Verdict: healthy");
  });

  it("of a classifier without dev, on features, with names that break markup", async () => {
    const classes = ["<b>one</b>", 'two & "more"'];
    const x = randomNormal([40, 3], { seed: 1 });
    const data = dataset(x, Array.from({ length: 40 }, (_, i) => i % 2), { classes }); // biome-ignore format: short
    const run = sequential([dense(2)]).fit(data, {
      loss: crossEntropy(),
      optimizer: adam({ learningRate: schedule.cosine({ initial: 0.1, over: 3 }) }),
      regularizer: l2(0.1),
      epochs: 3,
    });
    const html = await reported(run);
    expect(html).toContain("Without a dev set");
    expect(html).toContain("&lt;b&gt;one&lt;/b&gt;");
    expect(html).not.toContain("<b>one");
    expect(html).toContain("learningRate: a schedule");
    expect(html).toContain("learning rate at the epoch&#39;s last step");
    expect(html).toContain("<th>features</th>");
  });

  it("of a classifier with one output, and with no mistake", async () => {
    const data = dataset([[-2], [-1], [1], [2]], [0, 0, 1, 1]);
    const run = sequential([dense(1)]).fit(data, {
      dev: data,
      loss: binaryCrossEntropy(),
      optimizer: adam({ learningRate: 0.5 }),
      epochs: 40,
    });
    expect(await reported(run)).toContain("No row of the dev set is misclassified");
  });

  it("of a regression: residuals and the rows furthest off", async () => {
    const x = randomNormal([50, 2], { seed: 3 });
    const y = x.slice([0, 0], [50, 1]).mul(3).add(1);
    const data = dataset(x, y);
    const run = sequential([dense(1)]).fit(data, {
      dev: data,
      loss: meanSquaredError(),
      optimizer: adam({ learningRate: 0.1 }),
      epochs: 5,
    });
    const html = await reported(run);
    expect(titles(html)).toEqual(["Settings", "Model", "Learning curves", "Gradient health", "Residuals", "Worst mistakes"]);
    expect(html).toContain("R squared");
    expect(html).toContain("actual value - prediction");
    const two = dataset(x, x.mul(2));
    const outputs = await reported(sequential([dense(2)]).fit(two, { loss: meanSquaredError(), optimizer: adam(), epochs: 1 }));
    expect(outputs).toContain("output 1");
  });

  it("speaks of the weights with which the run ended, whatever came after", async () => {
    const data = dataset([[-2], [-1], [1], [2]], [0, 0, 1, 1]);
    const model = sequential([dense(2)]);
    const options = { dev: data, loss: crossEntropy(), optimizer: adam({ learningRate: 0.5 }) };
    const run = model.fit(data, { ...options, epochs: 30 });
    await run;
    const turned = dataset(data.x, [1, 1, 0, 0]);
    await model.fit(turned, { ...options, dev: turned, epochs: 100 });
    expect((await model.evaluate(data)).error).toBe(1);
    expect(await reported(run)).toContain("No row of the dev set is misclassified");
  });

  it("waits for a run that is under way, also in its own loop", async () => {
    const data = dataset([[0], [1]], [0, 1]);
    const run = sequential([dense(2)]).fit(data, { loss: crossEntropy(), optimizer: adam(), epochs: 4 });
    let seen = 0;
    for await (const { epoch } of run) {
      seen = epoch;
      if (epoch === 2) await run.report(file);
    }
    expect(seen).toBe(4);
    expect(readFileSync(file, "utf8")).toContain("4 epochs and 4 steps");
  });

  it("tells augmentations as they were called, and which options of fit were not used", async () => {
    const images = dataset(randomNormal([4, 4, 4], { seed: 5 }), [0, 1, 0, 1]);
    const augment = [crop({ size: [4, 4], pad: 1 }), rotate({ degrees: 10 }), zoom({ by: 0.1 }), flip(), distort({ alpha: 8, sigma: 3 })];
    const run = sequential([flatten(), dense(2)]).fit(images, { loss: crossEntropy(), optimizer: adam(), epochs: 1, augment });
    const html = await reported(run);
    expect(html).toContain(
      "[crop(size: [4, 4], pad: 1), rotate(degrees: 10), zoom(by: 0.1), flip(probability: 0.5), distort(alpha: 8, sigma: 3)]",
    );
    const unused = html.match(/not used<\/td><td>([^<]*)/)?.[1]?.split(", ") ?? [];
    expect(unused).toContain("regularizer");
    const misspelled = { loss: crossEntropy(), optimizer: adam(), epochs: 1, nothing: 1 };
    const error = await (async () => sequential([dense(2)]).fit(images, misspelled))().then(() => "", (e: Error) => e.message); // biome-ignore format: short
    for (const name of unused) expect(error).toContain(name);
  });

  it("of a run that ceased to be finite", async () => {
    const data = dataset(tensor([[1e3], [2e3]]), [1, 2]);
    const run = sequential([dense(4), relu(), dense(1)]).fit(data, {
      loss: meanSquaredError(),
      optimizer: sgd({ learningRate: 1e30 }),
      epochs: 5,
    });
    await run;
    await run.report(file);
    expect(readFileSync(file, "utf8")).toContain("the loss was not finite any more");
  });

  it("says so where the training rows are not what the model takes, as after a random crop", async () => {
    const images = dataset(randomNormal([12, 6, 6], { seed: 5 }), Array.from({ length: 12 }, (_, i) => i % 2)); // biome-ignore format: short
    const cropped = dataset(randomNormal([12, 4, 4], { seed: 6 }), images.y);
    const model = sequential([flatten(), dense(2)]);
    const run = model.fit(cropped, { loss: crossEntropy(), optimizer: adam(), epochs: 1 });
    const history = await run;
    const facts = { task: "classification", settings: [], summary: "", train: images, inputShape: [4, 4], predict: (x: Tensor, as: "classes") => model.predict(x, { as }) } as const; // biome-ignore format: one list
    await writeReport(run, { ...facts, dev: undefined } as unknown as RunFacts, history, file);
    expect(readFileSync(file, "utf8")).toContain("cropped at random; the model&#39;s mistakes cannot be shown");
    await writeReport(run, { ...facts, dev: cropped } as unknown as RunFacts, history, file);
    expect(readFileSync(file, "utf8")).toContain("no training error without augmentation");
  });

  it("refuses other files before it waits, and fails with the run", async () => {
    const data = dataset([[0], [1]], [0, 1]);
    const start = (signal?: AbortSignal) =>
      sequential([dense(2)]).fit(data, { loss: crossEntropy(), optimizer: adam(), epochs: 2, signal });
    const run = start();
    await expect(run.report("report.pdf")).rejects.toThrow(
      /^run\.report: a report is a page, so its name must end in \.html, got "report\.pdf"$/,
    );
    await expect(run.report(undefined as never)).rejects.toThrow(/^run\.report: file must be a path/);
    await expect(run.report(join(scratch, "no", "folder.html"))).rejects.toThrow(/^run\.report: there is no such file or folder/);
    const reason = new Error("enough");
    await expect(start(AbortSignal.abort(reason)).report(file)).rejects.toBe(reason);
  });
});
