// Whether two data sets look like draws from one distribution: a test per feature and one for the labels, corrected for their number.
import type { Dataset } from "../dataset.ts";
import { ShapeError } from "../errors.ts";
import { sameShape, show } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { classLabels } from "./labels.ts";
import { rowCount } from "./rows.ts";

export interface FeatureComparison {
  /** `x[3]`, `x[2, 5]` for images, `y` for the labels. */
  readonly name: string;
  readonly test: "kolmogorov-smirnov" | "chi-squared";
  /** Kolmogorov-Smirnov: the largest distance of the two cumulative distributions, 0 to 1. Chi-squared: its statistic. */
  readonly statistic: number;
  /** Already corrected for the number of tests (Holm). */
  readonly p: number;
  /** p < 0.05. */
  readonly differs: boolean;
}
export interface Comparison {
  /** No feature differs. */
  readonly same: boolean;
  readonly features: readonly FeatureComparison[];
}

/** The chance of calling at least one feature of equal distributions different. */
const level = 0.05;

/**
 * Two-sample tests of dev against test: Kolmogorov-Smirnov for numbers, chi-squared for classes; p-values corrected by Holm's method.
 * The p-values are asymptotic: good from about ten rows in each set; features with few distinct values get larger ones than they should.
 *
 * ```ts
 * const { same, features } = compareDistributions(dev, test);
 * if (!same) console.log(features.filter((feature) => feature.differs));
 * ```
 */
export function compareDistributions(dev: Dataset, test: Dataset): Comparison {
  rowCount("compareDistributions", dev);
  rowCount("compareDistributions", test);
  for (const part of ["x", "y"] as const) {
    if (sameShape(dev[part].shape.slice(1), test[part].shape.slice(1))) continue;
    throw new ShapeError(
      `compareDistributions: rows of ${part} must have one shape in both, got ${show(dev[part].shape)} and ${show(test[part].shape)}`,
    );
  }
  const tests = compareColumns("x", dev.x, test.x);
  if (holdsClasses(dev) && holdsClasses(test)) tests.push(compareClasses(dev.y, test.y));
  else tests.push(...compareColumns("y", dev.y, test.y));
  const corrected = holm(tests.map(({ p }) => p));
  const features = tests.map((test, i) => ({ ...test, p: corrected[i] as number, differs: (corrected[i] as number) < level }));
  return { same: !features.some(({ differs }) => differs), features };
}

type Test = Omit<FeatureComparison, "differs">;

function compareColumns(name: string, a: Tensor, b: Tensor): Test[] {
  const shape = a.shape.slice(1);
  const width = shape.reduce((product, n) => product * n, 1);
  const [dataA, dataB] = [a.data(), b.data()];
  return Array.from({ length: width }, (_, j) => {
    const { statistic, p } = kolmogorovSmirnov(column(dataA, j, width), column(dataB, j, width));
    return { name: shape.length === 0 ? name : `${name}[${indexOf(j, shape).join(", ")}]`, test: "kolmogorov-smirnov", statistic, p };
  });
}

function column(data: ArrayLike<number>, j: number, width: number): Float64Array {
  const out = new Float64Array(data.length / width);
  for (let i = 0; i < out.length; i++) out[i] = data[i * width + j] as number;
  return out;
}

/** The index of element j of an array of this shape. */
function indexOf(j: number, shape: readonly number[]): number[] {
  const index: number[] = [];
  let rest = j;
  for (const n of [...shape].reverse()) {
    index.unshift(rest % n);
    rest = Math.floor(rest / n);
  }
  return index;
}

/**
 * Whether y holds classes: it says so (names, an integer type, one-hot rows), or it is `[m]` of whole numbers, few of them distinct.
 * At most the root of the rows: then a class has as many rows as there are classes, which a count in years or euros has not.
 */
function holdsClasses({ y, classes }: Dataset): boolean {
  const width = y.shape.slice(1).reduce((product, n) => product * n, 1);
  const values = y.data();
  if (width > 1) return y.rank === 2 && values.every((value) => value === 0 || value === 1) && oneInEach(values, width);
  if (!values.every((value) => Number.isInteger(value) && value >= 0)) return false;
  return classes !== undefined || y.dtype === "i32" || y.dtype === "u8" || new Set(values).size ** 2 <= values.length;
}

function oneInEach(values: ArrayLike<number>, width: number): boolean {
  for (let i = 0; i < values.length; i += width) {
    let sum = 0;
    for (let j = 0; j < width; j++) sum += values[i + j] as number;
    if (sum !== 1) return false;
  }
  return true;
}

function compareClasses(a: Tensor, b: Tensor): Test {
  const [of, against] = [classLabels("compareDistributions", a), classLabels("compareDistributions", b)];
  const counts = [of, against].map(({ labels }) => {
    const perClass = new Array<number>(Math.max(of.count, against.count)).fill(0);
    for (const label of labels) perClass[label] = (perClass[label] as number) + 1;
    return perClass;
  }) as [number[], number[]];
  return { name: "y", test: "chi-squared", ...chiSquared(...counts) };
}

/**
 * The two-sample test of Kolmogorov and Smirnov: D = max |F_a - F_b| over all values, and the chance of such a D where both are draws
 * from one distribution, by the asymptotic distribution with Stephens' correction for small samples (JRSS B 32, 1970).
 */
export function kolmogorovSmirnov(a: Float64Array, b: Float64Array): { statistic: number; p: number } {
  const x = Float64Array.from(a).sort();
  const y = Float64Array.from(b).sort();
  let distance = 0;
  for (let i = 0, j = 0; i < x.length && j < y.length; ) {
    // Equal values are stepped over in both before the distance is read: a tie is no difference.
    const value = Math.min(x[i] as number, y[j] as number);
    while (i < x.length && !((x[i] as number) > value)) i++;
    while (j < y.length && !((y[j] as number) > value)) j++;
    distance = Math.max(distance, Math.abs(i / x.length - j / y.length));
  }
  const root = Math.sqrt((x.length * y.length) / (x.length + y.length));
  return { statistic: distance, p: kolmogorovTail((root + 0.12 + 0.11 / root) * distance) };
}

/** P(K > t) of Kolmogorov's distribution. Each of the two series is used where its terms vanish fast. */
export function kolmogorovTail(t: number): number {
  if (t < 0.2) return 1;
  let sum = 0;
  if (t < 1.2) {
    for (let k = 1; k <= 9; k += 2) sum += Math.exp(-((k * Math.PI) ** 2) / (8 * t * t));
    return Math.max(0, 1 - (Math.sqrt(2 * Math.PI) / t) * sum);
  }
  for (let k = 1; k <= 6; k++) sum += (k % 2 ? 2 : -2) * Math.exp(-2 * k * k * t * t);
  return Math.min(1, Math.max(0, sum));
}

/**
 * Pearson's test that two lists of counts are draws from one distribution: the sum of (count - expected)^2 / expected.
 * Classes that would be expected less than once in either list are counted together, for there the distribution of the sum is another.
 */
export function chiSquared(a: readonly number[], b: readonly number[]): { statistic: number; p: number } {
  const total = (counts: readonly number[]) => counts.reduce((sum, n) => sum + n, 0);
  const [totalA, totalB] = [total(a), total(b)];
  const pairs: [number, number][] = [];
  const rare: [number, number] = [0, 0];
  for (const [c, n] of a.entries()) {
    const other = b[c] as number;
    if (n + other === 0) continue;
    if (((n + other) * Math.min(totalA, totalB)) / (totalA + totalB) >= 1) pairs.push([n, other]);
    else {
      rare[0] += n;
      rare[1] += other;
    }
  }
  if (rare[0] + rare[1] > 0) pairs.push(rare);
  let statistic = 0;
  for (const [n, other] of pairs) {
    const share = (n + other) / (totalA + totalB);
    statistic += (n - share * totalA) ** 2 / (share * totalA) + (other - share * totalB) ** 2 / (share * totalB);
  }
  return { statistic, p: pairs.length < 2 ? 1 : upperGamma((pairs.length - 1) / 2, statistic / 2) };
}

/** The regularised upper incomplete gamma function Q(a, x): by its series below a + 1, by a continued fraction (Lentz) above. */
export function upperGamma(a: number, x: number): number {
  if (x <= 0) return 1;
  const scale = Math.exp(a * Math.log(x) - x - logGamma(a));
  if (x < a + 1) {
    let term = 1 / a;
    let sum = term;
    for (let n = 1; n < 10_000 && term > sum * 1e-17; n++) {
      term *= x / (a + n);
      sum += term;
    }
    return Math.max(0, 1 - sum * scale);
  }
  let below = x + 1 - a;
  let c = Number.POSITIVE_INFINITY;
  let d = 1 / below;
  let fraction = d;
  for (let n = 1; n < 10_000; n++) {
    const step = -n * (n - a);
    below += 2;
    d = 1 / (step * d + below);
    c = below + step / c;
    fraction *= d * c;
    if (Math.abs(d * c - 1) < 1e-16) break;
  }
  return fraction * scale;
}

/** log of the gamma function for a > 0: Stirling's series from 10 on, below by the recurrence. */
function logGamma(a: number): number {
  let shift = 0;
  let z = a;
  for (; z < 10; z++) shift -= Math.log(z);
  const inverse = 1 / (z * z);
  const series = (1 / 12 + inverse * (-1 / 360 + inverse * (1 / 1260 + inverse * (-1 / 1680 + inverse * (1 / 1188))))) / z;
  return shift + (z - 0.5) * Math.log(z) - z + 0.5 * Math.log(2 * Math.PI) + series;
}

/** Holm's correction: the k-th smallest of n p-values times n - k + 1, never below one before it. */
export function holm(p: readonly number[]): number[] {
  const order = p.map((_, i) => i).sort((i, j) => (p[i] as number) - (p[j] as number));
  const out = new Array<number>(p.length);
  let least = 0;
  for (const [k, i] of order.entries()) {
    least = Math.max(least, Math.min(1, (p[i] as number) * (p.length - k)));
    out[i] = least;
  }
  return out;
}
