// Batch and layer normalisation with their gradients: fused ops over a matrix [m, n].
// Knows no parameters, no running statistics and no training flag: layers and their state live above.
import type { NumberArray } from "../dtype.ts";
import { checkNumber, requireOptions, ShapeError } from "../errors.ts";
import { show, sizeOf } from "../shape.ts";
import { apply, apply1, defineOp, type OpDefinition, type Value, type ValueType, type View } from "./define.ts";
import { add, div, mul, neg, relu, reluGradient, sqrt, square, sub } from "./elementwise.ts";
import { broadcastTo, reshape } from "./movement.ts";
import { mean as average, sum } from "./reduce.ts";
import { named, requireFloats, requireMatrix, requireShape, tooLarge } from "./rules.ts";

/** activation: 0 none, 1 relu, applied to the result. */
type BatchNormAttributes = { readonly epsilon: number; readonly activation: number };
type LayerNormAttributes = { readonly epsilon: number };

function requireFilled(op: string, type: ValueType): [m: number, n: number] {
  const sizes = requireMatrix(op, "x", type);
  if (sizeOf(sizes) === 0) throw new ShapeError(`${op}: needs at least one row and one column, got ${show(type.shape)}`);
  return sizes;
}

// ---------------------------------------------------------------- batch normalisation

/** Mean and biased variance of every column: two passes, and what the rounded mean left over taken out again. */
function columnMoments(x: NumberArray, m: number, n: number): { mean: Float64Array; variance: Float64Array } {
  const mean = new Float64Array(n);
  const variance = new Float64Array(n);
  const rest = new Float64Array(n);
  for (let i = 0, at = 0; i < m; i++) {
    for (let j = 0; j < n; j++, at++) mean[j] = (mean[j] as number) + (x[at] as number);
  }
  for (let j = 0; j < n; j++) mean[j] = (mean[j] as number) / m;
  for (let i = 0, at = 0; i < m; i++) {
    for (let j = 0; j < n; j++, at++) {
      const d = (x[at] as number) - (mean[j] as number);
      rest[j] = (rest[j] as number) + d;
      variance[j] = (variance[j] as number) + d * d;
    }
  }
  for (let j = 0; j < n; j++) {
    const left = (rest[j] as number) / m;
    mean[j] = (mean[j] as number) + left;
    variance[j] = Math.max(0, (variance[j] as number) / m - left * left);
  }
  return { mean, variance };
}

/** y = act((x - mean) gamma / sqrt(variance + epsilon) + beta), column by column. */
function normalizeColumns(
  x: View,
  gamma: NumberArray,
  beta: NumberArray,
  mean: ArrayLike<number>,
  variance: ArrayLike<number>,
  y: NumberArray,
  attributes: BatchNormAttributes,
): void {
  const [m = 0, n = 0] = x.shape;
  const factor = new Float64Array(n);
  for (let j = 0; j < n; j++) factor[j] = (gamma[j] as number) / Math.sqrt((variance[j] as number) + attributes.epsilon);
  const positive = attributes.activation === 1;
  for (let i = 0, at = 0; i < m; i++) {
    for (let j = 0; j < n; j++, at++) {
      const value = ((x.data[at] as number) - (mean[j] as number)) * (factor[j] as number) + (beta[j] as number);
      y[at] = positive && value <= 0 ? 0 : value;
    }
  }
}

function activated(y: Value, activation: number): Value {
  return activation === 1 ? relu(y) : y;
}

function deviation(variance: Value, epsilon: number): Value {
  return sqrt(add(variance, epsilon));
}

const batchNormOp = defineOp<BatchNormAttributes>({
  name: "batchNorm",
  doc: "y = act((x - mean) / sqrt(variance + epsilon) gamma + beta) with mean and biased variance of each column: x [m, n], gamma, beta [n] -> y [m, n], mean [n], variance [n]",
  infer(inputs) {
    const { x, gamma, beta } = named("batchNorm", inputs, ["x", "gamma", "beta"]);
    const [, n] = requireFilled("batchNorm", x);
    requireFloats("batchNorm", { x, gamma, beta });
    requireShape("batchNorm", { gamma, beta }, [n], "one per column of x");
    const column = { shape: [n], dtype: x.dtype };
    return [x, column, column];
  },
  kernel([x, gamma, beta], [y, meanOut, varianceOut], attributes) {
    const { mean, variance } = columnMoments((x as View).data, (x as View).shape[0] as number, (x as View).shape[1] as number);
    normalizeColumns(x as View, (gamma as View).data, (beta as View).data, mean, variance, (y as View).data, attributes);
    (meanOut as View).data.set(mean);
    (varianceOut as View).data.set(variance);
  },
  gradient({ inputs, outputs, gradients, attributes, needs }) {
    const [x, gamma] = inputs as [Value, Value, Value];
    const [y, mean, variance] = outputs as [Value, Value, Value];
    const [dy, dmean, dvariance] = gradients;
    const through = dy ? batchNormGradient(x, gamma, mean, variance, y, dy, attributes) : undefined;
    if (!needs(0)) return [undefined, through?.dgamma, through?.dbeta];
    const m = x.shape[0] as number;
    const terms = [through?.dx];
    if (dmean) terms.push(broadcastTo(div(dmean, m), x.shape));
    if (dvariance) terms.push(mul(sub(x, mean), mul(dvariance, 2 / m)));
    return [total(terms), through?.dgamma, through?.dbeta];
  },
  decomposition(inputs, { epsilon, activation }) {
    const [x, gamma, beta] = inputs as [Value, Value, Value];
    const mean = average(x, { axis: 0 });
    const centered = sub(x, mean);
    const variance = average(square(centered), { axis: 0 });
    const y = add(mul(div(centered, deviation(variance, epsilon)), gamma), beta);
    return [activated(y, activation), mean, variance];
  },
  samples: [
    { inputs: [{ shape: [7, 5] }, { shape: [5] }, { shape: [5] }], attributes: { epsilon: 1e-5, activation: 0 } },
    { inputs: [{ shape: [33, 19] }, { shape: [19] }, { shape: [19] }], attributes: { epsilon: 1e-3, activation: 1 } },
    { inputs: [{ shape: [1, 3] }, { shape: [3] }, { shape: [3] }], attributes: { epsilon: 1e-5, activation: 0 } },
    { inputs: [{ shape: [6, 1] }, { shape: [1] }, { shape: [1] }], attributes: { epsilon: 1e-5, activation: 0 } },
    // The first column is constant.
    {
      inputs: [{ shape: [4, 2], values: [3, 1, 3, -1, 3, 0.5, 3, 2] }, { shape: [2] }, { shape: [2] }],
      attributes: { epsilon: 1e-5, activation: 0 },
    },
    // Far from zero: E[x^2] - E[x]^2 would lose every digit of the variance.
    { inputs: [{ shape: [64, 3], range: [999, 1001] }, { shape: [3] }, { shape: [3] }], attributes: { epsilon: 1e-5, activation: 0 } },
    {
      inputs: [{ shape: [769, 300] }, { shape: [300] }, { shape: [300] }],
      attributes: { epsilon: 1e-5, activation: 1 },
      noGradientCheck: tooLarge,
    },
  ],
  // Where the mean is 1000 its last bit in f32 is 6e-5.
  tolerance: { f32: 2e-4, f64: 1e-12 },
});

/** Normalises each column over the rows. Source: Ioffe and Szegedy, arXiv 1502.03167. */
export function batchNorm(x: Value, gamma: Value, beta: Value, options: BatchNormAttributes): { y: Value; mean: Value; variance: Value } {
  const { epsilon, activation } = options;
  const [y, mean, variance] = apply(batchNormOp, [x, gamma, beta], { epsilon, activation }) as [Value, Value, Value];
  return { y, mean, variance };
}

const batchNormGradientOp = defineOp<BatchNormAttributes>({
  name: "batchNormGradient",
  doc: "dx = gamma / sqrt(variance + epsilon) (dy - (dbeta + x^ dgamma) / m), dgamma = sum dy x^, dbeta = sum dy with x^ = (x - mean) / sqrt(variance + epsilon); dy counts only where y > 0 under relu: x [m, n], gamma, mean, variance [n], y, dy [m, n] -> dx [m, n], dgamma, dbeta [n]",
  infer(inputs) {
    const op = "batchNormGradient";
    const { x, gamma, mean, variance, y, dy } = named(op, inputs, ["x", "gamma", "mean", "variance", "y", "dy"]);
    const [, n] = requireFilled(op, x);
    requireFloats(op, { x, gamma, mean, variance, y, dy });
    requireShape(op, { gamma, mean, variance }, [n], "one per column of x");
    requireShape(op, { y, dy }, x.shape, "the shape of x");
    return [x, gamma, gamma];
  },
  kernel(inputs, outputs, { epsilon, activation }) {
    const [x, gamma, mean, variance, y, dy] = inputs.map((view) => view.data) as [
      NumberArray,
      NumberArray,
      NumberArray,
      NumberArray,
      NumberArray,
      NumberArray,
    ];
    const [dx, dgamma, dbeta] = outputs.map((view) => view.data) as [NumberArray, NumberArray, NumberArray];
    const [m = 0, n = 0] = (inputs[0] as View).shape;
    const masked = activation === 1;
    const inverse = new Float64Array(n);
    for (let j = 0; j < n; j++) inverse[j] = 1 / Math.sqrt((variance[j] as number) + epsilon);
    const sums = new Float64Array(n);
    const products = new Float64Array(n);
    for (let i = 0, at = 0; i < m; i++) {
      for (let j = 0; j < n; j++, at++) {
        if (masked && !((y[at] as number) > 0)) continue;
        const g = dy[at] as number;
        sums[j] = (sums[j] as number) + g;
        products[j] = (products[j] as number) + g * ((x[at] as number) - (mean[j] as number)) * (inverse[j] as number);
      }
    }
    dgamma.set(products);
    dbeta.set(sums);
    for (let i = 0, at = 0; i < m; i++) {
      for (let j = 0; j < n; j++, at++) {
        const g = masked && !((y[at] as number) > 0) ? 0 : (dy[at] as number);
        const normal = ((x[at] as number) - (mean[j] as number)) * (inverse[j] as number);
        const rest = ((sums[j] as number) + normal * (products[j] as number)) / m;
        dx[at] = (gamma[j] as number) * (inverse[j] as number) * (g - rest);
      }
    }
  },
  decomposition(inputs, { epsilon, activation }) {
    const [x, gamma, mean, variance, y, dy] = inputs as [Value, Value, Value, Value, Value, Value];
    const g = activation === 1 ? reluGradient(y, dy) : dy;
    const spread = deviation(variance, epsilon);
    const normal = div(sub(x, mean), spread);
    const dbeta = sum(g, { axis: 0 });
    const dgamma = sum(mul(g, normal), { axis: 0 });
    const rest = div(add(dbeta, mul(normal, dgamma)), x.shape[0] as number);
    return [mul(div(gamma, spread), sub(g, rest)), dgamma, dbeta];
  },
  // dx is written in a second pass over the rows, at the element just read.
  inPlace: [5, -1, -1],
  samples: [
    batchNormGradientSample(7, 5, { epsilon: 1e-5, activation: 0 }),
    batchNormGradientSample(33, 19, { epsilon: 1e-3, activation: 1 }),
    batchNormGradientSample(1, 3, { epsilon: 1e-5, activation: 0 }),
    batchNormGradientSample(6, 1, { epsilon: 1e-5, activation: 1 }),
    batchNormGradientSample(769, 300, { epsilon: 1e-5, activation: 1 }),
  ],
});

function batchNormGradientSample(m: number, n: number, attributes: BatchNormAttributes) {
  const inputs = [
    { shape: [m, n] },
    { shape: [n] },
    { shape: [n] },
    { shape: [n], range: [0.1, 2] as const },
    { shape: [m, n] },
    { shape: [m, n] },
  ];
  return { inputs, attributes };
}

export function batchNormGradient(
  x: Value,
  gamma: Value,
  mean: Value,
  variance: Value,
  y: Value,
  dy: Value,
  options: BatchNormAttributes,
): { dx: Value; dgamma: Value; dbeta: Value } {
  const { epsilon, activation } = options;
  const [dx, dgamma, dbeta] = apply(batchNormGradientOp, [x, gamma, mean, variance, y, dy], { epsilon, activation }) as [
    Value,
    Value,
    Value,
  ];
  return { dx, dgamma, dbeta };
}

const batchNormInferenceOp = defineOp<BatchNormAttributes>({
  name: "batchNormInference",
  doc: "y = act((x - mean) / sqrt(variance + epsilon) gamma + beta) with given statistics: x [m, n], gamma, beta, mean, variance [n] -> y [m, n]",
  infer(inputs) {
    const op = "batchNormInference";
    const { x, gamma, beta, mean, variance } = named(op, inputs, ["x", "gamma", "beta", "mean", "variance"]);
    const [, n] = requireMatrix(op, "x", x);
    requireFloats(op, { x, gamma, beta, mean, variance });
    requireShape(op, { gamma, beta, mean, variance }, [n], "one per column of x");
    return [x];
  },
  kernel([x, gamma, beta, mean, variance], [y], attributes) {
    normalizeColumns(
      x as View,
      (gamma as View).data,
      (beta as View).data,
      (mean as View).data,
      (variance as View).data,
      (y as View).data,
      attributes,
    );
  },
  gradient({ inputs, outputs, gradients, attributes: { epsilon, activation }, needs }) {
    const [x, gamma, , mean, variance] = inputs as [Value, Value, Value, Value, Value];
    const dy = gradients[0] as Value;
    const g = activation === 1 ? reluGradient(outputs[0] as Value, dy) : dy;
    const spread = deviation(variance, epsilon);
    const factor = div(gamma, spread);
    const dbeta = sum(g, { axis: 0 });
    const dgamma = div(sum(mul(g, sub(x, mean)), { axis: 0 }), spread);
    return [
      needs(0) ? mul(g, factor) : undefined,
      dgamma,
      dbeta,
      needs(3) ? neg(mul(dbeta, factor)) : undefined,
      needs(4) ? div(mul(mul(dgamma, gamma), -0.5), add(variance, epsilon)) : undefined,
    ];
  },
  decomposition(inputs, { epsilon, activation }) {
    const [x, gamma, beta, mean, variance] = inputs as [Value, Value, Value, Value, Value];
    return [activated(add(mul(div(sub(x, mean), deviation(variance, epsilon)), gamma), beta), activation)];
  },
  inPlace: [0],
  samples: [
    batchNormInferenceSample(7, 5, { epsilon: 1e-5, activation: 0 }),
    batchNormInferenceSample(1, 19, { epsilon: 1e-3, activation: 1 }),
    batchNormInferenceSample(6, 1, { epsilon: 1e-5, activation: 1 }),
    batchNormInferenceSample(0, 3, { epsilon: 1e-5, activation: 0 }),
    { ...batchNormInferenceSample(769, 300, { epsilon: 1e-5, activation: 1 }), noGradientCheck: tooLarge },
  ],
});

function batchNormInferenceSample(m: number, n: number, attributes: BatchNormAttributes) {
  return {
    inputs: [{ shape: [m, n] }, { shape: [n] }, { shape: [n] }, { shape: [n] }, { shape: [n], range: [0.1, 2] as const }],
    attributes,
  };
}

/** Batch normalisation with statistics of long ago, for one row as well as for many. */
export function batchNormInference(x: Value, gamma: Value, beta: Value, mean: Value, variance: Value, options: BatchNormAttributes): Value {
  const { epsilon, activation } = options;
  return apply1(batchNormInferenceOp, [x, gamma, beta, mean, variance], { epsilon, activation });
}

// ---------------------------------------------------------------- layer normalisation

const layerNormOp = defineOp<LayerNormAttributes>({
  name: "layerNorm",
  doc: "y = (x - mean) / sqrt(variance + epsilon) gamma + beta with mean and biased variance of each row: x [m, n], gamma, beta [n] -> y [m, n], mean [m], variance [m]",
  infer(inputs) {
    const { x, gamma, beta } = named("layerNorm", inputs, ["x", "gamma", "beta"]);
    const [m, n] = requireFilled("layerNorm", x);
    requireFloats("layerNorm", { x, gamma, beta });
    requireShape("layerNorm", { gamma, beta }, [n], "one per column of x");
    const row = { shape: [m], dtype: x.dtype };
    return [x, row, row];
  },
  kernel(inputs, outputs, { epsilon }) {
    const [x, gamma, beta] = inputs.map((view) => view.data) as [NumberArray, NumberArray, NumberArray];
    const [y, meanOut, varianceOut] = outputs.map((view) => view.data) as [NumberArray, NumberArray, NumberArray];
    const [m = 0, n = 0] = (inputs[0] as View).shape;
    for (let i = 0; i < m; i++) {
      const row = i * n;
      let total = 0;
      for (let j = 0; j < n; j++) total += x[row + j] as number;
      let mean = total / n;
      let rest = 0;
      let squares = 0;
      for (let j = 0; j < n; j++) {
        const d = (x[row + j] as number) - mean;
        rest += d;
        squares += d * d;
      }
      // What the rounded mean left over, as in columnMoments.
      rest /= n;
      mean += rest;
      const variance = Math.max(0, squares / n - rest * rest);
      const inverse = 1 / Math.sqrt(variance + epsilon);
      for (let j = 0; j < n; j++) y[row + j] = ((x[row + j] as number) - mean) * inverse * (gamma[j] as number) + (beta[j] as number);
      meanOut[i] = mean;
      varianceOut[i] = variance;
    }
  },
  gradient({ inputs, outputs, gradients, attributes, needs }) {
    const [x, gamma] = inputs as [Value, Value, Value];
    const [, mean, variance] = outputs as [Value, Value, Value];
    const [dy, dmean, dvariance] = gradients;
    const through = dy ? layerNormGradient(x, gamma, mean, variance, dy, attributes) : undefined;
    if (!needs(0)) return [undefined, through?.dgamma, through?.dbeta];
    const [m = 0, n = 0] = x.shape;
    const terms = [through?.dx];
    if (dmean) terms.push(broadcastTo(reshape(div(dmean, n), [m, 1]), x.shape));
    if (dvariance) terms.push(mul(sub(x, reshape(mean, [m, 1])), reshape(mul(dvariance, 2 / n), [m, 1])));
    return [total(terms), through?.dgamma, through?.dbeta];
  },
  decomposition(inputs, { epsilon }) {
    const [x, gamma, beta] = inputs as [Value, Value, Value];
    const m = x.shape[0] as number;
    const mean = average(x, { axis: 1, keepDims: true });
    const centered = sub(x, mean);
    const variance = average(square(centered), { axis: 1, keepDims: true });
    const y = add(mul(div(centered, deviation(variance, epsilon)), gamma), beta);
    return [y, reshape(mean, [m]), reshape(variance, [m])];
  },
  samples: [
    { inputs: [{ shape: [7, 5] }, { shape: [5] }, { shape: [5] }], attributes: { epsilon: 1e-5 } },
    { inputs: [{ shape: [19, 33] }, { shape: [33] }, { shape: [33] }], attributes: { epsilon: 1e-3 } },
    { inputs: [{ shape: [1, 3] }, { shape: [3] }, { shape: [3] }], attributes: { epsilon: 1e-5 } },
    { inputs: [{ shape: [4, 1] }, { shape: [1] }, { shape: [1] }], attributes: { epsilon: 1e-5 } },
    // The first row is constant.
    { inputs: [{ shape: [2, 4], values: [3, 3, 3, 3, 1, -1, 0.5, 2] }, { shape: [4] }, { shape: [4] }], attributes: { epsilon: 1e-5 } },
    { inputs: [{ shape: [3, 64], range: [999, 1001] }, { shape: [64] }, { shape: [64] }], attributes: { epsilon: 1e-5 } },
    { inputs: [{ shape: [769, 300] }, { shape: [300] }, { shape: [300] }], attributes: { epsilon: 1e-5 }, noGradientCheck: tooLarge },
  ],
  tolerance: { f32: 2e-4, f64: 1e-12 },
});

/** Normalises each row. Source: Ba, Kiros and Hinton, arXiv 1607.06450. */
export function layerNorm(x: Value, gamma: Value, beta: Value, options: LayerNormAttributes): { y: Value; mean: Value; variance: Value } {
  requireOptions("layerNorm", options, ["epsilon"]);
  const epsilon = checkNumber("layerNorm", "epsilon", options.epsilon, { min: 0 });
  const [y, mean, variance] = apply(layerNormOp, [x, gamma, beta], { epsilon }) as [Value, Value, Value];
  return { y, mean, variance };
}

const layerNormGradientOp = defineOp<LayerNormAttributes>({
  name: "layerNormGradient",
  doc: "dx = (g - mean g - x^ mean(g x^)) / sqrt(variance + epsilon) with g = dy gamma, x^ = (x - mean) / sqrt(variance + epsilon), means over a row; dgamma = sum dy x^, dbeta = sum dy: x [m, n], gamma [n], mean, variance [m], dy [m, n] -> dx [m, n], dgamma, dbeta [n]",
  infer(inputs) {
    const op = "layerNormGradient";
    const { x, gamma, mean, variance, dy } = named(op, inputs, ["x", "gamma", "mean", "variance", "dy"]);
    const [m, n] = requireFilled(op, x);
    requireFloats(op, { x, gamma, mean, variance, dy });
    requireShape(op, { gamma }, [n], "one per column of x");
    requireShape(op, { mean, variance }, [m], "one per row of x");
    requireShape(op, { dy }, x.shape, "the shape of x");
    return [x, gamma, gamma];
  },
  kernel(inputs, outputs, { epsilon }) {
    const [x, gamma, mean, variance, dy] = inputs.map((view) => view.data) as [
      NumberArray,
      NumberArray,
      NumberArray,
      NumberArray,
      NumberArray,
    ];
    const [dx, dgamma, dbeta] = outputs.map((view) => view.data) as [NumberArray, NumberArray, NumberArray];
    const [m = 0, n = 0] = (inputs[0] as View).shape;
    const sums = new Float64Array(n);
    const products = new Float64Array(n);
    for (let i = 0; i < m; i++) {
      const row = i * n;
      const center = mean[i] as number;
      const inverse = 1 / Math.sqrt((variance[i] as number) + epsilon);
      let rowSum = 0;
      let rowProduct = 0;
      for (let j = 0; j < n; j++) {
        const normal = ((x[row + j] as number) - center) * inverse;
        const d = dy[row + j] as number;
        const g = d * (gamma[j] as number);
        rowSum += g;
        rowProduct += g * normal;
        sums[j] = (sums[j] as number) + d;
        products[j] = (products[j] as number) + d * normal;
      }
      for (let j = 0; j < n; j++) {
        const normal = ((x[row + j] as number) - center) * inverse;
        dx[row + j] = inverse * ((dy[row + j] as number) * (gamma[j] as number) - (rowSum + normal * rowProduct) / n);
      }
    }
    dgamma.set(products);
    dbeta.set(sums);
  },
  decomposition(inputs, { epsilon }) {
    const [x, gamma, mean, variance, dy] = inputs as [Value, Value, Value, Value, Value];
    const m = x.shape[0] as number;
    const spread = reshape(deviation(variance, epsilon), [m, 1]);
    const normal = div(sub(x, reshape(mean, [m, 1])), spread);
    const g = mul(dy, gamma);
    const rowMean = average(g, { axis: 1, keepDims: true });
    const rowProduct = average(mul(g, normal), { axis: 1, keepDims: true });
    const dx = div(sub(sub(g, rowMean), mul(normal, rowProduct)), spread);
    return [dx, sum(mul(dy, normal), { axis: 0 }), sum(dy, { axis: 0 })];
  },
  samples: [
    layerNormGradientSample(7, 5, { epsilon: 1e-5 }),
    layerNormGradientSample(19, 33, { epsilon: 1e-3 }),
    layerNormGradientSample(1, 3, { epsilon: 1e-5 }),
    layerNormGradientSample(4, 1, { epsilon: 1e-5 }),
    layerNormGradientSample(769, 300, { epsilon: 1e-5 }),
  ],
});

function layerNormGradientSample(m: number, n: number, attributes: LayerNormAttributes) {
  return {
    inputs: [{ shape: [m, n] }, { shape: [n] }, { shape: [m] }, { shape: [m], range: [0.1, 2] as const }, { shape: [m, n] }],
    attributes,
  };
}

export function layerNormGradient(
  x: Value,
  gamma: Value,
  mean: Value,
  variance: Value,
  dy: Value,
  options: LayerNormAttributes,
): { dx: Value; dgamma: Value; dbeta: Value } {
  const [dx, dgamma, dbeta] = apply(layerNormGradientOp, [x, gamma, mean, variance, dy], { epsilon: options.epsilon }) as [
    Value,
    Value,
    Value,
  ];
  return { dx, dgamma, dbeta };
}

/** The sum of the terms that are there; undefined when none is. */
function total(terms: readonly (Value | undefined)[]): Value | undefined {
  return terms.reduce((sum, term) => (sum && term ? add(sum, term) : (sum ?? term)), undefined);
}

export const normalizationOps: readonly OpDefinition[] = [
  batchNormOp,
  batchNormGradientOp,
  batchNormInferenceOp,
  layerNormOp,
  layerNormGradientOp,
];
