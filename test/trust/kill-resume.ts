// Kill and resume: a run with dropout, batch norm, Adam, shuffling and early stopping is killed (SIGKILL) at random moments
// and resumed, with other thread counts and other checkpoint intervals, until it ends. Weights and history must have the
// SHA-256 of the undisturbed run. The control writes its checkpoints in place and must lose some: else the kills prove nothing.
//   npm run trust -- kill-resume [--short] [--kills N] [--seed S]
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { draw } from "../../src/random.ts";
import { bundle } from "./parts/bundle.ts";
import type { Result, Task } from "./parts/training.ts";

const { values } = parseArgs({ options: { short: { type: "boolean" }, kills: { type: "string" }, seed: { type: "string" } } });
const kills = Number(values.kills ?? (values.short ? 25 : 200));
const seed = Number(values.seed ?? 1);
/** A control that has lost nothing after so many kills is no control. */
const mostControlKills = 4 * kills + 40;

const script = await bundle("training");
const scratch = mkdtempSync(join(tmpdir(), "minibatch-kill-"));

let drawn = 0;
/** The schedule of kills follows from the seed; when exactly a signal arrives is the system's. */
const uniform = () => draw({ seed, purpose: "search" }, drawn++);
const whole = (from: number, to: number) => from + Math.floor(uniform() * (to - from + 1));

interface Outcome {
  readonly killed: boolean;
  readonly result: Result | undefined;
  readonly said: string;
}

/** One segment. `killAfter`: milliseconds after the first step; negative: so many after the start of the process. */
function segment(task: Task, killAfter: number | undefined): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child: ChildProcess = spawn(process.execPath, [script], {
      env: { ...process.env, TRUST_OPTIONS: JSON.stringify(task) },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let printed = "";
    let said = "";
    let killed = false;
    const kill = () => {
      killed = child.kill("SIGKILL");
    };
    let timer: NodeJS.Timeout | undefined;
    if (killAfter !== undefined && killAfter < 0) timer = setTimeout(kill, -killAfter);
    child.stdout?.on("data", (data: Buffer) => {
      printed += String(data);
      if (timer === undefined && killAfter !== undefined && printed.startsWith("begun\n")) timer = setTimeout(kill, killAfter);
    });
    child.stderr?.on("data", (data: Buffer) => {
      said += String(data);
    });
    child.on("error", reject);
    child.on("close", (_code, signal) => {
      clearTimeout(timer);
      const last = printed.trim().split("\n").at(-1) ?? "";
      const result = last.startsWith("{") ? (JSON.parse(last) as Result) : undefined;
      resolve({ killed: killed && signal === "SIGKILL" && result === undefined, result, said: said.trim() });
    });
  });
}

const same = (a: Result | undefined, b: Result | undefined) => a?.weights === b?.weights && a?.history === b?.history;

async function calm(): Promise<Result> {
  const undisturbed = await segment({ threads: 1 }, undefined);
  const watched = await segment({ threads: 2, dir: join(scratch, "calm"), every: { steps: 10 } }, undefined);
  if (!undisturbed.result || !same(undisturbed.result, watched.result))
    throw new Error(`with checkpoints and two threads the run must be the same\n${undisturbed.said}\n${watched.said}`);
  return undisturbed.result;
}

/** Random kills until there were `n` of them; runs that end are compared and begun anew. */
async function durable(expected: Result): Promise<{ failures: number; runs: number }> {
  let failures = 0;
  let runs = 0;
  const fail = (what: string) => {
    failures++;
    console.error(`kill-resume: ${what}`);
  };
  const dir = join(scratch, "run");
  for (let done = 0; done < kills || existsSync(dir); ) {
    const every = [whole(1, 3), { steps: whole(1, 60) }, { seconds: 0.001 + 0.1 * uniform() }][whole(0, 2)] as NonNullable<Task["every"]>;
    // One in eight dies while it starts or reads its checkpoint.
    const killAfter = uniform() < 0.125 ? -whole(40, 160) : whole(0, 300);
    const { killed, result, said } = await segment({ dir, every, threads: whole(1, 3) }, done < kills ? killAfter : undefined);
    if (said) fail(`after ${done} kills it said: ${said}`);
    if (killed) done++;
    else if (!result) fail(`after ${done} kills it ended without a result`);
    if (result && !same(result, expected))
      fail(`after ${done} kills it ended otherwise: ${JSON.stringify(result)} for ${JSON.stringify(expected)}`);
    if (!killed) {
      runs++;
      rmSync(dir, { recursive: true, force: true });
    }
  }
  return { failures, runs };
}

/** The same with checkpoints written in place: how many kills until one is torn. */
async function control(): Promise<{ done: number; torn: number }> {
  const dir = join(scratch, "naive");
  let done = 0;
  let torn = 0;
  while (done < mostControlKills && !(torn > 0 && done >= kills)) {
    const { killed, said } = await segment({ dir, every: { steps: 1 }, threads: whole(1, 3), naive: true }, whole(0, 300));
    if (killed) done++;
    // Its one file is damaged: the run refuses to begin again as if there had been none.
    else if (/damaged/.test(said)) torn++;
    else if (said) throw new Error(said);
    if (!killed) rmSync(dir, { recursive: true, force: true });
  }
  return { done, torn };
}

const seconds = (since: number) => ((performance.now() - since) / 1000).toFixed(1);
let began = performance.now();
try {
  const expected = await calm();
  const { failures, runs } = await durable(expected);
  console.log(`kill-resume, ${kills}, ${failures}, ${seed}, ${seconds(began)}`);
  console.log(`  ${runs} runs of ${expected.epochs} epochs ended as the undisturbed one`);
  began = performance.now();
  const { done, torn } = await control();
  console.log(`kill-resume control in place, ${done}, ${torn}, ${seed}, ${seconds(began)}`);
  if (!torn) console.error("kill-resume: the control has lost no checkpoint, so the kills prove nothing");
  process.exitCode = failures === 0 && torn > 0 ? 0 : 1;
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
