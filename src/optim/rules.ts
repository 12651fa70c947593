// The update rules: for each optimizer what state it keeps per parameter, which scalars it reads each step, and the op
// that makes one step over a vector. They serve whole segments in training and single variables in loops of one's own.
import type { Value } from "../ops/define.ts";
import { adagradUpdate, adamUpdate, momentumUpdate, rmspropUpdate, sgdUpdate } from "../ops/optimizer.ts";

/** Scalars of one step as tensors of shape []: the learning rate and what `scalarsAt` gives. */
export interface StepScalars {
  readonly learningRate: Value;
  readonly others: readonly Value[];
}

export interface Updated {
  readonly theta: Value;
  readonly slots: readonly Value[];
  /** The sum of the squares of g: []. */
  readonly squares: Value;
}

export interface UpdateRule {
  readonly kind: string;
  /** Names of the state vectors, each of the parameter's size and zero at first. */
  readonly slots: readonly string[];
  /** Names of the scalars that change from step to step besides the learning rate. */
  readonly scalars: readonly string[];
  /** Their values at step 1, 2, ... */
  scalarsAt(step: number): readonly number[];
  /** theta, g and slots [n] -> the new theta and slots. `decays`: whether decoupled weight decay reaches this vector. */
  update(theta: Value, g: Value, slots: readonly Value[], scalars: StepScalars, decays: boolean): Updated;
}

const none: Pick<UpdateRule, "scalars" | "scalarsAt"> = { scalars: [], scalarsAt: () => [] };

export function sgdRule(): UpdateRule {
  return {
    kind: "sgd",
    slots: [],
    ...none,
    update: (theta, g, _slots, { learningRate }) => ({ ...sgdUpdate(theta, g, learningRate), slots: [] }),
  };
}

export function momentumRule(kind: string, settings: { beta: number; gain: number; nesterov: boolean }): UpdateRule {
  return {
    kind,
    slots: ["v"],
    ...none,
    update(theta, g, [v], { learningRate }) {
      const next = momentumUpdate(theta, g, v as Value, learningRate, settings);
      return { theta: next.theta, slots: [next.v], squares: next.squares };
    },
  };
}

export function rmspropRule(settings: { beta2: number; epsilon: number; inside: boolean }): UpdateRule {
  return {
    kind: "rmsprop",
    slots: ["s"],
    ...none,
    update(theta, g, [s], { learningRate }) {
      const next = rmspropUpdate(theta, g, s as Value, learningRate, settings);
      return { theta: next.theta, slots: [next.s], squares: next.squares };
    },
  };
}

export function adagradRule(settings: { epsilon: number; inside: boolean }): UpdateRule {
  return {
    kind: "adagrad",
    slots: ["s"],
    ...none,
    update(theta, g, [s], { learningRate }) {
      const next = adagradUpdate(theta, g, s as Value, learningRate, settings);
      return { theta: next.theta, slots: [next.s], squares: next.squares };
    },
  };
}

export function adamRule(
  kind: string,
  settings: { beta1: number; beta2: number; epsilon: number; inside: boolean; weightDecay: number },
): UpdateRule {
  const { beta1, beta2 } = settings;
  return {
    kind,
    slots: ["m", "v"],
    scalars: ["correction1", "correction2"],
    scalarsAt: (step) => [1 - beta1 ** step, 1 - beta2 ** step],
    update(theta, g, [m, v], { learningRate, others }, decays) {
      const [correction1, correction2] = others as readonly [Value, Value];
      const next = adamUpdate(
        theta,
        g,
        m as Value,
        v as Value,
        learningRate,
        correction1,
        correction2,
        decays ? settings : { ...settings, weightDecay: 0 },
      );
      return { theta: next.theta, slots: [next.m, next.v], squares: next.squares };
    },
  };
}
