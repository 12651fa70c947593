// Where and on what a benchmark ran, and the file it is kept in. Figures from different stamps are not to be compared.
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { fileURLToPath } from "node:url";
import type { CaseResultWithDiff } from "benny/lib/internal/common-types.js";
import { backend } from "minibatch";
import type { Limits } from "../src/run/addon.ts";
import { type Amount, limitsOf, type Rate, rateOf, threadCounts } from "./limits.ts";
import { median } from "./measure.ts";

function commit(): string {
  try {
    return execFileSync("git", ["describe", "--always", "--dirty"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  } catch (error) {
    return `unknown (${error instanceof Error ? error.message.split("\n")[0] : String(error)})`;
  }
}

export function stamp() {
  const { name, isa, threads, blas } = backend();
  return {
    date: new Date().toISOString(),
    commit: commit(),
    processor: cpus()[0]?.model.trim() ?? "unknown",
    cores: cpus().length,
    memoryGB: Math.round(totalmem() / 2 ** 30),
    platform: `${process.platform}-${process.arch}`,
    node: process.version,
    backend: { name, isa, threads, ...(blas ? { blas } : {}) },
  };
}

/** One row of a result file: times in milliseconds per call. */
export interface Row {
  readonly name: string;
  readonly median: number;
  readonly min: number;
  readonly samples: number;
  readonly threads?: number;
  /** FLOPs or bytes per second, and which share of the machine's peak that is. */
  readonly rate?: Rate;
  /** Samples trained or predicted per second. */
  readonly samplesPerSecond?: number;
}

export function row(name: string, { details, samples }: CaseResultWithDiff, amount?: Amount, limits?: Limits): Row {
  const { median, min } = details;
  return { name, median: 1e3 * median, min: 1e3 * min, samples, ...(amount ? { rate: rateOf(amount, median, limits) } : {}) };
}

/** A row of times that were taken without benny, in seconds per call. */
export function rowOf(name: string, threads: number, seconds: readonly number[], amount?: Amount, limits?: Limits): Row {
  const middle = median(seconds);
  const times = { name, threads, median: 1e3 * middle, min: 1e3 * Math.min(...seconds), samples: seconds.length };
  return amount ? { ...times, rate: rateOf(amount, middle, limits) } : times;
}

export function resultFile(name: string): string {
  const folder = fileURLToPath(new URL("./results/", import.meta.url));
  mkdirSync(folder, { recursive: true });
  return `${folder}${name}`;
}

/** Writes bench/results/NAME.json: the rows, the machine, and what it can do. */
export async function keep(name: string, rows: readonly object[], more: object = {}): Promise<void> {
  const limits = (await Promise.all(threadCounts.map(limitsOf))).filter((found) => found !== undefined);
  const peaks = limits.length ? limits : "not measured: no native addon";
  writeFileSync(resultFile(`${name}.json`), `${JSON.stringify({ name, stamp: stamp(), peaks, ...more, rows }, null, 2)}\n`);
  console.log(`kept in bench/results/${name}.json`);
}
