// Tables as text: RFC 4180 (quotes, doubled quotes, line breaks in quotes), any one-character separator, and a data set made of one.
import { type Dataset, dataset } from "../dataset.ts";
import { convert, type TypedArray } from "../dtype.ts";
import { checkOptions, describe, MinibatchError, nearest } from "../errors.ts";
import { fromArray } from "../tensor.ts";
import { readText } from "./read.ts";

/** A record with the line of the file on which it starts, from 1. */
export interface CsvRecord {
  readonly line: number;
  readonly fields: readonly string[];
}

/**
 * The records of a text one after another, so that no more than one is held; empty lines are passed over. `fail` makes the error for what
 * breaks the format.
 */
export function* parseCsv(text: string, separator: string, fail: (what: string) => Error): Generator<CsvRecord> {
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
      if (fields.length >= maxColumns)
        throw fail(`a line has at most ${maxColumns} fields, got more in line ${start}; is the separator right?`);
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
      if (fields.length > 1 || fields[0] !== "" || inQuotes) yield { line: start, fields };
      break;
    }
  }
}

/** A line of so many fields is held at once. */
const maxColumns = 2 ** 20;

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
  return decodeCsv(await readText("csv", file), String(file), { label, labels, columns, separator });
}

/** What csv() was told, checked. */
export interface CsvPlan {
  readonly label: string | readonly string[];
  readonly labels: readonly string[];
  readonly columns: readonly string[] | undefined;
  readonly separator: string;
}

/** The data set in a text: it is read twice, the second time into arrays of the sizes that the first has counted. */
export function decodeCsv(text: string, file: string, { label, labels, columns, separator }: CsvPlan): Dataset {
  const fail = (what: string) => new MinibatchError(`csv: ${what} (${file})`, "FILE");
  const names = readNames(parseCsv(text, separator, fail), fail);
  const y = labels.map((name) => columnIndex(names, name, fail));
  const labelColumns = new Set(y);
  const x = columns?.map((name) => columnIndex(names, name, fail)) ?? [...names.keys()].filter((j) => !labelColumns.has(j));
  if (x.length === 0) throw fail(`there must be a feature beside the label, got the columns ${some(names)}`);
  const both = x.find((j) => labelColumns.has(j));
  if (both !== undefined) throw fail(`a column must not be both feature and label, got "${names[both]}"`);

  const rows = () => rowsOf(parseCsv(text, separator, fail), names, fail);
  const one = typeof label === "string" ? (y[0] as number) : undefined;
  let m = 0;
  let allNumbers = true;
  for (const { fields } of rows()) {
    m++;
    if (one !== undefined) allNumbers &&= numeric.test((fields[one] as string).trim());
  }
  if (m === 0) throw fail("a table has a line of column names and a row at least, got no row");

  const features = new Float32Array(m * x.length);
  const targets = one === undefined ? new Float32Array(m * y.length) : undefined;
  const labelling = one === undefined ? undefined : allNumbers ? new NumberLabels(m) : new WordLabels(m);
  for (const row of rows()) {
    readNumbers(row, x, names, features, fail);
    if (targets) readNumbers(row, y, names, targets, fail);
    if (one === undefined) continue;
    const field = (row.fields[one] as string).trim();
    if (missing.has(field.toLowerCase())) throw fail(`a label is missing in ${place(row, one, names)}`);
    if (!labelling?.add(row.index, field))
      throw fail(`a label must be a number that f32 holds, got ${describe(field)} in ${place(row, one, names)}`);
  }
  if (targets) return dataset(fromArray(features, [m, x.length]), fromArray(targets, [m, y.length]));
  const { values, classes } = (labelling as NumberLabels | WordLabels).result();
  return dataset(fromArray(features, [m, x.length]), fromArray(values, [m]), classes ? { classes } : {});
}

function isNames(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.length > 0 && value.every((name) => typeof name === "string");
}

type Fail = (what: string) => Error;

/** Some names, for an error message. */
const some = (names: readonly string[]): string => names.slice(0, 20).map(shortened).join(", ");
const shortened = (name: string): string => (name.length > 60 ? `${name.slice(0, 57)}...` : name);

function readNames(records: Iterable<CsvRecord>, fail: Fail): readonly string[] {
  for (const { fields: names } of records) {
    if (names.every((name) => numeric.test(name)))
      throw fail(`the first line must name the columns, got ${describe(names.slice(0, 20).join(","))}`);
    const seen = new Set<string>();
    for (const name of names) {
      if (seen.has(name)) throw fail(`the columns' names must differ, got "${shortened(name)}" twice`);
      seen.add(name);
    }
    return names;
  }
  throw fail("a table has a line of column names and a row at least, got nothing");
}

interface Row extends CsvRecord {
  readonly index: number;
}

/** The records behind the names, each with as many fields. */
function* rowsOf(records: Iterable<CsvRecord>, names: readonly string[], fail: Fail): Generator<Row> {
  let index = -1;
  for (const { line, fields } of records) {
    if (index >= 0 && fields.length !== names.length)
      throw fail(
        `every row must have ${names.length} fields, got ${fields.length} in row ${index + 1} (line ${line}); is the separator right?`,
      );
    if (index >= 0) yield { line, fields, index };
    index++;
  }
}

function columnIndex(names: readonly string[], name: string, fail: Fail): number {
  const at = names.indexOf(name);
  if (at >= 0) return at;
  const near = nearest(name, names.slice(0, 1000).map(shortened));
  throw fail(`there is no column "${name}"${near ? `, did you mean "${near}"?` : `; there are ${some(names)}`}`);
}

const numeric = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;
const missing = new Set(["", "na", "n/a", "nan", "null", "?"]);

function place({ index, line }: Row, column: number, names: readonly string[]): string {
  return `row ${index + 1} (line ${line}), column "${shortened(names[column] as string)}"`;
}

/** The columns' numbers of a row into its row of `out` [m, columns]. */
function readNumbers(row: Row, columns: readonly number[], names: readonly string[], out: Float32Array, fail: Fail): void {
  for (const [k, j] of columns.entries()) {
    const field = (row.fields[j] as string).trim();
    const value = Math.fround(Number(field));
    if (!numeric.test(field) || !Number.isFinite(value)) {
      const what = missing.has(field.toLowerCase()) ? "is missing" : `must be a number, got ${describe(field)}`;
      throw fail(`a value ${what} in ${place(row, j, names)}; the option columns chooses which are read`);
    }
    out[row.index * columns.length + k] = value;
  }
}

/** Labels that are all numbers: whole ones become i32, others f32. */
class NumberLabels {
  readonly #values: Float64Array<ArrayBuffer>;
  #whole = true;

  constructor(m: number) {
    this.#values = new Float64Array(m);
  }

  add(row: number, field: string): boolean {
    const value = Number(field);
    this.#values[row] = value;
    this.#whole &&= Number.isInteger(value) && Math.abs(value) < 2 ** 31;
    return Number.isFinite(Math.fround(value));
  }

  result(): { values: TypedArray; classes?: string[] } {
    return { values: convert(this.#values, this.#whole ? "i32" : "f32") };
  }
}

/** Labels of which some are words: whole numbers in the order of the sorted words. */
class WordLabels {
  readonly #codes: Int32Array<ArrayBuffer>;
  readonly #words = new Map<string, number>();

  constructor(m: number) {
    this.#codes = new Int32Array(m);
  }

  add(row: number, field: string): boolean {
    const code = this.#words.get(field) ?? this.#words.size;
    this.#words.set(field, code);
    this.#codes[row] = code;
    return true;
  }

  result(): { values: TypedArray; classes?: string[] } {
    const classes = [...this.#words.keys()].sort((a, b) => (a < b ? -1 : 1));
    const sorted = new Int32Array(classes.length);
    for (const [code, word] of classes.entries()) sorted[this.#words.get(word) as number] = code;
    return { values: this.#codes.map((code) => sorted[code] as number), classes };
  }
}
