// tfjs's gradients and optimizers as ours.
import { adagrad, adam, gradients, momentum, nesterov, type Optimizer, rmsprop, sgd, type Tensor, type Variable, zeros } from "minibatch";
import { notApplicable } from "../jasmine.ts";
import { make, T, touched, V, value } from "../tensor.ts";
import type { Table } from "./table.ts";

type F = (...xs: T[]) => T;

/** The sum of y times dy is the cost whose gradient tfjs asks for. */
function backward(y: unknown, dy: unknown, of: readonly Tensor[]): Tensor[] {
  if (!(y instanceof T)) return notApplicable("what a function gives is a tensor");
  const real = of.filter(({ dtype }) => dtype === "f32" || dtype === "f64");
  if (!real.length || y.value.dtype !== "f32") notApplicable("whole numbers have no gradients");
  // Beside others they get tfjs's answer, zeros.
  if (real.length < of.length) {
    const list = backward(y, dy, real);
    return of.map((x) => (real.includes(x) ? (list.shift() as Tensor) : zeros(x.shape)));
  }
  if (dy !== undefined && dy !== null) {
    const weight = value(dy);
    if (weight.shape.join() !== y.shape.join()) notApplicable("a cost is one number: nothing is multiplied by a dy of another shape");
    return gradients(y.value.mul(weight).sum(), of);
  }
  return gradients(y.value.sum(), of);
}

function valueAndGrads(f: F) {
  return (xs: readonly unknown[], dy?: unknown) => {
    if (typeof f !== "function" || !Array.isArray(xs)) return notApplicable("gradients takes a cost and a list of tensors");
    const given = xs.map((x) => (x instanceof V ? x : make(x)));
    const y = f(...given);
    return { value: y, grads: backward(y, dy, given.map(value)).map((g) => new T(g)) };
  };
}

function valueAndGrad(f: F) {
  const both = valueAndGrads(f);
  return (x: unknown, dy?: unknown) => {
    const { value: y, grads } = both([x], dy);
    return { value: y, grad: grads[0] as T };
  };
}

/** A cost, and which of the variables that it read (or were named) are to be moved. */
function costOf(f: () => T, named?: readonly V[]): { cost: T; variables: V[] } {
  if (typeof f !== "function") return notApplicable("a cost is a function");
  touched.clear();
  const cost = f();
  const list = (named ?? [...touched]).filter((v) => v instanceof V && v.trainable);
  if (!list.length) notApplicable("variables are always named in a list");
  return { cost, variables: list };
}

function variableGrads(f: () => T, named?: readonly V[]) {
  const { cost, variables } = costOf(f, named);
  const list = gradients(
    cost.value,
    variables.map((v) => v.box),
  );
  return { value: cost, grads: Object.fromEntries(variables.map((v, i) => [v.name, new T(list[i] as Tensor)])) };
}

/** tfjs's optimizer: ours does the steps. */
class Steps {
  readonly #optimizer: Optimizer;
  readonly #seen = new Map<string, V>();
  constructor(optimizer: Optimizer) {
    this.#optimizer = optimizer;
  }
  #move(variables: readonly V[], list: readonly Tensor[]): void {
    this.#optimizer.apply(
      variables.map((v) => v.box),
      list as Tensor[],
    );
  }
  minimize(f: () => T, returnCost = false, named?: readonly V[]): T | null {
    const { cost, variables } = costOf(f, named);
    const boxes: readonly Variable[] = variables.map((v) => v.box);
    this.#move(variables, gradients(cost.value, boxes));
    return returnCost ? cost : null;
  }
  computeGradients(f: () => T, named?: readonly V[]) {
    const found = variableGrads(f, named);
    for (const v of touched) this.#seen.set(v.name, v);
    return found;
  }
  applyGradients(given: Readonly<Record<string, T>> | readonly { name: string; tensor: T }[]): void {
    const pairs = Array.isArray(given)
      ? (given as readonly { name: string; tensor: T }[]).map(({ name, tensor }) => [name, tensor] as const)
      : Object.entries(given as Readonly<Record<string, T>>);
    const variables = pairs.map(([name]) => this.#seen.get(name) ?? [...touched].find((v) => v.name === name));
    if (variables.some((v) => v === undefined)) notApplicable("gradients are applied to variables, not to names");
    this.#move(
      variables as V[],
      pairs.map(([, tensor]) => tensor.value),
    );
  }
  dispose(): void {}
}

/** What tells about an optimizer's inside. */
const inside = ["getWeights", "setWeights", "getConfig", "iterations", "fromConfig"];
const refuse = () => notApplicable("an optimizer's state is saved with a run's checkpoint, not read out and put back by hand");
for (const name of inside) for (const place of [Steps.prototype, Steps]) Object.defineProperty(place, name, { get: refuse, set: refuse });

class SGDOptimizer extends Steps {
  constructor(learningRate: number) {
    super(sgd({ learningRate }));
  }
}

/** The classes that tests name. */
export const optimizerClasses = { Optimizer: Steps, SGDOptimizer };

export const training: Table = {
  grad: (f: F) => (x: unknown, dy?: unknown) => valueAndGrad(f)(x, dy).grad,
  grads: (f: F) => (xs: readonly unknown[], dy?: unknown) => valueAndGrads(f)(xs, dy).grads,
  valueAndGrad,
  valueAndGrads,
  variableGrads,
  // Nothing is freed by hand: a tidy is a call.
  tidy(...args: unknown[]) {
    const f = args.at(-1);
    if (typeof f !== "function" || (args.length > 1 && typeof args[0] !== "string"))
      return notApplicable("no memory is freed by hand: there is no tidy, no dispose, no scope");
    return f();
  },

  "train.sgd": (learningRate: number) => new Steps(sgd({ learningRate })),
  "train.momentum": (learningRate: number, beta: number, ahead = false) =>
    new Steps((ahead ? nesterov : momentum)({ learningRate, beta, dampening: "none" })),
  "train.rmsprop"(learningRate: number, beta2 = 0.9, moment = 0, epsilon = 1e-7, centered = false) {
    if (moment !== 0 || centered) return notApplicable("rmsprop has neither momentum nor a centre");
    return new Steps(rmsprop({ learningRate, beta2, epsilon: { value: epsilon, inside: true } }));
  },
  "train.adam": (learningRate = 0.001, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-7) =>
    new Steps(adam({ learningRate, beta1, beta2, epsilon })),
  "train.adagrad"(learningRate: number, initial = 0.1) {
    if (initial !== 0) return notApplicable("adagrad's sums start at 0");
    return new Steps(adagrad({ learningRate, epsilon: { value: 1e-7, inside: true } }));
  },
};
