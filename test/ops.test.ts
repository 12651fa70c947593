// The conformance suite: every entry of the op table is held to its own shape rule, gradient, decomposition and tolerance,
// on its own samples. It names no op: what an entry says of itself is what is tested.
import { describe, expect, test } from "vitest";
import type { FloatType, NumberArray } from "../src/dtype.ts";
import { isFloat, newArray } from "../src/dtype.ts";
import { apply, type Node, type OpDefinition, type Sample, source, type Value, type View } from "../src/ops/define.ts";
import { table } from "../src/ops/table.ts";
import { uniform } from "../src/random.ts";
import { sameShape, sizeOf } from "../src/shape.ts";
import { evaluate, poisoned } from "./evaluate.ts";
import { copies, difference, inputsOf, labelOf, largest, mismatch, toleranceOf } from "./samples.ts";

const floats: readonly FloatType[] = ["f32", "f64"];

function eachSample(op: OpDefinition, check: (sample: Sample, index: number, label: string) => void): void {
  op.samples.forEach((sample, index) => {
    check(sample, index, labelOf(op, index));
  });
}

/** What the op's own TypeScript kernel makes of the inputs. */
function run(op: OpDefinition, inputs: readonly View[], attributes: Sample["attributes"]): View[] {
  const outputs = op.infer(inputs, attributes).map(poisoned);
  if (!op.alias) op.kernel(inputs, outputs, attributes);
  else {
    const { values, given } = traced(inputs);
    outputs[0]?.data.set(evaluate(apply(op, values, attributes), given)[0] as NumberArray);
  }
  return outputs;
}

/** Sources of a graph that stand for some numbers. */
function traced(inputs: readonly View[]): { values: Value[]; given: Map<Node, NumberArray> } {
  const values = inputs.map((input, i) => source({ kind: "argument", name: `input ${i}` }, { shape: input.shape, dtype: input.dtype }));
  return { values, given: new Map(values.map((value, i) => [value.node, (inputs[i] as View).data])) };
}

test("names are unique, every entry has a formula and samples", () => {
  expect(new Set(table.map((op) => op.name)).size).toBe(table.length);
  for (const op of table) {
    expect(op.doc, op.name).toMatch(/\w.*\.?$/);
    expect(op.doc, op.name).not.toContain("\n");
    expect(op.samples.length, op.name).toBeGreaterThan(0);
  }
});

describe.each(table.map((op) => [op.name, op] as const))("%s", (_name, op) => {
  test("fills exactly what the shape rule says", () => {
    for (const dtype of floats) {
      eachSample(op, (sample, index, label) => {
        if (op.alias) return;
        const inputs = inputsOf(op, index, dtype);
        const before = copies(inputs);
        const types = op.infer(inputs, sample.attributes);
        // Eight elements of guard on both sides; two fills, so that an element left out or added to shows as a difference.
        const [first, second] = [1, 2].map((fill) => {
          const guarded = types.map((type) => newArray(type.dtype, sizeOf(type.shape) + 16).fill(fill));
          const outputs = types.map((type, o): View => ({ ...type, data: (guarded[o] as NumberArray).subarray(8, -8) }));
          op.kernel(inputs, outputs, sample.attributes);
          for (const whole of guarded) {
            expect([...whole.subarray(0, 8), ...whole.subarray(-8)], `${label}: guards`).toEqual(new Array(16).fill(fill));
          }
          return outputs;
        }) as [View[], View[]];
        first.forEach((output, o) => {
          const found = difference(output.data, (second[o] as View).data);
          expect(found, `${label}: output ${o} must not depend on what it held`).toBeUndefined();
        });
        inputs.forEach((input, i) => {
          expect(difference(input.data, (before[i] as View).data), `${label}: input ${i} stays as it is`).toBeUndefined();
        });
      });
    }
  });

  test("f32 agrees with f64", () => {
    eachSample(op, (sample, index, label) => {
      const [single, double] = floats.map((dtype) => run(op, inputsOf(op, index, dtype), sample.attributes)) as [View[], View[]];
      single.forEach((output, o) => {
        expect(mismatch(output, double[o] as View, toleranceOf(op, "f32")), `${label}, output ${o}`).toBeUndefined();
      });
    });
  });

  if (op.gradient)
    test("gradient agrees with central differences", () => {
      eachSample(op, (sample, index, label) => {
        checkGradientTypes(op, sample, inputsOf(op, index, "f32"), label);
        if (!sample.noGradientCheck) checkGradient(op, sample, inputsOf(op, index, "f64"), label);
      });
    });

  if (op.decomposition)
    test("agrees with its decomposition", () => {
      for (const dtype of floats) {
        eachSample(op, (sample, index, label) => {
          const inputs = inputsOf(op, index, dtype);
          const { values, given } = traced(inputs);
          const plain = op.decomposition?.(values, sample.attributes) ?? [];
          expect(
            plain.map((value) => value.type),
            label,
          ).toEqual(op.infer(inputs, sample.attributes).map(({ shape, dtype }) => ({ shape, dtype })));
          expect(
            plain.map((value) => value.node.op?.name),
            `${label}: made of other ops`,
          ).not.toContain(op.name);
          const data = evaluate(plain, given);
          run(op, inputs, sample.attributes).forEach((output, o) => {
            expect(
              mismatch(output, { ...output, data: data[o] as NumberArray }, toleranceOf(op, dtype)),
              `${label} ${dtype}, output ${o}`,
            ).toBeUndefined();
          });
        });
      }
    });

  if (op.inPlace?.some((input) => input >= 0))
    test("gives the same when written over its inputs", () => {
      for (const dtype of floats) {
        eachSample(op, (sample, index, label) => {
          const inputs = inputsOf(op, index, dtype);
          const expected = run(op, inputs, sample.attributes);
          for (const over of inPlaceOf(op, inputs, expected)) {
            const own = copies(inputs);
            const outputs = expected.map((type, o): View => ({ ...type, data: (own[over[o] ?? -1] ?? poisoned(type)).data }));
            op.kernel(own, outputs, sample.attributes);
            outputs.forEach((output, o) => {
              const found = difference(output.data, (expected[o] as View).data);
              expect(found, `${label} ${dtype}, output ${o} with outputs over inputs ${over}`).toBeUndefined();
            });
          }
        });
      }
    });
});

/** Each allowed overwriting of an input alone, then all at once. Only an input of the output's own type can be written over. */
function inPlaceOf(op: OpDefinition, inputs: readonly View[], outputs: readonly View[]): number[][] {
  const all = outputs.map((output, o) => {
    const i = op.inPlace?.[o] ?? -1;
    const input = inputs[i];
    return input && input.dtype === output.dtype && sameShape(input.shape, output.shape) ? i : -1;
  });
  const allowed = all.filter((i) => i >= 0).length;
  const single = all.map((input, o) => (input >= 0 ? all.map((_, other) => (other === o ? input : -1)) : [])).filter((over) => over.length);
  return allowed > 1 ? [...single, all] : single;
}

// ---------------------------------------------------------------- gradients

/** The gradient's graph of one node, for a cost that weighs each output by fixed numbers, or leaves it out. */
function gradientOf(
  op: OpDefinition,
  values: readonly Value[],
  sample: Sample,
  weights: readonly (Value | undefined)[],
  needs: (i: number) => boolean,
) {
  const outputs = apply(op, values, sample.attributes);
  return op.gradient?.({ inputs: values, outputs, gradients: weights, attributes: sample.attributes, needs }) ?? [];
}

function weightsOf(op: OpDefinition, inputs: readonly View[], sample: Sample): (Value | undefined)[] {
  return op.infer(inputs, sample.attributes).map((type, o) => {
    // Differences of an f32 output in an f64 check are mostly its rounding.
    if (!isFloat(type.dtype) || (type.dtype === "f32" && inputs.some((input) => input.dtype === "f64"))) return undefined;
    const data = newArray(type.dtype, sizeOf(type.shape));
    uniform({ seed: 1, purpose: "tensor", site: o }, data, 0.5, 1.5);
    return source({ kind: "constant", data }, type);
  });
}

/** A gradient has its input's shape and dtype, in f32 too: a number that became f64 on the way would show here. */
function checkGradientTypes(op: OpDefinition, sample: Sample, inputs: readonly View[], label: string): void {
  const { values } = traced(inputs);
  const weights = weightsOf(op, inputs, sample);
  if (!weights.some(Boolean)) return;
  gradientOf(op, values, sample, weights, (i) => isFloat((inputs[i] as View).dtype)).forEach((gradient, i) => {
    if (!gradient) return;
    const { shape, dtype } = inputs[i] as View;
    expect({ shape: gradient.shape, dtype: gradient.dtype }, `${label}: type of the gradient of input ${i}`).toEqual({ shape, dtype });
  });
}

/** Samples hold f32 numbers, so x + h is exact in f64; and h is small beside the root of the least epsilon of the samples. */
const h = 2 ** -19;

/** The rate at which each output's weighed sum changes with each element of input i, by four points: the error is of order h^4. */
function differences(
  op: OpDefinition,
  sample: Sample,
  inputs: readonly View[],
  i: number,
  weights: readonly (NumberArray | undefined)[],
): Float64Array[] {
  const moved = copies(inputs);
  const data = (moved[i] as View).data;
  const found = weights.map(() => new Float64Array(data.length));
  for (let e = 0; e < data.length; e++) {
    const here = data[e] as number;
    const [a, b, c, d] = [-2, -1, 1, 2].map((steps) => {
      data[e] = here + steps * h;
      return run(op, moved, sample.attributes).map((output) => output.data);
    }) as [NumberArray[], NumberArray[], NumberArray[], NumberArray[]];
    data[e] = here;
    weights.forEach((weight, o) => {
      const [fa, fb, fc, fd] = [a[o], b[o], c[o], d[o]] as [NumberArray, NumberArray, NumberArray, NumberArray];
      // Outputs are subtracted before they are added up: what does not change then leaves no rounding error behind.
      let sum = 0;
      for (let j = 0; j < (weight?.length ?? 0); j++) {
        const near = (fc[j] as number) - (fb[j] as number);
        const far = (fd[j] as number) - (fa[j] as number);
        sum += (weight?.[j] as number) * (8 * near - far);
      }
      (found[o] as Float64Array)[e] = sum / (12 * h);
    });
  }
  return found;
}

function checkGradient(op: OpDefinition, sample: Sample, inputs: readonly View[], label: string): void {
  const { values, given } = traced(inputs);
  const all = weightsOf(op, inputs, sample);
  const weights = all.map((weight) => weight && evaluate([weight])[0]);
  const outputs = run(op, inputs, sample.attributes);
  const isInput = (i: number) => isFloat((inputs[i] as View).dtype);
  // Rounding of the cost, which the differences multiply by 1 / h.
  const noise =
    1e-10 * Math.max(1, ...outputs.map((output, o) => (weights[o] ? [...output.data].reduce((sum, x) => sum + Math.abs(x), 0) : 0)));
  const numeric = inputs.map((_, i) => (isInput(i) ? differences(op, sample, inputs, i, weights) : []));
  // Through each output alone, then through all.
  const choices = weights.flatMap((weight, o) => (weight ? [[o]] : []));
  if (choices.length > 1) choices.push(choices.flat());
  for (const chosen of choices) {
    const flowing = all.map((weight, o) => (chosen.includes(o) ? weight : undefined));
    const wanted = gradientOf(op, values, sample, flowing, isInput);
    inputs.forEach((input, i) => {
      if (!isInput(i)) return;
      const where = `${label}: input ${i} through outputs ${chosen}`;
      const expected = Float64Array.from(input.data, (_, e) =>
        chosen.reduce((sum, o) => sum + ((numeric[i] as Float64Array[])[o]?.[e] as number), 0),
      );
      // What a gradient leaves out must be flat.
      const found = wanted[i] ? (evaluate([wanted[i]], given)[0] as NumberArray) : new Float64Array(expected.length);
      const allowed = 1e-7 * largest(expected) + noise;
      const worst = expected.findIndex((x, e) => !(Math.abs(x - (found[e] as number)) <= allowed));
      expect(
        worst < 0 ? "right" : `element ${worst} is ${found[worst]}, central difference ${expected[worst]} (allowed difference ${allowed})`,
        where,
      ).toBe("right");
      const alone = gradientOf(op, values, sample, flowing, (j) => j === i)[i];
      expect(Boolean(alone), `${where}: is there too when no other is wanted`).toBe(Boolean(wanted[i]));
      if (alone) {
        const other = evaluate([alone], given)[0] as NumberArray;
        expect(difference(other, found), `${where}, when no other is wanted`).toBeUndefined();
      }
    });
  }
}
