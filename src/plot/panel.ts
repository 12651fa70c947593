// One pair of axes with marks, drawn by the library into a box of a picture, and the element it draws written as XML.
import type { Markish } from "@observablehq/plot";
import type { Axis } from "./axis.ts";
import type { DrawnElement, Library, Plot } from "./library.ts";
import type { Box } from "./picture.ts";
import { ink, px, shortened, size, text, textWidth, xml } from "./style.ts";

/** The option of a mark that gives its group a name: readers of the screen hear it, tests find it. */
export type Named = (name: string) => { className: string };

export interface Panel {
  readonly x: Axis;
  readonly y: Axis;
  readonly title?: string;
  /** Names of a band on the x axis are turned where they do not fit side by side. */
  readonly marks: (plot: Plot, named: Named) => Markish[];
  /** What a `fill` or `stroke` channel of numbers means. */
  readonly color?: import("@observablehq/plot").ScaleOptions;
  readonly bandPadding?: number;
}

/** Pixels between the box's edges and the axes. */
export interface Margins {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

const widest = (axis: Axis) => Math.max(0, ...axis.ticks.map((tick) => textWidth(axis.format(tick), size.tick)));

/** Whether the names below the x axis must be turned to fit. */
function turned(axis: Axis, width: number): boolean {
  if (axis.kind !== "band") return false;
  return widest(axis) > (width / axis.ticks.length) * 0.98;
}

/** Names longer than this are cut. */
const longestName = 150;

export function marginsOf({ x, y, title }: Panel, box: Box): Margins {
  const left = Math.min(longestName, widest(y)) + 10 + (y.label ? 20 : 0);
  const last = x.kind === "band" ? 0 : textWidth(x.format(x.ticks.at(-1) ?? ""), size.tick) / 2;
  const right = Math.max(10, Math.min(60, last + 4));
  const names = turned(x, box.width - left - right) ? Math.min(longestName, widest(x)) * 0.72 + 16 : 22;
  return { left, right, top: title ? 24 : 8, bottom: names + (x.label ? 20 : 2) };
}

/** Axes, grid, marks and labels, as markup in the picture's own pixels. */
export function panel({ plot, draw }: Library, box: Box, spec: Panel): string {
  const { x, y, title } = spec;
  const margins = marginsOf(spec, box);
  const inner = { width: box.width - margins.left - margins.right, height: box.height - margins.top - margins.bottom };
  const turn = turned(x, inner.width);
  // A tick of numbers whose text would touch its neighbour's is left out.
  const room = x.kind === "band" ? x.ticks.length : Math.max(2, Math.floor(inner.width / (widest(x) + 12)));
  const every = Math.max(1, Math.ceil(x.ticks.length / room));
  const shown: Axis = { ...x, ticks: x.ticks.filter((_, i) => i % every === 0) };
  const limit = (axis: Axis) => (tick: unknown) => shortened(axis.format(tick as number | string), longestName, size.tick);
  const scale = (axis: Axis) => ({
    type: axis.kind,
    domain: [...axis.domain],
    axis: null,
    ...(axis.kind === "band" && { padding: spec.bandPadding ?? 0.2 }),
  });
  const ticks = { tickSize: 5, tickPadding: 4, fontSize: size.tick, label: null } as const;
  const grid = { stroke: ink, strokeOpacity: 0.12 };
  const names: string[] = [];
  const named: Named = (name) => ({ className: `named-${names.push(name) - 1}` });
  const element = draw({
    width: box.width,
    height: box.height,
    marginLeft: margins.left,
    marginRight: margins.right,
    marginTop: margins.top,
    marginBottom: margins.bottom,
    x: scale(x),
    y: scale(y),
    ...(spec.color && { color: spec.color }),
    marks: [
      x.grid ? plot.gridX([...shown.ticks], grid) : null,
      y.grid ? plot.gridY([...y.ticks], grid) : null,
      ...spec.marks(plot, named),
      plot.axisX([...shown.ticks], {
        ...ticks,
        text: limit(x),
        anchor: "bottom",
        ...(turn && { tickRotate: -45, textAnchor: "end" }),
      }),
      plot.axisY([...y.ticks], { ...ticks, text: limit(y), anchor: "left" }),
      x.kind !== "band"
        ? plot.ruleY(
            [y.kind === "band" ? undefined : (y.domain[0] as number)].filter((v) => v !== undefined),
            { stroke: ink },
          )
        : null,
    ],
  });
  const middle = { x: margins.left + inner.width / 2, y: margins.top + inner.height / 2 };
  return [
    `<g transform="translate(${px(box.x)},${px(box.y)})" fill="${ink}" text-anchor="middle">`,
    ownIds([...element.childNodes].map((node) => written(node, names)).join("")),
    title ? text(margins.left, 15, shortened(title, box.width - margins.left, size.label), { bold: true }) : "",
    x.label ? text(middle.x, box.height - 5, shortened(x.label, box.width, size.label), { anchor: "middle" }) : "",
    y.label ? text(13, middle.y, shortened(y.label, box.height, size.label), { anchor: "middle", turn: -90 }) : "",
    "</g>",
  ].join("");
}

/**
 * The library numbers its clip paths through the life of the process. Named by what they are part of instead, the same picture is the same
 * text, and two pictures on one page only share a name where they share the path.
 */
function ownIds(markup: string): string {
  const numbered = /plot-clip-\d+/g;
  const ids = [...new Set(markup.match(numbered) ?? [])];
  if (!ids.length) return markup;
  let hash = 0x811c9dc5;
  for (const c of markup.replace(numbered, (id) => String(ids.indexOf(id))))
    hash = Math.imul(hash ^ (c.codePointAt(0) as number), 0x01000193);
  return markup.replace(numbered, (id) => `clip-${(hash >>> 0).toString(36)}-${ids.indexOf(id)}`);
}

const geometric = new Set(["d", "transform", "x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "width", "height", "points"]);

/** The element as XML; coordinates to a tenth of a pixel, so that the last bit of a logarithm does not change the file. */
function written(node: DrawnElement, names: readonly string[]): string {
  if (node.nodeType === 3) return xml(node.textContent ?? "");
  if (node.nodeType !== 1 || node.localName === "style") return "";
  const own = [...node.attributes];
  const name = own.find((attribute) => attribute.name === "class")?.value.match(/^named-(\d+)$/)?.[1];
  const kept = name === undefined ? own : own.filter((attribute) => attribute.name !== "class" && attribute.name !== "aria-label");
  const attributes = kept.map(({ name, value }) => {
    const rounded = geometric.has(name)
      ? value.replace(/-?\d+\.\d{2,}(?:e-?\d+)?/g, (number) => String(Math.round(Number(number) * 10) / 10))
      : value;
    return ` ${name}="${xml(rounded)}"`;
  });
  const inside = [...node.childNodes].map((node) => written(node, names)).join("");
  if (name !== undefined) attributes.push(` aria-label="${xml(names[Number(name)] as string)}"`);
  return `<${node.localName}${attributes.join("")}${inside ? `>${inside}</${node.localName}>` : "/>"}`;
}
