// The promise of equal bits: the same weights after 210 steps for any number of threads, for AVX2 and AVX-512, and for a
// second run. The scalar kernels have no fused multiply-add and are compared with a run of their own.
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { findAddon } from "../src/run/addon.ts";

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));

interface Result {
  readonly name: string;
  readonly isa: string;
  readonly threads: number;
  readonly steps: number;
  readonly hash: string;
}

function train(environment: Record<string, string>): Result {
  const text = execFileSync(process.execPath, ["--import", "tsx", at("./bits-run.ts")], {
    cwd: at(".."),
    encoding: "utf8",
    env: { ...process.env, MINIBATCH_BACKEND: "native", ...environment },
  });
  return JSON.parse(text.trim().split("\n").at(-1) as string) as Result;
}

const { addon } = findAddon();
const usable = addon?.info().isas ?? [];
const vector = usable.filter((isa) => isa === "avx2" || isa === "avx512");
const native = process.env.MINIBATCH_BACKEND !== "typescript" && addon !== undefined;

describe.skipIf(!native)("equal bits (needs the native addon)", () => {
  it.skipIf(!vector.length)("for 1, 2, 3 and 4 threads, every vector instruction set, and again", () => {
    const results = [
      ...vector.flatMap((isa) => [1, 2, 3, 4].map((threads) => ({ isa, threads }))),
      { isa: vector[0] as string, threads: 2 },
    ].map(({ isa, threads }) => {
      const result = train({ MINIBATCH_ISA: isa, MINIBATCH_THREADS: String(threads) });
      expect(result).toMatchObject({ name: "native", isa, threads, steps: 210 });
      return result;
    });
    expect(new Set(results.map((r) => r.hash)).size, JSON.stringify(results, null, 1)).toBe(1);
  });

  it("for 1 and 3 threads of the scalar kernels", () => {
    const results = [1, 3].map((threads) => train({ MINIBATCH_ISA: "scalar", MINIBATCH_THREADS: String(threads) }));
    expect(results.map((r) => r.isa)).toEqual(["scalar", "scalar"]);
    expect(new Set(results.map((r) => r.hash)).size).toBe(1);
  });
});
