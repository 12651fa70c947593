// A data set as the programs read it: x and y as flat shared memory, checked once. Knows no model beyond what its loss
// wants of labels.

import type { Dataset } from "../dataset.ts";
import { bytesPerElement, convert, type DType, type TypedArray } from "../dtype.ts";
import { MinibatchError, ShapeError } from "../errors.ts";
import { aligned } from "../graph/layout.ts";
import type { LossDefinition } from "../nn/losses.ts";
import { evaluate } from "../run/evaluate.ts";
import { allocate, view } from "../run/memory.ts";
import { type Shape, show, sizeOf } from "../shape.ts";
import type { DataTypes } from "./programs.ts";

export interface Table {
  readonly rows: number;
  readonly types: DataTypes;
  /** The `input` memory of programs that read this data set. */
  readonly input: Uint8Array;
}

/** Beyond this a number is infinite in f32. */
const largest = 3.4028234663852886e38;

function checkFinite(where: string, x: TypedArray, shape: Shape): void {
  if (x instanceof Uint8Array || x instanceof Int32Array) return;
  const width = sizeOf(shape.slice(1));
  for (let i = 0; i < x.length; i++) {
    const value = x[i] as number;
    if (Math.abs(value) <= largest) continue;
    const place = `in row ${Math.floor(i / width)}, element ${i % width}`;
    if (Number.isFinite(value)) throw new MinibatchError(`${where}: x must hold numbers that f32 can hold, got ${value} ${place}`);
    throw new MinibatchError(`${where}: x must hold finite numbers, got ${value} ${place}`);
  }
}

/** Copies a data set in: u8 stays u8 (it is converted as rows are gathered), everything else becomes f32. */
export function tableOf(where: string, { x, y }: Dataset, loss: LossDefinition, inputShape: Shape, outputShape: Shape): Table {
  const rows = x.shape[0] ?? 0;
  if (rows === 0) throw new MinibatchError(`${where}: the data set is empty (x has shape ${show(x.shape)})`);
  if (show(x.shape.slice(1)) !== show(inputShape))
    throw new ShapeError(
      `${where}: the model takes examples of shape ${show(inputShape)}, got ${show(x.shape.slice(1))} (x has shape ${show(x.shape)})`,
    );
  const [xs, ys] = evaluate([x, y]) as [TypedArray, TypedArray];
  checkFinite(where, xs, x.shape);
  loss.checkLabels(where, { data: ys, shape: y.shape }, outputShape);
  const xType: DType = x.dtype === "u8" ? "u8" : "f32";
  const yType = loss.labelType(y.shape);
  const yOffset = aligned(sizeOf(x.shape) * bytesPerElement[xType]);
  const input = allocate(yOffset + aligned(sizeOf(y.shape) * bytesPerElement[yType]));
  view(input, xType, 0, xs.length).set(xs);
  view(input, yType, yOffset, ys.length).set(yType === y.dtype ? ys : convert(ys, yType));
  return { rows, types: { x: { shape: x.shape, dtype: xType }, y: { shape: y.shape, dtype: yType } }, input };
}
