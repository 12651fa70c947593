// The entries' samples as one-instruction programs for native code, run in a process of its own and compared with the TypeScript
// kernels. Knows no op.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { deserialize, serialize } from "node:v8";
import { expect } from "vitest";
import type { FloatType } from "../src/dtype.ts";
import type { OpDefinition, View } from "../src/ops/define.ts";
import { sameShape } from "../src/shape.ts";
import { poisoned } from "./evaluate.ts";
import { decodeOutputs, type EncodedCase, encodeCase, strayByte } from "./instruction.ts";
import { copies, inputsOf, labelOf, mismatch, toleranceOf } from "./samples.ts";

export interface Case {
  readonly op: OpDefinition;
  readonly label: string;
  readonly dtype: FloatType;
  readonly encoded: EncodedCase;
  readonly expected: readonly View[];
  /** Floats in, floats out: whoever has a kernel at all has one for that. */
  readonly plain: boolean;
}
export type Result =
  | { readonly memory: Uint8Array; readonly sameBytes: boolean }
  | { readonly unsupported: true }
  | { readonly error: string };
export interface Answer {
  readonly info: {
    readonly isa: string;
    readonly isas: string[];
    readonly kernels: string[];
    readonly error?: string;
    readonly blas?: string;
  };
  readonly results: readonly Result[];
}

function overOf(op: OpDefinition, inputs: readonly View[], outputs: readonly View[]): number[] {
  return outputs.map((output, o) => {
    const i = op.inPlace?.[o] ?? -1;
    const input = inputs[i];
    return input && input.dtype === output.dtype && sameShape(input.shape, output.shape) ? i : -1;
  });
}

/** Each sample in both float types, aligned and not, beside its inputs and over them. */
export function casesOf(op: OpDefinition): Case[] {
  return (["f32", "f64"] as const).flatMap((dtype) =>
    op.samples.flatMap((sample, index) => {
      const inputs = inputsOf(op, index, dtype);
      const expected = op.infer(inputs, sample.attributes).map(poisoned);
      op.kernel(copies(inputs), expected, sample.attributes);
      const over = overOf(op, inputs, expected);
      const plain = [...inputs, ...expected].every((view) => view.dtype === dtype);
      const layouts = [
        { over: [], shifted: false, how: "" },
        // Where slices start matters to loads and stores, not to the cutting into pieces, for which large samples are there.
        ...(inputs.some((input) => input.data.length > 10_000) ? [] : [{ over: [], shifted: true, how: ", not aligned" }]),
        ...(over.some((i) => i >= 0) ? [{ over, shifted: false, how: `, over inputs ${over}` }] : []),
      ];
      return layouts.map(({ over, shifted, how }) => ({
        op,
        label: `${labelOf(op, index)} ${dtype}${how}`,
        dtype,
        expected,
        plain,
        encoded: encodeCase(op.name, sample.attributes, inputs, expected, over, shifted),
      }));
    }),
  );
}

const script = fileURLToPath(new URL("./run-cases.mjs", import.meta.url));

/** Runs cases in a process of its own, whose environment chooses the kernels. */
export function ask(addon: string, environment: Readonly<Record<string, string>>, cases: readonly Case[]): Answer {
  const input = serialize(cases.map(({ encoded: { names, code, memory } }) => ({ names, code, memory })));
  const { stdout, stderr, status, signal } = spawnSync(process.execPath, [script, addon], {
    input,
    maxBuffer: 2 ** 30,
    env: { ...process.env, ...environment },
  });
  if (status !== 0) throw new Error(`native cases with ${JSON.stringify(environment)}: exit status ${status}, signal ${signal}\n${stderr}`);
  return deserialize(stdout) as Answer;
}

/** That the result of a case is what TypeScript makes of it, for any number of threads; false where no kernel takes its types. */
export function expectAgreement(item: Case, result: Result): boolean {
  if ("unsupported" in result) {
    expect(item.plain, `${item.label}: has no kernel for its types`).toBe(false);
    return false;
  }
  if ("error" in result) throw new Error(`${item.label}: ${result.error}`);
  decodeOutputs(item.encoded, result.memory, item.expected).forEach((output, o) => {
    expect(mismatch(output, item.expected[o] as View, toleranceOf(item.op, item.dtype)), `${item.label}, output ${o}`).toBeUndefined();
  });
  expect(strayByte(item.encoded, result.memory, item.expected), `${item.label}: a byte outside the outputs was changed`).toBeUndefined();
  expect(result.sameBytes, `${item.label}: the same bytes with three threads`).toBe(true);
  return true;
}
