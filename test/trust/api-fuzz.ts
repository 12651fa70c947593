// The addon and the public functions called with hostile arguments, in processes that load the ordinary addon and one built with the
// address and undefined-behaviour sanitizers (`cmake --preset asan && cmake --build --preset asan --target minibatch`): no crash, no report, no
// error but typed ones. A million calls, with `--short` 50,000; with `--child` it is one of those processes.
import { execFileSync, spawnSync } from "node:child_process";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { evidence, Random } from "./parts/evidence.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const sanitized = join(root, "build/cmake-asan/minibatch.node");

/** Half of the calls go to the addon itself, half to the public functions; the last one stands in a file when the process dies. */
async function child(n: number, seed: number, folder: string): Promise<void> {
  const { bases, callAddon } = await import("./parts/fuzz-addon.ts");
  const { PublicFuzz } = await import("./parts/fuzz-public.ts");
  const random = new Random(seed);
  const list = await bases();
  const fuzz = new PublicFuzz(random, folder);
  // Hostile names of files are relative ones too.
  process.chdir(folder);
  const last = openSync(join(folder, "last"), "w");
  const wrongs = new Map<string, string>();
  let failures = 0;
  // Rejections that nobody sees are failures too; a run that was dropped may fail after its fit returned.
  process.on("unhandledRejection", (error) => {
    failures++;
    console.error(`unhandled rejection: ${error instanceof Error ? error.stack : String(error)}`);
  });
  for (let i = 0; i < n; i++) {
    const began = performance.now();
    writeSync(last, `call ${i}                `, 0);
    const { what, wrong } = i % 2 ? await fuzz.call() : await callAddon(list, random);
    const seconds = (performance.now() - began) / 1000;
    const found = wrong ?? (seconds > 20 ? `took ${seconds.toFixed(1)} s` : undefined);
    if (found === undefined) continue;
    failures++;
    const key = found.replace(/\d+/g, "#").slice(0, 120);
    if (wrongs.has(key)) continue;
    wrongs.set(key, what);
    if (wrongs.size <= 30) console.error(`call ${i}: ${what}: ${found}`);
  }
  closeSync(last);
  console.log(JSON.stringify({ failures, programs: list.length, targets: fuzz.targetCount }));
}

const at = process.argv.indexOf("--child");
if (at >= 0) {
  const [n, seed, folder] = process.argv.slice(at + 1);
  await child(Number(n), Number(seed), folder as string);
  process.exit(0);
}

await evidence("api-fuzz", { short: 50_000, long: 1_000_000 }, async ({ n, seed, fail, say }) => {
  const builds: { name: string; environment: Record<string, string> }[] = [{ name: "plain", environment: {} }];
  if (existsSync(sanitized)) {
    builds.push({
      name: "ASan+UBSan",
      environment: {
        MINIBATCH_ADDON: sanitized,
        LD_PRELOAD: execFileSync("g++", ["-print-file-name=libasan.so"], { encoding: "utf8" }).trim(),
        ASAN_OPTIONS: "detect_leaks=0:allocator_may_return_null=1:detect_stack_use_after_return=0",
        UBSAN_OPTIONS: "print_stacktrace=1",
      },
    });
  } else {
    say("no sanitized addon: cmake --preset asan && cmake --build --preset asan --target minibatch");
  }
  const share = Math.ceil(n / builds.length);
  // A process for so many calls: what it keeps does not grow for ever, and a crash costs only its share.
  const each = 125_000;
  let done = 0;
  for (const [build, { name, environment }] of builds.entries()) {
    for (let part = 0; part * each < share; part++) {
      const childSeed = seed * 1000 + build * 500 + part;
      const calls = Math.min(each, share - part * each);
      const folder = mkdtempSync(join(tmpdir(), "minibatch-fuzz-"));
      const { status, signal, stdout, stderr } = spawnSync(
        process.execPath,
        ["--import", "tsx", fileURLToPath(import.meta.url), "--child", String(calls), String(childSeed), folder],
        {
          cwd: root,
          encoding: "utf8",
          maxBuffer: 2 ** 28,
          timeout: 3_600_000,
          env: { ...process.env, MINIBATCH_BACKEND: "native", ...environment },
        },
      );
      const at = join(folder, "last");
      const last = existsSync(at) ? readFileSync(at, "utf8").trim() : "the start";
      rmSync(folder, { recursive: true, force: true });
      if (status !== 0) {
        fail(`${name}, seed ${childSeed}: died with ${signal ?? status} at ${last}\n${stderr.slice(-6000)}`);
        continue;
      }
      const { failures, programs, targets } = JSON.parse(stdout.trim().split("\n").at(-1) as string) as {
        failures: number;
        programs: number;
        targets: number;
      };
      if (failures) fail(`${name}, seed ${childSeed}: ${failures} calls\n${stderr.slice(0, 20_000)}`);
      if (part === 0)
        say(`${name}: ${share} calls, half of them to the addon with ${programs} programs, half to ${targets} public functions`);
      done += calls;
    }
  }
  return done;
});
