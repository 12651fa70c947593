// Bugs planted on purpose, one after another, in a copy of the tree: the check that should see each must fail, having passed before. In the long
// version only; it builds C++ tests and takes some minutes.
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { evidence } from "./parts/evidence.ts";
import { checks, plantedBugs } from "./parts/planted-bugs.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

await evidence("mutants", { short: 0, long: plantedBugs.length }, async ({ n, fail, say }) => {
  if (n === 0) {
    say(`${plantedBugs.length} planted bugs: without --short`);
    return 0;
  }
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

    const passes = (check: string): boolean => {
      const [kind, ...rest] = checks[check] as readonly [string, ...string[]];
      const run = (command: string, args: readonly string[]) =>
        spawnSync(command, args, {
          cwd: copy,
          encoding: "utf8",
          timeout: 600_000,
          env: { ...process.env, MINIBATCH_BACKEND: "", CI: "1" },
        });
      if (kind === "vitest") return run(process.execPath, ["node_modules/vitest/vitest.mjs", "run", ...rest]).status === 0;
      if (kind === "trust")
        return run(process.execPath, ["--import", "tsx", `test/trust/${rest[0]}.ts`, "--short", ...rest.slice(1)]).status === 0;
      const built = run("cmake", ["--build", "build/cmake-release", "--target", ...rest]);
      if (built.status !== 0) throw new Error(`${check} does not build:\n${built.stdout}${built.stderr}`);
      return run(join(copy, "build/cmake-release", rest[0] as string), []).status === 0;
    };

    const wanted = plantedBugs.slice(0, n);
    if (wanted.some(({ caughtBy }) => checks[caughtBy]?.[0] === "cmake")) {
      const { status, stderr } = spawnSync("cmake", ["--preset", "release", "-DMINIBATCH_ADDON=OFF"], { cwd: copy, encoding: "utf8" });
      if (status !== 0) throw new Error(stderr);
    }
    for (const check of new Set(wanted.map(({ caughtBy }) => caughtBy)))
      if (!passes(check)) throw new Error(`${check} fails without a planted bug`);
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
      const seen = !passes(caughtBy);
      writeFileSync(path, source);
      // make looks at times: a file put back within the second of its change would count as built.
      utimesSync(path, new Date(), new Date(Date.now() + 2000));
      say(`${seen ? "caught" : "MISSED"} by ${caughtBy}: ${what}`);
      if (!seen) fail(`${what} was not seen by ${caughtBy}`);
    }
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
  return n;
});
