// Functions of one number, element by element: signs, powers, exponentials, the activations of which other ops are made, and
// the change of number type. With two inputs: arithmetic.ts. The rarer activations: activation.ts.
import { type DType, dtypeCode, isFloat, type NumberArray } from "../dtype.ts";
import { checkNumber, describe, MinibatchError } from "../errors.ts";
import type { Shape } from "../shape.ts";
import { div, equal, mul, sub } from "./arithmetic.ts";
import { apply1, defineOp, type Sample, type Value, type View } from "./define.ts";
import { dtypeOfCode, floating, tensor } from "./operand.ts";
import { type None, requireSame, unary } from "./pointwise.ts";
import { named, requireShape } from "./rules.ts";

export * from "./activation.ts";
export * from "./arithmetic.ts";

// ---------------------------------------------------------------- number types

function castSample(to: DType, shape: Shape, from?: "i32" | "u8"): Sample<{ to: number }> {
  const whole = from && { dtype: from, below: 256 };
  return { inputs: [{ shape, ...whole }], attributes: { to: dtypeCode[to] } };
}

export const castOp = defineOp<{ to: number }>({
  name: "cast",
  doc: "The same numbers in another dtype, truncated and wrapped where it holds whole numbers: [...] -> [...].",
  infer(inputs, { to }) {
    const { x } = named("cast", inputs, ["x"]);
    return [{ shape: x.shape, dtype: dtypeOfCode("cast", to) }];
  },
  kernel(inputs, outputs) {
    (outputs[0] as View).data.set((inputs[0] as View).data);
  },
  gradient({ inputs, outputs, gradients }) {
    const [x, y, dy] = [inputs[0], outputs[0], gradients[0]] as [Value, Value, Value];
    return [isFloat(x.dtype) && isFloat(y.dtype) ? cast(dy, x.dtype) : undefined];
  },
  samples: [
    castSample("f32", []),
    castSample("f64", []),
    castSample("f32", [5, 33]),
    castSample("f64", [5, 33]),
    castSample("f32", [2, 0, 3]),
    castSample("f32", [70], "u8"),
    castSample("f64", [70], "u8"),
    castSample("f32", [3, 23], "i32"),
    castSample("f64", [3, 23], "i32"),
    castSample("i32", [70], "u8"),
    {
      inputs: [{ shape: [6], values: [0.9, -0.9, 1.5, 254.9, -3, 0] }],
      attributes: { to: dtypeCode.i32 },
      noGradientCheck: "whole numbers come out",
    },
  ],
});

// ---------------------------------------------------------------- signs and powers

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
const special = [0, -0, 1, -1, 20, -20, 200, -200, 2000, -2000, 1e-6, nan, inf, -inf];

export const negOp = unary("neg", "y = -x.", {
  loop(x, y) {
    for (let i = 0; i < y.length; i++) y[i] = -(x[i] as number);
  },
  dx: (dy) => neg(dy),
  integers: true,
  special,
});

export const absOp = unary("abs", "y = |x|.", {
  loop(x, y) {
    for (let i = 0; i < y.length; i++) y[i] = Math.abs(x[i] as number);
  },
  dx: (dy, x) => mul(dy, sign(x)),
  integers: true,
  special,
});

export const squareOp = unary("square", "y = x^2.", {
  loop(x, y) {
    for (let i = 0; i < y.length; i++) y[i] = (x[i] as number) * (x[i] as number);
  },
  dx: (dy, x) => mul(dy, mul(x, 2)),
  integers: true,
  special,
});

export const sqrtOp = unary("sqrt", "y = sqrt(x); NaN below 0.", {
  loop(x, y) {
    for (let i = 0; i < y.length; i++) y[i] = Math.sqrt(x[i] as number);
  },
  dx: (dy, _x, y) => div(dy, mul(y, 2)),
  range: [0.1, 3],
  special,
});

export const signOp = unary("sign", "y = -1, 0 or 1.", { f: Math.sign, integers: true, special });

type Clip = { readonly low: number; readonly high: number };

export const clipOp = unary<Clip>("clip", "y = x, at least low and at most high.", {
  loop(x, y, { low, high }) {
    for (let i = 0; i < y.length; i++) y[i] = Math.min(Math.max(x[i] as number, low), high);
  },
  dx: (dy, x, y) => mul(dy, equal(x, y)),
  integers: true,
  special,
  attributes: { low: -0.5, high: 1 },
});

// ---------------------------------------------------------------- exponentials

export const expOp = unary("exp", "y = e^x.", { f: Math.exp, dx: (dy, _x, y) => mul(dy, y), special });
export const logOp = unary("log", "y = ln x; NaN below 0.", { f: Math.log, dx: (dy, x) => div(dy, x), range: [0.1, 3], special });
export const tanhOp = unary("tanh", "y = tanh x.", { f: Math.tanh, dx: (dy, _x, y) => mul(dy, sub(1, square(y))), special });

export const sigmoidOp = unary("sigmoid", "y = 1 / (1 + e^-x).", {
  f: (x) => 1 / (1 + Math.exp(-x)),
  dx: (dy, _x, y) => mul(dy, mul(y, sub(1, y))),
  special,
});

// ---------------------------------------------------------------- relu

export const reluOp = unary("relu", "y = max(x, 0).", {
  loop(x, y) {
    for (let i = 0; i < y.length; i++) y[i] = Math.max(x[i] as number, 0);
  },
  dx: (dy, _x, y) => reluGradient(y, dy),
  integers: true,
  special,
});

function reluGradientSample(shape: Shape): Sample<None> {
  return { inputs: [{ shape }, { shape }], attributes: {} };
}

export const reluGradientOp = defineOp<None>({
  name: "reluGradient",
  doc: "dx = dy where y > 0, else 0: y, dy and dx of one shape.",
  infer(inputs) {
    const { y, dy } = named("reluGradient", inputs, ["y", "dy"]);
    requireSame("reluGradient", { y, dy });
    requireShape("reluGradient", { dy }, y.shape, "the shape of y");
    return [dy];
  },
  kernel(inputs, outputs) {
    const [y, dy] = inputs.map((input) => input.data) as [NumberArray, NumberArray];
    const dx = (outputs[0] as View).data;
    for (let i = 0; i < dx.length; i++) dx[i] = (y[i] as number) > 0 ? (dy[i] as number) : 0;
  },
  gradient: ({ inputs, gradients, needs }) => [undefined, needs(1) ? reluGradient(inputs[0] as Value, gradients[0] as Value) : undefined],
  inPlace: [1],
  samples: [
    reluGradientSample([]),
    reluGradientSample([5, 33]),
    reluGradientSample([2, 1, 67]),
    reluGradientSample([0]),
    {
      inputs: [
        { shape: [5], values: [0, -0, 1, nan, -1] },
        { shape: [5], values: [1, 2, nan, 4, nan] },
      ],
      attributes: {},
      noGradientCheck: "kinks and NaN",
    },
  ],
});

// ---------------------------------------------------------------- the functions; for users they are described in public.ts

export function cast(x: Value, dtype: DType): Value {
  tensor("cast", x);
  if (typeof dtype !== "string" || !Object.hasOwn(dtypeCode, dtype)) {
    throw new MinibatchError(`cast: dtype must be one of ${Object.keys(dtypeCode).join(", ")}, got ${describe(dtype)}`);
  }
  return x.dtype === dtype ? x.snapshot() : apply1(castOp, [x], { to: dtypeCode[dtype] });
}

export function neg(x: Value): Value {
  return apply1(negOp, [x], {});
}

export function abs(x: Value): Value {
  return apply1(absOp, [x], {});
}

export function square(x: Value): Value {
  return apply1(squareOp, [x], {});
}

export function sqrt(x: Value): Value {
  return apply1(sqrtOp, [floating("sqrt", x)], {});
}

export function sign(x: Value): Value {
  return apply1(signOp, [x], {});
}

export function clip(x: Value, low: number, high: number): Value {
  for (const bound of [low, high]) {
    if (typeof bound !== "number" || Number.isNaN(bound)) checkNumber("clip", "a bound", bound);
  }
  if (low > high) throw new MinibatchError(`clip: low must not be above high, got ${low} and ${high}`);
  return apply1(clipOp, [x], { low, high });
}

export function exp(x: Value): Value {
  return apply1(expOp, [floating("exp", x)], {});
}

export function log(x: Value): Value {
  return apply1(logOp, [floating("log", x)], {});
}

export function tanh(x: Value): Value {
  return apply1(tanhOp, [floating("tanh", x)], {});
}

export function sigmoid(x: Value): Value {
  return apply1(sigmoidOp, [floating("sigmoid", x)], {});
}

export function relu(x: Value): Value {
  return apply1(reluOp, [x], {});
}

/** dy where relu's result y is above 0, else 0: the gradient of relu, and of every op that ends in it. */
export function reluGradient(y: Value, dy: Value): Value {
  return apply1(reluGradientOp, [y, dy], {});
}

export const elementwiseOps = [
  castOp,
  negOp,
  absOp,
  squareOp,
  sqrtOp,
  signOp,
  clipOp,
  expOp,
  logOp,
  tanhOp,
  sigmoidOp,
  reluOp,
  reluGradientOp,
];
