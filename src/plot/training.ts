// Pictures of a training run and of what steers it: learning curves, schedules, moving averages.
import type { Markish } from "@observablehq/plot";
import type { LearningRateCurve, LearningRatePoint } from "../check/learning-rate.ts";
import type { Numbers } from "../dtype.ts";
import { checkNumber, describe, MinibatchError } from "../errors.ts";
import { rateAt, type Schedule } from "../optim/schedules.ts";
import { exponentiallyWeightedAverage, movingAverage, weightedMovingAverage } from "../stats.ts";
import type { Epoch, History } from "../train/history.ts";
import { numberAxis } from "./axis.ts";
import { type Library, library, type Plot } from "./library.ts";
import type { Named } from "./panel.ts";
import { type Box, checkPicture, checkText, finished, framed, type LegendEntry, type PictureOptions } from "./picture.ts";
import { allX, allY, type Curve, curveLegend, curvesPanel, defaultHeight, defaultWidth, listOf, numbersOf } from "./series.ts";
import { faint, lookOf, size } from "./style.ts";

/** Curves of one quantity over the epochs. */
function overEpochs(epochs: readonly Epoch[], quantities: Readonly<Record<string, (epoch: Epoch) => number | undefined>>): Curve[] {
  const names = Object.keys(quantities).filter((name) =>
    epochs.some((epoch) => (quantities[name] as (e: Epoch) => unknown)(epoch) !== undefined),
  );
  return names.map((name, i) => ({
    name,
    points: epochs.map((epoch) => [epoch.epoch, (quantities[name] as (e: Epoch) => number | undefined)(epoch) ?? Number.NaN] as const),
    look: lookOf(i, false),
  }));
}

function checkHistory(where: string, history: History): readonly Epoch[] {
  const epochs: unknown = (history as { epochs?: unknown } | undefined)?.epochs;
  if (!Array.isArray(epochs))
    throw new MinibatchError(`${where}: expected the history of a run, as await model.fit(...) gives it, got ${describe(history)}`);
  if (!epochs.length) throw new MinibatchError(`${where}: the history has no epochs, so there is nothing to draw`);
  Array.from(epochs).forEach((epoch: unknown, i) => {
    const { epoch: number, trainLoss } = (epoch ?? {}) as Partial<Epoch>;
    if (typeof number !== "number" || typeof trainLoss !== "number")
      throw new MinibatchError(`${where}: epochs[${i}] of the history must have epoch and trainLoss, got ${describe(epoch)}`);
  });
  const interventions: unknown = history.interventions ?? [];
  const done = (each: unknown) =>
    typeof (each as { step?: unknown } | null)?.step === "number" && typeof (each as { what?: unknown }).what === "string";
  if (!Array.isArray(interventions) || !Array.from(interventions).every(done))
    throw new MinibatchError(
      `${where}: interventions of the history must be a list of steps and what was done, got ${describe(interventions)}`,
    );
  return epochs as Epoch[];
}

/** Loss beside error, with the best epoch and what was done to the run. */
export function learningCurvesMarkup(
  lib: Library,
  where: string,
  history: History,
  box: Box,
): { markup: string; legend: ReturnType<typeof curveLegend> } {
  const epochs = checkHistory(where, history);
  const losses = overEpochs(epochs, { training: (e) => e.trainLoss, dev: (e) => e.devLoss });
  const errors = overEpochs(epochs, { training: (e) => e.trainError, dev: (e) => e.devError });
  const ofErrors = [...allY(errors)];
  const same = [...allY(losses)].every(
    (value, i) => Math.abs(value - (ofErrors[i] as number)) <= 1e-9 * Math.abs(value) || Number.isNaN(value),
  );
  const finite = (curves: readonly Curve[]) => [...allY(curves)].some(Number.isFinite);
  if (!finite(losses) && !finite(errors))
    throw new MinibatchError(`${where}: no loss of the history is finite, so there is nothing to draw; a smaller learning rate may help`);
  const shown = [
    { label: "loss", curves: losses },
    // A regression's error is its loss without the regulariser; the same curve twice would say nothing.
    ...(same ? [] : [{ label: "error", curves: errors }]),
  ].filter(({ curves }) => finite(curves));
  const width = (box.width - 16 * (shown.length - 1)) / shown.length;
  const markup = shown.map(({ label, curves }, i) => {
    const x = numberAxis(where, "linear", allX(curves), { label: "epoch", whole: true });
    const values = [...allY(curves)];
    const y = numberAxis(where, "linear", values, { label, nice: true, grid: true, zero: values.every((v) => !(v < 0)) });
    return curvesPanel(lib, { ...box, x: box.x + i * (width + 16), width }, { x, y }, curves, (plot, named) =>
      notes(plot, named, history, epochs, x.domain[1] as number),
    );
  });
  const legend = curveLegend(losses);
  const best = history.best?.epoch;
  if (typeof best === "number") legend.push({ name: `best epoch, ${best}`, kind: "line", color: faint, dash: "2 3" });
  return { markup: markup.join(""), legend };
}

/** Upright lines at the best epoch and where somebody stepped in, those with what was done. */
function notes(plot: Plot, named: Named, { best, interventions }: History, epochs: readonly Epoch[], last: number): Markish[] {
  const first = (epochs[0] as Epoch).epoch;
  // Steps as epochs: between two epochs' ends by share.
  const place = (step: number) => {
    const i = epochs.findIndex((epoch) => step <= epoch.step);
    if (i < 0) return last;
    const [before, after] = [i > 0 ? (epochs[i - 1] as Epoch) : undefined, epochs[i] as Epoch];
    const from = before?.step ?? 0;
    const at = after.epoch - 1 + (step - from) / Math.max(1, after.step - from);
    return Math.min(last, Math.max(first, at));
  };
  // What was done at one place stands there once, in its order: words over words cannot be read.
  const places = new Map<number, string[]>();
  for (const { step, what } of interventions ?? [])
    if (what !== "pause" && what !== "resume") places.set(place(step), [...(places.get(place(step)) ?? []), what]);
  const said = [...places].map(([at, done]) => ({ at, what: [...new Set(done)].join(", ") }));
  const left = said.filter(({ at }) => at <= (first + last) / 2);
  const label = {
    frameAnchor: "top",
    rotate: 90,
    textAnchor: "start",
    fill: faint,
    fontSize: size.small,
    text: "what",
    x: "at",
    dy: 4,
  } as const;
  return [
    typeof best?.epoch === "number"
      ? plot.ruleX([best.epoch], { stroke: faint, strokeDasharray: "2 3", strokeWidth: 1.5, ...named("best epoch") })
      : null,
    said.length ? plot.ruleX(said, { x: "at", stroke: faint, ...named("interventions") }) : null,
    said.length && said.length <= 8 ? plot.text(left, { ...label, dx: 9, ...named("intervention names") }) : null,
    said.length && said.length <= 8 ? plot.text(said.filter((s) => !left.includes(s)), { ...label, dx: -9, ...named("intervention names") }) : null, // biome-ignore format: one mark
  ];
}

/**
 * Loss and error over the epochs, of training and dev set, with the best epoch marked.
 *
 * ```ts
 * const history = await model.fit(train, { dev, loss: crossEntropy(), optimizer: adam(), epochs: 30 });
 * await learningCurves(history, { file: "curves.svg" });
 * ```
 */
export async function learningCurves(history: History, options: PictureOptions = {}): Promise<string> {
  const where = "learningCurves";
  checkPicture(where, options);
  checkHistory(where, history);
  const lib = await library();
  const { title = "Learning curves", width = defaultWidth, height = 380 } = options;
  // Drawn twice: the legend's height decides how much is left for the curves.
  const { legend } = learningCurvesMarkup(lib, where, history, { x: 0, y: 0, width: width - 28, height: 300 });
  const svg = framed(width, height, { title, legend }, (box) => learningCurvesMarkup(lib, where, history, box).markup);
  return finished(where, svg, { ...options, title });
}

export interface ScheduleOptions extends PictureOptions {
  epochs: number;
  /** 1 by default: schedules by step need it. */
  stepsPerEpoch?: number | undefined;
}

/**
 * Learning rates over the epochs, one line for each schedule, before one is used.
 *
 * ```ts
 * await plot.schedule(schedule.cosine({ initial: 0.1, over: 20 }), { epochs: 25 });
 * ```
 */
export async function schedule(schedules: Schedule | Readonly<Record<string, Schedule>>, options: ScheduleOptions): Promise<string> {
  const where = "schedule";
  checkPicture(where, options, ["epochs", "stepsPerEpoch"]);
  const epochs = checkNumber(where, "epochs", options?.epochs, { whole: true, min: 1, max: 1e6 });
  const perEpoch = checkNumber(where, "stepsPerEpoch", options.stepsPerEpoch ?? 1, { whole: true, min: 1, max: 1e9 });
  if (typeof schedules !== "function" && (schedules === null || typeof schedules !== "object" || Array.isArray(schedules)))
    throw new MinibatchError(`${where}: expected a schedule, or an object of schedules by name, got ${describe(schedules)}`);
  const named = typeof schedules === "function" ? { "learning rate": schedules } : schedules;
  const entries = listOf(where, "the object of schedules", Object.entries(named));
  // Every step where there are few, else enough of them; a rate belongs to the step that uses it.
  const steps = epochs * perEpoch;
  const samples = Math.min(steps, 2000);
  const curves = entries.map(([name, one], i): Curve => {
    if (typeof one !== "function") throw new MinibatchError(`${where}: "${name}" must be a schedule, got ${describe(one)}`);
    const points = Array.from({ length: samples }, (_, k) => {
      const step = samples === steps ? k : Math.round((k * (steps - 1)) / (samples - 1));
      const epoch = Math.floor(step / perEpoch) + 1;
      return [perEpoch === 1 ? epoch : step / perEpoch + 1, rateAt(one, { step: step + 1, epoch })] as const;
    });
    return { name, points, look: lookOf(i), markers: entries.length > 1 };
  });
  const lib = await library();
  const x = numberAxis(where, "linear", allX(curves), { label: "epoch", whole: true, count: 8 });
  const y = numberAxis(where, "linear", allY(curves), { label: "learning rate", zero: true, nice: true, grid: true });
  const { title = "Learning rate by schedule", width = defaultWidth, height = defaultHeight } = options;
  const legend = entries.length > 1 ? curveLegend(curves) : [];
  const svg = framed(width, height, { title, legend }, (box) => curvesPanel(lib, box, { x, y }, curves));
  return finished(where, svg, { ...options, title });
}

/**
 * The loss of a range test over its rates, smoothed and as it was, with the rate that the test suggests.
 *
 * ```ts
 * const curve = await findLearningRate(model, train, { loss: crossEntropy(), optimizer: adam() });
 * await learningRates(curve, { file: "rates.svg" });
 * ```
 */
export async function learningRates(curve: LearningRateCurve, options: PictureOptions = {}): Promise<string> {
  const where = "learningRates";
  checkPicture(where, options);
  const points: unknown = (curve as { points?: unknown } | null | undefined)?.points;
  if (!Array.isArray(points)) throw new MinibatchError(`${where}: expected what findLearningRate resolves to, got ${describe(curve)}`);
  const at = listOf(where, "the curve", curve.points).map((point, i) => {
    const { learningRate, loss, smoothed } = (point ?? {}) as Partial<LearningRatePoint>;
    if (!(typeof learningRate === "number" && learningRate > 0 && typeof loss === "number" && typeof smoothed === "number"))
      throw new MinibatchError(`${where}: points[${i}] must have learningRate above 0, loss and smoothed, got ${describe(point)}`);
    return { learningRate, loss, smoothed };
  });
  const { suggestion } = curve;
  const smooth: Curve = { name: "smoothed", points: at.map((p) => [p.learningRate, p.smoothed] as const), look: lookOf(0) };
  const lib = await library();
  const x = numberAxis(where, "log", allX([smooth]), { label: "learning rate" });
  const y = numberAxis(where, "linear", allY([smooth]), { label: "loss", nice: true, grid: true });
  const [low, high] = y.domain as readonly [number, number];
  const { title = "Loss by learning rate", width = defaultWidth, height = defaultHeight } = options;
  const chosen = typeof suggestion === "number" && Number.isFinite(suggestion) ? suggestion : undefined;
  const legend: LegendEntry[] = [{ name: "loss of a step", kind: "marker", color: "#a0a0a0", symbol: "circle" }, ...curveLegend([smooth])];
  if (chosen !== undefined)
    legend.push({ name: `falls fastest at ${Number(chosen.toPrecision(2))}`, kind: "line", color: faint, dash: "2 3" });
  // Losses of single steps are drawn where the smoothed ones leave room for them.
  const dots = at.filter(({ loss }) => loss >= low && loss <= high);
  const notes = (plot: Plot, named: Named) => [
    plot.dot(dots, { x: "learningRate", y: "loss", r: 2, fill: "#a0a0a0", ...named("points of steps") }),
    chosen === undefined ? null : plot.ruleX([chosen], { stroke: faint, strokeDasharray: "2 3", strokeWidth: 1.5, ...named("suggestion") }),
  ];
  const svg = framed(width, height, { title, legend }, (box) => curvesPanel(lib, box, { x, y }, [smooth], notes));
  return finished(where, svg, { ...options, title });
}

export interface MovingAveragesOptions extends PictureOptions {
  /** A simple average of so many values. */
  window?: number | undefined;
  /** A weighted average: the weights, the newest value's first, or how many linear ones. */
  weights?: number | Numbers | undefined;
  /** Exponentially weighted averages, one for each beta. */
  beta?: number | readonly number[] | undefined;
  biasCorrection?: boolean | undefined;
  xLabel?: string | undefined;
  yLabel?: string | undefined;
}

/** More lines than anybody can tell apart. */
const mostBetas = 100;

/**
 * A series and its moving averages; with `biasCorrection` also the exponentially weighted averages without it, dashed.
 *
 * ```ts
 * await movingAverages(temperatures, { beta: [0.5, 0.9, 0.98], biasCorrection: true, xLabel: "day", yLabel: "temperature (°C)" });
 * ```
 */
export async function movingAverages(values: Numbers, options: MovingAveragesOptions): Promise<string> {
  const where = "movingAverages";
  checkPicture(where, options, ["window", "weights", "beta", "biasCorrection", "xLabel", "yLabel"]);
  const series = listOf(where, "values", numbersOf(where, "values", values));
  const { window, weights, beta, biasCorrection } = options ?? {};
  if (window === undefined && weights === undefined && beta === undefined)
    throw new MinibatchError(`${where}: which average? give window, weights or beta`);
  if (biasCorrection !== undefined && typeof biasCorrection !== "boolean")
    throw new MinibatchError(`${where}: biasCorrection must be true or false, got ${describe(biasCorrection)}`);
  const averages: { name: string; y: readonly number[]; dashed?: boolean; color: number }[] = [];
  // The averages first: they check what the names tell.
  if (window !== undefined) {
    const y = movingAverage(series, window);
    averages.push({ name: `mean of ${window}`, y, color: averages.length });
  }
  if (weights !== undefined) {
    const count = typeof weights === "number" ? weights : numbersOf(where, "weights", weights).length;
    averages.push({ name: `weighted mean of ${count}`, y: weightedMovingAverage(series, weights), color: averages.length });
  }
  const betas = beta === undefined ? [] : typeof beta === "number" ? [beta] : listOf(where, "beta", beta);
  if (betas.length > mostBetas) throw new MinibatchError(`${where}: beta may have ${mostBetas} numbers at the most, got ${betas.length}`);
  for (const one of betas) {
    const color = averages.filter(({ dashed }) => !dashed).length;
    const corrected = biasCorrection === true;
    const y = exponentiallyWeightedAverage(series, { beta: one, biasCorrection: corrected });
    averages.push({ name: `β = ${one}${corrected ? ", corrected" : ""}`, y, color });
    if (corrected)
      averages.push({ name: `β = ${one}, not corrected`, y: exponentiallyWeightedAverage(series, { beta: one }), dashed: true, color });
  }
  // An average stands where its newest value stands.
  const curves = averages.map(
    ({ name, y, dashed, color }): Curve => ({
      name,
      points: y.map((value, i) => [series.length - y.length + i + 1, value] as const),
      look: lookOf(color, dashed),
      markers: !dashed,
    }),
  );
  const raw = series.map((value, i) => [i + 1, value] as const);
  const lib = await library();
  const label = (name: "xLabel" | "yLabel", fallback: string) =>
    options[name] === undefined ? fallback : checkText(where, name, options[name]);
  const x = numberAxis(where, "linear", raw.map(([at]) => at), { label: label("xLabel", "number of the value, t"), whole: true, count: 8 }); // biome-ignore format: short
  const y = numberAxis(where, "linear", [...series, ...allY(curves)], { label: label("yLabel", "value"), nice: true, grid: true });
  const { title = "Moving averages", width = defaultWidth, height = defaultHeight } = options;
  const legend = [{ name: "values", kind: "marker" as const, color: "#a0a0a0", symbol: "circle" as const }, ...curveLegend(curves)];
  const dots = (plot: Plot, named: Named) => [
    plot.dot(raw.filter(([, value]) => Number.isFinite(value)), { x: (p) => p[0], y: (p) => p[1], r: 2.2, fill: "#a0a0a0", ...named("points values") }), // biome-ignore format: one mark
  ];
  const svg = framed(width, height, { title, legend }, (box) => curvesPanel(lib, box, { x, y }, curves, dots));
  return finished(where, svg, { ...options, title });
}
