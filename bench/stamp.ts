// Where and on what a benchmark ran, and the file it is kept in. Figures from different stamps are not to be compared.
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { fileURLToPath } from "node:url";
import type { CaseResultWithDiff, Summary } from "benny/lib/internal/common-types.js";
import { backend } from "minibatch";

function commit(): string {
  try {
    return execFileSync("git", ["describe", "--always", "--dirty"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  } catch (error) {
    return `unknown (${error instanceof Error ? error.message.split("\n")[0] : String(error)})`;
  }
}

export function stamp() {
  const { name, isa, threads } = backend();
  return {
    date: new Date().toISOString(),
    commit: commit(),
    processor: cpus()[0]?.model.trim() ?? "unknown",
    cores: cpus().length,
    memoryGB: Math.round(totalmem() / 2 ** 30),
    platform: `${process.platform}-${process.arch}`,
    node: process.version,
    backend: { name, isa, threads },
  };
}

/** One row of a result file: times in milliseconds per call. */
export interface Row {
  readonly name: string;
  readonly median: number;
  readonly min: number;
  readonly samples: number;
  /** What one call does, in units per second: samples trained, or elements computed. */
  readonly rate?: { readonly unit: string; readonly median: number } | undefined;
}

export function row({ name, details, samples }: CaseResultWithDiff, unit?: string, amount = 0): Row {
  const { median, min } = details;
  const rate = unit && amount ? { unit: `${unit}/s`, median: Math.round(amount / median) } : undefined;
  return { name, median: 1e3 * median, min: 1e3 * min, samples, ...(rate ? { rate } : {}) };
}

/** Writes bench/results/NAME.json. */
export function keep(name: string, rows: readonly Row[]): void {
  const folder = fileURLToPath(new URL("./results/", import.meta.url));
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}${name}.json`, `${JSON.stringify({ name, stamp: stamp(), rows }, null, 2)}\n`);
  console.log(`kept in bench/results/${name}.json`);
}

export type { Summary };
