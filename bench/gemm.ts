// Matrix products of the shapes of training, through the library's own op and program: one instruction, many steps in one
// native call, as a training run makes them. native/bench/gemm_bench.cc measures the kernel alone, beside other libraries.
//
//   npm run bench -- gemm
import { matmulOp } from "../src/ops/linalg.ts";
import { executor } from "../src/run/backend.ts";
import { amountOf, type Instruction, instructionOf, runnerOf } from "./instruction.ts";
import { limitsOf, showRate, threadsOf } from "./limits.ts";
import { geometricMean, sample } from "./measure.ts";
import { keep, type Row, rowOf } from "./stamp.ts";

type Shape = readonly [kind: "square" | "fwd" | "fwd_Bt" | "dW" | "dX", m: number, k: number, n: number];

/** Forward X W, forward with W stored transposed, dW = X' G and dX = G W' of the layers that training is measured on. */
const shapes: readonly Shape[] = [
  ...[64, 128, 256, 512, 1024, 2048].map((n): Shape => ["square", n, n, n]),
  ["fwd", 128, 784, 512],
  ["fwd_Bt", 128, 784, 512],
  ["fwd", 128, 512, 512],
  ["fwd", 128, 512, 10],
  ["fwd", 32, 784, 256],
  ["fwd", 1, 784, 512],
  ["dW", 784, 128, 512],
  ["dX", 128, 512, 784],
];
const doubles: readonly Shape[] = [512, 1024].map((n): Shape => ["square", n, n, n]);

export function productOf([kind, m, k, n]: Shape, dtype: "f32" | "f64" = "f32"): Instruction {
  const [transposeA, transposeB] = [kind === "dW", kind === "dX" || kind === "fwd_Bt"];
  const [a, b] = [transposeA ? [k, m] : [m, k], transposeB ? [n, k] : [k, n]];
  return instructionOf(matmulOp, [{ shape: a }, { shape: b }], { transposeA, transposeB }, dtype);
}

export async function benchGemm(): Promise<void> {
  const rows: Row[] = [];
  // Plain TypeScript is a hundred times slower: only the shape it is known by.
  const slow = executor().name === "typescript";
  const f32 = slow ? shapes.filter(([kind, m, , n]) => kind === "fwd" && m === 128 && n === 512) : shapes;
  const cases = [...f32.map((s) => [s, "f32"] as const), ...(slow ? [] : doubles).map((s) => [s, "f64"] as const)];
  for (const threads of threadsOf(executor())) {
    for (const [shape, dtype] of cases) {
      const [kind, ...sizes] = shape;
      const product = productOf(shape, dtype);
      const seconds = sample(runnerOf(product, executor(), threads), 0.15);
      const measured = rowOf(`${dtype} ${kind} ${sizes.join("x")}`, threads, seconds, amountOf(product), await limitsOf(threads));
      rows.push(measured);
      console.log(`${measured.name.padEnd(28)} ${threads} thr ${measured.rate ? showRate(measured.rate) : ""}`);
    }
    const mean = geometricMean(rows.filter((r) => r.threads === threads && r.name.startsWith("f32")).map((r) => r.rate?.median ?? 0));
    console.log(`geometric mean of f32        ${threads} thr ${mean.toFixed(1)} GFLOP/s`);
  }
  await keep("gemm", rows);
}
