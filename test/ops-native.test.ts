// The conformance suite, native part: every entry on every instruction set that this machine has, against the TypeScript
// kernels, in both float types; and the same bits for any number of threads and for AVX2 as for AVX-512.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { deserialize, serialize } from "node:v8";
import { beforeAll, describe, expect, test } from "vitest";
import type { FloatType } from "../src/dtype.ts";
import { packOp, viewOp } from "../src/graph/segment.ts";
import type { OpDefinition, View } from "../src/ops/define.ts";
import { table } from "../src/ops/table.ts";
import { findAddon } from "../src/run/addon.ts";
import { sameShape } from "../src/shape.ts";
import { poisoned } from "./evaluate.ts";
import { decodeOutputs, type EncodedCase, encodeCase, strayByte } from "./instruction.ts";
import { copies, inputsOf, labelOf, mismatch, toleranceOf } from "./samples.ts";

interface Case {
  readonly op: OpDefinition;
  readonly label: string;
  readonly dtype: FloatType;
  readonly encoded: EncodedCase;
  readonly expected: readonly View[];
  /** Floats in, floats out: whoever has a kernel at all has one for that. */
  readonly plain: boolean;
}
type Result = { readonly memory: Uint8Array; readonly sameBytes: boolean } | { readonly unsupported: true } | { readonly error: string };
interface Answer {
  readonly info: { readonly isa: string; readonly isas: string[]; readonly kernels: string[]; readonly error?: string };
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
function casesOf(op: OpDefinition): Case[] {
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

function ask(addon: string, isa: string, cases: readonly Case[]): Answer {
  const input = serialize(cases.map(({ encoded: { names, code, memory } }) => ({ names, code, memory })));
  const { stdout, stderr, status, signal } = spawnSync(process.execPath, [script, addon], {
    input,
    maxBuffer: 2 ** 30,
    env: { ...process.env, MINIBATCH_ISA: isa },
  });
  if (status !== 0) throw new Error(`native cases on ${isa}: exit status ${status}, signal ${signal}\n${stderr}`);
  return deserialize(stdout) as Answer;
}

const off = process.env["MINIBATCH_BACKEND"] === "typescript";
const { addon, path, attempts } = off ? { addon: undefined, path: undefined, attempts: [] } : findAddon();

if (!addon || !path) {
  const reasons = off ? "MINIBATCH_BACKEND=typescript" : attempts.map((attempt) => `${attempt.path}: ${attempt.reason}`).join("; ");
  test.skip(`native kernels: no addon (${reasons})`, () => {});
} else {
  const { isas, kernels } = addon.info();
  const native = table.filter((op) => kernels.includes(op.name));
  const cases = native.flatMap(casesOf);
  const answers = new Map<string, Answer>();

  test("every kernel belongs to an entry of the table, or to the graph", () => {
    const names = [...table, viewOp, packOp].map((op) => op.name);
    expect(kernels.filter((name) => !names.includes(name))).toEqual([]);
  });

  const missing = table.filter((op) => !op.alias && !kernels.includes(op.name)).map((op) => op.name);
  if (missing.length) test.skip(`no native kernel, TypeScript runs: ${missing.join(", ")}`, () => {});

  describe.each(isas)("%s", (isa) => {
    beforeAll(() => {
      answers.set(isa, ask(path, isa, cases));
    });

    test("is the instruction set that ran", () => {
      expect(answers.get(isa)?.info.error).toBeUndefined();
      expect(answers.get(isa)?.info.isa).toBe(isa);
    });

    test.each(native.map((op) => [op.name, op] as const))("%s agrees with TypeScript", (_name, op) => {
      let ran = 0;
      cases.forEach((item, i) => {
        if (item.op !== op) return;
        const result = (answers.get(isa) as Answer).results[i] as Result;
        if ("unsupported" in result) {
          expect(item.plain, `${item.label}: has no kernel for its types`).toBe(false);
          return;
        }
        if ("error" in result) throw new Error(`${item.label}: ${result.error}`);
        ran++;
        decodeOutputs(item.encoded, result.memory, item.expected).forEach((output, o) => {
          expect(mismatch(output, item.expected[o] as View, toleranceOf(op, item.dtype)), `${item.label}, output ${o}`).toBeUndefined();
        });
        expect(
          strayByte(item.encoded, result.memory, item.expected),
          `${item.label}: a byte outside the outputs was changed`,
        ).toBeUndefined();
        expect(result.sameBytes, `${item.label}: the same bytes with three threads`).toBe(true);
      });
      expect(ran).toBeGreaterThan(0);
    });
  });

  test.runIf(isas.includes("avx2") && isas.includes("avx512"))("AVX2 and AVX-512 give the same bits", () => {
    const [first, second] = ["avx2", "avx512"].map((isa) => answers.get(isa)?.results ?? []) as [Answer["results"], Answer["results"]];
    const different = cases.filter((_, i) => {
      const [a, b] = [first[i], second[i]] as [Result, Result];
      return "memory" in a && "memory" in b ? Buffer.compare(a.memory, b.memory) !== 0 : "memory" in a !== "memory" in b;
    });
    expect(different.map((item) => item.label)).toEqual([]);
  });
}
