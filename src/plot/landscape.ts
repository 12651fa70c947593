// A cost of two numbers seen from above, with the paths that optimizers take on it.
import { describe, MinibatchError, ShapeError } from "../errors.ts";
import { Value } from "../ops/define.ts";
import type { Landscape } from "../optim/landscapes.ts";
import { show } from "../shape.ts";
import { tensor } from "../tensor.ts";
import { numberAxis } from "./axis.ts";
import { between, ground, hex } from "./color.ts";
import { library, type Plot } from "./library.ts";
import { type Named, panel } from "./panel.ts";
import { type Box, checkPicture, finished, framed, type LegendEntry, type PictureOptions } from "./picture.ts";
import { defaultWidth, listOf, pairOf } from "./series.ts";
import { faint, ink, lookOf, px, showNumber, size, text } from "./style.ts";

type Point = readonly [number, number];
type Region = Landscape["region"];

/** Samples across; the picture interpolates between them. */
const grid = { width: 120, height: 90 };
const levelCount = 14;

function checkLandscape(where: string, f: unknown): Landscape {
  if (typeof f !== "function") throw new MinibatchError(`${where}: expected a landscape such as landscapes.canyon(), got ${describe(f)}`);
  const { region } = f as Partial<Landscape>;
  const ends = (name: "x" | "y") => {
    const [low, high] = region?.[name] ?? [Number.NaN, Number.NaN];
    if (!(low < high) || !Number.isFinite(high - low))
      throw new MinibatchError(
        `${where}: the function must have region: { x: [low, high], y: [low, high] }, as landscapes.canyon() has; got ${describe(region?.[name])} for ${name}`,
      );
  };
  ends("x");
  ends("y");
  return f as Landscape;
}

/** A little more than the region, so that contours run straight into its edge; what is outside is cut off. */
function extended({ x, y }: Region): Region {
  const [dx, dy] = [(x[1] - x[0]) / (grid.width - 4), (y[1] - y[0]) / (grid.height - 4)];
  return { x: [x[0] - 2 * dx, x[1] + 2 * dx], y: [y[0] - 2 * dy, y[1] + 2 * dy] };
}

/** f at the middles of the cells of a grid, row by row from low y. */
async function sampled(where: string, f: Landscape, region: Region): Promise<Float64Array> {
  const { width, height } = grid;
  const { x, y } = extended(region);
  const xs = Float64Array.from({ length: width * height }, (_, i) => x[0] + ((i % width) + 0.5) * ((x[1] - x[0]) / width));
  const ys = Float64Array.from({ length: width * height }, (_, i) => y[0] + (Math.floor(i / width) + 0.5) * ((y[1] - y[0]) / height));
  const values: unknown = f(tensor(xs), tensor(ys));
  if (!(values instanceof Value)) throw new MinibatchError(`${where}: the function must give a tensor, got ${describe(values)}`);
  if (values.shape.length !== 1 || values.shape[0] !== width * height)
    throw new ShapeError(
      `${where}: the function must work element by element, so that [${width * height}] gives [${width * height}], got ${show(values.shape)}`,
    );
  return (values as ReturnType<typeof tensor>).read("f64");
}

/** Heights between which lies equally much ground, so that there are contours where anything happens; rounded to three digits. */
function levelsOf(values: Float64Array): number[] {
  const sorted = values.filter(Number.isFinite).sort();
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] as number;
  const levels = Array.from({ length: levelCount }, (_, i) => Number(at((i + 1) / (levelCount + 1)).toPrecision(3)));
  return [...new Set(levels)].sort((a, b) => a - b);
}

/** What of a segment lies in the region (Liang and Barsky 1984), or undefined. */
function clipped([x0, y0]: Point, [x1, y1]: Point, { x, y }: Region): readonly [Point, Point] | undefined {
  let [from, to] = [0, 1];
  for (const [start, delta, low, high] of [
    [x0, x1 - x0, ...x],
    [y0, y1 - y0, ...y],
  ] as const) {
    // biome-ignore format: two rows
    if (delta === 0) {
      if (start < low || start > high) return undefined;
      continue;
    }
    const [a, b] = [(low - start) / delta, (high - start) / delta];
    from = Math.max(from, Math.min(a, b));
    to = Math.min(to, Math.max(a, b));
  }
  const at = (t: number): Point => [x0 + t * (x1 - x0), y0 + t * (y1 - y0)];
  return from <= to ? [at(from), at(to)] : undefined;
}

const inside = ([x, y]: Point, region: Region) => x >= region.x[0] && x <= region.x[1] && y >= region.y[0] && y <= region.y[1];
const gap: Point = [Number.NaN, Number.NaN];

/** The parts of a path in the region, with gaps where it leaves it. */
function visible(path: readonly Point[], region: Region): Point[] {
  const out: Point[] = [];
  for (let i = 1; i < path.length; i++) {
    const [a, b] = [path[i - 1] as Point, path[i] as Point];
    const part = [...a, ...b].every(Number.isFinite) ? clipped(a, b, region) : undefined;
    if (!part) continue;
    const last = out.at(-1);
    if (!last || last[0] !== part[0][0] || last[1] !== part[0][1]) out.push(gap, part[0]);
    out.push(part[1]);
  }
  return out;
}

interface Path {
  readonly name: string;
  readonly points: readonly Point[];
  readonly look: ReturnType<typeof lookOf>;
}

function checkPaths(where: string, paths: unknown): Path[] {
  if (paths === null || typeof paths !== "object" || Array.isArray(paths))
    throw new MinibatchError(`${where}: paths must be an object of lists of points by name, got ${describe(paths)}`);
  return Object.entries(paths).map(([name, points], i) => ({
    name,
    points: listOf(where, `path "${name}"`, points as readonly Point[]).map((point, k) => pairOf(where, `path "${name}"`, point, k)),
    look: lookOf(i + 1),
  }));
}

/** What the shades mean, from the lowest ground up. */
function scaleBar(levels: readonly number[], box: Box): string {
  const step = box.height / (levels.length + 1);
  const shade = (i: number) => hex(between(ground, i / levels.length));
  const cells = Array.from({ length: levels.length + 1 }, (_, i) => {
    const y = box.y + box.height - (i + 1) * step;
    return `<rect x="${px(box.x)}" y="${px(y)}" width="14" height="${px(step + 0.3)}" fill="${shade(i)}"/>`;
  });
  const every = Math.max(1, Math.ceil(levels.length / Math.max(1, Math.floor(box.height / 22))));
  const labels = levels.map((level, i) =>
    i % every ? "" : text(box.x + 20, box.y + box.height - (i + 1) * step + 4, showNumber(level, 3), { size: size.small, color: faint }),
  );
  return cells.join("") + labels.join("") + text(box.x, box.y - 6, "cost", { size: size.small, color: faint });
}

/**
 * Contours of a landscape with the paths of optimizers over it. Low ground is dark; contours lie where equally much ground is between
 * them. A path that leaves the region is cut at its edge.
 *
 * ```ts
 * const canyon = landscapes.canyon();
 * const { path } = landscapes.descend(canyon, momentum({ learningRate: 0.02 }), { steps: 60 });
 * await plot.landscape(canyon, { momentum: path });
 * ```
 */
export async function landscape(
  f: Landscape,
  paths: Readonly<Record<string, readonly (readonly [number, number])[]>> = {},
  options: PictureOptions = {},
): Promise<string> {
  const where = "landscape";
  checkPicture(where, options);
  const { region, minimum, formula, name: own } = checkLandscape(where, f);
  const walked = checkPaths(where, paths);
  const values = await sampled(where, f, region);
  if (!values.some(Number.isFinite)) throw new MinibatchError(`${where}: no value in the region is finite, so there is nothing to draw`);
  const levels = levelsOf(values);
  const lib = await library();
  const x = numberAxis(where, "linear", region.x, { label: "x" });
  const y = numberAxis(where, "linear", region.y, { label: "y" });
  const colors = [0, ...levels].map((_, i) => hex(between(ground, i / levels.length)));
  const wide = extended(region);
  const starts = walked.map(({ points }) => points[0] as Point).filter((point) => inside(point, region));
  const marks = (plot: Plot, named: Named) => [
    plot.rect([0], { x1: region.x[0], x2: region.x[1], y1: region.y[0], y2: region.y[1], fill: colors[0] as string }),
    plot.contour(values, {
      ...grid,
      x1: wide.x[0],
      x2: wide.x[1],
      y1: wide.y[0],
      y2: wide.y[1],
      clip: "frame",
      thresholds: levels,
      fill: plot.identity,
      stroke: "#5b7486",
      strokeWidth: 0.5,
      ...named("contours"),
    }),
    ...walked.flatMap(({ name, points, look }) => {
      const part = visible(points, region);
      const steps = points.filter((point) => inside(point, region));
      const at = { x: (p: Point) => p[0], y: (p: Point) => p[1] };
      const last = points.at(-1) as Point;
      return [
        plot.line(part, { ...at, stroke: look.color, strokeWidth: 2, ...(look.dash && { strokeDasharray: look.dash }), ...named(`path ${name}`) }), // biome-ignore format: one mark
        steps.length <= 80 ? plot.dot(steps, { ...at, fill: look.color, r: 2.2, ...named(`steps ${name}`) }) : null,
        inside(last, region) ? plot.dot([last], { ...at, fill: look.color, symbol: look.symbol, r: 5.5, stroke: "#ffffff", ...named(`end ${name}`) }) : null, // biome-ignore format: one mark
      ];
    }),
    plot.dot(starts, { x: (p) => p[0], y: (p) => p[1], r: 5, fill: "#ffffff", stroke: ink, strokeWidth: 1.8, ...named("start") }),
    minimum ? plot.dot([minimum], { x: (p) => p[0], y: (p) => p[1], symbol: "times", r: 5, stroke: ink, strokeWidth: 2, ...named("minimum") }) : null, // biome-ignore format: one mark
  ];
  const legend: LegendEntry[] = walked.map(({ name, look }) => ({ name, kind: "line", ...look }));
  const { title = own ? `Landscape: ${own}` : "Landscape", width = defaultWidth, height = 560 } = options;
  const marksNote = [starts.length ? "○ start" : "", minimum ? "× minimum" : "", walked.length ? "a path's marker in the legend stands at its end" : ""]; // biome-ignore format: short
  const note = [formula ? `f(x, y) = ${formula}` : "", ...marksNote].filter(Boolean).join(";  ");
  const svg = framed(width, height, { title, legend, ...(note && { note }) }, (box) => {
    const bar = 76;
    const main = { ...box, width: box.width - bar };
    const color = { type: "threshold" as const, domain: levels, range: colors };
    const column = { x: box.x + box.width - bar + 14, y: box.y + 20, width: bar, height: box.height - 70 };
    return panel(lib, main, { x, y, marks, color }) + scaleBar(levels, column);
  });
  return finished(where, svg, { ...options, title });
}
