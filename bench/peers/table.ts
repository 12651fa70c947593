// From times of many rounds to one table of ratios. Knows no process and no library.
import type { Times } from "../child.ts";
import { median } from "../measure.ts";

/** One side of a comparison: a configuration and its times, one for each round. */
export interface Side {
  readonly name: string;
  readonly rounds: readonly Times[];
}

export interface Result {
  readonly work: string;
  readonly unit: string;
  readonly ours: { readonly name: string; readonly p10: number; readonly median: number };
  readonly peer: { readonly name: string; readonly p10: number; readonly median: number };
  /** Above 1: minibatch is so many times faster. Median over the rounds, lowest, highest. */
  readonly ratio: number;
  readonly lowest: number;
  readonly highest: number;
  /** The same from medians of times instead of 10th percentiles. */
  readonly ratioOfMedians: number;
  /** How much faster multiply-adds were on as many threads as either side had; undefined for one thread. */
  readonly cores?: number | undefined;
}

const p10Of = ({ rounds }: Side) => median(rounds.map((r) => r.p10));
const medianOf = ({ rounds }: Side) => median(rounds.map((r) => r.median));

/** The side that takes least time. */
export function best(sides: readonly Side[]): Side | undefined {
  return [...sides].filter((side) => side.rounds.length > 0).sort((a, b) => p10Of(a) - p10Of(b))[0];
}

/** Round by round, as both were measured next to each other, then the median: a slow drift of the machine meets both. */
export function compare(work: string, unit: { name: string; of(seconds: number): number }, ours: Side, peer: Side, cores?: number): Result {
  const paired = Math.min(ours.rounds.length, peer.rounds.length);
  const ratios = Array.from({ length: paired }, (_, i) => (peer.rounds[i] as Times).p10 / (ours.rounds[i] as Times).p10);
  const figures = (side: Side) => ({ name: side.name, p10: unit.of(p10Of(side)), median: unit.of(medianOf(side)) });
  return {
    work,
    unit: unit.name,
    ours: figures(ours),
    peer: figures(peer),
    ratio: median(ratios),
    lowest: Math.min(...ratios),
    highest: Math.max(...ratios),
    ratioOfMedians: medianOf(peer) / medianOf(ours),
    cores,
  };
}

function figure(x: number): string {
  if (x >= 1000) return Math.round(x).toLocaleString("en");
  return x.toPrecision(3);
}

const head = ["work", "minibatch", "best peer", "its figure", "ratio", "lowest to highest", "cores"];

function cells(r: Result): string[] {
  const ways = r.ours.name.replace(/^minibatch,? ?/, "");
  return [
    r.work,
    `${figure(r.ours.p10)} ${r.unit}${ways ? ` (${ways})` : ""}`,
    r.peer.name,
    `${figure(r.peer.p10)} ${r.unit}`,
    `${r.ratio.toFixed(2)}${r.ratio < 1 ? " slower" : ""}`,
    `${r.lowest.toFixed(2)} to ${r.highest.toFixed(2)}`,
    r.cores === undefined ? "" : r.cores.toFixed(2),
  ];
}

export function textTable(results: readonly Result[]): string {
  const rows = [head, ...results.map(cells)];
  const widths = head.map((_, i) => Math.max(...rows.map((row) => (row[i] as string).length)));
  return rows
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i] as number))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

export function markdownTable(results: readonly Result[]): string {
  const line = (row: readonly string[]) => `| ${row.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...results.map((r) => line(cells(r)))].join("\n");
}
