// What the scripts of test/trust share: the options --short, --n and --seed, random numbers that can be replayed, and the
// one line `name, n, failures, seed, seconds` at the end. Knows nothing of what is tried.
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { philox, seedWords } from "../../../src/random.ts";

/** Random numbers from a seed: the same seed gives the same script. */
export class Random {
  readonly #key: readonly [number, number];
  readonly #words = new Uint32Array(4);
  #index = 0;

  constructor(seed: number) {
    this.#key = seedWords(seed);
  }

  /** A whole number from 0 to 2^32 - 1. */
  word(): number {
    const lane = this.#index % 4;
    if (lane === 0) philox(this.#key[0], this.#key[1], Math.floor(this.#index / 4), 0, 0, 99, this.#words);
    this.#index++;
    return this.#words[lane] as number;
  }

  /** From 0 to 1, 1 not included. */
  unit(): number {
    return this.word() / 2 ** 32;
  }

  /** A whole number from 0 to n - 1. */
  below(n: number): number {
    return Math.floor(this.unit() * n);
  }

  chance(p: number): boolean {
    return this.unit() < p;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }
}

export interface Trial {
  readonly n: number;
  readonly seed: number;
  readonly long: boolean;
  readonly random: Random;
  /** Counts a failure and says what was wrong; the first ones are printed. */
  fail(what: string): void;
  /** A fact for the reader, printed at once. */
  say(what: string): void;
}

function option(name: string): number | undefined {
  const at = process.argv.indexOf(`--${name}`);
  if (at < 0) return undefined;
  const value = Number(process.argv[at + 1]);
  if (!Number.isSafeInteger(value) || value < 0) throw new Error(`--${name} takes a whole number from 0 on, got ${process.argv[at + 1]}`);
  return value;
}

/** Runs a script: `sizes` are the numbers of trials with --short, in CI, and without. The process exits with 1 when one failed. */
export async function evidence(
  name: string,
  sizes: { readonly short: number; readonly long: number },
  body: (trial: Trial) => Promise<number | undefined>,
): Promise<void> {
  const long = !process.argv.includes("--short");
  const n = option("n") ?? (long ? sizes.long : sizes.short);
  const seed = option("seed") ?? 1;
  const began = performance.now();
  let failures = 0;
  const trial: Trial = {
    n,
    seed,
    long,
    random: new Random(seed),
    fail(what) {
      failures++;
      if (failures <= 10) console.error(`${name}: FAILED ${what}`);
    },
    say: (what) => console.log(`${name}: ${what}`),
  };
  const done = (await body(trial)) ?? n;
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  console.log(`${name}, n ${done}, failures ${failures}, seed ${seed}, seconds ${seconds}`);
  process.exitCode = failures > 0 ? 1 : 0;
}

/** The garbage collector, without a flag on the command line. */
export function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  gc ??= runInNewContext("gc") as () => void;
  gc();
}
let gc: (() => void) | undefined;
