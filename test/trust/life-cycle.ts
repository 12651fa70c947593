// The ends that a run may come to: workers terminated in mid-training, processes that exit or throw, memory that is detached, shrunk or collected
// while threads work, allocations that fail one after another. Every life is a process of its own: a crash is a signal.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { bundle } from "./parts/bundle.ts";
import { evidence } from "./parts/evidence.ts";

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));

await evidence("life-cycle", { short: 50, long: 1000 }, async ({ n, seed, fail, say, long }) => {
  const script = await bundle("lives");
  const live = (
    what: string,
    count: number,
    ends: readonly number[],
    environment: Record<string, string> = {},
    lifeSeed = seed,
  ): string => {
    const { status, signal, stdout, stderr } = spawnSync(process.execPath, [script, what, String(count), String(lifeSeed)], {
      encoding: "utf8",
      timeout: 1_800_000,
      env: { ...process.env, MINIBATCH_BACKEND: "native", ...environment },
    });
    if (!ends.includes(status ?? -1)) fail(`${what}, seed ${lifeSeed}: ended with ${signal ?? status}\n${stderr.slice(-3000)}`);
    return stdout;
  };
  let done = 0;
  const count = (some: number, what: string) => {
    done += some;
    say(`${some} ${what}`);
  };

  live("terminations", n, [0]);
  count(n, "workers terminated in mid-training");
  live("storms", n, [0]);
  count(n, "storms of garbage collection, detached and shrunk arrays");
  const ends: readonly (readonly [what: string, codes: readonly number[]])[] = [
    ["exit", [7]],
    ["uncaught", [1]],
    ["workers exit", [7]],
    ["worker uncaught", [7]],
    ["environments", [7]],
  ];
  const times = Math.max(2, Math.floor(n / 25));
  for (const [what, codes] of ends) for (let i = 0; i < times; i++) live(what, 1, codes, {}, seed + i);
  count(ends.length * times, "processes ended in mid-training: process.exit, uncaught exceptions, in workers too, several environments");

  if (process.platform === "linux") {
    const folder = mkdtempSync(join(tmpdir(), "minibatch-malloc-"));
    try {
      const library = join(folder, "failing-malloc.so");
      execFileSync("gcc", ["-O1", "-shared", "-fPIC", "-o", library, at("./parts/failing-malloc.c"), "-ldl"]);
      const answer = live("allocations", long ? 5000 : 120, [0], { LD_PRELOAD: library });
      const { failed = 0 } = answer ? (JSON.parse(answer.trim().split("\n").at(-1) as string) as { failed: number }) : {};
      if (failed < (long ? 200 : 100)) fail(`only ${failed} allocations failed`);
      count(failed, "allocations of the addon failed, one in each run: refused or survived");
    } finally {
      rmSync(folder, { recursive: true });
    }
  }
  return done;
});
