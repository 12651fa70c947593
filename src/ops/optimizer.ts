// One op per optimizer: the update of a whole segment of parameters and of its slots, elementwise, in the one pass that also
// sums the squares of the gradient (its norm is reported every step, and a pass of its own costs as much as a fifth of Adam).
// Knows no schedule, no clipping and no parameter names; rates and bias corrections come in as numbers of the run.
import type { NumberArray } from "../dtype.ts";
import { apply, defineOp, type OpDefinition, type Sample, type SampleInput, type Value, type ValueType, type View } from "./define.ts";
import { add, div, mul, sqrt, square, sub } from "./elementwise.ts";
import { sumSquares } from "./reduce.ts";
import { named, requireFloats, requireShape } from "./rules.ts";

type NoAttributes = Record<never, never>;
/** nesterov looks one step ahead. gain is 1 - beta in the averaging form, 1 in the summing form ("dampening: none"). */
type MomentumAttributes = { readonly beta: number; readonly gain: number; readonly nesterov: boolean };
/** inside: epsilon under the root, as the course has it; otherwise beside the root, as PyTorch. */
type RmspropAttributes = { readonly beta2: number; readonly epsilon: number; readonly inside: boolean };
type AdamAttributes = {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly inside: boolean;
  readonly weightDecay: number;
};
type AdagradAttributes = { readonly epsilon: number; readonly inside: boolean };

/** theta, the gradient and the slots of one shape, then single numbers; the outputs are theta, the slots and sum g^2. */
function inferUpdate(op: string, inputs: readonly ValueType[], slots: readonly string[], scalars: readonly string[]): readonly ValueType[] {
  const types = named(op, inputs, ["theta", "g", ...slots, ...scalars]);
  requireFloats(op, types);
  const theta = inputs[0] as ValueType;
  for (const name of ["g", ...slots]) requireShape(op, { [name]: types[name] as ValueType }, theta.shape, "the shape of theta");
  for (const name of scalars) requireShape(op, { [name]: types[name] as ValueType }, [], "one number");
  return [theta, ...slots.map(() => theta), { shape: [], dtype: theta.dtype }];
}

/** The last output of every update. */
function storeSquares(g: NumberArray, outputs: readonly View[]): void {
  let sum = 0;
  for (let i = 0; i < g.length; i++) sum += (g[i] as number) ** 2;
  (outputs.at(-1) as View).data[0] = sum;
}

/** The root of a mean square with its epsilon, inside or beside. */
function rootOf(square: number, epsilon: number, inside: boolean): number {
  return inside ? Math.sqrt(square + epsilon) : Math.sqrt(square) + epsilon;
}

function plainRoot(square: Value, epsilon: number, inside: boolean): Value {
  return inside ? sqrt(add(square, epsilon)) : add(sqrt(square), epsilon);
}

const lr: SampleInput = { shape: [], values: [0.125] };

/** An update's samples: some sizes, then all zeros (what a unit sees that never was active). Slots of squares are not negative. */
function samplesOf<A extends MomentumAttributes | RmspropAttributes | AdamAttributes | AdagradAttributes | NoAttributes>(
  slots: readonly ("any" | "square")[],
  scalars: readonly SampleInput[],
  variants: readonly A[],
): Sample<A>[] {
  const vectors = (shape: readonly number[]): SampleInput[] => [
    { shape },
    { shape },
    ...slots.map((kind): SampleInput => (kind === "square" ? { shape, range: [0, 2] } : { shape })),
  ];
  const zeros = (n: number): SampleInput => ({ shape: [n], values: new Array<number>(n).fill(0) });
  // The longest is one that native kernels cut into pieces.
  return variants.flatMap((attributes, variant) => [
    ...[37, 1, 0, ...(variant === 0 ? [200_003] : [])].map((n) => ({ inputs: [...vectors([n]), lr, ...scalars], attributes })),
    { inputs: [{ shape: [5] }, zeros(5), ...slots.map(() => zeros(5)), lr, ...scalars], attributes },
  ]);
}

// ---------------------------------------------------------------- gradient descent

const sgdUpdateOp = defineOp<NoAttributes>({
  name: "sgdUpdate",
  doc: "theta' = theta - lr g: theta, g [n], lr [] -> theta' [n], sum g^2 []",
  infer: (inputs) => inferUpdate("sgdUpdate", inputs, [], ["lr"]),
  kernel(inputs, outputs) {
    const [theta, g, lr] = inputs.map((view) => view.data) as [NumberArray, NumberArray, NumberArray];
    const out = outputs[0]?.data as NumberArray;
    const rate = lr[0] as number;
    for (let i = 0; i < theta.length; i++) out[i] = (theta[i] as number) - rate * (g[i] as number);
    storeSquares(g, outputs);
  },
  decomposition(inputs) {
    const [theta, g, lr] = inputs as [Value, Value, Value];
    return [sub(theta, mul(g, lr)), sumSquares(g)];
  },
  inPlace: [0, -1],
  samples: samplesOf<NoAttributes>([], [], [{}]),
});

/** What every update gives besides its slots: the new parameters, and the sum of the gradient's squares. */
interface Stepped {
  readonly theta: Value;
  readonly squares: Value;
}

export function sgdUpdate(theta: Value, g: Value, lr: Value): Stepped {
  const [next, squares] = apply(sgdUpdateOp, [theta, g, lr], {}) as [Value, Value];
  return { theta: next, squares };
}

const momentumUpdateOp = defineOp<MomentumAttributes>({
  name: "momentumUpdate",
  doc: "v' = beta v + gain g, theta' = theta - lr (nesterov ? beta v' + gain g : v'): theta, g, v [n], lr [] -> theta', v' [n], sum g^2 []",
  infer: (inputs) => inferUpdate("momentumUpdate", inputs, ["v"], ["lr"]),
  kernel(inputs, outputs, { beta, gain, nesterov }) {
    const [theta, g, v, lr] = inputs.map((view) => view.data) as [NumberArray, NumberArray, NumberArray, NumberArray];
    const [thetaOut, vOut] = outputs.map((view) => view.data) as [NumberArray, NumberArray];
    const rate = lr[0] as number;
    for (let i = 0; i < theta.length; i++) {
      const push = gain * (g[i] as number);
      const velocity = beta * (v[i] as number) + push;
      thetaOut[i] = (theta[i] as number) - rate * (nesterov ? beta * velocity + push : velocity);
      vOut[i] = velocity;
    }
    storeSquares(g, outputs);
  },
  decomposition(inputs, { beta, gain, nesterov }) {
    const [theta, g, v, lr] = inputs as [Value, Value, Value, Value];
    const push = mul(g, gain);
    const velocity = add(mul(v, beta), push);
    return [sub(theta, mul(nesterov ? add(mul(velocity, beta), push) : velocity, lr)), velocity, sumSquares(g)];
  },
  inPlace: [0, 2, -1],
  samples: samplesOf<MomentumAttributes>(
    ["any"],
    [],
    [
      { beta: 0.9, gain: 0.1, nesterov: false },
      { beta: 0.9, gain: 1, nesterov: true },
    ],
  ),
});

/** Source: Polyak, USSR Comput. Math. 4 (1964); the look ahead: Sutskever et al., ICML 2013. */
export function momentumUpdate(theta: Value, g: Value, v: Value, lr: Value, options: MomentumAttributes): Stepped & { v: Value } {
  const { beta, gain, nesterov } = options;
  const [next, velocity, squares] = apply(momentumUpdateOp, [theta, g, v, lr], { beta, gain, nesterov }) as [Value, Value, Value];
  return { theta: next, v: velocity, squares };
}

// ---------------------------------------------------------------- divided by a root mean square

const rmspropUpdateOp = defineOp<RmspropAttributes>({
  name: "rmspropUpdate",
  doc: "s' = beta2 s + (1 - beta2) g^2, theta' = theta - lr g / (sqrt(s') + epsilon), or sqrt(s' + epsilon) if inside: theta, g, s [n], lr [] -> theta', s' [n], sum g^2 []",
  infer: (inputs) => inferUpdate("rmspropUpdate", inputs, ["s"], ["lr"]),
  kernel(inputs, outputs, { beta2, epsilon, inside }) {
    const [theta, g, s, lr] = inputs.map((view) => view.data) as [NumberArray, NumberArray, NumberArray, NumberArray];
    const [thetaOut, sOut] = outputs.map((view) => view.data) as [NumberArray, NumberArray];
    const rate = lr[0] as number;
    for (let i = 0; i < theta.length; i++) {
      const gradient = g[i] as number;
      const square = beta2 * (s[i] as number) + (1 - beta2) * gradient * gradient;
      thetaOut[i] = (theta[i] as number) - (rate * gradient) / rootOf(square, epsilon, inside);
      sOut[i] = square;
    }
    storeSquares(g, outputs);
  },
  decomposition(inputs, { beta2, epsilon, inside }) {
    const [theta, g, s, lr] = inputs as [Value, Value, Value, Value];
    const next = add(mul(s, beta2), mul(square(g), 1 - beta2));
    return [sub(theta, div(mul(g, lr), plainRoot(next, epsilon, inside))), next, sumSquares(g)];
  },
  inPlace: [0, 2, -1],
  samples: samplesOf<RmspropAttributes>(
    ["square"],
    [],
    [
      { beta2: 0.9, epsilon: 1e-8, inside: false },
      { beta2: 0.999, epsilon: 1e-3, inside: true },
    ],
  ),
});

/** Source: Tieleman and Hinton, Coursera lecture 6.5 (2012). */
export function rmspropUpdate(theta: Value, g: Value, s: Value, lr: Value, options: RmspropAttributes): Stepped & { s: Value } {
  const { beta2, epsilon, inside } = options;
  const [next, square, squares] = apply(rmspropUpdateOp, [theta, g, s, lr], { beta2, epsilon, inside }) as [Value, Value, Value];
  return { theta: next, s: square, squares };
}

const adagradUpdateOp = defineOp<AdagradAttributes>({
  name: "adagradUpdate",
  doc: "s' = s + g^2, theta' = theta - lr g / (sqrt(s') + epsilon), or sqrt(s' + epsilon) if inside: theta, g, s [n], lr [] -> theta', s' [n], sum g^2 []",
  infer: (inputs) => inferUpdate("adagradUpdate", inputs, ["s"], ["lr"]),
  kernel(inputs, outputs, { epsilon, inside }) {
    const [theta, g, s, lr] = inputs.map((view) => view.data) as [NumberArray, NumberArray, NumberArray, NumberArray];
    const [thetaOut, sOut] = outputs.map((view) => view.data) as [NumberArray, NumberArray];
    const rate = lr[0] as number;
    for (let i = 0; i < theta.length; i++) {
      const gradient = g[i] as number;
      const square = (s[i] as number) + gradient * gradient;
      thetaOut[i] = (theta[i] as number) - (rate * gradient) / rootOf(square, epsilon, inside);
      sOut[i] = square;
    }
    storeSquares(g, outputs);
  },
  decomposition(inputs, { epsilon, inside }) {
    const [theta, g, s, lr] = inputs as [Value, Value, Value, Value];
    const next = add(s, square(g));
    return [sub(theta, div(mul(g, lr), plainRoot(next, epsilon, inside))), next, sumSquares(g)];
  },
  inPlace: [0, 2, -1],
  samples: samplesOf<AdagradAttributes>(
    ["square"],
    [],
    [
      { epsilon: 1e-10, inside: false },
      { epsilon: 1e-3, inside: true },
    ],
  ),
});

/** Source: Duchi, Hazan and Singer, JMLR 12 (2011). */
export function adagradUpdate(theta: Value, g: Value, s: Value, lr: Value, options: AdagradAttributes): Stepped & { s: Value } {
  const { epsilon, inside } = options;
  const [next, square, squares] = apply(adagradUpdateOp, [theta, g, s, lr], { epsilon, inside }) as [Value, Value, Value];
  return { theta: next, s: square, squares };
}

// ---------------------------------------------------------------- Adam

const adamUpdateOp = defineOp<AdamAttributes>({
  name: "adamUpdate",
  doc: "m' = beta1 m + (1 - beta1) g, v' = beta2 v + (1 - beta2) g^2, theta' = theta (1 - lr weightDecay) - lr (m' / correction1) / (sqrt(v' / correction2) + epsilon), or sqrt(v' / correction2 + epsilon) if inside: theta, g, m, v [n], lr, correction1 = 1 - beta1^t, correction2 = 1 - beta2^t [] -> theta', m', v' [n], sum g^2 []",
  infer: (inputs) => inferUpdate("adamUpdate", inputs, ["m", "v"], ["lr", "correction1", "correction2"]),
  kernel(inputs, outputs, { beta1, beta2, epsilon, inside, weightDecay }) {
    const [theta, g, m, v] = inputs.map((view) => view.data) as [NumberArray, NumberArray, NumberArray, NumberArray];
    const [rate, correction1, correction2] = inputs.slice(4).map((view) => view.data[0]) as [number, number, number];
    const [thetaOut, mOut, vOut] = outputs.map((view) => view.data) as [NumberArray, NumberArray, NumberArray];
    const shrink = 1 - rate * weightDecay;
    for (let i = 0; i < theta.length; i++) {
      const gradient = g[i] as number;
      const first = beta1 * (m[i] as number) + (1 - beta1) * gradient;
      const second = beta2 * (v[i] as number) + (1 - beta2) * gradient * gradient;
      thetaOut[i] = (theta[i] as number) * shrink - (rate * (first / correction1)) / rootOf(second / correction2, epsilon, inside);
      mOut[i] = first;
      vOut[i] = second;
    }
    storeSquares(g, outputs);
  },
  decomposition(inputs, { beta1, beta2, epsilon, inside, weightDecay }) {
    const [theta, g, m, v, lr, correction1, correction2] = inputs as [Value, Value, Value, Value, Value, Value, Value];
    const first = add(mul(m, beta1), mul(g, 1 - beta1));
    const second = add(mul(v, beta2), mul(square(g), 1 - beta2));
    const step = div(mul(div(first, correction1), lr), plainRoot(div(second, correction2), epsilon, inside));
    const decayed = sub(theta, mul(mul(theta, lr), weightDecay));
    return [sub(decayed, step), first, second, sumSquares(g)];
  },
  inPlace: [0, 2, 3, -1],
  samples: samplesOf<AdamAttributes>(
    ["any", "square"],
    [
      { shape: [], values: [0.271] },
      { shape: [], values: [0.003] },
    ],
    [
      { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, inside: false, weightDecay: 0 },
      { beta1: 0.9, beta2: 0.99, epsilon: 1e-3, inside: true, weightDecay: 0.01 },
    ],
  ),
});

/** Source: Kingma and Ba, arXiv 1412.6980; decoupled decay (AdamW): Loshchilov and Hutter, arXiv 1711.05101. */
export function adamUpdate(
  theta: Value,
  g: Value,
  m: Value,
  v: Value,
  lr: Value,
  correction1: Value,
  correction2: Value,
  options: AdamAttributes,
): Stepped & { m: Value; v: Value } {
  const { beta1, beta2, epsilon, inside, weightDecay } = options;
  const inputs = [theta, g, m, v, lr, correction1, correction2];
  const attributes = { beta1, beta2, epsilon, inside, weightDecay };
  const [next, first, second, squares] = apply(adamUpdateOp, inputs, attributes) as [Value, Value, Value, Value];
  return { theta: next, m: first, v: second, squares };
}

export const optimizerOps: readonly OpDefinition[] = [sgdUpdateOp, momentumUpdateOp, rmspropUpdateOp, adagradUpdateOp, adamUpdateOp];
