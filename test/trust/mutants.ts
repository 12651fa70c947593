// Bugs planted on purpose, one after another, in a copy of the tree: the check that should see each must fail, having passed before. A check that
// does not end has failed too. `--only` takes names of checks or bugs, with commas between. `--short`: some in TypeScript; the long version builds C++ tests and takes some minutes.
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { evidence } from "./parts/evidence.ts";
import { checks, plantedBugs } from "./parts/planted-bugs.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

const short = plantedBugs.filter((bug) => bug.short);

await evidence("mutants", { short: short.length, long: plantedBugs.length }, async ({ n, long, fail, say }) => {
  const copy = mkdtempSync(join(tmpdir(), "minibatch-mutants-"));
  try {
    for (const part of [
      "src",
      "test",
      "native",
      "data",
      "CMakeLists.txt",
      "CMakePresets.json",
      "package.json",
      "tsconfig.json",
      "vitest.config.ts",
    ]) {
      cpSync(join(root, part), join(copy, part), { recursive: true, filter: (from) => !from.endsWith("node_modules") });
    }
    cpSync(join(root, "build/Release/minibatch.node"), join(copy, "build/Release/minibatch.node"));
    symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));

    /** What the checks took without a bug, in milliseconds. */
    const usual = new Map<string, number>();
    const outcome = (check: string): "passed" | "failed" | "did not end" => {
      const [kind, ...rest] = checks[check] as readonly [string, ...string[]];
      const run = (command: string, args: readonly string[], timeout = 900_000) =>
        spawnSync(command, args, {
          cwd: copy,
          encoding: "utf8",
          timeout,
          killSignal: "SIGKILL",
          maxBuffer: 2 ** 28,
          env: { ...process.env, MINIBATCH_BACKEND: "", CI: "1" },
        });
      if (kind === "cmake") {
        const built = run("cmake", ["--build", "build/cmake-release", "--target", ...rest]);
        if (built.status !== 0) throw new Error(`${check} does not build:\n${built.stdout}${built.stderr}`);
      }
      const began = performance.now();
      // A minute more than ten times what it takes on the tree as it is: machines are busy at times.
      const patience = usual.has(check) ? 60_000 + 10 * Math.ceil(usual.get(check) as number) : 900_000;
      const { status, error } =
        kind === "vitest"
          ? run(process.execPath, ["node_modules/vitest/vitest.mjs", "run", ...rest], patience)
          : kind === "trust"
            ? run(process.execPath, ["--import", "tsx", `test/trust/${rest[0]}.ts`, "--short", ...rest.slice(1)], patience)
            : run(join(copy, "build/cmake-release", rest[0] as string), [], patience);
      if (error && (error as NodeJS.ErrnoException).code !== "ETIMEDOUT") throw error;
      if (!usual.has(check)) usual.set(check, performance.now() - began);
      return error ? "did not end" : status === 0 ? "passed" : "failed";
    };

    const only = process.argv.includes("--only") ? process.argv[process.argv.indexOf("--only") + 1] : undefined;
    const wanted = (long ? plantedBugs : short)
      .filter(({ what, caughtBy }) => !only || only.split(",").some((name) => name === caughtBy || name === what))
      .slice(0, n);
    if (wanted.some(({ caughtBy }) => checks[caughtBy]?.[0] === "cmake")) {
      const { status, stderr } = spawnSync(
        "cmake",
        // The kernels are compiled once for each bug in them: with -O1 that is sooner done.
        ["--preset", "release", "-DMINIBATCH_ADDON=OFF", "-DCMAKE_CXX_FLAGS_RELEASE=-O1"],
        { cwd: copy, encoding: "utf8" },
      );
      if (status !== 0) throw new Error(stderr);
    }
    for (const check of new Set(wanted.map(({ caughtBy }) => caughtBy)))
      if (outcome(check) !== "passed") throw new Error(`${check} fails without a planted bug`);
    for (const { what, file, find, replace, caughtBy } of wanted) {
      const path = join(copy, file);
      const source = readFileSync(path, "utf8");
      if (source.split(find).length !== 2) {
        fail(`${what}: its line stands ${source.split(find).length - 1} times in ${file}`);
        continue;
      }
      writeFileSync(
        path,
        source.replace(find, () => replace),
      );
      const found = outcome(caughtBy);
      const seen = found !== "passed";
      writeFileSync(path, source);
      // make looks at times: a file put back within the second of its change would count as built.
      utimesSync(path, new Date(), new Date(Date.now() + 2000));
      say(`${seen ? "caught" : "MISSED"} by ${caughtBy}${found === "did not end" ? ", which did not end" : ""}: ${what}`);
      if (!seen) fail(`${what} was not seen by ${caughtBy}`);
    }
    return wanted.length;
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
});
