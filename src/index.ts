// Public exports, and the one tie between training and pictures. Importing ./tensor.ts gives every value its methods.
import { reportsBy } from "./train/report.ts";

// A run's report is drawn with minibatch/plot, which training must not know; it is loaded when the first report is asked for.
reportsBy(() => import("./plot/report.ts"));

export { type CheckGradientsOptions, checkGradients, type GradientReport } from "./check/gradients.ts";
export { type GradientHealth, type GradientHealthOptions, gradientHealth, type LayerHealth } from "./check/health.ts";
export {
  type FindLearningRateOptions,
  findLearningRate,
  type LearningRateCurve,
  type LearningRatePoint,
} from "./check/learning-rate.ts";
export { type ReplayOptions, replay } from "./check/replay.ts";
export { compile, type TensorTree } from "./compile.ts";
export { type Dataset, dataset } from "./dataset.ts";
export { type Diagnosis, diagnose } from "./diagnose/diagnose.ts";
export type { DType, TypedArray, TypedArrayOf } from "./dtype.ts";
export { BusyError, MinibatchError, ShapeError } from "./errors.ts";
export type { GraphView } from "./graph/graph.ts";
export { type Evaluation, loadModel, type Model, type PredictOptions, sequential } from "./model.ts";
export { type Init, init } from "./nn/init.ts";
export { type Json, type Layer, type LayerContext, type LayerKind, layer } from "./nn/layer.ts";
export {
  batchNorm,
  dense,
  dropout,
  elu,
  flatten,
  gelu,
  input,
  lambda,
  layerNorm,
  leakyRelu,
  relu,
  reshape,
  sigmoid,
  silu,
  softmax,
  softplus,
  tanh,
} from "./nn/layers.ts";
export { binaryCrossEntropy, crossEntropy, huber, type Loss, meanAbsoluteError, meanSquaredError } from "./nn/losses.ts";
export { type Metric, metrics } from "./nn/metrics.ts";
export { elasticNet, l1, l2, type Regularizer } from "./nn/regularizers.ts";
export { type Descent, type Landscape, landscapes } from "./optim/landscapes.ts";
export {
  type AdamOptions,
  adagrad,
  adam,
  adamW,
  type Epsilon,
  momentum,
  nesterov,
  type Optimizer,
  type OptimizerOptions,
  rmsprop,
  sgd,
} from "./optim/optimizers.ts";
export { type At, type Schedule, schedule } from "./optim/schedules.ts";
export { type Backend, backend } from "./run/backend.ts";
export { withThreads } from "./run/share.ts";
export type { Shape } from "./shape.ts";
export * as stats from "./stats.ts";
export {
  type AnyTypedArray,
  clipByGlobalNorm,
  full,
  gradients,
  type NestedNumbers,
  type Operand,
  ones,
  ops,
  type RandomOptions,
  randomNormal,
  randomUniform,
  scalar,
  type Tensor,
  type TensorLike,
  type TensorOptions,
  tensor,
  type Variable,
  variable,
  zeros,
} from "./tensor.ts";
export type { Acceptable, CheckpointOptions, ResumeOptions } from "./train/checkpoint-options.ts";
export type { Epoch, History, Intervention } from "./train/history.ts";
export type { Mark } from "./train/marks.ts";
export type { EarlyStopping, FitOptions, StepReport } from "./train/options.ts";
export type { Applied, RevertOptions, Run } from "./train/run.ts";
export type { RunSettings } from "./train/tuning.ts";
