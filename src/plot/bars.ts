// Pictures of amounts: bars by name and group, histograms of values.
import type { Numbers } from "../dtype.ts";
import { checkNumber, describe, MinibatchError } from "../errors.ts";
import { type Axis, bandAxis, checkReach, numberAxis, type ScaleKind } from "./axis.ts";
import { type Library, library } from "./library.ts";
import { panel } from "./panel.ts";
import { type Box, checkPicture, checkText, finished, framed, type PictureOptions } from "./picture.ts";
import { defaultHeight, defaultWidth, listOf, namedOf, numbersOf, scaleOf } from "./series.ts";
import { ink, lookOf, palette, showNumber, size } from "./style.ts";

export interface Bar {
  readonly name: string;
  readonly value: number;
  /** Bars of one name stand side by side, a colour for each group. */
  readonly group?: string | undefined;
}

export interface BarsOptions extends PictureOptions {
  xLabel: string;
  /** With the unit. */
  yLabel: string;
  yScale?: ScaleKind | undefined;
}

export interface Values {
  readonly name: string;
  readonly values: Numbers;
}

export interface HistogramOptions extends PictureOptions {
  xLabel: string;
  /** How many intervals; by default by the number of values (Freedman and Diaconis 1981). */
  bins?: number | undefined;
}

/** The values, and where the numbers at the bars' ends need room. */
function headroom(values: readonly number[], kind: ScaleKind): number[] {
  const finite = values.filter(Number.isFinite);
  const [low, high] = [Math.min(...finite), Math.max(...finite)];
  if (!finite.length) return [...values];
  // The smallest bar must have some height too.
  if (kind === "log") return low > 0 ? [...finite, low * 0.7] : finite;
  const room = 0.06 * (Math.max(0, high) - Math.min(0, low));
  return [...finite, ...(high > 0 ? [high + room] : []), ...(low < 0 ? [low - room] : [])];
}

/**
 * Bars for named values, in groups where groups are given.
 *
 * ```ts
 * await bars([{ name: "sgd", value: 120 }, { name: "adam", value: 30 }], { xLabel: "optimizer", yLabel: "steps to 95%" });
 * ```
 */
export async function bars(values: readonly Bar[], options: BarsOptions): Promise<string> {
  const where = "bars";
  checkPicture(where, options, ["xLabel", "yLabel", "yScale"]);
  const xLabel = checkText(where, "xLabel", options?.xLabel);
  const yLabel = checkText(where, "yLabel", options?.yLabel);
  const kind = scaleOf(where, "yScale", options.yScale);
  const list = listOf(where, "values", values).map((bar, i) => {
    const name = namedOf(where, `values[${i}]`, bar);
    if (typeof bar.value !== "number")
      throw new MinibatchError(`${where}: values[${i}].value must be a number, got ${describe(bar.value)}`);
    return { name, value: bar.value, group: bar.group === undefined ? "" : checkText(where, `values[${i}].group`, bar.group) };
  });
  const names = [...new Set(list.map(({ name }) => name))];
  const groups = [...new Set(list.map(({ group }) => group))];
  const seen = new Set<string>();
  for (const { name, group } of list) {
    const key = JSON.stringify([name, group]);
    if (seen.has(key))
      throw new MinibatchError(`${where}: two bars are named "${name}"${group ? ` in group "${group}"` : ""}; give them groups`);
    seen.add(key);
  }
  const { width = defaultWidth } = options;
  // A turned name takes as much room as its height.
  const x = bandAxis(xLabel, names, Math.floor((width - 90) / 15));
  const y = numberAxis(where, kind, headroom(list.map(({ value }) => value), kind), { label: yLabel, zero: kind === "linear", nice: true, grid: true }); // biome-ignore format: short
  const base = kind === "log" ? (y.domain[0] as number) : 0;
  // Bars of a band's name share its middle eight tenths.
  const share = 1 / groups.length;
  const lib = await library();
  const legend =
    groups.length > 1 ? groups.map((name, g) => ({ name, kind: "area" as const, color: palette[g % palette.length] as string })) : [];
  const svg = framed(width, options.height ?? defaultHeight, { title: options.title, legend }, (box) => {
    const wide = (box.width - 90) / names.length;
    const barWidth = wide * 0.8 * share;
    const written = barWidth > 34 || (groups.length === 1 && wide > 40);
    return panel(lib, box, {
      x,
      y,
      bandPadding: 0.2,
      marks: (plot, named) => [
        ...groups.flatMap((group, g) => {
          const own = list.filter((bar) => bar.group === group && Number.isFinite(bar.value));
          const inset = { insetLeft: barWidth * g + (g ? 1 : 0), insetRight: barWidth * (groups.length - 1 - g) };
          const place = (bar: (typeof own)[number]) => String(names.indexOf(bar.name));
          const shift = barWidth * (g - (groups.length - 1) / 2);
          return [
            plot.barY(own, {
              x: place,
              y1: base,
              y2: "value",
              fill: palette[g % palette.length] as string,
              ...inset,
              ...named(`bars ${group || yLabel}`),
            }),
            ...(written ? [1, -1] : []).map((side) =>
              plot.text(
                own.filter(({ value }) => (value < base ? -1 : 1) === side),
                {
                  x: place,
                  y: "value",
                  text: (bar) => showNumber(bar.value, 3),
                  dx: shift,
                  dy: -8 * side,
                  fontSize: size.small,
                  fill: ink,
                  ...named(`values ${group || yLabel}`),
                },
              ),
            ),
          ];
        }),
        plot.ruleY([base], { stroke: ink }),
      ],
    });
  });
  return finished(where, svg, options);
}

/** Intervals of equal width over the finite values of all groups. */
export interface Bins {
  readonly edges: readonly number[];
  /** One list of counts for each group. */
  readonly counts: readonly (readonly number[])[];
}

/** About as many intervals as Freedman and Diaconis ask for: width 2 IQR / n^(1/3); from 5 to 60. */
function binCount(sorted: Float64Array): number {
  const n = sorted.length;
  const range = (sorted[n - 1] as number) - (sorted[0] as number);
  const quartiles = (sorted[Math.floor(0.75 * (n - 1))] as number) - (sorted[Math.floor(0.25 * (n - 1))] as number);
  const width = (2 * quartiles) / Math.cbrt(n);
  return width > 0 ? Math.max(5, Math.min(60, Math.ceil(range / width))) : 20;
}

export function binned(where: string, label: string, groups: readonly (readonly number[])[], count?: number): Bins {
  const all = Float64Array.from(groups.flatMap((values) => values.filter(Number.isFinite))).sort();
  if (!all.length) throw new MinibatchError(`${where}: there is nothing to draw, no value is finite`);
  let [low, high] = [all[0] as number, all[all.length - 1] as number];
  checkReach(where, label, low, high);
  const bins = count ?? binCount(all);
  if (high - low <= Math.max(Math.abs(low), Math.abs(high)) * 1e-9) {
    const pad = Math.max(Math.abs(low) * 0.1, low === 0 ? 0.5 : 0);
    [low, high] = [low - pad, high + pad];
  }
  const width = (high - low) / bins;
  const counts = groups.map((values) => {
    const result = new Array<number>(bins).fill(0);
    for (const value of values) {
      if (!Number.isFinite(value)) continue;
      const at = Math.min(bins - 1, Math.max(0, Math.floor((value - low) / width)));
      result[at] = (result[at] as number) + 1;
    }
    return result;
  });
  return { edges: Array.from({ length: bins + 1 }, (_, i) => (i === bins ? high : low + i * width)), counts };
}

/** One histogram, or several over each other as outlines, with its axes in a box. */
export function histogramPanel(
  lib: Library,
  box: Box,
  bins: Bins,
  look: { x: string; y: string; title?: string; names?: readonly string[]; colors?: readonly string[]; ticks?: number },
): string {
  const { edges, counts } = bins;
  const x: Axis = numberAxis("histograms", "linear", edges, { label: look.x, count: look.ticks ?? 7 });
  const y = numberAxis("histograms", "linear", counts.flat(), {
    label: look.y,
    zero: true,
    nice: true,
    grid: true,
    whole: true,
    count: look.ticks ?? 5,
  });
  const alone = counts.length === 1;
  return panel(lib, box, {
    x,
    y,
    ...(look.title !== undefined && { title: look.title }),
    marks: (plot, named) => [
      ...counts.flatMap((own, g) => {
        const color = look.colors?.[g] ?? (palette[g % palette.length] as string);
        const name = look.names?.[g] ?? "";
        const filled = own
          .map((count, i) => ({ low: edges[i] as number, high: edges[i + 1] as number, count }))
          .filter(({ count }) => count > 0);
        const bodies = plot.rect(filled, {
          x1: "low",
          x2: "high",
          y1: 0,
          y2: "count",
          fill: color,
          fillOpacity: alone ? 0.85 : 0.25,
          ...(alone && box.width / own.length > 6 && { insetLeft: 0.5, insetRight: 0.5 }),
          ...named(`bins ${name}`),
        });
        if (alone) return [bodies];
        // Down to zero at both ends, so that the outline is closed.
        const corners = own.flatMap((count, i) => [[edges[i] as number, count] as const, [edges[i + 1] as number, count] as const]);
        const outline = [[edges[0] as number, 0] as const, ...corners, [edges.at(-1) as number, 0] as const];
        const { dash } = lookOf(g);
        return [
          bodies,
          plot.line(outline, { x: (p) => p[0], y: (p) => p[1], stroke: color, strokeWidth: 2, ...(dash && { strokeDasharray: dash }), ...named(`outline ${name}`) }), // biome-ignore format: one mark
        ];
      }),
      plot.ruleY([0], { stroke: ink }),
    ],
  });
}

/**
 * How often values fall into each of some intervals of equal width; several groups lie over each other. Values that are not finite
 * are left out, and the note says how many.
 *
 * ```ts
 * await histograms([{ name: "train", values: a }, { name: "dev", values: b }], { xLabel: "pixel mean" });
 * ```
 */
export async function histograms(groups: readonly Values[], options: HistogramOptions): Promise<string> {
  const where = "histograms";
  checkPicture(where, options, ["xLabel", "bins"]);
  const xLabel = checkText(where, "xLabel", options?.xLabel);
  const count = options.bins === undefined ? undefined : checkNumber(where, "bins", options.bins, { whole: true, min: 1, max: 1000 });
  const checked = listOf(where, "groups", groups).map((group, i) => {
    const name = namedOf(where, `groups[${i}]`, group);
    return { name, values: listOf(where, `values of "${name}"`, numbersOf(where, `values of "${name}"`, group.values)) };
  });
  const bins = binned(where, xLabel, checked.map(({ values }) => values), count); // biome-ignore format: short
  const lost = checked.reduce((sum, { values }) => sum + values.filter((value) => !Number.isFinite(value)).length, 0);
  const names = checked.map(({ name }) => name);
  const lib = await library();
  const svg = framed(
    options.width ?? defaultWidth,
    options.height ?? defaultHeight,
    {
      title: options.title,
      legend: names.map((name, g) => ({ name, kind: "area", color: palette[g % palette.length] as string })),
      ...(lost > 0 && { note: `${lost === 1 ? "1 value is" : `${lost} values are`} not finite and left out` }),
    },
    (box) => histogramPanel(lib, box, bins, { x: xLabel, y: "count", names }),
  );
  return finished(where, svg, options);
}
