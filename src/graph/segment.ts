// The ops of the graph itself, which move no data. A view is a parameter's part of the flat segment it lies in; what is
// packed is written to its place by whoever computes it; stopGradient is only seen by the gradient pass.
import { ShapeError } from "../errors.ts";
import { apply1, defineOp, type Value } from "../ops/define.ts";
import { type Shape, show, sizeOf } from "../shape.ts";

export const viewOp = defineOp<{ offset: number; shape: readonly number[] }>({
  name: "view",
  doc: "The part of a segment that starts at `offset`, seen in a shape: segment [n] -> shape.",
  infer([segment], { offset, shape }) {
    const n = segment?.shape[0] ?? 0;
    if (segment?.shape.length !== 1 || offset < 0 || offset + sizeOf(shape) > n) {
      throw new ShapeError(`view: a part must lie inside its segment, got offset ${offset} and shape ${show(shape)} in [${n}]`);
    }
    return [{ shape, dtype: segment.dtype }];
  },
  kernel([segment], [out], { offset }) {
    if (segment && out) out.data.set(segment.data.subarray(offset, offset + out.data.length));
  },
  alias: true,
  samples: [],
});

export const packOp = defineOp<{ offsets: readonly number[]; size: number }>({
  name: "pack",
  doc: "Places values in one segment at their offsets, zeros between them: shapes... -> [size].",
  infer(inputs, { offsets, size }) {
    inputs.forEach((input, i) => {
      if ((offsets[i] as number) + sizeOf(input.shape) > size)
        throw new ShapeError(`pack: part ${i} of shape ${show(input.shape)} ends outside [${size}]`);
    });
    return [{ shape: [size], dtype: inputs[0]?.dtype ?? "f32" }];
  },
  kernel(inputs, [out], { offsets }) {
    if (!out) return;
    out.data.fill(0);
    for (const [i, input] of inputs.entries()) out.data.set(input.data, offsets[i]);
  },
  samples: [],
});

export const stopGradientOp = defineOp<Record<never, never>>({
  name: "stopGradient",
  doc: "The same value; nothing flows back through it: x -> x.",
  infer: (inputs) => inputs.slice(0, 1),
  kernel([x], [y]) {
    if (x && y) y.data.set(x.data);
  },
  alias: true,
  samples: [],
});

export function stopGradient(x: Value): Value {
  return apply1(stopGradientOp, [x], {});
}

export function view(segment: Value, offset: number, shape: Shape): Value {
  return apply1(viewOp, [segment], { offset, shape });
}

export function pack(parts: readonly Value[], offsets: readonly number[], size: number): Value {
  return apply1(packOp, parts, { offsets, size });
}
