// Initialisers: how the numbers of a new parameter are drawn. Knows no layer; a shape says what flows in and out.
import { checkNumber, checkOptions, describe, MinibatchError } from "../errors.ts";
import { normal, type Stream, uniform } from "../random.ts";
import { type Shape, sizeOf } from "../shape.ts";

/** Draws a parameter's first values. */
export interface Init {
  readonly kind: string;
  /** Fills the values of a parameter of this shape; `stream` names its random numbers. */
  fill(out: Float32Array, shape: Shape, stream: Stream): void;
}

/** Refuses what is not an initialiser; undefined is fine. */
export function checkInit(where: string, init: unknown): void {
  if (init === undefined || typeof (init as Partial<Init> | null)?.fill === "function") return;
  throw new MinibatchError(`${where}: init must be an initialiser such as init.he(), got ${describe(init)}`);
}

/** Rows of a weight matrix [in, out] count what flows in, columns what flows out; further axes in front are a receptive field. */
function fans(shape: Shape): { fanIn: number; fanOut: number } {
  const fanOut = shape.at(-1) ?? 1;
  return { fanIn: shape.length > 1 ? sizeOf(shape) / Math.max(1, fanOut) : fanOut, fanOut };
}

function gaussian(kind: string, variance: (fanIn: number, fanOut: number) => number): Init {
  return {
    kind,
    fill(out, shape, stream) {
      const { fanIn, fanOut } = fans(shape);
      normal(stream, out, 0, Math.sqrt(variance(Math.max(1, fanIn), Math.max(1, fanOut))));
    },
  };
}

function fixed(kind: string, value: number): Init {
  return {
    kind,
    fill(out) {
      out.fill(value);
    },
  };
}

/**
 * Initialisers for weights, of `dense` and of layers of one's own. n_in and n_out are the rows and columns of a weight `[n_in, n_out]`; axes in front count
 * as a receptive field. Numbers come from the model's seed.
 */
export const init = {
  /** Normal, Var = 2 / n_in: keeps the scale through ReLU layers. He et al. 2015. */
  he: (): Init => gaussian("he", (fanIn) => 2 / fanIn),
  /** Normal, Var = 1 / n_in: keeps the scale through tanh layers. The course's Xavier; LeCun et al. 1998. */
  xavier: (): Init => gaussian("xavier", (fanIn) => 1 / fanIn),
  /** Normal, Var = 2 / (n_in + n_out): a compromise between the passes. Glorot and Bengio 2010. */
  glorot: (): Init => gaussian("glorot", (fanIn, fanOut) => 2 / (fanIn + fanOut)),
  /** Normal with mean 0 and this standard deviation, whatever the shape. */
  normal(options: { std: number }): Init {
    checkOptions("init.normal", options, ["std"]);
    const std = checkNumber("init.normal", "std", options?.std, { min: 0 });
    return gaussian("normal", () => std * std);
  },
  /** Evenly from [-limit, limit). */
  uniform(options: { limit: number }): Init {
    checkOptions("init.uniform", options, ["limit"]);
    const limit = checkNumber("init.uniform", "limit", options?.limit, { min: 0 });
    return { kind: "uniform", fill: (out, _shape, stream) => uniform(stream, out, -limit, limit) };
  },
  /** 0: for biases. Weights that are all equal stay copies of each other. */
  zeros: (): Init => fixed("zeros", 0),
  /** 1 everywhere. */
  ones: (): Init => fixed("ones", 1),
  /** The same finite number everywhere. */
  constant: (v: number): Init => fixed("constant", checkNumber("init.constant", "v", v)),
};

/** The initialiser that suits the activation behind a layer: He for the ReLU family, Xavier for tanh, else Glorot. */
export function initFor(next: string | undefined): Init {
  if (next === undefined) return init.glorot();
  if (["relu", "leakyRelu", "elu", "gelu", "silu"].includes(next)) return init.he();
  return next === "tanh" ? init.xavier() : init.glorot();
}
