// Values and gradients worked out by hand for the ops that are easy to get wrong: ties, kinks, empty axes, broadcasting,
// promotion, transposition. That every op keeps its own rules is tested over the table in ops.test.ts.
import { describe, expect, test } from "vitest";
import { convert, type DType } from "../src/dtype.ts";
import { gradients } from "../src/graph/gradient.ts";
import { source, type Value } from "../src/ops/define.ts";
import { ops } from "../src/ops/public.ts";
import { sumTo } from "../src/ops/reduce.ts";
import { evaluate } from "./evaluate.ts";

function tensor(values: readonly number[], shape: readonly number[] = [values.length], dtype: DType = "f64"): Value {
  return source({ kind: "constant", data: convert(values, dtype) }, { shape, dtype });
}

const numbers = (x: Value) => [...(evaluate([x])[0] as Float64Array)];
/** Gradients of sum(y weights), so that elements do not hide each other; the weights count from 1. */
function gradientsOf(y: Value, of: readonly Value[]): number[][] {
  const weights = tensor(
    Array.from({ length: y.shape.reduce((a, b) => a * b, 1) }, (_, i) => i + 1),
    y.shape,
  );
  return gradients(ops.sum(ops.mul(y, weights)), of).map(numbers);
}
const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

describe("number types", () => {
  test("the wider dtype wins, and a number takes the tensor's unless that cannot hold it", () => {
    const u8 = tensor([250, 3], [2], "u8");
    const i32 = tensor([-7, 2], [2], "i32");
    const f32 = tensor([0.5, 1], [2], "f32");
    expect(ops.add(u8, i32).dtype).toBe("i32");
    expect(ops.add(i32, f32).dtype).toBe("f32");
    expect(ops.add(f32, tensor([1, 1])).dtype).toBe("f64");
    expect(ops.add(f32, 1e300).dtype).toBe("f32");
    expect([ops.add(u8, 1).dtype, ops.add(u8, -1).dtype, ops.add(u8, 1.5).dtype, ops.mul(i32, 0.5).dtype]).toEqual([
      "u8",
      "i32",
      "f32",
      "f32",
    ]);
    expect(numbers(ops.sub(1, i32))).toEqual([8, -1]);
    expect(numbers(ops.sub(u8, 251))).toEqual([255, 8]);
    expect(ops.add(1, 2).dtype).toBe("f32");
  });

  test("float functions take whole numbers as f32", () => {
    const i32 = tensor([1, 4], [2], "i32");
    for (const y of [ops.exp(i32), ops.sqrt(i32), ops.mean(i32), ops.div(i32, 2), ops.pow(i32, 2), ops.matmul(i32, i32)])
      expect(y.dtype).toBe("f32");
    expect(numbers(ops.div(i32, 8))).toEqual([0.125, 0.5]);
    expect([ops.sum(tensor([200, 100], [2], "u8")).dtype, ...numbers(ops.sum(tensor([200, 100], [2], "u8")))]).toEqual(["i32", 300]);
  });

  test("cast truncates and wraps, and passes gradients between floats only", () => {
    const x = tensor([1.9, -1.9, 300.5, 0.1]);
    expect(numbers(ops.cast(x, "i32"))).toEqual([1, -1, 300, 0]);
    expect(numbers(ops.cast(x, "u8"))).toEqual([1, 255, 44, 0]);
    expect(numbers(ops.cast(x, "f32"))[3]).toBe(Math.fround(0.1));
    expect(gradientsOf(ops.cast(x, "f32"), [x])).toEqual([[1, 2, 3, 4]]);
    expect(gradientsOf(ops.cast(ops.cast(x, "i32"), "f64"), [x])).toEqual([[0, 0, 0, 0]]);
  });

  test("a condition keeps its meaning when it is narrowed", () => {
    const yes = tensor([1, 2, 3], [3], "i32");
    expect(numbers(ops.where(tensor([0.5, 0, nan]), yes, 0))).toEqual([1, 0, 3]);
  });
});

describe("arithmetic", () => {
  test("broadcasts both ways, and gradients are summed back", () => {
    const x = tensor([1, 2, 3], [3, 1]);
    const y = tensor([10, 20], [2]);
    expect(numbers(ops.mul(x, y))).toEqual([10, 20, 20, 40, 30, 60]);
    // dz = 1..6 row by row: dx = dz . y, dy = x . dz
    expect(gradientsOf(ops.mul(x, y), [x, y])).toEqual([
      [50, 110, 170],
      [1 + 6 + 15, 2 + 8 + 18],
    ]);
    expect(gradientsOf(ops.sub(x, y), [x, y])).toEqual([
      [3, 7, 11],
      [-9, -12],
    ]);
    expect(gradientsOf(ops.div(tensor([6]), tensor([3])), [])).toEqual([]);
  });

  test("a tensor used twice gets both gradients", () => {
    const x = tensor([3]);
    expect(gradientsOf(ops.add(ops.mul(x, x), x), [x])).toEqual([[7]]);
    expect(gradientsOf(ops.div(1, x), [x])[0]?.[0]).toBeCloseTo(-1 / 9, 15);
  });

  test("pow has sensible gradients at 0, for constants and for tensors", () => {
    const x = tensor([0, 0, 0, 2, -2]);
    const y = tensor([0, 1, 2, 3, 3]);
    expect(numbers(ops.pow(x, y))).toEqual([1, 0, 0, 8, -8]);
    const [dx, dy] = gradientsOf(ops.pow(x, y), [x, y]) as [number[], number[]];
    expect(dx).toEqual([0, 2, 0, 48, 60]);
    expect(dy.slice(0, 3)).toEqual([0, 0, 0]);
    expect(dy[3]).toBeCloseTo(4 * 8 * Math.log(2), 12);
    expect(dy[4]).toBeNaN();
    for (const [exponent, expected] of [
      [0, [0, 0]],
      [1, [1, 2]],
      [2, [0, 12]],
      [3, [0, 54]],
    ] as const) {
      expect(gradientsOf(ops.pow(tensor([0, 3]), exponent), []).length).toBe(0);
      const base = tensor([0, 3]);
      expect(gradientsOf(ops.pow(base, exponent), [base])).toEqual([expected]);
    }
    expect(numbers(ops.pow(tensor([-8, 0]), tensor([1 / 3, -1])))).toEqual([nan, inf]);
  });

  test("maximum and minimum pass NaN on and share ties in halves", () => {
    const x = tensor([1, 5, 2, nan, 3]);
    const y = tensor([4, 5, 1, 0, nan]);
    expect(numbers(ops.maximum(x, y))).toEqual([4, 5, 2, nan, nan]);
    expect(numbers(ops.minimum(x, y))).toEqual([1, 5, 1, nan, nan]);
    const finite = [tensor([1, 5, 2]), tensor([4, 5, 1])] as const;
    expect(gradientsOf(ops.maximum(...finite), finite)).toEqual([
      [0, 1, 3],
      [1, 1, 0],
    ]);
    expect(gradientsOf(ops.minimum(...finite), finite)).toEqual([
      [1, 1, 0],
      [0, 1, 3],
    ]);
  });

  test("comparisons are 0 and 1 in the operands' dtype, 0 for NaN", () => {
    const x = tensor([1, 2, nan], [3], "f32");
    expect([numbers(ops.less(x, 2)), numbers(ops.greater(x, 1)), numbers(ops.equal(x, x))]).toEqual([
      [1, 0, 0],
      [0, 1, 0],
      [1, 1, 0],
    ]);
    expect(ops.less(x, 2).dtype).toBe("f32");
  });

  test("where takes its gradients apart", () => {
    const [x, y] = [tensor([1, 2, 3]), tensor([10])];
    const z = ops.where(tensor([1, 0, 1]), x, y);
    expect(numbers(z)).toEqual([1, 10, 3]);
    expect(gradientsOf(z, [x, y])).toEqual([[1, 0, 3], [2]]);
  });
});

describe("functions of one number", () => {
  test("gradients at kinks: 0 for relu, abs and sign at 0; slope and alpha below; the bounds of clip belong to the inside", () => {
    const x = tensor([-1, 0, 2]);
    expect(gradientsOf(ops.relu(x), [x])).toEqual([[0, 0, 3]]);
    expect(gradientsOf(ops.abs(x), [x])).toEqual([[-1, 0, 3]]);
    expect(gradientsOf(ops.sign(x), [x])).toEqual([[0, 0, 0]]);
    expect(gradientsOf(ops.leakyRelu(x, 0.5), [x])).toEqual([[0.5, 1, 3]]);
    expect(gradientsOf(ops.elu(x, 2), [x])[0]?.map((v) => +v.toFixed(12))).toEqual([+(2 * Math.exp(-1)).toFixed(12), 4, 3]);
    expect(gradientsOf(ops.clip(x, -0.5, 2), [x])).toEqual([[0, 2, 3]]);
    expect(numbers(ops.clip(tensor([-1, nan, 9]), -0.5, inf))).toEqual([-0.5, nan, 9]);
    expect(numbers(ops.relu(tensor([nan, -0, -1, 2])))).toEqual([nan, 0, 0, 2]);
  });

  test("erf and gelu to 15 digits (values from tables of the normal distribution)", () => {
    const expected = [
      0, 0.1124629160182849, 0.5204998778130465, 0.8427007929497149, 0.9953222650189527, 0.999593047982555, 0.9999779095030014, 1,
    ];
    const actual = numbers(ops.erf(tensor([0, 0.1, 0.5, 1, 2, 2.5, 3, 6.5])));
    actual.forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i] as number, 14);
    });
    expect(numbers(ops.erf(tensor([-1, nan, -inf])))).toEqual([-(actual[3] as number), nan, -1]);
    expect(numbers(ops.gelu(tensor([1])))[0]).toBeCloseTo(0.8413447460685429, 14);
  });

  test("nothing overflows where the result is finite", () => {
    const x = tensor([-1000, -50, 0, 1000]);
    expect(numbers(ops.sigmoid(x))).toEqual([0, 1 / (1 + Math.exp(50)), 0.5, 1]);
    expect(numbers(ops.softplus(x))).toEqual([0, Math.log1p(Math.exp(-50)), Math.log(2), 1000]);
    expect(numbers(ops.silu(x)).map(Math.abs)).toEqual([0, 50 / (1 + Math.exp(50)), 0, 1000]);
    expect(numbers(ops.elu(x))).toEqual([-1, Math.expm1(-50), 0, 1000]);
  });
});

describe("reductions", () => {
  const x = tensor([1, 2, 3, 4, 5, 6, 7, 8], [2, 2, 2]);

  test("axes in every form", () => {
    expect(numbers(ops.sum(x))).toEqual([36]);
    expect(numbers(ops.sum(x, { axis: 0 }))).toEqual([6, 8, 10, 12]);
    expect(numbers(ops.sum(x, { axis: -1 }))).toEqual([3, 7, 11, 15]);
    expect(numbers(ops.sum(x, { axis: [1, 2] }))).toEqual([10, 26]);
    expect(numbers(ops.sum(x, { axis: [2, 0] }))).toEqual([14, 22]);
    expect(ops.sum(x, { axis: [-1, 0], keepDims: true }).shape).toEqual([1, 2, 1]);
    expect(ops.sum(x, { axis: [0, 1], keepDims: true }).shape).toEqual([1, 1, 2]);
    expect(numbers(ops.sum(x, { axis: [] }))).toEqual(numbers(x));
    expect(numbers(ops.mean(x, { axis: [0, 2] }))).toEqual([3.5, 5.5]);
    expect(numbers(ops.min(x, { axis: [0, 2] }))).toEqual([1, 3]);
    expect(gradientsOf(ops.mean(x, { axis: [0, 2] }), [x])).toEqual([[0.25, 0.25, 0.5, 0.5, 0.25, 0.25, 0.5, 0.5]]);
  });

  test("axes that are wrong", () => {
    expect(() => ops.sum(x, { axis: [0, -3] })).toThrow("sum: each axis may be named once, got [0, -3] for a tensor of rank 3");
    expect(() => ops.mean(x, { axis: 3 })).toThrow("mean: axis must be a whole number from -3 to 2 for a tensor of rank 3, got 3");
    expect(() => ops.sum(x, { axes: 0 } as object)).toThrow('sum: unknown option "axes", did you mean "axis"?');
    expect(() => ops.sum(x, 0 as unknown as object)).toThrow("sum: options must be an object with axis, keepDims, got 0");
  });

  test("nothing to reduce", () => {
    const empty = tensor([], [0, 3]);
    expect(numbers(ops.sum(empty, { axis: 0 }))).toEqual([0, 0, 0]);
    expect(numbers(ops.mean(empty, { axis: 0 }))).toEqual([nan, nan, nan]);
    expect(numbers(ops.max(empty, { axis: 1 }))).toEqual([]);
    expect(() => ops.max(empty, { axis: 0 })).toThrow("max: there must be at least one number to choose from, got [0, 3]");
    expect(() => ops.argMax(empty)).toThrow("argMax: there must be at least one number to choose from, got [0]");
  });

  test("max shares its gradient evenly among equals, over axes that are not neighbours too", () => {
    const y = tensor([3, 1, 0, 0, 3, 3, 0, 2], [2, 2, 2]);
    // over axes 0 and 2: row 0 has 3 three times, row 1 has 2 once
    expect(numbers(ops.max(y, { axis: [0, 2] }))).toEqual([3, 2]);
    const third = 1 / 3;
    expect(gradientsOf(ops.max(y, { axis: [0, 2] }), [y])).toEqual([[third, 0, 0, 0, third, third, 0, 2]]);
    expect(gradientsOf(ops.max(y), [y])).toEqual([[third, 0, 0, 0, third, third, 0, 0]]);
    expect(gradientsOf(ops.min(tensor([2, 1, 1])), [])).toEqual([]);
    expect(numbers(ops.max(tensor([1, nan, 3, 4], [2, 2]), { axis: 0 }))).toEqual([3, nan]);
    expect(numbers(ops.min(tensor([1, nan, 3, 4], [2, 2]), { axis: 1 }))).toEqual([nan, 3]);
  });

  test("argMax: the first of equals, NaN before all, one row without an axis", () => {
    const y = tensor([1, 4, 4, 9, nan, nan], [2, 3]);
    expect(numbers(ops.argMax(y, 1))).toEqual([1, 1]);
    expect(numbers(ops.argMax(y, 0))).toEqual([1, 1, 1]);
    expect(numbers(ops.argMax(y))).toEqual([4]);
    expect([ops.argMax(y, -1).dtype, ops.argMax(y).shape]).toEqual(["i32", []]);
  });

  test("variance is biased and does not cancel", () => {
    expect(numbers(ops.variance(tensor([1, 2, 3, 4])))).toEqual([1.25]);
    expect(numbers(ops.variance(tensor([1e8 + 1, 1e8 + 2, 1e8 + 3, 1e8 + 4])))).toEqual([1.25]);
    expect(numbers(ops.variance(x, { axis: [0, 2] }))).toEqual([4.25, 4.25]);
    const y = tensor([1, 2, 6]);
    expect(gradientsOf(ops.variance(y), [y])[0]?.map((v) => +v.toFixed(12))).toEqual([-4 / 3, -2 / 3, 2].map((v) => +v.toFixed(12)));
  });

  test("long sums stay exact to 14 digits, along rows and along columns", () => {
    const tenths = new Array<number>(1 << 20).fill(0.1);
    expect(Math.abs((numbers(ops.sum(tensor(tenths)))[0] as number) - 104857.6)).toBeLessThan(1e-9);
    for (const sum of numbers(ops.sum(tensor(tenths, [1 << 19, 2]), { axis: 0 }))) expect(Math.abs(sum - 52428.8)).toBeLessThan(1e-9);
    expect(Math.abs((numbers(ops.sumSquares(tensor(tenths)))[0] as number) - 10485.76)).toBeLessThan(1e-10);
    expect(numbers(ops.sum(tensor(tenths, [1 << 20], "f32")))[0]).toBe(Math.fround((1 << 20) * Math.fround(0.1)));
  });

  test("sumTo undoes any broadcast", () => {
    const y = tensor([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], [2, 3, 2]);
    expect(numbers(sumTo(y, []))).toEqual([78]);
    expect(numbers(sumTo(y, [2]))).toEqual([36, 42]);
    expect(numbers(sumTo(y, [3, 1]))).toEqual([18, 26, 34]);
    expect(numbers(sumTo(y, [1, 3, 1]))).toEqual([18, 26, 34]);
    expect(numbers(sumTo(y, [2, 1, 2]))).toEqual([9, 12, 27, 30]);
    expect(() => sumTo(y, [3, 3])).toThrow("sumTo");
  });
});

describe("movement", () => {
  const x = tensor([1, 2, 3, 4, 5, 6], [2, 3]);

  test("reshape and flatten", () => {
    expect(ops.reshape(x, [3, -1]).shape).toEqual([3, 2]);
    expect(ops.flatten(x).shape).toEqual([6]);
    expect(ops.reshape(tensor([], [0, 3]), [3, -1]).shape).toEqual([3, 0]);
    expect(() => ops.reshape(x, [4, 2])).toThrow("reshape: the number of elements must stay the same, got [2, 3] (6) to [4, 2] (8)");
    expect(() => ops.reshape(x, [4, -1])).toThrow("reshape: -1 must stand for a whole size, got [2, 3] (6 elements) to [4, -1]");
    expect(() => ops.reshape(x, [-1, -1])).toThrow("reshape: sizes must be whole numbers from 0 on");
  });

  test("transpose", () => {
    expect(numbers(ops.transpose(x))).toEqual([1, 4, 2, 5, 3, 6]);
    const cube = tensor([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], [2, 3, 2]);
    const y = ops.transpose(cube, [2, 0, -2]);
    expect(y.shape).toEqual([2, 2, 3]);
    expect(numbers(y)).toEqual([0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11]);
    expect(gradientsOf(y, [cube])).toEqual([[1, 7, 2, 8, 3, 9, 4, 10, 5, 11, 6, 12]]);
    expect(() => ops.transpose(x, [0, 0])).toThrow("transpose: axes must name every axis once, got [0, 0] for [2, 3]");
  });

  test("slice and pad undo each other", () => {
    expect(numbers(ops.slice(x, [0, 1], [-1, 2]))).toEqual([2, 3, 5, 6]);
    expect(numbers(ops.slice(x, [1], [1]))).toEqual([4, 5, 6]);
    expect(gradientsOf(ops.slice(x, [0, 1], [2, 1]), [x])).toEqual([[0, 1, 0, 0, 2, 0]]);
    expect(numbers(ops.pad(tensor([1, 2], [2, 1]), [0, 1], [1, 0], 9))).toEqual([9, 1, 9, 2, 9, 9]);
    for (const [begin, size] of [
      [
        [0, 2],
        [2, 2],
      ],
      [
        [-1, 0],
        [1, 1],
      ],
      [
        [3, 0],
        [-1, 1],
      ],
    ] as const) {
      expect(() => ops.slice(x, begin, size)).toThrow("slice: begin and size must lie inside the tensor, got begin");
    }
  });

  test("concat and stack", () => {
    const row = tensor([7, 8, 9], [1, 3]);
    expect(numbers(ops.concat([x, row]))).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    const side = ops.concat([x, tensor([0, -1], [2, 1])], -1);
    expect(numbers(side)).toEqual([1, 2, 3, 0, 4, 5, 6, -1]);
    expect(gradientsOf(side, [x])).toEqual([[1, 2, 3, 5, 6, 7]]);
    expect(numbers(ops.stack([tensor([1, 2]), tensor([3, 4])], -1))).toEqual([1, 3, 2, 4]);
    expect(ops.stack([x, x]).shape).toEqual([2, 2, 3]);
    expect(() => ops.concat([x, row], 1)).toThrow("concat: all axes but axis 1 must be equal, got [2, 3], [1, 3]");
    expect(() => ops.concat([])).toThrow("concat: takes a list of at least one tensor");
  });

  test("by index", () => {
    const twice = tensor([2, 0, 2], [3], "i32");
    expect(numbers(ops.gather(x, twice, 1))).toEqual([3, 1, 3, 6, 4, 6]);
    expect(gradientsOf(ops.gather(x, twice, 1), [x])).toEqual([[2, 0, 4, 5, 0, 10]]);
    expect(numbers(ops.gather(x, tensor([1])))).toEqual([4, 5, 6]);
    expect(numbers(ops.oneHot(tensor([2, 0], [2], "u8"), 3))).toEqual([0, 0, 1, 1, 0, 0]);
    expect(() => numbers(ops.gather(x, tensor([2], [1], "i32")))).toThrow("gather: index 2 is out of range for 2");
    expect(() => numbers(ops.oneHot(tensor([-1], [1], "i32"), 3))).toThrow("oneHot: index -1 is out of range for 3");
  });
});

describe("matrix products", () => {
  const range = (m: number, n: number) =>
    tensor(
      Array.from({ length: m * n }, (_, i) => ((i * 7) % 11) - 5),
      [m, n],
    );
  /** The definition: rows times columns. */
  const naive = (a: number[], b: number[], m: number, k: number, n: number) =>
    Array.from({ length: m * n }, (_, i) => {
      let sum = 0;
      for (let p = 0; p < k; p++) sum += (a[Math.floor(i / n) * k + p] as number) * (b[p * n + (i % n)] as number);
      return sum;
    });

  test("every remainder of the tile, plain and transposed", () => {
    for (const m of [1, 2, 3, 4]) {
      for (const n of [1, 2, 3, 4, 5, 7, 8]) {
        for (const k of [0, 1, 6]) {
          const [a, b] = [range(m, k), range(k, n)];
          const expected = naive(numbers(a), numbers(b), m, k, n);
          const at = ops.transpose(a);
          const bt = ops.transpose(b);
          expect(numbers(ops.matmul(a, b))).toEqual(expected);
          expect(numbers(ops.matmul(at, b, { transposeA: true }))).toEqual(expected);
          expect(numbers(ops.matmul(a, bt, { transposeB: true }))).toEqual(expected);
          expect(numbers(ops.matmul(at, bt, { transposeA: true, transposeB: true }))).toEqual(expected);
        }
      }
    }
  });

  test("vectors, batches, one matrix for all batches", () => {
    const [v, a] = [tensor([1, 2]), tensor([1, 2, 3, 4], [2, 2])];
    expect([ops.matmul(v, v).shape, numbers(ops.matmul(v, v))]).toEqual([[], [5]]);
    expect(numbers(ops.matmul(v, a))).toEqual([7, 10]);
    expect(numbers(ops.matmul(a, v))).toEqual([5, 11]);
    const batches = tensor([1, 2, 3, 4, 5, 6, 7, 8], [2, 2, 2]);
    expect(numbers(ops.matmul(batches, a))).toEqual([7, 10, 15, 22, 23, 34, 31, 46]);
    expect(numbers(ops.matmul(a, batches))).toEqual([7, 10, 15, 22, 19, 22, 43, 50]);
    expect(numbers(ops.matmul(batches, v))).toEqual([5, 11, 17, 23]);
    expect(ops.matmul(ops.reshape(batches, [2, 1, 2, 2]), ops.broadcastTo(a, [3, 2, 2])).shape).toEqual([2, 3, 2, 2]);
  });

  test("sizes that do not fit", () => {
    expect(() => ops.matmul(range(32, 64), range(128, 10))).toThrow("matmul: inner sizes must match, got [32, 64] x [128, 10]");
    expect(() => ops.matmul(range(2, 3), range(2, 3), { transposeB: true, transposeA: true })).toThrow(
      "matmul: inner sizes must match, got [2, 3] transposed x [2, 3] transposed",
    );
    expect(() => ops.matmul(tensor(new Array<number>(12).fill(1), [2, 2, 3]), tensor(new Array<number>(18).fill(1), [3, 3, 2]))).toThrow(
      "matmul: axes before the last two must be equal or 1, got [2, 2, 3] x [3, 3, 2]",
    );
    expect(() => ops.linear(range(2, 3), range(3, 4), tensor([1, 2, 3]))).toThrow(
      "linear: b must be [4], one number per column of w, got [3]",
    );
    expect(() => ops.matmul(tensor([1], []), tensor([1]))).toThrow("matmul: takes vectors or matrices, got [] x [1]");
  });

  test("linear adds the bias, cuts below 0, and lets no gradient through there", () => {
    const [x, w, b] = [tensor([1, 2, -1, 3], [2, 2]), tensor([1, 0, -1, 2], [2, 2]), tensor([0.5, -10])];
    // x w = [[-1, 4], [-4, 6]]
    expect(numbers(ops.linear(x, w))).toEqual([-1, 4, -4, 6]);
    expect(numbers(ops.linear(x, w, b))).toEqual([-0.5, -6, -3.5, -4]);
    const c = tensor([3, -5]);
    expect(numbers(ops.linear(x, w, c, "relu"))).toEqual([2, 0, 0, 1]);
    // ds = [[1, 0], [0, 4]]
    expect(gradientsOf(ops.linear(x, w, c, "relu"), [x, w, c])).toEqual([
      [1, -1, 0, 8],
      [1, -4, 2, 12],
      [1, 4],
    ]);
    expect(ops.linear(ops.reshape(x, [2, 1, 2]), w, b).shape).toEqual([2, 1, 2]);
  });
});

test("what is no tensor is named", () => {
  const wrong = [1, 2] as unknown as Value;
  expect(() => ops.add(wrong, 1)).toThrow("add: operands must be tensors or numbers, got an array of 2; tensor(...) makes one");
  for (const f of [ops.exp, ops.relu, ops.sum, ops.flatten, ops.transpose, ops.argMax, ops.erf])
    expect(() => f(wrong)).toThrow("must be a tensor, got an array of 2");
  expect(() => ops.matmul(tensor([1]), wrong)).toThrow("matmul: input must be a tensor, got an array of 2");
  expect(() => ops.clip(tensor([1]), 2, 1)).toThrow("clip: low must not be above high, got 2 and 1");
  expect(() => ops.add(tensor([1, 2]), tensor([1, 2, 3]))).toThrow("add: sizes must be equal or 1 on every axis, got [2] and [3]");
  expect(() => ops.cast(tensor([1]), "f16" as DType)).toThrow('cast: dtype must be one of f32, f64, i32, u8, got "f16"');
});
