// What the programs of the course share: the size they run at, tables of figures, claims that are checked, pictures that are kept.
// Knows no lesson. A claim that does not hold sets the exit code to 1; the program goes on, so that all of its figures are seen.
import { mkdirSync, writeFileSync } from "node:fs";

/** Asked for with --small: little data and few epochs, for checks that run often. Pictures are then drawn but not kept. */
export const small = process.argv.includes("--small");

export type Figure = number | string;

/** A claim as it was checked. */
export interface Claim {
  readonly text: string;
  readonly holds: boolean;
}

/** Every claim made so far in this process, in order. */
export const claims: Claim[] = [];

/** Says what was found, with the figures that show it. False: the exit code is 1. */
export function claim(text: string, holds: boolean, figures: Readonly<Record<string, Figure>> = {}): void {
  claims.push({ text, holds });
  if (!holds) process.exitCode = 1;
  const shown = Object.entries(figures).map(([name, value]) => `${name} ${format(value)}`);
  console.log(`${holds ? "holds" : "FALSE"}: ${text}${shown.length > 0 ? ` (${shown.join(", ")})` : ""}`);
}

/** Prints a list of rows under the names of their columns. Numbers are rounded to four digits and stand right. */
export function table(rows: readonly Readonly<Record<string, Figure>>[]): void {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const columns = names.map((name) => {
    const cells = rows.map((row) => (row[name] === undefined ? "" : format(row[name])));
    const width = Math.max(name.length, ...cells.map((cell) => cell.length));
    const right = rows.some((row) => typeof row[name] === "number");
    return [name, "-".repeat(width), ...cells].map((cell) => (right ? cell.padStart(width) : cell.padEnd(width)));
  });
  const lines = (columns[0] ?? []).map((_, i) => columns.map((column) => column[i]).join("  "));
  console.log(`\n${lines.map((line) => `  ${line.trimEnd()}`).join("\n")}\n`);
}

/** A rate as a percentage: 0.0123 is "1.2 %". */
export function percent(rate: number): string {
  return `${(100 * rate).toFixed(1)} %`;
}

/** Keeps an SVG as docs/course/pictures/NAME.svg; with --small it is drawn all the same, and dropped. */
export async function picture(name: string, svg: string | Promise<string>): Promise<void> {
  const text = await svg;
  if (small) return;
  const folder = new URL("../../docs/course/pictures/", import.meta.url);
  mkdirSync(folder, { recursive: true });
  writeFileSync(new URL(`${name}.svg`, folder), text.endsWith("\n") ? text : `${text}\n`);
  console.log(`picture: docs/course/pictures/${name}.svg`);
}

function format(value: Figure): string {
  if (typeof value === "string" || Number.isInteger(value)) return String(value);
  return String(Number(value.toPrecision(4)));
}
