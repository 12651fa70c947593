// How pictures look: colours, dashes, markers, numbers and text as XML. Knows no axis and no library.

/**
 * Okabe and Ito's colours, told apart with any kind of colour blindness (Color Universal Design, 2008); their yellow, which white
 * swallows, is left out, and black comes last.
 */
export const palette: readonly string[] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];
export const dashes: readonly string[] = ["", "9 4", "2 4", "10 4 2 4"];
export const symbols = ["circle", "square", "triangle", "diamond", "cross", "star", "wye"] as const;
export type SymbolName = (typeof symbols)[number];

export const ink = "#222222";
export const faint = "#767676";
export const font = "Arial, Helvetica, 'Liberation Sans', 'DejaVu Sans', sans-serif";
export const size = { title: 17, label: 13, tick: 12, small: 11 } as const;

export interface Look {
  readonly color: string;
  /** A pattern of stroke-dasharray; empty is a solid line. */
  readonly dash: string;
  readonly symbol: SymbolName;
}

/** The look of series i: colours repeat after seven, with another dash. Markers differ too, for print in grey. */
export function lookOf(i: number, dashed = false): Look {
  const round = Math.floor(i / palette.length);
  return {
    color: palette[i % palette.length] as string,
    dash: dashed ? "6 5" : (dashes[round % dashes.length] as string),
    symbol: symbols[i % symbols.length] as SymbolName,
  };
}

/** What XML 1.0 allows; a half of a surrogate pair is no character. */
function allowed(code: number): boolean {
  return code >= 0x20 ? code < 0xd800 || (code >= 0xe000 && code < 0xfffe) || code >= 0x10000 : code === 9 || code === 10 || code === 13;
}

/** Text as it may stand in XML and HTML, between tags or in an attribute. */
export function xml(content: string): string {
  return Array.from(content, (c) => (allowed(c.codePointAt(0) as number) ? c : "\ufffd"))
    .join("")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&#39;");
}

/** About how wide a text is in Arial: there is no font to measure with. Errs on the wide side. */
export function textWidth(text: string, fontSize: number): number {
  let em = 0;
  for (const c of text) {
    if (/[iljtfI.,:;'|!()[\] ]/.test(c)) em += 0.32;
    else if (/[mwMW@%—]/.test(c)) em += 0.9;
    else if (/[A-Z&]/.test(c)) em += 0.7;
    else if ((c.codePointAt(0) as number) > 0x2e80) em += 1;
    else em += 0.57;
  }
  return em * fontSize;
}

/** The text, or its beginning with an ellipsis where it is too wide. */
export function shortened(text: string, width: number, fontSize: number): string {
  if (textWidth(text, fontSize) <= width) return text;
  const letters = [...text];
  while (letters.length > 1 && textWidth(`${letters.join("")}…`, fontSize) > width) letters.pop();
  return `${letters.join("")}…`;
}

/** A number as people write it: four digits, powers of ten where it is very large or small. */
export function showNumber(x: number, digits = 4): string {
  if (x === 0) return "0";
  if (!Number.isFinite(x)) return Number.isNaN(x) ? "not a number" : x > 0 ? "∞" : "−∞";
  const magnitude = Math.abs(x);
  const text = magnitude >= 1e5 || magnitude < 1e-3 ? x.toExponential(digits - 1) : String(Number(x.toPrecision(digits)));
  const [mantissa = "", power] = text.split("e");
  const shown = power === undefined ? mantissa : `${String(Number(mantissa))}e${Number(power)}`;
  return shown.replaceAll("-", "−");
}

/** A coordinate: two digits are a hundredth of a pixel. */
export function px(x: number): string {
  return String(Math.round(x * 100) / 100);
}

export interface TextStyle {
  readonly size?: number;
  readonly anchor?: "start" | "middle" | "end";
  readonly color?: string;
  readonly bold?: boolean;
  /** Degrees about the text's own point. */
  readonly turn?: number;
}

/** A line of text whose baseline starts (or is centred, or ends) at x, y. */
export function text(x: number, y: number, content: string, style: TextStyle = {}): string {
  const at = style.turn ? `transform="translate(${px(x)},${px(y)}) rotate(${style.turn})"` : `x="${px(x)}" y="${px(y)}"`;
  const anchor = ` text-anchor="${style.anchor ?? "start"}"`;
  const weight = style.bold ? ' font-weight="bold"' : "";
  return `<text ${at} font-size="${style.size ?? size.label}" fill="${style.color ?? ink}"${anchor}${weight}>${xml(content)}</text>`;
}
