// Predictions of network (a), one row and 256 rows, on one thread and on all. The number of threads of predictSync is
// fixed when a process starts, so each is a process.
//
//   npm run bench -- inference

import { linearOp } from "../src/ops/linalg.ts";
import { executor } from "../src/run/backend.ts";
import { amountOf, instructionOf } from "./instruction.ts";
import { type Amount, limitsOf, showRate, threadsOf } from "./limits.ts";
import { startOurs } from "./ours.ts";
import { keep, type Row, rowOf } from "./stamp.ts";

/** The products of (a): what cannot be left out. For one row the limit is reading the weights. */
function amountFor(rows: number): Amount {
  const layers = [
    [784, 512],
    [512, 256],
    [256, 10],
  ] as const;
  const amounts = layers.map(([k, n]) => amountOf(instructionOf(linearOp, [{ shape: [rows, k] }, { shape: [k, n] }], { activation: 0 })));
  const bytes = amounts.reduce((sum, a) => sum + a.bytes, 0);
  return rows === 1 ? { bytes, pattern: "read" } : { bytes, flops: amounts.reduce((sum, a) => sum + (a.flops ?? 0), 0) };
}

export async function benchInference(): Promise<void> {
  const rows: Row[] = [];
  for (const threads of threadsOf(executor())) {
    const child = startOurs(threads);
    for (const count of [1, 256]) {
      const { p10, median } = await child.ask({ kind: "inference", rows: count, seconds: 0.5 });
      const name = `predictSync of (a), ${count} row${count > 1 ? "s" : ""}`;
      const made = { ...rowOf(name, threads, [p10, median], amountFor(count), await limitsOf(threads)), samplesPerSecond: count / median };
      rows.push(made);
      console.log(`${name.padEnd(32)} ${threads} thr ${(1e6 * median).toFixed(1).padStart(9)} us ${made.rate ? showRate(made.rate) : ""}`);
    }
    child.end();
  }
  await keep("inference", rows);
}
