// ONNX operators of layers, as functions of the library: products, normalisation, softmax, dropout.
import type { Value } from "../../../src/ops/define.ts";
import { dropout } from "../../../src/ops/dropout.ts";
import { add, div, mul, sqrt, square, sub } from "../../../src/ops/elementwise.ts";
import { linear, matmul } from "../../../src/ops/linalg.ts";
import { logSoftmax, softmax } from "../../../src/ops/loss.ts";
import { reshape, transpose } from "../../../src/ops/movement.ts";
import { batchNorm, batchNormInference, layerNorm } from "../../../src/ops/normalization.ts";
import { mean } from "../../../src/ops/reduce.ts";
import { type Shape, sizeOf } from "../../../src/shape.ts";
import { ones, scalar, type Tensor, tensor, zeros } from "../../../src/tensor.ts";
import { axisOf, type Call, type Operation } from "../call.ts";
import { Item } from "../item.ts";
import { NotApplicable } from "../not-applicable.ts";

/** y = alpha A' B' + beta C. Where it is a plain dense layer, the fused `linear` computes it. */
const gemm: Operation = (call) => {
  const [a, b] = [call.real(0), call.real(1)];
  const c = call.optional(2) && call.real(2);
  const [alpha, beta] = [call.float("alpha", 1), call.float("beta", 1)];
  const [transposeA, transposeB] = [call.int("transA", 0) === 1, call.int("transB", 0) === 1];
  const type = call.input(0).type;
  const columns = b.shape[transposeB ? 0 : 1];
  const plain = alpha === 1 && beta === 1 && !transposeA && !transposeB;
  if (plain && (!c || (c.rank === 1 && c.shape[0] === columns))) return Item.fromValue(linear(a, b, c), type);
  let y = matmul(a, b, { transposeA, transposeB });
  if (alpha !== 1) y = mul(y, alpha);
  if (c) y = add(y, beta === 1 ? c : mul(c, beta));
  return Item.fromValue(y, type);
};

/** [batch, channels, ...] as rows of channels [batch * ..., channels], and the way back. */
export function channelRows(dims: Shape): { rows: (x: Value) => Value; back: (y: Value) => Value } {
  const [batch = 0, channels = 0] = dims;
  const places = sizeOf(dims.slice(2));
  return {
    rows: (x) => reshape(transpose(reshape(x, [batch, channels, places]), [0, 2, 1]), [batch * places, channels]),
    back: (y) => reshape(transpose(reshape(y, [batch, places, channels]), [0, 2, 1]), dims),
  };
}

/** Training gives the batch's statistics to the running ones with weight 1 - momentum (the library's: the other way round). */
const batchNormalization: Operation = (call) => {
  const [x, gamma, beta, runningMean, runningVariance] = [0, 1, 2, 3, 4].map((i) => call.real(i)) as [Value, Value, Value, Value, Value];
  const options = { epsilon: call.float("epsilon", 1e-5), activation: 0 };
  const { type, dims } = call.input(0);
  if (call.opset < 9 && call.int("spatial", 1) === 0)
    throw new NotApplicable("batch norm has one mean per channel (spatial = 0 is gone from ONNX too)");
  const { rows, back } = channelRows(dims);
  if (call.opset < 14 || !call.int("training_mode", 0)) {
    return Item.fromValue(back(batchNormInference(rows(x), gamma, beta, runningMean, runningVariance, options)), type);
  }
  const keep = call.float("momentum", 0.9);
  const { y, mean: batchMean, variance } = batchNorm(rows(x), gamma, beta, options);
  const moved = (running: Value, now: Value) => add(mul(running, keep), mul(now, 1 - keep));
  return [
    Item.fromValue(back(y), type),
    Item.fromValue(moved(runningMean, batchMean), type),
    Item.fromValue(moved(runningVariance, variance), type),
  ];
};

/** Over the axes from `axis` on; the other outputs are the mean and 1 / sqrt(variance + epsilon). */
const layerNormalization: Operation = (call) => {
  const { dims, rank, type } = call.input(0);
  const axis = axisOf(call.int("axis", -1), rank);
  const [outer, inner] = [dims.slice(0, axis), dims.slice(axis)];
  const [m, n] = [sizeOf(outer), sizeOf(inner)];
  const epsilon = call.float("epsilon", 1e-5);
  const x = reshape(call.real(0), [m, n]);
  const gamma = reshape(call.real(1), [n]);
  const beta = call.optional(2) ? reshape(call.real(2), [n]) : zeros([n], { dtype: x.dtype });
  const { y, mean: rowMean, variance } = layerNorm(x, gamma, beta, { epsilon });
  const kept = [...outer, ...inner.map(() => 1)];
  const inverse = div(ones([m], { dtype: x.dtype }), sqrt(add(variance, epsilon)));
  return [
    Item.fromValue(reshape(y, dims), type),
    Item.fromValue(reshape(rowMean, kept), type),
    Item.fromValue(reshape(inverse, kept), type),
  ];
};

/** Each channel of each example by itself: a layer norm without gamma and beta over the places, then one factor a channel. */
const instanceNormalization: Operation = (call) => {
  const { dims, rank, type } = call.input(0);
  const [batch = 0, channels = 0] = dims;
  const places = sizeOf(dims.slice(2));
  const x = reshape(call.real(0), [batch * channels, places]);
  const plain = { gamma: ones([places], { dtype: x.dtype }), beta: zeros([places], { dtype: x.dtype }) };
  const { y } = layerNorm(x, plain.gamma, plain.beta, { epsilon: call.float("epsilon", 1e-5) });
  const perChannel = (v: Value) => reshape(v, [channels, ...new Array<number>(rank - 2).fill(1)]);
  return Item.fromValue(add(mul(reshape(y, dims), perChannel(call.real(1))), perChannel(call.real(2))), type);
};

const meanVarianceNormalization: Operation = (call) => {
  const options = { axis: call.ints("axes") ?? [0, 2, 3], keepDims: true };
  const x = call.real(0);
  const centered = sub(x, mean(x, options));
  return Item.fromValue(div(centered, sqrt(mean(square(centered), options))), call.input(0).type);
};

/** Before operator set 13 everything from `axis` on was one axis. */
function overAxis(f: (x: Value, axis: number) => Value): Operation {
  return (call) => {
    const { dims, rank, type } = call.input(0);
    const x = call.real(0);
    if (call.opset >= 13) return Item.fromValue(f(x, call.int("axis", -1)), type);
    const axis = axisOf(call.int("axis", 1), rank);
    const flat = [sizeOf(dims.slice(0, axis)), sizeOf(dims.slice(axis))];
    return Item.fromValue(reshape(f(reshape(x, flat), 1), dims), type);
  };
}

/** Out of training, and where nothing is dropped, dropout is the identity: the library's with keep 1. Other draws come from another generator. */
const dropoutOperator: Operation = (call) => {
  const x = call.real(0);
  const { dims, size, type } = call.input(0);
  const ratio = call.opset < 12 ? call.float("ratio", 0.5) : (call.optional(1)?.number() ?? 0.5);
  const training = call.opset >= 12 && call.optional(2)?.number();
  if (training && ratio > 0) throw new NotApplicable("random draws come from another generator");
  const { y, mask } = dropout(x, scalar(1, { dtype: x.dtype }), tensor([1, 2, 3], { dtype: "i32" }), { site: 0 });
  if (call.outputCount < 2) return Item.fromValue(y, type);
  const bits = (mask as Tensor).data();
  const kept = Array.from({ length: size }, (_, i) => ((bits[i >> 3] as number) >> (i & 7)) & 1);
  return [Item.fromValue(y, type), Item.fromNumbers(kept, dims, "BOOL")];
};

export const network: Readonly<Record<string, Operation>> = {
  Gemm: gemm,
  MatMul: (call: Call) => Item.fromValue(matmul(call.real(0), call.real(1)), call.input(0).type),
  BatchNormalization: batchNormalization,
  LayerNormalization: layerNormalization,
  InstanceNormalization: instanceNormalization,
  MeanVarianceNormalization: meanVarianceNormalization,
  Softmax: overAxis(softmax),
  LogSoftmax: overAxis(logSoftmax),
  Dropout: dropoutOperator,
};
