// The options checkpoint and resume of fit: their types and checks. Knows no run.
import { checkNumber, checkOptions, describe, MinibatchError } from "../errors.ts";
import { CheckpointFolder } from "../io/checkpoint-folder.ts";

/** What may be taken over from a run that was otherwise: the first word of the names of an identity. */
export const acceptable = [
  "layers",
  "loss",
  "optimizer",
  "learningRate",
  "regularizer",
  "batchSize",
  "seed",
  "shuffle",
  "earlyStopping",
  "augment",
  "clipNorm",
  "clipValue",
  "train",
  "dev",
  "kernels",
  "program",
  "schedule",
] as const;
export type Acceptable = (typeof acceptable)[number];
/** How often: a number counts epochs. */
export type Every = number | { readonly steps: number } | { readonly seconds: number };

export interface CheckpointOptions {
  /** The folder of this run's checkpoints; made when it is missing. */
  dir: string;
  /** 1 by default: after every epoch. `{ steps }` and `{ seconds }` also in the middle of an epoch. */
  every?: Every | undefined;
  /** How many of the newest are kept, 3 by default. */
  keep?: number | undefined;
  /** When one cannot be written: "continue" (default) says so and trains on, "stop" rejects the run. */
  onError?: "continue" | "stop" | undefined;
}

export interface ResumeOptions {
  /** The folder of the checkpoints; missing or empty, the run starts fresh. */
  dir: string;
  /** What may differ from the run that wrote them; the result is no longer that of an undisturbed run. */
  accept?: readonly Acceptable[] | undefined;
  /**
   * Loops and onEpoch get the epochs of the processes before this one too, then those that it makes. They may look and stop; what they set,
   * marked or reverted then is in the checkpoint and is not done again. False by default.
   */
  replay?: boolean | undefined;
  /** When the checkpoints are of another run, or damaged: "refuse" (default) rejects, "restart" says so, removes them and begins again. */
  onMismatch?: "refuse" | "restart" | undefined;
}

export interface CheckpointSettings {
  readonly write: { readonly every: Every; readonly keep: number; readonly onError: "continue" | "stop" } | undefined;
  readonly resume: { readonly accept: readonly Acceptable[]; readonly replay: boolean; readonly restart: boolean } | undefined;
  readonly dir: string;
}

function checkFolder(name: string, dir: unknown): string {
  if (typeof dir === "string" && dir !== "" && !dir.includes("\0")) return dir;
  throw new MinibatchError(`fit: ${name} must be the path of a folder, got ${describe(dir)}`);
}

function checkEvery(every: unknown): Every {
  const where = "fit: checkpoint.every";
  if (typeof every !== "object" || every === null) return checkNumber("fit", "checkpoint.every (epochs)", every, { whole: true, min: 1 });
  checkOptions(where, every, ["steps", "seconds"]);
  const { steps, seconds } = every as { steps?: unknown; seconds?: unknown };
  if ((steps === undefined) === (seconds === undefined))
    throw new MinibatchError(`${where} must be a number of epochs, { steps } or { seconds }, got ${describe(every)}`);
  if (steps !== undefined) return { steps: checkNumber("fit", "checkpoint.every.steps", steps, { whole: true, min: 1 }) };
  return { seconds: checkNumber("fit", "checkpoint.every.seconds", seconds, { above: 0 }) };
}

/** Checks the options checkpoint and resume of fit; undefined when neither is given. */
export function checkCheckpoints(checkpoint: unknown, resume: unknown): CheckpointSettings | undefined {
  let write: CheckpointSettings["write"];
  let dir: string | undefined;
  if (checkpoint !== undefined) {
    if (typeof checkpoint === "string")
      throw new MinibatchError(
        `fit: checkpoint must be { dir, every, keep }, got ${describe(checkpoint)}; { dir: ${describe(checkpoint)} } writes there`,
      );
    checkOptions("fit: checkpoint", checkpoint, ["dir", "every", "keep", "onError"]);
    const o = checkpoint as CheckpointOptions;
    dir = checkFolder("checkpoint.dir", o.dir);
    const { onError = "continue" } = o;
    if (onError !== "continue" && onError !== "stop")
      throw new MinibatchError(`fit: checkpoint.onError must be "continue" or "stop", got ${describe(onError)}`);
    write = { every: checkEvery(o.every ?? 1), keep: checkNumber("fit", "checkpoint.keep", o.keep ?? 3, { whole: true, min: 1 }), onError };
  }
  if (resume === undefined) return dir === undefined ? undefined : { write, resume: undefined, dir };
  const given = typeof resume === "object" && resume !== null ? (resume as ResumeOptions) : { dir: resume };
  if (typeof resume === "object") checkOptions("fit: resume", resume, ["dir", "accept", "replay", "onMismatch"]);
  const from = checkFolder(typeof resume === "object" ? "resume.dir" : "resume", given.dir);
  const { accept = [], replay = false, onMismatch = "refuse" } = given as ResumeOptions;
  if (typeof replay !== "boolean") throw new MinibatchError(`fit: resume.replay must be true or false, got ${describe(replay)}`);
  if (onMismatch !== "refuse" && onMismatch !== "restart")
    throw new MinibatchError(`fit: resume.onMismatch must be "refuse" or "restart", got ${describe(onMismatch)}`);
  if (!Array.isArray(accept)) throw new MinibatchError(`fit: resume.accept must be a list of names, got ${describe(accept)}`);
  for (const name of accept)
    if (!acceptable.includes(name)) throw new MinibatchError(`fit: resume.accept may have ${acceptable.join(", ")}, got ${describe(name)}`);
  if (dir !== undefined && new CheckpointFolder(dir).dir !== new CheckpointFolder(from).dir) {
    throw new MinibatchError(
      `fit: checkpoint.dir and resume must be the same folder, got ${describe(dir)} and ${describe(from)}; copy the folder to go on from it elsewhere`,
    );
  }
  return { write, resume: { accept, replay, restart: onMismatch === "restart" }, dir: dir ?? from };
}
