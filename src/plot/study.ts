// Pictures of a search for hyperparameters: how it went, what each parameter did, where coarse-to-fine looked, a grid beside
// random points. They read the result of a study as plain data.
import type { Markish } from "@observablehq/plot";
import { checkNumber, describe, MinibatchError } from "../errors.ts";
import { type Axis, bandAxis, numberAxis, type ScaleKind } from "./axis.ts";
import { bars } from "./bars.ts";
import { between, hex, type Rgb } from "./color.ts";
import { library, type Plot } from "./library.ts";
import { type Named, panel } from "./panel.ts";
import { type Box, checkPicture, checkText, finished, framed, type LegendEntry, type PictureOptions } from "./picture.ts";
import { defaultHeight, defaultWidth, scaleOf } from "./series.ts";
import { faint, ink, lookOf, palette, px, shortened, showNumber, size, text } from "./style.ts";

/** What a picture needs of a trial; a study's `trials` have it. */
export interface TrialLike {
  readonly number: number;
  readonly state: "done" | "pruned" | "failed";
  readonly value: number;
  readonly values: Readonly<Record<string, unknown>>;
}

/** A parameter with its scale; a study's `parameters` have it. */
export interface ParameterLike {
  readonly name: string;
  readonly kind: string;
  readonly low?: number;
  readonly high?: number;
  readonly values?: readonly unknown[];
}

/** What a picture needs of a study; what `study` resolves to has it. */
export interface StudyLike {
  readonly direction: "minimize" | "maximize";
  readonly trials: readonly TrialLike[];
  readonly parameters: readonly ParameterLike[];
  readonly boxes?: readonly { readonly round: number; readonly parameters: Readonly<Record<string, readonly unknown[]>> }[] | undefined;
  importance?(): readonly { readonly name: string; readonly importance: number }[];
}

export interface StudyPictureOptions extends PictureOptions {
  /** What a trial's value is, with its unit: "dev error"; "value" by default. */
  valueLabel?: string | undefined;
  /** "linear" by default. */
  valueScale?: ScaleKind | undefined;
}

export interface SlicesOptions extends StudyPictureOptions {
  /** Names of parameters; by default the eight that the study had first. */
  parameters?: readonly string[] | undefined;
}

export interface BoxesOptions extends PictureOptions {
  /** Names of the two parameters; by default the first two with numbers. */
  x?: string | undefined;
  y?: string | undefined;
}

function checkStudy(where: string, result: unknown): StudyLike {
  const { trials, parameters, direction } = (result ?? {}) as Partial<StudyLike>;
  if (!Array.isArray(trials) || !Array.isArray(parameters) || (direction !== "minimize" && direction !== "maximize"))
    throw new MinibatchError(`${where}: expected what a study resolves to, got ${describe(result)}`);
  if (!trials.length) throw new MinibatchError(`${where}: there is nothing to draw, the study has no trial that has ended`);
  const holds = (item: unknown, name: string) => {
    const inner = isObject(item) ? (item as Readonly<Record<string, unknown>>)[name] : undefined;
    return name === "name" ? typeof inner === "string" : isObject(inner);
  };
  const { boxes = [] } = result as StudyLike;
  const parts = [["trials", trials, "values"], ["parameters", parameters, "name"], ["boxes", boxes, "parameters"]] as const; // biome-ignore format: one row each
  for (const [list, items, inner] of parts) {
    // Array.from: holes are found too.
    const at = Array.isArray(items) ? Array.from(items).findIndex((item) => !holds(item, inner)) : undefined;
    if (at === undefined || at >= 0)
      throw new MinibatchError(
        `${where}: ${list} must be a list of objects with ${inner}, as a study resolves to, got ${describe(at === undefined ? items : items[at])}`,
      );
  }
  return result as StudyLike;
}

const isObject = (value: unknown) => typeof value === "object" && value !== null;

const ended = ({ trials }: StudyLike) => trials.filter(({ state, value }) => state !== "failed" && Number.isFinite(value));

function checkAnswers(where: string, study: StudyLike): readonly TrialLike[] {
  const list = ended(study);
  if (list.length) return list;
  throw new MinibatchError(`${where}: there is nothing to draw, all ${study.trials.length} trials failed`);
}

function valueOptions(where: string, options: StudyPictureOptions): { label: string; kind: ScaleKind } {
  const { valueLabel, valueScale } = options;
  return {
    label: valueLabel === undefined ? "value" : checkText(where, "valueLabel", valueLabel),
    kind: scaleOf(where, "valueScale", valueScale),
  };
}

/** How a parameter's values stand on an axis. */
interface Placed {
  readonly name: string;
  readonly axis: Axis;
  /** undefined: the trial does not have it. */
  at(trial: TrialLike): number | string | undefined;
}

const wholeKinds = ["integer", "logInteger"];

/** Numbers on the parameter's own scale, from its bounds; 1 - beta where that is the scale; a choice as a band. */
function placed(where: string, parameter: ParameterLike, count = 6): Placed {
  const { name, kind, low, high, values } = parameter;
  if (kind === "choice") {
    if (values !== undefined && !Array.isArray(values))
      throw new MinibatchError(`${where}: values of parameter "${name}" must be a list, got ${describe(values)}`);
    const names = (values ?? []).map((value) => (isObject(value) || typeof value === "function" ? describe(value) : String(value)));
    return {
      name,
      axis: bandAxis(name, names),
      at: (trial) => (name in trial.values ? String(Math.max(0, (values ?? []).indexOf(trial.values[name]))) : undefined),
    };
  }
  if (typeof low !== "number" || typeof high !== "number")
    throw new MinibatchError(`${where}: parameter "${name}" must have low and high, got ${describe(parameter)}`);
  const minus = kind === "oneMinusLogUniform";
  const log = minus || kind === "logUniform" || kind === "logInteger";
  const ends = minus ? [1 - high, 1 - low] : [low, high];
  const axis = numberAxis(where, log ? "log" : "linear", ends, {
    label: minus ? `1 − ${name}` : name,
    nice: false,
    count,
    whole: wholeKinds.includes(kind) && !log,
  });
  return {
    name,
    axis,
    at: ({ values: own }) => {
      const value = own[name];
      if (typeof value !== "number") return undefined;
      return minus ? 1 - value : value;
    },
  };
}

function parameterOf(where: string, study: StudyLike, name: string): ParameterLike {
  const found = study.parameters.find((parameter) => parameter.name === name);
  if (found) return found;
  const all = study.parameters.map((parameter) => `"${parameter.name}"`).join(", ");
  throw new MinibatchError(`${where}: the study has no parameter "${name}"; there are ${all || "none"}`);
}

const look = {
  done: { color: palette[0] as string, symbol: "circle" },
  pruned: { color: "#9a9a9a", symbol: "diamond" },
  failed: { color: palette[1] as string, symbol: "cross" },
  best: { color: palette[1] as string, symbol: "star" },
} as const;

const names = { done: "done", pruned: "pruned, at its last report", failed: "failed" } as const;

/** Trials done or pruned, each with its marker. */
function dots<T extends TrialLike>(
  plot: Plot,
  named: Named,
  list: readonly T[],
  x: (trial: T) => unknown,
  y: (trial: T) => unknown,
): Markish[] {
  return (["pruned", "done"] as const).flatMap((state) => {
    const own = list.filter((trial) => trial.state === state);
    const { color, symbol } = look[state];
    const channels = { x: x as never, y: y as never };
    return own.length
      ? [plot.dot([...own], { ...channels, r: 3.4, fill: color, fillOpacity: 0.85, symbol, ...named(`trials ${state}`) })]
      : [];
  });
}

const legendOf = (study: StudyLike, states: readonly ("done" | "pruned" | "failed")[]): LegendEntry[] =>
  states
    .filter((state) => study.trials.some((trial) => trial.state === state))
    .map((state) => ({ name: names[state], kind: "marker", ...look[state] }));

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
  if (!Array.isArray(wanted) || !wanted.length || !wanted.every((name) => typeof name === "string"))
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
 * Where coarse-to-fine looked: the trials of each round over two parameters, and the box that the round drew from.
 *
 * ```ts
 * await boxes(result, { x: "learningRate", y: "lambda", file: "boxes.svg" });
 * ```
 */
export async function boxes(result: StudyLike, options: BoxesOptions = {}): Promise<string> {
  const where = "boxes";
  checkPicture(where, options, ["x", "y"]);
  const study = checkStudy(where, result);
  const rounds = study.boxes ?? [];
  if (!rounds.length) throw new MinibatchError(`${where}: the study has no boxes; the strategy coarseToFine records them`);
  const numbers = study.parameters.filter(({ kind }) => kind !== "choice");
  const pick = (name: string | undefined, other: string | undefined, axis: string) => {
    const found =
      name === undefined ? numbers.find((parameter) => parameter.name !== other) : parameterOf(where, study, checkText(where, axis, name));
    if (found && found.kind !== "choice") return found;
    throw new MinibatchError(
      `${where}: ${axis} must be a parameter with numbers, got ${found ? `the choice "${found.name}"` : "none beside the other"}`,
    );
  };
  const first = pick(options.x, options.y, "x");
  const second = pick(options.y, first.name, "y");
  const [x, y] = [placed(where, first), placed(where, second)];
  const note = (trial: TrialLike) => (trial as { readonly note?: { readonly round?: unknown } | null }).note?.round;
  const list = study.trials.filter((trial) => x.at(trial) !== undefined && y.at(trial) !== undefined);
  const sign = study.direction === "minimize" ? 1 : -1;
  const best = list.filter(({ state }) => state === "done").sort((a, b) => sign * (a.value - b.value))[0];
  const edges = (parameter: ParameterLike, values: readonly unknown[] | undefined) => {
    const [low = parameter.low as number, high = parameter.high as number] = (values ?? []) as readonly number[];
    return parameter.kind === "oneMinusLogUniform" ? [1 - high, 1 - low] : [low, high];
  };
  const looks = rounds.map(({ round }, i) => ({ ...lookOf(i), name: `round ${round}` }));
  const legend: LegendEntry[] = looks.map(({ name, color, symbol }) => ({ name, kind: "marker", color, symbol }));
  if (best) legend.push({ name: `best: ${showNumber(best.value)}`, kind: "marker", color: ink, symbol: "star" });
  const { title = "From coarse to fine", width = defaultWidth, height = 520 } = options;
  const lib = await library();
  const svg = framed(width, height, { title, legend }, (box) =>
    panel(lib, box, {
      x: x.axis,
      y: y.axis,
      marks: (plot, named) => [
        ...rounds.flatMap(({ round, parameters }, i) => {
          const [x1, x2] = edges(first, parameters[first.name]);
          const [y1, y2] = edges(second, parameters[second.name]);
          const { color, symbol } = looks[i] as (typeof looks)[number];
          const own = list.filter((trial) => note(trial) === round);
          return [
            plot.rect([{ x1, x2, y1, y2 }], {
              x1: "x1",
              x2: "x2",
              y1: "y1",
              y2: "y2",
              stroke: color,
              strokeWidth: 2,
              fill: color,
              fillOpacity: 0.05,
              ...named(`box of round ${round}`),
            }),
            plot.dot(own, { x: x.at as never, y: y.at as never, r: 3.6, fill: color, symbol, ...named(`trials of round ${round}`) }),
          ];
        }),
        best ? plot.dot([best], { x: x.at as never, y: y.at as never, r: 8, fill: ink, symbol: "star", ...named("best") }) : null,
      ],
    }),
  );
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

export interface GridAndRandomOptions extends PictureOptions {
  /** A study by gridSearch and one by randomSearch over the same space, or whatever is to be compared. */
  grid: StudyLike;
  random: StudyLike;
  /** The parameter that matters, and another; by default the first two with numbers. */
  x?: string | undefined;
  y?: string | undefined;
}

/**
 * The course's picture: the points of a grid beside random ones, and below each the values that the important parameter was tried at. Five by five
 * points of a grid try five of them, 25 random points try 25.
 *
 * ```ts
 * await gridAndRandom({ grid: await study({ ..., strategy: gridSearch({ points: 5 }) }), random: await study({ ..., strategy: randomSearch({ trials: 25 }) }) });
 * ```
 */
export async function gridAndRandom(options: GridAndRandomOptions): Promise<string> {
  const where = "gridAndRandom";
  checkPicture(where, options, ["grid", "random", "x", "y"]);
  if (options === undefined || options === null) throw new MinibatchError(`${where}: options must have the studies grid and random`);
  const studies = [checkStudy(where, options.grid), checkStudy(where, options.random)] as const;
  const numbers = studies[0].parameters.filter(({ kind }) => kind !== "choice");
  const nameOf = (given: string | undefined, axis: string, fallback: ParameterLike | undefined) => {
    const name = given === undefined ? fallback?.name : checkText(where, axis, given);
    if (name === undefined) throw new MinibatchError(`${where}: the studies need two parameters with numbers, got ${numbers.length}`);
    for (const study of studies)
      if (parameterOf(where, study, name).kind === "choice")
        throw new MinibatchError(`${where}: ${axis} must be a parameter with numbers, got the choice "${name}"`);
    return name;
  };
  const xName = nameOf(
    options.x,
    "x",
    numbers.find(({ name }) => name !== options.y),
  );
  const yName = nameOf(
    options.y,
    "y",
    numbers.find(({ name }) => name !== xName),
  );
  const { title = "A grid and random points", width = defaultWidth, height = defaultHeight } = options;
  checkNumber(where, "width", width, { min: 240 });
  const drawn = studies.map((study, i) => {
    const [x, y] = [placed(where, parameterOf(where, study, xName), 4), placed(where, parameterOf(where, study, yName), 4)];
    const points = study.trials.flatMap((trial) => {
      const [px, py] = [x.at(trial), y.at(trial)];
      return px === undefined || py === undefined ? [] : [{ x: px, y: py }];
    });
    const values = [...new Set(points.map((point) => point.x))];
    return { name: i ? "random" : "grid", x, y, points, values };
  });
  const lib = await library();
  const svg = framed(width, height, { title }, (box) => {
    const gap = 20;
    const wide = (box.width - gap) / 2;
    return drawn
      .map(({ name, x, y, points, values }, i) => {
        const place: Box = { ...box, x: box.x + i * (wide + gap), width: wide };
        const said = `${points.length} trials, ${values.length} ${values.length === 1 ? "value" : "values"} of ${x.name}`;
        return panel(lib, place, {
          x: x.axis,
          y: y.axis,
          title: `${name}: ${said}`,
          marks: (plot, named) => [
            plot.ruleX(values, { stroke: faint, strokeOpacity: 0.45, strokeWidth: 1, ...named(`values ${name}`) }),
            plot.dot(points, { x: "x", y: "y", r: 4.5, fill: lookOf(i).color, symbol: lookOf(i).symbol, ...named(`points ${name}`) }),
          ],
        });
      })
      .join("");
  });
  return finished(where, svg, { ...options, title });
}
