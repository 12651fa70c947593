// Arithmetic, comparison and choice between values that broadcast against each other, element by element.
// Imports reductions for gradients only: a gradient is summed over the axes on which its input was repeated.
import { type DType, type NumberArray, promote } from "../dtype.ts";
import { broadcastShapes, type Shape, sizeOf } from "../shape.ts";
import { apply1, defineOp, type OpDefinition, type Operand, type Sample, type Value, type View } from "./define.ts";
import { cast, log, neg } from "./elementwise.ts";
import { tensor, together } from "./operand.ts";
import { type None, type Range, requireSame } from "./pointwise.ts";
import { sumTo } from "./reduce.ts";
import { named } from "./rules.ts";
import { broadcastStrides, walk } from "./walk.ts";

// ---------------------------------------------------------------- the builder

/** z[k] = f(x[i], y[j]) for k up to `end`, with i and j moving by di and dj. */
type Loop = (x: NumberArray, i: number, di: number, y: NumberArray, j: number, dj: number, z: NumberArray, k: number, end: number) => void;
/** The gradient of one input, before it is summed over the axes on which that input was repeated. */
type Partial = (dz: Value, x: Value, y: Value, z: Value) => Value;

interface Binary {
  readonly loop: Loop;
  /** Without gradients nothing flows back. */
  readonly dx?: Partial;
  readonly dy?: Partial;
  /** Where the numbers of the samples come from. */
  readonly rangeX?: Range;
  readonly rangeY?: Range;
  /** Pairs at which something special happens. */
  readonly special: { readonly x: readonly number[]; readonly y: readonly number[] };
}

/** The loop of a function that costs more than being called for every element. */
function each(f: (x: number, y: number) => number): Loop {
  return (x, i, di, y, j, dj, z, k, end) => {
    for (; k < end; k++, i += di, j += dj) z[k] = f(x[i] as number, y[j] as number);
  };
}

/** An entry z = f(x, y) with NumPy's broadcasting. */
function binary(name: string, doc: string, { loop, dx, dy, rangeX = [-2, 2], rangeY = [-2, 2], special }: Binary): OpDefinition<None> {
  const sample = (x: Shape, y: Shape): Sample<None> => ({
    inputs: [
      { shape: x, range: rangeX },
      { shape: y, range: rangeY },
    ],
    attributes: {},
  });
  return defineOp<None>({
    name,
    doc,
    infer(inputs) {
      const { x, y } = named(name, inputs, ["x", "y"]);
      requireSame(name, { x, y });
      return [{ shape: broadcastShapes(name, x.shape, y.shape), dtype: x.dtype }];
    },
    kernel(inputs, outputs) {
      const [x, y] = inputs as [View, View];
      const z = outputs[0] as View;
      walk(z.shape, [broadcastStrides(x.shape, z.shape), broadcastStrides(y.shape, z.shape)], [0, 0], (k, n, starts, steps) => {
        const [i, j] = starts as [number, number];
        const [di, dj] = steps as [number, number];
        loop(x.data, i, di, y.data, j, dj, z.data, k, k + n);
      });
    },
    ...(dx &&
      dy && {
        gradient({ inputs, outputs, gradients, needs }) {
          const [x, y] = inputs as [Value, Value];
          const [z, dz] = [outputs[0], gradients[0]] as [Value, Value];
          return [needs(0) ? sumTo(dx(dz, x, y, z), x.shape) : undefined, needs(1) ? sumTo(dy(dz, x, y, z), y.shape) : undefined];
        },
      }),
    inPlace: [0],
    samples: [
      sample([], []),
      sample([1], [1]),
      sample([5, 33], [5, 33]),
      sample([5, 33], []),
      sample([], [3, 19]),
      sample([5, 33], [33]),
      sample([67], [2, 67]),
      sample([5, 1], [5, 33]),
      sample([5, 33], [5, 1]),
      sample([3, 1], [1, 4]),
      sample([2, 3, 4], [3, 1]),
      sample([2, 1, 17], [2, 3, 1]),
      sample([1, 1], [7]),
      sample([0, 3], [3]),
      sample([1, 3], [2, 0, 1]),
      {
        inputs: [special.x, special.y].map((values) => ({ shape: [values.length], values })),
        attributes: {},
        noGradientCheck: "ties, poles and numbers that are not finite",
      },
    ],
  });
}

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

// ---------------------------------------------------------------- arithmetic

export const addOp = binary("add", "z = x + y, broadcasting.", {
  loop(x, i, di, y, j, dj, z, k, end) {
    for (; k < end; k++, i += di, j += dj) z[k] = (x[i] as number) + (y[j] as number);
  },
  dx: (dz) => dz,
  dy: (dz) => dz,
  special: { x: [inf, nan, 1, 1e30], y: [-inf, 1, nan, 1] },
});

export const subOp = binary("sub", "z = x - y, broadcasting.", {
  loop(x, i, di, y, j, dj, z, k, end) {
    for (; k < end; k++, i += di, j += dj) z[k] = (x[i] as number) - (y[j] as number);
  },
  dx: (dz) => dz,
  dy: (dz) => neg(dz),
  special: { x: [inf, nan, 1, 1e30], y: [inf, 1, nan, 1] },
});

export const mulOp = binary("mul", "z = x y, broadcasting.", {
  loop(x, i, di, y, j, dj, z, k, end) {
    for (; k < end; k++, i += di, j += dj) z[k] = (x[i] as number) * (y[j] as number);
  },
  dx: (dz, _x, y) => mul(dz, y),
  dy: (dz, x) => mul(dz, x),
  special: { x: [0, nan, 0, -inf], y: [inf, 0, nan, 2] },
});

export const divOp = binary("div", "z = x / y, broadcasting.", {
  loop(x, i, di, y, j, dj, z, k, end) {
    for (; k < end; k++, i += di, j += dj) z[k] = (x[i] as number) / (y[j] as number);
  },
  dx: (dz, _x, y) => div(dz, y),
  dy: (dz, _x, y, z) => neg(mul(dz, div(z, y))),
  rangeY: [0.5, 2],
  special: { x: [1, -1, 0, 1, nan, 1], y: [0, 0, 0, inf, 1, nan] },
});

/** The number that a constant of one element stands for. */
function constantOf(x: Value): number | undefined {
  const from = x.node.source;
  return from?.kind === "constant" && sizeOf(x.shape) === 1 ? from.data[0] : undefined;
}

export const powOp = binary("pow", "z = x^y, broadcasting; NaN for a negative x with a y that is not whole.", {
  loop: each(Math.pow),
  /** y x^(y-1); 0 for y = 0, where the formula would give 0 * Infinity at x = 0. */
  dx(dz, x, y) {
    const exponent = constantOf(y);
    if (exponent === undefined) return mul(dz, where(equal(y, 0), 0, mul(y, pow(x, sub(y, 1)))));
    if (exponent === 0) return mul(dz, 0);
    if (exponent === 1) return dz;
    return mul(dz, mul(exponent === 2 ? x : pow(x, exponent - 1), exponent));
  },
  /** z ln x; 0 at x = 0 with y from 0 on, where z no longer changes, as PyTorch has it. */
  dy: (dz, x, y, z) => mul(dz, where(mul(equal(x, 0), sub(1, less(y, 0))), 0, mul(z, log(x)))),
  rangeX: [0.2, 2],
  rangeY: [-2, 3],
  special: { x: [0, 0, 2, -2, -2, -1.5, -8, nan, 2, 0], y: [0, 2, -1, 3, 2, 0, 0.5, 1, nan, -1] },
});

// ---------------------------------------------------------------- comparison

/** 1 where x wins, a half where both are equal. */
const share = (wins: Value, x: Value, y: Value) => add(wins, mul(equal(x, y), 0.5));
const ties = { x: [1, -1, 0, nan, 1, inf, 2], y: [1, -1, 0, 1, nan, -inf, 1] };

export const maximumOp = binary("maximum", "z = max(x, y), broadcasting; NaN when either is.", {
  loop(x, i, di, y, j, dj, z, k, end) {
    for (; k < end; k++, i += di, j += dj) z[k] = Math.max(x[i] as number, y[j] as number);
  },
  dx: (dz, x, y) => mul(dz, share(greater(x, y), x, y)),
  dy: (dz, x, y) => mul(dz, share(less(x, y), x, y)),
  special: ties,
});

export const minimumOp = binary("minimum", "z = min(x, y), broadcasting; NaN when either is.", {
  loop(x, i, di, y, j, dj, z, k, end) {
    for (; k < end; k++, i += di, j += dj) z[k] = Math.min(x[i] as number, y[j] as number);
  },
  dx: (dz, x, y) => mul(dz, share(less(x, y), x, y)),
  dy: (dz, x, y) => mul(dz, share(greater(x, y), x, y)),
  special: ties,
});

export const equalOp = binary("equal", "z = 1 where x = y, else 0, broadcasting.", {
  loop(x, i, di, y, j, dj, z, k, end) {
    for (; k < end; k++, i += di, j += dj) z[k] = x[i] === y[j] ? 1 : 0;
  },
  special: ties,
});

export const greaterOp = binary("greater", "z = 1 where x > y, else 0, broadcasting.", {
  loop(x, i, di, y, j, dj, z, k, end) {
    for (; k < end; k++, i += di, j += dj) z[k] = (x[i] as number) > (y[j] as number) ? 1 : 0;
  },
  special: ties,
});

export const lessOp = binary("less", "z = 1 where x < y, else 0, broadcasting.", {
  loop(x, i, di, y, j, dj, z, k, end) {
    for (; k < end; k++, i += di, j += dj) z[k] = (x[i] as number) < (y[j] as number) ? 1 : 0;
  },
  special: ties,
});

// ---------------------------------------------------------------- choice

function whereSample(condition: readonly number[], shape: Shape, x: Shape, y: Shape): Sample<None> {
  return { inputs: [{ shape, values: condition }, { shape: x }, { shape: y }], attributes: {} };
}

export const whereOp = defineOp<None>({
  name: "where",
  doc: "z = x where condition is not 0, else y; all three broadcast.",
  infer(inputs) {
    const { condition, x, y } = named("where", inputs, ["condition", "x", "y"]);
    requireSame("where", { condition, x, y });
    return [{ shape: broadcastShapes("where", condition.shape, broadcastShapes("where", x.shape, y.shape)), dtype: x.dtype }];
  },
  kernel(inputs, outputs) {
    const [condition, x, y] = inputs.map((input) => input.data) as [NumberArray, NumberArray, NumberArray];
    const z = outputs[0] as View;
    const strides = inputs.map((input) => broadcastStrides(input.shape, z.shape));
    walk(z.shape, strides, [0, 0, 0], (at, n, starts, steps) => {
      const [c, i, j] = starts as [number, number, number];
      const [dc, di, dj] = steps as [number, number, number];
      for (let k = 0; k < n; k++) z.data[at + k] = (condition[c + k * dc] !== 0 ? x[i + k * di] : y[j + k * dj]) as number;
    });
  },
  gradient({ inputs, gradients, needs }) {
    const [condition, x, y] = inputs as [Value, Value, Value];
    const dz = gradients[0] as Value;
    return [
      undefined,
      needs(1) ? sumTo(where(condition, dz, 0), x.shape) : undefined,
      needs(2) ? sumTo(where(condition, 0, dz), y.shape) : undefined,
    ];
  },
  samples: [
    whereSample([1], [], [], []),
    whereSample([0, 1, 0, -2, 0.5, 1], [6], [4, 6], []),
    whereSample([0, 1, 0], [3, 1], [1, 37], [3, 37]),
    whereSample([0, 1, 1, 0], [2, 2], [2, 2], [2]),
    whereSample([], [0], [1], []),
    {
      inputs: [
        { shape: [3], values: [1, 0, nan] },
        { shape: [3], values: [nan, 1, 2] },
        { shape: [3], values: [1, 2, nan] },
      ],
      attributes: {},
      noGradientCheck: "NaN",
    },
  ],
});

// ---------------------------------------------------------------- the functions; for users they are described in public.ts

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

export function where(condition: Value, x: Operand, y: Operand): Value {
  const [yes, no] = together("where", [x, y]) as [Value, Value];
  // A narrower dtype could turn a condition of 0.5 into 0; compared twice, it is 0 or 1 in any.
  const narrows = promote(tensor("where", condition).dtype, yes.dtype) !== yes.dtype;
  return apply1(whereOp, [cast(narrows ? equal(equal(condition, 0), 0) : condition, yes.dtype), yes, no], {});
}

export const arithmeticOps = [addOp, subOp, mulOp, divOp, powOp, maximumOp, minimumOp, equalOp, greaterOp, lessOp, whereOp];
