// The test suite on other instruction sets: all of it on this machine's scalar and AVX2 kernels; what depends on kernels under emulation
// (qemu-user) as Nehalem, which has no AVX, as Haswell, and on 64-bit ARM, there also the C++ tests. `--short`: tests of kernels on the two
// emulated x86 machines. n counts tests that passed; every run must have seen the instruction set that it is for.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { findAddon } from "../../src/run/addon.ts";
import { evidence } from "./parts/evidence.ts";
import { arm64, crossBuild, hasCommand, haswell, here, type Machine, nehalem, run, runArmTest } from "./parts/machines.ts";

/** The test that asks which kernels run; in every run. */
const asked = "test/instruction-set.test.ts";
const kernels = [asked, "test/fused.test.ts", "test/semantics.test.ts", "test/course/g-softmax.test.ts"];

/** Emulated machines are 5 to 20 times slower: what no instruction changes is left to the runs beside. */
const notEmulated: readonly (readonly [files: string, why: string])[] = [
  ["test/api-examples.test.ts", "changes the working folder, which threads cannot; trains for minutes"],
  ["test/plot*.test.ts", "pictures are texts of TypeScript; a browser is not emulated"],
  ["test/search-*.test.ts", "the search is TypeScript, its tests kill processes by the clock"],
  ["test/course-examples.test.ts", "minutes of training; their mathematics is in test/course"],
  ["test/course-pages.test.ts", "reads pages"],
  ["test/examples.test.ts", "starts each example with tsx; the parts of each are tested"],
  ["test/bench.test.ts", "is about time"],
  ["test/bits.test.ts", "trains ten times in processes of its own, for minutes; AVX2 is compared with AVX-512 here"],
  ["test/doctor.test.ts", "is about this machine's files"],
  ["test/blas.test.ts", "loads a BLAS of the real machine"],
];

interface Results {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message?: string;
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName: string;
      readonly failureMessages?: readonly string[];
    }[];
  }[];
}

await evidence("instruction-sets", { short: 3, long: 45 }, async ({ long, fail, say }) => {
  const folder = mkdtempSync(join(tmpdir(), "minibatch-machines-"));
  const only = process.argv.includes("--only") ? process.argv[process.argv.indexOf("--only") + 1] : undefined;
  let passed = 0;

  async function vitest(machine: Machine, files: readonly string[]): Promise<void> {
    const began = performance.now();
    const json = join(folder, `${machine.name}.json`);
    const excluded = machine.emulated ? notEmulated.flatMap(([file]) => ["--exclude", file]) : [];
    const { status, output } = await run(
      machine.node,
      [
        ...["node_modules/vitest/vitest.mjs", "run", "--pool", machine.emulated ? "threads" : "forks"],
        // Two machines run at a time.
        ...["--maxWorkers", String(Math.max(1, Math.floor(availableParallelism() / 2)))],
        ...["--testTimeout", "900000", "--hookTimeout", "900000", "--reporter=dot", "--reporter=json", `--outputFile.json=${json}`],
        ...[...files, ...excluded],
      ],
      { MINIBATCH_BACKEND: "native", MINIBATCH_EXPECT_ISA: machine.expected, CI: "1", NO_COLOR: "1", ...machine.environment },
      long ? 5400 : 300,
    );
    let results: Results;
    try {
      results = JSON.parse(readFileSync(json, "utf8")) as Results;
    } catch {
      fail(`${machine.name}: no result (status ${status}): ${output.slice(-2000)}`);
      return;
    }
    passed += results.numPassedTests;
    for (const file of results.testResults) {
      for (const { status, fullName, failureMessages } of file.assertionResults)
        if (status === "failed") fail(`${machine.name}: ${fullName}: ${(failureMessages?.[0] ?? "").slice(0, 1500)}`);
      if (file.status === "failed" && !file.assertionResults.some((test) => test.status === "failed"))
        fail(`${machine.name}: ${file.name}: ${file.message}`);
    }
    const seen = results.testResults.find(({ name }) => name.endsWith(asked))?.assertionResults[0]?.status;
    if (seen !== "passed") fail(`${machine.name}: which kernels ran is not known (${asked}: ${seen})`);
    if (status !== 0 && !results.numFailedTests) fail(`${machine.name}: vitest ended with ${status}: ${output.slice(-2000)}`);
    say(
      `${machine.name} (${machine.expected}): ${results.numPassedTests} tests of ${results.testResults.length} files passed, ` +
        `${results.numFailedTests} failed, ${((performance.now() - began) / 1000).toFixed(0)} s`,
    );
  }

  async function armTests(tests: readonly string[]): Promise<void> {
    const began = performance.now();
    const left = [...tests];
    let good = 0;
    const next = async () => {
      for (let name = left.shift(); name; name = left.shift()) {
        const wrong = await runArmTest(name, 3600);
        if (wrong === undefined) good++;
        else fail(`arm64: ${name}: ${wrong}`);
      }
    };
    await Promise.all([next(), next()]);
    passed += good;
    say(`arm64, C++: ${good} of ${tests.length} programs passed, ${((performance.now() - began) / 1000).toFixed(0)} s`);
  }

  const tasks: (readonly [name: string, task: () => Promise<void>])[] = [];
  const isas = findAddon().addon?.info().isas ?? [];
  if (long) for (const isa of isas.filter((isa) => isa === "scalar" || isa === "avx2")) tasks.push([isa, () => vitest(here(isa), [])]);
  const missing = (what: string) => (process.env.CI ? fail(what) : say(`${what}: not run`));
  if (process.platform !== "linux" || process.arch !== "x64") missing("machines are emulated on Linux on x86-64 only");
  else if (!hasCommand("qemu-x86_64")) missing("no qemu-x86_64 (Debian: qemu-user)");
  else for (const machine of [nehalem(folder), haswell(folder)]) tasks.push([machine.name, () => vitest(machine, long ? [] : kernels)]);
  if (long) {
    if (!hasCommand("qemu-aarch64") || !hasCommand("aarch64-linux-gnu-g++") || !hasCommand("cmake"))
      missing("no qemu-aarch64, aarch64-linux-gnu-g++ or cmake (Debian: qemu-user g++-aarch64-linux-gnu cmake)");
    else {
      let building: Promise<string[]> | undefined;
      const built = () => (building ??= crossBuild());
      tasks.push(["arm64", () => built().then(async () => vitest(await arm64(folder), []))]);
      tasks.push(["arm64-cpp", async () => armTests(await built())]);
    }
    for (const [files, why] of notEmulated) say(`not emulated: ${files}: ${why}`);
  }
  try {
    const left = tasks.filter(([name]) => only === undefined || only.split(",").includes(name));
    const next = async () => {
      for (let task = left.shift(); task; task = left.shift()) await task[1]();
    };
    await Promise.all([next(), next()]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  if (passed === 0 && tasks.length) fail("no test ran");
  return passed;
});
