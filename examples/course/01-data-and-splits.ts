// Data and splits: how large dev and test must be, splits that keep the classes, k folds, and a shift found between dev and test.
import { adam, crossEntropy, type Dataset, dataset, dense, sequential, tensor } from "minibatch";
import { breastCancer, compareDistributions, kFold, split, standardize, suggestSplit, wine } from "minibatch/data";
import { histograms } from "minibatch/plot";
import { claim, percent, picture, small, table } from "./claim.ts";

// 1. How large? A dev set must be large enough to tell two models apart, and that takes a number of rows, not a share of them.
const sizes = [1_000, 50_000, 200_000, 1_000_000, 4_000_000].map((m) => ({ m, ...suggestSplit(m) }));
const share = (part: number) => `${Number((100 * part).toPrecision(4))} %`;
table(sizes.map(({ m, train, dev, test }) => ({ rows: m, train: share(train), dev: share(dev), test: share(test), "dev rows": dev * m })));
claim(
  "few rows are cut 60/20/20, a million 98/1/1, four million 99.5/0.25/0.25",
  sizes[0]?.dev === 0.2 && sizes[3]?.dev === 0.01 && sizes[4]?.dev === 0.0025 && sizes.every(({ m, dev }) => dev * m <= 10_000),
);

// 2. A plain split leaves the classes to chance. With `stratify` every set has its share of each class, to within a row.
const wines = await wine(); // x [178, 13], y [178]: three growers
const countOf = (data: Dataset, label: number) => data.y.data().filter((y) => y === label).length;
const offBy = (stratify: boolean, seed: number) => {
  const parts = Object.values(split(wines, { dev: 0.2, test: 0.2, stratify, seed }));
  return Math.max(
    ...parts.flatMap((part) => [0, 1, 2].map((k) => Math.abs(countOf(part, k) - (countOf(wines, k) * part.x.size(0)) / wines.x.size(0)))),
  );
};
const seeds = Array.from({ length: 20 }, (_, i) => i + 1);
const [plain, stratified] = [false, true].map((stratify) => Math.max(...seeds.map((seed) => offBy(stratify, seed)))) as [number, number];
claim("stratified sets have their share of each class to within a row; plain ones are off by several", stratified < 1 && plain > 2, {
  stratified,
  plain,
});

// 3. No row is in two sets, none is lost: split the rows' own numbers and put them together again.
const numbered = dataset(
  Array.from({ length: 178 }, (_, row) => row),
  wines.y,
);
const together = Object.values(split(numbered, { dev: 0.2, test: 0.2, seed: 1 })).flatMap(({ x }) => Array.from(x.data()));
claim("every row is in exactly one set", together.length === 178 && new Set(together).size === 178);

// 4. With so few rows one dev set of 36 is a lottery. k folds make every row a dev row once, and the errors are averaged.
const folds = kFold(wines, { k: 5, stratify: true, seed: 1 });
const errors: number[] = [];
for (const { train, dev } of folds) {
  const model = sequential([standardize(train).layer(), dense(3)]);
  await model.fit(train, { loss: crossEntropy(), optimizer: adam({ learningRate: 0.05 }), epochs: small ? 10 : 30, seed: 1 });
  errors.push((await model.evaluate(dev)).error);
}
table(
  folds.map(({ fold, train, dev }, i) => ({ fold, train: train.x.size(0), dev: dev.x.size(0), error: percent(errors[i] ?? Number.NaN) })),
);
const mean = errors.reduce((a, b) => a + b, 0) / errors.length;
claim("the five dev sets together are all 178 rows", folds.reduce((sum, { dev }) => sum + dev.x.size(0), 0) === 178, {
  "mean error": percent(mean),
});

// 5. Dev and test must come from one distribution: what is tuned on dev should hold on test. Here they do, ...
const { dev, test } = split(await breastCancer(), { dev: 280, test: 280, stratify: true, seed: 1 }); // x [280, 30] each
const honest = compareDistributions(dev, test);
claim("two random halves show no difference in 30 features and the labels", honest.same, {
  "smallest p": Math.min(...honest.features.map(({ p }) => p)),
});

// ... and here the test rows come from another microscope, which reads feature 4 by 0.6 deviations too high.
const feature = 4;
const { deviation } = standardize(dev);
const shift = Float32Array.from(deviation, (s, j) => (j === feature ? 0.6 * s : 0)); // [30]
const other = dataset(test.x.add(tensor(shift)), test.y);
const shifted = compareDistributions(dev, other);
const found = shifted.features.filter(({ differs }) => differs);
table(found.map(({ name, test, statistic, p }) => ({ feature: name, test, statistic, p })));
claim("the shifted feature is found, and no other", found.length === 1 && found[0]?.name === `x[${feature}]`);

// Labels are compared as well: a test set without two of three benign rows has other patients, though no number of theirs is wrong.
const kept = Array.from(test.y.data()).flatMap((y, row) => (y === 0 || row % 3 === 0 ? [row] : []));
const rows = tensor(kept, { dtype: "i32" });
const skewed = compareDistributions(dev, dataset(test.x.gather(rows), test.y.gather(rows)));
claim("other shares of the classes are found too", skewed.features.find(({ name }) => name === "y")?.differs === true);

const column = (data: Dataset) => Array.from(data.x.slice([0, feature], [data.x.size(0), 1]).data());
await picture(
  "01-data-and-splits",
  histograms(
    [
      { name: "dev", values: column(dev) },
      { name: "test, from another microscope", values: column(other) },
    ],
    { title: "A feature that dev and test do not share", xLabel: "feature 4: mean smoothness", bins: 20 },
  ),
);
