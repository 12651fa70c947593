// The folder of a run's checkpoints: which is the newest that can be read, how one is added, when older ones go. One run at a
// time works on a folder. Knows nothing of what a checkpoint means beyond its checksums.
import { describe, MinibatchError } from "../errors.ts";
import { type CheckpointContent, decodeCheckpoint, LaterVersionError } from "./checkpoint-file.ts";
import { codeOf, type FileSystem, readAll, replaceFile, syncFolder } from "./durable.ts";
import { builtin, fileError, reasonOf } from "./file.ts";

export interface FoundCheckpoint {
  readonly file: string;
  readonly content: CheckpointContent;
  /** Newer ones that could not be read: the name and what is wrong. */
  readonly damaged: readonly { readonly name: string; readonly reason: string }[];
}

/** Steps up to 10^12 keep the order of numbers when names are sorted as text. */
const named = /^checkpoint-\d{12,}\.safetensors$/;
const temporaryName = /^\.checkpoint-\d{12,}\.safetensors\.[-\w]+\.tmp$/;
const nameOf = (step: number) => `checkpoint-${String(step).padStart(12, "0")}.safetensors`;
/** Longer names are greater numbers. */
const older = (a: string, b: string) => a.length - b.length || (a < b ? -1 : 1);

type Path = typeof import("node:path");

export class CheckpointFolder {
  readonly dir: string;
  readonly #fs: FileSystem;
  readonly #path: Path;
  /** Names that this object has found or written; another one means that a second run writes here. */
  readonly #known = new Set<string>();
  readonly #damaged = new Set<string>();
  #made = false;

  /** `fs` is Node's own but in tests. */
  constructor(dir: string, fs?: FileSystem) {
    this.#fs = fs ?? (builtin("checkpoint", "node:fs/promises") as FileSystem);
    this.#path = builtin("checkpoint", "node:path") as Path;
    this.dir = this.#path.resolve(dir);
  }

  /** Names of all checkpoints, the newest first; empty where there is no folder. */
  async names(): Promise<string[]> {
    return (await this.#entries()).filter((name) => named.test(name)).sort((a, b) => older(b, a));
  }

  async #entries(): Promise<string[]> {
    try {
      return await this.#fs.readdir(this.dir);
    } catch (cause) {
      if (codeOf(cause) === "ENOENT") return [];
      throw fileError("checkpoint", this.dir, cause);
    }
  }

  /** The newest checkpoint whose every byte is right; undefined where there is none at all. Throws when none can be read. */
  async newest(): Promise<FoundCheckpoint | undefined> {
    const names = await this.names();
    const damaged: { name: string; reason: string }[] = [];
    for (const name of names) this.#known.add(name);
    for (const name of names) {
      const file = this.#path.join(this.dir, name);
      try {
        const content = await decodeCheckpoint(await readAll(this.#fs, file), name);
        for (const { name } of damaged) this.#damaged.add(name);
        return { file, content, damaged };
      } catch (cause) {
        if (cause instanceof LaterVersionError) throw cause;
        damaged.push({ name, reason: reasonOf(cause).replace(/ \([^()]*\)$/, "") });
      }
    }
    const [first] = damaged;
    if (!first) return undefined;
    throw new MinibatchError(
      `resume: a checkpoint must be readable, got ${names.length} damaged, the newest ${first.name}: ${first.reason} (${this.dir}); an empty folder starts fresh`,
      "FILE",
    );
  }

  /**
   * Adds the checkpoint of a step, and when it is safe on the disk removes all but the newest `keep`. Rejects, with the older
   * ones untouched, when it could not be written.
   */
  async write(step: number, bytes: Uint8Array, keep: number): Promise<void> {
    const name = nameOf(step);
    const path = this.#path.join(this.dir, name);
    try {
      await this.#make();
      await this.#checkAlone();
      // Before it is there: when only the last sync fails, the new name may stand in the folder.
      this.#known.add(name);
      const temporary = this.#path.join(this.dir, `.${name}.${globalThis.crypto.randomUUID()}.tmp`);
      await replaceFile(this.#fs, this.dir, temporary, path, bytes);
    } catch (cause) {
      if (cause instanceof MinibatchError) throw cause;
      throw fileError("checkpoint", path, cause);
    }
    this.#damaged.delete(name);
    // What cannot be removed now is removed after the next one.
    await this.#removeOld(keep).catch(() => undefined);
  }

  /** Removes all checkpoints, the oldest first: what a crash leaves is never older than what was there. */
  async clear(): Promise<void> {
    try {
      for (const name of (await this.names()).reverse()) await this.#fs.unlink(this.#path.join(this.dir, name));
    } catch (cause) {
      throw fileError("checkpoint", this.dir, cause);
    }
    this.#known.clear();
    this.#damaged.clear();
  }

  /** Makes the folder, its name durable in those above it, and clears away what a killed run left half written. */
  async #make(): Promise<void> {
    if (this.#made) return;
    const first = await this.#fs.mkdir(this.dir, { recursive: true });
    if (first !== undefined) {
      const top = this.#path.dirname(first);
      let above = this.dir;
      do {
        above = this.#path.dirname(above);
        await syncFolder(this.#fs, above);
      } while (above !== top && above !== this.#path.dirname(above));
    }
    for (const name of await this.#fs.readdir(this.dir))
      if (temporaryName.test(name)) await this.#fs.unlink(this.#path.join(this.dir, name)).catch(() => undefined);
    this.#made = true;
  }

  async #checkAlone(): Promise<void> {
    const stranger = (await this.names()).find((name) => !this.#known.has(name));
    if (stranger === undefined) return;
    throw new MinibatchError(
      `checkpoint: one run at a time may write to a folder, got ${stranger} of another (${describe(this.dir)})`,
      "FILE",
    );
  }

  async #removeOld(keep: number): Promise<void> {
    const names = await this.names();
    const sound = names.filter((name) => !this.#damaged.has(name));
    for (const name of [...names.filter((n) => this.#damaged.has(n)), ...sound.slice(keep)]) {
      await this.#fs.unlink(this.#path.join(this.dir, name));
      this.#known.delete(name);
      this.#damaged.delete(name);
    }
  }
}
