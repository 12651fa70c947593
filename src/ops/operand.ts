// What users may hand to an op, made into tensors of one number type. Knows no op but the cast.
import { type DType, dtypeCode, isFloat, promote } from "../dtype.ts";
import { describe, internal, MinibatchError } from "../errors.ts";
import { constantLike, type Operand, Value } from "./define.ts";
import { cast } from "./elementwise.ts";

const dtypes = Object.keys(dtypeCode) as DType[];

/** The dtype for which a code stands in an attribute. */
export function dtypeOfCode(op: string, code: number): DType {
  const found = dtypes.find((dtype) => dtypeCode[dtype] === code);
  if (!found) throw internal(`${op}: no dtype has the code ${code}`);
  return found;
}

/** Refuses what is no tensor before anything is asked of it. */
export function tensor(op: string, x: unknown): Value {
  if (x instanceof Value) return x;
  throw new MinibatchError(`${op}: input must be a tensor, got ${describe(x)}; tensor(...) makes one`);
}

/** A tensor that a float function can take: whole numbers become f32. */
export function floating(op: string, x: Value): Value {
  return isFloat(tensor(op, x).dtype) ? x : cast(x, "f32");
}

function holds(dtype: DType, x: number): boolean {
  return isFloat(dtype) || (dtype === "u8" ? Uint8Array : Int32Array).of(x)[0] === x;
}

/** Operands as tensors of one dtype: the widest among them, at least `least`; a number adds nothing unless that cannot hold it. */
export function together(op: string, operands: readonly Operand[], least: DType = "u8"): Value[] {
  let dtype = operands.some((operand) => operand instanceof Value) ? least : promote(least, "f32");
  for (const operand of operands) {
    if (operand instanceof Value) dtype = promote(dtype, operand.dtype);
    else if (typeof operand !== "number")
      throw new MinibatchError(`${op}: operands must be tensors or numbers, got ${describe(operand)}; tensor(...) makes one`);
  }
  for (const operand of operands) {
    if (typeof operand === "number" && !holds(dtype, operand)) dtype = holds("i32", operand) ? promote(dtype, "i32") : "f32";
  }
  return operands.map((operand) => (operand instanceof Value ? cast(operand, dtype) : constantLike(operand, dtype)));
}
