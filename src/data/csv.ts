// Tables as text: RFC 4180 (quotes, doubled quotes, line breaks in quotes), any one-character separator, and a data set made of one.
import { type Dataset, dataset } from "../dataset.ts";
import { checkOptions, describe, MinibatchError, nearest } from "../errors.ts";
import { fromArray, type Tensor } from "../tensor.ts";
import { readText } from "./read.ts";

/** A record with the line of the file on which it starts, from 1. */
export interface CsvRecord {
  readonly line: number;
  readonly fields: readonly string[];
}

/** The records of a text; empty lines are passed over. `fail` makes the error for what breaks the format. */
export function parseCsv(text: string, separator: string, fail: (what: string) => Error): CsvRecord[] {
  const records: CsvRecord[] = [];
  let at = 0;
  let line = 1;

  /** A field in quotes, from its opening one; steps behind the closing one. */
  function quoted(): string {
    const start = line;
    let value = "";
    for (;;) {
      const close = text.indexOf('"', at + 1);
      if (close < 0) throw fail(`a quoted field must end, got the end of the file (the field starts on line ${start})`);
      const piece = text.slice(at + 1, close);
      for (let k = piece.indexOf("\n"); k >= 0; k = piece.indexOf("\n", k + 1)) line++;
      value += piece;
      at = close + 1;
      if (text[at] !== '"') return value;
      value += '"';
    }
  }

  function plain(): string {
    const start = at;
    while (at < text.length && text[at] !== separator && text[at] !== "\n") {
      if (text[at] === '"')
        throw fail(
          `a field with quotes in it must be quoted and the quotes doubled, got ${describe(text.slice(start, at + 10))} (line ${line})`,
        );
      at++;
    }
    const end = text[at] !== separator && text[at - 1] === "\r" && at > start ? at - 1 : at;
    return text.slice(start, end).trim();
  }

  while (at < text.length) {
    const start = line;
    const fields: string[] = [];
    for (;;) {
      const inQuotes = text[at] === '"';
      fields.push(inQuotes ? quoted() : plain());
      if (text[at] === separator) {
        at++;
        continue;
      }
      if (text[at] === "\r" && text[at + 1] === "\n") at++;
      if (at < text.length && text[at] !== "\n")
        throw fail(`a quoted field must be followed by "${separator}" or a line's end, got ${describe(text[at])} (line ${line})`);
      at++;
      line++;
      // A lone empty field is an empty line, unless quotes say that it is a field.
      if (fields.length > 1 || fields[0] !== "" || inQuotes) records.push({ line: start, fields });
      break;
    }
  }
  return records;
}

export interface CsvOptions {
  /** The column of the labels; several make y `[m, k]`. */
  label: string | readonly string[];
  /** The columns of the features, in this order; by default all but the labels. */
  columns?: readonly string[] | undefined;
  /** One character, by default a comma. */
  separator?: string | undefined;
}

/**
 * A data set from a table whose first line names the columns; the file may be gzipped. x is f32 `[m, n]`. A label column of whole numbers is
 * i32 `[m]`, one of other numbers f32; one of words becomes whole numbers in the order of the sorted words, which `classes` then holds.
 * A missing or misspelled number is an error that names row and column.
 *
 * ```ts
 * const houses = await csv("houses.csv", { label: "price", separator: ";" });
 * ```
 */
export async function csv(file: string | URL, options: CsvOptions): Promise<Dataset> {
  checkOptions("csv", options, ["label", "columns", "separator"]);
  const { label, columns, separator = "," } = options ?? {};
  if (typeof separator !== "string" || separator.length !== 1 || '"\r\n'.includes(separator)) {
    throw new MinibatchError(`csv: separator must be one character, no quote and no line break, got ${describe(separator)}`);
  }
  const labels = typeof label === "string" ? [label] : label;
  if (!isNames(labels)) throw new MinibatchError(`csv: label must be a column's name or a list of names, got ${describe(label)}`);
  if (columns !== undefined && !isNames(columns))
    throw new MinibatchError(`csv: columns must be a list of names, got ${describe(columns)}`);
  const fail = (what: string) => new MinibatchError(`csv: ${what} (${String(file)})`, "FILE");
  const table = readTable(parseCsv(await readText("csv", file), separator, fail), fail);

  const y = labels.map((name) => columnIndex(table, name, fail));
  const x = columns?.map((name) => columnIndex(table, name, fail)) ?? [...table.names.keys()].filter((j) => !y.includes(j));
  if (x.length === 0) throw fail(`there must be a feature beside the label, got the columns ${table.names.join(", ")}`);
  const both = x.find((j) => y.includes(j));
  if (both !== undefined) throw fail(`a column must not be both feature and label, got "${table.names[both]}"`);

  const features = fromArray(numbers(table, x, fail), [table.records.length, x.length]);
  if (typeof label !== "string") return dataset(features, fromArray(numbers(table, y, fail), [table.records.length, y.length]));
  const { values, classes } = labelColumn(table, y[0] as number, fail);
  return dataset(features, values, { classes });
}

function isNames(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.length > 0 && value.every((name) => typeof name === "string");
}

interface Table {
  readonly names: readonly string[];
  readonly records: readonly CsvRecord[];
}
type Fail = (what: string) => Error;

function readTable([header, ...records]: CsvRecord[], fail: Fail): Table {
  const names = header?.fields ?? [];
  if (header === undefined || records.length === 0)
    throw fail(`a table has a line of column names and a row at least, got ${header ? "no row" : "nothing"}`);
  if (names.every((name) => numeric.test(name))) throw fail(`the first line must name the columns, got ${describe(names.join(","))}`);
  const twice = names.find((name, j) => names.indexOf(name) !== j);
  if (twice !== undefined) throw fail(`the columns' names must differ, got "${twice}" twice`);
  for (const [i, { line, fields }] of records.entries()) {
    if (fields.length === names.length) continue;
    throw fail(`every row must have ${names.length} fields, got ${fields.length} in row ${i + 1} (line ${line}); is the separator right?`);
  }
  return { names, records };
}

function columnIndex({ names }: Table, name: string, fail: Fail): number {
  const at = names.indexOf(name);
  if (at >= 0) return at;
  const near = nearest(name, names);
  throw fail(`there is no column "${name}"${near ? `, did you mean "${near}"?` : `; there are ${names.slice(0, 20).join(", ")}`}`);
}

const numeric = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;
const missing = new Set(["", "na", "n/a", "nan", "null", "?"]);

function place(table: Table, row: number, column: number): string {
  return `row ${row + 1} (line ${table.records[row]?.line}), column "${table.names[column]}"`;
}

/** Columns of numbers as f32 `[m, columns]`. */
function numbers(table: Table, columns: readonly number[], fail: Fail): Float32Array<ArrayBuffer> {
  const out = new Float32Array(table.records.length * columns.length);
  for (const [i, { fields }] of table.records.entries()) {
    for (const [k, j] of columns.entries()) {
      const field = (fields[j] as string).trim();
      const value = Math.fround(Number(field));
      if (!numeric.test(field) || !Number.isFinite(value)) {
        const what = missing.has(field.toLowerCase()) ? "is missing" : `must be a number, got ${describe(field)}`;
        throw fail(`a value ${what} in ${place(table, i, j)}; the option columns chooses which are read`);
      }
      out[i * columns.length + k] = value;
    }
  }
  return out;
}

function labelColumn(table: Table, column: number, fail: Fail): { values: Tensor; classes?: string[] } {
  const fields = table.records.map((record) => (record.fields[column] as string).trim());
  const gap = fields.findIndex((field) => missing.has(field.toLowerCase()));
  if (gap >= 0) throw fail(`a label is missing in ${place(table, gap, column)}`);
  const m = fields.length;
  if (!fields.every((field) => numeric.test(field))) {
    const classes = [...new Set(fields)].sort((a, b) => (a < b ? -1 : 1));
    const codes = new Map(classes.map((name, code) => [name, code]));
    return {
      values: fromArray(
        Int32Array.from(fields, (field) => codes.get(field) as number),
        [m],
      ),
      classes,
    };
  }
  const whole = fields.every((field) => Number.isInteger(Number(field)) && Math.abs(Number(field)) < 2 ** 31);
  return { values: fromArray(whole ? Int32Array.from(fields, Number) : numbers(table, [column], fail), [m]) };
}
