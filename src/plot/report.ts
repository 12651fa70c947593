// The page that run.report() writes: everything about one run, in one file. It sees what a user sees: the history, predictions,
// the data; it knows nothing of how training works.
import { gradientHealth } from "../check/health.ts";
import type { Dataset } from "../dataset.ts";
import { diagnose } from "../diagnose/diagnose.ts";
import { describe, MinibatchError } from "../errors.ts";
import { writeFile } from "../io/file.ts";
import { show } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import type { Epoch, History } from "../train/history.ts";
import type { Reporter, RunFacts } from "../train/report.ts";
import type { Run } from "../train/run.ts";
import { confusionMatrix } from "./confusion.ts";
import { bitmapOf, imageGrid, imageShape, levelsOf } from "./images.ts";
import { gradientHealth as healthPicture } from "./layers.ts";
import { framed, page } from "./picture.ts";
import { lines, scatter } from "./series.ts";
import { showNumber, xml } from "./style.ts";
import { learningCurves } from "./training.ts";

export function checkReportFile(file: unknown): void {
  const name = file instanceof URL ? file.pathname : file;
  if (typeof name !== "string") throw new MinibatchError(`run.report: file must be a path or a file: URL, got ${describe(file)}`);
  if (!/\.html?$/i.test(name))
    throw new MinibatchError(`run.report: a report is a page, so its name must end in .html, got ${describe(name)}`);
}

/** A part of the page. */
interface Section {
  readonly title: string;
  readonly body: string;
}

const paragraph = (content: string) => `<p>${xml(content)}</p>`;
const percent = (rate: number) => `${showNumber(100 * rate, 3)}%`;
const width = 800;

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = (tag: string, row: readonly string[]) => row.map((cell) => `<${tag}>${xml(cell)}</${tag}>`).join("");
  const top = head.length ? `<thead><tr>${cells("th", head)}</tr></thead>` : "";
  return `<table>${top}<tbody>${rows.map((row) => `<tr>${cells("td", row)}</tr>`).join("")}</tbody></table>`;
}

/** Predictions over one data set with what they should have been. */
interface Judged {
  readonly name: "dev" | "training";
  readonly data: Dataset;
}

function classNames({ classes }: Dataset, count: number): string[] {
  return Array.from({ length: count }, (_, i) => classes?.[i] ?? String(i));
}

/** The class of each row, of labels [m], [m, 1] or one-hot rows [m, k]. */
function labelsOf(y: Tensor): number[] {
  const classes = y.rank === 2 && y.size(1) > 1 ? y.argMax(-1) : y;
  return [...classes.data("f64")];
}

interface Classified {
  readonly actual: readonly number[];
  readonly predicted: readonly number[];
  /** Probability given to a class of a row. */
  probability(row: number, label: number): number;
  readonly count: number;
  readonly error: number;
}

async function classified({ predict }: RunFacts, { x, y }: Dataset): Promise<Classified> {
  const probabilities = await predict(x, "probabilities");
  const p = probabilities.data("f64");
  const k = probabilities.rank === 2 ? probabilities.size(1) : 1;
  const predicted = [...(await predict(x, "classes")).data("f64")];
  const actual = labelsOf(y);
  return {
    actual,
    predicted,
    // One output is the probability of class 1.
    probability: (row, label) => (k > 1 ? (p[row * k + label] as number) : label === 1 ? (p[row] as number) : 1 - (p[row] as number)),
    count: k > 1 ? k : 2,
    error: actual.filter((label, i) => label !== predicted[i]).length / actual.length,
  };
}

function countsOf({ actual, predicted, count }: Classified): number[][] {
  const counts = Array.from({ length: count }, () => new Array<number>(count).fill(0));
  actual.forEach((label, i) => {
    const row = counts[label] as number[];
    row[predicted[i] as number] = (row[predicted[i] as number] as number) + 1;
  });
  return counts;
}

const mostShown = 24;

/** Rows as images with captions, or as a table of their features. */
async function shownRows(
  data: Dataset,
  rows: readonly number[],
  captions: readonly string[],
  facts: readonly (readonly string[])[],
  head: readonly string[],
): Promise<string> {
  const row = data.x.shape.slice(1);
  const perRow = row.reduce((product, n) => product * n, 1);
  const values = await data.x.read();
  const shape = imageShape(row);
  if (shape) {
    const at = (i: number) => i * perRow;
    const all = rows.flatMap((i) => [...values.subarray(at(i), at(i) + perRow)]);
    const levels = levelsOf(all, data.x.dtype === "u8");
    const bitmaps = rows.map((i) => bitmapOf(values, at(i), shape, levels));
    const columns = Math.min(rows.length, 6);
    return framed(width, "content", {}, (box) => imageGrid(bitmaps, captions, box, columns, 120));
  }
  const most = 8;
  const features = rows.map((i) => {
    const own = Array.from({ length: Math.min(most, perRow) }, (_, f) => showNumber(values[i * perRow + f] as number));
    return own.join(", ") + (perRow > most ? `, and ${perRow - most} more` : "");
  });
  return table([...head, "features"], rows.map((_, i) => [...(facts[i] as readonly string[]), features[i] as string])); // biome-ignore format: short
}

/** The mistakes of which the model was surest. */
async function mistakes(judged: Judged, found: Classified): Promise<Section> {
  const { data, name } = judged;
  const names = classNames(data, found.count);
  const wrong = found.actual
    .map((label, i) => ({ i, p: found.probability(i, label) }))
    .filter(({ i }) => found.actual[i] !== found.predicted[i]);
  wrong.sort((a, b) => a.p - b.p || a.i - b.i);
  const rows = wrong.slice(0, mostShown).map(({ i }) => i);
  const title = "Worst mistakes";
  if (!rows.length) return { title, body: paragraph(`No row of the ${name} set is misclassified.`) };
  const facts = rows.map((i) => {
    const [actual, predicted] = [found.actual[i] as number, found.predicted[i] as number];
    return [String(i), names[actual] as string, names[predicted] as string, percent(found.probability(i, predicted))];
  });
  const captions = facts.map(([row, actual, predicted, p]) => `${row}: ${actual} as ${predicted}, ${p}`);
  const intro = `${wrong.length} of ${found.actual.length} rows of the ${name} set are misclassified; here ${rows.length === wrong.length ? "all of them" : `the ${rows.length} worst`}, those first whose own class seemed least likely: row, what it is, what it was taken for, how sure the model was.`;
  return { title, body: paragraph(intro) + (await shownRows(data, rows, captions, facts, ["row", "is", "taken for", "surety"])) };
}

async function classifierSections(facts: RunFacts, judged: Judged): Promise<Section[]> {
  const found = await classified(facts, judged.data);
  const inTraining = judged.name === "training" ? found : undefined;
  const fits = inTraining ?? (sameRows(facts) ? await classified(facts, facts.train) : undefined);
  const labels = classNames(judged.data, found.count);
  const counts = await confusionMatrix(countsOf(found), { classes: labels, title: `Confusion matrix of the ${judged.name} set` });
  return [
    { title: "Confusion matrix", body: paragraph(`Error on the ${judged.name} set: ${percent(found.error)}.`) + counts },
    diagnosis(fits?.error, judged, found, facts),
    await mistakes(judged, found),
  ];
}

function diagnosis(trainError: number | undefined, judged: Judged, found: Classified, { train }: RunFacts): Section {
  const title = "Diagnosis";
  if (judged.name === "training")
    return {
      title,
      body: paragraph("Without a dev set nothing tells bias from variance: give fit dev, as split(data, { dev }) makes it."),
    };
  if (trainError === undefined)
    return {
      title,
      body: paragraph("The training rows are cropped at random, so there is no training error without augmentation to compare with."),
    };
  const { bias, variance, verdict, confidence, advice } = diagnose({
    trainError,
    devError: found.error,
    trainSize: train.x.size(0),
    devSize: found.actual.length,
  });
  const measured = table(
    ["", "error", "rows"],
    [
      ["training set, dropout off", percent(trainError), String(train.x.size(0))],
      ["dev set", percent(found.error), String(found.actual.length)],
    ],
  );
  const points = (gap: number) => `${showNumber(100 * gap, 3)} points`;
  const said = `Verdict: ${verdict}${verdict === "cannot tell" ? "" : ` (confidence ${percent(confidence)})`}. Bias, the training error above 0: ${points(bias)}; variance, dev above training: ${points(variance)}.`;
  const list = advice.length ? `<ol>${advice.map((line) => `<li>${xml(line)}</li>`).join("")}</ol>` : paragraph("Nothing stands out.");
  return { title, body: `${measured}<p><strong>${xml(said)}</strong></p>${list}` };
}

/** Whether the training rows are what the model takes: a random crop makes them smaller first. */
function sameRows({ train, inputShape }: RunFacts): boolean {
  return show(train.x.shape.slice(1)) === show(inputShape);
}

interface Errors {
  readonly predicted: Float64Array;
  readonly actual: Float64Array;
  /** Numbers that a row has. */
  readonly per: number;
}

async function regressed({ predict }: RunFacts, { x, y }: Dataset): Promise<Errors> {
  const predicted = (await predict(x, "outputs")).data("f64");
  const actual = y.data("f64");
  return { predicted, actual, per: actual.length / x.size(0) };
}

function measures({ predicted, actual }: Errors): { rmse: number; mae: number; r2: number } {
  const n = actual.length;
  const mean = actual.reduce((sum, v) => sum + v, 0) / n;
  let [squares, absolute, total] = [0, 0, 0];
  for (let i = 0; i < n; i++) {
    const residual = (predicted[i] as number) - (actual[i] as number);
    squares += residual ** 2;
    absolute += Math.abs(residual);
    total += ((actual[i] as number) - mean) ** 2;
  }
  return { rmse: Math.sqrt(squares / n), mae: absolute / n, r2: total > 0 ? 1 - squares / total : Number.NaN };
}

const mostPoints = 2000;

async function regressionSections(facts: RunFacts, judged: Judged): Promise<Section[]> {
  const found = await regressed(facts, judged.data);
  const sets = [{ name: judged.name, ...measures(found) }];
  if (judged.name === "dev" && sameRows(facts)) sets.unshift({ name: "training", ...measures(await regressed(facts, facts.train)) });
  const numbers = table(
    ["", "root of the mean squared error", "mean absolute error", "R squared"],
    sets.map(({ name, rmse, mae, r2 }) => [`${name} set`, showNumber(rmse), showNumber(mae), showNumber(r2)]),
  );
  const { predicted, actual, per } = found;
  const every = Math.max(1, Math.ceil(actual.length / mostPoints));
  const groups = Array.from({ length: Math.min(per, 7) }, (_, k) => ({
    name: per === 1 ? "residual" : `output ${k}`,
    points: Array.from({ length: Math.ceil(actual.length / per) }, (_, i) => i * per + k)
      .filter((at) => Math.floor(at / per) % every === 0)
      .map((at) => [predicted[at] as number, (actual[at] as number) - (predicted[at] as number)] as const),
  }));
  const finite = groups.some(({ points }) => points.some(([, residual]) => Number.isFinite(residual)));
  const picture = finite
    ? await scatter(groups, { xLabel: "prediction", yLabel: "actual value - prediction", title: `Residuals of the ${judged.name} set` })
    : paragraph("No residual is finite.");
  const note = paragraph(
    "A good model's residuals lie about zero without a pattern: a bend asks for a larger model, a funnel for another scale of the target.",
  );
  const size = (row: number) =>
    Math.hypot(...Array.from({ length: per }, (_, k) => (actual[row * per + k] as number) - (predicted[row * per + k] as number)));
  const rows = Array.from({ length: actual.length / per }, (_, i) => i).sort((a, b) => size(b) - size(a) || a - b).slice(0, 12); // biome-ignore format: short
  const list = (values: Float64Array, row: number) =>
    [...values.subarray(row * per, row * per + Math.min(per, 4))].map((v) => showNumber(v)).join(", ");
  const told = rows.map((row) => [String(row), list(actual, row), list(predicted, row)]);
  const captions = told.map(([row, is, said]) => `${row}: ${is}, not ${said}`);
  return [
    { title: "Residuals", body: numbers + picture + note },
    {
      title: "Worst mistakes",
      body: paragraph(`The rows of the ${judged.name} set with the largest residuals.`) + (await shownRows(judged.data, rows, captions, told, ["row", "is", "predicted"])), // biome-ignore format: short
    },
  ];
}

function opening(history: History<Epoch>, { dev, task }: RunFacts): string {
  const { best, last, stoppedBecause, epochs } = history;
  const seconds = epochs.reduce((sum, epoch) => sum + epoch.seconds, 0);
  const error = (epoch: Epoch) => (dev ? (epoch.devError ?? Number.NaN) : epoch.trainError);
  const shown = (value: number) => (task === "classification" ? percent(value) : showNumber(value));
  const why = {
    epochs: "all epochs were made",
    stop: "it was stopped",
    "early stopping": "early stopping ended it",
    "not finite": "the loss was not finite any more",
  };
  return paragraph(
    `A ${task} run of ${epochs.length} epoch${epochs.length === 1 ? "" : "s"} and ${last.step} steps in ${showNumber(seconds, 3)} s; it ended because ${why[stoppedBecause]}. Best ${dev ? "dev" : "training"} error ${shown(error(best))} in epoch ${best.epoch}, last ${shown(error(last))}.`,
  );
}

const style = `
body { margin: 0 auto; padding: 24px; max-width: 832px; background: #ffffff; color: #222222; font: 15px/1.5 Arial, Helvetica, sans-serif; }
h1 { font-size: 26px; margin: 0 0 8px; }
h2 { font-size: 19px; margin: 36px 0 8px; border-bottom: 1px solid #d0d0d0; padding-bottom: 4px; }
table { border-collapse: collapse; margin: 8px 0; font-size: 14px; }
th { white-space: nowrap; }
th, td { text-align: left; vertical-align: top; padding: 3px 14px 3px 0; border-bottom: 1px solid #e6e6e6; overflow-wrap: anywhere; }
td:first-child { white-space: nowrap; }
pre { overflow-x: auto; background: #f5f5f5; padding: 12px; font-size: 13px; line-height: 1.4; }
svg { display: block; max-width: 100%; height: auto; }
`;

async function sectionsOf(run: unknown, facts: RunFacts, history: History<Epoch>): Promise<Section[]> {
  const { train, dev } = facts;
  const judged: Judged = dev ? { name: "dev", data: dev } : { name: "training", data: train };
  const sections: Section[] = [
    { title: "Settings", body: table([], facts.settings) },
    { title: "Model", body: `<pre>${xml(facts.summary)}</pre>` },
    { title: "Learning curves", body: (await curves(history)) + (await rates(history)) },
    await health(run),
  ];
  if (!dev && !sameRows(facts)) {
    const body = paragraph("There is no dev set, and the training rows are cropped at random; the model's mistakes cannot be shown.");
    return [...sections, { title: "Mistakes", body }];
  }
  return [
    ...sections,
    ...(facts.task === "classification" ? await classifierSections(facts, judged) : await regressionSections(facts, judged)),
  ];
}

/** The learning rate over the epochs, where it changed. */
async function rates({ epochs }: History<Epoch>): Promise<string> {
  const y = epochs.map(({ learningRate }) => learningRate);
  if (y.every((rate) => rate === y[0])) return "";
  const series = [{ name: "learning rate at the epoch's last step", x: epochs.map(({ epoch }) => epoch), y }];
  return lines(series, { xLabel: "epoch", yLabel: "learning rate", height: 240 });
}

/** One step after the last epoch, layer by layer. */
async function health(run: unknown): Promise<Section> {
  const measured = gradientHealth(run as Run<unknown>);
  if (!measured.layers.length) return { title: "Gradient health", body: paragraph("No layer has parameters.") };
  return { title: "Gradient health", body: await healthPicture(measured, { title: "" }) };
}

async function curves(history: History<Epoch>): Promise<string> {
  const finite = history.epochs.some((epoch) =>
    [epoch.trainLoss, epoch.devLoss, epoch.trainError].some((v) => v !== undefined && Number.isFinite(v)),
  );
  return finite ? learningCurves(history, { title: "" }) : paragraph("No loss was finite: a smaller learning rate or clipNorm may help.");
}

/** Writes the page. */
export const writeReport: Reporter["writeReport"] = async (run, facts, history, file) => {
  const sections = await sectionsOf(run, facts, history);
  const body = sections.map(({ title, body: content }) => `<section>\n<h2>${xml(title)}</h2>\n${content}\n</section>\n`).join("");
  const title = "Training report";
  const html = page(title, `<h1>${title}</h1>\n${opening(history, facts)}\n${body}`, style);
  await writeFile("run.report", file, new TextEncoder().encode(html));
};
