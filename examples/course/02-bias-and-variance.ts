// Bias and variance: four networks on handwritten digits, and what their errors on the training and dev set say about each.
import {
  adam,
  batchNorm,
  crossEntropy,
  type Dataset,
  dense,
  diagnose,
  dropout,
  type Layer,
  lambda,
  relu,
  schedule,
  sequential,
  tanh,
} from "minibatch";
import { digits, split } from "minibatch/data";
import { bars } from "minibatch/plot";
import { claim, percent, picture, small, table } from "./claim.ts";

// avoidable bias = train error - baseline error       variance = dev error - train error
// The baseline is what cannot be avoided, or what people reach. It decides what counts as bias:
const course = [
  { trainError: 0.01, devError: 0.015, baselineError: 0.01 },
  { trainError: 0.15, devError: 0.16, baselineError: 0.01 },
  { trainError: 0.01, devError: 0.15, baselineError: 0.01 },
  { trainError: 0.15, devError: 0.3, baselineError: 0.01 },
  { trainError: 0.15, devError: 0.16, baselineError: 0.15 }, // blurred pictures that nobody can read: no bias at all
];
table(course.map((errors) => ({ ...errors, verdict: diagnose(errors).verdict })));
const verdicts = ["good fit", "high bias", "high variance", "high bias and high variance"];
claim(
  "the four textbook cases get their four verdicts, and a high baseline takes the bias away",
  course.every((errors, i) => diagnose(errors).verdict === verdicts[i % 4]),
);

// Now four networks. Two of them see all the training rows, two only a hundred. Digits hardly leave people in doubt: baseline 0.
const { train, dev } = split(await digits(), { dev: 500, stratify: true, seed: 1 }); // x [1297, 64] and [500, 64]
const few = split(train, { train: 100, dev: 100, stratify: true, seed: 1 }).train;
const wide = (units: number, keepProb: number) => [dense(units), batchNorm(), relu(), dropout({ keepProb }), dense(10)];
const narrow = (units: number) => [dense(units), tanh(), dense(10)];
const settings: { name: string; rows: Dataset; layers: Layer[]; epochs: number }[] = [
  { name: "wide, 1297 rows", rows: train, layers: wide(small ? 128 : 256, 0.5), epochs: small ? 16 : 40 },
  { name: "2 units, 1297 rows", rows: train, layers: narrow(2), epochs: 10 },
  { name: "wide, 100 rows", rows: few, layers: wide(small ? 128 : 256, 1), epochs: small ? 30 : 60 },
  { name: "3 units, 100 rows", rows: few, layers: narrow(3), epochs: 100 },
];

// An error measured on n rows is known to within Wilson's interval: with z = 1.96 it holds the true rate 95 times of 100.
function wilson(p: number, n: number, z = 1.96): [low: number, high: number] {
  const spread = z * Math.sqrt((p * (1 - p)) / n + (z * z) / (4 * n * n));
  return [p - spread, p + spread].map((edge) => (edge + (z * z) / (2 * n)) / (1 + (z * z) / n)) as [number, number];
}
const between = ([low, high]: [number, number]) => `${(100 * Math.max(0, low)).toFixed(1)} to ${percent(high)}`;

interface Result {
  readonly name: string;
  readonly trainError: number;
  readonly devError: number;
  readonly trainSize: number;
}
const results: Result[] = [];
for (const { name, rows, layers, epochs } of settings) {
  const model = sequential([lambda((x) => x.div(16)), ...layers]); // pixels from 0 to 16 become 0 to 1
  const optimizer = adam({ learningRate: schedule.cosine({ initial: 0.01, over: epochs }) });
  await model.fit(rows, { loss: crossEntropy(), optimizer, epochs, seed: 1 });
  const [{ error: trainError }, { error: devError }] = [await model.evaluate(rows), await model.evaluate(dev)];
  results.push({ name, trainError, devError, trainSize: rows.x.size(0) });
}
table(
  results.map(({ name, trainError, devError, trainSize }) => ({
    network: name,
    train: percent(trainError),
    "(95 %)": between(wilson(trainError, trainSize)),
    dev: percent(devError),
    "(95 %) ": between(wilson(devError, 500)),
  })),
);

// Errors taken at their word give a verdict at once. With the sizes the intervals must lie on one side of what is worth working on, two
// points, or the verdict is that nobody can tell: 500 rows say little about an error near one half.
const atTheirWord = ({ trainError, devError }: Result) => diagnose({ trainError, devError });
const measured = ({ trainError, devError, trainSize }: Result, devSize = 500) => diagnose({ trainError, devError, trainSize, devSize });
/** The least number of rows in both sets, doubled from 50 on, from which these errors have a verdict. */
function rowsNeeded({ trainError, devError }: Result): number {
  for (let rows = 50; rows < 1e7; rows *= 2) {
    if (diagnose({ trainError, devError, trainSize: rows, devSize: rows }).verdict !== "cannot tell") return rows;
  }
  return Number.POSITIVE_INFINITY;
}
table(
  results.map((result) => ({
    network: result.name,
    "at their word": atTheirWord(result).verdict,
    "with the sizes": measured(result).verdict,
    "can be told from": `${rowsNeeded(result)} rows`,
  })),
);
for (const [i, result] of results.entries()) claim(`${result.name}: ${verdicts[i]}`, atTheirWord(result).verdict === verdicts[i]);
claim(
  "with the sizes the verdict is the same, or that it cannot be told; with enough rows it is always the same",
  results.every((result) => ["cannot tell", atTheirWord(result).verdict].includes(measured(result).verdict) && rowsNeeded(result) < 1e6),
);

// The advice goes by each gap alone: what is certain is worked on. It comes in the order of the recipe, bias first, for a network that does
// not fit its own rows says little about variance.
const advice = results.map((result) => measured(result).advice);
const names = (lines: readonly string[] | undefined, what: string) => lines?.some((line) => line.startsWith(what)) === true;
claim(
  "the advice names the gap that is certain",
  names(advice[1], "bias: a bigger network") && names(advice[2], "variance: more training data"),
);
const last = advice[3] ?? [];
console.log(`\nwhat to do about the last one:\n${last.map((line) => `  ${line}`).join("\n")}\n`);
claim(
  "advice against bias comes before advice against variance",
  last.findIndex((line) => line.startsWith("variance")) > last.findLastIndex((line) => line.startsWith("bias")),
);

await picture(
  "02-bias-and-variance",
  bars(
    results.flatMap(({ name, trainError, devError }) => [
      { name, group: "train", value: 100 * trainError },
      { name, group: "dev", value: 100 * devError },
    ]),
    { title: "Error on the training and dev set", xLabel: "", yLabel: "error (%)" },
  ),
);
