// ONNX operators that this reader answers by itself: constants and sizes, known before anything is computed.
// A case with nothing but these says nothing about the library and does not count as passed.
import type { Operation } from "../call.ts";
import { Item } from "../item.ts";

const whole = (numbers: readonly number[], dims: readonly number[]) => Item.fromNumbers(numbers, dims, "INT64");

export const bookkeeping: Readonly<Record<string, Operation>> = {
  Identity: (call) => call.input(0),
  Constant: (call) => {
    const tensor = call.tensor("value");
    if (tensor) return Item.fromFile(tensor);
    if (call.has("value_float")) return Item.fromNumbers([call.float("value_float", 0)], [], "FLOAT");
    if (call.has("value_int")) return whole([call.int("value_int", 0)], []);
    const floats = call.floats("value_floats");
    if (floats?.length) return Item.fromNumbers(floats, [floats.length], "FLOAT");
    const ints = call.ints("value_ints") ?? [];
    return whole(ints, [ints.length]);
  },
  ConstantOfShape: (call) => {
    const dims = Array.from(call.input(0).numbers());
    const value = call.tensor("value");
    const size = dims.reduce((product, n) => product * n, 1);
    return Item.fromNumbers(new Float64Array(size).fill(value?.numbers?.[0] ?? 0), dims, value?.type ?? "FLOAT");
  },
  Shape: (call) => {
    const { dims, rank } = call.input(0);
    const clamp = (i: number) => Math.min(rank, Math.max(0, i < 0 ? i + rank : i));
    const part = dims.slice(clamp(call.int("start", 0)), clamp(call.int("end", rank)));
    return whole(part, [part.length]);
  },
  Size: (call) => whole([call.input(0).size], []),
  Range: (call) => {
    const [from, to, step] = call.inputs().map((item) => item.number()) as [number, number, number];
    const count = Math.max(0, Math.ceil((to - from) / step));
    return Item.fromNumbers(
      Array.from({ length: count }, (_, i) => from + i * step),
      [count],
      call.input(0).type,
    );
  },
  EyeLike: (call) => {
    const { dims } = call.input(0);
    const [m = 0, n = 0] = dims;
    const k = call.int("k", 0);
    const type = call.has("dtype") ? ("DOUBLE" as const) : call.input(0).type;
    return Item.fromNumbers(
      Array.from({ length: m * n }, (_, at) => ((at % n) - Math.floor(at / n) === k ? 1 : 0)),
      [m, n],
      type,
    );
  },
};
