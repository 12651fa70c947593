// Matrix products: matmul with transposed operands and batches, and the dense layer's act(x w + b) in one op.
// Knows no parameters and no layers.
import { checkOptions, describe, MinibatchError, ShapeError } from "../errors.ts";
import { broadcastShapes, type Shape, sameShape, show, sizeOf } from "../shape.ts";
import { apply1, defineOp, type Sample, type Value, type ValueType, type View } from "./define.ts";
import { add, relu, reluGradient } from "./elementwise.ts";
import { type Epilogue, type Matrix, multiply } from "./matmul-kernel.ts";
import { broadcastTo, reshape } from "./movement.ts";
import { tensor, together } from "./operand.ts";
import { sum } from "./reduce.ts";
import { named, requireFloats, requireShape } from "./rules.ts";

type Transposed = { readonly transposeA: boolean; readonly transposeB: boolean };
const plain: Transposed = { transposeA: false, transposeB: false };

/** Rows and columns of the last two axes as the product uses them. */
function sides(shape: Shape, transposed: boolean): [rows: number, columns: number] {
  const [rows = 0, columns = 0] = shape.slice(-2);
  return transposed ? [columns, rows] : [rows, columns];
}

function innerMismatch(op: string, a: Shape, b: Shape, { transposeA, transposeB }: Transposed): ShapeError {
  const named = (shape: Shape, transposed: boolean) => (transposed ? `${show(shape)} transposed` : show(shape));
  return new ShapeError(`${op}: inner sizes must match, got ${named(a, transposeA)} x ${named(b, transposeB)}`);
}

function requireInner(op: string, a: Shape, b: Shape, flags: Transposed): void {
  if (sides(a, flags.transposeA)[1] !== sides(b, flags.transposeB)[0]) throw innerMismatch(op, a, b, flags);
}

/** The matrix at `offset` of row-major rows of this width, or its transpose. */
function matrixAt(data: View["data"], offset: number, width: number, transposed: boolean): Matrix {
  return transposed ? { data, offset, rowStride: 1, columnStride: width } : { data, offset, rowStride: width, columnStride: 1 };
}

function matmulSample(a: Shape, b: Shape, transposeA = false, transposeB = false): Sample<Transposed> {
  return { inputs: [{ shape: a }, { shape: b }], attributes: { transposeA, transposeB } };
}

export const matmulOp = defineOp<Transposed>({
  name: "matmul",
  doc: "Matrix product over the last two axes, the others being equal: [..., m, k] x [..., k, n] -> [..., m, n]; a flag says that a matrix is stored transposed.",
  infer(inputs, flags) {
    const { a, b } = named("matmul", inputs, ["a", "b"]);
    requireFloats("matmul", { a, b });
    const leading = a.shape.slice(0, -2);
    if (a.shape.length < 2 || !sameShape(leading, b.shape.slice(0, -2)) || b.shape.length !== a.shape.length) {
      throw new ShapeError(
        `matmul: takes matrices, or batches of matrices with equal leading axes, got ${show(a.shape)} x ${show(b.shape)}`,
      );
    }
    requireInner("matmul", a.shape, b.shape, flags);
    return [{ shape: [...leading, sides(a.shape, flags.transposeA)[0], sides(b.shape, flags.transposeB)[1]], dtype: a.dtype }];
  },
  kernel(inputs, outputs, { transposeA, transposeB }) {
    const [a, b, c] = [inputs[0], inputs[1], outputs[0]] as [View, View, View];
    const [m, k] = sides(a.shape, transposeA);
    const [, n] = sides(b.shape, transposeB);
    const batches = sizeOf(a.shape.slice(0, -2));
    const none: Epilogue = { bias: undefined, relu: false };
    for (let i = 0; i < batches; i++) {
      const left = matrixAt(a.data, i * m * k, transposeA ? m : k, transposeA);
      const right = matrixAt(b.data, i * k * n, transposeB ? k : n, transposeB);
      multiply(m, k, n, left, right, c.data, i * m * n, none);
    }
  },
  gradient({ inputs, gradients, attributes: { transposeA, transposeB }, needs }) {
    const [a, b] = inputs as [Value, Value];
    const dc = gradients[0] as Value;
    return [
      needs(0) ? (transposeA ? times(b, dc, transposeB, true) : times(dc, b, false, !transposeB)) : undefined,
      needs(1) ? (transposeB ? times(dc, a, true, transposeA) : times(a, dc, !transposeA, false)) : undefined,
    ];
  },
  flops([a, b], { transposeB }) {
    // Every number of a meets every column of b.
    return 2 * sizeOf((a as ValueType).shape) * sides((b as ValueType).shape, transposeB)[1];
  },
  samples: [
    matmulSample([1, 1], [1, 1]),
    matmulSample([5, 7], [7, 33]),
    matmulSample([17, 33], [33, 19]),
    matmulSample([7, 5], [7, 33], true),
    matmulSample([5, 7], [33, 7], false, true),
    matmulSample([7, 5], [33, 7], true, true),
    matmulSample([1, 70], [70, 9]),
    matmulSample([1, 70], [9, 70], false, true),
    matmulSample([70, 1], [70, 9], true),
    matmulSample([9, 70], [70, 1]),
    matmulSample([3, 1], [1, 4]),
    matmulSample([2, 3, 4, 5], [2, 3, 5, 6]),
    matmulSample([3, 4, 5], [3, 6, 4], true, true),
    matmulSample([0, 3], [3, 2]),
    matmulSample([2, 0], [0, 3]),
    matmulSample([2, 3], [3, 0]),
    matmulSample([0, 2, 3], [0, 3, 4]),
  ],
});

/** The product of operands that need no lowering. */
function times(a: Value, b: Value, transposeA: boolean, transposeB: boolean): Value {
  return apply1(matmulOp, [a, b], { transposeA, transposeB });
}

/** The leading axes of a product of batches. */
function batchesOf(x: Shape, y: Shape): Shape {
  try {
    return broadcastShapes("matmul", x.slice(0, -2), y.slice(0, -2));
  } catch (cause) {
    throw new ShapeError(`matmul: axes before the last two must be equal or 1, got ${show(x)} x ${show(y)}`, { cause });
  }
}

export interface MatmulOptions {
  /** x is stored transposed: [..., k, m]. */
  readonly transposeA?: boolean | undefined;
  /** y is stored transposed: [..., n, k]. */
  readonly transposeB?: boolean | undefined;
}

export function matmul(x: Value, y: Value, options?: MatmulOptions): Value {
  const [left, right] = together("matmul", [tensor("matmul", x), tensor("matmul", y)], "f32") as [Value, Value];
  checkOptions("matmul", options, ["transposeA", "transposeB"]);
  if (x.rank === 0 || y.rank === 0)
    throw new ShapeError(`matmul: takes vectors or matrices, got ${show(x.shape)} x ${show(y.shape)}; mul multiplies by a number`);
  const a = left.rank === 1 ? reshape(left, [1, ...left.shape]) : left;
  const b = right.rank === 1 ? reshape(right, [...right.shape, 1]) : right;
  const flags = { transposeA: x.rank > 1 && options?.transposeA === true, transposeB: y.rank > 1 && options?.transposeB === true };
  const [m, k] = sides(a.shape, flags.transposeA);
  const [rows, n] = sides(b.shape, flags.transposeB);
  if (k !== rows) throw innerMismatch("matmul", x.shape, y.shape, flags);
  const batches = batchesOf(a.shape, b.shape);
  const product = multiplyBatches(a, b, batches, flags);
  const shape = [...batches, ...(x.rank === 1 ? [] : [m]), ...(y.rank === 1 ? [] : [n])];
  return sameShape(product.shape, shape) ? product : reshape(product, shape);
}

function multiplyBatches(a: Value, b: Value, batches: Shape, { transposeA, transposeB }: Transposed): Value {
  // One matrix for all batches: their rows lie one below the other already.
  if (b.rank === 2 && a.rank > 2 && !transposeA)
    return times(reshape(a, [sizeOf(a.shape.slice(0, -1)), a.shape.at(-1) as number]), b, false, transposeB);
  const repeated = (x: Value) => (sameShape(x.shape.slice(0, -2), batches) ? x : broadcastTo(x, [...batches, ...x.shape.slice(-2)]));
  return times(repeated(a), repeated(b), transposeA, transposeB);
}

// ---------------------------------------------------------------- the dense layer

/** activation: 0 none, 1 relu. */
type Linear = { readonly activation: number };

function linearSample(m: number, k: number, n: number, bias: boolean, activation: number): Sample<Linear> {
  return { inputs: [{ shape: [m, k] }, { shape: [k, n] }, ...(bias ? [{ shape: [n] }] : [])], attributes: { activation } };
}

export const linearOp = defineOp<Linear>({
  name: "linear",
  doc: "y = act(x w + b), the bias optional: x [m, k], w [k, n], b [n] -> [m, n]; activation 0 none, 1 relu.",
  infer(inputs, { activation }) {
    const bias = inputs.length === 3;
    const { x, w, b } = named("linear", bias ? inputs : [...inputs, inputs[1] as ValueType], ["x", "w", "b"]);
    requireFloats("linear", { x, w, b });
    if (x.shape.length !== 2 || w.shape.length !== 2)
      throw new ShapeError(`linear: x and w must be matrices, got ${show(x.shape)} x ${show(w.shape)}`);
    requireInner("linear", x.shape, w.shape, plain);
    const [m, n] = [x.shape[0] as number, w.shape[1] as number];
    if (bias) requireShape("linear", { b }, [n], "one number per column of w");
    if (activation !== 0 && activation !== 1) throw new MinibatchError(`linear: activation must be 0 or 1, got ${activation}`);
    return [{ shape: [m, n], dtype: x.dtype }];
  },
  kernel(inputs, outputs, { activation }) {
    const [x, w, y] = [inputs[0], inputs[1], outputs[0]] as [View, View, View];
    const [m, k] = sides(x.shape, false);
    const [, n] = sides(w.shape, false);
    multiply(m, k, n, matrixAt(x.data, 0, k, false), matrixAt(w.data, 0, n, false), y.data, 0, {
      bias: inputs[2]?.data,
      relu: activation === 1,
    });
  },
  gradient: ({ inputs, outputs, gradients, attributes: { activation }, needs }) => {
    const [x, w, b] = inputs as [Value, Value, Value | undefined];
    const [y, dy] = [outputs[0], gradients[0]] as [Value, Value];
    const ds = activation === 1 ? reluGradient(y, dy) : dy; // gradient of the sums x w + b
    return [
      needs(0) ? times(ds, w, false, true) : undefined,
      needs(1) ? times(x, ds, true, false) : undefined,
      b && needs(2) ? sum(ds, { axis: 0 }) : undefined,
    ];
  },
  decomposition(inputs, { activation }) {
    const [x, w, b] = inputs as [Value, Value, Value | undefined];
    const product = matmul(x, w);
    const sums = b ? add(product, b) : product;
    return [activation === 1 ? relu(sums) : sums];
  },
  // The bias and the activation are one pass over y, nothing beside the product.
  flops: ([x, w]) => 2 * sizeOf((x as ValueType).shape) * ((w as ValueType).shape[1] as number),
  samples: [
    linearSample(5, 7, 33, true, 0),
    linearSample(17, 33, 19, true, 1),
    linearSample(5, 7, 9, false, 0),
    linearSample(5, 7, 9, false, 1),
    linearSample(1, 70, 10, true, 1),
    linearSample(9, 70, 1, true, 0),
    linearSample(0, 3, 2, true, 1),
    linearSample(2, 0, 3, true, 1),
  ],
});

export function linear(x: Value, w: Value, b?: Value, activation: "none" | "relu" = "none"): Value {
  const given = [x, w, ...(b === undefined ? [] : [b])].map((value) => tensor("linear", value));
  if (activation !== "none" && activation !== "relu")
    throw new MinibatchError(`linear: activation must be "none" or "relu", got ${describe(activation)}`);
  const [rows, ...weights] = together("linear", given, "f32") as [Value, Value];
  const k = x.shape.at(-1);
  const inputs = [x.rank > 2 && k !== undefined ? reshape(rows, [sizeOf(x.shape.slice(0, -1)), k]) : rows, ...weights];
  const y = apply1(linearOp, inputs, { activation: activation === "relu" ? 1 : 0 });
  return x.rank > 2 ? reshape(y, [...x.shape.slice(0, -1), ...y.shape.slice(-1)]) : y;
}

export const linalgOps = [matmulOp, linearOp];
