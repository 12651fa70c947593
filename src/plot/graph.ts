// A model's graph from top to bottom: ops as boxes with their shapes, what they read as lines. Parameters and constants stand in
// the box that reads them. The layout is our own: rows by the longest way from the input, long lines led past the boxes.
import { describe, MinibatchError } from "../errors.ts";
import type { NodeView } from "../graph/graph.ts";
import type { Model } from "../model.ts";
import { type Box, checkPicture, finished, framed, type PictureOptions } from "./picture.ts";
import { defaultWidth } from "./series.ts";
import { faint, ink, palette, px, shortened, size, text, textWidth, xml } from "./style.ts";

export interface GraphOptions extends PictureOptions {
  /** With the nodes of the gradient. */
  backward?: boolean | undefined;
}

/** A line of text in a box. */
interface Line {
  readonly content: string;
  readonly bold?: boolean;
  readonly color?: string;
}

/** What stands in a row: a box, or the place where a line passes. */
interface Item {
  readonly row: number;
  readonly width: number;
  readonly lines: readonly Line[];
  /** Undefined where only a line passes. */
  readonly node: NodeView | undefined;
  /** What leads to it from the row above. */
  readonly above: Item[];
  readonly below: Item[];
  /** Its middle. */
  x: number;
}

const boxWidth = { least: 96, most: 238 };
const lineHeight = 15;
const passing = 7;

/** Names as they are read: "argument dense_1.w" is dense_1.w. */
const sourceName = (label: string) => label.replace(/^(argument|variable) /, "");
const layerName = (scope: string) => scope.match(/layer "([^"]*)"/)?.[1] ?? scope;
const shapeOf = (type: string) => type.replace(/^f32/, "");

function linesOf(node: NodeView, inlined: readonly NodeView[]): Line[] {
  const layer = layerName(node.scope);
  const reads = inlined.map(
    (source) => `${sourceName(source.label)}${/^-?[\d.]/.test(source.label) ? "" : ` ${shapeOf(source.types[0] as string)}`}`,
  );
  return [
    { content: node.isOp ? node.label : sourceName(node.label), bold: true },
    { content: [node.types.map(shapeOf).join(", "), layer].filter(Boolean).join("  ") },
    ...[...new Set(reads)].map((read) => ({ content: `← ${read}`, color: faint })),
    ...node.stores.map((store) => ({
      content: `→ ${store.replace(/^out\./, "").replace(/^gradient\./, "gradient of ")}`,
      color: "#b34a00",
    })),
  ];
}

/** Sources that no line leads to: everything but the input, the labels and what is read from them. */
function isInlined(node: NodeView): boolean {
  return !node.isOp && !/^argument [xy]$/.test(node.label);
}

/** Boxes in rows, with places for the lines that pass rows. No row has more than `most` boxes. */
function rowsOf(nodes: readonly NodeView[], most: number): Item[][] {
  const rows: Item[][] = [];
  const boxes = new Map<number, Item>();
  const taken: number[] = [];
  nodes.forEach((node, i) => {
    if (isInlined(node)) return;
    const inputs = [...new Set(node.inputs)];
    const linked = inputs.filter((input) => boxes.has(input));
    let row = linked.reduce((lowest, input) => Math.max(lowest, (boxes.get(input) as Item).row + 1), 0);
    while ((taken[row] ?? 0) >= most) row++;
    taken[row] = (taken[row] ?? 0) + 1;
    const lines = linesOf(node, inputs.filter((input) => !boxes.has(input)).map((input) => nodes[input] as NodeView)); // biome-ignore format: short
    const width = Math.min(boxWidth.most, Math.max(boxWidth.least, ...lines.map(({ content, bold }) => textWidth(content, size.tick) * (bold ? 1.1 : 1) + 20))); // biome-ignore format: short
    boxes.set(i, { row, width, lines, node, above: [], below: [], x: 0 });
  });
  const put = (item: Item) => {
    rows[item.row] ??= [];
    (rows[item.row] as Item[]).push(item);
  };
  for (const item of boxes.values()) put(item);
  // Lines from one box to several rows below share one way down.
  const ways = new Map<number, Item[]>();
  nodes.forEach((node, i) => {
    const box = boxes.get(i);
    if (!box) return;
    for (const input of new Set(node.inputs)) {
      const from = boxes.get(input);
      if (!from) continue;
      const way = ways.get(input) ?? [from];
      ways.set(input, way);
      while ((way.at(-1) as Item).row < box.row - 1) {
        const last = way.at(-1) as Item;
        const next: Item = { row: last.row + 1, width: passing, lines: [], node: undefined, above: [last], below: [], x: 0 };
        last.below.push(next);
        way.push(next);
        put(next);
      }
      const before = way[box.row - 1 - from.row] as Item;
      before.below.push(box);
      box.above.push(before);
    }
  });
  return rows.filter((row) => row !== undefined);
}

const gap = 12;

/** Middles of a row's items near where they want to be, in their order, without overlap, within the width where they fit. */
function settle(row: Item[], width: number, wanted: (item: Item) => number): void {
  const wide = row.reduce((sum, item) => sum + item.width, 0);
  const between = row.length > 1 ? Math.max(0, Math.min(gap, (width - wide) / (row.length - 1))) : 0;
  const places = row.map(wanted);
  row.forEach((item, i) => {
    item.x = places[i] as number;
  });
  const pushRight = () => {
    let right = 0;
    row.forEach((item, i) => {
      item.x = Math.max(item.x, right + (i ? between : 0) + item.width / 2);
      right = item.x + item.width / 2;
    });
  };
  pushRight();
  // What was pushed to the right goes back on average, so that rows stay below what they belong to.
  const pushed = row.reduce((sum, item, i) => sum + item.x - (places[i] as number), 0) / row.length;
  for (const item of row) item.x -= pushed;
  let left = Math.max(width, wide);
  for (let i = row.length - 1; i >= 0; i--) {
    const item = row[i] as Item;
    item.x = Math.min(item.x, left - item.width / 2);
    left = item.x - item.width / 2 - between;
  }
  pushRight();
}

const mean = (items: readonly Item[], fallback: number) =>
  items.length ? items.reduce((sum, { x }) => sum + x, 0) / items.length : fallback;

/** Orders each row by where its neighbours are, down and up again, and sets the x of all items. */
function arrange(rows: readonly Item[][], width: number): void {
  for (const row of rows) settle(row, width, () => width / 2);
  for (let sweep = 0; sweep < 8; sweep++) {
    const down = sweep % 2 === 0;
    const order = down ? rows : [...rows].reverse();
    for (const row of order) {
      const near = new Map(row.map((item) => [item, mean(down ? item.above : item.below, item.x)]));
      if (sweep < 6) row.sort((a, b) => (near.get(a) as number) - (near.get(b) as number));
      settle(row, width, (item) => near.get(item) as number);
    }
  }
  // The whole in the middle.
  const all = rows.flat();
  const low = Math.min(...all.map((item) => item.x - item.width / 2));
  const high = Math.max(...all.map((item) => item.x + item.width / 2));
  for (const item of all) item.x += (width - low - high) / 2;
}

/** No row has more boxes side by side. */
const boxesIn = (width: number) => Math.max(1, Math.min(3, Math.floor(width / 255)));

/** What the widest row takes, its boxes and the lines that pass it. */
function widthOfRows(rows: readonly Item[][]): number {
  return Math.max(...rows.map((row) => row.reduce((sum, item) => sum + item.width, 0)));
}

/** The drawing; its height is what the rows need. */
export function graphMarkup(nodes: readonly NodeView[], box: Box): { markup: string; height: number } {
  const rows = rowsOf(nodes, boxesIn(box.width));
  arrange(rows, box.width);
  const tops: number[] = [];
  let y = box.y;
  const heights = rows.map((row) => Math.max(...row.map(({ lines }) => (lines.length ? lines.length * lineHeight + 9 : 0))));
  heights.forEach((height, i) => {
    tops[i] = y;
    y += height + 24;
  });
  const rowAt = new Map(rows.flatMap((row, i) => row.map((item) => [item, i] as const)));
  const at = (item: Item) => {
    const i = rowAt.get(item) as number;
    const top = tops[i] as number;
    return { x: box.x + item.x, top, bottom: top + (item.node ? item.lines.length * lineHeight + 9 : (heights[i] as number)) };
  };
  const lines: string[] = [];
  const boxes: string[] = [];
  for (const item of rows.flat()) {
    const { x, top, bottom } = at(item);
    if (!item.node) lines.push(`<path d="M${px(x)},${px(top)}V${px(bottom)}"/>`);
    for (const next of item.below) {
      const to = at(next);
      const middle = (bottom + to.top) / 2;
      const end = next.node ? to.top - 5 : to.top;
      lines.push(`<path d="M${px(x)},${px(bottom)}C${px(x)},${px(middle)},${px(to.x)},${px(middle)},${px(to.x)},${px(end)}"/>`);
      if (next.node) boxes.push(`<path d="M${px(to.x - 4)},${px(to.top - 6)}h8l-4,6z" fill="${faint}"/>`);
    }
    if (item.node) boxes.push(boxOf(item, x, top));
  }
  return {
    markup: `<g aria-label="edges" fill="none" stroke="${faint}" stroke-width="1.3">${lines.join("")}</g><g aria-label="nodes">${boxes.join("")}</g>`,
    height: y - box.y - 14,
  };
}

function boxOf(item: Item, x: number, top: number): string {
  const node = item.node as NodeView;
  const left = x - item.width / 2;
  const height = item.lines.length * lineHeight + 9;
  const look = node.isOp ? `fill="#eaf3f9" stroke="${palette[0]}"` : `fill="#f4f4f4" stroke="${faint}"`;
  const lines = item.lines.map(({ content, bold, color }, i) =>
    text(left + 9, top + 15 + i * lineHeight, shortened(content, item.width - 14, size.tick), {
      size: size.tick,
      bold: bold ?? false,
      color: color ?? ink,
    }),
  );
  const full = item.lines.map(({ content }) => content).join("\n");
  return `<g class="node"><title>${xml(full)}</title><rect x="${px(left)}" y="${px(top)}" width="${px(item.width)}" height="${height}" rx="4" ${look}/>${lines.join("")}</g>`;
}

/**
 * The graph of a model, from the input down: each op with the shape of its result (for a batch of two), the layer it belongs to and the
 * parameters it reads; with `backward` also the ops of the gradient. As high as it needs to be, and wider than `width` where a row needs it.
 */
export async function graph(model: Model, options: GraphOptions = {}): Promise<string> {
  const where = "graph";
  checkPicture(where, options, ["backward"]);
  if (typeof (model as Partial<Model> | undefined)?.graph !== "function")
    throw new MinibatchError(`${where}: expected a model such as sequential([...]) makes, got ${describe(model)}`);
  const { backward, title = "Graph", width = defaultWidth } = options;
  if (backward !== undefined && typeof backward !== "boolean")
    throw new MinibatchError(`${where}: backward must be true or false, got ${describe(backward)}`);
  const nodes = model.graph({ backward }).nodes();
  const sides = 28;
  const svg = framed(
    Math.max(width, Math.ceil(widthOfRows(rowsOf(nodes, boxesIn(width - sides)))) + sides),
    "content",
    { title, note: "Shapes are those of a batch of 2; ← what else an op reads, → what is kept" },
    (box) => graphMarkup(nodes, box),
  );
  return finished(where, svg, { ...options, title });
}
