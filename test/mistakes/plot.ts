// Mistakes with pictures.
import { type Landscape, relu, ShapeError, sequential, tensor, zeros } from "minibatch";
import * as plot from "minibatch/plot";
import { built, file, type Mistake, net, untyped } from "./mistake.ts";

const axes = { xLabel: "x", yLabel: "y" };
const series = [{ name: "a", y: [1, 2] }];
const epoch = { epoch: 1, step: 1, trainLoss: Number.NaN, trainError: Number.NaN, learningRate: 1, gradientNorm: 1, seconds: 1, trainMetrics: {}, devMetrics: {}, devLoss: undefined, devError: undefined }; // biome-ignore format: one epoch
const history = { epochs: [epoch], best: epoch, last: epoch, interventions: [], stoppedBecause: "epochs" } as const;
const flat = (f: unknown) => Object.assign(f as object, { region: { x: [0, 1], y: [0, 1] } }) as unknown as Landscape;

/** The list without its second item: nothing stands there. */
function holed<T>(...items: T[]): T[] {
  delete items[1];
  return items;
}

const done: plot.StudyLike = {
  direction: "minimize",
  trials: [{ number: 1, state: "done", value: -1, values: { alpha: 0.1, kind: "a" } }],
  parameters: [
    { name: "alpha", kind: "uniform", low: 0, high: 1 },
    { name: "kind", kind: "choice", values: ["a", "b"] },
  ],
};
const failed: plot.StudyLike = { ...done, trials: [{ number: 1, state: "failed", value: Number.NaN, values: {} }] };

export const pictures: readonly Mistake[] = [
  {
    what: "more averages than anybody can tell apart",
    make: () => plot.movingAverages([1, 2], { beta: Array(1_000_000).fill(0.5) }),
    says: /^movingAverages: beta may have 100 numbers at the most, got 1000000$/,
  },
  {
    what: "a window of a moving average that has no text",
    make: () => plot.movingAverages([1, 2], { window: untyped(Object.create(null)) }),
    says: /^stats.movingAverage: window must be a whole number/,
  },
  {
    what: "weights of a moving average that are nothing",
    make: () => plot.movingAverages([1, 2], { weights: untyped(null) }),
    says: /^movingAverages: weights must be a list of numbers, got null$/,
  },
  {
    what: "numbers whose distance is beyond all numbers",
    make: () => plot.lines([{ name: "a", y: [-1e308, 1e308] }], axes),
    says: /^lines: the axis "y" cannot reach from -1e\+308 to 1e\+308/,
  },
  {
    what: "a histogram of such numbers",
    make: () => plot.histograms([{ name: "a", values: [-1e308, 1e308] }], { xLabel: "x" }),
    says: /^histograms: the axis "x" cannot reach from -1e\+308 to 1e\+308/,
  },
  {
    what: "weights where there is no room",
    make: () => plot.weights(built(), { width: 240 }),
    says: /^weights: width must be a finite number from 520 to 10000, got 240$/,
  },
  { what: "no series", make: () => plot.lines([], axes), says: /^lines: there is nothing to draw, series is empty$/ },
  {
    what: "series that are no list",
    make: () => plot.lines(untyped({ a: [1] }), axes),
    says: /^lines: series must be a list, got \{ a \}/,
  },
  {
    what: "a series without numbers",
    make: () => plot.lines([{ name: "a", y: [] }], axes),
    says: /^lines: there is nothing to draw, series "a" is empty/,
  },
  {
    what: "a series without a name",
    make: () => plot.lines(untyped([{ y: [1] }]), axes),
    says: /^lines: series\[0\]\.name must be a text, it is missing/,
  },
  {
    what: "a series that is a list of numbers",
    make: () => plot.lines(untyped([3]), axes),
    says: /^lines: series\[0\] must be an object, got 3/,
  },
  {
    what: "a text among numbers",
    make: () => plot.lines(untyped([{ name: "a", y: [1, "2"] }]), axes),
    says: /must hold numbers, got "2" at 1/,
  },
  {
    what: "x and y of different lengths",
    make: () => plot.lines([{ name: "a", x: [1], y: [1, 2] }], axes),
    says: /^lines: x and y of series "a" must be equally long, got 1 and 2/,
  },
  {
    what: "a series of NaN",
    make: () => plot.lines([{ name: "a", y: [Number.NaN] }], axes),
    says: /^lines: there is nothing to draw, no value for the axis "y" is finite/,
  },
  {
    what: "zero on a logarithmic axis",
    make: () => plot.lines([{ name: "a", y: [1, 0] }], { ...axes, yScale: "log" }),
    says: /^lines: a logarithmic axis shows values above 0, got 0 \(axis "y"\)/,
  },
  {
    what: "an unknown scale",
    make: () => plot.lines(series, { ...axes, yScale: untyped("logarithmic") }),
    says: /^lines: yScale must be "linear" or "log", got "logarithmic"/,
  },
  {
    what: "a misspelled option",
    make: () => plot.lines(series, untyped({ ...axes, titel: "t" })),
    says: /^lines: unknown option "titel", did you mean "title"\?/,
  },
  { what: "no labels", make: () => plot.lines(series, untyped({ title: "t" })), says: /^lines: xLabel must be a text, it is missing/ },
  { what: "no options", make: () => plot.lines(series, untyped(undefined)), says: /^lines: xLabel must be a text, it is missing/ },
  {
    what: "a picture of one pixel",
    make: () => plot.lines(series, { ...axes, width: 1 }),
    says: /^lines: width must be a finite number from 240/,
  },
  {
    what: "a title that is a number",
    make: () => plot.lines(series, { ...axes, title: untyped(3) }),
    says: /^lines: title must be a text, got 3/,
  },
  {
    what: "a PNG",
    make: () => plot.lines(series, { ...axes, file: "a.png" }),
    says: /^lines: a picture's file must end in \.svg or \.html, got "a\.png"; a browser makes a PNG/,
  },
  {
    what: "a file that is a number",
    make: () => plot.lines(series, { ...axes, file: untyped(3) }),
    says: /^lines: file must be a path or a file: URL, got 3/,
  },
  {
    what: "a folder that is not there",
    make: () => plot.lines(series, { ...axes, file: file("no/such/a.svg") }),
    says: /^lines: there is no such file or folder/,
  },
  {
    what: "points that are no pairs",
    make: () => plot.scatter(untyped([{ name: "a", points: [[1, 2, 3]] }]), axes),
    says: /^scatter: points of "a" must be pairs \[x, y\], got 3 numbers at 0/,
  },
  { what: "two bars of one name", make: () => plot.bars([{ name: "a", value: 1 }, { name: "a", value: 2 }], axes), says: /^bars: two bars are named "a"; give them groups/ }, // biome-ignore format: one row
  {
    what: "a bar without a number",
    make: () => plot.bars(untyped([{ name: "a", value: "1" }]), axes),
    says: /^bars: values\[0\]\.value must be a number, got "1"/,
  },
  {
    what: "no bins",
    make: () => plot.histograms([{ name: "a", values: [1] }], { xLabel: "x", bins: 0 }),
    says: /^histograms: bins must be a whole number from 1/,
  },
  {
    what: "a histogram of nothing finite",
    make: () => plot.histograms([{ name: "a", values: [Number.NaN] }], { xLabel: "x" }),
    says: /^histograms: there is nothing to draw, no value is finite/,
  },
  {
    what: "an empty history",
    make: () => plot.learningCurves(untyped({ epochs: [] })),
    says: /^learningCurves: the history has no epochs/,
  },
  {
    what: "a run in place of its history",
    make: () => plot.learningCurves(untyped(Promise.resolve())),
    says: /^learningCurves: expected the history of a run, as await/,
  },
  {
    what: "a history without a finite loss",
    make: () => plot.learningCurves(history),
    says: /^learningCurves: no loss of the history is finite/,
  },
  {
    what: "a schedule that is a number",
    make: () => plot.schedule(untyped(0.1), { epochs: 3 }),
    says: /^schedule: expected a schedule, or an object of schedules by name, got 0\.1/,
  },
  {
    what: "a schedule that gives NaN",
    make: () => plot.schedule(() => Number.NaN, { epochs: 3 }),
    says: /a schedule must give finite numbers/,
  },
  {
    what: "a schedule without epochs",
    make: () => plot.schedule(() => 1, untyped({})),
    says: /^schedule: epochs must be a whole number from 1/,
  },
  {
    what: "no average",
    make: () => plot.movingAverages([1, 2], {}),
    says: /^movingAverages: which average\? give window, weights or beta/,
  },
  { what: "beta of 1", make: () => plot.movingAverages([1, 2], { beta: 1 }), says: /beta must be a finite number from 0 below 1/ },
  {
    what: "a landscape that is not called",
    make: () =>
      plot.landscape(
        untyped(() => zeros([1])),
        {},
      ),
    says: /^landscape: the function must have region/,
  },
  {
    what: "a landscape that gives a number",
    make: () =>
      plot.landscape(
        flat(() => 3),
        {},
      ),
    says: /^landscape: the function must give a tensor, got 3/,
  },
  {
    what: "a landscape that is not elementwise",
    make: () =>
      plot.landscape(
        flat((x: ReturnType<typeof zeros>) => x.sum()),
        {},
      ),
    says: /^landscape: the function must work element by element/,
    kind: ShapeError,
  },
  {
    what: "a path of no points",
    make: () =>
      plot.landscape(
        flat((x: ReturnType<typeof zeros>) => x),
        { a: [] },
      ),
    says: /^landscape: there is nothing to draw, path "a" is empty/,
  },
  {
    what: "paths as a list",
    make: () =>
      plot.landscape(
        flat((x: ReturnType<typeof zeros>) => x),
        untyped([[0, 0]]),
      ),
    says: /^landscape: paths must be an object/,
  },
  {
    what: "counts that are not square",
    make: () => plot.confusionMatrix([[1, 2]]),
    says: /^confusionMatrix: the counts must be a square matrix/,
    kind: ShapeError,
  },
  {
    what: "counts of rank 1",
    make: () => plot.confusionMatrix(tensor([1, 2])),
    says: /^confusionMatrix: the counts must be a square matrix \[k, k\], got \[2\]/,
    kind: ShapeError,
  },
  { what: "a count below 0", make: () => plot.confusionMatrix([[1, -1], [0, 1]]), says: /^confusionMatrix: counts must be finite numbers from 0, got -1 in row 0, column 1/ }, // biome-ignore format: one row
  {
    what: "too few classes",
    make: () => plot.confusionMatrix([[1]], { classes: [] }),
    says: /^confusionMatrix: there must be a name for each of the 1 classes/,
  },
  { what: "images of rank 1", make: () => plot.images(zeros([16])), says: /^images: images are \[m, h, w\]/, kind: ShapeError },
  {
    what: "images of four channels",
    make: () => plot.images(zeros([2, 8, 8, 4])),
    says: /^images: images are \[m, h, w\].*got \[2, 8, 8, 4\]/,
    kind: ShapeError,
  },
  {
    what: "images that are no squares",
    make: () => plot.images(zeros([2, 17])),
    says: /^images: images are \[m, h, w\]/,
    kind: ShapeError,
  },
  {
    what: "too many images",
    make: () => plot.images(zeros([1001, 2, 2])),
    says: /^images: a picture holds 1 to 1000 images, got 1001; x\.slice/,
  },
  {
    what: "labels of another length",
    make: () => plot.images(zeros([2, 4, 4]), { labels: [1] }),
    says: /^images: there must be a label for each of the 2 images/,
  },
  { what: "images that are no tensor", make: () => plot.images(untyped([[1]])), says: /^images: expected a tensor of images/ },
  { what: "weights of no model", make: () => plot.weights(untyped({})), says: /^weights: expected a model/ },
  { what: "weights of a model without shapes", make: () => plot.weights(net()), says: /^parameters: the model has no weights yet/ },
  {
    what: "a model without matrices",
    make: () => plot.weights(sequential([relu()]).build({ shape: [2] })),
    says: /^weights: there is nothing to draw, the model has no weight matrices/,
  },
  {
    what: "activations of rows of another shape",
    make: () => plot.activationHistograms(built(), zeros([2, 3])),
    says: /^forward: the model takes a batch of examples of shape \[2\], got \[2, 3\]/,
  },
  { what: "a graph of no model", make: () => plot.graph(untyped(undefined)), says: /^graph: expected a model/ },
  {
    what: "gradient health of a model itself",
    make: () => plot.gradientHealth(untyped(built())),
    says: /^gradientHealth: expected what gradientHealth\(run\) gives/,
  },
  {
    what: "a study that was not awaited",
    make: () => plot.studyHistory(untyped(Promise.resolve())),
    says: /^studyHistory: expected what a study resolves to, got/,
  },
  { what: "a study of no trials", make: () => plot.slices(untyped({ ...failed, trials: [] })), says: /^slices: there is nothing to draw, the study has no trial/ }, // biome-ignore format: one row
  { what: "a study of failures", make: () => plot.parallelCoordinates(failed), says: /^parallelCoordinates: there is nothing to draw, all 1 trials failed/ }, // biome-ignore format: one row
  { what: "slices of an unknown parameter", make: () => plot.slices(done, { parameters: ["beta"] }), says: /^slices: the study has no parameter "beta"; there are "alpha", "kind"/ }, // biome-ignore format: one row
  {
    what: "slices of nothing",
    make: () => plot.slices(done, { parameters: [] }),
    says: /^slices: parameters must be a list of names, got an array of 0/,
  },
  {
    what: "a class whose name cannot be told",
    make: () => plot.confusionMatrix([[1]], { classes: untyped([new Proxy(new Float32Array(2), {})]) }),
    says: /^confusionMatrix: classes\[0\] must be a text/,
  },
  {
    what: "boxes of a study without",
    make: () => plot.boxes(done),
    says: /^boxes: the study has no boxes; the strategy coarseToFine records them/,
  },
  {
    what: "boxes without parameters",
    make: () => plot.boxes({ ...done, boxes: untyped([{ round: 1 }]) }),
    says: /^boxes: boxes must be a list of objects with parameters, as a study resolves to, got \{ round \}/,
  },
  {
    what: "a trial without values",
    make: () => plot.slices({ ...done, trials: untyped([{ number: 1, state: "done", value: 1 }]) }),
    says: /^slices: trials must be a list of objects with values, as a study resolves to, got \{ number, state, value \}/,
  },
  {
    what: "parameters with a hole",
    make: () => plot.studyHistory({ ...done, parameters: untyped(new Array(1)) }),
    says: /^studyHistory: parameters must be a list of objects with name, as a study resolves to, got undefined/,
  },
  {
    what: "a choice among nothing",
    make: () => plot.slices({ ...done, parameters: [{ name: "kind", kind: "choice", values: untyped(7) }] }),
    says: /^slices: values of parameter "kind" must be a list, got 7/,
  },
  {
    what: "bars with a hole among them",
    make: () => plot.bars(holed({ name: "a", value: 1 }, { name: "b", value: 2 }, { name: "c", value: 2 }), axes),
    says: /^bars: values\[1\] must be an object, got undefined/,
  },
  {
    what: "lines with a hole among them",
    make: () => plot.lines(holed(...series, ...series), axes),
    says: /^lines: series\[1\] must be an object, got undefined/,
  },
  {
    what: "parameters with a hole among them",
    make: () => plot.parallelCoordinates(done, { parameters: holed("alpha", "kind") }),
    says: /^parallelCoordinates: parameters must be a list of names/,
  },
  {
    what: "trials without numbers",
    make: () => plot.studyHistory({ ...done, trials: [{ ...done.trials[0], number: untyped("7") }] } as never),
    says: /^studyHistory: trials must have numbers as number and value, got "7" and -1/,
  },
  {
    what: "boxes without bounds",
    make: () => {
      const beta = { name: "beta", kind: "uniform", low: 0, high: 1 };
      return plot.boxes({ ...done, parameters: [...done.parameters, beta], boxes: [{ round: 1, parameters: { alpha: untyped(7) } }] });
    },
    says: /^boxes: a box must have two finite bounds of "alpha", got 7/,
  },
  {
    what: "interventions that are no list",
    make: () => plot.learningCurves({ ...history, epochs: [{ ...epoch, trainLoss: 1 }], interventions: untyped(7) }),
    says: /^learningCurves: interventions of the history must be a list of steps and what was done, got 7/,
  },
  {
    what: "boxes over a choice",
    make: () => plot.boxes({ ...done, boxes: [{ round: 1, parameters: {} }] }, { x: "kind" }),
    says: /^boxes: x must be a parameter with numbers, got the choice "kind"/,
  },
  {
    what: "boxes over one number only",
    make: () => plot.boxes({ ...done, boxes: [{ round: 1, parameters: {} }] }),
    says: /^boxes: y must be a parameter with numbers, got none beside the other/,
  },
  { what: "importance of no study", make: () => plot.importance(done), says: /^importance: expected what a study resolves to/ },
  { what: "a grid without random points", make: () => plot.gridAndRandom(untyped({ grid: done })), says: /^gridAndRandom: expected what a study resolves to, got undefined/ }, // biome-ignore format: one row
  { what: "a grid of one number", make: () => plot.gridAndRandom({ grid: done, random: done }), says: /^gridAndRandom: the studies need two parameters with numbers, got 1/ }, // biome-ignore format: one row
  { what: "a value's scale that there is not", make: () => plot.studyHistory(done, { valueScale: untyped("log2") }), says: /^studyHistory: valueScale must be "linear" or "log"/ }, // biome-ignore format: one row
  { what: "values below 0 on logarithms", make: () => plot.studyHistory(done, { valueScale: "log" }), says: /^studyHistory: a logarithmic axis shows values above 0, got -1/ }, // biome-ignore format: one row
  {
    what: "rates of no range test",
    make: () => plot.learningRates(untyped(undefined)),
    says: /^learningRates: expected what findLearningRate resolves to/,
  },
  { what: "rates without a loss", make: () => plot.learningRates(untyped({ points: [{ learningRate: 1 }] })), says: /^learningRates: points\[0\] must have learningRate above 0, loss and smoothed/ }, // biome-ignore format: one row
];
