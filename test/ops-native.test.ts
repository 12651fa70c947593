// The conformance suite, native part: every entry on every instruction set that this machine has, against the TypeScript
// kernels, in both float types; and the same bits for any number of threads and for AVX2 as for AVX-512.
import { beforeAll, describe, expect, test } from "vitest";
import { packOp, viewOp } from "../src/graph/segment.ts";
import { table } from "../src/ops/table.ts";
import { findAddon } from "../src/run/addon.ts";
import { type Answer, ask, casesOf, expectAgreement, type Result } from "./native-cases.ts";

const off = process.env.MINIBATCH_BACKEND === "typescript";
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
      answers.set(isa, ask(path, { MINIBATCH_ISA: isa }, cases));
    });

    test("is the instruction set that ran", () => {
      expect(answers.get(isa)?.info.error).toBeUndefined();
      expect(answers.get(isa)?.info.isa).toBe(isa);
    });

    test.each(native.map((op) => [op.name, op] as const))("%s agrees with TypeScript", (_name, op) => {
      let ran = 0;
      cases.forEach((item, i) => {
        if (item.op !== op) return;
        if (expectAgreement(item, (answers.get(isa) as Answer).results[i] as Result)) ran++;
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
