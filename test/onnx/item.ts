// One value of an ONNX graph while it runs: numbers from a file, a tensor of the library, or both.
// Knows how number types correspond; knows no operator.
import { convert, type DType } from "../../src/dtype.ts";
import type { Value } from "../../src/ops/define.ts";
import { reshape } from "../../src/ops/movement.ts";
import { type Shape, sizeOf } from "../../src/shape.ts";
import { type Tensor, tensor } from "../../src/tensor.ts";
import type { ElementType, TensorFile } from "./model.ts";
import { NotApplicable, requireAxes, requireHeld } from "./not-applicable.ts";

const dtypes: Partial<Record<ElementType, DType>> = { FLOAT: "f32", DOUBLE: "f64", INT32: "i32", INT64: "i32", UINT8: "u8", BOOL: "u8" };

/** How the library holds a number type of ONNX. */
export function dtypeOfElement(type: ElementType): DType {
  requireHeld(type);
  return dtypes[type] as DType;
}

export class Item {
  readonly type: ElementType;
  readonly dims: readonly number[];
  #numbers: ArrayLike<number> | undefined;
  #value: Value | undefined;

  private constructor(type: ElementType, dims: readonly number[], numbers: ArrayLike<number> | undefined, value: Value | undefined) {
    this.type = type;
    this.dims = dims;
    this.#numbers = numbers;
    this.#value = value;
  }

  static fromFile({ type, dims, numbers }: TensorFile): Item {
    requireHeld(type);
    if (!numbers) throw new Error(`onnx: no numbers in a tensor of type ${type}`);
    return new Item(type, dims, numbers, undefined);
  }

  /** Numbers that the reader itself worked out (shapes, ranges). */
  static fromNumbers(numbers: ArrayLike<number>, dims: readonly number[], type: ElementType): Item {
    requireHeld(type);
    return new Item(type, dims, numbers, undefined);
  }

  /**
   * A result of the library. Its dtype must be the one that holds `type`, but for truth values, which the library gives as 0 and 1
   * in the dtype of what was compared. `dims` differs from the tensor's shape only past the library's bound on axes.
   */
  static fromValue(value: Value, type: ElementType, dims: readonly number[] = value.shape): Item {
    if (type !== "BOOL" && value.dtype !== dtypeOfElement(type))
      throw new Error(`the library answers in ${value.dtype}, ${type} needs ${dtypeOfElement(type)}`);
    if (sizeOf(dims) !== sizeOf(value.shape)) throw new Error(`internal: ${value.shape} cannot stand for ${dims}`);
    return new Item(type, dims, undefined, value);
  }

  get rank(): number {
    return this.dims.length;
  }

  get size(): number {
    return sizeOf(this.dims);
  }

  numbers(): ArrayLike<number> {
    this.#numbers ??= (this.#value as Tensor).data();
    return this.#numbers;
  }

  /** The one number of a scalar or of a tensor of one element. */
  number(): number {
    if (this.size !== 1) throw new Error(`one number is wanted, got shape [${this.dims}]`);
    return this.numbers()[0] as number;
  }

  /** As a tensor of the library. */
  value(): Value {
    requireAxes(this.rank);
    return this.shaped(this.dims);
  }

  /** As a tensor of the library in another shape of the same size. */
  shaped(shape: Shape): Value {
    if (!this.#value) {
      const numbers = this.numbers();
      const dtype = dtypeOfElement(this.type);
      if (dtype === "i32" && Array.prototype.some.call(numbers, (x: number) => x !== (x | 0))) {
        throw new NotApplicable("64-bit whole numbers beyond 32 bits are not held");
      }
      this.#value = tensor(convert(numbers, dtype), { shape, dtype });
    }
    const same = shape.length === this.#value.rank && shape.every((n, i) => n === this.#value?.shape[i]);
    return same ? this.#value : reshape(this.#value, shape);
  }

  /** The tensor behind it, if the library made it. */
  history(): Value[] {
    return this.#value ? [this.#value] : [];
  }
}
