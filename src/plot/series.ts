// Pictures of numbers along an axis: lines and scattered points. What other pictures draw as lines goes through here too.
import type { Markish } from "@observablehq/plot";
import type { Numbers } from "../dtype.ts";
import { describe, MinibatchError } from "../errors.ts";
import { checkAttached } from "../tensor.ts";
import { type Axis, numberAxis, type ScaleKind } from "./axis.ts";
import { type Library, library, type Plot } from "./library.ts";
import { type Named, panel } from "./panel.ts";
import { type Box, checkPicture, checkText, finished, framed, type LegendEntry, type PictureOptions } from "./picture.ts";
import { type Look, lookOf } from "./style.ts";

export interface Series {
  readonly name: string;
  /** NaN and infinities leave gaps. */
  readonly y: Numbers;
  /** 1, 2, 3, ... by default, as epochs and steps are counted. */
  readonly x?: Numbers | undefined;
  readonly dashed?: boolean | undefined;
}

export interface Group {
  readonly name: string;
  readonly points: readonly (readonly [number, number])[];
}

export interface AxesOptions extends PictureOptions {
  /** With the unit: "time (s)". */
  xLabel: string;
  yLabel: string;
  /** "linear" by default. */
  xScale?: ScaleKind | undefined;
  yScale?: ScaleKind | undefined;
}

export const defaultWidth = 800;
export const defaultHeight = 450;

/** A list of numbers, typed arrays too. */
export function numbersOf(where: string, name: string, value: unknown): readonly number[] {
  const typed = ArrayBuffer.isView(value) && !(value instanceof DataView);
  if (typed) checkAttached(`${where}: ${name}`, value as Float32Array);
  const list = typed ? Array.from(value as unknown as ArrayLike<number>) : value;
  if (!Array.isArray(list)) throw new MinibatchError(`${where}: ${name} must be a list of numbers, got ${describe(value)}`);
  const wrong = list.findIndex((item) => typeof item !== "number");
  if (wrong >= 0) throw new MinibatchError(`${where}: ${name} must hold numbers, got ${describe(list[wrong])} at ${wrong}`);
  return list;
}

/** A list that is not empty; where it has holes, undefined stands. */
export function listOf<T>(where: string, name: string, value: readonly T[]): readonly T[] {
  if (!Array.isArray(value)) throw new MinibatchError(`${where}: ${name} must be a list, got ${describe(value)}`);
  if (!value.length) throw new MinibatchError(`${where}: there is nothing to draw, ${name} is empty`);
  return Array.from(value);
}

export function scaleOf(where: string, name: string, value: unknown): ScaleKind {
  if (value === undefined || value === "linear") return "linear";
  if (value === "log") return "log";
  throw new MinibatchError(`${where}: ${name} must be "linear" or "log", got ${describe(value)}`);
}

/** An object of a list, with its name. */
export function namedOf(where: string, what: string, value: unknown): string {
  if (value === null || typeof value !== "object") throw new MinibatchError(`${where}: ${what} must be an object, got ${describe(value)}`);
  return checkText(where, `${what}.name`, (value as { name?: unknown }).name);
}

/** One line as it is drawn. */
export interface Curve {
  readonly name: string;
  readonly points: readonly (readonly [number, number])[];
  readonly look: Look;
  readonly width?: number;
  /** Markers along the line; a line of many points gets about ten. */
  readonly markers?: boolean;
}

function checkSeries(where: string, series: readonly Series[]): Curve[] {
  return listOf(where, "series", series).map((one, i) => {
    const name = namedOf(where, `series[${i}]`, one);
    const y = numbersOf(where, `series "${name}".y`, one.y);
    if (!y.length) throw new MinibatchError(`${where}: there is nothing to draw, series "${name}" is empty`);
    const x = one.x === undefined ? y.map((_, k) => k + 1) : numbersOf(where, `series "${name}".x`, one.x);
    if (x.length !== y.length)
      throw new MinibatchError(`${where}: x and y of series "${name}" must be equally long, got ${x.length} and ${y.length}`);
    return { name, points: y.map((value, k) => [x[k] as number, value] as const), look: lookOf(i, one.dashed === true) };
  });
}

const drawable = ([x, y]: readonly [number, number]) => Number.isFinite(x) && Number.isFinite(y);

/**
 * A line of more points than a picture can show keeps, of each stretch about two pixels wide, its first, lowest, highest and last point:
 * the drawing is the same. Gaps stay.
 */
export function thinned(points: Curve["points"], columns: number): Curve["points"] {
  if (points.length <= 4 * columns) return points;
  const kept: (readonly [number, number])[] = [];
  const per = points.length / columns;
  for (let c = 0; c < columns; c++) {
    const [begin, end] = [Math.floor(c * per), Math.floor((c + 1) * per)];
    let [low, high, gap] = [begin, begin, -1];
    for (let i = begin; i < end; i++) {
      const point = points[i] as readonly [number, number];
      if (!drawable(point)) {
        gap = i;
        continue;
      }
      if (!drawable(points[low] as readonly [number, number]) || point[1] < (points[low] as readonly [number, number])[1]) low = i;
      if (!drawable(points[high] as readonly [number, number]) || point[1] > (points[high] as readonly [number, number])[1]) high = i;
    }
    const chosen = [...new Set([begin, low, high, end - 1, ...(gap >= 0 ? [gap] : [])])].sort((a, b) => a - b);
    for (const i of chosen) kept.push(points[i] as readonly [number, number]);
  }
  return kept;
}

/** Where a line's markers stand: all points of a short one, about ten of a long one, not the same for each line. */
function marked(points: Curve["points"], i: number, of: number): (readonly [number, number])[] {
  const there = points.filter(drawable);
  if (there.length <= 12) return there;
  const every = there.length / 10;
  const shift = (every * (i + 0.5)) / Math.max(1, of);
  return Array.from(
    { length: 10 },
    (_, k) => there[Math.min(there.length - 1, Math.floor(k * every + shift))] as readonly [number, number],
  );
}

const x = (point: readonly [number, number]) => point[0];
const y = (point: readonly [number, number]) => (Number.isFinite(point[1]) ? point[1] : Number.NaN);

export function curveMarks(plot: Plot, named: Named, curves: readonly Curve[], columns: number): Markish[] {
  const withMarkers = curves.filter((curve) => curve.markers !== false);
  return curves.flatMap((curve) => {
    const { name, points, look, width = 2 } = curve;
    const line = plot.line(thinned(points, columns), {
      x,
      y,
      stroke: look.color,
      strokeWidth: width,
      ...(look.dash && { strokeDasharray: look.dash }),
      ...named(`line ${name}`),
    });
    if (curve.markers === false) return [line];
    const at = marked(points, withMarkers.indexOf(curve), withMarkers.length);
    return [line, plot.dot(at, { x, y, fill: look.color, symbol: look.symbol, r: 3.6, ...named(`markers ${name}`) })];
  });
}

export function curveLegend(curves: readonly Curve[]): LegendEntry[] {
  return curves.map(({ name, look, markers }) => ({
    name,
    kind: "line",
    color: look.color,
    dash: look.dash,
    ...(markers !== false && { symbol: look.symbol }),
  }));
}

export function* allX(curves: readonly Curve[]): Generator<number> {
  for (const { points } of curves) for (const point of points) yield point[0];
}

export function* allY(curves: readonly Curve[]): Generator<number> {
  for (const { points } of curves) for (const point of points) yield point[1];
}

/** Whether all finite numbers are whole, as epochs and steps are. */
function wholeNumbers(values: Iterable<number>): boolean {
  for (const value of values) if (Number.isFinite(value) && !Number.isInteger(value)) return false;
  return true;
}

/** Lines with their axes in a box. */
export function curvesPanel(
  lib: Library,
  box: Box,
  axes: { x: Axis; y: Axis; title?: string },
  curves: readonly Curve[],
  more: (plot: Plot, named: Named) => Markish[] = () => [],
): string {
  return panel(lib, box, {
    ...axes,
    marks: (plot, named) => [...more(plot, named), ...curveMarks(plot, named, curves, Math.ceil(box.width / 2))],
  });
}

/**
 * Lines over a common axis, each with its colour and marker, named in a legend.
 *
 * ```ts
 * await lines([{ name: "cost", y: [3, 2, 1.5] }], { xLabel: "epoch", yLabel: "cost", file: "cost.svg" });
 * ```
 */
export async function lines(series: readonly Series[], options: AxesOptions): Promise<string> {
  const { curves, xAxis, yAxis } = checkAxes("lines", options, () => checkSeries("lines", series));
  const lib = await library();
  const svg = framed(
    options.width ?? defaultWidth,
    options.height ?? defaultHeight,
    { title: options.title, legend: curveLegend(curves) },
    (box) => curvesPanel(lib, box, { x: xAxis, y: yAxis }, curves),
  );
  return finished("lines", svg, options);
}

function checkAxes(where: string, options: AxesOptions, make: () => Curve[]): { curves: Curve[]; xAxis: Axis; yAxis: Axis } {
  checkPicture(where, options, ["xLabel", "yLabel", "xScale", "yScale"]);
  const xLabel = checkText(where, "xLabel", options?.xLabel);
  const yLabel = checkText(where, "yLabel", options?.yLabel);
  const curves = make();
  const [xScale, yScale] = [scaleOf(where, "xScale", options.xScale), scaleOf(where, "yScale", options.yScale)];
  const whole = xScale === "linear" && wholeNumbers(allX(curves));
  return {
    curves,
    xAxis: numberAxis(where, xScale, allX(curves), { label: xLabel, nice: where !== "lines", whole, count: 8, grid: where !== "lines" }),
    yAxis: numberAxis(where, yScale, allY(curves), { label: yLabel, nice: true, grid: true }),
  };
}

/**
 * Points in groups, each with its colour and marker.
 *
 * ```ts
 * await scatter([{ name: "trials", points: [[0.01, 0.12], [0.1, 0.08]] }], { xLabel: "learning rate", yLabel: "dev error", xScale: "log" });
 * ```
 */
export async function scatter(groups: readonly Group[], options: AxesOptions): Promise<string> {
  const { curves, xAxis, yAxis } = checkAxes("scatter", options, () =>
    listOf("scatter", "groups", groups).map((group, i) => {
      const name = namedOf("scatter", `groups[${i}]`, group);
      const points = listOf("scatter", `points of "${name}"`, group.points).map((point, k) =>
        pairOf("scatter", `points of "${name}"`, point, k),
      );
      return { name, points, look: lookOf(i) };
    }),
  );
  const count = curves.reduce((sum, { points }) => sum + points.length, 0);
  const many = count > 400;
  const lib = await library();
  const svg = framed(
    options.width ?? defaultWidth,
    options.height ?? defaultHeight,
    { title: options.title, legend: curves.map(({ name, look }) => ({ name, kind: "marker", color: look.color, symbol: look.symbol })) },
    (box) =>
      panel(lib, box, {
        x: xAxis,
        y: yAxis,
        marks: (plot, named) =>
          curves.map(({ name, points, look }) =>
            plot.dot(points.filter(drawable), {
              x,
              y,
              fill: look.color,
              fillOpacity: many ? 0.55 : 0.85,
              symbol: look.symbol,
              r: many ? 2.5 : 4,
              ...named(`points ${name}`),
            }),
          ),
      }),
  );
  return finished("scatter", svg, options);
}

/** A pair of numbers [x, y]. */
export function pairOf(where: string, name: string, value: unknown, at: number): readonly [number, number] {
  const pair = numbersOf(where, `${name} at ${at}`, value);
  if (pair.length !== 2) throw new MinibatchError(`${where}: ${name} must be pairs [x, y], got ${pair.length} numbers at ${at}`);
  return [pair[0] as number, pair[1] as number];
}
