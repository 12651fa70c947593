// Pictures of every kind, of real and of awkward data, for the tests that read them and the one that shows them to a browser.
import {
  adam,
  batchNorm,
  crossEntropy,
  dense,
  dropout,
  findLearningRate,
  gradientHealth,
  landscapes,
  metrics,
  momentum,
  randomNormal,
  randomUniform,
  relu,
  schedule,
  sequential,
  sgd,
} from "minibatch";
import { digits, split, standardize } from "minibatch/data";
import * as plot from "minibatch/plot";
import {
  choice,
  coarseToFine,
  gridSearch,
  integer,
  list,
  logInteger,
  logUniform,
  oneMinusLogUniform,
  randomSearch,
  study,
  uniform,
} from "minibatch/search";

export const normal = (n: number, seed: number) => [...randomNormal([n], { seed }).data("f64")];

/** Names that break markup, are very long, or are not ASCII. */
export const nasty = [
  'a <b> & "c"',
  "</svg><script>throw 1</script>",
  "ein sehr langer Name, der in keine Zeile passt und gekürzt werden muss",
  "学習率 ☃",
];

export async function trainedOnDigits() {
  const { train, dev } = split(await digits(), { train: 300, dev: 60, stratify: true, seed: 1 });
  const model = sequential([standardize(train).layer(), dense(16), batchNorm(), relu(), dropout({ keepProb: 0.9 }), dense(10)]);
  const run = model.fit(train, {
    dev,
    loss: crossEntropy(),
    optimizer: adam({ learningRate: 0.01 }),
    epochs: 5,
    seed: 1,
    onEpoch: ({ epoch }, own) => {
      if (epoch === 3) own.set({ learningRate: 1e-3 });
    },
  });
  const history = await run;
  return { train, dev, model, run, history };
}

/** A study with every kind of parameter, parameters that only some trials have, pruned and failed trials. */
export const searched = () =>
  study({
    space: {
      learningRate: logUniform(1e-4, 1),
      beta: oneMinusLogUniform(0.9, 0.999),
      lambda: uniform(0, 10),
      units: list(integer(1, 3), logInteger(16, 256)),
      activation: choice(["relu", "tanh"]),
    },
    strategy: randomSearch({ trials: 30 }),
    prune: "median",
    seed: 3,
    objective: ({ learningRate, beta, units }, trial) => {
      if (trial.number === 7) throw new Error("a trial that fails");
      const value = 0.02 + 0.05 * (Math.log10(learningRate) + 2.3) ** 2 + 0.01 * (Math.log10(1 - beta) + 1.5) ** 2 + 0.01 * units.length;
      for (let i = 1; i < 6; i++) trial.report(value + 0.3 / i);
      return value;
    },
  });

const twoRates = { "learning rate": logUniform(1e-4, 1), epsilon: logUniform(1e-9, 1e-6) };
const oneMatters = {
  space: twoRates,
  seed: 2,
  objective: (p: { "learning rate": number }) => Math.abs(Math.log10(p["learning rate"]) + 1.3),
};
export const onGrid = () => study({ ...oneMatters, strategy: gridSearch({ points: 5 }) });
export const atRandom = () => study({ ...oneMatters, strategy: randomSearch({ trials: 25 }) });
export const narrowed = () => study({ ...oneMatters, strategy: coarseToFine({ rounds: 3, trials: 12 }) });

export async function allPictures(): Promise<Record<string, string>> {
  const { dev, model, run, history } = await trainedOnDigits();
  const result = await searched();
  const temperatures = normal(365, 6).map((v, i) => 10 + 8 * Math.sin(i / 58 - 1.5) + 2 * v);
  const canyon = landscapes.canyon();
  const walk = (f: typeof canyon, o: ReturnType<typeof sgd>) => landscapes.descend(f, o, { steps: 40 }).path;
  const deep = sequential(Array.from({ length: 12 }, (_, i) => (i % 2 ? relu() : dense(8)))).build({ shape: [5] });
  const [first] = history.epochs;
  const one = { ...history, epochs: [first] as const, best: first, last: first, interventions: [] };
  return {
    lines: await plot.lines(nasty.map((name, i) => ({ name, y: [5 - i, 4, Number.NaN, 2, 1 + i / 5], dashed: i === 2 })), { title: nasty[0], xLabel: "epoch", yLabel: "cost" }), // biome-ignore format: one picture
    "lines on logarithms": await plot.lines([{ name: "deviation", y: Array.from({ length: 150 }, (_, k) => 1.5 ** k) }], { xLabel: "layer", yLabel: "deviation", yScale: "log" }), // biome-ignore format: one picture
    "ten lines of 5000 points": await plot.lines(Array.from({ length: 10 }, (_, i) => ({ name: `run ${i}`, y: Array.from({ length: 5000 }, (_, k) => Math.exp(-k / (300 * (i + 1))) + 0.01) })), { xLabel: "step", yLabel: "cost", width: 500 }), // biome-ignore format: one picture
    "large numbers": await plot.lines([{ name: "a", x: [0, 2.5e9], y: [-1.23e-7, 4e-7] }], { xLabel: "time (ns)", yLabel: "difference" }),
    scatter: await plot.scatter([{ name: "tried", points: normal(600, 1).map((v, i) => [10 ** (v - 2), i]) }, { name: "best", points: [[0.01, 20]] }], { xLabel: "learning rate", yLabel: "trial", xScale: "log" }), // biome-ignore format: one picture
    bars: await plot.bars(["none", "L2"].flatMap((name, i) => ["train", "dev"].map((group, k) => ({ name, group, value: 0.08 + 0.02 * i * k }))), { xLabel: "regulariser", yLabel: "error (rate)" }), // biome-ignore format: one picture
    "many bars": await plot.bars(Array.from({ length: 24 }, (_, i) => ({ name: `${nasty[i % 4]} ${i}`, value: 10 ** (i / 5) })), { xLabel: "feature", yLabel: "importance", yScale: "log" }), // biome-ignore format: one picture
    "bars below zero": await plot.bars(
      [-3, 2, 0].map((value, i) => ({ name: `change ${i}`, value })),
      { xLabel: "", yLabel: "gain (points)" },
    ),
    histograms: await plot.histograms([{ name: "train", values: normal(900, 3) }, { name: "dev", values: [...normal(300, 4).map((v) => v + 1), Number.NaN] }], { xLabel: "pixel mean" }), // biome-ignore format: one picture
    histogram: await plot.histograms([{ name: "constant", values: [3, 3, 3] }], { xLabel: "weight", bins: 5 }),
    "learning rates": await plot.learningRates(await findLearningRate(model, dev, { loss: crossEntropy(), optimizer: adam(), to: 1e3 })),
    "learning curves": await plot.learningCurves(history),
    "learning curves, narrow": await plot.learningCurves(history, { width: 400, height: 300 }),
    "learning curves of one epoch": await plot.learningCurves(one),
    schedule: await plot.schedule(schedule.cosine({ initial: 1e-3, over: 200, per: "step" }), { epochs: 2, stepsPerEpoch: 100 }),
    schedules: await plot.schedule({ constant: () => 0.1, warmup: schedule.warmup({ over: 5, then: schedule.staircase({ initial: 0.1, factor: 0.5, every: 4 }) }) }, { epochs: 20 }), // biome-ignore format: one picture
    "moving averages": await plot.movingAverages(temperatures, { beta: [0.5, 0.9, 0.98], biasCorrection: true, xLabel: "day", yLabel: "temperature (°C)" }), // biome-ignore format: one picture
    "simple averages": await plot.movingAverages(temperatures.slice(0, 40), { window: 10, weights: 5 }),
    canyon: await plot.landscape(canyon, { "gradient descent": walk(canyon, sgd({ learningRate: 0.0405 })), momentum: walk(canyon, momentum({ learningRate: 0.05 })) }), // biome-ignore format: one picture
    saddle: await plot.landscape(landscapes.saddle()),
    "gradient health": await plot.gradientHealth(gradientHealth(run)),
    "gradient health of many layers": await plot.gradientHealth({ verdict: "vanishing", layer: "dense_1", layers: Array.from({ length: 80 }, (_, i) => ({ name: `dense_${i + 1}`, gradient: 10 ** (i - 79), activation: i === 3 ? Number.NaN : 1, update: i === 2 ? 0 : 1e-3 * (i + 1) })) }), // biome-ignore format: one picture
    activations: await plot.activationHistograms(model, dev.x),
    confusion: await plot.confusionMatrix(metrics.confusionMatrix(await model.predict(dev.x), dev.y)),
    "confusion of two": await plot.confusionMatrix([[50, 2], [7, 10000]], { classes: [nasty[0] as string, nasty[2] as string] }), // biome-ignore format: one picture
    weights: await plot.weights(model),
    images: await plot.images(dev.x.slice([0, 0], [14, 64]), { labels: [...dev.y.data()].slice(0, 14) }),
    "images in colour": await plot.images(randomUniform([5, 12, 20, 3], { seed: 1 }), { columns: 3, labels: [...nasty, "e"] }),
    "a study": await plot.studyHistory(result, { valueLabel: "dev error" }),
    "a study on logarithms, small": await plot.studyHistory(result, { valueLabel: nasty[0], valueScale: "log", width: 420, height: 260 }),
    "a study of one trial": await plot.studyHistory({ ...result, trials: result.trials.slice(0, 1) }),
    slices: await plot.slices(result, { valueLabel: "dev error" }),
    "slices, narrow": await plot.slices(result, { width: 380, parameters: ["units.0", "activation", "units.2"] }),
    "parallel coordinates": await plot.parallelCoordinates(result, { valueLabel: "dev error" }),
    "parallel coordinates, narrow": await plot.parallelCoordinates(result, {
      width: 420,
      parameters: ["learningRate", "beta", "activation"],
    }),
    boxes: await plot.boxes(await narrowed()),
    importance: await plot.importance(result),
    "grid and random": await plot.gridAndRandom({ grid: await onGrid(), random: await atRandom() }),
    graph: await plot.graph(model),
    "graph with gradient": await plot.graph(model, { backward: true }),
    "graph of a deep model": await plot.graph(deep, { backward: true, width: 600 }),
  };
}
