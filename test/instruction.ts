// One op as an encoded program of one instruction, over one memory with guard bytes around every slice.
// Written from the format's description alone, so that it also checks the library's own encoder's idea of it.
import { bytesPerElement, dtypeCode, type NumberArray, viewOf } from "../src/dtype.ts";
import type { Attributes, ValueType, View } from "../src/ops/define.ts";
import { sizeOf } from "../src/shape.ts";

export interface EncodedCase {
  readonly names: string;
  readonly code: Float64Array;
  /** The memory before the run: the inputs in place, everything else 0xFF (NaN as a float). */
  readonly memory: Uint8Array;
  /** Where each output starts. */
  readonly at: readonly number[];
}

const version = 1;
const guard = 64;

function bytesOf(type: ValueType): number {
  return sizeOf(type.shape) * bytesPerElement[type.dtype];
}

function encodeAttributes(attributes: Attributes): number[] {
  return Object.values(attributes).flatMap((value) => (typeof value === "object" ? [value.length, ...value] : [Number(value)]));
}

function encodeSlice(type: ValueType, at: number): number[] {
  return [0, at, dtypeCode[type.dtype], type.shape.length, ...type.shape];
}

/**
 * `over[o]` is the input over which output o is written, or -1. With `shifted` every slice starts one element
 * after a 64-byte boundary, as a view inside a segment may.
 */
export function encodeCase(
  name: string,
  attributes: Attributes,
  inputs: readonly View[],
  outputs: readonly ValueType[],
  over: readonly number[],
  shifted: boolean,
): EncodedCase {
  let end = guard;
  const place = (type: ValueType): number => {
    const at = end + (shifted ? bytesPerElement[type.dtype] : 0);
    end = Math.ceil((at + bytesOf(type)) / 64) * 64 + guard;
    return at;
  };
  const inputAt = inputs.map(place);
  const at = outputs.map((type, o) => {
    const input = over[o] ?? -1;
    return input >= 0 ? (inputAt[input] as number) : place(type);
  });
  const memory = new Uint8Array(end).fill(0xff);
  inputs.forEach((input, i) => {
    viewOf(input.dtype, memory.buffer, inputAt[i] as number, input.data.length).set(input.data);
  });
  const encoded = encodeAttributes(attributes);
  const code = [version, 1, end, 0, 1, 0, inputs.length, outputs.length, encoded.length];
  inputs.forEach((input, i) => {
    code.push(...encodeSlice(input, inputAt[i] as number));
  });
  outputs.forEach((output, o) => {
    code.push(...encodeSlice(output, at[o] as number));
  });
  return { names: name, code: Float64Array.from([...code, ...encoded]), memory, at };
}

/** The outputs in a memory after the run. */
export function decodeOutputs(encoded: EncodedCase, memory: Uint8Array, outputs: readonly ValueType[]): View[] {
  const buffer = memory.slice().buffer;
  return outputs.map(
    (type, o): View => ({ ...type, data: viewOf(type.dtype, buffer, encoded.at[o] as number, sizeOf(type.shape)) as NumberArray }),
  );
}

/** The first byte outside the outputs that the run changed: an input overwritten, or a store past an end. */
export function strayByte(encoded: EncodedCase, memory: Uint8Array, outputs: readonly ValueType[]): number | undefined {
  const allowed = new Uint8Array(memory.length);
  outputs.forEach((type, o) => {
    allowed.fill(1, encoded.at[o] as number, (encoded.at[o] as number) + bytesOf(type));
  });
  const stray = memory.findIndex((byte, i) => !allowed[i] && byte !== encoded.memory[i]);
  return stray < 0 ? undefined : stray;
}
