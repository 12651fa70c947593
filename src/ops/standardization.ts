// The rows of a batch, standardised as they are gathered: what a network's first layers read of a data set in one pass.
// Made by the graph's simplification; data have no gradient, so neither has this.
import { dtypeCode } from "../dtype.ts";
import { MinibatchError, ShapeError } from "../errors.ts";
import { show, sizeOf } from "../shape.ts";
import { apply1, defineOp, type OpDefinition, type Sample, type SampleInput, type Value, type View } from "./define.ts";
import { mul, sub } from "./elementwise.ts";
import { gatherRowsOp } from "./indexing.ts";
import { named, requireFloats, requireShape, tooLarge } from "./rules.ts";

type None = Record<never, never>;

const sample = (table: SampleInput, batch: number, noGradientCheck?: string): Sample<None> => {
  const row = table.shape.slice(1);
  return {
    inputs: [table, { shape: [batch], dtype: "i32", below: table.shape[0] as number }, { shape: row }, { shape: row, range: [0.1, 2] }],
    attributes: {},
    noGradientCheck: noGradientCheck ?? "a table of data has no gradient",
  };
};

export const standardizedRowsOp: OpDefinition = defineOp<None>({
  name: "standardizedRows",
  doc: "(row - center) factor for rows of a table of any dtype, by index: table [m, ...], rows i32 [b], center, factor [...] -> [b, ...].",
  infer(inputs) {
    const { table, rows, center, factor } = named("standardizedRows", inputs, ["table", "rows", "center", "factor"]);
    if (rows.dtype !== "i32") throw new ShapeError(`standardizedRows: rows must be i32, got ${rows.dtype}`);
    if (table.shape.length === 0 || rows.shape.length !== 1) {
      throw new ShapeError(
        `standardizedRows: takes a table of at least one axis and a list of rows, got ${show(table.shape)} and ${show(rows.shape)}`,
      );
    }
    requireFloats("standardizedRows", { center, factor });
    requireShape("standardizedRows", { center, factor }, table.shape.slice(1), "the shape of a row");
    return [{ shape: [...rows.shape, ...center.shape], dtype: center.dtype }];
  },
  kernel(inputs, outputs) {
    const [table, rows, center, factor, y] = [...inputs, ...outputs] as [View, View, View, View, View];
    const m = table.shape[0] as number;
    const width = sizeOf(center.shape);
    for (const [i, row] of rows.data.entries()) {
      if (!(row >= 0 && row < m)) throw new MinibatchError(`standardizedRows: index ${row} is out of range for ${m}`);
      for (let j = 0, from = row * width, to = i * width; j < width; j++, from++, to++) {
        y.data[to] = ((table.data[from] as number) - (center.data[j] as number)) * (factor.data[j] as number);
      }
    }
  },
  decomposition(inputs) {
    const [table, rows, center, factor] = inputs as [Value, Value, Value, Value];
    const gathered = apply1(gatherRowsOp, [table, rows], { to: dtypeCode[center.type.dtype] });
    return [mul(sub(gathered, center), factor)];
  },
  samples: [
    sample({ shape: [9, 33], dtype: "u8", below: 256 }, 4),
    sample({ shape: [9, 2, 5], dtype: "u8", below: 256 }, 4),
    sample({ shape: [9, 70] }, 12),
    sample({ shape: [5, 3], dtype: "i32", below: 100 }, 7),
    sample({ shape: [9], dtype: "i32", below: 100 }, 4),
    sample({ shape: [3, 4] }, 0),
    // Rows enough for several pieces.
    sample({ shape: [5, 1000], dtype: "u8", below: 256 }, 70, tooLarge),
  ],
});

export const standardizationOps: readonly OpDefinition[] = [standardizedRowsOp];
