// The library's own layers: parameters and a forward pass each, no gradients.
import { checkNumber, describe, MinibatchError, requireOptions, ShapeError } from "../errors.ts";
import type { Value } from "../ops/define.ts";
import { linear } from "../ops/linalg.ts";
import { batchNormInference, batchNorm as batchNormOp, layerNorm as layerNormOp } from "../ops/normalization.ts";
import { checkShape, type Shape, show, sizeOf } from "../shape.ts";
import { asTensor, type Tensor } from "../tensor.ts";
import { checkInit, type Init, initFor, init as inits } from "./init.ts";
import { checkLayerOptions, type Layer, makeLayer, type Named, type OwnContext, reserveKinds } from "./layer.ts";

/** The rows of x as a matrix: batch norm and dense treat every axis but the last as examples. */
function asMatrix(where: string, x: Tensor): Tensor {
  if (x.rank < 2) throw new ShapeError(`${where}: the input must be a batch of vectors [m, n], got ${show(x.shape)}`);
  return x.rank === 2 ? x : x.reshape([-1, x.size(-1)]);
}

/** Rows back in the shape of x. A reshape that changes nothing would stand between ops that could be fused. */
function like(x: Tensor, rows: Value): Tensor {
  return x.rank === 2 ? asTensor(rows) : asTensor(rows).reshape(x.shape);
}

/**
 * Says the shape of one example, without the batch axis, so that the model is built at once; passes its input `[m, ...shape]` on. Any dtype
 * comes in as f32. Later examples of another shape are a ShapeError.
 */
export function input(options: { shape: Shape; dtype?: "f32" | "f64" | "i32" | "u8" | undefined; name?: string | undefined }): Layer {
  requireOptions("input", options, ["shape", "dtype", "name"]);
  const { shape } = options;
  checkShape("input", shape);
  const { name } = options;
  checkLayerOptions("input", { name }, []);
  return makeLayer(
    "input",
    { name },
    (x) => {
      if (show(x.shape.slice(1)) !== show(shape))
        throw new ShapeError(`input: examples must have shape ${show(shape)}, got ${show(x.shape.slice(1))}`);
      return x;
    },
    { inputShape: [...shape], saved: { shape: [...shape] } },
  );
}

/**
 * A fully connected layer: y = x W + b with x [m, n_in], W [n_in, units], b [units], y [m, units]; of an x with more axes the last one is
 * n_in and the others are examples. The course's z = W x + b with columns for rows.
 * Directly before a batchNorm it has no bias unless told so: the normalisation would cancel it.
 * W is drawn by the initialiser that suits the activation behind it (He for the ReLU family, Xavier for tanh, else Glorot); b starts at 0.
 * Throws a ShapeError where x has no batch axis.
 */
export function dense(units: number, options?: Named & { bias?: boolean | undefined; init?: Init | undefined }): Layer {
  checkNumber("dense", "units", units, { whole: true, min: 1 });
  checkLayerOptions("dense", options, ["bias", "init"]);
  const { bias, init: given, name } = options ?? {};
  if (bias !== undefined && typeof bias !== "boolean") throw new MinibatchError(`dense: bias must be true or false, got ${describe(bias)}`);
  checkInit("dense", given);
  const forward = (x: Tensor, context: OwnContext) => {
    const rows = asMatrix("dense", x);
    const nIn = rows.size(1);
    const w = context.param("w", [nIn, units], { init: given ?? initFor(context.activationAhead) }); // [n_in, units]
    const b = (bias ?? context.next !== "batchNorm") ? context.param("b", [units], { init: inits.zeros() }) : undefined;
    const y = asTensor(linear(rows, w, b));
    return x.rank === 2 ? y : y.reshape([...x.shape.slice(0, -1), units]);
  };
  return makeLayer("dense", { name }, forward, { saved: { units, ...(bias === undefined ? {} : { bias }) } });
}

/**
 * Batch normalisation over the features (the last axis): in training by the batch's mean and variance (divisor m), else by running
 * averages. y = gamma (x - mean) / sqrt(variance + epsilon) + beta; x and y [m, n], gamma, beta, mean, variance [n].
 * running := (1 - momentum) running + momentum new, the new variance unbiased (divisor m - 1), as PyTorch; Keras's momentum and the
 * course's beta are 1 - ours. momentum 0.1 and epsilon 1e-5 by default. gamma starts at 1, beta at 0; no regulariser reaches them. A batch
 * of one row leaves the running averages as they are. Throws a ShapeError where x has no batch axis. Ioffe and Szegedy 2015.
 */
export function batchNorm(options?: Named & { momentum?: number | undefined; epsilon?: number | undefined }): Layer {
  checkLayerOptions("batchNorm", options, ["momentum", "epsilon"]);
  const momentum = checkNumber("batchNorm", "momentum", options?.momentum ?? 0.1, { min: 0, max: 1 });
  const epsilon = checkNumber("batchNorm", "epsilon", options?.epsilon ?? 1e-5, { above: 0 });
  const forward = (x: Tensor, { training, param, state }: OwnContext) => {
    const rows = asMatrix("batchNorm", x); // [m, n]
    const n = rows.size(1);
    const gamma = param("gamma", [n], { init: inits.ones(), decay: false });
    const beta = param("beta", [n], { init: inits.zeros(), decay: false });
    const runningMean = state("mean", [n], { init: inits.zeros() });
    const runningVariance = state("variance", [n], { init: inits.ones() });
    if (!training) return like(x, batchNormInference(rows, gamma, beta, runningMean, runningVariance, { epsilon, activation: 0 }));
    const { y, mean, variance } = batchNormOp(rows, gamma, beta, { epsilon, activation: 0 });
    const m = rows.size(0);
    const move = (running: Tensor, now: Tensor) => running.mul(1 - momentum).add(now.mul(momentum));
    // One example has no spread to learn from.
    if (m > 1) runningMean.assign(move(runningMean, asTensor(mean)));
    if (m > 1) runningVariance.assign(move(runningVariance, asTensor(variance).mul(m / (m - 1))));
    return like(x, y);
  };
  return makeLayer("batchNorm", options, forward);
}

/**
 * Layer normalisation over the features of each example, the same in training and after: y = gamma (x - mean) / sqrt(variance + epsilon) + beta
 * with mean and variance (divisor n) of each row; x and y [m, n], gamma, beta [n]. epsilon 1e-5 by default. Throws a ShapeError where x has no
 * batch axis. Ba, Kiros and Hinton 2016.
 */
export function layerNorm(options?: Named & { epsilon?: number | undefined }): Layer {
  checkLayerOptions("layerNorm", options, ["epsilon"]);
  const epsilon = checkNumber("layerNorm", "epsilon", options?.epsilon ?? 1e-5, { above: 0 });
  const forward = (x: Tensor, { param }: OwnContext) => {
    const rows = asMatrix("layerNorm", x);
    const n = rows.size(1);
    const gamma = param("gamma", [n], { init: inits.ones(), decay: false });
    const beta = param("beta", [n], { init: inits.zeros(), decay: false });
    return like(x, layerNormOp(rows, gamma, beta, { epsilon }).y);
  };
  return makeLayer("layerNorm", options, forward);
}

/**
 * Inverted dropout: in training each unit is kept with probability keepProb and divided by it, so that the expectation
 * stays, y = x mask / keepProb; otherwise nothing is done. x and y have any one shape. keepProb 1 is exactly the identity. `rate` is
 * 1 - keepProb. Masks come from the run's seed. Throws where keepProb is not in (0, 1], for both options at once, and for a bare number.
 * Srivastava et al. 2014.
 */
export function dropout(options: Named & ({ keepProb: number; rate?: never } | { rate: number; keepProb?: never })): Layer {
  if (typeof options === "number") {
    throw new MinibatchError(
      `dropout: a bare number is ambiguous, got ${options}; say dropout({ keepProb: ${options} }) or dropout({ rate: ${options} })`,
    );
  }
  checkLayerOptions("dropout", options, ["keepProb", "rate"]);
  const { keepProb: kept, rate, name } = (options ?? {}) as Named & { keepProb?: number; rate?: number };
  if ((kept === undefined) === (rate === undefined))
    throw new MinibatchError(`dropout: give keepProb or rate, one of them, got ${kept === undefined ? "neither" : "both"}`);
  const keepProb =
    kept !== undefined
      ? checkNumber("dropout", "keepProb", kept, { above: 0, max: 1 })
      : 1 - checkNumber("dropout", "rate", rate, { min: 0, below: 1 });
  // Also at keepProb 1, the identity: a run may set another one.
  const forward = (x: Tensor, context: OwnContext) => (context.training ? context.dropout(x, keepProb) : x);
  return makeLayer("dropout", { name }, forward, { saved: { keepProb } });
}

function activation(kind: string, f: (x: Tensor) => Tensor) {
  return (options?: Named): Layer => {
    checkLayerOptions(kind, options, []);
    return makeLayer(kind, options, f);
  };
}

/** max(0, x), elementwise on any shape. Nair and Hinton 2010. */
export const relu = activation("relu", (x) => x.relu());
/** x Phi(x) with the normal distribution function, exactly (by erf). Hendrycks and Gimpel 2016. */
export const gelu = activation("gelu", (x) => x.gelu());
/** x sigmoid(x), also called swish. Elfwing, Uchibe and Doya 2017; Ramachandran, Zoph and Le 2017. */
export const silu = activation("silu", (x) => x.silu());
/** (e^x - e^-x) / (e^x + e^-x), from -1 to 1, elementwise on any shape. */
export const tanh = activation("tanh", (x) => x.tanh());
/** 1 / (1 + e^-x), from 0 to 1. As the last layer it does not go with a cross-entropy, which works on logits: `fit` then says so. */
export const sigmoid = activation("sigmoid", (x) => x.sigmoid());
/** log(1 + e^x), a smooth max(0, x). Dugas et al. 2001. */
export const softplus = activation("softplus", (x) => x.softplus());
/**
 * e^x / sum e^x over the last axis: [..., k] to shares that add up to 1. As the last layer it does not go with a cross-entropy, which works
 * on logits: `fit` then says so.
 */
export const softmax = activation("softmax", (x) => x.softmax());
/** [m, ...] -> [m, n], n the product of the other axes. */
export const flatten = activation("flatten", (x) => x.reshape([x.size(0), sizeOf(x.shape.slice(1))]));

/** x where positive, slope x elsewhere; slope 0.01 by default. Maas, Hannun and Ng 2013. */
export function leakyRelu(options?: Named & { slope?: number | undefined }): Layer {
  checkLayerOptions("leakyRelu", options, ["slope"]);
  const slope = checkNumber("leakyRelu", "slope", options?.slope ?? 0.01);
  return makeLayer("leakyRelu", options, (x) => x.leakyRelu(slope));
}

/** x where positive, alpha (e^x - 1) elsewhere; alpha 1 by default. Clevert, Unterthiner and Hochreiter 2016. */
export function elu(options?: Named & { alpha?: number | undefined }): Layer {
  checkLayerOptions("elu", options, ["alpha"]);
  const alpha = checkNumber("elu", "alpha", options?.alpha ?? 1);
  return makeLayer("elu", options, (x) => x.elu(alpha));
}

/** Each example in another shape: [m, ...] -> [m, ...shape]. A ShapeError where the sizes differ. */
export function reshape(shape: Shape, options?: Named): Layer {
  checkShape("reshape", shape);
  checkLayerOptions("reshape", options, []);
  return makeLayer("reshape", options, (x) => x.reshape([x.size(0), ...shape]), { saved: { shape: [...shape] } });
}

/** A function of tensors as a layer without parameters. A model with one cannot be saved: no code is written to files. */
export function lambda(forward: (x: Tensor) => Tensor, options?: Named): Layer {
  if (typeof forward !== "function") throw new MinibatchError(`lambda: expected a function of a tensor, got ${describe(forward)}`);
  checkLayerOptions("lambda", options, []);
  return makeLayer("lambda", options, forward, { savable: false });
}

type Options = Readonly<Record<string, unknown>>;

/** How each kind is made again from the options in a model file. */
export const kinds: Readonly<Record<string, (options: Options & Named) => Layer>> = {
  input: (o) => input(o as unknown as { shape: Shape }),
  dense: ({ units, ...rest }) => dense(units as number, rest as Named),
  batchNorm,
  layerNorm,
  dropout: (o) => dropout(o as unknown as { keepProb: number }),
  relu,
  gelu,
  silu,
  tanh,
  sigmoid,
  softplus,
  softmax,
  flatten,
  leakyRelu,
  elu,
  reshape: ({ shape, ...rest }) => reshape(shape as unknown as Shape, rest as Named),
};

reserveKinds([...Object.keys(kinds), "lambda", "standardization", "sequential"]);

/** Kinds that are activations: they decide the initialiser of the layer before. */
export const activations: ReadonlySet<string> = new Set([
  "relu",
  "leakyRelu",
  "elu",
  "gelu",
  "silu",
  "tanh",
  "sigmoid",
  "softplus",
  "softmax",
]);
/** Kinds that may stand between a layer and its activation. */
export const transparent: ReadonlySet<string> = new Set(["batchNorm", "layerNorm", "dropout", "flatten", "reshape"]);
