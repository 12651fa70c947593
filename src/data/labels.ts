// Classes as whole numbers: read from the labels of a data set, and written one-hot.
import { checkNumber, describe, MinibatchError, ShapeError } from "../errors.ts";
import { show } from "../shape.ts";
import { fromArray, type Tensor, type TensorLike, tensor } from "../tensor.ts";

export interface ClassLabels {
  /** The class of each row, from 0. */
  readonly labels: Int32Array<ArrayBuffer>;
  /** One more than the largest class. */
  readonly count: number;
}

const maxClass = 2 ** 31 - 2;

/** The classes of y: whole numbers `[m]` or `[m, 1]` of any dtype, or one-hot `[m, k]`. `where` opens the error messages. */
export function classLabels(where: string, y: Tensor): ClassLabels {
  const [m = 0, k = 1] = y.shape;
  const values = y.data();
  if (y.shape.length > 2 || y.shape.length === 0 || k === 0) {
    throw new ShapeError(`${where}: labels must be classes [m] or one-hot [m, k], got ${show(y.shape)}`);
  }
  const labels = new Int32Array(m);
  for (let i = 0; i < m; i++) {
    labels[i] = k === 1 ? wholeClass(where, values[i], i) : hotColumn(where, values.subarray(i * k, (i + 1) * k), i);
  }
  return { labels, count: k > 1 ? k : countOf(labels) };
}

function countOf(labels: ArrayLike<number>): number {
  let largest = -1;
  for (let i = 0; i < labels.length; i++) largest = Math.max(largest, labels[i] as number);
  return largest + 1;
}

function wholeClass(where: string, value: number | undefined, row: number): number {
  if (value !== undefined && Number.isInteger(value) && value >= 0 && value <= maxClass) return value;
  throw new MinibatchError(`${where}: a class is a whole number from 0 on, got ${value} in row ${row} (rows count from 0)`);
}

function hotColumn(where: string, row: ArrayLike<number>, index: number): number {
  let hot = -1;
  for (let j = 0; j < row.length; j++) {
    if (row[j] === 0) continue;
    if (row[j] !== 1 || hot >= 0) hot = Number.NaN;
    else hot = j;
  }
  if (hot >= 0) return hot;
  throw new MinibatchError(
    `${where}: a one-hot row has a single 1 among zeros, got [${Array.from(row).slice(0, 10).join(", ")}] in row ${index}`,
  );
}

/** Classes as rows with a single 1: labels `[...]` of whole numbers to f32 `[..., classes]`; `classes` is by default one more than the largest. */
export function oneHot(labels: TensorLike, classes?: number): Tensor {
  const given = tensor(labels);
  const values = given.data();
  if (classes !== undefined) checkNumber("oneHot", "classes", classes, { whole: true, min: 1 });
  for (let i = 0; i < values.length; i++) wholeClass("oneHot", values[i], i);
  const depth = classes ?? countOf(values);
  if (depth === 0) throw new MinibatchError(`oneHot: without labels the number of classes must be given, got ${describe(labels)}`);
  if (values.length * depth > 2 ** 32) throw new ShapeError(`oneHot: at most 2^32 numbers, got ${values.length} labels x ${depth} classes`);
  const out = new Float32Array(values.length * depth);
  for (let i = 0; i < values.length; i++) {
    const label = values[i] as number;
    if (label >= depth) throw new MinibatchError(`oneHot: a class must be below ${depth}, got ${label} in row ${i} (rows count from 0)`);
    out[i * depth + label] = 1;
  }
  return fromArray(out, [...given.shape, depth]);
}
