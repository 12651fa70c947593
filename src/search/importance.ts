// How much each parameter matters: a small random forest learns the value from the parameters, then one parameter at a time
// is shuffled, and what the forest's predictions lose is that parameter's importance. Knows records only.
// Source: Breiman, "Random Forests", Machine Learning 45, 2001.
import { MinibatchError } from "../errors.ts";
import { draw, permutation } from "../random.ts";
import type { Kept } from "./ledger.ts";
import { isRecordedChoice } from "./space.ts";

/**
 * Permutation importance by a random forest: the rise of the squared error, on trials that a tree has not seen, when the
 * parameter's values are shuffled among them, as a share of the sum over all parameters (shares of parameters that do not matter are about 0).
 * Pruned trials count with their last report: they show what does not work.
 * It says what mattered in the trials that were made: a parameter searched in a narrow range, or one that only failed trials have, shows none.
 */
export interface Importance {
  readonly name: string;
  /** From 0 to 1; all add up to 1, unless no parameter explains anything. */
  readonly importance: number;
}

const treeCount = 100;
/** Leaves of fewer trials follow noise. */
const leafSize = 2;
const seed = 0;

type Tree = { readonly mean: number } | { readonly feature: number; readonly threshold: number; readonly left: Tree; readonly right: Tree };

function mean(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length;
}

/** Numbers between 0 and 1 one after the other. */
function stream(site: number): () => number {
  let index = 0;
  return () => draw({ seed, purpose: "search", site: 0xf0e57, step: site }, index++);
}

/** The tree of least squared error, greedily, each split by the best of a random third of the features (one at least). */
function grow(rows: readonly number[], x: readonly Float64Array[], y: readonly number[], random: () => number): Tree {
  const values = rows.map((row) => y[row] as number);
  const leaf = { mean: mean(values) };
  if (rows.length < 2 * leafSize || values.every((value) => value === values[0])) return leaf;
  const features = x.map((_, i) => i);
  const tried = Math.max(1, Math.ceil(features.length / 3));
  let best: { feature: number; threshold: number; gain: number } | undefined;
  for (let t = 0; t < features.length && (t < tried || !best); t++) {
    const pick = t + Math.floor(random() * (features.length - t));
    [features[t], features[pick]] = [features[pick] as number, features[t] as number];
    const feature = features[t] as number;
    const column = x[feature] as Float64Array;
    const sorted = [...rows].sort((a, b) => (column[a] as number) - (column[b] as number));
    let left = 0;
    const total = mean(values) * rows.length;
    for (let i = 1; i < sorted.length; i++) {
      left += y[sorted[i - 1] as number] as number;
      const [below, above] = [column[sorted[i - 1] as number] as number, column[sorted[i] as number] as number];
      if (below === above || i < leafSize || sorted.length - i < leafSize) continue;
      // Least squared error is the greatest sum of squared sums over sizes.
      const gain = (left * left) / i + (total - left) ** 2 / (sorted.length - i);
      if (!best || gain > best.gain) best = { feature, threshold: (below + above) / 2, gain };
    }
  }
  if (!best) return leaf;
  const { feature, threshold } = best;
  const column = x[feature] as Float64Array;
  return {
    feature,
    threshold,
    left: grow(
      rows.filter((row) => (column[row] as number) <= threshold),
      x,
      y,
      random,
    ),
    right: grow(
      rows.filter((row) => (column[row] as number) > threshold),
      x,
      y,
      random,
    ),
  };
}

function predict(tree: Tree, feature: (index: number) => number): number {
  let at = tree;
  while ("feature" in at) at = feature(at.feature) <= at.threshold ? at.left : at.right;
  return at.mean;
}

/** Columns by name: numbers by their rank (so no scale matters), choices by their place, -1 where a trial has no such parameter. */
function columns(trials: readonly Kept[]): { names: string[]; x: Float64Array[] } {
  const all = new Set(trials.flatMap((trial) => [...trial.recorded.keys()]));
  const names: string[] = [];
  const x: Float64Array[] = [];
  for (const name of all) {
    const column = Float64Array.from(trials, ({ recorded }) => {
      const value = recorded.get(name);
      if (value === undefined) return Number.NaN;
      return isRecordedChoice(value) ? value.choice : (value as number);
    });
    const ranks = new Map(
      [...new Set(column)]
        .filter((v) => !Number.isNaN(v))
        .sort((a, b) => a - b)
        .map((v, i) => [v, i]),
    );
    const ranked = column.map((v) => ranks.get(v) ?? -1);
    names.push(name);
    x.push(ranked);
  }
  return { names, x };
}

export function importanceOf(all: readonly Kept[]): Importance[] {
  const trials = all.filter((trial) => Number.isFinite(trial.value));
  if (trials.length < 10) throw new MinibatchError(`importance: there must be 10 trials with a value at least, got ${trials.length}`);
  const { names, x } = columns(trials);
  const y = trials.map((trial) => trial.value);
  const raised = new Array<number>(names.length).fill(0);
  for (let t = 0; t < treeCount; t++) {
    const random = stream(t);
    const drawn = y.map(() => Math.floor(random() * y.length));
    const inBag = new Set(drawn);
    const outOfBag = y.map((_, row) => row).filter((row) => !inBag.has(row));
    if (outOfBag.length < 2) continue;
    const tree = grow(drawn, x, y, random);
    const error = (row: number, guess: number) => (guess - (y[row] as number)) ** 2;
    const before = mean(
      outOfBag.map((row) =>
        error(
          row,
          predict(tree, (f) => (x[f] as Float64Array)[row] as number),
        ),
      ),
    );
    for (let feature = 0; feature < names.length; feature++) {
      const order = permutation({ seed, purpose: "search", site: feature, step: t }, outOfBag.length);
      const after = mean(
        outOfBag.map((row, i) => {
          const other = outOfBag[order[i] as number] as number;
          return error(
            row,
            predict(tree, (f) => (x[f] as Float64Array)[f === feature ? other : row] as number),
          );
        }),
      );
      raised[feature] = (raised[feature] as number) + (after - before);
    }
  }
  const positive = raised.map((value) => Math.max(0, value));
  const total = positive.reduce((a, b) => a + b, 0);
  return names
    .map((name, i) => ({ name, importance: total > 0 ? (positive[i] as number) / total : 0 }))
    .sort((a, b) => b.importance - a.importance || (a.name < b.name ? -1 : 1));
}
