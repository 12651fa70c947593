// The frame of every picture: its options, title and legend, and the file it may go into. Knows nothing of what is drawn.
import { checkNumber, checkOptions, describe, MinibatchError } from "../errors.ts";
import { writeFile } from "../io/file.ts";
import { faint, font, type Look, px, type SymbolName, shortened, size, text, textWidth, xml } from "./style.ts";

export interface PictureOptions {
  title?: string | undefined;
  /** Pixels; 800 by default. */
  width?: number | undefined;
  /** Pixels; by default what the picture needs, and always so for graph, images and weights. */
  height?: number | undefined;
  /** Where to write the picture too: a name that ends in .svg, or in .html for a page of its own. */
  file?: string | URL | undefined;
}

/** A part of a picture, in its pixels. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface LegendEntry extends Partial<Look> {
  readonly name: string;
  readonly color: string;
  readonly kind: "line" | "area" | "marker";
}

const own = ["title", "width", "height", "file"];

/** The options checked: unknown names, sizes out of range, files of another kind. */
export function checkPicture(where: string, options: unknown, more: readonly string[] = []): void {
  checkOptions(where, options, [...more, ...own]);
  const { title, width, height, file } = (options ?? {}) as PictureOptions;
  if (title !== undefined && typeof title !== "string") throw new MinibatchError(`${where}: title must be a text, got ${describe(title)}`);
  if (width !== undefined) checkNumber(where, "width", width, { min: 240, max: 10_000 });
  if (height !== undefined) checkNumber(where, "height", height, { min: 120, max: 100_000 });
  if (file !== undefined) fileKind(where, file);
}

/** svg or html, by the name's end. */
function fileKind(where: string, file: unknown): "svg" | "html" {
  const name = file instanceof URL ? file.pathname : file;
  if (typeof name !== "string") throw new MinibatchError(`${where}: file must be a path or a file: URL, got ${describe(file)}`);
  if (/\.svg$/i.test(name)) return "svg";
  if (/\.html?$/i.test(name)) return "html";
  throw new MinibatchError(`${where}: a picture's file must end in .svg or .html, got ${describe(name)}; a browser makes a PNG of either`);
}

/** A text option such as a label of an axis. */
export function checkText(where: string, name: string, value: unknown): string {
  if (typeof value === "string") return value;
  throw new MinibatchError(`${where}: ${name} must be a text${value === undefined ? ", it is missing" : `, got ${describe(value)}`}`);
}

/** A marker of about `radius` pixels at a point. */
export function marker(x: number, y: number, symbol: SymbolName, color: string, radius = 4): string {
  const at = (points: readonly (readonly [number, number])[]) =>
    `<path d="M${points.map(([dx, dy]) => `${px(x + dx * radius)},${px(y + dy * radius)}`).join("L")}Z" fill="${color}"/>`;
  switch (symbol) {
    case "circle":
      return `<circle cx="${px(x)}" cy="${px(y)}" r="${px(radius)}" fill="${color}"/>`;
    case "square":
      return at([[-0.9, -0.9], [0.9, -0.9], [0.9, 0.9], [-0.9, 0.9]]); // biome-ignore format: one row
    case "triangle":
      return at([[0, -1.2], [1.1, 0.8], [-1.1, 0.8]]); // biome-ignore format: one row
    case "diamond":
      return at([[0, -1.3], [1, 0], [0, 1.3], [-1, 0]]); // biome-ignore format: one row
    case "cross": {
      const a = 0.4;
      const b = 1.2;
      return at([[-b, -a], [-a, -a], [-a, -b], [a, -b], [a, -a], [b, -a], [b, a], [a, a], [a, b], [-a, b], [-a, a], [-b, a]]); // biome-ignore format: one row
    }
    case "star":
    case "wye": {
      const spikes = symbol === "star" ? 5 : 3;
      const points = Array.from({ length: 2 * spikes }, (_, i) => {
        const r = i % 2 ? 0.5 : 1.4;
        const angle = (Math.PI * i) / spikes - (symbol === "star" ? Math.PI / 2 : -Math.PI / 2);
        return [r * Math.cos(angle), r * Math.sin(angle)] as const;
      });
      return at(points);
    }
  }
}

const keyWidth = 30;

function legendKey(entry: LegendEntry, x: number, y: number): string {
  const dash = entry.dash ? ` stroke-dasharray="${entry.dash}"` : "";
  if (entry.kind === "area") return `<rect x="${px(x + 6)}" y="${px(y - 6)}" width="16" height="12" fill="${entry.color}"/>`;
  const line =
    entry.kind === "line"
      ? `<path d="M${px(x)},${px(y)}h${keyWidth - 4}" stroke="${entry.color}" stroke-width="2" fill="none"${dash}/>`
      : "";
  return line + (entry.symbol ? marker(x + keyWidth / 2 - 2, y, entry.symbol, entry.color) : "");
}

/** The legend as rows of keys and names, wrapped at the width. */
function legendOf(entries: readonly LegendEntry[], box: Box): { markup: string; height: number } {
  let [x, y] = [box.x, box.y + 10];
  const parts = entries.map((entry) => {
    const name = shortened(entry.name, box.width - keyWidth - 20, size.label);
    const width = keyWidth + textWidth(name, size.label) + 18;
    if (x > box.x && x + width > box.x + box.width + 18) [x, y] = [box.x, y + 20];
    const part = legendKey(entry, x, y) + text(x + keyWidth, y + 4.5, name);
    x += width;
    return part;
  });
  return { markup: `<g class="legend">${parts.join("")}</g>`, height: entries.length ? y - box.y + 16 : 0 };
}

export interface Frame {
  readonly title?: string | undefined;
  readonly legend?: readonly LegendEntry[];
  /** A line of text below the title. */
  readonly note?: string;
}

const margin = 14;

/**
 * A whole picture: title, note and legend on white, and below them what `content` draws into the rest. `height` is the whole picture's;
 * with "content" it is as high as the content says it is.
 */
export function framed(
  width: number,
  height: number | "content",
  frame: Frame,
  content: (box: Box) => string | { markup: string; height: number },
): string {
  let y = margin;
  let head = "";
  const inside = width - 2 * margin;
  if (frame.title) {
    head += text(margin, y + size.title - 2, shortened(frame.title, inside, size.title), { size: size.title, bold: true });
    y += size.title + 10;
  }
  if (frame.note) {
    for (const line of wrapped(frame.note, inside, size.label)) {
      head += text(margin, y + size.label - 1, line, { color: faint });
      y += size.label + 5;
    }
    y += 3;
  }
  const legend = legendOf(frame.legend ?? [], { x: margin, y, width: inside, height: 0 });
  y += legend.height;
  const room = height === "content" ? 0 : Math.max(60, height - y - margin / 2);
  const drawn = content({ x: margin, y, width: inside, height: room });
  const { markup, height: used } = typeof drawn === "string" ? { markup: drawn, height: room } : drawn;
  const total = Math.ceil(height === "content" ? y + used + margin : Math.max(height, y + room + margin / 2));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${total}" viewBox="0 0 ${width} ${total}" role="img" font-family="${xml(font)}" style="max-width:100%;height:auto;background:#ffffff">`,
    `<title>${xml(frame.title || "picture")}</title>`,
    `<rect width="${width}" height="${total}" fill="#ffffff"/>`,
    head,
    legend.markup,
    markup,
    "</svg>\n",
  ].join("");
}

/** Text broken at spaces into lines of at most this width. */
export function wrapped(content: string, width: number, fontSize: number): string[] {
  const lines: string[] = [];
  for (const word of content.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && textWidth(`${last} ${word}`, fontSize) <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(shortened(word, width, fontSize));
  }
  return lines;
}

/** A page that holds markup and needs nothing else. */
export function page(title: string, body: string, style = "body{margin:16px;background:#ffffff}"): string {
  return `<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>${xml(title)}</title>\n<style>${style}</style>\n</head>\n<body>\n${body}</body>\n</html>\n`;
}

/** Gives the picture back, and writes it where the options ask for it. */
export async function finished(where: string, svg: string, options: PictureOptions | undefined): Promise<string> {
  const file = options?.file;
  if (file !== undefined) {
    const content = fileKind(where, file) === "svg" ? svg : page(options?.title ?? where, svg);
    await writeFile(where, file, new TextEncoder().encode(content));
  }
  return svg;
}
