// Cutting a data set into parts: train, dev and test, or k folds. The work is on row numbers; each row goes to one part at most.
import type { Dataset } from "../dataset.ts";
import { checkNumber, checkOptions, describe, MinibatchError } from "../errors.ts";
import { checkSeed, permutation } from "../random.ts";
import { type ClassLabels, classLabels } from "./labels.ts";
import { rowCount, taker } from "./rows.ts";

export interface SplitCommon {
  /** By default what dev and test leave. A count may be smaller: the other rows are then left out. */
  train?: number | undefined;
  /** Every class keeps its share in every part, to within a row or so; it needs as many rows as there are parts, in `kFold` two. */
  stratify?: boolean | undefined;
  seed: number;
}
export interface SplitOptions extends SplitCommon {
  dev?: number | undefined;
  test?: number | undefined;
}

/**
 * Shuffled parts of a data set. Below 1 a size is a fraction (rounded to rows), from 1 on a count of rows.
 * No row is in two parts; without `train`, none is lost. The same seed gives the same parts.
 *
 * ```ts
 * const { train, dev, test } = split(await digits(), { dev: 0.15, test: 0.15, stratify: true, seed: 1 });
 * ```
 */
export function split(data: Dataset, options: SplitCommon & { dev: number; test: number }): { train: Dataset; dev: Dataset; test: Dataset };
export function split(data: Dataset, options: SplitCommon & { test: number; dev?: never }): { train: Dataset; test: Dataset };
export function split(data: Dataset, options: SplitCommon & { dev: number; test?: never }): { train: Dataset; dev: Dataset };
export function split(data: Dataset, options: SplitOptions): { train: Dataset; dev?: Dataset; test?: Dataset } {
  const m = rowCount("split", data);
  const { seed, stratify } = checkCommon("split", options, ["train", "dev", "test", "stratify", "seed"]);
  const sizes = partSizes(m, options);
  const sets = Object.values(sizes).filter((size) => size > 0).length;
  const classes = stratify ? stratification("split", data, sets) : undefined;
  const [dev, test, train] = splitRows(m, [sizes.dev, sizes.test, sizes.train], seed, classes) as [Int32Array, Int32Array, Int32Array];
  const take = taker(data);
  return { train: take(train), ...(sizes.dev > 0 && { dev: take(dev) }), ...(sizes.test > 0 && { test: take(test) }) };
}

function checkCommon(where: string, options: SplitCommon, known: readonly string[]): { seed: number; stratify: boolean } {
  checkOptions(where, options, known);
  const { stratify = false, seed } = options ?? {};
  if (typeof stratify !== "boolean") throw new MinibatchError(`${where}: stratify must be true or false, got ${describe(stratify)}`);
  return { seed: checkSeed(where, seed), stratify };
}

/** Rows per part. */
function partSizes(m: number, { train, dev, test }: SplitOptions): { train: number; dev: number; test: number } {
  if (dev === undefined && test === undefined)
    throw new MinibatchError("split: dev or test must be given, a fraction or a count of rows; got neither");
  const sizes = { dev: partSize("dev", dev, m), test: partSize("test", test, m) };
  const rest = m - sizes.dev - sizes.test;
  if (rest < 1) {
    throw new MinibatchError(`split: dev and test must leave rows for train, got ${sizes.dev} + ${sizes.test} of ${m} rows`);
  }
  if (train === undefined) return { train: rest, ...sizes };
  const wanted = partSize("train", train, m);
  if (train < 1) {
    // A fraction says how the whole is divided. Beside fractions it must complete them; beside a count, to within the rounding.
    const given = [train, dev ?? 0, test ?? 0];
    const complete = given.every((part) => part < 1) ? Math.abs(given.reduce((a, b) => a + b) - 1) < 1e-6 : Math.abs(wanted - rest) <= 1;
    if (complete) return { train: rest, ...sizes };
    throw new MinibatchError(
      `split: fractions must add up to 1 (left out, train takes the rest), got train ${train}, dev ${dev}, test ${test}`,
    );
  }
  if (wanted > rest) {
    throw new MinibatchError(
      `split: train, dev and test must fit into the data, got ${wanted} + ${sizes.dev} + ${sizes.test} of ${m} rows`,
    );
  }
  return { train: wanted, ...sizes };
}

function partSize(name: string, size: number | undefined, m: number): number {
  if (size === undefined) return 0;
  checkNumber("split", name, size, { above: 0 });
  if (size >= 1 && !Number.isInteger(size)) {
    throw new MinibatchError(`split: ${name} must be a fraction below 1 or a whole number of rows, got ${size}`);
  }
  const rows = size < 1 ? Math.round(size * m) : size;
  if (rows === 0) throw new MinibatchError(`split: ${name} must be a row at least, got ${size} of ${m} rows`);
  return rows;
}

/** Classes by which rows can be shared out among so many sets. */
function stratification(where: string, data: Dataset, sets: number): ClassLabels {
  const classes = classLabels(`${where}: stratify`, data.y);
  const counts = countClasses(classes);
  const scarce = counts.findIndex((rows) => rows > 0 && rows < sets);
  if (scarce >= 0) {
    throw new MinibatchError(
      `${where}: stratify needs a row of every class for each of ${sets} sets, got ${counts[scarce]} of class ${scarce} (are the labels classes?)`,
    );
  }
  return classes;
}

function countClasses({ labels, count }: ClassLabels): number[] {
  const counts = new Array<number>(count).fill(0);
  for (const label of labels) counts[label] = (counts[label] as number) + 1;
  return counts;
}

/** Row numbers of parts of these sizes, each part in random order. With classes, each part has its share of every class. */
export function splitRows(m: number, sizes: readonly number[], seed: number, classes?: ClassLabels): Int32Array[] {
  const { labels, count } = classes ?? { labels: new Int32Array(m), count: 1 };
  const left = shares(countClasses({ labels, count }), sizes);
  const parts = sizes.map((size) => new Int32Array(size));
  const filled = sizes.map(() => 0);
  for (const row of permutation({ seed, purpose: "split" }, m)) {
    const label = labels[row] as number;
    const part = left.findIndex((perClass) => (perClass[label] as number) > 0);
    if (part < 0) continue;
    const perClass = left[part] as number[];
    perClass[label] = (perClass[label] as number) - 1;
    const at = filled[part] as number;
    (parts[part] as Int32Array)[at] = row;
    filled[part] = at + 1;
  }
  return parts;
}

interface Share {
  readonly label: number;
  readonly rows: number;
  /** Rows that no part has taken yet. */
  free: number;
  /** What the parts so far got less than their exact share. */
  owed: number;
}

/**
 * How many rows of each class every part takes: the exact share n_c s / m rounded down, the rows still wanting given to the largest
 * remainders. Among equal ones those come first that got less than their share before, so that one class is not always favoured.
 */
function shares(counts: readonly number[], sizes: readonly number[]): number[][] {
  const m = counts.reduce((a, b) => a + b, 0);
  const classes = counts.map((rows, label): Share => ({ label, rows, free: rows, owed: 0 }));
  return sizes.map((size) => {
    const parts = classes.map((of) => {
      const exact = (of.rows * size) / m;
      const given = Math.min(Math.floor(exact), of.free);
      return { of, exact, given, remainder: exact - given };
    });
    const order = [...parts].sort((a, b) => b.remainder - a.remainder || b.of.owed - a.of.owed || a.of.label - b.of.label);
    let wanting = size - parts.reduce((sum, part) => sum + part.given, 0);
    while (wanting > 0) {
      for (const part of order) {
        if (wanting === 0 || part.given >= part.of.free) continue;
        part.given++;
        wanting--;
      }
    }
    for (const { of, exact, given } of parts) {
      of.free -= given;
      of.owed += exact - given;
    }
    return parts.map(({ given }) => given);
  });
}

export interface Fold {
  /** From 1. */
  readonly fold: number;
  readonly train: Dataset;
  readonly dev: Dataset;
}

/** k pairs of train and dev: every row is in the dev set of exactly one fold, and in the training sets of the others. */
export function kFold(data: Dataset, options: { k: number; stratify?: boolean | undefined; seed: number }): Fold[] {
  const m = rowCount("kFold", data);
  const { seed, stratify } = checkCommon("kFold", options, ["k", "stratify", "seed"]);
  const k = checkNumber("kFold", "k", options.k, { whole: true, min: 2, max: m });
  const take = taker(data);
  return foldRows(m, k, seed, stratify ? stratification("kFold", data, 2) : undefined).map(({ train, dev }, i) => ({
    fold: i + 1,
    train: take(train),
    dev: take(dev),
  }));
}

/** The rows in random order, then (stable) by class, are dealt out like cards: sizes differ by one at most, in all and per class. */
export function foldRows(m: number, k: number, seed: number, classes?: ClassLabels): { train: Int32Array; dev: Int32Array }[] {
  const order = permutation({ seed, purpose: "split", site: 1 }, m);
  const dealt = Array.from(order);
  if (classes) dealt.sort((a, b) => (classes.labels[a] as number) - (classes.labels[b] as number));
  const foldOf = new Int32Array(m);
  for (const [i, row] of dealt.entries()) foldOf[row] = i % k;
  return Array.from({ length: k }, (_, fold) => ({
    train: order.filter((row) => foldOf[row] !== fold),
    dev: order.filter((row) => foldOf[row] === fold),
  }));
}

/** From here on the dev and test sets need no share of the data but a number of rows that tells two models apart. */
const largeData = 100_000;
/** 10,000 rows show a difference of a tenth of the error at an error of some percent. */
const enoughRows = 10_000;

/**
 * Fractions that suit a number of rows, for `split`: 60/20/20 under 100,000; from there on 10,000 rows each for dev and test, which is
 * 80/10/10 at 100,000 and 98/1/1 at a million.
 */
export function suggestSplit(m: number): { train: number; dev: number; test: number } {
  checkNumber("suggestSplit", "m", m, { whole: true, min: 3 });
  if (m < largeData) return { train: 0.6, dev: 0.2, test: 0.2 };
  const part = enoughRows / m;
  return { train: 1 - 2 * part, dev: part, test: part };
}
