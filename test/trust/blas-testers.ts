// netlib's testers of BLAS (Debian's package libblas-test), unchanged, on our matrix product: every instruction set that works here,
// f32 and f64, by columns and by rows, all transpositions, sizes from 0 to 65, alpha and beta of 0, 1 and others, and the error exits. They are
// made to call the shipped kernels by a small library (parts/blas-gemm.cc) linked with the addon's own objects.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { evidence } from "./parts/evidence.ts";

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));
/** Where Debian puts them on x86-64. */
const testers = "/usr/lib/x86_64-linux-gnu/blas";
const objects = at("../../build/Release/obj.target/minibatch/native");

/** The shipped kernels under the names of BLAS. */
function build(): string {
  if (!existsSync(objects)) throw new Error(`the addon's objects are not at ${objects}: npm run build:native leaves them there`);
  const folder = at("../../build/trust");
  mkdirSync(folder, { recursive: true });
  const library = join(folder, "blas-gemm.so");
  const made = ["dispatch", "target/scalar", "target/avx2", "target/avx512", "blas/kernels", "blas/library"].map((name) =>
    join(objects, `${name}.o`),
  );
  const flags = ["-std=c++20", "-O2", "-fPIC", "-shared", "-Wall", "-Wextra", "-Werror"];
  const { status, stderr } = spawnSync("g++", [...flags, at("parts/blas-gemm.cc"), ...made, "-ldl", "-o", library], { encoding: "utf8" });
  if (status !== 0) throw new Error(`the library of our product does not build: ${stderr}`);
  return library;
}

interface Tester {
  readonly program: string;
  readonly routine: string;
  readonly type: "f32" | "f64";
  /** The CBLAS one tests by columns and by rows, and has no summary file. */
  readonly cblas: boolean;
}

const all: readonly Tester[] = [
  { program: "xblat3s", routine: "SGEMM", type: "f32", cblas: false },
  { program: "xblat3d", routine: "DGEMM", type: "f64", cblas: false },
  { program: "xscblat3", routine: "cblas_sgemm", type: "f32", cblas: true },
  { program: "xdcblat3", routine: "cblas_dgemm", type: "f64", cblas: true },
];

/** Sizes, of which a tester takes nine and tries every m, n and k: the ends, and what lies about the tiles of kernels. With a higher --n any others. */
const edges: readonly number[][] = [
  [0, 1, 2, 3, 8, 17, 31, 48, 65],
  [0, 5, 9, 15, 16, 32, 33, 63, 64],
];
/** With --short: a sixth of the calls. */
const fewEdges: readonly number[][] = [[0, 1, 7, 33, 65]];

const alphas = "0.0 1.0 0.7";
const betas = "0.0 1.0 1.3";
const cases = 3 * 3 * 3 * 3;

/** What a tester reads: only our routine is marked T. */
function questions({ routine, type, cblas }: Tester, sizes: readonly number[]): string {
  const letter = type === "f32" ? "s" : "d";
  const others = ["symm", "trmm", "trsm", "syrk", "syr2k"].map((name) =>
    cblas ? `cblas_${letter}${name}` : `${letter}${name}`.toUpperCase(),
  );
  return [
    ...(cblas ? [] : ["'summary.out'", "6"]),
    "'SNAPSHOT'",
    "-1",
    "F",
    "F",
    "T error exits",
    ...(cblas ? ["2 by columns and by rows"] : []),
    "16.0",
    sizes.length,
    sizes.join(" "),
    3,
    alphas,
    3,
    betas,
    `${routine.padEnd(cblas ? 12 : 6)} T`,
    ...others.map((name) => `${name.padEnd(cblas ? 12 : 6)} F`),
    "",
  ].join("\n");
}

/** How many calls a tester made, or what was wrong. */
function run(tester: Tester, sizes: readonly number[], isa: string, library: string, folder: string): number | string {
  const { program, routine, type, cblas } = tester;
  const summary = join(folder, "summary.out");
  rmSync(summary, { force: true });
  const { status, stdout, stderr, signal } = spawnSync(join(testers, program), [], {
    cwd: folder,
    encoding: "utf8",
    input: questions(tester, sizes),
    env: { ...process.env, LD_PRELOAD: library, MINIBATCH_ISA: isa },
    timeout: 300_000,
  });
  const said = cblas || !existsSync(summary) ? stdout : readFileSync(summary, "utf8");
  const what = `${program}, ${isa}, sizes ${sizes.join(" ")}`;
  if (status !== 0) return `${what}: ended with ${signal ?? status}: ${stderr.slice(-500)}${said.slice(-500)}`;
  const lines = said.split("\n").map((line) => line.trim());
  const bad = lines.filter((line) => /FAIL|\*\*\*|SUSPECT|ABANDONED|FATAL/.test(line));
  if (bad.length) return `${what}: ${bad.slice(0, 3).join(" | ")}`;
  const passed = (test: string) => lines.some((line) => line.startsWith(routine) && line.includes(`PASSED THE ${test}`));
  if (!passed("TESTS OF ERROR-EXITS")) return `${what}: the error exits were not tested`;
  // Each of three transpositions of A and of B, every m, n and k, alpha and beta.
  const expected = sizes.length ** 3 * cases;
  const orders = cblas ? ["COLUMN-MAJOR COMPUTATIONAL TESTS", "ROW-MAJOR    COMPUTATIONAL TESTS"] : ["COMPUTATIONAL TESTS"];
  for (const order of orders) {
    const line = lines.find((each) => each.startsWith(routine) && each.includes(`PASSED THE ${order}`));
    const calls = Number(/\(\s*(\d+) CALLS\)/.exec(line ?? "")?.[1]);
    if (calls !== expected) return `${what}: ${order}: ${calls} calls, ${expected} expected`;
  }
  // That it was our product, and of this instruction set: those where alpha or a size is 0 need none.
  const made = new RegExp(`^products: ${isa} f32 (\\d+) f64 (\\d+)$`, "m").exec(stderr);
  const [ours, other] = type === "f32" ? [made?.[1], made?.[2]] : [made?.[2], made?.[1]];
  const whole = orders.length * sizes.filter((size) => size > 0).length ** 3 * 9 * 6;
  if (Number(ours) < whole || Number(other) !== 0) return `${what}: our kernel made ${ours} products, at least ${whole} expected`;
  return orders.length * expected;
}

await evidence("blas-testers", { short: 1, long: 2 }, async ({ n, long, random, fail, say }) => {
  if (!existsSync(join(testers, "xblat3s"))) {
    const what = "netlib's testers are not installed: apt-get install libblas-test";
    if (process.env.CI) fail(what);
    else say(what);
    return 0;
  }
  const addon = createRequire(import.meta.url)(at("../../build/Release/minibatch.node")) as { info(): { isas: readonly string[] } };
  const { isas } = addon.info();
  const library = build();
  const folder = mkdtempSync(join(tmpdir(), "minibatch-blas-"));
  let calls = 0;
  try {
    for (let i = 0; i < n; i++) {
      const sizes = (long ? edges : fewEdges)[i] ?? [...new Set(Array.from({ length: 9 }, () => random.below(66)))].sort((a, b) => a - b);
      for (const isa of isas) {
        for (const tester of all) {
          const made = run(tester, sizes, isa, library, folder);
          if (typeof made === "string") fail(made);
          else calls += made;
        }
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  say(`${calls} calls of xblat3s, xblat3d, xscblat3 and xdcblat3 on ${isas.join(", ")}`);
  return calls;
});
