// Losses, callable as loss(output, y): the mean over the batch as a scalar tensor. They also say what they accept as
// labels and what turns a model's outputs into probabilities. Knows no training loop.
import type { TypedArray } from "../dtype.ts";
import { checkNumber, checkOptions, describe, MinibatchError, ShapeError } from "../errors.ts";
import { Value } from "../ops/define.ts";
import { cast } from "../ops/elementwise.ts";
import { classificationErrors, sigmoidCrossEntropy, softmaxCrossEntropy } from "../ops/loss.ts";
import { type Shape, sameShape, show } from "../shape.ts";
import { asTensor, type Tensor } from "../tensor.ts";

/** A loss is also a function of tensors, loss(output, y) -> [], so that a program of one's own can add two of them. */
export interface Loss {
  (output: Tensor, y: Tensor): Tensor;
  readonly kind: string;
  readonly task: "classification" | "regression";
}

/** What the library needs to know of a loss beyond its value. */
export interface LossDefinition extends Loss {
  /** Options that a model file keeps. */
  readonly options: Readonly<Record<string, number>>;
  /** The last layer that would apply the loss's own squashing a second time. */
  readonly refuses: string | undefined;
  /** dtype in which labels of this shape are gathered for the loss. */
  labelType(y: Shape): "i32" | "f32";
  /** Throws when some label cannot go with outputs of this shape (without the batch axis). */
  checkLabels(where: string, y: { readonly data: TypedArray; readonly shape: Shape }, output: Shape): void;
  /** 0 or 1 per example: whether it is misclassified. Only for classification. */
  errors?(output: Tensor, y: Tensor): Tensor;
  /** Turns outputs into probabilities. */
  probabilities?(output: Tensor): Tensor;
  /** The class of each example, i32 [m]. */
  classes?(output: Tensor): Tensor;
}

type Parts = Omit<LossDefinition, "kind" | "task" | "options">;

function makeLoss(
  kind: string,
  task: Loss["task"],
  options: Readonly<Record<string, number>>,
  value: (output: Tensor, y: Tensor) => Tensor,
  parts: Parts,
): LossDefinition {
  const loss = (output: Tensor, y: Tensor): Tensor => {
    if (!(output instanceof Value) || !(y instanceof Value))
      throw new MinibatchError(`${kind}: both the output and the labels must be tensors; tensor(...) makes one`);
    return value(output, y);
  };
  return Object.assign(loss, { kind, task, options, ...parts }) as unknown as LossDefinition;
}

/** `y` in the shape of the output: a real [m] goes with [m, 1], never broadcast to [m, m]. */
function matched(kind: string, output: Tensor, y: Tensor): Tensor {
  const labels = y.dtype === output.dtype ? y : asTensor(cast(y, output.dtype));
  if (sameShape(output.shape, y.shape)) return labels;
  const flat = (shape: Shape) => (shape.length === 2 && shape[1] === 1 ? [shape[0] as number] : shape);
  if (sameShape(flat(output.shape), flat(y.shape))) return labels.reshape(output.shape);
  throw new ShapeError(`${kind}: outputs and labels must have the same shape, got ${show(output.shape)} and ${show(y.shape)}`);
}

/** Shapes of dense labels against outputs, without the batch axis. */
function checkDense(kind: string, where: string, y: { readonly data: TypedArray; readonly shape: Shape }, output: Shape): void {
  const row = y.shape.slice(1);
  const flat = (shape: Shape) => (shape.length === 1 && shape[0] === 1 ? [] : shape);
  if (!sameShape(flat(row), flat(output)))
    throw new ShapeError(`${where}: ${kind} needs labels of the outputs' shape ${show(output)} per example, got ${show(row)}`);
  y.data.forEach((value, i) => {
    if (!Number.isFinite(value)) throw new MinibatchError(`${where}: labels must be finite numbers, got ${value} at position ${i}`);
  });
}

function isDense(y: Shape): boolean {
  return y.length >= 2 && y[1] !== 1;
}

/** Labels as the softmax cross-entropy takes them: classes i32 [m] or rows of weights [m, k]. */
function classesOrRows(output: Tensor, y: Tensor): Tensor {
  if (output.rank !== 2) throw new ShapeError(`crossEntropy: outputs must be logits [m, k], got ${show(output.shape)}`);
  if (isDense(y.shape)) return y.dtype === output.dtype ? y : asTensor(cast(y, output.dtype));
  const labels = y.rank === 1 ? y : y.reshape([y.size(0)]);
  return labels.dtype === "i32" ? labels : asTensor(cast(labels, "i32"));
}

/**
 * Softmax cross-entropy from logits [m, k]: the mean over the batch of -sum_j y_j log softmax(output)_j. Labels are
 * classes [m] (whole numbers below k) or rows [m, k]; both give the same. Its gradient at the logits is (p - y) / m with p their softmax: the
 * course's a - y. In nats (natural logarithm). `fit` refuses labels out of range, and a softmax as the last layer.
 */
export function crossEntropy(): Loss {
  return makeLoss(
    "crossEntropy",
    "classification",
    {},
    (output, y) => asTensor(softmaxCrossEntropy(output, classesOrRows(output, y)).losses).mean(),
    {
      refuses: "softmax",
      labelType: (shape) => (isDense(shape) ? "f32" : "i32"),
      checkLabels(where, y, output) {
        const k = output[0] ?? 0;
        if (output.length !== 1 || k < 2)
          throw new ShapeError(
            `${where}: crossEntropy needs one output per class, at least two, got ${show(output)} per example; ${output.length > 1 ? "flatten() makes rows of images" : "binaryCrossEntropy() goes with one output"}`,
          );
        if (isDense(y.shape)) {
          if (y.shape.length !== 2 || y.shape[1] !== k)
            throw new ShapeError(`${where}: one-hot labels must be [m, ${k}] for ${k} outputs, got ${show(y.shape)}`);
          y.data.forEach((value, i) => {
            if (!(value >= 0 && value <= 1))
              throw new MinibatchError(`${where}: one-hot labels must be numbers from 0 to 1, got ${value} in row ${Math.floor(i / k)}`);
          });
          return;
        }
        y.data.forEach((value, i) => {
          if (!Number.isInteger(value))
            throw new MinibatchError(
              `${where}: crossEntropy needs classes as whole numbers, got ${value} in row ${i}; meanSquaredError() goes with real targets`,
            );
          if (value < 0 || value >= k)
            throw new MinibatchError(
              `${where}: label ${value} in row ${i} is out of range for ${k} outputs (classes 0 to ${k - 1}); the last layer needs one output per class`,
            );
        });
      },
      errors: (output, y) => {
        const labels = classesOrRows(output, y);
        return asTensor(classificationErrors(output, labels));
      },
      probabilities: (output) => output.softmax(),
      classes: (output) => output.argMax(-1),
    },
  );
}

/**
 * Sigmoid cross-entropy from logits: the mean of -(y log s(z) + (1 - y) log(1 - s(z))), computed without overflow.
 * Labels in [0, 1] of the outputs' shape; [m] goes with [m, 1]. Its gradient at the logits is (s(z) - y) / m. In nats. `fit` refuses other
 * labels, and a sigmoid as the last layer. The error counts z > 0 against y > 0.5; with several outputs it is their mean.
 */
export function binaryCrossEntropy(): Loss {
  const wrong = (output: Tensor, y: Tensor) => {
    const labels = matched("binaryCrossEntropy", output, y);
    return output.greater(0).equal(labels.greater(0.5)).neg().add(1);
  };
  return makeLoss(
    "binaryCrossEntropy",
    "classification",
    {},
    (output, y) => asTensor(sigmoidCrossEntropy(output, matched("binaryCrossEntropy", output, y))).mean(),
    {
      refuses: "sigmoid",
      labelType: () => "f32",
      checkLabels(where, y, output) {
        checkDense("binaryCrossEntropy", where, y, output);
        y.data.forEach((value, i) => {
          if (value < 0 || value > 1)
            throw new MinibatchError(
              `${where}: binaryCrossEntropy needs labels from 0 to 1, got ${value} at position ${i}; crossEntropy() goes with more classes`,
            );
        });
      },
      errors: (output, y) => {
        const each = wrong(output, y);
        return each.rank === 1 ? each : each.reshape([each.size(0), -1]).mean({ axis: 1 });
      },
      probabilities: (output) => output.sigmoid(),
      classes: (output) =>
        asTensor(cast(output.rank === 2 && output.size(1) === 1 ? output.reshape([output.size(0)]).greater(0) : output.greater(0), "i32")),
    },
  );
}

function regression(kind: string, options: Readonly<Record<string, number>>, each: (difference: Tensor) => Tensor): Loss {
  return makeLoss(kind, "regression", options, (output, y) => each(output.sub(matched(kind, output, y))).mean(), {
    refuses: undefined,
    labelType: () => "f32",
    checkLabels: (where, y, output) => checkDense(kind, where, y, output),
  });
}

/** The mean of (output - y)^2 over all elements, in the square of the target's unit; the course's 1/2 is not in it. Shapes are equal; [m] goes with [m, 1]. */
export function meanSquaredError(): Loss {
  return regression("meanSquaredError", {}, (d) => d.square());
}

/** The mean of |output - y| over all elements, in the target's unit. Shapes are equal; [m] goes with [m, 1]. */
export function meanAbsoluteError(): Loss {
  return regression("meanAbsoluteError", {}, (d) => d.abs());
}

/**
 * Squared near 0 and linear beyond delta: the mean of d^2 / 2 for |d| <= delta, delta (|d| - delta / 2) elsewhere, d = output - y. delta is in the
 * target's unit, 1 by default. Shapes are equal; [m] goes with [m, 1]. Huber 1964.
 */
export function huber(options: { delta?: number | undefined } = {}): Loss {
  checkOptions("huber", options, ["delta"]);
  const delta = checkNumber("huber", "delta", options.delta ?? 1, { above: 0 });
  // With c = min(|d|, delta) both branches are c (|d| - c / 2).
  return regression("huber", { delta }, (d) => {
    const size = d.abs();
    const c = size.minimum(delta);
    return c.mul(size.sub(c.mul(0.5)));
  });
}

/** How each kind is made again from a model file. */
export const losses: Readonly<Record<string, (options: Readonly<Record<string, number>>) => Loss>> = {
  crossEntropy,
  binaryCrossEntropy,
  meanSquaredError,
  meanAbsoluteError,
  huber: (options) => huber(options),
};

/** The loss as the library holds it; anything else is refused. */
export function lossDefinition(where: string, loss: unknown): LossDefinition {
  if (typeof loss === "function" && typeof (loss as Partial<LossDefinition>).checkLabels === "function") return loss as LossDefinition;
  const hint = typeof loss === "function" && loss.name in losses ? `; call it: ${loss.name}()` : "";
  throw new MinibatchError(
    `${where}: loss must be a loss such as crossEntropy() or meanSquaredError(), got ${typeof loss === "function" ? `the function ${loss.name || "(anonymous)"}` : describe(loss)}${hint}`,
  );
}
