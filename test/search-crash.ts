// Studies that are killed by SIGKILL at random moments and continued, by one process or two at a time, compared with the
// undisturbed study: no trial lost, none recorded twice, the same results. `npx tsx test/search-crash.ts 100` runs a hundred.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { type Entry, study } from "minibatch/search";
import { draw } from "../src/random.ts";
import { crashStudy } from "./search-child.ts";

const child = fileURLToPath(new URL("./search-child.ts", import.meta.url));
const root = fileURLToPath(new URL("..", import.meta.url));

/** Starts a process on the journal and kills it so many milliseconds after it has begun; resolves to whether it had ended by itself. */
function run(journal: string, seed: number, trials: number, milliseconds: number, parallel: number, kill: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const args = ["--import", "tsx", child, journal, seed, trials, milliseconds, parallel].map(String);
    const process_ = spawn(process.execPath, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
    let [output, errors] = ["", ""];
    let timer: ReturnType<typeof setTimeout> | undefined;
    process_.stdout.on("data", (text) => {
      output += text;
      timer ??= setTimeout(() => process_.kill("SIGKILL"), kill);
    });
    process_.stderr.on("data", (text) => {
      errors += text;
    });
    process_.on("exit", (code, signal) => {
      clearTimeout(timer);
      if (code !== 0 && signal !== "SIGKILL") reject(new Error(`the study ended with ${code}: ${errors}`));
      else resolve(output.includes("ends"));
    });
  });
}

/** Entries of a journal, without their checksums. */
export function entriesOf(journal: string): Entry[] {
  const lines = readFileSync(journal, "utf8").split("\n");
  return lines.flatMap((line) => {
    try {
      return [JSON.parse(line) as Entry];
    } catch {
      return [];
    }
  });
}

export interface Crashed {
  readonly kills: number;
  /** Trials that more than one process worked on. */
  readonly resumed: number;
  readonly problems: string[];
}

/** One study: processes (two at a time with `together`) are killed until `kills` have been, then the study is finished here. */
export async function crash(
  seed: number,
  options: { trials: number; kills: number; together: boolean; parallel?: number },
): Promise<Crashed> {
  const { trials, together, parallel = 1 } = options;
  const folder = mkdtempSync(join(tmpdir(), "minibatch-crash-"));
  const journal = join(folder, "study.jsonl");
  const problems: string[] = [];
  let kills = 0;
  try {
    for (let round = 0; kills < options.kills && round < 3 * options.kills; round++) {
      // The study takes about trials * 4 * 3 ms when nobody disturbs it.
      const moment = (which: number) => 12 * trials * draw({ seed, purpose: "search", site: 99, step: round }, which);
      const processes = [run(journal, seed, trials, 3, parallel, moment(0))];
      if (together) processes.push(run(journal, seed, trials, 3, parallel, moment(1)));
      for (const ended of await Promise.all(processes)) if (!ended) kills++;
    }
    const warnings: string[] = [];
    const error = console.error;
    console.error = (text: unknown) => warnings.push(String(text));
    const result = await study(crashStudy(journal, seed, trials, 0, parallel)).finally(() => {
      console.error = error;
    });
    const undisturbed = await study(crashStudy(undefined, seed, trials, 0));
    const plain = (found: typeof result) => JSON.stringify(found.trials.map(({ attempts, ...trial }) => trial));
    if (result.trials.length !== trials) problems.push(`${result.trials.length} of ${trials} trials`);
    // With several at once the model sees other histories, so proposals differ from those of one at a time.
    if (!together && parallel === 1 && plain(result) !== plain(undisturbed)) problems.push("other results than the undisturbed study");
    const ends = entriesOf(journal).flatMap((entry) => (entry.event === "end" ? [entry.trial] : []));
    for (let number = 1; number <= trials; number++) {
      const count = ends.filter((trial) => trial === number).length;
      if (count !== 1) problems.push(`trial ${number} has ${count} ends`);
    }
    for (const warning of warnings) if (!/ends too early/.test(warning)) problems.push(warning);
    return { kills, resumed: result.trials.filter(({ attempts }) => attempts > 1).length, problems };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const studies = Number(process.argv[2] ?? 100);
  let [kills, resumed, bad] = [0, 0, 0];
  for (let seed = 1; seed <= studies; seed++) {
    const together = seed % 3 === 0;
    const crashed = await crash(seed, { trials: 20, kills: 3, together, parallel: seed % 4 === 0 ? 2 : 1 });
    kills += crashed.kills;
    resumed += crashed.resumed;
    if (crashed.problems.length) {
      bad++;
      console.log(`study ${seed}${together ? " (two processes)" : ""}: ${crashed.problems.join("; ")}`);
    }
  }
  console.log(`${studies} studies, ${kills} kills, ${resumed} trials resumed, ${bad} studies with problems`);
  process.exitCode = bad ? 1 : 0;
}
