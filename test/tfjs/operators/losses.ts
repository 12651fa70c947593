// tfjs's losses as ours. Without weights and under the usual mean our loss itself answers; else its terms are weighted and summed here.
import { binaryCrossEntropy, crossEntropy, huber, type Loss, meanAbsoluteError, meanSquaredError, ones, ops, type Tensor } from "minibatch";
import { notApplicable } from "../jasmine.ts";
import { T, value } from "../tensor.ts";
import type { Table } from "./table.ts";

/** tf.Reduction. */
export const Reduction = { NONE: 0, MEAN: 1, SUM: 2, SUM_BY_NONZERO_WEIGHTS: 3 } as const;

/** Terms times weights, then none, their sum, over the sum of weights, or over how many weights are not 0. */
function weighted(terms: Tensor, weights: unknown, reduction: number): T {
  const given = weights === undefined || weights === null ? undefined : value(weights);
  const each = given ? terms.mul(given) : terms;
  if (reduction === Reduction.NONE) return new T(each);
  if (reduction === Reduction.SUM) return new T(each.sum());
  if (!given) return new T(each.mean());
  const wide = given.mul(ones(terms.shape));
  if (reduction === Reduction.MEAN) return new T(each.sum().div(wide.sum()));
  return new T(each.sum().div(wide.equal(0).neg().add(1).sum()));
}

const plain = (weights: unknown, reduction: number) =>
  (weights === undefined || weights === null) && (reduction === Reduction.SUM_BY_NONZERO_WEIGHTS || reduction === Reduction.MEAN);

function regression(loss: () => Loss, terms: (difference: Tensor) => Tensor) {
  return (labels: unknown, predictions: unknown, weights?: unknown, reduction: number = Reduction.SUM_BY_NONZERO_WEIGHTS) => {
    const [y, output] = [value(labels), value(predictions)];
    if (plain(weights, reduction) || y.shape.join() !== output.shape.join()) return new T(loss()(output, y));
    return weighted(terms(output.sub(y)), weights, reduction);
  };
}

/** Terms of our own for losses that the library does not name; shapes are refused by the loss that has the same rule. */
function own(terms: (y: Tensor, output: Tensor) => Tensor) {
  return (y: Tensor, output: Tensor, weights: unknown, reduction: number): T => {
    if (y.shape.join() !== output.shape.join()) return new T(meanSquaredError()(output, y));
    return weighted(terms(y, output), weights, reduction);
  };
}

const usual = Reduction.SUM_BY_NONZERO_WEIGHTS;

export const losses: Table = {
  "losses.meanSquaredError": regression(meanSquaredError, (d) => d.square()),
  "losses.absoluteDifference": regression(meanAbsoluteError, (d) => d.abs()),
  "losses.huberLoss"(labels: unknown, predictions: unknown, weights?: unknown, delta = 1, reduction: number = usual) {
    const terms = (d: Tensor) => {
      const c = d.abs().minimum(delta);
      return c.mul(d.abs().sub(c.mul(0.5)));
    };
    return regression(() => huber({ delta }), terms)(labels, predictions, weights, reduction);
  },
  "losses.hingeLoss": (labels: unknown, predictions: unknown, weights?: unknown, reduction: number = usual) =>
    own((y, output) => ops.sub(1, y.mul(2).sub(1).mul(output)).relu())(value(labels), value(predictions), weights, reduction),
  "losses.logLoss": (labels: unknown, predictions: unknown, weights?: unknown, epsilon = 1e-7, reduction: number = usual) =>
    own((y, p) =>
      y
        .mul(p.add(epsilon).log())
        .add(ops.sub(1, y).mul(ops.sub(1, p).add(epsilon).log()))
        .neg(),
    )(value(labels), value(predictions), weights, reduction),
  "losses.cosineDistance": (labels: unknown, predictions: unknown, axis: number, weights?: unknown, reduction: number = usual) =>
    own((y, output) => ops.sub(1, y.mul(output).sum({ axis, keepDims: true })))(value(labels), value(predictions), weights, reduction),
  "losses.computeWeightedLoss": (terms: unknown, weights?: unknown, reduction: number = usual) =>
    weighted(value(terms), weights, reduction),
  "losses.sigmoidCrossEntropy"(labels: unknown, logits: unknown, weights?: unknown, smoothing = 0, reduction: number = usual) {
    const [y, output] = [value(labels), value(logits)];
    const soft = smoothing > 0 ? y.mul(1 - smoothing).add(0.5 * smoothing) : y;
    if (plain(weights, reduction) || y.shape.join() !== output.shape.join()) return new T(binaryCrossEntropy()(output, soft));
    return weighted(ops.sigmoidCrossEntropy(output, soft.cast(output.dtype)), weights, reduction);
  },
  "losses.softmaxCrossEntropy"(labels: unknown, logits: unknown, weights?: unknown, smoothing = 0, reduction: number = usual) {
    const [y, output] = [value(labels), value(logits)];
    if (output.rank !== 2) notApplicable("softmax cross-entropy takes a batch, [m, k]");
    const k = output.size(-1);
    const soft = smoothing > 0 ? y.mul(1 - smoothing).add(smoothing / k) : y;
    if (plain(weights, reduction) || y.shape.join() !== output.shape.join()) return new T(crossEntropy()(output, soft));
    return weighted(ops.softmaxCrossEntropy(output, soft.cast(output.dtype)).losses, weights, reduction);
  },
};
