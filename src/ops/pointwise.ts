// The builders of elementwise entries: one input, or two that broadcast against each other. An entry is then its formula,
// its gradient and the numbers on which it is tricky. Knows no particular op.
import type { NumberArray } from "../dtype.ts";
import { ShapeError } from "../errors.ts";
import { type Shape, broadcastShapes } from "../shape.ts";
import { type Attributes, type OpDefinition, type Sample, type Value, type View, defineOp } from "./define.ts";
import { type NamedTypes, named, requireFloats } from "./rules.ts";
import { broadcastStrides, walk } from "./walk.ts";

export type None = Readonly<Record<string, never>>;
type Range = readonly [low: number, high: number];

/** Fills y from x, element by element. */
export type Loop<A> = (x: NumberArray, y: NumberArray, attributes: A) => void;
/** z[k] = f(x[i], y[j]) for k up to `end`, with i and j moving by di and dj. */
export type PairLoop = (
  x: NumberArray,
  i: number,
  di: number,
  y: NumberArray,
  j: number,
  dj: number,
  z: NumberArray,
  k: number,
  end: number,
) => void;

/**
 * The loop of a scalar function. V8 calls the function per element (about 10 ns), which is little beside an exponential;
 * where the arithmetic is less than that, an entry writes its loop itself and is 3 to 5 times faster.
 */
export function each<A>(f: (x: number, attributes: A) => number): Loop<A> {
  return (x, y, attributes) => {
    for (let i = 0; i < y.length; i++) y[i] = f(x[i] as number, attributes);
  };
}

export function eachPair(f: (x: number, y: number) => number): PairLoop {
  return (x, i, di, y, j, dj, z, k, end) => {
    for (; k < end; k++, i += di, j += dj) z[k] = f(x[i] as number, y[j] as number);
  };
}

export interface UnaryOptions<A> {
  /** i32 and u8 are allowed too. */
  readonly integers?: boolean;
  /** Where the numbers of the samples come from. */
  readonly range?: Range;
  /** Numbers at which something special happens: kinks, poles, overflow, NaN. */
  readonly special?: readonly number[];
  /** Attributes of the samples, for ops that have some. */
  readonly attributes?: A;
}

/** One number type for all inputs, whichever it is. */
export function requireSame(op: string, types: NamedTypes): void {
  const dtypes = Object.values(types).map((type) => type.dtype);
  if (dtypes.every((dtype) => dtype === dtypes[0])) return;
  const got = Object.entries(types).map(([name, type]) => `${name} ${type.dtype}`);
  throw new ShapeError(`${op}: inputs must have one dtype, got ${got.join(", ")}; cast one of them`);
}

/** An entry y = f(x) of equal shapes. `dx` is the gradient of the input; without it nothing flows back. */
export function unary<A extends Attributes = None>(
  name: string,
  doc: string,
  loop: Loop<A>,
  dx: ((dy: Value, x: Value, y: Value, attributes: A) => Value) | undefined,
  options: UnaryOptions<A> = {},
): OpDefinition<A> {
  const attributes = options.attributes ?? ({} as A);
  const shapes: Shape[] = [[], [1], [5, 33], [2, 1, 67], [0], [2, 0, 3]];
  const samples: Sample<A>[] = shapes.map((shape) => ({ inputs: [{ shape, ...(options.range && { range: options.range }) }], attributes }));
  const special = options.special;
  if (special)
    samples.push({
      inputs: [{ shape: [special.length], values: special }],
      attributes,
      noGradientCheck: "kinks and numbers that are not finite",
    });
  return defineOp<A>({
    name,
    doc,
    infer(inputs) {
      const { x } = named(name, inputs, ["x"]);
      if (!options.integers) requireFloats(name, { x });
      return [x];
    },
    kernel(inputs, outputs, settings) {
      loop((inputs[0] as View).data, (outputs[0] as View).data, settings);
    },
    ...(dx && {
      gradient: ({ inputs, outputs, gradients, attributes: settings }) => [
        dx(gradients[0] as Value, inputs[0] as Value, outputs[0] as Value, settings),
      ],
    }),
    inPlace: [0],
    samples,
  });
}

export interface BinaryOptions {
  readonly ranges?: readonly [x: Range, y: Range];
  /** Pairs at which something special happens. */
  readonly special?: readonly (readonly [x: number, y: number])[];
}

/** An entry z = f(x, y) with NumPy's broadcasting. Without a gradient nothing flows back. */
export function binary(
  name: string,
  doc: string,
  loop: PairLoop,
  gradient: OpDefinition<None>["gradient"],
  options: BinaryOptions = {},
): OpDefinition<None> {
  const pairs: [Shape, Shape][] = [
    [[], []],
    [[1], [1]],
    [
      [5, 33],
      [5, 33],
    ],
    [[5, 33], []],
    [[], [3, 19]],
    [[5, 33], [33]],
    [[67], [2, 67]],
    [
      [5, 1],
      [5, 33],
    ],
    [
      [5, 33],
      [5, 1],
    ],
    [
      [3, 1],
      [1, 4],
    ],
    [
      [2, 3, 4],
      [3, 1],
    ],
    [
      [2, 1, 17],
      [2, 3, 1],
    ],
    [[1, 1], [7]],
    [[0, 3], [3]],
    [
      [1, 3],
      [2, 0, 1],
    ],
  ];
  const [rangeX, rangeY] = options.ranges ?? [];
  const samples: Sample<None>[] = pairs.map(([x, y]) => ({
    inputs: [
      { shape: x, ...(rangeX && { range: rangeX }) },
      { shape: y, ...(rangeY && { range: rangeY }) },
    ],
    attributes: {},
  }));
  const special = options.special;
  if (special) {
    const shape = [special.length];
    const inputs = [0, 1].map((side) => ({ shape, values: special.map((pair) => pair[side] as number) }));
    samples.push({ inputs, attributes: {}, noGradientCheck: "ties, poles and numbers that are not finite" });
  }
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
    ...(gradient && { gradient }),
    inPlace: [0],
    samples,
  });
}
