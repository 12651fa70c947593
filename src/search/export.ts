// A study for other programs: a table in CSV, and a journal as Optuna writes it. Knows records only.
import { checkOptions, describe, MinibatchError } from "../errors.ts";
import type { Json } from "../nn/layer.ts";
import { type Kept, plainValues } from "./ledger.ts";
import { descriptionsOf, type TrialRecord } from "./record.ts";
import { asText, isRecordedChoice, type Space } from "./space.ts";
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

/** Optuna's numbers for what a line of its journal does, and for how a trial ended (3.1, and the same since). */
const operations = { createStudy: 0, createTrial: 4, setParam: 5, setState: 6, setReport: 7, setUserAttribute: 8 } as const;
const states = { done: 1, pruned: 2, failed: 3 } as const;

/** A parameter as Optuna has it. One on the scale of 1 - beta becomes a plain range: Optuna knows no such scale. */
function distribution(description: Json): Json {
  const { kind, low, high, values } = description as { kind: string; low: number; high: number; values: readonly Json[] };
  if (kind === "choice") {
    const choices = values.map((value) => (value !== null && typeof value === "object" ? asText(value) : value));
    return { name: "CategoricalDistribution", attributes: { choices } };
  }
  const whole = kind === "integer" || kind === "logInteger";
  const log = kind === "logUniform" || kind === "logInteger";
  return { name: whole ? "IntDistribution" : "FloatDistribution", attributes: { log, step: whole ? 1 : null, low, high } };
}

export function toOptuna(
  trials: readonly Ended[],
  space: Space,
  direction: Direction,
  options: { name?: string | undefined } = {},
): string {
  checkOptions("optunaJournal", options, ["name"]);
  const { name = "minibatch" } = options;
  if (typeof name !== "string") throw new MinibatchError(`optunaJournal: name must be a text, got ${describe(name)}`);
  const lines: string[] = [];
  const line = (code: number, fields: Record<string, Json>) =>
    lines.push(JSON.stringify({ op_code: code, worker_id: "minibatch", ...fields }));
  const time = (milliseconds: number) => new Date(milliseconds).toISOString().slice(0, -1);
  line(operations.createStudy, { study_name: name, directions: [direction === "minimize" ? 1 : 2] });
  trials.forEach(({ record, kept }, id) => {
    line(operations.createTrial, { study_id: 0, datetime_start: time(kept.started) });
    const descriptions = descriptionsOf(space, kept);
    for (const [full, value] of kept.recorded) {
      line(operations.setParam, {
        trial_id: id,
        param_name: full,
        param_value_internal: isRecordedChoice(value) ? value.choice : value,
        distribution: JSON.stringify(distribution(descriptions.get(full) as Json)),
      });
    }
    record.reports.forEach((value, i) => {
      line(operations.setReport, { trial_id: id, step: record.steps[i] as number, intermediate_value: value });
    });
    if (record.error !== undefined) line(operations.setUserAttribute, { trial_id: id, user_attr: { error: record.error } });
    const values = Number.isFinite(record.value) ? [record.value] : null;
    line(operations.setState, { trial_id: id, state: states[record.state], values, datetime_complete: time(kept.ended) });
  });
  return `${lines.join("\n")}\n`;
}
