// The builder of elementwise entries of one input: an entry is then its formula, its gradient and the numbers on which it is
// tricky. Knows no particular op.
import type { NumberArray } from "../dtype.ts";
import { ShapeError } from "../errors.ts";
import type { Shape } from "../shape.ts";
import { type Attributes, defineOp, type OpDefinition, type Sample, type Value, type View } from "./define.ts";
import { type NamedTypes, named, requireFloats } from "./rules.ts";

/** The attributes of an op that has none. */
export type None = Readonly<Record<string, never>>;
export type Range = readonly [low: number, high: number];

/** What makes an entry y = f(x) of equal shapes. */
export interface Unary<A extends Attributes> {
  /**
   * The function of one number. V8 calls it for every element (10 ns and more), which is little beside an exponential; where the
   * arithmetic is less than that, an entry has a loop instead and is 3 to 5 times faster.
   */
  f?(x: number, attributes: A): number;
  /** Fills y from x. */
  loop?(x: NumberArray, y: NumberArray, attributes: A): void;
  /** The gradient of x; without it nothing flows back. */
  dx?(dy: Value, x: Value, y: Value, attributes: A): Value;
  /** i32 and u8 are allowed too. */
  readonly integers?: boolean;
  /** Where the numbers of the samples come from. */
  readonly range?: Range;
  /** Numbers at which something special happens: kinks, poles, overflow, NaN. */
  readonly special?: readonly number[];
  /** Attributes of the samples, for ops that have some. */
  readonly attributes?: A;
}

export function unary<A extends Attributes = None>(name: string, doc: string, spec: Unary<A>): OpDefinition<A> {
  const { f, loop, dx, integers, range, special, attributes = {} as A } = spec;
  const shapes: Shape[] = [[], [1], [5, 33], [2, 1, 67], [0], [2, 0, 3]];
  const samples: Sample<A>[] = shapes.map((shape) => ({ inputs: [{ shape, ...(range && { range }) }], attributes }));
  const noGradientCheck = "kinks and numbers that are not finite";
  if (special) samples.push({ inputs: [{ shape: [special.length], values: special }], attributes, noGradientCheck });
  return defineOp<A>({
    name,
    doc,
    infer(inputs) {
      const { x } = named(name, inputs, ["x"]);
      if (!integers) requireFloats(name, { x });
      return [x];
    },
    kernel(inputs, outputs, settings) {
      const x = (inputs[0] as View).data;
      const y = (outputs[0] as View).data;
      if (loop) loop(x, y, settings);
      else if (f) for (let i = 0; i < y.length; i++) y[i] = f(x[i] as number, settings);
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

/** One number type for all inputs, whichever it is. */
export function requireSame(op: string, types: NamedTypes): void {
  const dtypes = Object.values(types).map((type) => type.dtype);
  if (dtypes.every((dtype) => dtype === dtypes[0])) return;
  const got = Object.entries(types).map(([name, type]) => `${name} ${type.dtype}`);
  throw new ShapeError(`${op}: inputs must have one dtype, got ${got.join(", ")}; cast one of them`);
}
