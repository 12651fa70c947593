// ONNX operators that work element by element, as functions of the library: arithmetic, activations, comparison, choice, cast.

import { elu, erf, leakyRelu, softplus } from "../../../src/ops/activation.ts";
import type { Value } from "../../../src/ops/define.ts";
import {
  abs,
  add,
  cast,
  clip,
  div,
  equal,
  exp,
  greater,
  less,
  log,
  maximum,
  minimum,
  mul,
  neg,
  pow,
  relu,
  sigmoid,
  sign,
  sqrt,
  sub,
  tanh,
  where,
} from "../../../src/ops/elementwise.ts";
import { reshape } from "../../../src/ops/movement.ts";
import { axisOf, type Call, type Operation } from "../call.ts";
import { dtypeOfElement, Item } from "../item.ts";
import { elementType } from "../model.ts";

type Unary = (x: Value, call: Call) => Value;

/** y = f(x) in the type of x, a real one. */
function unary(f: Unary): Operation {
  return (call) => Item.fromValue(f(call.real(0), call), call.input(0).type);
}

/** The same for ops that take whole numbers too. */
function plain(f: Unary): Operation {
  return (call) => Item.fromValue(f(call.any(0), call), call.input(0).type);
}

/** Before operator set 7 broadcasting had to be asked for, and y could be laid along any axes of x. */
function second(call: Call, y: Value): Value {
  const axis = call.int("axis", -1);
  if (call.opset >= 7 || !call.int("broadcast", 0) || axis < 0) return y;
  return reshape(y, [...y.shape, ...new Array<number>(call.input(0).rank - axisOf(axis, call.input(0).rank) - y.rank).fill(1)]);
}

function arithmetic(f: (x: Value, y: Value) => Value): Operation {
  return (call) => Item.fromValue(f(call.any(0), second(call, call.any(1))), call.input(0).type);
}

function realArithmetic(f: (x: Value, y: Value) => Value): Operation {
  return (call) => Item.fromValue(f(call.real(0), second(call, call.real(1))), call.input(0).type);
}

function comparison(f: (x: Value, y: Value) => Value): Operation {
  return (call) => Item.fromValue(f(call.any(0), second(call, call.any(1))), "BOOL");
}

/** Truth values as 0 and 1 in f32. */
function truth(item: Item): Value {
  return cast(item.value(), "f32");
}

function logic(f: (x: Value, y: Value) => Value): Operation {
  return (call) => Item.fromValue(f(truth(call.input(0)), second(call, truth(call.input(1)))), "BOOL");
}

const not = (x: Value) => add(neg(x), 1);

function variadic(f: (x: Value, y: Value) => Value, last: (x: Value, count: number) => Value = (x) => x): Operation {
  return (call) => {
    const items = call.inputs();
    const values = items.map((item) => item.value());
    return Item.fromValue(last(values.reduce(f), values.length), (items[0] as Item).type);
  };
}

/** Bounds come as attributes before operator set 11, as scalars from then on; a missing one is no bound. */
const clipping: Operation = (call) => {
  const bound = (name: string, input: number, none: number) =>
    call.opset < 11 ? call.float(name, none) : (call.optional(input)?.number() ?? none);
  const [low, high] = [bound("min", 1, Number.NEGATIVE_INFINITY), bound("max", 2, Number.POSITIVE_INFINITY)];
  return Item.fromValue(clip(call.any(0), low, high), call.input(0).type);
};

function casting(item: Item, type: ReturnType<typeof elementType>): Item {
  const dtype = dtypeOfElement(type);
  // A truth value is "not zero", which no conversion of numbers gives.
  if (type === "BOOL") return Item.fromValue(not(equal(item.value(), 0)), "BOOL");
  return Item.fromValue(cast(item.value(), dtype), type);
}

export const elementwise: Readonly<Record<string, Operation>> = {
  Abs: plain(abs),
  Neg: plain(neg),
  Exp: unary(exp),
  Log: unary(log),
  Sqrt: unary(sqrt),
  Sign: plain(sign),
  Erf: unary(erf),
  Relu: unary(relu),
  Tanh: unary(tanh),
  Sigmoid: unary(sigmoid),
  Softplus: unary(softplus),
  LeakyRelu: unary((x, call) => leakyRelu(x, call.float("alpha", 0.01))),
  Elu: unary((x, call) => elu(x, call.float("alpha", 1))),
  Clip: clipping,
  // Compositions.
  Reciprocal: unary((x) => pow(x, -1)),
  Softsign: unary((x) => div(x, add(abs(x), 1))),
  HardSigmoid: unary((x, call) => clip(add(mul(x, call.float("alpha", 0.2)), call.float("beta", 0.5)), 0, 1)),
  HardSwish: unary((x) => mul(x, clip(add(div(x, 6), 0.5), 0, 1))),
  Selu: unary((x, call) => mul(elu(x, call.float("alpha", 1.6732631921768188)), call.float("gamma", 1.0507010221481323))),
  Celu: unary((x, call) => mul(elu(div(x, call.float("alpha", 1)), 1), call.float("alpha", 1))),
  ThresholdedRelu: unary((x, call) => where(greater(x, call.float("alpha", 1)), x, 0)),
  Shrink: unary((x, call) => {
    const [bias, edge] = [call.float("bias", 0), call.float("lambd", 0.5)];
    return where(greater(x, edge), sub(x, bias), where(less(x, -edge), add(x, bias), 0));
  }),
  PRelu: (call) => {
    const [x, slope] = [call.real(0), call.real(1)];
    // Before operator set 7 a slope of one axis stood for the channels, axis 1.
    const perChannel = call.opset < 7 && slope.rank === 1 && x.rank > 2;
    const s = perChannel ? reshape(slope, [...slope.shape, ...new Array<number>(x.rank - 2).fill(1)]) : slope;
    return Item.fromValue(where(less(x, 0), mul(x, s), x), call.input(0).type);
  },
  Add: arithmetic(add),
  Sub: arithmetic(sub),
  Mul: arithmetic(mul),
  Div: realArithmetic(div),
  Pow: (call) => {
    const x = call.real(0);
    return Item.fromValue(pow(x, second(call, cast(call.any(1), x.dtype))), call.input(0).type);
  },
  Max: variadic(maximum),
  Min: variadic(minimum),
  Sum: variadic(add),
  Mean: variadic(add, div),
  Equal: comparison(equal),
  Greater: comparison(greater),
  Less: comparison(less),
  GreaterOrEqual: comparison((x, y) => not(less(x, y))),
  LessOrEqual: comparison((x, y) => not(greater(x, y))),
  And: logic(minimum),
  Or: logic(maximum),
  Xor: logic((x, y) => not(equal(x, y))),
  Not: (call) => Item.fromValue(not(truth(call.input(0))), "BOOL"),
  IsNaN: (call) => Item.fromValue(not(equal(call.real(0), call.real(0))), "BOOL"),
  IsInf: (call) => {
    const x = call.real(0);
    const sides = [call.int("detect_positive", 1) ? equal(x, Number.POSITIVE_INFINITY) : mul(equal(x, x), 0)];
    if (call.int("detect_negative", 1)) sides.push(equal(x, Number.NEGATIVE_INFINITY));
    return Item.fromValue(sides.reduce(maximum), "BOOL");
  },
  Where: (call) => Item.fromValue(where(call.any(0), call.any(1), call.any(2)), call.input(1).type),
  Cast: (call) => casting(call.input(0), elementType(call.int("to", 0))),
  CastLike: (call) => casting(call.input(0), call.input(1).type),
};
