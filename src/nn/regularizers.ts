// Regularisers of the course: terms of the cost over the weights (never biases, gamma or beta), divided by the batch's
// size m. They are traced over whole segments. Decoupled weight decay is adamW's.
import { checkNumber, describe, MinibatchError, requireOptions } from "../errors.ts";
import type { Value } from "../ops/define.ts";
import { abs, add, mul } from "../ops/elementwise.ts";
import { sum, sumSquares } from "../ops/reduce.ts";
import type { Weights } from "./weights.ts";

/** A term of the cost over the weights; an option of `fit` and of `checkGradients`. */
export interface Regularizer {
  readonly kind: string;
}

export interface RegularizerDefinition extends Regularizer {
  readonly l1: number;
  readonly l2: number;
}

/**
 * L2: J gains lambda/(2m) ||W||_F^2 for each weight matrix, the gradient (lambda/m) W, so that W := (1 - a lambda/m) W - a dW under `sgd`: weight
 * decay. m is the batch's size; biases, gamma and beta are left out. PyTorch's weight_decay d in SGD is lambda/m; Keras's l2(k) adds
 * k ||W||^2, so k = lambda/(2m). Throws where lambda is negative or not finite. Hoerl and Kennard 1970; Krogh and Hertz 1992.
 */
export function l2(lambda: number): Regularizer {
  return { kind: "l2", l1: 0, l2: checkNumber("l2", "lambda", lambda, { min: 0 }) } as RegularizerDefinition;
}

/**
 * L1: J gains lambda/m ||W||_1, the gradient (lambda/m) sign(W), which drives weights to zero; sign(0) is 0. Else as `l2`. Tibshirani 1996.
 */
export function l1(lambda: number): Regularizer {
  return { kind: "l1", l1: checkNumber("l1", "lambda", lambda, { min: 0 }), l2: 0 } as RegularizerDefinition;
}

/** Both: J gains l1/m ||W||_1 + l2/(2m) ||W||_F^2. Zou and Hastie 2005. */
export function elasticNet(options: { l1: number; l2: number }): Regularizer {
  requireOptions("elasticNet", options, ["l1", "l2"]);
  return {
    kind: "elasticNet",
    l1: checkNumber("elasticNet", "l1", options.l1, { min: 0 }),
    l2: checkNumber("elasticNet", "l2", options.l2, { min: 0 }),
  } as RegularizerDefinition;
}

/** The regulariser as the library holds it; anything else is refused. */
export function checkRegularizer(where: string, value: unknown): RegularizerDefinition | undefined {
  if (value === undefined) return undefined;
  const { l1: first, l2: second } = (value ?? {}) as Partial<RegularizerDefinition>;
  if (typeof value !== "function" && typeof first === "number" && typeof second === "number") return value as RegularizerDefinition;
  throw new MinibatchError(`${where}: regularizer must be l2(lambda), l1(lambda) or elasticNet({ l1, l2 }), got ${describe(value)}`);
}

/** The cost's term for the weights of one segment [n] and a batch of m rows; undefined when there is nothing to add. */
export function penalty({ l1, l2 }: RegularizerDefinition, weights: Value, m: number): Value | undefined {
  const parts: Value[] = [];
  if (l2 > 0) parts.push(mul(sumSquares(weights), l2 / (2 * m)));
  if (l1 > 0) parts.push(mul(sum(abs(weights)), l1 / m));
  const [first, second] = parts;
  return first && second ? add(first, second) : first;
}

/** The same term as a number, in f64: for evaluations, where nothing is traced. m is the training batch's size. */
export function penaltyOf(regularizer: RegularizerDefinition | undefined, weights: Weights, m: number): number {
  if (!regularizer) return 0;
  let squares = 0;
  let sizes = 0;
  for (const entry of weights.structure.parameters) {
    if (entry.segment !== "decay") continue;
    for (const w of weights.parameter(entry)) {
      squares += w * w;
      sizes += Math.abs(w);
    }
  }
  return (regularizer.l2 / (2 * m)) * squares + (regularizer.l1 / m) * sizes;
}
