// What the benchmarks say of their measurements: counts of operations, shares of peaks, ratios and the table. A mistake
// there is seen by nobody, since any number looks like a speed.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { startChild } from "../bench/child.ts";
import { productOf } from "../bench/gemm.ts";
import { amountOf, instructionOf } from "../bench/instruction.ts";
import { bandwidthAt, rateOf } from "../bench/limits.ts";
import { geometricMean, median, percentile } from "../bench/measure.ts";
import { beside, readProducts } from "../bench/peers/gemm.ts";
import { best, compare, markdownTable, textTable } from "../bench/peers/table.ts";
import type { OpDefinition } from "../src/ops/define.ts";
import { linearOp, matmulOp } from "../src/ops/linalg.ts";
import { table } from "../src/ops/table.ts";
import type { Limits } from "../src/run/addon.ts";

const entry = (name: string) => table.find((op) => op.name === name) as OpDefinition;

describe("how much an instruction does", () => {
  test.each([
    // Each of m n sums takes k products and k additions.
    { a: [5, 7], b: [7, 33], transposeA: false, transposeB: false, flops: 2 * 5 * 33 * 7 },
    { a: [7, 5], b: [7, 33], transposeA: true, transposeB: false, flops: 2 * 5 * 33 * 7 },
    { a: [5, 7], b: [33, 7], transposeA: false, transposeB: true, flops: 2 * 5 * 33 * 7 },
    { a: [3, 4, 5], b: [3, 6, 4], transposeA: true, transposeB: true, flops: 3 * 2 * 5 * 6 * 4 },
    { a: [2, 3, 4, 5], b: [2, 3, 5, 6], transposeA: false, transposeB: false, flops: 2 * 3 * 2 * 4 * 6 * 5 },
    { a: [0, 3], b: [3, 2], transposeA: false, transposeB: false, flops: 0 },
  ])("matmul $a x $b, transposed $transposeA, $transposeB", ({ a, b, transposeA, transposeB, flops }) => {
    expect(amountOf(instructionOf(matmulOp, [{ shape: a }, { shape: b }], { transposeA, transposeB })).flops).toBe(flops);
  });

  test("linear: the product, with or without bias", () => {
    const [x, w, b] = [{ shape: [5, 7] }, { shape: [7, 33] }, { shape: [33] }];
    for (const inputs of [
      [x, w],
      [x, w, b],
    ])
      expect(amountOf(instructionOf(linearOp, inputs, { activation: 1 })).flops).toBe(2 * 5 * 33 * 7);
  });

  test("every kind of product of a layer is the same work", () => {
    for (const kind of ["square", "fwd", "fwd_Bt", "dW", "dX"] as const) {
      const product = productOf([kind, 3, 5, 7], "f64");
      expect(product.outputs).toEqual([{ shape: [3, 7], dtype: "f64" }]);
      expect(amountOf(product)).toEqual({ flops: 2 * 3 * 5 * 7, dtype: "f64", bytes: 8 * (3 * 5 + 5 * 7 + 3 * 7) });
    }
  });

  test("an op that counts no FLOPs is measured by its bytes", () => {
    expect(amountOf(instructionOf(entry("add"), [{ shape: [10] }, { shape: [10] }], {}))).toEqual({ bytes: 120 });
  });
});

const limits: Limits = {
  isa: "avx2",
  threads: 2,
  fma: { f32: 200, f64: 100 },
  memory: [
    { bytes: 1000, read: 500, copy: 400, update: 300 },
    { bytes: 100_000, read: 50, copy: 25, update: 20 },
  ],
};

describe("shares of the machine's peaks", () => {
  test("bandwidth between two working sets, each thread having its own part", () => {
    expect(bandwidthAt(limits, 2000)).toBe(400);
    expect(bandwidthAt(limits, 20)).toBe(400);
    expect(bandwidthAt(limits, 1e9, "update")).toBe(20);
    expect(bandwidthAt(limits, 20_000)).toBeCloseTo(100, 9); // half way between 400 and 25 along the logarithm
    expect(bandwidthAt({ ...limits, memory: [] }, 20)).toBeUndefined();
  });

  test("multiply-adds by number type, bytes by working set; what was not measured has no share", () => {
    expect(rateOf({ bytes: 8, flops: 50e9, dtype: "f64" }, 1, limits)).toEqual({ unit: "GFLOP/s", median: 50, share: 0.5 });
    expect(rateOf({ bytes: 8, flops: 50e9 }, 0.5, limits)).toEqual({ unit: "GFLOP/s", median: 100, share: 0.5 });
    expect(rateOf({ bytes: 2000, traffic: 3e9, pattern: "update" }, 0.1, limits)).toEqual({ unit: "GB/s", median: 30, share: 0.1 });
    expect(rateOf({ bytes: 2e9 }, 1, undefined)).toEqual({ unit: "GB/s", median: 2, share: undefined });
  });

  test("middles of lists", () => {
    expect(percentile([5, 1, 4, 2, 3, 6, 7, 8, 9, 10], 0.1)).toBe(2);
    expect(percentile([3], 0.9)).toBe(3);
    expect(median([10, 9, 1])).toBe(9);
    expect(median([10, 9, 1, 2])).toBe(5.5);
    expect(median([])).toBeNaN();
    expect(geometricMean([2, 8])).toBeCloseTo(4, 12);
  });
});

const side = (name: string, ...seconds: number[]) => ({ name, rounds: seconds.map((p10) => ({ p10, median: 2 * p10 })) });
const rate = { name: "samples/s", of: (seconds: number) => 100 / seconds };

describe("the table of bench:peers", () => {
  test("a ratio above 1 says that minibatch is faster, whatever the unit", () => {
    expect(compare("w", rate, side("minibatch", 1), side("p", 2))).toMatchObject({ ratio: 2, ours: { p10: 100 }, peer: { p10: 50 } });
    expect(compare("w", { name: "ms", of: (t) => 1e3 * t }, side("minibatch", 1), side("p", 2)).ratio).toBe(2);
  });

  test("rounds are compared with their own round: a machine that slows down meets both", () => {
    const result = compare("w", rate, side("minibatch", 1, 2, 3), side("p", 1.5, 3, 4.5));
    expect(result).toMatchObject({ ratio: 1.5, lowest: 1.5, highest: 1.5 });
    expect(compare("w", rate, side("minibatch", 1, 1, 1), side("p", 1, 2, 4))).toMatchObject({ ratio: 2, lowest: 1, highest: 4 });
  });

  test("the best configuration is the one of least time; one that failed takes no part", () => {
    expect(best([side("a", 3, 1, 3), side("b", 2, 2, 2), side("failed")])?.name).toBe("b");
    expect(best([side("failed")])).toBeUndefined();
  });

  test("text and Markdown show losses as plainly as wins", () => {
    const results = [
      compare("won", rate, side("minibatch, 2 thr", 0.01), side("peer | one", 0.02), 1.97),
      compare("lost", rate, side("minibatch, 1 thr", 4), side("peer two", 2)),
    ];
    const text = textTable(results).split("\n");
    expect(text).toHaveLength(3);
    expect(text[1]).toMatch(/^won +10,000 samples\/s \(2 thr\) +peer \| one +5,000 samples\/s +2\.00 +2\.00 to 2\.00 +1\.97$/);
    expect(text[2]).toMatch(/^lost +25\.0 samples\/s \(1 thr\) +peer two +50\.0 samples\/s +0\.50 slower/);
    const markdown = markdownTable(results).split("\n");
    expect(markdown).toHaveLength(4);
    expect(markdown[2]).toBe("| won | 10,000 samples/s (2 thr) | peer \\| one | 5,000 samples/s | 2.00 | 2.00 to 2.00 | 1.97 |");
  });

  test("lines of gemm_bench: medians, and ratios of each instruction set", () => {
    const text = `
f32      MxKxN             avx512   med    avx2   med    blas   med  avx512/blas    avx2/blas
square 64x64x64            104.1 103.0    99.0  98.5   100.0  90.5        1.140        1.090
fwd 128x512x10              95.0  94.0    90.0  89.0    77.0  76.0        1.240        1.170`;
    expect(readProducts(text)).toEqual([
      { label: "square 64x64x64", gflops: { avx512: 103, avx2: 98.5, blas: 90.5 }, ratios: { avx512: 1.14, avx2: 1.09 } },
      { label: "fwd 128x512x10", gflops: { avx512: 94, avx2: 89, blas: 76 }, ratios: { avx512: 1.24, avx2: 1.17 } },
    ]);
  });

  test("what two processes of gemm_bench measured, shape by shape", () => {
    const ours = readProducts(`f32 MxKxN avx512 med avx2 med\nsquare 64x64x64 10 8 7 6\nfwd 1x2x3 1 1 1 1`);
    const theirs = readProducts(`f32 MxKxN blas med\nfwd 9x9x9 3 3\nsquare 64x64x64 5 4`);
    expect(beside(ours, theirs, "blas")).toEqual([
      { label: "square 64x64x64", gflops: { avx512: 8, avx2: 6, blas: 4 }, ratios: { avx512: 2, avx2: 1.5 } },
    ]);
  });

  const run = (...args: string[]) =>
    spawnSync(process.execPath, ["--import", "tsx", fileURLToPath(new URL("../bench/peers/run.ts", import.meta.url)), ...args], {
      encoding: "utf8",
    });

  test("--only with a name that is not there says what is known", () => {
    const { status, stderr } = run("--only", "no such work");
    expect(status).toBe(1);
    expect(stderr).toMatch(/--only must be part of a name below, got "no such work"\n {2}training \(a\)\n(.*\n)*.*GEMM, N = 10/);
  });

  test("--rounds is a whole number", () => {
    const { status, stderr } = run("--rounds", "0");
    expect(status).toBe(1);
    expect(stderr).toContain('--rounds must be a whole number of at least 1, got "0"');
  });
});

describe("processes that measure", () => {
  const node = (code: string) => startChild(process.execPath, ["-e", code]);
  const task = { kind: "inference", rows: 1, seconds: 0 } as const;

  test("an answer among other lines", async () => {
    const child = node(`console.log("hello"); process.stdin.once("data", () => console.log('answer {"p10": 1, "median": 2}'))`);
    expect(await child.ask(task)).toEqual({ p10: 1, median: 2 });
    child.end();
  });

  test("what went wrong is told, and a process that has died is not waited for", async () => {
    const wrong = node(`process.stdin.once("data", () => console.log('answer {"error": "no such network"}'))`);
    await expect(wrong.ask(task)).rejects.toThrow("no such network");
    wrong.end();
    const dead = node(`process.stdin.once("data", () => { console.error("out of luck"); process.kill(process.pid, "SIGKILL"); })`);
    await expect(dead.ask(task)).rejects.toThrow(/ended with SIGKILL: out of luck/);
    await expect(dead.ask(task)).rejects.toThrow(/ended with SIGKILL/);
    await expect(startChild("no-such-program-here", []).ask(task)).rejects.toThrow(/ENOENT/);
  });
});
