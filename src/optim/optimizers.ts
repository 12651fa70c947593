// Optimizers: an update rule with its settings. Given to fit it is a recipe, whose state belongs to the run; used by
// hand (apply, minimize) it keeps its state per variable. Knows no model and no training loop.
import { compile } from "../compile.ts";
import { type FloatType, isFloat, newArray } from "../dtype.ts";
import { checkNumber, checkOptions, describe, MinibatchError, requireOptions, ShapeError } from "../errors.ts";
import { Value } from "../ops/define.ts";
import { clip } from "../ops/elementwise.ts";
import { reshape } from "../ops/movement.ts";
import { evaluate } from "../run/evaluate.ts";
import { sameShape, show, sizeOf } from "../shape.ts";
import { boxOf, clipByGlobalNorm, fromArray, gradients, type Tensor, type Variable, type VariableValue, variable } from "../tensor.ts";
import { currentTrace, supplied } from "../trace.ts";
import { adagradRule, adamRule, momentumRule, rmspropRule, sgdRule, type UpdateRule } from "./rules.ts";
import { checkRate, rateAt, type Schedule } from "./schedules.ts";

/** A number is added to the root (PyTorch); with `inside` to what is under it (the course). */
export type Epsilon = number | { value: number; inside: boolean };

export interface OptimizerOptions {
  /** The course's alpha: a number above 0, or a function of `{ step, epoch }` (see `schedule`). */
  learningRate: number | Schedule;
  /** Scales all gradients together when their common norm is larger than this. */
  clipNorm?: number | undefined;
  /** Limits every element of the gradients to [-clipValue, clipValue]. */
  clipValue?: number | undefined;
}

export interface Optimizer {
  readonly kind: string;
  /**
   * One step: evaluates every gradient, then assigns all variables at once. Steps are counted for each variable;
   * for schedules each counts as an epoch too.
   */
  apply<const V extends readonly Variable[]>(variables: V, gradients: { readonly [K in keyof V]: Tensor }): void;
  /** A function that makes one step downhill on a cost, traced once, and returns the cost before it. */
  minimize<A extends Tensor[]>(cost: (...args: A) => Tensor, variables: readonly Variable[]): (...args: A) => Tensor;
}

/** What an optimizer keeps for one variable: vectors, zero at first, and how many steps they have seen. */
interface Kept {
  readonly slots: readonly Variable[];
  steps: number;
}

export class OptimizerRecipe implements Optimizer {
  readonly kind: string;
  readonly rule: UpdateRule;
  readonly learningRate: number | Schedule;
  readonly clipNorm: number | undefined;
  readonly clipValue: number | undefined;
  /** What it was made with, for comparing runs. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** The same rule with another decoupled weight decay, where it can have one. */
  readonly withWeightDecay: ((weightDecay: number) => UpdateRule) | undefined;
  readonly #kept = new WeakMap<object, Kept>();

  constructor(
    rule: UpdateRule,
    options: OptimizerOptions,
    settings: Readonly<Record<string, unknown>>,
    withWeightDecay?: (weightDecay: number) => UpdateRule,
  ) {
    this.withWeightDecay = withWeightDecay;
    const { clipNorm, clipValue } = options;
    this.kind = rule.kind;
    this.rule = rule;
    this.learningRate = checkRate(rule.kind, options.learningRate);
    this.clipNorm = clipNorm === undefined ? undefined : checkNumber(rule.kind, "clipNorm", clipNorm, { above: 0 });
    this.clipValue = clipValue === undefined ? undefined : checkNumber(rule.kind, "clipValue", clipValue, { above: 0 });
    this.settings = { ...settings, clipNorm, clipValue };
  }

  apply<const V extends readonly Variable[]>(variables: V, list: { readonly [K in keyof V]: Tensor }): void {
    const where = `${this.kind}: apply`;
    if (!Array.isArray(variables) || !Array.isArray(list) || variables.length !== list.length) {
      throw new MinibatchError(`${where}: expected one gradient per variable, got ${describe(variables)} and ${describe(list)}`);
    }
    const boxes = variables.map((v) => boxOf(where, v));
    const given = list as readonly unknown[] as readonly Tensor[];
    boxes.forEach((box, i) => {
      const g = given[i];
      if (!(g instanceof Value)) throw new MinibatchError(`${where}: gradient ${i + 1} must be a tensor, got ${describe(g)}`);
      if (!isFloat(box.dtype)) throw new MinibatchError(`${where}: variable ${box.name} holds ${box.dtype}; only f32 and f64 can be moved`);
      if (!sameShape(g.shape, box.shape))
        throw new ShapeError(`${where}: the gradient of ${box.name} must have shape ${show(box.shape)}, got ${show(g.shape)}`);
    });
    const clipped = this.clipped(given);
    const trace = currentTrace();
    const assigned: { box: VariableValue; value: Value }[] = [];
    boxes.forEach((box, i) => {
      if (trace?.assignments.has(box)) {
        throw new MinibatchError(
          `${where}: ${box.name} is moved twice in one traced function; add the costs or the gradients, or compile two functions`,
        );
      }
      const kept = this.#keptFor(box);
      const n = sizeOf(box.shape);
      const flat = (v: Value) => reshape(v, [n]);
      const next = this.rule.update(flat(box), flat(clipped[i] as Value), kept.slots, this.#scalars(box.dtype as FloatType, kept), true);
      assigned.push({ box, value: reshape(next.theta, box.shape) });
      next.slots.forEach((value, s) => {
        assigned.push({ box: boxOf(where, kept.slots[s]), value });
      });
    });
    const count = () => {
      for (const box of boxes) this.#keptFor(box).steps++;
    };
    if (trace) {
      for (const { box, value } of assigned) trace.assign(box, value);
      trace.after(count);
      return;
    }
    const data = evaluate(assigned.map(({ value }) => value));
    assigned.forEach(({ box }, i) => {
      box.store(data[i] as Float32Array<ArrayBuffer>);
    });
    count();
  }

  minimize<A extends Tensor[]>(cost: (...args: A) => Tensor, variables: readonly Variable[]): (...args: A) => Tensor {
    if (typeof cost !== "function")
      throw new MinibatchError(`${this.kind}: minimize: expected a function that gives the cost, got ${describe(cost)}`);
    const step = (...args: Tensor[]): Tensor => {
      const value = cost(...(args as A));
      this.apply(variables, gradients(value, variables));
      return value;
    };
    return compile(step) as unknown as (...args: A) => Tensor;
  }

  /** Gradients limited by value, then by their common norm, as the options say. */
  clipped(list: readonly Tensor[]): readonly Tensor[] {
    const { clipNorm, clipValue } = this;
    const limited = clipValue === undefined ? list : list.map((g) => clip(g, -clipValue, clipValue) as Tensor);
    return clipNorm === undefined ? limited : clipByGlobalNorm(limited, clipNorm);
  }

  #keptFor(box: VariableValue): Kept {
    let kept = this.#kept.get(box);
    if (!kept) {
      const n = sizeOf(box.shape);
      const zero = (name: string) => variable(fromArray(newArray(box.dtype, n), [n]), { name: `${box.name}.${name}` });
      kept = { slots: this.rule.slots.map(zero), steps: 0 };
      this.#kept.set(box, kept);
    }
    return kept;
  }

  /** Numbers of the next step; a traced function asks for them at every call. */
  #scalars(dtype: FloatType, kept: Kept): { learningRate: Value; others: Value[] } {
    const next = () => ({ step: kept.steps + 1, epoch: kept.steps + 1 });
    const scalar = (name: string, value: () => number) => {
      const current = () => {
        const out = newArray(dtype, 1);
        out[0] = value();
        return out;
      };
      return supplied(name, { shape: [], dtype }, { current });
    };
    return {
      learningRate: scalar("learningRate", () => rateAt(this.learningRate, next())),
      others: this.rule.scalars.map((name, i) => scalar(name, () => this.rule.scalarsAt(next().step)[i] as number)),
    };
  }
}

const common = ["learningRate", "clipNorm", "clipValue"];

function epsilonOf(kind: string, epsilon: Epsilon | undefined, fallback: number): { epsilon: number; inside: boolean } {
  if (typeof epsilon === "object" && epsilon !== null) {
    checkOptions(`${kind}: epsilon`, epsilon, ["value", "inside"]);
    if (typeof epsilon.inside !== "boolean")
      throw new MinibatchError(`${kind}: epsilon.inside must be true or false, got ${describe(epsilon.inside)}`);
    return { epsilon: checkNumber(kind, "epsilon.value", epsilon.value, { min: 0 }), inside: epsilon.inside };
  }
  return { epsilon: checkNumber(kind, "epsilon", epsilon ?? fallback, { min: 0 }), inside: false };
}

function beta(kind: string, name: string, value: number | undefined, fallback: number): number {
  return checkNumber(kind, name, value ?? fallback, { min: 0, below: 1 });
}

/** Gradient descent: W := W - a dW. Stochastic or not is a matter of `batchSize`. Throws where learningRate is not above 0. */
export function sgd(options: OptimizerOptions): Optimizer {
  requireOptions("sgd", options, common);
  return new OptimizerRecipe(sgdRule(), options, {});
}

type MomentumOptions = OptimizerOptions & { beta?: number | undefined; dampening?: "course" | "none" | undefined };

function withMomentum(kind: string, options: MomentumOptions, nesterov: boolean): Optimizer {
  requireOptions(kind, options, [...common, "beta", "dampening"]);
  const b = beta(kind, "beta", options.beta, 0.9);
  const { dampening = "course" } = options;
  if (dampening !== "course" && dampening !== "none")
    throw new MinibatchError(`${kind}: dampening must be "course" or "none", got ${describe(dampening)}`);
  const settings = { beta: b, gain: dampening === "course" ? 1 - b : 1, nesterov };
  return new OptimizerRecipe(momentumRule(kind, settings), options, settings);
}

/**
 * v := beta v + (1 - beta) dW; W := W - a v; v starts at 0, beta 0.9, no bias correction. With dampening "none" v := beta v + dW, PyTorch's
 * and Keras's form, whose learning rate is (1 - beta) times this one's for the same steps. Polyak 1964.
 */
export function momentum(options: MomentumOptions): Optimizer {
  return withMomentum("momentum", options, false);
}

/**
 * Momentum that looks ahead: v := beta v + (1 - beta) dW; W := W - a (beta v + (1 - beta) dW) with the new v; beta 0.9. With dampening "none"
 * dW counts whole in both places, as in PyTorch. Nesterov 1983, in the form of Sutskever et al. 2013.
 */
export function nesterov(options: MomentumOptions): Optimizer {
  return withMomentum("nesterov", options, true);
}

/**
 * S := beta2 S + (1 - beta2) dW^2; W := W - a dW / (sqrt(S) + epsilon); S starts at 0 and is not corrected, beta2 0.9, epsilon 1e-8. The course
 * has epsilon under the root: `epsilon: { value: 1e-8, inside: true }`. PyTorch's alpha is this beta2, by default 0.99. Tieleman and Hinton 2012.
 */
export function rmsprop(options: OptimizerOptions & { beta2?: number | undefined; epsilon?: Epsilon | undefined }): Optimizer {
  requireOptions("rmsprop", options, [...common, "beta2", "epsilon"]);
  const settings = { beta2: beta("rmsprop", "beta2", options.beta2, 0.9), ...epsilonOf("rmsprop", options.epsilon, 1e-8) };
  return new OptimizerRecipe(rmspropRule(settings), options, settings);
}

export interface AdamOptions extends Partial<OptimizerOptions> {
  beta1?: number | undefined;
  beta2?: number | undefined;
  epsilon?: Epsilon | undefined;
}

function adamWith(kind: string, options: AdamOptions & { weightDecay?: number | undefined }, weightDecay: number): Optimizer {
  const settings = {
    beta1: beta(kind, "beta1", options.beta1, 0.9),
    beta2: beta(kind, "beta2", options.beta2, 0.999),
    ...epsilonOf(kind, options.epsilon, 1e-8),
    weightDecay,
  };
  const rule = (decay: number) => adamRule(kind, { ...settings, weightDecay: decay });
  return new OptimizerRecipe(rule(weightDecay), { ...options, learningRate: options.learningRate ?? 1e-3 }, settings, rule);
}

/**
 * v := beta1 v + (1 - beta1) dW, S := beta2 S + (1 - beta2) dW^2, both divided by 1 - beta^t;
 * W := W - a v / (sqrt(S) + epsilon). Learning rate 0.001, betas 0.9 and 0.999, epsilon 1e-8, outside the root as in PyTorch; with
 * `epsilon: { value, inside: true }` under it. Each coordinate's first step is about a long. Kingma and Ba 2015.
 */
export function adam(options: AdamOptions = {}): Optimizer {
  checkOptions("adam", options, [...common, "beta1", "beta2", "epsilon"]);
  return adamWith("adam", options, 0);
}

/**
 * Adam with decoupled weight decay: W := (1 - a weightDecay) W before the step; 0.01 by default. In fit it reaches what
 * a regulariser would (weight matrices, not biases, gamma or beta); by hand, every variable given. Loshchilov and Hutter 2019.
 */
export function adamW(options: AdamOptions & { weightDecay?: number | undefined } = {}): Optimizer {
  checkOptions("adamW", options, [...common, "beta1", "beta2", "epsilon", "weightDecay"]);
  return adamWith("adamW", options, checkNumber("adamW", "weightDecay", options.weightDecay ?? 0.01, { min: 0 }));
}

/** S := S + dW^2; W := W - a dW / (sqrt(S) + epsilon); S starts at 0 and never falls, epsilon 1e-10. Duchi, Hazan and Singer 2011. */
export function adagrad(options: OptimizerOptions & { epsilon?: Epsilon | undefined }): Optimizer {
  requireOptions("adagrad", options, [...common, "epsilon"]);
  const settings = epsilonOf("adagrad", options.epsilon, 1e-10);
  return new OptimizerRecipe(adagradRule(settings), options, settings);
}

/** The optimizer of a kind and its settings as a recipe has them, from a file; undefined for a kind that is not known. */
export function optimizerOf(
  kind: string,
  learningRate: number | Schedule,
  settings: Readonly<Record<string, unknown>>,
): Optimizer | undefined {
  const {
    clipNorm,
    clipValue,
    beta,
    gain,
    beta1,
    beta2,
    epsilon: value,
    inside,
    weightDecay,
  } = settings as Readonly<Record<string, number>>;
  const shared = { learningRate, clipNorm, clipValue };
  const epsilon = { value: value as number, inside: inside as unknown as boolean };
  if (kind === "sgd") return sgd(shared);
  if (kind === "momentum" || kind === "nesterov")
    return withMomentum(kind, { ...shared, beta, dampening: gain === 1 ? "none" : "course" }, kind === "nesterov");
  if (kind === "rmsprop") return rmsprop({ ...shared, beta2, epsilon });
  if (kind === "adam") return adam({ ...shared, beta1, beta2, epsilon });
  if (kind === "adamW") return adamW({ ...shared, beta1, beta2, epsilon, weightDecay });
  return kind === "adagrad" ? adagrad({ ...shared, epsilon }) : undefined;
}

/** The optimizer as the library holds it; anything else is refused. */
export function recipeOf(where: string, optimizer: unknown): OptimizerRecipe {
  if (optimizer instanceof OptimizerRecipe) return optimizer;
  throw new MinibatchError(`${where}: optimizer must be an optimizer such as adam({ learningRate: 1e-3 }), got ${describe(optimizer)}`);
}
