// The checkpoints of a run: when one is due, what is written and read. It decides no step; the trainer asks it at step
// boundaries and hands it where the run stands. Writing goes on beside the training.
import { describe, MinibatchError } from "../errors.ts";
import { encodeCheckpoint } from "../io/checkpoint-file.ts";
import { CheckpointFolder, type FoundCheckpoint } from "../io/checkpoint-folder.ts";
import { codeOf } from "../io/durable.ts";
import type { Acceptable, CheckpointSettings } from "./checkpoint-options.ts";
import { type Difference, differences, toAccept } from "./identity.ts";
import { decodeStanding, encodeStanding, type Frame, identityOf, needsSchedule, type Standing } from "./standing.ts";

/** What the trainer tells of itself when it begins. */
export interface Opening {
  readonly frame: Frame;
  readonly identity: Promise<Readonly<Record<string, string>>>;
}

export class Checkpoints {
  readonly #settings: CheckpointSettings;
  readonly #folder: CheckpointFolder;
  #opening: Opening | undefined;
  /** One is due and has not been begun. */
  #due = false;
  #writing: Promise<void> | undefined;
  #writtenAt = performance.now();
  /** The last one written or read: nothing is written twice. */
  #last: string | undefined;
  #lastStep: number | undefined;
  /** Where a stopped run stood before its epoch was closed. */
  #held: Standing | undefined;
  #failure: MinibatchError | undefined;
  /** The reason that was said last: a full disk is not told of every time. */
  #warned: string | undefined;

  constructor(settings: CheckpointSettings) {
    this.#settings = settings;
    this.#folder = new CheckpointFolder(settings.dir);
  }

  /** Where the run goes on; undefined when it starts fresh. Rejects when what is in the folder cannot be gone on with. */
  async open(opening: Opening): Promise<Standing | undefined> {
    this.#opening = opening;
    // Whoever awaits it first is told of a failure; nobody may be left who is not.
    opening.identity.catch(() => undefined);
    const { resume, write } = this.#settings;
    if (!resume) {
      const [newest] = await this.#folder.names();
      if (newest !== undefined && write)
        throw new MinibatchError(
          `fit: checkpoint.dir must hold no other run, got ${newest} in ${describe(this.#folder.dir)}; resume: ${describe(this.#settings.dir)} goes on with it`,
        );
      return undefined;
    }
    await opening.identity;
    try {
      return await this.#found(opening, resume.accept);
    } catch (error) {
      // A disk that cannot be read is no other run.
      if (!resume.restart || !(error instanceof MinibatchError) || codeOf(error.cause) !== undefined) throw error;
      console.error(`minibatch: ${error.message.replace(/; (resume: \{ dir|an empty folder starts fresh).*$/, "")}; the run begins again`);
      if (write) await this.#folder.clear();
      return undefined;
    }
  }

  async #found(opening: Opening, accept: readonly Acceptable[]): Promise<Standing | undefined> {
    const found = await this.#folder.newest();
    if (!found) return undefined;
    for (const { name, reason } of found.damaged)
      console.error(`minibatch: resume: ${name} is damaged (${reason}); an older checkpoint is used (${this.#folder.dir})`);
    const standing = await this.#accepted(found, opening, accept);
    this.#last = keyOf(standing);
    this.#lastStep = standing.step;
    return standing;
  }

  async #accepted({ file, content }: FoundCheckpoint, opening: Opening, accept: readonly Acceptable[]): Promise<Standing> {
    const fail = (what: string): never => {
      throw new MinibatchError(`resume: ${what} (${file})`, "FILE");
    };
    const expected = identityOf(content, fail);
    const got = await opening.identity;
    const list = differences(expected, got, accept);
    if (list.length) throw this.#refusal(list, file);
    const standing = decodeStanding(content, opening.frame, fail);
    const resized = ["train.x", "train.y"].find((name) => expected[name] !== got[name]);
    if (resized !== undefined && standing.place.at > 0)
      fail(`a checkpoint in the middle of an epoch needs as many rows as before, expected ${expected[resized]}, got ${got[resized]}`);
    if (!accept.includes("schedule") && needsSchedule(content, fail))
      fail(
        'run.set had given the run a schedule, a function that no file can hold; resume: { dir, accept: ["schedule"] } begins with the optimizer\'s learning rate, and run.set({ learningRate }) right after fit sets yours',
      );
    return standing;
  }

  #refusal(list: readonly Difference[], file: string): MinibatchError {
    const short = (text: string) => (text.length > 44 ? `${text.slice(0, 41)}...` : text);
    const shown = list.slice(0, 3).map(({ name, expected, got }) => `${name} expected ${short(expected)}, got ${short(got)}`);
    const more = list.length > 3 ? `; ${list.length - 3} more` : "";
    const groups = toAccept(list);
    const hint = groups ? `; resume: { dir, accept: ${JSON.stringify(groups)} } goes on all the same, with other results` : "";
    const name = file.slice(this.#folder.dir.length + 1);
    return new MinibatchError(`resume: the run must be the one of the checkpoint: ${shown.join("; ")}${more} (${name})${hint}`);
  }

  /** Steps until the next one is due, for the length of a chunk. */
  stepsLeft(step: number): number {
    const every = this.#settings.write?.every;
    return typeof every === "object" && "steps" in every ? every.steps - (step % every.steps) : Number.POSITIVE_INFINITY;
  }

  /**
   * A step boundary: begins to write where it is time and the last one is done. `epochs` counts those done at the end of an
   * epoch and is undefined within one. Throws when writing failed and the run is to end with that.
   */
  boundary(step: number, epochs: number | undefined, standing: () => Standing): void {
    if (this.#failure) throw this.#failure;
    const { write } = this.#settings;
    if (!write) return;
    const { every } = write;
    if (typeof every === "number") this.#due ||= epochs !== undefined && epochs % every === 0;
    else if ("steps" in every) this.#due ||= step % every.steps === 0 && step !== this.#lastStep;
    else this.#due ||= performance.now() - this.#writtenAt >= every.seconds * 1000;
    // One that is due while the last is still on its way is taken at the first boundary after that.
    if (!this.#due || this.#writing) return;
    const now = standing();
    // The epoch will end as not finite; the last checkpoint is from before that.
    if (now.weights.finite()) this.#begin(now);
  }

  /** A stopped run closes its epoch; a resume goes on as if it had not. */
  hold(standing: Standing): void {
    if (this.#settings.write) this.#held = standing;
  }

  /** At the end of a run: the last checkpoint, awaited. */
  async finish(standing: () => Standing): Promise<void> {
    await this.#writing;
    if (this.#settings.write && !this.#failure) {
      this.#begin(this.#held ?? standing());
      await this.#writing;
    }
    if (this.#failure) throw this.#failure;
  }

  /** Resolves when nothing is being written any more. */
  async close(): Promise<void> {
    await this.#writing;
  }

  #begin(standing: Standing): void {
    this.#due = false;
    this.#writtenAt = performance.now();
    const key = keyOf(standing);
    if (key === this.#last) return;
    this.#writing = this.#write(standing).then(
      () => {
        this.#last = key;
        this.#lastStep = standing.step;
        this.#warned = undefined;
        this.#writing = undefined;
      },
      (error: unknown) => {
        this.#writing = undefined;
        this.#failed(error);
      },
    );
  }

  async #write(standing: Standing): Promise<void> {
    const { frame, identity } = this.#opening as Opening;
    // First the next steps are started, then their thread and this one work side by side.
    await new Promise((resolve) => setTimeout(resolve, 0));
    const bytes = await encodeCheckpoint(encodeStanding(standing, frame, await identity));
    await this.#folder.write(standing.step, bytes, this.#settings.write?.keep ?? 1);
  }

  #failed(error: unknown): void {
    const failure =
      error instanceof MinibatchError ? error : new MinibatchError(`checkpoint: ${describe(error)}`, "FILE", { cause: error });
    if (this.#settings.write?.onError === "stop") {
      this.#failure = failure;
      return;
    }
    const reason = codeOf(failure.cause) ?? failure.message;
    if (this.#warned !== reason) {
      const last = this.#lastStep === undefined ? "there is no checkpoint yet" : `the last checkpoint is that of step ${this.#lastStep}`;
      console.error(`minibatch: ${failure.message}; training goes on, ${last}`);
    }
    this.#warned = reason;
  }
}

/** Tells two standings of one run apart. */
function keyOf({ step, place, interventions }: Standing): string {
  return `${step} ${place.epoch} ${place.at} ${interventions.length}`;
}
