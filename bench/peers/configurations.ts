// Every library that is measured, in every configuration that may be its best, and how each is started. Says which are not
// installed, and what would install them. Knows no work.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { basename, dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { findAddon } from "../../src/run/addon.ts";
import { type Child, startChild } from "../child.ts";
import { threadCounts } from "../limits.ts";
import { startOurs } from "../ours.ts";
import { resultFile } from "../stamp.ts";

export type Group = "native" | "typescript" | "torch" | "onnx" | "tfjs-wasm" | "tfjs-cpu" | "jax";

export interface Configuration {
  /** Unique. */
  readonly name: string;
  readonly group: Group;
  readonly threads: number;
  start(): Child;
}

/** What is missing, and the command that would install it. */
export interface Missing {
  readonly name: string;
  readonly reason: string;
  readonly install: string;
}

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const most = Math.max(...threadCounts);
const npmInstall = "ONNXRUNTIME_NODE_INSTALL=skip npm --prefix bench/peers install";

/** glibc keeps large blocks and does not return them to the system at every step: fresh pages can cost half of PyTorch's Adam. */
const keptBlocks = { MALLOC_MMAP_THRESHOLD_: "2000000000", MALLOC_TRIM_THRESHOLD_: "8000000000", MALLOC_TOP_PAD_: "268435456" };

/** Thread counts of OpenMP and of OpenBLAS's own pool; a library reads what it knows. */
export function threadVariables(threads: number): Record<string, string> {
  return { OMP_NUM_THREADS: String(threads), OPENBLAS_NUM_THREADS: String(threads), BLIS_NUM_THREADS: String(threads) };
}

/** Files of this name in folders of shared libraries. */
export function libraryFiles(name: string): string[] {
  const roots = existsSync("/usr/lib") ? ["/usr/lib", ...readdirSync("/usr/lib").map((folder) => `/usr/lib/${folder}`)] : [];
  return roots.map((root) => `${root}/${name}`).filter((file) => existsSync(file));
}

/** What a shared library's own file name says of its version. */
export function libraryVersion(file: string): string {
  return /(\d+(\.\d+)+)/.exec(basename(realpathSync(file)))?.[1] ?? "of unknown version";
}

/** Debian has OpenBLAS twice, one threaded by OpenMP and one by itself: files whose folder goes first on the library path. */
export function openblasFiles(): { kind: "openmp" | "pthread"; file: string }[] {
  return (["openmp", "pthread"] as const).flatMap((kind) =>
    libraryFiles(`openblas-${kind}/libopenblas.so.0`).map((file) => ({ kind, file })),
  );
}

/** A Python that has PyTorch: $PYTHON, or the system's. */
function findTorch(): { python: string; version: string } | undefined {
  for (const python of process.env.PYTHON ? [process.env.PYTHON] : ["/usr/bin/python3", "python3"]) {
    const { status, stdout } = spawnSync(python, ["-c", "import torch; print(torch.__version__)"], { encoding: "utf8" });
    if (status === 0) return { python, version: stdout.trim() };
  }
  return undefined;
}

function torchConfigurations(python: string, version: string): Configuration[] {
  const torch = (how: string, threads: number, env: Record<string, string>): Configuration => ({
    name: `PyTorch ${version}, ${how}`,
    group: "torch",
    threads,
    start: () => startChild(python, [here("pytorch.py")], { ...threadVariables(threads), ...env }),
  });
  const tuned = { ...keptBlocks, PEER_FOREACH: "1" };
  const one = [torch("1 thr", 1, {}), torch("1 thr, tuned", 1, tuned)];
  if (most === 1) return one;
  const files = openblasFiles();
  if (!files.length) return [...one, torch(`${most} thr`, most, {}), torch(`${most} thr, tuned`, most, tuned)];
  // With OpenMP both pools are one; OpenBLAS's own spins on the cores that PyTorch's wants.
  const many = files.flatMap(({ kind, file }) => {
    const folder = { LD_LIBRARY_PATH: dirname(file) };
    const configuration = torch(`${most} thr, tuned, OpenBLAS ${kind}`, most, { ...tuned, ...folder });
    return kind === "openmp" ? [torch(`${most} thr, OpenBLAS ${kind}`, most, folder), configuration] : [configuration];
  });
  return [...one, ...many];
}

/** The version that is installed in bench/peers. */
function npmVersion(name: string): string | undefined {
  const file = here(`node_modules/${name}/package.json`);
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version : undefined;
}

/** Network (a) as an ONNX file, which only PyTorch can write here. */
function exportOnnx(python: string): string | undefined {
  const file = resultFile("network-a.onnx");
  try {
    execFileSync(python, [here("pytorch.py")], { env: { ...process.env, PEER_ONNX: file }, input: "", stdio: "pipe" });
    return file;
  } catch {
    return undefined;
  }
}

function npmConfigurations(python: string | undefined, missing: Missing[]): Configuration[] {
  const node = (name: string, group: Group, threads: number, script: string, ...args: string[]): Configuration => ({
    name,
    group,
    threads,
    start: () => startChild(process.execPath, [here(script), ...args], threadVariables(threads)),
  });
  const found: Configuration[] = [];
  const tfjs = npmVersion("@tensorflow/tfjs");
  if (tfjs) found.push(node(`TensorFlow.js ${tfjs} cpu`, "tfjs-cpu", 1, "tfjs.mjs", "cpu"));
  if (tfjs && npmVersion("@tensorflow/tfjs-backend-wasm"))
    found.push(node(`TensorFlow.js ${tfjs} wasm`, "tfjs-wasm", 1, "tfjs.mjs", "wasm"));
  if (!tfjs) missing.push({ name: "TensorFlow.js", reason: "not installed", install: npmInstall });
  const jax = npmVersion("@jax-js/jax");
  if (jax) found.push(node(`jax-js ${jax} wasm`, "jax", 1, "jax.mjs"));
  else missing.push({ name: "jax-js", reason: "not installed", install: npmInstall });
  const onnx = npmVersion("onnxruntime-node");
  const file = onnx && python ? exportOnnx(python) : undefined;
  if (!onnx) missing.push({ name: "onnxruntime-node", reason: "not installed", install: npmInstall });
  else if (!file) missing.push({ name: "onnxruntime-node", reason: "needs PyTorch, which writes its model", install: torchInstall });
  else
    for (const threads of threadCounts)
      found.push(node(`onnxruntime-node ${onnx}, ${threads} thr`, "onnx", threads, "onnx.mjs", file, `${threads}`));
  return found;
}

const torchInstall =
  "apt-get install python3-torch libopenblas0-openmp libopenblas0-pthread   (or: pip install torch; PYTHON=... names it)";

export function findConfigurations(): { configurations: Configuration[]; missing: Missing[] } {
  const missing: Missing[] = [];
  const ours: Configuration[] = [
    {
      name: "minibatch TypeScript",
      group: "typescript",
      threads: 1,
      start: () => startOurs(1, { MINIBATCH_BACKEND: "typescript" }),
    },
  ];
  if (findAddon().addon)
    for (const threads of threadCounts)
      ours.unshift({ name: `minibatch, ${threads} thr`, group: "native", threads, start: () => startOurs(threads) });
  else missing.push({ name: "minibatch's native code", reason: "the addon is not built", install: "npm run build:native" });
  const torch = findTorch();
  if (!torch) missing.push({ name: "PyTorch", reason: "no Python with torch", install: torchInstall });
  const configurations = [
    ...ours,
    ...(torch ? torchConfigurations(torch.python, torch.version) : []),
    ...npmConfigurations(torch?.python, missing),
  ];
  return { configurations, missing };
}
