// ONNX's classification losses, as functions of the library: weights per class, an ignored label, three reductions.

import type { Value } from "../../../src/ops/define.ts";
import { add, div, mul, neg } from "../../../src/ops/elementwise.ts";
import { gather, oneHot } from "../../../src/ops/indexing.ts";
import { logSoftmax, softmaxCrossEntropy } from "../../../src/ops/loss.ts";
import { reshape } from "../../../src/ops/movement.ts";
import { sum } from "../../../src/ops/reduce.ts";
import { sizeOf } from "../../../src/shape.ts";
import { tensor, zeros } from "../../../src/tensor.ts";
import { type Call, type Operation, requireReal } from "../call.ts";
import { Item } from "../item.ts";
import { channelRows } from "./network.ts";

/** x [batch, classes, ...] as rows [batch * ..., classes] with a label each. The ignored label may be out of range: it becomes class 0 of weight 0. */
function rowsOf(call: Call) {
  const input = call.input(0);
  requireReal(input);
  const [batch = 0, classes = 0, ...rest] = input.dims;
  const x = input.shaped([batch, classes, sizeOf(rest)]);
  const labels = Array.from(call.input(1).numbers());
  const ignored = call.has("ignore_index") ? call.int("ignore_index", 0) : undefined;
  const known = tensor(
    Int32Array.from(labels, (label) => (label === ignored ? 0 : label)),
    { dtype: "i32" },
  );
  const counted = tensor(
    labels.map((label) => (label === ignored ? 0 : 1)),
    { dtype: x.dtype },
  );
  const weights = call.optional(2) ? mul(gather(call.real(2), known, 0), counted) : counted;
  const { rows, back } = channelRows([batch, classes, sizeOf(rest)]);
  return { rows: rows(x), back, labels: known, weights, dims: input.dims, outer: [batch, ...rest], type: input.type };
}

/** One loss a row, weighted, in the shape of the labels or as one number. */
function reduced(call: Call, losses: Value, { weights, outer, type }: ReturnType<typeof rowsOf>): Item {
  const weighted = mul(losses, weights);
  const how = call.text("reduction", "mean");
  if (how === "none") return Item.fromValue(outer.length > 6 ? weighted : reshape(weighted, outer), type, outer);
  if (how === "sum") return Item.fromValue(sum(weighted), type);
  return Item.fromValue(div(sum(weighted), sum(weights)), type);
}

export const losses: Readonly<Record<string, Operation>> = {
  SoftmaxCrossEntropyLoss: (call) => {
    const parts = rowsOf(call);
    const { losses: perRow } = softmaxCrossEntropy(parts.rows, parts.labels);
    const loss = reduced(call, perRow, parts);
    if (call.outputCount < 2) return loss;
    const log = parts.back(logSoftmax(parts.rows));
    return [loss, Item.fromValue(parts.dims.length > 6 ? log : reshape(log, parts.dims), parts.type, parts.dims)];
  },
  /** The input holds log-probabilities already: -x[label], by a sum over one-hot rows. */
  NegativeLogLikelihoodLoss: (call) => {
    const parts = rowsOf(call);
    const [m = 0, classes = 0] = parts.rows.shape;
    const marked = oneHot(parts.labels, classes, parts.rows.dtype as "f32" | "f64");
    const picked = neg(sum(mul(parts.rows, marked), { axis: 1 }));
    return reduced(call, add(picked, zeros([m], { dtype: picked.dtype })), parts);
  },
};
