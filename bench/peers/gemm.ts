// Matrix products beside OpenBLAS and oneDNN: runs native/bench/gemm_bench, which calls all candidates in turn within one
// process, and reads its table. One library at a time, as their spinning threads would disturb each other.
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

interface Library {
  readonly name: string;
  readonly column: "blas" | "dnnl";
  readonly file: string;
  readonly threads: number;
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

function runProgram(isas: string, { column, file, threads }: Library, part: Part, seconds: number): string | undefined {
  const options = ["--isa", isas, "--threads", `${threads}`, `--${column}`, file, "--seconds", `${seconds}`];
  const args = [...options, ...(part.only ? ["--only", part.only] : []), ...(part.f64 ? ["--f64"] : [])];
  const { status, stdout } = spawnSync(program, args, { encoding: "utf8", env: { ...process.env, ...threadVariables(threads) } });
  return status === 0 ? stdout : undefined;
}

function libraries(isas: string): Library[] {
  const openblas = openblasFiles().map(({ kind, file }) => ({
    name: `OpenBLAS ${libraryVersion(file)} ${kind}`,
    column: "blas" as const,
    file,
  }));
  if (!openblas.length)
    openblas.push(
      ...libraryFiles("libopenblas.so.0").map((file) => ({ name: `OpenBLAS ${libraryVersion(file)}`, column: "blas" as const, file })),
    );
  const onednn = [2, 3]
    .flatMap((version) => libraryFiles(`libdnnl.so.${version}`))
    .map((file) => ({ name: `oneDNN ${libraryVersion(file)}`, column: "dnnl" as const, file }));
  const tiny: Part = { name: "", f64: false, only: "square 64x", counts: () => true };
  // On one thread OpenBLAS's two ways of threading are the same kernels.
  return threadCounts.flatMap((threads) =>
    [...(threads === 1 ? openblas.slice(0, 1) : openblas), ...onednn]
      .map((library) => ({ ...library, threads }))
      .filter((library) => runProgram(isas, library, tiny, 0.001) !== undefined),
  );
}

/** One work of the comparison: its products against each library in every round. */
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
  const all = libraries(isas.join(","));
  const missing = ["OpenBLAS", "oneDNN"]
    .filter((name) => !all.some((library) => library.name.startsWith(name)))
    .map((name) => ({ name: `GEMM of ${name}`, reason: "its library is not found", install }));
  // The mean is taken of all shapes, N = 10 of the same runs.
  const runs = [...new Map(wanted.map((part) => [part.f64 ? part.only : "f32", part])).values()];
  const narrow = wanted.some((part) => part.only === "") ? "" : (runs[0]?.only ?? "");
  const measured = new Map<string, Product[][]>();
  const cores: number[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const library of all) {
      const now = library.threads > 1 ? await scaling(library.threads) : undefined;
      if (now !== undefined) cores.push(now);
      for (const part of runs) {
        if (part.f64 && library.column === "dnnl") continue; // it has no f64
        tell(`round ${round + 1} of ${rounds}: ${part.f64 ? part.name : "GEMM, f32"}, ${library.name}, ${library.threads} thr`);
        const text = runProgram(isas.join(","), library, part.f64 ? part : { ...part, only: narrow }, seconds);
        const key = `${part.f64 ? part.only : "f32"} ${library.name} ${library.threads}`;
        if (text) measured.set(key, [...(measured.get(key) ?? []), readProducts(text)]);
      }
    }
  }
  const results = threadCounts.flatMap((threads) =>
    wanted.flatMap((part) =>
      isas.flatMap((isa) => {
        const sides = all
          .filter((library) => library.threads === threads)
          .flatMap((library) => {
            const kept = measured.get(`${part.f64 ? part.only : "f32"} ${library.name} ${threads}`);
            return kept ? [resultOf(part, isa, library, kept, threads > 1 && cores.length ? median(cores) : undefined)] : [];
          });
        const hardest = sides.sort((a, b) => a.ratio - b.ratio)[0];
        return hardest ? [hardest] : [];
      }),
    ),
  );
  return { results, missing };
}

function resultOf(part: Part, isa: string, library: Library, rounds: readonly Product[][], cores: number | undefined): Result {
  const mean = (of: (product: Product) => number) => rounds.map((list) => geometricMean(list.filter((p) => part.counts(p.label)).map(of)));
  const ratios = mean((p) => p.ratios[isa] ?? Number.NaN);
  const ours = median(mean((p) => p.gflops[isa] ?? Number.NaN));
  const peer = median(mean((p) => p.gflops[library.column] ?? Number.NaN));
  const threads = `${library.threads} thread${library.threads > 1 ? "s" : ""}`;
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
