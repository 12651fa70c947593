// What a classifier takes for what: counts of actual against predicted classes.
import { describe, MinibatchError, ShapeError } from "../errors.ts";
import { Value } from "../ops/define.ts";
import { show } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { bandAxis } from "./axis.ts";
import { between, blues, hex, oranges } from "./color.ts";
import { type Library, library } from "./library.ts";
import { panel } from "./panel.ts";
import { type Box, checkPicture, checkText, finished, framed, type PictureOptions } from "./picture.ts";
import { defaultWidth, numbersOf } from "./series.ts";
import { ink, palette, showNumber, size, textWidth } from "./style.ts";

export interface ConfusionOptions extends PictureOptions {
  /** Names of the classes; their numbers by default. */
  classes?: readonly string[] | undefined;
}

function rowsOf(where: string, matrix: unknown): number[][] {
  if (matrix instanceof Value && matrix.rank !== 2)
    throw new ShapeError(
      `${where}: the counts must be a square matrix [k, k], got ${show(matrix.shape)}; metrics.confusionMatrix makes it`,
    );
  const rows: unknown = matrix instanceof Value ? (matrix as Tensor).toArray(2) : matrix;
  if (!Array.isArray(rows) || !rows.length) throw new MinibatchError(`${where}: expected counts [k, k], got ${describe(matrix)}`);
  return Array.from(rows).map((row: unknown, i) => {
    const counts = [...numbersOf(where, `row ${i}`, row)];
    if (counts.length !== rows.length)
      throw new ShapeError(
        `${where}: the counts must be a square matrix, got ${rows.length} rows and ${counts.length} numbers in row ${i}`,
      );
    const wrong = counts.findIndex((count) => !(count >= 0 && Number.isFinite(count)));
    if (wrong >= 0)
      throw new MinibatchError(`${where}: counts must be finite numbers from 0, got ${counts[wrong]} in row ${i}, column ${wrong}`);
    return counts;
  });
}

/** Classes of which each is named, and has a line about its cells. */
const most = 40;

/** The matrix with its axes in a box. */
export function confusionMarkup(lib: Library, where: string, matrix: unknown, classes: readonly string[] | undefined, box: Box): string {
  const rows = rowsOf(where, matrix);
  const names = classes ?? rows.map((_, i) => String(i));
  if (!Array.isArray(names) || names.length !== rows.length)
    throw new MinibatchError(`${where}: there must be a name for each of the ${rows.length} classes, got ${describe(classes)}`);
  Array.from(names).forEach((name, i) => {
    checkText(where, `classes[${i}]`, name);
  });
  // So many classes have no room for lines between them, and empty cells are as white as the paper.
  const dense = rows.length > most;
  const cells = rows.flatMap((row, i) => {
    const total = row.reduce((sum, count) => sum + count, 0);
    return row.map((count, j) => {
      const share = total > 0 ? count / total : 0;
      // Rare mistakes must be seen too: a square root lifts small shares.
      const color = hex(between(i === j ? blues : oranges, i === j ? share : Math.sqrt(share)));
      return { x: String(j), y: String(i), count, color, dark: (i === j ? share : Math.sqrt(share)) > 0.6 };
    });
  });
  const cell = Math.min(box.width - 100, box.height - 50) / rows.length;
  const digits = Math.max(...cells.map(({ count }) => showNumber(count).length));
  const fontSize = Math.min(14, cell * 0.5, (cell * 1.5) / digits);
  const label = (on: boolean, color: string) => ({ x: "x", y: "y", fontSize, fill: color, text: (c: { count: number }) => showNumber(c.count), filter: (c: { dark: boolean; count: number }) => c.dark === on && c.count > 0 }); // biome-ignore format: one mark
  return panel(lib, box, {
    x: bandAxis("predicted class", names, most),
    y: bandAxis("actual class", names, most),
    bandPadding: 0,
    marks: (plot, named) => [
      dense ? plot.frame({ stroke: "#c8c8c8" }) : null,
      plot.cell(dense ? cells.filter(({ count }) => count > 0) : cells, {
        x: "x",
        y: "y",
        fill: "color",
        ...(!dense && { stroke: "#e4e4e4" }),
        ...named("cells"),
      }),
      ...(fontSize >= 6
        ? [
            plot.text(cells, { ...label(false, ink), ...named("counts") }),
            plot.text(cells, { ...label(true, "#ffffff"), ...named("counts") }),
          ]
        : []),
    ],
  });
}

export const confusionLegend = [
  { name: "right", kind: "area", color: palette[0] as string },
  { name: "wrong", kind: "area", color: palette[1] as string },
] as const;

/**
 * Counts [k, k], row = actual class, column = predicted class, as metrics.confusionMatrix gives them. Colours show the share of the row:
 * blue what is right, vermilion what is not.
 *
 * ```ts
 * await plot.confusionMatrix(metrics.confusionMatrix(await model.predict(dev.x), dev.y), { classes: ["cat", "dog"] });
 * ```
 */
export async function confusionMatrix(matrix: Tensor | readonly (readonly number[])[], options: ConfusionOptions = {}): Promise<string> {
  const where = "confusionMatrix";
  checkPicture(where, options, ["classes"]);
  const k = rowsOf(where, matrix).length;
  const { classes } = options;
  // Long names are turned below the matrix and take height there.
  const longest = Math.max(
    0,
    ...(Array.isArray(classes) ? classes : []).map((name) => (typeof name === "string" ? textWidth(name, size.tick) : 0)),
  );
  const turned = longest > 60 ? Math.min(150, longest) * 0.75 : 0;
  const lib = await library();
  const { title = "Confusion matrix", width = Math.min(defaultWidth, Math.max(420, 64 * k + 140 + turned)) } = options;
  const { height = Math.min(800, Math.max(320, 46 * k + 130) + turned) } = options;
  const svg = framed(width, height, { title, legend: confusionLegend }, (box) => confusionMarkup(lib, where, matrix, classes, box));
  return finished(where, svg, { ...options, title });
}
