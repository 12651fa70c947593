// Arithmetic, comparison and the functions of one number, element by element; the change of number type.
// Imports reductions for gradients only: a gradient is summed over the axes on which its input was repeated.
import { type DType, dtypeCode, isFloat, promote } from "../dtype.ts";
import { checkNumber, describe, MinibatchError } from "../errors.ts";
import { broadcastShapes, sizeOf } from "../shape.ts";
import { type OpDefinition, type Operand, type Value, type View, apply1, defineOp } from "./define.ts";
import { dtypeOfCode, floating, tensor, together } from "./operand.ts";
import { binary, each, eachPair, type None, requireSame, unary } from "./pointwise.ts";
import { sumTo } from "./reduce.ts";
import { named, requireShape } from "./rules.ts";
import { broadcastStrides, walk } from "./walk.ts";

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
  gradient: ({ inputs: [x], outputs: [y], gradients: [dy] }) => [
    x && y && dy && isFloat(x.dtype) && isFloat(y.dtype) ? cast(dy, x.dtype) : undefined,
  ],
  samples: [
    ...[0, 1].flatMap((to) => [[], [5, 33], [2, 0, 3]].map((shape) => ({ inputs: [{ shape }], attributes: { to } }))),
    { inputs: [{ shape: [70], dtype: "u8", below: 256 }], attributes: { to: dtypeCode.f32 } },
    { inputs: [{ shape: [70], dtype: "u8", below: 256 }], attributes: { to: dtypeCode.i32 } },
    {
      inputs: [{ shape: [3, 7], dtype: "i32", values: Array.from({ length: 21 }, (_, i) => (i - 10) * 1000) }],
      attributes: { to: dtypeCode.f64 },
    },
    {
      inputs: [{ shape: [6], values: [0.9, -0.9, 1.5, 254.9, 3, 0] }],
      attributes: { to: dtypeCode.i32 },
      noGradientCheck: "whole numbers come out",
    },
  ],
});

export function cast(x: Value, dtype: DType): Value {
  tensor("cast", x);
  if (!Object.hasOwn(dtypeCode, dtype))
    throw new MinibatchError(`cast: dtype must be one of ${Object.keys(dtypeCode).join(", ")}, got ${describe(dtype)}`);
  return x.dtype === dtype ? x.snapshot() : apply1(castOp, [x], { to: dtypeCode[dtype] });
}

// ---------------------------------------------------------------- arithmetic

type PairGradient = (dz: Value, x: Value, y: Value, z: Value) => Value;

/** The gradients of both inputs of z = f(x, y), each summed over the axes on which its input was repeated. */
function both(dx: PairGradient, dy: PairGradient): NonNullable<OpDefinition<None>["gradient"]> {
  return ({ inputs, outputs, gradients, needs }) => {
    const [x, y] = inputs as [Value, Value];
    const [z, dz] = [outputs[0], gradients[0]] as [Value, Value];
    return [needs(0) ? sumTo(dx(dz, x, y, z), x.shape) : undefined, needs(1) ? sumTo(dy(dz, x, y, z), y.shape) : undefined];
  };
}

export const addOp = binary(
  "add",
  "z = x + y, broadcasting.",
  (x, i, di, y, j, dj, z, k, end) => {
    for (; k < end; k++, i += di, j += dj) z[k] = (x[i] as number) + (y[j] as number);
  },
  both(
    (dz) => dz,
    (dz) => dz,
  ),
  {
    special: [
      [Infinity, -Infinity],
      [Number.NaN, 1],
      [1, Number.NaN],
      [1e30, 1],
    ],
  },
);

export const subOp = binary(
  "sub",
  "z = x - y, broadcasting.",
  (x, i, di, y, j, dj, z, k, end) => {
    for (; k < end; k++, i += di, j += dj) z[k] = (x[i] as number) - (y[j] as number);
  },
  both(
    (dz) => dz,
    (dz) => neg(dz),
  ),
  {
    special: [
      [Infinity, Infinity],
      [Number.NaN, 1],
      [1, Number.NaN],
    ],
  },
);

export const mulOp = binary(
  "mul",
  "z = x y, broadcasting.",
  (x, i, di, y, j, dj, z, k, end) => {
    for (; k < end; k++, i += di, j += dj) z[k] = (x[i] as number) * (y[j] as number);
  },
  both(
    (dz, _x, y) => mul(dz, y),
    (dz, x) => mul(dz, x),
  ),
  {
    special: [
      [0, Infinity],
      [Number.NaN, 0],
      [0, Number.NaN],
    ],
  },
);

export const divOp = binary(
  "div",
  "z = x / y, broadcasting.",
  (x, i, di, y, j, dj, z, k, end) => {
    for (; k < end; k++, i += di, j += dj) z[k] = (x[i] as number) / (y[j] as number);
  },
  both(
    (dz, _x, y) => div(dz, y),
    (dz, _x, y, z) => neg(mul(dz, div(z, y))),
  ),
  {
    ranges: [
      [-2, 2],
      [0.5, 2],
    ],
    special: [
      [1, 0],
      [-1, 0],
      [0, 0],
      [1, Infinity],
      [Number.NaN, 1],
      [1, Number.NaN],
    ],
  },
);

/** The number that a constant of one element stands for. */
function constantOf(x: Value): number | undefined {
  const from = x.node.source;
  return from?.kind === "constant" && sizeOf(x.shape) === 1 ? from.data[0] : undefined;
}

/** y x^(y-1); 0 for y = 0, where the formula would give 0 * Infinity at x = 0. */
function powGradientOfBase(dz: Value, x: Value, y: Value): Value {
  const exponent = constantOf(y);
  if (exponent === undefined) return mul(dz, where(equal(y, 0), 0, mul(y, pow(x, sub(y, 1)))));
  if (exponent === 0) return mul(dz, 0);
  if (exponent === 1) return dz;
  return mul(dz, mul(exponent === 2 ? x : pow(x, exponent - 1), exponent));
}

/** z ln x; 0 at x = 0 where z is 0 or 1 for every exponent nearby from above, as PyTorch has it. */
function powGradientOfExponent(dz: Value, x: Value, y: Value, z: Value): Value {
  const flat = mul(equal(x, 0), sub(1, less(y, 0)));
  return mul(dz, where(flat, 0, mul(z, log(x))));
}

export const powOp = binary(
  "pow",
  "z = x^y, broadcasting; NaN for a negative x with a y that is not whole.",
  eachPair(Math.pow),
  both(powGradientOfBase, powGradientOfExponent),
  {
    ranges: [
      [0.2, 2],
      [-2, 3],
    ],
    special: [
      [0, 0],
      [0, 2],
      [2, -1],
      [-2, 3],
      [-2, 2],
      [-1.5, 0],
      [-8, 0.5],
      [Number.NaN, 1],
      [2, Number.NaN],
      [0, -1],
    ],
  },
);

/** Half to each where both are equal, all to the greater (for maximum) elsewhere. */
const share = (wins: Value, x: Value, y: Value) => add(wins, mul(equal(x, y), 0.5));
const ties = [
  [1, 1],
  [-1, -1],
  [0, 0],
  [Number.NaN, 1],
  [1, Number.NaN],
  [Infinity, -Infinity],
] as const;

export const maximumOp = binary(
  "maximum",
  "z = max(x, y), broadcasting; NaN when either is.",
  (x, i, di, y, j, dj, z, k, end) => {
    for (; k < end; k++, i += di, j += dj) {
      const a = x[i] as number;
      const b = y[j] as number;
      z[k] = a > b || a !== a ? a : b;
    }
  },
  both(
    (dz, x, y) => mul(dz, share(greater(x, y), x, y)),
    (dz, x, y) => mul(dz, share(less(x, y), x, y)),
  ),
  { special: ties },
);

export const minimumOp = binary(
  "minimum",
  "z = min(x, y), broadcasting; NaN when either is.",
  (x, i, di, y, j, dj, z, k, end) => {
    for (; k < end; k++, i += di, j += dj) {
      const a = x[i] as number;
      const b = y[j] as number;
      z[k] = a < b || a !== a ? a : b;
    }
  },
  both(
    (dz, x, y) => mul(dz, share(less(x, y), x, y)),
    (dz, x, y) => mul(dz, share(greater(x, y), x, y)),
  ),
  { special: ties },
);

export const equalOp = binary(
  "equal",
  "z = 1 where x = y, else 0, broadcasting.",
  eachPair((x, y) => (x === y ? 1 : 0)),
  undefined,
  { special: ties },
);
export const greaterOp = binary(
  "greater",
  "z = 1 where x > y, else 0, broadcasting.",
  eachPair((x, y) => (x > y ? 1 : 0)),
  undefined,
  { special: ties },
);
export const lessOp = binary(
  "less",
  "z = 1 where x < y, else 0, broadcasting.",
  eachPair((x, y) => (x < y ? 1 : 0)),
  undefined,
  { special: ties },
);

function combine(op: OpDefinition<None>, x: Operand, y: Operand, least?: DType): Value {
  return apply1(op, together(op.name, [x, y], least), {});
}

export function add(x: Operand, y: Operand): Value {
  return combine(addOp, x, y);
}

export function sub(x: Operand, y: Operand): Value {
  return combine(subOp, x, y);
}

export function mul(x: Operand, y: Operand): Value {
  return combine(mulOp, x, y);
}

export function div(x: Operand, y: Operand): Value {
  return combine(divOp, x, y, "f32");
}

export function pow(x: Operand, y: Operand): Value {
  return combine(powOp, x, y, "f32");
}

export function maximum(x: Operand, y: Operand): Value {
  return combine(maximumOp, x, y);
}

export function minimum(x: Operand, y: Operand): Value {
  return combine(minimumOp, x, y);
}

export function equal(x: Operand, y: Operand): Value {
  return combine(equalOp, x, y);
}

export function greater(x: Operand, y: Operand): Value {
  return combine(greaterOp, x, y);
}

export function less(x: Operand, y: Operand): Value {
  return combine(lessOp, x, y);
}

// ---------------------------------------------------------------- choice

export const whereOp = defineOp<None>({
  name: "where",
  doc: "z = x where condition is not 0, else y; all three broadcast.",
  infer(inputs) {
    const { condition, x, y } = named("where", inputs, ["condition", "x", "y"]);
    requireSame("where", { condition, x, y });
    return [{ shape: broadcastShapes("where", condition.shape, broadcastShapes("where", x.shape, y.shape)), dtype: x.dtype }];
  },
  kernel(inputs, outputs) {
    const [condition, x, y] = inputs.map((input) => input.data) as [View["data"], View["data"], View["data"]];
    const z = outputs[0] as View;
    walk(
      z.shape,
      inputs.map((input) => broadcastStrides(input.shape, z.shape)),
      [0, 0, 0],
      (at, n, starts, steps) => {
        const [c, i, j] = starts as [number, number, number];
        const [dc, di, dj] = steps as [number, number, number];
        for (let k = 0; k < n; k++) z.data[at + k] = (condition[c + k * dc] !== 0 ? x[i + k * di] : y[j + k * dj]) as number;
      },
    );
  },
  gradient: ({ inputs, gradients, needs }) => {
    const [condition, x, y] = inputs as [Value, Value, Value];
    const dz = gradients[0] as Value;
    return [
      undefined,
      needs(1) ? sumTo(where(condition, dz, 0), x.shape) : undefined,
      needs(2) ? sumTo(where(condition, 0, dz), y.shape) : undefined,
    ];
  },
  samples: [
    { inputs: [{ shape: [], values: [1] }, { shape: [] }, { shape: [] }], attributes: {} },
    { inputs: [{ shape: [6], values: [0, 1, 0, -2, 0.5, 1] }, { shape: [4, 6] }, { shape: [] }], attributes: {} },
    { inputs: [{ shape: [3, 1], values: [0, 1, 0] }, { shape: [1, 37] }, { shape: [3, 37] }], attributes: {} },
    { inputs: [{ shape: [2, 2], values: [0, 1, 1, 0] }, { shape: [2, 2] }, { shape: [2] }], attributes: {} },
    { inputs: [{ shape: [0] }, { shape: [1] }, { shape: [] }], attributes: {} },
    {
      inputs: [
        { shape: [3], values: [1, 0, Number.NaN] },
        { shape: [3], values: [Number.NaN, 1, 2] },
        { shape: [3], values: [1, 2, Number.NaN] },
      ],
      attributes: {},
      noGradientCheck: "NaN",
    },
  ],
});

export function where(condition: Value, x: Operand, y: Operand): Value {
  const [yes, no] = together("where", [x, y]) as [Value, Value];
  // A narrower dtype could turn a condition of 0.5 into 0; compared twice, it is 0 or 1 in any.
  const narrows = promote(tensor("where", condition).dtype, yes.dtype) !== yes.dtype;
  return apply1(whereOp, [cast(narrows ? equal(equal(condition, 0), 0) : condition, yes.dtype), yes, no], {});
}

// ---------------------------------------------------------------- one number

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
const wide = [0, -0, 1, -1, 20, -20, 200, -200, 2000, -2000, 1e-6, nan, inf, -inf];

export const negOp = unary(
  "neg",
  "y = -x.",
  (x, y) => {
    for (let i = 0; i < y.length; i++) y[i] = -(x[i] as number);
  },
  (dy) => neg(dy),
  { integers: true, special: wide },
);

export const absOp = unary(
  "abs",
  "y = |x|.",
  (x, y) => {
    for (let i = 0; i < y.length; i++) y[i] = Math.abs(x[i] as number);
  },
  (dy, x) => mul(dy, sign(x)),
  { integers: true, special: wide },
);

export const squareOp = unary(
  "square",
  "y = x^2.",
  (x, y) => {
    for (let i = 0; i < y.length; i++) y[i] = (x[i] as number) * (x[i] as number);
  },
  (dy, x) => mul(dy, mul(x, 2)),
  { integers: true, special: wide },
);

export const sqrtOp = unary(
  "sqrt",
  "y = sqrt(x); NaN below 0.",
  (x, y) => {
    for (let i = 0; i < y.length; i++) y[i] = Math.sqrt(x[i] as number);
  },
  (dy, _x, y) => div(dy, mul(y, 2)),
  { range: [0.1, 3], special: wide },
);

export const expOp = unary("exp", "y = e^x.", each(Math.exp), (dy, _x, y) => mul(dy, y), { special: wide });
export const logOp = unary("log", "y = ln x; NaN below 0.", each(Math.log), (dy, x) => div(dy, x), { range: [0.1, 3], special: wide });
export const signOp = unary("sign", "y = -1, 0 or 1.", each(Math.sign), undefined, { integers: true, special: wide });

export const clipOp = unary<{ low: number; high: number }>(
  "clip",
  "y = x, at least low and at most high.",
  (x, y, { low, high }) => {
    for (let i = 0; i < y.length; i++) {
      const v = x[i] as number;
      y[i] = v < low ? low : v > high ? high : v;
    }
  },
  (dy, x, y) => mul(dy, equal(x, y)),
  { integers: true, special: wide, attributes: { low: -0.5, high: 1 } },
);

export const reluOp = unary(
  "relu",
  "y = max(x, 0).",
  (x, y) => {
    for (let i = 0; i < y.length; i++) y[i] = (x[i] as number) <= 0 ? 0 : (x[i] as number);
  },
  (dy, _x, y) => reluGradient(y, dy),
  { integers: true, special: wide },
);

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
    const [y, dy] = inputs.map((input) => input.data) as [View["data"], View["data"]];
    const dx = (outputs[0] as View).data;
    for (let i = 0; i < dx.length; i++) dx[i] = (y[i] as number) > 0 ? (dy[i] as number) : 0;
  },
  gradient: ({ inputs: [y], gradients: [ddx], needs }) => [undefined, y && ddx && needs(1) ? reluGradient(y, ddx) : undefined],
  inPlace: [1],
  samples: [
    ...[[], [5, 33], [0], [2, 1, 67]].map((shape) => ({ inputs: [{ shape }, { shape }], attributes: {} })),
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

export const sigmoidOp = unary(
  "sigmoid",
  "y = 1 / (1 + e^-x).",
  each((x) => 1 / (1 + Math.exp(-x))),
  (dy, _x, y) => mul(dy, mul(y, sub(1, y))),
  { special: wide },
);
export const tanhOp = unary("tanh", "y = tanh x.", each(Math.tanh), (dy, _x, y) => mul(dy, sub(1, square(y))), { special: wide });

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

export function exp(x: Value): Value {
  return apply1(expOp, [floating("exp", x)], {});
}

export function log(x: Value): Value {
  return apply1(logOp, [floating("log", x)], {});
}

export function sign(x: Value): Value {
  return apply1(signOp, [x], {});
}

export function clip(x: Value, low: number, high: number): Value {
  for (const bound of [low, high]) if (typeof bound !== "number" || Number.isNaN(bound)) checkNumber("clip", "a bound", bound);
  if (low > high) throw new MinibatchError(`clip: low must not be above high, got ${low} and ${high}`);
  return apply1(clipOp, [tensor("clip", x)], { low, high });
}

export function relu(x: Value): Value {
  return apply1(reluOp, [x], {});
}

/** dy where relu's result y is above 0, else 0: the gradient of relu, and of every op that ends in it. */
export function reluGradient(y: Value, dy: Value): Value {
  return apply1(reluGradientOp, [y, dy], {});
}

export function sigmoid(x: Value): Value {
  return apply1(sigmoidOp, [floating("sigmoid", x)], {});
}

export function tanh(x: Value): Value {
  return apply1(tanhOp, [floating("tanh", x)], {});
}

export * from "./activation.ts";

export const elementwiseOps = [
  castOp,
  addOp,
  subOp,
  mulOp,
  divOp,
  powOp,
  maximumOp,
  minimumOp,
  equalOp,
  greaterOp,
  lessOp,
  whereOp,
  negOp,
  absOp,
  squareOp,
  sqrtOp,
  expOp,
  logOp,
  signOp,
  clipOp,
  reluOp,
  reluGradientOp,
  sigmoidOp,
  tanhOp,
];
