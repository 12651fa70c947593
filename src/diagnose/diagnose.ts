// Bias and variance: what the errors on training and dev set say about a model, how sure that is, and what to do next.
// Knows only numbers: no model, no data set.
import { checkNumber, checkOptions, MinibatchError } from "../errors.ts";

export interface DiagnoseOptions {
  /** Error rates from 0 to 1: 15% is 0.15. */
  trainError: number;
  devError: number;
  testError?: number | undefined;
  /** The error that cannot be avoided, or that people make. Default 0. */
  baselineError?: number | undefined;
  /** Rows on which the errors were measured: with them, gaps that may be chance are told from real ones. */
  trainSize?: number | undefined;
  devSize?: number | undefined;
}

export interface Diagnosis {
  /** Avoidable bias: trainError - baselineError. */
  readonly bias: number;
  /** devError - trainError. */
  readonly variance: number;
  readonly verdict: "good fit" | "high bias" | "high variance" | "high bias and high variance" | "cannot tell";
  /** How sure the verdict is, 0 to 1: the chance that every gap it speaks of lies on its side. 0 where no sizes were given: the gaps are then taken at their word. */
  readonly confidence: number;
  /** In the order of the recipe: bias first, then variance; each names the call that does it. */
  readonly advice: readonly string[];
}

/** A gap of more than two points is worth working on: (1%, 1.5%) and (15%, 16%) are close, (1%, 15%) is not. */
const worthwhile = 0.02;
/** Two-sided 95%. */
const z95 = 1.959963984540054;

export interface Interval {
  readonly low: number;
  readonly high: number;
}

/**
 * Wilson's interval of a rate measured on n rows (JASA 22, 1927):
 * (p + z^2/2n -+ z sqrt(p(1 - p)/n + z^2/4n^2)) / (1 + z^2/n). Unlike p -+ z sqrt(p(1 - p)/n) it holds for few rows and rates near 0.
 */
export function wilson(rate: number, n: number, z = z95): Interval {
  const centre = rate + (z * z) / (2 * n);
  const spread = z * Math.sqrt((rate * (1 - rate)) / n + (z * z) / (4 * n * n));
  const scale = 1 + (z * z) / n;
  return { low: Math.max(0, (centre - spread) / scale), high: Math.min(1, (centre + spread) / scale) };
}

interface Rate {
  readonly value: number;
  /** Undefined: taken as exact. */
  readonly n: number | undefined;
}

/** The interval of a difference of two rates, made of their Wilson intervals (Newcombe, Statistics in Medicine 17, 1998, method 10). */
function gapInterval(upper: Rate, lower: Rate, z: number): Interval {
  const of = ({ value, n }: Rate): Interval => (n === undefined ? { low: value, high: value } : wilson(value, n, z));
  const [u, l] = [of(upper), of(lower)];
  const gap = upper.value - lower.value;
  return {
    low: gap - Math.hypot(upper.value - u.low, l.high - lower.value),
    high: gap + Math.hypot(u.high - upper.value, lower.value - l.low),
  };
}

interface Finding {
  readonly kind: "high" | "low" | "unknown";
  readonly confidence: number;
}

/**
 * High: its whole interval lies above what is worthwhile. Low: no part of it does. Otherwise the rows are too few to tell. Simulated over true
 * gaps of all sizes, a verdict is then right in more than 95 of 100 cases in which there is one (test/course/a-data.test.ts).
 */
function judge(upper: Rate, lower: Rate): Finding {
  const gap = upper.value - lower.value;
  const high = gap > worthwhile;
  if (upper.n === undefined && lower.n === undefined) return { kind: high ? "high" : "low", confidence: 0 };
  const interval = gapInterval(upper, lower, z95);
  const known = high ? interval.low > worthwhile : interval.high <= worthwhile;
  return { kind: known ? (high ? "high" : "low") : "unknown", confidence: sureness(upper, lower, high) };
}

/** The chance that the true gap lies on its side of what is worthwhile: by the z at which the interval's end just reaches that. */
function sureness(upper: Rate, lower: Rate, high: boolean): number {
  let [inside, outside] = [0, 12];
  for (let i = 0; i < 60; i++) {
    const z = (inside + outside) / 2;
    const interval = gapInterval(upper, lower, z);
    if (high ? interval.low > worthwhile : interval.high < worthwhile) inside = z;
    else outside = z;
  }
  return normalBelow(inside);
}

/** P(Z < z) for z >= 0: Abramowitz and Stegun 26.2.17, error below 1e-7. */
function normalBelow(z: number): number {
  const t = 1 / (1 + 0.2316419 * z);
  const series = t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  return 1 - (Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)) * series;
}

const biasAdvice: readonly string[] = [
  "bias: a bigger network, more units or layers: sequential([..., dense(units), relu(), ...])",
  "bias: train longer: fit(train, { epochs })",
  "bias: a better optimizer or learning rate: fit(train, { optimizer: adam({ learningRate }) }); study() finds the rate",
  "bias: another architecture: batchNorm() after each dense(), own layers by layer()",
];
const varianceAdvice: readonly string[] = [
  "variance: more training data: dataset(x, y) with more rows, or smaller dev and test parts in split()",
  "variance: more data by augmentation: fit(train, { augment: [flip(), crop({ size }), rotate({ degrees })] })",
  "variance: L2 regularisation: fit(train, { regularizer: l2(lambda) })",
  "variance: dropout between hidden layers: dropout({ keepProb: 0.8 })",
  "variance: another architecture, smaller or with shared weights: sequential([...])",
];

/**
 * Tells bias from variance. Avoidable bias = trainError - baselineError, variance = devError - trainError; a gap of more than two points
 * counts as high. With sizes, Wilson intervals at 95% decide on which side of that a gap lies, and the verdict is "cannot tell" where one of the
 * two may lie on either; the advice still names what to do about the other.
 *
 * ```ts
 * const { best } = await model.fit(train, { dev, loss: crossEntropy(), optimizer: adam(), epochs: 10 });
 * diagnose({ trainError: best.trainError, devError: best.devError, baselineError: 0.01, devSize: dev.x.size(0) }).advice;
 * ```
 */
export function diagnose(options: DiagnoseOptions): Diagnosis {
  checkOptions("diagnose", options, ["trainError", "devError", "testError", "baselineError", "trainSize", "devSize"]);
  const { trainError, devError, testError, baselineError = 0, trainSize, devSize } = options ?? {};
  for (const [name, value] of Object.entries({ trainError, devError, baselineError, ...(testError !== undefined && { testError }) })) {
    const percent = typeof value === "number" && value > 1 && value <= 100;
    if (percent) throw new MinibatchError(`diagnose: ${name} must be a rate (${value}% is ${value / 100}) from 0 to 1, got ${value}`);
    checkNumber("diagnose", name, value, { min: 0, max: 1 });
  }
  for (const [name, value] of Object.entries({ trainSize, devSize })) {
    if (value !== undefined) checkNumber("diagnose", name, value, { whole: true, min: 1 });
  }

  const train: Rate = { value: trainError, n: trainSize };
  const dev: Rate = { value: devError, n: devSize };
  const bias = judge(train, { value: baselineError, n: undefined });
  const variance = judge(dev, train);
  const verdict = verdictOf(bias.kind, variance.kind);
  return {
    bias: trainError - baselineError,
    variance: devError - trainError,
    verdict,
    confidence: confidenceOf(verdict, bias, variance),
    advice: [
      ...(bias.kind === "high" ? biasAdvice : []),
      ...(variance.kind === "high" ? varianceAdvice : []),
      ...unknownAdvice(bias, variance, options),
      ...testAdvice(options),
    ],
  };
}

/** A verdict speaks of both gaps; where one of them cannot be told it would be a guess. The advice goes by each gap alone. */
function verdictOf(bias: Finding["kind"], variance: Finding["kind"]): Diagnosis["verdict"] {
  if (bias === "unknown" || variance === "unknown") return "cannot tell";
  if (bias === "high") return variance === "high" ? "high bias and high variance" : "high bias";
  return variance === "high" ? "high variance" : "good fit";
}

/** Of the gaps that the verdict speaks of the least sure one. A gap judged without a size does not lower it. */
function confidenceOf(verdict: Diagnosis["verdict"], bias: Finding, variance: Finding): number {
  const spoken = [bias, variance].filter(({ kind }) => (verdict === "cannot tell" ? kind === "unknown" : true));
  const measured = spoken.map(({ confidence }) => confidence).filter((confidence) => confidence > 0);
  return measured.length ? Math.min(...measured) : 0;
}

function unknownAdvice(bias: Finding, variance: Finding, { trainError, devError }: DiagnoseOptions): string[] {
  const lines: string[] = [];
  if (bias.kind === "unknown") {
    lines.push(`bias: cannot be told from chance; about ${rowsFor(trainError)} training rows would show a gap of two points`);
  }
  if (variance.kind === "unknown") {
    lines.push(
      `variance: cannot be told from chance; about ${rowsFor(devError)} dev rows would show a gap of two points: split(data, { dev: rows })`,
    );
  }
  return lines;
}

/** The rows on which an error rate is known to within what is worthwhile: z^2 p(1 - p)/d^2, rounded up to two digits. */
function rowsFor(rate: number): number {
  const p = Math.min(0.5, Math.max(rate, worthwhile));
  const rows = (z95 * z95 * p * (1 - p)) / worthwhile ** 2;
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(rows)) - 1);
  return Math.ceil(rows / unit) * unit;
}

function testAdvice({ devError, testError }: DiagnoseOptions): string[] {
  if (testError === undefined || testError - devError <= worthwhile) return [];
  return [
    "test: worse than dev, so the choices made on dev fit dev too closely: a larger dev set, split(data, { dev }), and compareDistributions(dev, test) to see that both are alike",
  ];
}
