// What the machine itself can do, measured once per process and number of threads, and a figure as a share of it.
// Without the native addon nothing is measured, and no figure has a share.
import { availableParallelism } from "node:os";
import { findAddon, type Limits } from "../src/run/addon.ts";

/** What one call does. FLOPs where arithmetic limits it, else bytes; `bytes` is its working set in either case. */
export interface Amount {
  readonly bytes: number;
  readonly flops?: number;
  readonly dtype?: "f32" | "f64";
  /** What of the memory it is like: by default a copy. */
  readonly pattern?: "read" | "copy" | "update";
  /** Bytes moved, where they are not those of the working set. */
  readonly traffic?: number;
}

export interface Rate {
  readonly unit: "GFLOP/s" | "GB/s";
  readonly median: number;
  /** Of the machine's measured peak: multiply-adds, or the bandwidth of a plain loop over as large a working set. */
  readonly share: number | undefined;
}

/** Threads that figures are given for: one, and all. */
export const threadCounts: readonly number[] = [...new Set([1, availableParallelism()])];

/** Those of them that the executor has. */
export function threadsOf(executor: { readonly background: boolean }): readonly number[] {
  return executor.background ? threadCounts : [1];
}

const measured = new Map<number, Promise<Limits | undefined>>();

export function limitsOf(threads: number): Promise<Limits | undefined> {
  let found = measured.get(threads);
  if (!found) {
    found = Promise.resolve(findAddon().addon?.limits?.(threads, true));
    measured.set(threads, found);
  }
  return found;
}

/** How much faster multiply-adds are on so many threads than on one, now: below the number of threads where they share cores. */
export async function scaling(threads: number): Promise<number | undefined> {
  const { addon } = findAddon();
  const one = await addon?.limits?.(1, false);
  const all = await addon?.limits?.(threads, false);
  return one && all && all.fma.f32 / one.fma.f32;
}

/** GB/s of a working set of so many bytes, shared by all threads: between measured sizes along the logarithm. */
export function bandwidthAt({ memory, threads }: Limits, bytes: number, pattern: "read" | "copy" | "update" = "copy"): number | undefined {
  const own = bytes / threads;
  const above = memory.findIndex((set) => set.bytes >= own);
  if (above <= 0) return (above === 0 ? memory[0] : memory.at(-1))?.[pattern];
  const [low, high] = [memory[above - 1], memory[above]] as [Limits["memory"][number], Limits["memory"][number]];
  const t = Math.log(own / low.bytes) / Math.log(high.bytes / low.bytes);
  return low[pattern] ** (1 - t) * high[pattern] ** t;
}

/** The speed of something that takes so many seconds, beside the peak. */
export function rateOf(
  { flops, dtype = "f32", bytes, pattern, traffic = bytes }: Amount,
  seconds: number,
  limits: Limits | undefined,
): Rate {
  const median = (flops ?? traffic) / seconds / 1e9;
  const peak = limits && (flops === undefined ? bandwidthAt(limits, bytes, pattern) : limits.fma[dtype]);
  return { unit: flops === undefined ? "GB/s" : "GFLOP/s", median, share: peak && median / peak };
}

export function showRate({ unit, median, share }: Rate): string {
  const part = share === undefined ? "peak not measured" : `${(100 * share).toFixed(0)} % of peak`;
  return `${median.toFixed(median < 10 ? 2 : 1).padStart(8)} ${unit.padEnd(7)} ${part.padStart(17)}`;
}

export function showLimits(limits: Limits): string {
  const size = (bytes: number) => (bytes < 2 ** 20 ? `${bytes / 2 ** 10} KB` : `${bytes / 2 ** 20} MB`);
  const whole = (x: number) => x.toFixed(0).padStart(5);
  return [
    `${limits.isa}, ${limits.threads} thread${limits.threads > 1 ? "s" : ""}: FMA ${limits.fma.f32.toFixed(1)} GFLOP/s f32, ${limits.fma.f64.toFixed(1)} f64`,
    ...limits.memory.map(
      ({ bytes, read, copy, update }) =>
        `  ${size(bytes).padStart(6)} a thread: read ${whole(read)}, copy ${whole(copy)}, 4 read 3 written ${whole(update)} GB/s`,
    ),
  ].join("\n");
}
