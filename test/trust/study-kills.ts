// Studies killed and continued: one process or two at a time work on a journal, several trials at once in some, and are killed (SIGKILL)
// at random moments again and again. In the end every trial must have one end and one report of each step, the results of the
// undisturbed study, and weights of the same SHA-256; an attempt must begin right behind the newest checkpoint in its folder.
//   npm run trust -- study-kills [--short] [--n N] [--seed S]
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { study, type TrialRecord } from "minibatch/search";
import { entriesOf } from "../search-journal.ts";
import { bundle } from "./parts/bundle.ts";
import { evidence, type Trial } from "./parts/evidence.ts";
import { epochs, type Note, notesOf, type StudyTask, studyOf } from "./parts/study.ts";

type Kind = Pick<StudyTask, "strategy" | "prune" | "parallel" | "every"> & { readonly processes: number };

/** With one trial at a time everything must be as undisturbed; several see other histories, so only random search proposes the same to them. */
const kinds: readonly Kind[] = [
  { processes: 1, parallel: 1, strategy: "random", prune: "none", every: 1 },
  { processes: 1, parallel: 1, strategy: "tpe", prune: "median", every: { steps: 10 } },
  { processes: 2, parallel: 1, strategy: "random", prune: "none", every: 1 },
  { processes: 1, parallel: 2, strategy: "random", prune: "none", every: { steps: 10 } },
  { processes: 1, parallel: 1, strategy: "random", prune: "halving", every: 2 },
  { processes: 2, parallel: 2, strategy: "random", prune: "halving", every: 1 },
];

const script = await bundle("study");

/** When a process is killed: so many milliseconds after its start, its first step, or its first checkpoint. */
interface Moment {
  readonly after: "start" | "begun" | "kept";
  readonly milliseconds: number;
}

/** Runs a process on the journal until it ends, or is killed at some moment; resolves to whether it was. */
function run(task: StudyTask, moment?: Moment): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [script], {
      env: { ...process.env, TRUST_OPTIONS: JSON.stringify(task) },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let printed = "";
    let said = "";
    const kill = () => child.kill("SIGKILL");
    let timer = moment?.after === "start" ? setTimeout(kill, moment.milliseconds) : undefined;
    child.stdout.on("data", (data: Buffer) => {
      printed += String(data);
      if (moment && printed.includes(moment.after)) timer ??= setTimeout(kill, moment.milliseconds);
    });
    child.stderr.on("data", (data: Buffer) => {
      said += String(data);
    });
    child.on("error", reject);
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      // A line that a dying process cut short is passed over with a warning.
      const unexpected = said.split("\n").filter((line) => line && !/ends too early, as a crash leaves it/.test(line));
      if (unexpected.length) reject(new Error(unexpected.join("\n")));
      else if (signal !== "SIGKILL" && (code !== 0 || !printed.endsWith("ended\n"))) reject(new Error(`the process ended with ${code}`));
      else resolve(signal === "SIGKILL" && !printed.endsWith("ended\n"));
    });
  });
}

function notesIn(journal: string): Note[] {
  const file = notesOf(journal);
  if (!existsSync(file)) return [];
  return readFileSync(file, "utf8")
    .split("\n")
    .filter(Boolean)
    .flatMap((line) => {
      try {
        return [JSON.parse(line) as Note];
      } catch {
        return [];
      }
    });
}

type Plain = Omit<TrialRecord<never>, "attempts" | "params">;
const plain = (trials: readonly TrialRecord<never>[]): Plain[] => trials.map(({ attempts: _, params: __, ...rest }) => rest);

/** What is wrong with a trial, beside what it is in the undisturbed study that prunes nothing. */
function against(trial: Plain, whole: Plain): string | undefined {
  const { state, reports, values, seed } = trial;
  if (JSON.stringify([values, seed]) !== JSON.stringify([whole.values, whole.seed])) return "it has other values";
  if (JSON.stringify(reports) !== JSON.stringify(whole.reports.slice(0, reports.length))) return "it reported otherwise";
  if (state === "done" && JSON.stringify(trial) !== JSON.stringify(whole)) return "it ended otherwise";
  return state === "done" || (state === "pruned" && reports.length > 0) ? undefined : `it is ${state}: ${trial.error}`;
}

const sum = { kills: 0, resumed: 0, behind: 0 };

async function killed(number: number, scratch: string, { random, seed, long, fail: failed }: Trial): Promise<void> {
  const { processes, ...kind } = kinds[number % kinds.length] as Kind;
  const fail = (what: string) => failed(`study ${number} (${JSON.stringify({ processes, ...kind })}): ${what}`);
  const journal = join(scratch, `${number}.jsonl`);
  const task: StudyTask = { journal, seed: seed * 1000 + number, trials: long ? 10 : 4, ...kind };
  const { journal: _, ...alone } = { ...task, parallel: 1 };
  const weights = new Map<number, string>();
  const began = performance.now();
  const undisturbed = await study(
    studyOf(alone as StudyTask, (note) => {
      if ("weights" in note) weights.set(note.trial, note.weights);
    }),
  );
  const lasts = performance.now() - began;
  // One that prunes nothing says how trials would have gone on, for studies whose pruner sees other histories.
  const wholeWeights = new Map<number, string>();
  const whole =
    kind.prune !== "none" && kind.strategy === "random"
      ? await study(
          studyOf({ ...alone, prune: "none" } as StudyTask, (note) => {
            if ("weights" in note) wholeWeights.set(note.trial, note.weights);
          }),
        )
      : undefined;

  const rounds = long ? 4 : 2;
  for (let round = 0; round < rounds; round++) {
    // One in eight dies while it starts; half of the others while a trial goes on that has a checkpoint already.
    const moments = Array.from({ length: processes }, (): Moment => {
      if (random.chance(0.125)) return { after: "start", milliseconds: 20 + 150 * random.unit() };
      return random.chance(0.5)
        ? { after: "kept", milliseconds: 20 * random.unit() }
        : { after: "begun", milliseconds: lasts * random.unit() };
    });
    const ended = await Promise.all(moments.map((moment) => run(task, moment)));
    sum.kills += ended.filter(Boolean).length;
  }
  await run(task);

  const result = await study({ ...studyOf(task, () => undefined), objective: () => Promise.reject(new Error("nothing was left to do")) });
  const trials = result.trials as unknown as readonly TrialRecord<never>[];
  const sequential = processes === 1 && kind.parallel === 1;
  if (trials.length !== task.trials) fail(`${trials.length} of ${task.trials} trials`);
  if (sequential || !whole) {
    const expected = plain(undisturbed.trials as unknown as TrialRecord<never>[]);
    if (JSON.stringify(plain(trials)) !== JSON.stringify(expected))
      fail(`its results are not those of the undisturbed study: ${JSON.stringify(plain(trials))} for ${JSON.stringify(expected)}`);
  } else {
    const expected = plain(whole.trials as unknown as TrialRecord<never>[]);
    plain(trials).forEach((trial, i) => {
      const wrong = against(trial, expected[i] as Plain);
      if (wrong) fail(`trial ${trial.number}: ${wrong}: ${JSON.stringify(trial)} for ${JSON.stringify(expected[i])}`);
    });
  }
  const counts = new Map<string, number>();
  for (const entry of entriesOf(journal)) {
    const key =
      entry.event === "end"
        ? `end of trial ${entry.trial}`
        : entry.event === "report"
          ? `step ${entry.step} of trial ${entry.trial}`
          : undefined;
    if (key !== undefined) counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  for (const [key, count] of counts) if (count !== 1) fail(`${key} is recorded ${count} times`);
  for (const { number: trial, state, reports } of trials) {
    if (!counts.has(`end of trial ${trial}`)) fail(`trial ${trial} has no end`);
    if (state === "done" && reports.length !== epochs) fail(`trial ${trial} has ${reports.length} reports of ${epochs} epochs`);
  }
  const hashes = sequential || !whole ? weights : wholeWeights;
  const done = new Set(trials.filter(({ state }) => state === "done").map(({ number: trial }) => trial));
  const seen = new Set<number>();
  for (const note of notesIn(journal)) {
    if ("weights" in note) {
      seen.add(note.trial);
      if (done.has(note.trial) && note.weights !== hashes.get(note.trial)) fail(`trial ${note.trial} ended with other weights`);
    } else if ("first" in note) {
      if (note.first !== note.newest + 1)
        fail(`attempt ${note.attempt} of trial ${note.trial} began with step ${note.first}, its checkpoint was that of ${note.newest}`);
      if (note.attempt > 1) sum.resumed++;
      if (note.newest > 0) sum.behind++;
    }
  }
  for (const trial of done) if (!seen.has(trial)) fail(`nothing is known of the weights of trial ${trial}`);
  const left = existsSync(`${journal}.trials`) ? readdirSync(`${journal}.trials`) : [];
  if (left.length) fail(`folders of trials ${left.join(", ")} are left`);
}

await evidence("study-kills", { short: kinds.length, long: 100 }, async (trial) => {
  const scratch = mkdtempSync(join(tmpdir(), "minibatch-studies-"));
  try {
    for (let number = 0; number < trial.n; number++)
      await killed(number, scratch, trial).catch((error: unknown) => trial.fail(`study ${number}: ${error}`));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  trial.say(`${sum.kills} kills; ${sum.resumed} attempts were not the first of their trial, ${sum.behind} went on from a checkpoint`);
  if (trial.n >= kinds.length && sum.behind === 0) trial.fail("no attempt went on from a checkpoint, so the kills prove little");
  return trial.n;
});
