// The weight matrices of a model: each as a map of its numbers and as a histogram. Columns of the first one as images,
// where its inputs are pixels of a square.
import { checkNumber, describe, MinibatchError } from "../errors.ts";
import type { Model } from "../model.ts";
import { show } from "../shape.ts";
import { binned, histogramPanel } from "./bars.ts";
import { between, hex, missing, type Rgb, signed } from "./color.ts";
import { imageElement, imageShape } from "./images.ts";
import { library } from "./library.ts";
import { type Box, checkPicture, finished, framed, type PictureOptions } from "./picture.ts";
import type { Bitmap } from "./png.ts";
import { defaultWidth } from "./series.ts";
import { faint, showNumber, size, text } from "./style.ts";

interface Matrix {
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
  readonly values: Float64Array;
}

/** More cells than this are averaged in blocks: a map has no more pixels. */
const mostCells = 256;

/** The numbers as colours: white is zero, the strongest colour `most`. */
function mapOf({ rows, columns, values }: Matrix, most: number, of?: { column: number; side: number }): Bitmap {
  const [height, width] = of ? [of.side, of.side] : [Math.min(rows, mostCells), Math.min(columns, mostCells)];
  const pixels = new Uint8Array(3 * width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const value = of
        ? (values[(y * of.side + x) * columns + of.column] as number)
        : blockMean(
            values,
            columns,
            [Math.floor((y * rows) / height), Math.floor(((y + 1) * rows) / height)],
            [Math.floor((x * columns) / width), Math.floor(((x + 1) * columns) / width)],
          );
      pixels.set(Number.isFinite(value) ? between(signed, (value / most + 1) / 2) : missing, 3 * (y * width + x));
    }
  }
  return { width, height, channels: 3, pixels };
}

type Range = readonly [begin: number, end: number];

function blockMean(values: Float64Array, columns: number, [top, bottom]: Range, [left, right]: Range): number {
  let sum = 0;
  for (let i = top; i < bottom; i++) for (let j = left; j < right; j++) sum += values[i * columns + j] as number;
  return sum / ((bottom - top) * (right - left));
}

/** The largest absolute value that is finite; 1 where all are 0. */
function strongest(values: Float64Array): number {
  return values.reduce((most, value) => (Number.isFinite(value) && Math.abs(value) > most ? Math.abs(value) : most), 0) || 1;
}

/** What the colours of a map mean. */
function scaleBar(x: number, y: number, width: number, most: number): string {
  const steps = 40;
  const cells = Array.from({ length: steps }, (_, i) => {
    const color = hex(between(signed, i / (steps - 1)) as Rgb);
    return `<rect x="${x + (i * width) / steps}" y="${y}" width="${width / steps + 0.5}" height="8" fill="${color}"/>`;
  });
  const label = (at: number, value: number, anchor: "start" | "middle" | "end") =>
    text(at, y + 20, showNumber(value, 2), { size: size.small, anchor, color: faint });
  return cells.join("") + label(x, -most, "start") + label(x + width / 2, 0, "middle") + label(x + width, most, "end");
}

const mostUnits = 40;

/** One matrix: its map, or its columns as images, and its histogram. */
function matrixRow(
  lib: Awaited<ReturnType<typeof library>>,
  matrix: Matrix,
  box: Box,
  side: number | undefined,
): { markup: string; height: number } {
  const { name, rows, columns, values } = matrix;
  const most = strongest(values);
  const finite = values.filter(Number.isFinite);
  const mean = finite.reduce((sum, v) => sum + v, 0) / finite.length;
  const deviation = Math.sqrt(finite.reduce((sum, v) => sum + (v - mean) ** 2, 0) / finite.length);
  const left = box.width * 0.52;
  const head = text(box.x, box.y + 14, `${name}  ${show([rows, columns])}`, { bold: true });
  let map = "";
  let height = 0;
  const top = box.y + 26;
  if (side !== undefined) {
    // The images of the first units that fit in five rows of eight.
    const shown = Math.min(columns, mostUnits);
    const per = Math.min(8, shown);
    const gap = 5;
    const cell = Math.min(64, (left - gap * (per - 1)) / per);
    for (let unit = 0; unit < shown; unit++) {
      const [x, y] = [box.x + (unit % per) * (cell + gap), top + Math.floor(unit / per) * (cell + gap)];
      map += imageElement(mapOf(matrix, most, { column: unit, side }), x, y, cell, cell, `${name}, unit ${unit}`);
      map += `<rect x="${x}" y="${y}" width="${cell}" height="${cell}" fill="none" stroke="#c8c8c8"/>`;
    }
    height = Math.ceil(shown / per) * (cell + gap);
    const what = `weights of ${shown < columns ? `the first ${shown} of ${columns}` : `all ${columns}`} units on ${side} x ${side} inputs`;
    map += text(box.x, top + height + 12, what, { size: size.tick, color: faint });
    height += 20;
  } else {
    // As wide as there is room, but a flat or narrow matrix stays in proportion as far as it can be seen.
    const width = Math.min(left - 24, Math.max(60, columns * 24));
    height = Math.min(200, Math.max(60, (width * rows) / columns, rows < 10 ? rows * 24 : 0));
    map += imageElement(mapOf(matrix, most), box.x + 20, top, width, height, name);
    map += `<rect x="${box.x + 20}" y="${top}" width="${width}" height="${height}" fill="none" stroke="#c8c8c8"/>`;
    map += text(box.x + 12, top + height / 2, `${rows} inputs`, { size: size.tick, color: faint, anchor: "middle", turn: -90 });
    map += text(box.x + 20 + width / 2, top + height + 15, `${columns} units`, { size: size.tick, color: faint, anchor: "middle" });
    height += 24;
  }
  map += scaleBar(box.x + 20, top + height, 160, most);
  height = Math.max(height + 26, 190);
  const right: Box = { x: box.x + left + 20, y: box.y, width: box.width - left - 20, height: height + 20 };
  const bars = histogramPanel(lib, right, binned("weights", name, [[...values]]), {
    x: `weight: mean ${showNumber(mean, 2)}, deviation ${showNumber(deviation, 2)}`,
    y: "count",
    ticks: 4,
    names: [name],
  });
  return { markup: head + map + bars, height: height + 44 };
}

/** A map and a histogram side by side. */
const leastWidth = 520;

/**
 * The weight matrices of a model, layer by layer: a map of each (blue above zero, vermilion below, white zero; a large one averaged in
 * blocks) and its histogram. Where the inputs are the pixels of a square, at least 4 x 4, the first matrix is drawn as images: what each unit of
 * the first layer looks for.
 */
export async function weights(model: Model, options: PictureOptions = {}): Promise<string> {
  const where = "weights";
  checkPicture(where, options);
  if (options.width !== undefined) checkNumber(where, "width", options.width, { min: leastWidth, max: 10_000 });
  if (typeof (model as Partial<Model> | undefined)?.parameters !== "function")
    throw new MinibatchError(`${where}: expected a model such as sequential([...]) makes, got ${describe(model)}`);
  const matrices = model
    .parameters()
    .filter((parameter) => parameter.rank === 2)
    .map((p): Matrix => ({ name: p.name, rows: p.size(0), columns: p.size(1), values: p.data("f64") }));
  if (!matrices.length) throw new MinibatchError(`${where}: there is nothing to draw, the model has no weight matrices`);
  for (const { name, values } of matrices)
    if (!values.some(Number.isFinite)) throw new MinibatchError(`${where}: no weight of ${name} is finite, so there is nothing to draw`);
  const lib = await library();
  const { title = "Weights", width = defaultWidth } = options;
  const svg = framed(width, "content", { title }, (box) => {
    let y = box.y;
    const parts = matrices.map((matrix, i) => {
      const side = i === 0 ? imageShape([matrix.rows])?.width : undefined;
      const { markup, height } = matrixRow(lib, matrix, { ...box, y, height: 0 }, side);
      y += height;
      return markup;
    });
    return { markup: parts.join(""), height: y - box.y };
  });
  return finished(where, svg, { ...options, title });
}
