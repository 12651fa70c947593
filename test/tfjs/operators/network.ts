// tfjs's products, normalisations, softmax and dropout, as ours.
import { dropout as dropoutLayer, ops, scalar, type Tensor, tensor } from "minibatch";
import { dropout } from "../../../src/ops/dropout.ts";
import { batchNormInference } from "../../../src/ops/normalization.ts";
import { notApplicable } from "../jasmine.ts";
import { T, value } from "../tensor.ts";
import type { Table } from "./table.ts";

function matMul(a: unknown, b: unknown, transposeA = false, transposeB = false): T {
  const [x, y] = [value(a), value(b)];
  if ([x, y].every(({ dtype }) => dtype === "i32" || dtype === "u8")) notApplicable("whole numbers are multiplied as f32");
  if (x.rank < 2 || y.rank < 2) notApplicable("matmul takes vectors too: as a row on the left, as a column on the right");
  return new T(x.matmul(y, { transposeA, transposeB }));
}

function dot(a: unknown, b: unknown): T {
  const [x, y] = [value(a), value(b)];
  if (![1, 2].includes(x.rank) || ![1, 2].includes(y.rank)) notApplicable("matmul multiplies tensors of any rank but 0");
  return new T(x.matmul(y));
}

const activations: Readonly<Record<string, (x: Tensor) => Tensor>> = {
  linear: (x) => x,
  relu: (x) => x.relu(),
  relu6: (x) => x.clip(0, 6),
  elu: (x) => x.elu(),
  sigmoid: (x) => x.sigmoid(),
};

interface FusedMatMul {
  a: unknown;
  b: unknown;
  transposeA?: boolean;
  transposeB?: boolean;
  bias?: unknown;
  activation?: string;
  preluActivationWeights?: unknown;
  leakyreluAlpha?: number;
}

/** Where it is a plain dense layer the fused `linear` computes it. */
function fusedMatMul(options: FusedMatMul): T {
  const { transposeA = false, transposeB = false, activation = "linear", leakyreluAlpha = 0.2 } = options;
  const [a, b] = [value(options.a), value(options.b)];
  const bias = options.bias === undefined || options.bias === null ? undefined : value(options.bias);
  const fused = activation === "relu" || activation === "linear";
  if (!transposeA && !transposeB && fused && b.rank === 2 && (!bias || bias.rank === 1))
    return new T(ops.linear(a, b, bias, activation === "relu" ? "relu" : "none"));
  const product = a.matmul(b, { transposeA, transposeB });
  const y = bias ? product.add(bias) : product;
  if (activation === "prelu") return new T(ops.where(y.less(0), y.mul(value(options.preluActivationWeights)), y));
  if (activation === "leakyrelu") return new T(y.leakyRelu(leakyreluAlpha));
  const f = activations[activation];
  if (!f) return notApplicable(`there is no activation ${activation}`);
  return new T(f(y));
}

/** Over the last axis: x as rows. One mean and variance for each column. */
function batchNorm(x: unknown, mean: unknown, variance: unknown, offset?: unknown, scale?: unknown, epsilon = 1e-3): T {
  const t = value(x);
  const n = t.shape.at(-1) ?? 0;
  const columns = (given: unknown, otherwise: number): Tensor => {
    if (given === undefined || given === null) return scalar(otherwise).broadcastTo([n]);
    const column = value(given);
    if (column.rank !== 1) notApplicable("batch norm has one mean per column, not one per place");
    return column;
  };
  const y = batchNormInference(t.reshape([-1, n]), columns(scale, 1), columns(offset, 0), columns(mean, 0), columns(variance, 1), {
    epsilon,
    activation: 0,
  }) as Tensor;
  return new T(y.reshape(t.shape));
}

const batchNormRank =
  (rank: number) =>
  (x: unknown, ...rest: unknown[]) => {
    if (value(x).rank !== rank) notApplicable("batch norm takes any rank");
    return (batchNorm as (...args: unknown[]) => T)(x, ...rest);
  };

/** tfjs knows softmax over the last axis only. */
function along(name: string, f: (x: Tensor, axis: number) => Tensor) {
  return (x: unknown, axis = -1): T => {
    const t = value(x);
    if (axis !== -1 && axis !== t.rank - 1) notApplicable(`${name} takes any axis`);
    return new T(f(t, axis));
  };
}

let draws = 0;

export const network: Table = {
  matMul,
  dot,
  outerProduct(a: unknown, b: unknown) {
    const [x, y] = [value(a), value(b)];
    return new T(x.reshape([-1, 1]).matmul(y.reshape([1, -1])));
  },
  "fused.matMul": fusedMatMul,
  batchNorm,
  batchNorm2d: batchNormRank(2),
  batchNorm3d: batchNormRank(3),
  batchNorm4d: batchNormRank(4),
  softmax: along("softmax", (x, axis) => x.softmax(axis)),
  logSoftmax: along("logSoftmax", (x, axis) => x.logSoftmax(axis)),
  dropout(x: unknown, rate: number, noiseShape?: readonly number[], seed?: number | string) {
    if (noiseShape !== undefined && noiseShape !== null) notApplicable("dropout draws for each element by itself");
    if (typeof seed === "string") notApplicable("seeds are numbers");
    // The layer says which rates there are; the op takes a tensor.
    dropoutLayer({ rate });
    const keep = scalar(1 - rate);
    const key = tensor(Int32Array.of(seed ?? ++draws, 0, 1));
    return new T(dropout(value(x), keep, key, { site: 0 }).y as Tensor);
  },
  "math.confusionMatrix"(labels: unknown, predictions: unknown, classes: number) {
    const rows = (x: unknown) => ops.oneHot(value(x).cast("i32"), classes);
    return new T(rows(labels).matmul(rows(predictions), { transposeA: true }).cast("i32"));
  },
};
