// Smooth and leaky activation functions, element by element, and the error function behind gelu.
// relu, sigmoid and tanh, of which other ops are made, stand with the arithmetic.
import { checkNumber } from "../errors.ts";
import { apply1, type Value } from "./define.ts";
import { add, exp, greater, mul, neg, sigmoid, square, sub, where } from "./elementwise.ts";
import { floating } from "./operand.ts";
import { unary } from "./pointwise.ts";

/**
 * erf x = 2 / sqrt(pi) times the integral of e^(-t^2) from 0 to x, to about 1e-15.
 * Below 2.5 by the series e^(-x^2) sum (2 x^2)^n x / (1 3 5 ... (2n + 1)), whose terms are all positive, so that nothing cancels;
 * above by the continued fraction of 1 - erf, of which 60 levels are exact there; from 6 on 1 - erf is below the last bit of 1.
 */
function errorFunction(x: number): number {
  const a = Math.abs(x);
  if (!(a < 6)) return Number.isNaN(x) ? x : Math.sign(x);
  if (a < 2.5) {
    let term = x;
    let sum = x;
    for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
      term *= (2 * x * x) / (2 * n + 1);
      sum += term;
    }
    return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
  }
  let fraction = a;
  for (let n = 60; n > 0; n--) fraction = a + n / 2 / fraction;
  return Math.sign(x) * (1 - Math.exp(-a * a) / (fraction * Math.sqrt(Math.PI)));
}

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
const special = [0, -0, 1, -1, 3, -3, 30, -30, 1000, -1000, 1e-6, nan, inf, -inf];
const root = Math.SQRT1_2;

export const erfOp = unary("erf", "y = 2 / sqrt(pi) times the integral of e^(-t^2) from 0 to x.", {
  f: errorFunction,
  dx: (dy, x) => mul(dy, mul(exp(neg(square(x))), 2 / Math.sqrt(Math.PI))),
  special,
});

export const geluOp = unary("gelu", "y = x (1 + erf(x / sqrt 2)) / 2.", {
  f: (x) => (x / 2) * (1 + errorFunction(x * root)),
  /** P(X <= x) + x times the density of the normal distribution. */
  dx(dy, x) {
    const below = mul(add(erf(mul(x, root)), 1), 0.5);
    const density = mul(exp(mul(square(x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
    return mul(dy, add(below, mul(x, density)));
  },
  special,
});

export const siluOp = unary("silu", "y = x / (1 + e^-x).", {
  f: (x) => x / (1 + Math.exp(-x)),
  /** s + y (1 - s) with s = sigmoid(x). */
  dx(dy, x, y) {
    const s = sigmoid(x);
    return mul(dy, add(s, mul(y, sub(1, s))));
  },
  special,
});

export const softplusOp = unary("softplus", "y = ln(1 + e^x).", {
  f: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
  dx: (dy, x) => mul(dy, sigmoid(x)),
  special,
});

export const leakyReluOp = unary<{ slope: number }>("leakyRelu", "y = x above 0, else slope x.", {
  loop(x, y, { slope }) {
    for (let i = 0; i < y.length; i++) y[i] = (x[i] as number) > 0 ? (x[i] as number) : slope * (x[i] as number);
  },
  dx: (dy, x, _y, { slope }) => where(greater(x, 0), dy, mul(dy, slope)),
  special,
  attributes: { slope: 0.1 },
});

export const eluOp = unary<{ alpha: number }>("elu", "y = x above 0, else alpha (e^x - 1).", {
  f: (x, { alpha }) => (x > 0 ? x : alpha * Math.expm1(x)),
  dx: (dy, x, y, { alpha }) => where(greater(x, 0), dy, mul(dy, add(y, alpha))),
  special,
  attributes: { alpha: 0.7 },
});

// ---------------------------------------------------------------- the functions; for users they are described in public.ts

export function erf(x: Value): Value {
  return apply1(erfOp, [floating("erf", x)], {});
}

export function gelu(x: Value): Value {
  return apply1(geluOp, [floating("gelu", x)], {});
}

export function silu(x: Value): Value {
  return apply1(siluOp, [floating("silu", x)], {});
}

export function softplus(x: Value): Value {
  return apply1(softplusOp, [floating("softplus", x)], {});
}

export function leakyRelu(x: Value, slope = 0.01): Value {
  return apply1(leakyReluOp, [floating("leakyRelu", x)], { slope: checkNumber("leakyRelu", "slope", slope) });
}

export function elu(x: Value, alpha = 1): Value {
  return apply1(eluOp, [floating("elu", x)], { alpha: checkNumber("elu", "alpha", alpha) });
}

export const activationOps = [erfOp, geluOp, siluOp, softplusOp, leakyReluOp, eluOp];
