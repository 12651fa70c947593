// MINIBATCH_BLAS: products by a system library agree with TypeScript, train, and give the same bits for any number of threads;
// a library that cannot be used is said, and our own kernels go on. The library is MINIBATCH_BLAS, or one that is installed.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import type { Sample } from "../src/ops/define.ts";
import { table } from "../src/ops/table.ts";
import { findAddon } from "../src/run/addon.ts";
import { ask, casesOf, expectAgreement, type Result } from "./native-cases.ts";

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));

const usual = ["x86_64", "aarch64"].flatMap((machine) => {
  const folder = `/usr/lib/${machine}-linux-gnu`;
  return [`${folder}/openblas-pthread/libopenblas.so.0`, `${folder}/libopenblas.so.0`];
});
const library = process.env.MINIBATCH_BLAS || [...usual, "/usr/lib64/libopenblas.so.0"].find((path) => existsSync(path));

const { addon, path = "", attempts } = process.env.MINIBATCH_BACKEND === "typescript" ? { addon: undefined, attempts: [] } : findAddon();
const why = addon ? "no OpenBLAS is installed" : `no addon ${attempts.map(({ reason }) => reason).join("; ")}`;

const command = at("../bin/minibatch.mjs");
function doctor(blas: string) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [command, "doctor"], {
    encoding: "utf8",
    env: { ...process.env, MINIBATCH_BLAS: blas },
  });
  return { status, stdout, stderr };
}

interface Trained {
  readonly name: string;
  readonly threads: number;
  readonly blas?: string;
  readonly trainError: number;
  readonly hash: string;
}
function train(environment: Readonly<Record<string, string>>): Trained {
  const text = execFileSync(process.execPath, ["--import", "tsx", at("./bits-run.ts"), "1500"], {
    cwd: at(".."),
    encoding: "utf8",
    env: { ...process.env, MINIBATCH_BACKEND: "native", ...environment },
  });
  return JSON.parse(text.trim().split("\n").at(-1) as string) as Trained;
}

describe.skipIf(!addon || !library)(`products by ${library ?? "a CBLAS"}${addon && library ? "" : ` (skipped: ${why})`}`, () => {
  const blas = library as string;

  it("agree with TypeScript, for one thread and three", () => {
    const products = table.filter((op) => op.name === "matmul" || op.name === "linear");
    // Of several pieces, with ragged ends; nothing cancels, so that the tolerances of small samples serve.
    const large = {
      matmul: [
        [401, 300],
        [300, 203],
      ],
      linear: [[203, 300], [300, 401], [401]],
    };
    const samples = products.map((op) => ({
      inputs: large[op.name as keyof typeof large].map((shape) => ({ shape, range: [0.5, 1] as const })),
      attributes: op.samples[0]?.attributes ?? {},
    }));
    const cases = products.flatMap((op, i) => casesOf({ ...op, samples: [...op.samples, samples[i] as Sample] }));
    const { info, results } = ask(path, { MINIBATCH_BLAS: blas }, cases);
    expect(info.blas).toContain(blas);
    expect(cases.filter((item, i) => expectAgreement(item, results[i] as Result)).length).toBeGreaterThan(10);
  });

  it("train as ours do, with the same bits for 1, 2 and 3 threads", () => {
    const ours = train({ MINIBATCH_BLAS: "", MINIBATCH_THREADS: "1" });
    const theirs = [1, 2, 3].map((threads) => train({ MINIBATCH_BLAS: blas, MINIBATCH_THREADS: String(threads) }));
    expect(ours.blas).toBeUndefined();
    expect(theirs.map((result) => result.threads)).toEqual([1, 2, 3]);
    for (const result of theirs) {
      expect(result.blas).toContain(blas);
      expect(result.trainError).toBeCloseTo(ours.trainError, 2);
    }
    expect(new Set(theirs.map((result) => result.hash)).size).toBe(1);
  });

  it("are told by the doctor", () => {
    const { status, stdout } = doctor(blas);
    expect(stdout).toMatch(/matrix products +\S/);
    expect(stdout).toContain(`(${blas})`);
    expect(status).toBe(0);
  });
});

describe.skipIf(!addon)(`a library that cannot be used${addon ? "" : ` (skipped: ${why})`}`, () => {
  it.each([
    ["/nowhere/libblas.so", "which does not load: /nowhere/libblas.so: "],
    // A shared library without products.
    [path, "without cblas_sgemm"],
  ])("%s", (blas, says) => {
    const { status, stdout, stderr } = doctor(blas);
    const message = `MINIBATCH_BLAS: must be a shared library with cblas_sgemm and cblas_dgemm, got "${blas}" ${says}`;
    expect(stdout).toMatch(/back end +native/);
    expect(stdout).toContain(`matrix products   our own: ${message}`);
    expect(stderr.split(message).length - 1, stderr).toBe(1);
    expect(stderr).toContain("; our own kernels multiply");
    expect(status).toBe(0);
  });

  it("leaves the bits of our own kernels", () => {
    const [ours, theirs] = ["", "/nowhere/libblas.so"].map((blas) => train({ MINIBATCH_BLAS: blas }));
    expect(theirs?.hash).toBe(ours?.hash);
  });
});
