// Rows of a data set: the checks that every function on data sets makes first, and a copy of chosen rows.
import { checkDataset, type Dataset, dataset } from "../dataset.ts";
import { newArray, type TypedArray } from "../dtype.ts";
import { ShapeError } from "../errors.ts";
import { Value } from "../ops/define.ts";
import { show } from "../shape.ts";
import { fromArray, type Tensor } from "../tensor.ts";

export function isTensor(value: unknown): value is Tensor {
  return value instanceof Value;
}

export function isDataset(value: unknown): value is Dataset {
  const candidate = value as Partial<Dataset> | null;
  return typeof candidate === "object" && isTensor(candidate?.x) && isTensor(candidate?.y);
}

/** The number of rows of a data set, which has at least one. */
export function rowCount(where: string, data: Dataset): number {
  const { x, y } = checkDataset(where, data);
  const rows = x.shape[0];
  if (rows === undefined || y.shape[0] !== rows) {
    throw new ShapeError(`${where}: x and y must have the same number of rows, got ${show(x.shape)} and ${show(y.shape)}`);
  }
  if (rows === 0) throw new ShapeError(`${where}: a data set must have rows, got ${show(x.shape)}`);
  return rows;
}

interface Block {
  readonly data: TypedArray;
  readonly shape: readonly number[];
  readonly width: number;
}

function blockOf(values: Tensor): Block {
  const shape = values.shape.slice(1);
  return { data: values.data(), shape, width: shape.reduce((product, n) => product * n, 1) };
}

function takeFrom({ data, shape, width }: Block, dtype: Tensor["dtype"], rows: ArrayLike<number>): Tensor {
  const out = newArray(dtype, rows.length * width);
  for (let i = 0; i < rows.length; i++) {
    const from = (rows[i] as number) * width;
    // A call per row costs more than copying a few numbers one by one.
    if (width > 16) out.set(data.subarray(from, from + width), i * width);
    else for (let j = 0; j < width; j++) out[i * width + j] = data[from + j] as number;
  }
  return fromArray(out, [rows.length, ...shape]);
}

/** A function that copies chosen rows into a new data set. It reads the data out once, however often it is called. */
export function taker(data: Dataset): (rows: ArrayLike<number>) => Dataset {
  const x = blockOf(data.x);
  const y = blockOf(data.y);
  return (rows) => dataset(takeFrom(x, data.x.dtype, rows), takeFrom(y, data.y.dtype, rows), { classes: data.classes });
}
