// Matrix products beside OpenBLAS and oneDNN: runs native/bench/gemm_bench and reads its table. On one thread the library
// and we are called in turn within one process; with more, each has its own, since helpers that spin while they wait for
// the next call take the cores of whoever is called next.
import { execFileSync, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { findAddon } from "../../src/run/addon.ts";
import { scaling, threadCounts } from "../limits.ts";
import { geometricMean, median } from "../measure.ts";
import { libraryFiles, libraryVersion, type Missing, openblasFiles, threadVariables } from "./configurations.ts";
import type { Result } from "./table.ts";

/** A line of gemm_bench: of each candidate the median speed of its quickest samples, and ours as a multiple of the library's. */
export interface Product {
  readonly label: string;
  readonly gflops: Readonly<Record<string, number>>;
  readonly ratios: Readonly<Record<string, number>>;
}

/** Columns: kind and size, then for each candidate its best and its median, then ratios named ours/theirs. */
export function readProducts(text: string): Product[] {
  const [head = "", ...lines] = text.trim().split("\n");
  const columns = head.trim().split(/\s+/).slice(2);
  return lines.map((line) => {
    const [kind, size, ...numbers] = line.trim().split(/\s+/);
    const gflops: Record<string, number> = {};
    const ratios: Record<string, number> = {};
    columns.forEach((column, i) => {
      if (column === "med") gflops[columns[i - 1] as string] = Number(numbers[i]);
      else if (column.includes("/")) ratios[column.split("/")[0] as string] = Number(numbers[i]);
    });
    return { label: `${kind} ${size}`, gflops, ratios };
  });
}

/** What two processes measured, put together as if one had. */
export function beside(ours: readonly Product[], theirs: readonly Product[], column: string): Product[] {
  return ours.flatMap(({ label, gflops }) => {
    const speed = theirs.find((product) => product.label === label)?.gflops[column];
    if (speed === undefined) return [];
    const ratios = Object.fromEntries(Object.entries(gflops).map(([isa, own]) => [isa, own / speed]));
    return [{ label, gflops: { ...gflops, [column]: speed }, ratios }];
  });
}

interface Library {
  readonly name: string;
  readonly column: "blas" | "dnnl";
  readonly file: string;
}

interface Part {
  readonly name: string;
  readonly f64: boolean;
  /** For gemm_bench: shapes whose label contains it. */
  readonly only: string;
  counts(label: string): boolean;
}

export const parts: readonly Part[] = [
  { name: "GEMM, geometric mean of all shapes", f64: false, only: "", counts: () => true },
  { name: "GEMM, N = 10", f64: false, only: "x10", counts: (label) => label.endsWith("x10") },
  { name: "GEMM, f64 512x512x512", f64: true, only: "square 512", counts: () => true },
  { name: "GEMM, f64 1024x1024x1024", f64: true, only: "square 1024", counts: () => true },
];

const root = fileURLToPath(new URL("../../", import.meta.url));
const program = `${root}build/cmake-release/gemm_bench`;

/** Builds gemm_bench where it is older than its sources; the first time takes a minute or two. */
function build(): string | undefined {
  try {
    execFileSync("cmake", ["--preset", "release", "-DMINIBATCH_ADDON=OFF"], { cwd: root, stdio: "pipe" });
    execFileSync("cmake", ["--build", "--preset", "release", "--target", "gemm_bench"], { cwd: root, stdio: "pipe" });
    return undefined;
  } catch (error) {
    return error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
  }
}

function runProgram(isas: string, library: Library | undefined, threads: number, part: Part, seconds: number): Product[] | undefined {
  const args = ["--isa", isas, "--threads", `${threads}`, "--seconds", `${seconds}`];
  if (library) args.push(`--${library.column}`, library.file);
  if (part.only) args.push("--only", part.only);
  if (part.f64) args.push("--f64");
  const { status, stdout } = spawnSync(program, args, { encoding: "utf8", env: { ...process.env, ...threadVariables(threads) } });
  return status === 0 ? readProducts(stdout) : undefined;
}

function libraries(): Library[] {
  const blas = (file: string, kind = "") => ({ name: `OpenBLAS ${libraryVersion(file)}${kind}`, column: "blas" as const, file });
  const threaded = openblasFiles().map(({ kind, file }) => blas(file, ` ${kind}`));
  const plain = libraryFiles("libopenblas.so.0").map((file) => blas(file));
  const onednn = [2, 3].flatMap((version) => libraryFiles(`libdnnl.so.${version}`));
  return [
    ...(threaded.length ? threaded : plain),
    ...onednn.map((file) => ({ name: `oneDNN ${libraryVersion(file)}`, column: "dnnl" as const, file })),
  ];
}

/** All shapes of f32 are measured in one go, whichever are asked for; oneDNN has no f64. */
const keyOf = (part: Part, { name }: Library, threads: number) => `${part.f64 ? part.only : "f32"} ${name} ${threads}`;

/** The wanted parts against each library, in so many rounds. */
export async function compareGemm(
  wanted: readonly Part[],
  rounds: number,
  seconds: number,
  tell: (text: string) => void,
): Promise<{ results: Result[]; missing: Missing[] }> {
  const isas =
    findAddon()
      .addon?.info()
      .isas.filter((isa) => isa !== "scalar")
      .reverse() ?? [];
  tell("GEMM: building native/bench/gemm_bench");
  const failed = isas.length ? build() : "no native addon";
  const install = "apt-get install cmake g++ libopenblas0-openmp libopenblas0-pthread libdnnl2";
  if (failed !== undefined) return { results: [], missing: [{ name: "GEMM of OpenBLAS and oneDNN", reason: failed, install }] };
  const all = libraries();
  const missing = ["OpenBLAS", "oneDNN"]
    .filter((name) => !all.some((library) => library.name.startsWith(name)))
    .map((name) => ({ name: `GEMM of ${name}`, reason: "its library is not found", install }));

  const [single = [], double = []] = [false, true].map((f64) => wanted.filter((part) => part.f64 === f64));
  const widest = [...single].sort((a, b) => a.only.length - b.only.length).slice(0, 1);
  const runs = [...widest, ...double];
  const measured = new Map<string, Product[][]>();
  const cores: number[] = [];
  const names = isas.join(",");
  for (let round = 0; round < rounds; round++) {
    for (const threads of threadCounts) {
      const now = threads > 1 ? await scaling(threads) : undefined;
      if (now !== undefined) cores.push(now);
      for (const part of runs) {
        const say = (name: string) =>
          tell(`round ${round + 1} of ${rounds}: ${part.f64 ? part.name : "GEMM, f32"}, ${name}, ${threads} thr`);
        if (threads > 1) say("minibatch");
        const ours = threads > 1 ? runProgram(names, undefined, threads, part, seconds) : undefined;
        // On one thread OpenBLAS's two ways of threading are the same kernels.
        const one = all.filter(({ column }, i) => column === "dnnl" || i === 0);
        for (const library of threads > 1 ? all : one) {
          if (part.f64 && library.column === "dnnl") continue;
          say(library.name);
          const found = runProgram(ours ? "none" : names, library, threads, part, seconds);
          const products = found && ours ? beside(ours, found, library.column) : found;
          const key = keyOf(part, library, threads);
          if (products) measured.set(key, [...(measured.get(key) ?? []), products]);
        }
      }
    }
  }

  const results: Result[] = [];
  for (const threads of threadCounts) {
    for (const part of wanted) {
      for (const isa of isas) {
        const sides = all.flatMap((library) => {
          const kept = measured.get(keyOf(part, library, threads));
          return kept ? [resultOf(part, isa, library, threads, kept, threads > 1 && cores.length ? median(cores) : undefined)] : [];
        });
        // The one that is hardest to beat.
        results.push(...sides.sort((a, b) => a.ratio - b.ratio).slice(0, 1));
      }
    }
  }
  return { results, missing };
}

function resultOf(
  part: Part,
  isa: string,
  library: Library,
  count: number,
  rounds: readonly Product[][],
  cores: number | undefined,
): Result {
  const mean = (of: (product: Product) => number) => rounds.map((list) => geometricMean(list.filter((p) => part.counts(p.label)).map(of)));
  const ratios = mean((p) => p.ratios[isa] ?? Number.NaN);
  const ours = median(mean((p) => p.gflops[isa] ?? Number.NaN));
  const peer = median(mean((p) => p.gflops[library.column] ?? Number.NaN));
  const threads = `${count} thread${count > 1 ? "s" : ""}`;
  return {
    work: `${part.name}, ${threads}, ${isa}`,
    unit: "GFLOP/s",
    ours: { name: "minibatch", p10: ours, median: ours },
    peer: { name: library.name, p10: peer, median: peer },
    ratio: median(ratios),
    lowest: Math.min(...ratios),
    highest: Math.max(...ratios),
    ratioOfMedians: median(ratios),
    cores,
  };
}
