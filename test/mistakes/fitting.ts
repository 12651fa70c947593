// Mistakes in what fit is given, and while it runs.
import {
  adagrad,
  adam,
  adamW,
  BusyError,
  binaryCrossEntropy,
  clipByGlobalNorm,
  crossEntropy,
  dataset,
  dense,
  elasticNet,
  findLearningRate,
  huber,
  l1,
  l2,
  meanSquaredError,
  momentum,
  nesterov,
  replay,
  rmsprop,
  ShapeError,
  schedule,
  sequential,
  sgd,
  sigmoid,
  softmax,
  withThreads,
  zeros,
} from "minibatch";
import { built, type Mistake, net, options, train, untyped, x } from "./mistake.ts";

export const fitting: readonly Mistake[] = [
  {
    what: "an elastic net of nothing",
    make: () => elasticNet(untyped(undefined)),
    says: /^elasticNet: options must be an object with l1, l2, got undefined/,
  },
  {
    what: "a share of the threads for no function",
    make: () => withThreads(2, untyped(train)),
    says: /^withThreads: expected a function to call, got/,
  },
  {
    what: "images without flatten",
    make: () => net().fit(dataset(zeros([4, 3, 2]), zeros([4])), options),
    says: /^fit: train: crossEntropy needs one output per class.*got \[3, \d+\] per example; flatten\(\) makes rows of images$/,
  },
  {
    what: "clipping one gradient that is in no list",
    make: () => clipByGlobalNorm(untyped(zeros([2])), 1),
    says: /^clipByGlobalNorm: expected an array of tensors, got/,
  },
  { what: "no options", make: () => net().fit(train, untyped(undefined)), says: /^fit: / },
  { what: "no loss", make: () => net().fit(train, untyped({ optimizer: adam(), epochs: 1 })), says: /^fit: option loss is missing$/ },
  {
    what: "a loss that was not called",
    make: () => net().fit(train, { ...options, loss: untyped(crossEntropy) }),
    says: /^fit: loss .*crossEntropy/,
  },
  {
    what: "no optimizer",
    make: () => net().fit(train, untyped({ loss: crossEntropy(), epochs: 1 })),
    says: /^fit: option optimizer is missing$/,
  },
  {
    what: "an optimizer that was not called",
    make: () => net().fit(train, { ...options, optimizer: untyped(adam) }),
    says: /^fit: optimizer .*adam/,
  },
  {
    what: "a name for an optimizer",
    make: () => net().fit(train, { ...options, optimizer: untyped("adam") }),
    says: /^fit: optimizer .*"adam"/,
  },
  {
    what: "no epochs",
    make: () => net().fit(train, { ...options, epochs: 0 }),
    says: /^fit: epochs must be a whole number from 1.*, got 0$/,
  },
  { what: "batch size 0", make: () => net().fit(train, { ...options, batchSize: 0 }), says: /^fit: batchSize must be .*, got 0$/ },
  {
    what: "a misspelled option",
    make: () => net().fit(train, untyped({ ...options, batchsize: 2 })),
    says: /^fit: unknown option "batchsize", did you mean "batchSize"\?$/,
  },
  {
    what: "an option of another library",
    make: () => net().fit(train, untyped({ ...options, validationData: train })),
    says: /^fit: unknown option "validationData"; known are /,
  },
  {
    what: "a misspelled option of an optimizer",
    make: () => adam(untyped({ learningrate: 0.1 })),
    says: /^adam: unknown option "learningrate", did you mean "learningRate"\?$/,
  },
  { what: "a negative learning rate", make: () => momentum({ learningRate: -1 }), says: /^momentum: learningRate must be .*, got -1$/ },
  { what: "beta 1", make: () => momentum({ learningRate: 1, beta: 1 }), says: /^momentum: beta must be .*, got 1$/ },
  { what: "a negative penalty", make: () => l2(-1), says: /^l2: lambda must be .*, got -1$/ },
  { what: "a penalty that is no number", make: () => l1(Number.NaN), says: /^l1: lambda must be a finite number from 0, got NaN$/ },
  {
    what: "one negative penalty of two",
    make: () => elasticNet({ l1: 0.1, l2: -0.1 }),
    says: /^elasticNet: l2 must be a finite number from 0, got -0\.1$/,
  },
  { what: "no penalty", make: () => elasticNet(untyped({ l1: 0.1 })), says: /^elasticNet: l2 must be .*, got undefined$/ },
  { what: "a negative beta", make: () => nesterov({ learningRate: 1, beta: -0.1 }), says: /^nesterov: beta must be .*, got -0\.1$/ },
  { what: "beta1 of 1", make: () => adam({ beta1: 1 }), says: /^adam: beta1 must be a finite number from 0 below 1, got 1$/ },
  {
    what: "beta2 that is no number",
    make: () => rmsprop({ learningRate: 1, beta2: Number.NaN }),
    says: /^rmsprop: beta2 must be .*, got NaN$/,
  },
  { what: "a negative epsilon", make: () => adagrad({ learningRate: 1, epsilon: -1 }), says: /^adagrad: epsilon must be .*, got -1$/ },
  {
    what: "epsilon without saying where",
    make: () => adam({ epsilon: untyped({ value: 1e-8 }) }),
    says: /^adam: epsilon\.inside must be true or false, got undefined$/,
  },
  {
    what: "a dampening of another library",
    make: () => momentum({ learningRate: 1, dampening: untyped(0) }),
    says: /^momentum: dampening must be "course" or "none", got 0$/,
  },
  { what: "a negative decoupled decay", make: () => adamW({ weightDecay: -0.1 }), says: /^adamW: weightDecay must be .*, got -0\.1$/ },
  {
    what: "a regulariser that was not called",
    make: () => net().fit(train, { ...options, regularizer: untyped(l2) }),
    says: /^fit: regularizer must be l2\(lambda\).*, got a function \(l2\)$/,
  },
  {
    what: "a schedule that falls to no number",
    make: () => net().fit(train, { ...options, optimizer: sgd({ learningRate: () => Number.NaN }) }),
    says: /learningRate.*NaN/,
  },
  {
    what: "a cosine over nothing",
    make: () => schedule.cosine({ initial: 1, over: 0 }),
    says: /^schedule\.cosine: over must be .*, got 0$/,
  },
  { what: "huber of delta 0", make: () => huber({ delta: 0 }), says: /^huber: delta must be .*, got 0$/ },
  {
    what: "raw arrays for data",
    make: () => net().fit(untyped([[1, 2]]), options),
    says: /^fit: train: expected a data set \{ x, y \}, got an array of 1; dataset\(x, y\) makes one$/,
  },
  {
    what: "rows and labels of different number",
    make: () => dataset(x, [0, 1, 1]),
    says: /^dataset: x and y must have equally many rows, got 4 and 3/,
    kind: ShapeError,
  },
  { what: "empty data", make: () => net().fit(dataset(zeros([0, 2]), zeros([0])), options), says: /^fit: .*(empty|rows)/ },
  { what: "a label out of range", make: () => net().fit(dataset(x, [0, 1, 2, 0]), options), says: /label.* 2/ },
  { what: "a negative label", make: () => net().fit(dataset(x, [0, 1, -1, 0]), options), says: /label.* -1/ },
  {
    what: "a label between classes",
    make: () => net().fit(dataset(x, [0, 1, 0.5, 0]), options),
    says: /^fit: train: crossEntropy needs classes as whole numbers, got 0\.5 in row 2; meanSquaredError\(\) goes with real targets$/,
  },
  {
    what: "a label that is not a number",
    make: () => net().fit(dataset(x, [0, 1, Number.NaN, 0]), options),
    says: /^fit: train: crossEntropy needs classes as whole numbers, got NaN in row 2/,
  },
  {
    what: "one-hot labels of another width",
    make: () => net().fit(dataset(x, zeros([4, 3])), options),
    says: /\[4, 3\]|3 classes|\[.*3\]/,
  },
  {
    what: "targets of another width",
    make: () => net().fit(dataset(x, zeros([4, 3])), { ...options, loss: meanSquaredError() }),
    says: /^fit: train: meanSquaredError needs labels of the outputs' shape \[2\] per example, got \[3\]$/,
  },
  {
    what: "a dev set of another width",
    make: () => net().fit(train, { ...options, dev: dataset(zeros([2, 3]), [0, 1]) }),
    says: /dev.*\[3\]|dev.* 3/,
  },
  {
    what: "training data of another width than before",
    make: () => built().fit(dataset(zeros([4, 3]), [0, 1, 0, 1]), options),
    says: /\[4, 3\]|\[3\]/,
  },
  { what: "softmax before crossEntropy", make: () => sequential([dense(2), softmax()]).fit(train, options), says: /crossEntropy.*softmax/ },
  {
    what: "sigmoid before binaryCrossEntropy",
    make: () => sequential([dense(1), sigmoid()]).fit(train, { ...options, loss: binaryCrossEntropy() }),
    says: /binaryCrossEntropy.*sigmoid/,
  },
  {
    what: "early stopping without a dev set",
    make: () => net().fit(train, { ...options, earlyStopping: { patience: 2 } }),
    says: /earlyStopping.*dev/,
  },
  {
    what: "negative patience",
    make: () => net().fit(train, { ...options, dev: train, earlyStopping: { patience: -1 } }),
    says: /patience must be a whole number from \d.*, got -1$/,
  },
  {
    what: "watching something else",
    make: () => net().fit(train, { ...options, dev: train, earlyStopping: { patience: 1, watch: untyped("accuracy") } }),
    says: /watch.*"accuracy"/,
  },
  {
    what: "clipping to zero",
    make: () => net().fit(train, { ...options, clipNorm: 0 }),
    says: /^fit: clipNorm must be a finite number above 0, got 0$/,
  },
  {
    what: "half a thread",
    make: () => net().fit(train, { ...options, threads: 0.5 }),
    says: /^fit: threads must be a whole number from 1.*, got 0\.5$/,
  },
  {
    what: "a metric that is no function",
    make: () => net().fit(train, { ...options, metrics: { f1: untyped("f1") } }),
    says: /metric.*f1/,
  },
  {
    what: "a missing value among the inputs",
    make: () => net().fit(dataset([[Number.NaN, 0]], [0]), options),
    says: /^fit: train: x must hold finite numbers, got NaN in row 0, element 0$/,
  },
  {
    what: "a second fit while one runs",
    make: () => {
      const model = net();
      const run = model.fit(train, { ...options, epochs: 1000 });
      try {
        return model.fit(train, options);
      } finally {
        run.stop();
      }
    },
    says: /^fit: /,
    kind: BusyError,
  },
  {
    what: "a negative learning rate while it runs",
    make: () => {
      const run = net().fit(train, { ...options, epochs: 1000 });
      try {
        run.set({ learningRate: -1 });
      } finally {
        run.stop();
      }
    },
    says: /learningRate must be .*, got -1$/,
  },
  {
    what: "going back to a mark that was never made",
    make: async () => {
      const run = net().fit(train, { ...options, epochs: 1000 });
      try {
        await run.revert("before");
      } finally {
        run.stop();
      }
    },
    says: /"before"/,
  },
  ...steering(),
];

/** Mistakes with run.set and its kin: each on a run of its own, which is stopped. */
function steering(): Mistake[] {
  const onRun = (what: string, ask: (run: ReturnType<typeof start>) => unknown, says: RegExp): Mistake => ({
    what,
    make: async () => {
      const run = start();
      try {
        await ask(run);
      } finally {
        run.stop();
        await run;
      }
    },
    says,
  });
  const start = () => net().fit(train, { ...options, optimizer: sgd({ learningRate: 0.01 }), epochs: 3 });
  return [
    onRun("nothing to set", (run) => run.set({}), /^run\.set: expected at least one of learningRate, regularizer, .*, got \{ {2}\}/),
    onRun(
      "settings that are none",
      (run) => run.set(untyped(undefined)),
      /^run\.set: expected an object with learningRate, .*, got undefined/,
    ),
    onRun("a setting that there is not", (run) => run.set(untyped({ learningrate: 1 })), /^run\.set: .*"learningrate".*learningRate/),
    onRun("a rate below 0", (run) => run.set({ learningRate: -1 }), /^run\.set: learningRate must be .*got -1/),
    onRun(
      "a rate as text",
      (run) => run.set({ learningRate: untyped("0.1") }),
      /^run\.set: learningRate must be a positive number or a schedule, got "0\.1"/,
    ),
    onRun(
      "weight decay of plain descent",
      (run) => run.set({ weightDecay: 0.1 }),
      /^run\.set: weightDecay is of adam and adamW, got the optimizer/,
    ),
    onRun(
      "dropout that the model does not have",
      (run) => run.set({ keepProb: 0.5 }),
      /^run\.set: keepProb needs a dropout layer, and the model has none/,
    ),
    onRun("a regulariser as a number", (run) => run.set({ regularizer: untyped(0.1) }), /^run\.set: regularizer must be/),
    onRun("clipping at 0", (run) => run.set({ clipNorm: 0 }), /^run\.set: clipNorm must be .*got 0/),
    onRun("half a row", (run) => run.set({ batchSize: 0.5 }), /^run\.set: batchSize \(or "all"\) must be a whole number.*got 0\.5/),
    onRun("a mark without a name", (run) => run.mark(untyped(7)), /^run\.mark: expected a name, got 7/),
    onRun(
      "a mark with a name of the run's own",
      (run) => run.mark("before change 1"),
      /^run\.mark: "before change N" are names of automatic marks/,
    ),
    onRun("no mark to go back to", (run) => run.revert(), /^run\.revert: a change that can be taken back must have taken effect, got none/),
    onRun("a mark that there is not", (run) => run.revert("x"), /^run\.revert: no mark named "x"; run\.mark\(name\) makes one/),
    onRun("a mark that is a number", (run) => run.revert(untyped(3)), /^run\.revert: expected a mark or its name, got 3/),
    onRun(
      "settings that go nowhere",
      (run) => run.revert("x", { settings: untyped("lose") }),
      /^run\.revert: settings must be "revert" or "keep", got "lose"/,
    ),
    { what: "a log that is no file", make: () => net().fit(train, { ...options, log: untyped(7) }), says: /^fit: log: a file is a path or a file: URL, got 7/ }, // biome-ignore format: one row
    { what: "a log in no folder", make: () => net().fit(train, { ...options, log: "/nowhere/at/all.jsonl" }), says: /^fit: log: there is no such file or folder, got/ }, // biome-ignore format: one row
    {
      what: "a replay of no file",
      make: () => replay("/nowhere.jsonl", net(), train),
      says: /^replay: there is no such file or folder, got/,
    },
    { what: "a replay on no model", make: () => replay("x", untyped(7), train, { verify: untyped(1) }), says: /^replay: verify must be true or false, got 1/ }, // biome-ignore format: one row
    {
      what: "a range test of no model",
      make: () => findLearningRate(untyped({}), train, untyped({})),
      says: /^findLearningRate: expected a model/,
    },
    { what: "a range test without options", make: () => findLearningRate(net(), train, untyped(undefined)), says: /^findLearningRate: options must have at least loss and optimizer/ }, // biome-ignore format: one row
    { what: "a range test without a loss", make: () => findLearningRate(net(), train, untyped({ optimizer: sgd({ learningRate: 1 }) })), says: /option loss is missing/ }, // biome-ignore format: one row
    { what: "rates that fall", make: () => findLearningRate(net(), train, { loss: options.loss, optimizer: options.optimizer, from: 1, to: 0.1 }), says: /^findLearningRate: to must be .*above 1.*got 0\.1/ }, // biome-ignore format: one row
    { what: "three steps", make: () => findLearningRate(net(), train, { loss: options.loss, optimizer: options.optimizer, steps: 3 }), says: /^findLearningRate: steps must be a whole number from 10.*got 3/ }, // biome-ignore format: one row
    { what: "an option of fit that a range test has not", make: () => findLearningRate(net(), train, untyped({ ...options })), says: /^findLearningRate: unknown option "epochs"/ }, // biome-ignore format: one row
  ];
}
