// Pictures of a search for hyperparameters: how it went, what each parameter did and how much it matters. They read the result of
// a study as plain data.
import { describe, MinibatchError } from "../errors.ts";
import { type Axis, numberAxis } from "./axis.ts";
import { bars } from "./bars.ts";
import { between, hex, type Rgb } from "./color.ts";
import { library } from "./library.ts";
import { panel } from "./panel.ts";
import { type Box, checkPicture, finished, framed, type LegendEntry, type PictureOptions } from "./picture.ts";
import { defaultHeight, defaultWidth } from "./series.ts";
import { ink, px, shortened, showNumber, size, text } from "./style.ts";
import {
  checkAnswers,
  checkStudy,
  dots,
  legendOf,
  look,
  type ParameterLike,
  type Placed,
  parameterOf,
  placed,
  type StudyLike,
  type StudyPictureOptions,
  valueOptions,
} from "./trials.ts";

export interface SlicesOptions extends StudyPictureOptions {
  /** Names of parameters; by default the eight that the study had first. */
  parameters?: readonly string[] | undefined;
}

/**
 * The value of each trial in the order of their numbers, with the best so far as a line; failed ones below the axis.
 *
 * ```ts
 * await studyHistory(await study({ ... }), { valueLabel: "dev error", file: "history.svg" });
 * ```
 */
export async function studyHistory(result: StudyLike, options: StudyPictureOptions = {}): Promise<string> {
  const where = "studyHistory";
  checkPicture(where, options, ["valueLabel", "valueScale"]);
  const study = checkStudy(where, result);
  const list = checkAnswers(where, study);
  const { label, kind } = valueOptions(where, options);
  const sign = study.direction === "minimize" ? 1 : -1;
  const best: { number: number; value: number }[] = [];
  for (const { number, value } of [...study.trials].filter(({ state }) => state === "done").sort((a, b) => a.number - b.number)) {
    const last = best.at(-1);
    if (!last || sign * value < sign * last.value) best.push({ number, value });
  }
  const last = Math.max(...study.trials.map(({ number }) => number));
  const reached = best.at(-1);
  const line = reached ? [...best, { number: last, value: reached.value }] : [];
  const x = numberAxis(where, "linear", [1, last], { label: "trial", whole: true, count: 8 });
  const y = numberAxis(
    where,
    kind,
    list.map(({ value }) => value),
    { label, nice: true, grid: true },
  );
  const failed = study.trials.filter(({ state }) => state === "failed");
  const legend: LegendEntry[] = [
    ...legendOf(study, ["done", "pruned", "failed"]),
    ...(reached ? [{ name: `best so far: ${showNumber(reached.value)}`, kind: "line" as const, color: ink }] : []),
  ];
  const lib = await library();
  const { title = "The course of the study", width = defaultWidth, height = defaultHeight } = options;
  const svg = framed(width, height, { title, legend }, (box) =>
    panel(lib, box, {
      x,
      y,
      marks: (plot, named) => [
        line.length
          ? plot.line(line, { x: "number", y: "value", stroke: ink, strokeWidth: 1.8, curve: "step-after", ...named("best so far") })
          : null,
        ...dots(
          plot,
          named,
          list,
          ({ number }) => number,
          ({ value }) => value,
        ),
        failed.length
          ? plot.dot(failed, {
              x: "number",
              y: y.domain[0] as number,
              r: 3.6,
              fill: look.failed.color,
              symbol: look.failed.symbol,
              ...named("trials failed"),
            })
          : null,
      ],
    }),
  );
  return finished(where, svg, { ...options, title });
}

/** Parameters of a picture: those that are named, or the first ones. */
function chosen(where: string, study: StudyLike, wanted: readonly string[] | undefined, most: number): readonly ParameterLike[] {
  if (wanted === undefined) {
    if (study.parameters.length) return study.parameters.slice(0, most);
    throw new MinibatchError(`${where}: there is nothing to draw, the study has no parameters`);
  }
  if (!Array.isArray(wanted) || !wanted.length || !Array.from(wanted).every((name) => typeof name === "string"))
    throw new MinibatchError(`${where}: parameters must be a list of names, got ${describe(wanted)}`);
  return wanted.map((name) => parameterOf(where, study, name));
}

/**
 * The value over each parameter, on the parameter's own scale: one small picture each. A trial that does not have a parameter is not in its picture.
 *
 * ```ts
 * await slices(result, { valueLabel: "dev error", parameters: ["learningRate", "lambda"], file: "slices.svg" });
 * ```
 */
export async function slices(result: StudyLike, options: SlicesOptions = {}): Promise<string> {
  const where = "slices";
  checkPicture(where, options, ["valueLabel", "valueScale", "parameters"]);
  const study = checkStudy(where, result);
  const list = checkAnswers(where, study);
  const { label, kind } = valueOptions(where, options);
  const shown = chosen(where, study, options.parameters, 8).map((parameter) => placed(where, parameter, 4));
  const { title = "Value by parameter", width = defaultWidth } = options;
  const columns = Math.max(1, Math.min(shown.length, Math.floor(width / 250)));
  const rows = Math.ceil(shown.length / columns);
  const { height = 90 + 220 * rows } = options;
  const y = numberAxis(
    where,
    kind,
    list.map(({ value }) => value),
    { label, nice: true, grid: true },
  );
  const lib = await library();
  const svg = framed(width, height, { title, legend: legendOf(study, ["done", "pruned"]) }, (box) => {
    const gap = 14;
    const cell = { width: (box.width - gap * (columns - 1)) / columns, height: (box.height - gap * (rows - 1)) / rows };
    return shown
      .map(({ name, axis, at }, i) => {
        const place: Box = {
          x: box.x + (i % columns) * (cell.width + gap),
          y: box.y + Math.floor(i / columns) * (cell.height + gap),
          ...cell,
        };
        const own = list.filter((trial) => at(trial) !== undefined);
        return panel(lib, place, {
          x: axis,
          y: { ...y, label: i % columns ? "" : label },
          marks: (plot, named) =>
            dots(
              plot,
              (group) => named(`${group} by ${name}`),
              own,
              at,
              ({ value }) => value,
            ),
        });
      })
      .join("");
  });
  return finished(where, svg, { ...options, title });
}

/** Text that lines run behind. */
const haloed = (markup: string) => `<g paint-order="stroke" stroke="#ffffff" stroke-width="3.5" stroke-linejoin="round">${markup}</g>`;

/** Good to bad. */
const ramp: readonly Rgb[] = [[0, 64, 120], [86, 180, 233], [214, 205, 180], [230, 159, 0]]; // biome-ignore format: one row

/** Where a value lies between the ends of its axis, from 0 to 1. */
function share({ kind, domain }: Axis, value: number | string): number {
  if (kind === "band") return (Number(value) + 0.5) / domain.length;
  const [low, high] = domain as readonly [number, number];
  if (kind === "log") return Math.log(Number(value) / low) / Math.log(high / low);
  return (Number(value) - low) / (high - low);
}

/**
 * Every trial as a line across upright axes, one for each parameter on its own scale, and the value on the last: the darker the better.
 *
 * ```ts
 * await parallelCoordinates(result, { valueLabel: "dev error", file: "trials.svg" });
 * ```
 */
export async function parallelCoordinates(result: StudyLike, options: SlicesOptions = {}): Promise<string> {
  const where = "parallelCoordinates";
  checkPicture(where, options, ["valueLabel", "valueScale", "parameters"]);
  const study = checkStudy(where, result);
  const list = checkAnswers(where, study);
  const { label, kind } = valueOptions(where, options);
  const values = numberAxis(
    where,
    kind,
    list.map(({ value }) => value),
    { label, nice: true },
  );
  const shown: Placed[] = [
    ...chosen(where, study, options.parameters, 8).map((parameter) => placed(where, parameter, 5)),
    { name: label, axis: values, at: ({ value }) => value },
  ];
  const sign = study.direction === "minimize" ? 1 : -1;
  // By rank: one bad trial must not make all others look alike.
  const ranked = [...list].sort((a, b) => sign * (a.value - b.value));
  const colorOf = (rank: number) => hex(between(ramp, ranked.length > 1 ? rank / (ranked.length - 1) : 0));
  const { title = "Trials across their parameters", width = defaultWidth, height = defaultHeight } = options;
  const legend: LegendEntry[] = [
    { name: "best", kind: "line", color: colorOf(0) },
    { name: "middle", kind: "line", color: hex(between(ramp, 0.5)) },
    { name: "worst", kind: "line", color: hex(between(ramp, 1)) },
  ];
  const svg = framed(width, height, { title, legend }, (box) => {
    const [top, bottom] = [box.y + 34, box.y + box.height - 14];
    const [left, right] = [box.x + 46, box.x + box.width - 46];
    const room = (right - left) / Math.max(1, shown.length - 1);
    const xOf = (i: number) => left + room * i;
    const yOf = (axis: Axis, value: number | string) => bottom - (bottom - top) * share(axis, value);
    const lines = ranked
      .map((trial, rank) => {
        // A parameter that the trial does not have leaves a gap.
        let open = false;
        const path = shown
          .map(({ axis, at }, i) => {
            const value = at(trial);
            const step = value === undefined ? "" : `${open ? "L" : "M"}${px(xOf(i))},${px(yOf(axis, value))}`;
            open = value !== undefined;
            return step;
          })
          .join("");
        const best = rank === 0;
        return `<path d="${path}" fill="none" stroke="${colorOf(rank)}" stroke-width="${best ? 3 : 1.3}" stroke-opacity="${best ? 1 : 0.75}" aria-label="trial ${trial.number}"/>`;
      })
      .reverse()
      .join("");
    const axes = shown
      .map(({ name, axis }, i) => {
        const x = xOf(i);
        const lastAxis = i === shown.length - 1;
        const ticks = axis.ticks
          .map((tick) => {
            const y = yOf(axis, tick);
            const said = shortened(axis.format(tick), room - 14, size.tick);
            const [shift, anchor] = lastAxis ? [8, "start" as const] : [-7, "end" as const];
            return `<path d="M${px(x - 4)},${px(y)}h8" stroke="${ink}"/>${haloed(text(x + shift, y + 4, said, { size: size.tick, anchor }))}`;
          })
          .join("");
        // Names of neighbours stand at two heights where they would touch.
        const heading = axis.kind === "band" || axis.label === "" ? name : axis.label;
        const wide = shortened(heading, Math.max(60, 2 * room - 16), size.label);
        const high = i % 2 === 1 && room < 130;
        return `<path d="M${px(x)},${px(top)}V${px(bottom)}" stroke="${ink}"/>${ticks}${text(x, top - (high ? 24 : 9), wide, { anchor: i === 0 ? "start" : lastAxis ? "end" : "middle", bold: true })}`;
      })
      .join("");
    return `<g aria-label="trials">${lines}</g><g aria-label="axes">${axes}</g>`;
  });
  return finished(where, svg, { ...options, title });
}

/**
 * How much each parameter matters, as the study's own `importance()` says; it needs ten trials that did not fail.
 *
 * ```ts
 * await importance(result, { file: "importance.svg" });
 * ```
 */
export async function importance(result: StudyLike, options: PictureOptions = {}): Promise<string> {
  const where = "importance";
  checkPicture(where, options);
  const study = checkStudy(where, result);
  if (typeof study.importance !== "function")
    throw new MinibatchError(`${where}: expected what a study resolves to, got ${describe(result)}`);
  const list = study.importance();
  if (!list.length) throw new MinibatchError(`${where}: there is nothing to draw, the study has no parameters`);
  const { title = "Importance of the parameters" } = options;
  return bars(
    list.map(({ name, importance: value }) => ({ name, value })),
    { ...options, title, xLabel: "parameter", yLabel: "share of what the values vary by" },
  );
}
