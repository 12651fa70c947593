// What the library does not do, so that no case of it can be asked: each operator with the reason, and the number types.
// An operator that is neither here nor mapped is a failure of the test: every one needs a decision.
import { maxRank } from "../../src/shape.ts";
import type { ElementType } from "./model.ts";

/** Thrown where a case asks for something that the library does not offer; the reason is a group in the report. */
export class NotApplicable extends Error {}

const groups: Readonly<Record<string, string>> = {
  "windows (convolution, pooling) are not in the op table yet": "Conv ConvTranspose MaxPool AveragePool MaxUnpool LRN",
  "resampling of images is not a part of networks here": "Resize Upsample GridSample RoiAlign",
  "recurrent layers are not offered": "RNN GRU LSTM",
  "quantised arithmetic is not offered":
    "QLinearConv QLinearMatMul ConvInteger MatMulInteger QuantizeLinear DequantizeLinear DynamicQuantizeLinear",
  "sequences and optional values are not tensors":
    "SequenceConstruct SequenceEmpty SequenceInsert SequenceErase SequenceAt SequenceLength SequenceMap SplitToSequence ConcatFromSequence OptionalGetElement OptionalHasElement Optional",
  "control flow belongs to the program that traces, not to the traced one": "If Loop Scan",
  "text is not a tensor": "StringNormalizer TfIdfVectorizer",
  "signal processing is not offered": "DFT STFT BlackmanWindow HammingWindow HannWindow MelWeightMatrix",
  "trigonometric and hyperbolic functions but tanh are not in the op table": "Sin Cos Tan Asin Acos Atan Sinh Cosh Asinh Acosh Atanh",
  "rounding, remainders and bits are not in the op table": "Ceil Floor Round Mod BitShift",
  "shapes that depend on values are refused by design": "NonZero Unique Compress NonMaxSuppression",
  "sorting, products, running sums and determinants are not in the op table": "TopK ReduceProd CumSum Det",
  "scattering is only the gradient of gather here (it adds, along one axis)": "Scatter ScatterElements ScatterND",
  "einsum notation is not offered": "Einsum",
  "random draws come from another generator": "Bernoulli RandomUniform RandomUniformLike RandomNormal RandomNormalLike Multinomial",
  "gathering by tuples and reversing parts are not offered": "GatherND ReverseSequence",
};

/** The reason why an operator is out of scope. */
export const operatorsNotApplicable: ReadonlyMap<string, string> = new Map(
  Object.entries(groups).flatMap(([reason, operators]) => operators.split(" ").map((operator) => [operator, reason] as const)),
);

/** Number types the library has: 64-bit whole numbers are held as i32 where they fit, truth values as 0 and 1 in u8. */
const held: ReadonlySet<ElementType> = new Set(["FLOAT", "DOUBLE", "INT32", "INT64", "UINT8", "BOOL"]);

export function requireAxes(count: number): void {
  if (count > maxRank) throw new NotApplicable(`tensors have at most ${maxRank} axes`);
}

export function requireHeld(type: ElementType): void {
  if (!held.has(type)) throw new NotApplicable(`number types are f32, f64, i32 and u8: ${type} is none`);
}

/** Cases whose expected numbers do not follow from their model, by the name of their folder. */
export const casesNotApplicable: ReadonlyMap<string, string> = new Map([
  [
    "test_adam_multiple",
    "the case contradicts the specification: its numbers need epsilon 0.01, its model leaves epsilon at the default 1e-6",
  ],
]);
