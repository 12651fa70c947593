// Mistakes with models that are there: predicting, evaluating, saving, loading, checking.
import { truncateSync } from "node:fs";
import { join } from "node:path";
import {
  checkGradients,
  crossEntropy,
  dense,
  diagnose,
  dropout,
  lambda,
  layer,
  loadModel,
  ShapeError,
  sequential,
  stats,
  zeros,
} from "minibatch";
import { built, file, type Mistake, net, scratch, train, trained, untyped, written, x } from "./mistake.ts";

export const models: readonly Mistake[] = [
  {
    what: "rows of another width to predict",
    make: async () => built().predictSync(zeros([3, 5])),
    says: /^predictSync: the model takes rows of shape \[2\], one \[2\] or many \[m, 2\], got \[3, 5\]/,
    kind: ShapeError,
  },
  { what: "predicting before anything was learned", make: () => net().predict(x), says: /^predict: .*(build|fit)/ },
  { what: "evaluating without a loss", make: () => built().evaluate(train), says: /^evaluate: .*loss/ },
  {
    what: "predicting with the wrong width",
    make: async () => (await trained()).predict(zeros([1, 3])),
    says: /^predict: .*\[3\]|^predict: .*\[1, 3\]/,
    kind: ShapeError,
  },
  { what: "predictSync with the wrong width", make: () => built().predictSync([1, 2, 3]), says: /^predictSync: .*\[3\]/, kind: ShapeError },
  {
    what: "asking for something else",
    make: () => built().predict(x, { as: untyped("labels") }),
    says: /^predict: as must be .*, got "labels"/,
  },
  {
    what: "probabilities of a model without a loss",
    make: () => built().predictSync(x, { as: "probabilities" }),
    says: /^predict: the model was never trained,/,
  },
  {
    what: "saving a lambda",
    make: () =>
      sequential([lambda((a) => a.neg()), dense(1)])
        .build({ shape: [2] })
        .save(file("lambda.safetensors")),
    says: /lambda/,
  },
  { what: "saving before there is anything", make: () => net().save(file("none.safetensors")), says: /^save: .*build/ },
  {
    what: "saving where there is no folder",
    make: async () => (await trained()).save(join(scratch, "no", "model.safetensors")),
    says: /^save: .*(folder|directory|ENOENT)/,
  },
  { what: "a model file that is not there", make: () => loadModel(file("missing.safetensors")), says: /missing\.safetensors/ },
  {
    what: "a file that is no model",
    make: () => loadModel(written("text.safetensors", "hello, this is no model at all")),
    says: /safetensors.*text\.safetensors/,
  },
  {
    what: "a truncated model file",
    make: async () => {
      await (await trained()).save(file("cut.safetensors"));
      truncateSync(file("cut.safetensors"), 700);
      return loadModel(file("cut.safetensors"));
    },
    says: /cut\.safetensors/,
  },
  {
    what: "a model with a kind of layer that was not handed in",
    make: async () => {
      const double = layer("double", (a) => a.mul(2));
      await sequential([double(), dense(1)])
        .build({ shape: [2] })
        .save(file("double.safetensors"));
      return loadModel(file("double.safetensors"));
    },
    says: /"double".*layers/,
  },
  {
    what: "checking gradients through dropout",
    make: () => checkGradients(sequential([dense(2), dropout({ keepProb: 0.5 }), dense(2)]), { x, y: [0, 1, 1, 0], loss: crossEntropy() }),
    says: /dropout.*"off".*"fixed mask"/,
  },
  {
    what: "an error rate in percent",
    make: () => diagnose({ trainError: 15, devError: 16 }),
    says: /^diagnose: trainError must be .* 1, got 15$/,
  },
  {
    what: "a moving average over no window",
    make: () => stats.movingAverage([1, 2], 0),
    says: /^stats\.movingAverage: window must be .*, got 0$/,
  },
];
