// tfjs-core's published tests of ops, gradients, losses and optimizers (npm), unchanged, on this library through a facade (test/tfjs), on both
// executors: every case passes or has a reason why it does not apply, and test/tfjs/cases.txt says which. The package is installed where
// it is missing. UPDATE_TFJS_LIST=1 writes the list again.
import { execFile, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { firstDifference, listOf } from "../tfjs/cases.ts";
import type { Outcome } from "../tfjs/jasmine.ts";
import { evidence } from "./parts/evidence.ts";

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const listFile = at("../tfjs/cases.txt");

interface Report {
  readonly executor: string;
  readonly isa: string;
  readonly files: number;
  readonly outcomes: readonly Outcome[];
}

async function report(executor: string): Promise<Report | string> {
  const folder = mkdtempSync(join(tmpdir(), "minibatch-tfjs-"));
  try {
    const output = join(folder, "outcomes.json");
    const env = { ...process.env, MINIBATCH_BACKEND: executor };
    await promisify(execFile)(process.execPath, ["--import", "tsx", at("../tfjs/run.ts"), output], { env, timeout: 600_000 });
    return JSON.parse(readFileSync(output, "utf8")) as Report;
  } catch (error) {
    return `the run failed: ${String(error).slice(-1000)}`;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** One line per reason, the most frequent first. */
function reasonsOf(outcomes: readonly Outcome[]): string {
  const counts = new Map<string, number>();
  for (const { status, reason } of outcomes) if (status === "not applicable") counts.set(reason, (counts.get(reason) ?? 0) + 1);
  const lines = [...counts].sort((a, b) => b[1] - a[1]).map(([reason, n]) => `\n  ${String(n).padStart(4)}  ${reason}`);
  return lines.join("");
}

await evidence("tfjs-tests", { short: 2, long: 2 }, async ({ long, fail, say }) => {
  if (!existsSync(at("../tfjs/node_modules/@tensorflow/tfjs-core"))) {
    const options = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
    const { status, stderr } = spawnSync("npm", options, { cwd: at("../tfjs"), encoding: "utf8", timeout: 300_000 });
    if (status !== 0) {
      const what = `tfjs-core could not be installed: ${stderr?.slice(-300)}`;
      if (process.env.CI) fail(what);
      else say(what);
      return 0;
    }
  }
  let cases = 0;
  const executors = ["typescript", "native"];
  const reports = await Promise.all(executors.map(report));
  for (const [i, executor] of executors.entries()) {
    const found = reports[i] as Report | string;
    if (typeof found === "string" || found.executor !== executor) {
      fail(`${executor}: ${typeof found === "string" ? found : `it ran on ${found.executor}`}`);
      continue;
    }
    const { outcomes, isa, files } = found;
    const count = (status: string) => outcomes.filter((outcome) => outcome.status === status).length;
    for (const { name, status, reason } of outcomes) if (status === "failed") fail(`${executor}: ${name}: ${reason}`);
    say(
      `${executor} (${isa}): ${count("passed")} passed, ${count("not applicable")} not applicable, ${count("failed")} failed, in ${files} files`,
    );
    const list = listOf(outcomes);
    if (process.env.UPDATE_TFJS_LIST && executor === "typescript") writeFileSync(listFile, list);
    const difference = firstDifference(readFileSync(listFile, "utf8"), list);
    if (difference) fail(`${executor}: the outcomes are not those of test/tfjs/cases.txt: ${difference}`);
    if (long && executor === "native") say(`not applicable:${reasonsOf(outcomes)}`);
    cases += count("passed");
  }
  return cases;
});
