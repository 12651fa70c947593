// The study that study-kills kills: real trainings with batch norm, dropout, Adam and checkpoints, on one journal. In a process of its
// own it prints a line when its first trial trains, one when the first checkpoint of an attempt is there, and one at the end; TRUST_OPTIONS holds a StudyTask as JSON.
import { createHash } from "node:crypto";
import { appendFileSync, existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { adam, batchNorm, crossEntropy, dense, dropout, relu, sequential } from "minibatch";
import { breastCancer, split, standardize } from "minibatch/data";
import { logInteger, logUniform, randomSearch, type StudyOptions, study, successiveHalving, tpe } from "minibatch/search";

export interface StudyTask {
  /** Without it: the undisturbed study. */
  readonly journal?: string;
  readonly seed: number;
  readonly trials: number;
  readonly parallel: number;
  readonly strategy: "random" | "tpe";
  readonly prune: "none" | "median" | "halving";
  /** A checkpoint after every epoch, or after so many steps. */
  readonly every: number | { readonly steps: number };
}

/** What an attempt did: where it began, beside what lay in its folder, and what it ended with. */
export type Note = { readonly trial: number; readonly attempt: number } & (
  | { readonly first: number; readonly newest: number }
  /** The first checkpoint of its own that was seen. */
  | { readonly kept: number }
  | { readonly weights: string }
);

export const epochs = 24;

const { train, dev } = split(await breastCancer(), { dev: 0.3, stratify: true, seed: 1 });
const scaler = standardize(train);
const space = { learningRate: logUniform(1e-4, 1e-1), hidden: logInteger(64, 256) };
const pruners = { none: undefined, median: "median", halving: successiveHalving({ first: 2, factor: 2 }) } as const;

/** The step of the newest checkpoint in a folder, 0 where there is none. */
function newestIn(dir: string | undefined): number {
  if (dir === undefined || !existsSync(dir)) return 0;
  return Math.max(0, ...readdirSync(dir).map((name) => Number(/^checkpoint-(\d+)\.safetensors$/.exec(name)?.[1] ?? 0)));
}

export function studyOf(task: StudyTask, note: (note: Note) => void): StudyOptions<typeof space> {
  const { journal, seed, trials, parallel, every } = task;
  return {
    space,
    strategy: task.strategy === "tpe" ? tpe({ trials, startup: 3 }) : randomSearch({ trials }),
    prune: pruners[task.prune],
    storage: journal,
    seed,
    parallel,
    objective: async ({ learningRate, hidden }, trial) => {
      const { number, attempt } = trial;
      const model = sequential([scaler.layer(), dense(hidden), batchNorm(), relu(), dropout({ keepProb: 0.8 }), dense(2)]);
      const checkpoints = trial.checkpoints({ every });
      // Where they must lie, whatever the options say.
      const dir = journal === undefined ? undefined : join(`${journal}.trials`, String(number), "checkpoints", "fit");
      const newest = newestIn(dir);
      let begun = false;
      const run = model.fit(train, {
        dev,
        loss: crossEntropy(),
        optimizer: adam({ learningRate }),
        batchSize: 2,
        epochs,
        seed: trial.seed,
        progress: false,
        onStep: ({ step }) => {
          if (!begun) note({ trial: number, attempt, first: step, newest });
          begun = true;
        },
        ...checkpoints,
      });
      let kept = false;
      for await (const epoch of run) {
        trial.report(epoch.devLoss);
        const step = kept ? 0 : newestIn(dir);
        if (step <= newest) continue;
        note({ trial: number, attempt, kept: step });
        kept = true;
      }
      const { best } = await run;
      const hash = createHash("sha256");
      for (const parameter of model.parameters()) hash.update(new Uint8Array(parameter.data("f32").buffer));
      note({ trial: number, attempt, weights: hash.digest("hex") });
      return best.devLoss;
    },
  };
}

/** Where the notes of processes on a journal are. */
export const notesOf = (journal: string): string => `${journal}.notes`;

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const task = JSON.parse(process.env.TRUST_OPTIONS ?? "") as StudyTask;
  const notes = notesOf(task.journal as string);
  let begun = false;
  await study(
    studyOf(task, (note) => {
      appendFileSync(notes, `\n${JSON.stringify(note)}`);
      if ("kept" in note) process.stdout.write("kept\n");
      else if (!begun) process.stdout.write("begun\n");
      begun = true;
    }),
  );
  process.stdout.write("ended\n");
}
