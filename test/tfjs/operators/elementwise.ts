// tfjs's element-by-element functions as ours: arithmetic, comparisons, logic, activations.
import { ops, type Tensor } from "minibatch";
import { notApplicable } from "../jasmine.ts";
import { dtypeOf, make, T, value } from "../tensor.ts";
import type { Table } from "./table.ts";

const one = (f: (x: Tensor) => Tensor) => (x: unknown) => new T(f(value(x)));
const two = (f: (x: Tensor, y: Tensor) => Tensor) => (x: unknown, y: unknown) => new T(f(value(x), value(y)));
/** Comparisons and logic give truth values. */
const truth = (f: (x: Tensor, y: Tensor) => Tensor) => two((x, y) => f(x, y).cast("u8"));

/** 0 and 1 from a tensor of truth values; the logic of other numbers is not asked for. */
function bits(x: unknown, name: string): Tensor {
  const t = value(x);
  if (t.dtype !== "u8") notApplicable(`${name} of numbers that are no truth values: compare them first`);
  return t.cast("i32");
}
const not = (x: Tensor) => x.neg().add(1);
const whole = (x: unknown) => value(x).dtype === "i32" || value(x).dtype === "u8";

function quotient(x: unknown, y: unknown): T {
  if (whole(x) && whole(y)) notApplicable("whole numbers are divided as f32");
  return new T(value(x).div(value(y)));
}

export const elementwise: Table = {
  add: two((x, y) => x.add(y)),
  sub: two((x, y) => x.sub(y)),
  mul: two((x, y) => x.mul(y)),
  div: quotient,
  divNoNan(x: unknown, y: unknown) {
    const [a, b] = [value(x), value(y)];
    const zero = b.equal(0);
    return new T(ops.where(zero, 0, a.div(ops.where(zero, 1, b))));
  },
  pow(x: unknown, y: unknown) {
    if (whole(x) && whole(y)) notApplicable("whole numbers have powers in f32");
    return new T(value(x).pow(value(y)));
  },
  maximum: two((x, y) => x.maximum(y)),
  minimum: two((x, y) => x.minimum(y)),
  squaredDifference: two((x, y) => x.sub(y).square()),
  addN(list: unknown) {
    if (!Array.isArray(list) || !list.length) return notApplicable("sums of a list are written as sums: there is no addN");
    const [first, ...rest] = list.map(value) as [Tensor, ...Tensor[]];
    if (rest.some((x) => x.shape.join() !== first.shape.join() || x.dtype !== first.dtype))
      return notApplicable("sums broadcast and take the wider type");
    return new T(rest.reduce((sum, x) => sum.add(x), first));
  },

  equal: truth((x, y) => x.equal(y)),
  notEqual: truth((x, y) => not(x.equal(y))),
  greater: truth((x, y) => x.greater(y)),
  less: truth((x, y) => x.less(y)),
  greaterEqual: truth((x, y) => x.greater(y).maximum(x.equal(y))),
  lessEqual: truth((x, y) => x.less(y).maximum(x.equal(y))),
  logicalAnd: (x: unknown, y: unknown) => new T(bits(x, "logic").mul(bits(y, "logic")).cast("u8")),
  logicalOr: (x: unknown, y: unknown) => new T(bits(x, "logic").maximum(bits(y, "logic")).cast("u8")),
  logicalXor: (x: unknown, y: unknown) => new T(not(bits(x, "logic").equal(bits(y, "logic"))).cast("u8")),
  logicalNot: (x: unknown) => new T(not(bits(x, "logic")).cast("u8")),
  where(condition: unknown, x: unknown, y: unknown) {
    if (value(condition).dtype !== "u8") notApplicable("a condition is any number: what is not 0 holds");
    return new T(ops.where(value(condition), value(x), value(y)));
  },
  isNaN: one((x) => not(x.equal(x)).cast("u8")),
  isInf: one((x) => x.abs().equal(Infinity).cast("u8")),
  isFinite: one((x) => x.abs().less(Infinity).cast("u8")),

  neg: one((x) => x.neg()),
  abs: one((x) => x.abs()),
  sign: one((x) => x.sign()),
  square: one((x) => x.square()),
  sqrt: one((x) => x.sqrt()),
  rsqrt: one((x) => ops.div(1, x.sqrt())),
  reciprocal: one((x) => ops.div(1, x)),
  exp: one((x) => x.exp()),
  log: one((x) => x.log()),
  erf: one((x) => x.erf()),
  tanh: one((x) => x.tanh()),
  sigmoid: one((x) => x.sigmoid()),
  softplus: one((x) => x.softplus()),
  logSigmoid: one((x) => x.neg().softplus().neg()),
  relu: one((x) => x.relu()),
  relu6: one((x) => x.clip(0, 6)),
  elu: one((x) => x.elu()),
  selu(x: unknown) {
    // Klambauer et al. 2017: their two constants.
    const [alpha, scale] = [1.6732632423543772, 1.0507009873554805];
    return new T(value(x).elu(alpha).mul(scale));
  },
  leakyRelu: (x: unknown, slope = 0.2) => new T(value(x).leakyRelu(slope)),
  prelu(x: unknown, slope: unknown) {
    const t = value(x);
    return new T(ops.where(t.less(0), t.mul(value(slope)), t));
  },
  step(x: unknown, slope = 0) {
    const t = value(x);
    return new T(ops.where(not(t.equal(t)), t, ops.where(t.greater(0), 1, slope).cast(t.dtype)));
  },
  clipByValue: (x: unknown, low: number, high: number) => new T(value(x).clip(low, high)),

  cast: converted,
  asType: converted,
  toFloat: (x: unknown) => converted(x, "float32"),
  toInt: (x: unknown) => converted(x, "int32"),
  toBool: (x: unknown) => converted(x, "bool"),
  clone: (x: unknown) => new T(value(x)),
};

function converted(x: unknown, dtype: string): T {
  if (dtype === "string" || dtype === "complex64") notApplicable("text and complex numbers are not offered");
  const t = make(x).value;
  // Truth is what is not 0.
  if (dtype === "bool" && t.dtype !== "u8") return new T(not(t.equal(0)).cast("u8"));
  return new T(value(x).cast(dtypeOf(dtype)));
}
