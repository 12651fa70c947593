// The log of a run: a file of JSON lines that says what the run was, everything that was done to it with the step at which it
// took effect, and a digest of the weights after every epoch. Lines are only added. Knows what a log means, and no model.
import { describe, MinibatchError } from "../errors.ts";
import { builtin, fileError, pathOf, readFile, reasonOf } from "../io/file.ts";
import type { Json } from "../nn/layer.ts";
import type { Weights } from "../nn/weights.ts";
import type { Epoch, Intervention, StoppedBecause } from "./history.ts";
import { differences } from "./identity.ts";
import type { Settings } from "./options.ts";
import { type Beginning, type Recorder, weightsDigest } from "./recorder.ts";

/** Raised when what lines mean changes; a log of a later version is refused by name. */
const logVersion = 1;
const format = "minibatch run";
const interventions = ["pause", "resume", "stop", "set", "mark", "revert"] as const;

/** What was done to a run, as a log has it. */
export interface LoggedIntervention extends Intervention {
  /** The epoch that a stop cut short had been recorded before it, at the same step. */
  readonly closed: boolean;
}

/** The options that a log holds: what `fit` needs again, but for data and functions. */
export interface LoggedOptions {
  readonly loss: { readonly kind: string; readonly options: Readonly<Record<string, number>> };
  readonly optimizer: {
    readonly kind: string;
    /** "schedule" for a function. */
    readonly learningRate: number | "schedule";
    readonly settings: Readonly<Record<string, Json>>;
  };
  readonly regularizer: { readonly l1: number; readonly l2: number } | null;
  readonly batchSize: number;
  readonly epochs: number;
  readonly seed: number;
  readonly shuffle: boolean;
  readonly earlyStopping: NonNullable<Settings["earlyStopping"]> | null;
  readonly clipNorm: number | null;
  readonly clipValue: number | null;
}

/** An epoch as a log has it. */
export interface LoggedEpoch {
  readonly epoch: number;
  readonly step: number;
  /** SHA-256 of parameters and statistics at its end. */
  readonly weights: string;
}

/** What a log says. */
export interface Logged {
  readonly options: LoggedOptions;
  readonly identity: Readonly<Record<string, string>>;
  /** SHA-256 of the weights before the first step. */
  readonly start: string;
  readonly interventions: readonly LoggedIntervention[];
  readonly epochs: readonly LoggedEpoch[];
  /** undefined: the run was cut short, or still works. */
  readonly end: { readonly because: StoppedBecause; readonly step: number; readonly weights: string } | undefined;
}

function optionsOf({ settings: s }: Beginning): LoggedOptions {
  const { recipe, loss, earlyStopping } = s;
  const rate = recipe.learningRate;
  return {
    loss: { kind: loss.kind, options: loss.options },
    optimizer: {
      kind: recipe.kind,
      learningRate: typeof rate === "number" ? rate : "schedule",
      settings: JSON.parse(JSON.stringify(recipe.settings)) as Record<string, Json>,
    },
    regularizer: s.regularizer ? { l1: s.regularizer.l1, l2: s.regularizer.l2 } : null,
    batchSize: s.batchSize,
    epochs: s.epochs,
    seed: s.seed,
    shuffle: s.shuffle,
    earlyStopping: earlyStopping ?? null,
    clipNorm: s.clipNorm ?? null,
    clipValue: s.clipValue ?? null,
  };
}

type Handle = { appendFile(text: string): Promise<void>; sync(): Promise<void>; close(): Promise<void> };

/** Writes a log. A line that cannot be written is told of once; the run goes on. */
export class RunLog implements Recorder {
  readonly #path: string;
  #handle: Handle | undefined;
  #written: Promise<void> = Promise.resolve();
  #failed = false;

  constructor(path: string) {
    this.#path = path;
  }

  async begin(beginning: Beginning): Promise<void> {
    const { identity, resumed, resumes, start } = beginning;
    const fs = builtin("fit: log", "node:fs/promises") as typeof import("node:fs/promises");
    let old: Logged | undefined;
    let cut = "";
    try {
      const size = await fs.stat(this.#path).then(
        (found) => (found.isDirectory() ? 0 : found.size),
        () => 0,
      );
      if (size > 0) {
        if (!resumes)
          throw new MinibatchError(
            `fit: log must be a new file, got ${describe(this.#path)}, which has ${size} bytes; a run that resumes goes on with its log`,
          );
        const read = await readLog("fit: log", this.#path);
        old = read.logged;
        // Behind a line that a crash cut short a new one begins.
        cut = read.cut ? "\n" : "";
      }
      this.#handle = await fs.open(this.#path, "a");
    } catch (cause) {
      throw cause instanceof MinibatchError ? cause : fileError("fit: log", this.#path, cause);
    }
    if (old) {
      const [other] = differences(old.identity, identity, []);
      if (other) {
        await this.#close();
        throw new MinibatchError(
          `fit: log must be that of the run it resumes: ${other.name} expected ${other.expected}, got ${other.got} (${this.#path}); a new file takes what follows`,
        );
      }
    } else {
      const header = { format, version: logVersion, options: optionsOf(beginning), identity, start: await weightsDigest(start) };
      this.#write(`${cut}${JSON.stringify(header)}`);
      cut = "";
    }
    if (resumed ?? old) {
      const { step = 0, epochs = 0, interventions: list = [] } = resumed ?? {};
      this.#write(`${cut}${JSON.stringify({ step, what: "resumed", epochs, interventions: list })}`);
    }
    await this.#written;
  }

  intervention(intervention: Intervention): void {
    this.#write(JSON.stringify(intervention));
  }

  async epoch(e: Epoch, weights: Weights): Promise<void> {
    const { epoch, step, trainLoss, trainError, devLoss, devError, learningRate } = e;
    const digest = await weightsDigest(weights);
    this.#write(JSON.stringify({ step, what: "epoch", epoch, trainLoss, trainError, devLoss, devError, learningRate, weights: digest }));
    await this.#written;
  }

  async end(because: StoppedBecause, step: number, weights: Weights): Promise<void> {
    this.#write(JSON.stringify({ step, what: "end", because, weights: await weightsDigest(weights) }));
    await this.close();
  }

  async close(): Promise<void> {
    await this.#written;
    await this.#handle?.sync().catch(() => undefined);
    await this.#close();
  }

  async #close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close().catch(() => undefined);
  }

  #write(line: string): void {
    this.#written = this.#written.then(async () => {
      if (this.#failed) return;
      try {
        await this.#handle?.appendFile(`${line}\n`);
      } catch (cause) {
        this.#failed = true;
        console.error(
          `minibatch: fit: log: ${reasonOf(cause)}, got ${describe(this.#path)}; training goes on, the log ends here and cannot be replayed further`,
        );
      }
    });
  }
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isCount = (value: unknown): value is number => typeof value === "number" && Number.isSafeInteger(value) && value >= 0;

/** The options of a log, as far as their kinds go; that their values are good ones is for fit to say. */
function isLoggedOptions(value: unknown): value is LoggedOptions {
  if (!isRecord(value) || !isRecord(value.loss) || !isRecord(value.optimizer)) return false;
  const { loss, optimizer } = value;
  const rate = typeof optimizer.learningRate === "number" || optimizer.learningRate === "schedule";
  return (
    [loss.kind, optimizer.kind].every((kind) => typeof kind === "string") && isRecord(loss.options) && isRecord(optimizer.settings) && rate
  );
}

/** Whether an intervention has a value of its kind. */
const hasValue: Readonly<Record<Intervention["what"], (value: unknown) => boolean>> = {
  pause: (value) => value === undefined,
  resume: (value) => value === undefined,
  stop: (value) => value === undefined,
  set: isRecord,
  mark: (value) => typeof value === "string",
  revert: (value) => typeof value === "string" || (isRecord(value) && typeof value.mark === "string" && value.settings === "keep"),
};

function interventionOf(value: unknown, fail: (what: string) => never): Intervention {
  const { step, what, value: own } = isRecord(value) ? value : {};
  if (!isCount(step)) return fail(`must have a step, got ${describe(step)}`);
  const known = interventions.find((each) => each === what);
  if (!known) return fail(`must say what was done (${interventions.join(", ")}, epoch, resumed, end), got ${describe(what)}`);
  if (!hasValue[known](own)) return fail(`must have what belongs to ${known} as value, got ${describe(own)}`);
  return value as Intervention;
}

/** Reads a log. A last line that was cut short by a crash is left out; anything else that is wrong is an error with its line. */
export async function readLog(op: string, file: string | URL): Promise<{ readonly logged: Logged; readonly cut: boolean }> {
  const path = pathOf(op, file);
  const text = new TextDecoder().decode(await readFile(op, file));
  const lines = text.split("\n");
  // Behind the last whole line there is nothing.
  const rest = lines.pop() as string;
  const fail = (line: number, what: string): never => {
    throw new MinibatchError(`${op}: line ${line + 1} ${what} (${path})`, "FILE");
  };
  const parsed = lines.map((line, i): Readonly<Record<string, unknown>> | undefined => {
    try {
      const value: unknown = JSON.parse(line, (key, each: unknown) => (key === "__proto__" ? undefined : each));
      return isRecord(value) ? value : fail(i, `must be an object, got ${describe(value)}`);
    } catch (error) {
      if (error instanceof MinibatchError) throw error;
      return undefined;
    }
  });
  const [header] = parsed;
  if (!header || header.format !== format)
    return fail(0, `must begin the log of a run, { "format": "${format}", ... }, got ${describe(lines[0] ?? rest)}`);
  if (header.version !== logVersion) fail(0, `must have version ${logVersion}, got ${describe(header.version)}`);
  const { options, identity, start } = header as { options: unknown; identity: unknown; start: unknown };
  if (!isLoggedOptions(options) || !isRecord(identity) || typeof start !== "string")
    return fail(0, "must have options with a loss and an optimizer, identity and start");
  let done: LoggedIntervention[] = [];
  let epochs: LoggedEpoch[] = [];
  let end: Logged["end"];
  let latest = 0;
  /** Epochs before a stop. */
  let stopped: number | undefined;
  for (const [at, line] of parsed.slice(1).entries()) {
    const i = at + 1;
    if (line === undefined) {
      // A process that died while it wrote leaves a part of a line; the one after it says where the run was taken up again.
      if (parsed[i + 1]?.what !== "resumed") fail(i, `is damaged: ${describe(lines[i])}`);
      continue;
    }
    const { step, what } = line;
    if (!isCount(step)) return fail(i, `must have a step, got ${describe(step)}`);
    // Only a resume goes back, to its checkpoint.
    if (step < latest && what !== "resumed")
      return fail(i, `must not have a step before that of the lines above it, ${latest}, got ${step}`);
    latest = step;
    end = undefined;
    if (what === "epoch") {
      const { epoch, weights } = line;
      if (!isCount(epoch) || typeof weights !== "string") return fail(i, "must have epoch and weights");
      epochs.push({ epoch, step, weights });
    } else if (what === "end") {
      if (typeof line.because !== "string" || typeof line.weights !== "string") return fail(i, "must have because and weights");
      end = { because: line.because as StoppedBecause, step, weights: line.weights };
    } else if (what === "resumed") {
      const { epochs: kept, interventions: list } = line;
      if (!isCount(kept) || !Array.isArray(list)) return fail(i, "must have epochs and interventions");
      epochs = epochs.filter(({ epoch }) => epoch <= kept);
      // The run goes on: no stop before this has ended it.
      done = list
        .map((each: unknown) => ({
          ...interventionOf(each, (wrong) => fail(i, `must have interventions that are whole; one ${wrong}`)),
          closed: false,
        }))
        .filter(({ what: each }) => each !== "stop");
      stopped = undefined;
    } else {
      const intervention = interventionOf(line, (wrong) => fail(i, wrong));
      done.push({ ...intervention, closed: stopped !== undefined && epochs.length > stopped });
      if (what === "stop") stopped ??= epochs.length;
    }
  }
  const logged = { options, identity: identity as Readonly<Record<string, string>>, start };
  return { logged: { ...logged, interventions: done, epochs, end }, cut: rest !== "" };
}
