// A statistic of a layer while a program is traced: reading it gives the value before the step, assigning keeps another
// for the next. Who keeps it, a layer does not know.
import { isFloat } from "../dtype.ts";
import { ShapeError } from "../errors.ts";
import { Value } from "../ops/define.ts";
import { cast } from "../ops/elementwise.ts";
import { sameShape, show } from "../shape.ts";
import { asTensor, type Tensor, type TensorLike, tensor, type Variable } from "../tensor.ts";

class TracedState extends Value {
  readonly name: string;
  readonly #keep: ((value: Value) => void) | undefined;

  constructor(at: Value, name: string, keep: ((value: Value) => void) | undefined) {
    super(at.node, at.index);
    this.name = name;
    this.#keep = keep;
  }

  override snapshot(): Value {
    return new Value(this.node, this.index);
  }

  value(): Tensor {
    return asTensor(this.snapshot());
  }

  assign(value: TensorLike): void {
    const next = value instanceof Value ? value.snapshot() : tensor(value, { dtype: this.dtype });
    if (!sameShape(next.shape, this.shape))
      throw new ShapeError(`assign: state ${this.name} has shape ${show(this.shape)}, got ${show(next.shape)}`);
    this.#keep?.(next.dtype === this.dtype || !isFloat(this.dtype) ? next : cast(next, this.dtype));
  }
}

/** The value at a place as a layer's state. Without `keep` what is assigned is forgotten: a look at shapes, an evaluation. */
export function tracedState(at: Value, name: string, keep?: (value: Value) => void): Variable {
  return new TracedState(at, name, keep) as unknown as Variable;
}
