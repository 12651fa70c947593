// A log in a file of JSON lines, each with its checksum. Lines are only added, each in one write that opens a line of its own,
// so that a process that dies while it writes spoils nothing but its own last line. Knows nothing of what entries mean.
import { closeSync, fdatasync, fstatSync, fsyncSync, linkSync, openSync, promises, readSync, rmSync, writeSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import { crc32 } from "node:zlib";
import { describe, MinibatchError } from "../errors.ts";
import { syncFolder } from "../io/durable.ts";
import type { Entry, Storage } from "./storage.ts";

const synchronized = promisify(fdatasync);
const newline = 0x0a;

const reasons: Readonly<Record<string, string>> = {
  ENOENT: "there is no such folder",
  ENOTDIR: "a part of the path is a file, not a folder",
  EISDIR: "a file is needed, this is a folder",
  EACCES: "permission was refused",
  EPERM: "permission was refused",
  EROFS: "the file system is read-only",
  ENOSPC: "the disk is full",
};

function fileError(path: string, cause: unknown): MinibatchError {
  if (cause instanceof MinibatchError) return cause;
  const code = (cause as { code?: unknown } | null)?.code;
  const reason = (typeof code === "string" && reasons[code]) || (cause instanceof Error ? cause.message : String(cause));
  return new MinibatchError(`storage: ${reason}, got ${describe(path)}`, "FILE", { cause });
}

/** `{"crc":"0a1b2c3d",` and the entry's own fields; the checksum is that of everything behind its comma. */
function toLine(entry: Entry): string {
  const rest = JSON.stringify(entry).slice(1);
  return `{"crc":"${crc32(rest).toString(16).padStart(8, "0")}",${rest}`;
}

const opening = /^\{"crc":"([0-9a-f]{8})",/;

function fromLine(line: Buffer): Entry | undefined {
  const text = line.toString("utf8");
  const found = opening.exec(text);
  if (!found) return undefined;
  const rest = text.slice(found[0].length);
  if (crc32(rest) !== Number.parseInt(found[1] as string, 16)) return undefined;
  try {
    return JSON.parse(`{${rest}`) as Entry;
  } catch {
    return undefined;
  }
}

/** Whether a broken line may be the first part of a whole one, and no more than that. */
function cutShort(line: Buffer): boolean {
  const text = line.toString("utf8");
  const start = '{"crc":"';
  return text.length < start.length ? start.startsWith(text) : text.startsWith(start) && !text.endsWith("}");
}

function write(fd: number, text: string): void {
  const bytes = Buffer.from(text);
  const written = writeSync(fd, bytes);
  // The error of a file gets its path where the path is known.
  if (written < bytes.length) throw new Error(`the disk must have room, only ${written} of ${bytes.length} bytes could be written`);
}

class Journal implements Storage {
  readonly name: string;
  readonly folder: string;
  readonly #path: string;
  readonly #warn: (message: string) => void;
  #fd: number | undefined;
  #offset = 0;
  /** Lines before the offset, and what stands behind the last whole one. */
  #lines = 0;
  #pending: Buffer = Buffer.alloc(0);
  #entries = 0;
  #warnedOfEnd = false;

  constructor(path: string, warn: (message: string) => void) {
    this.name = path;
    this.folder = `${path}.trials`;
    this.#path = path;
    this.#warn = warn;
  }

  #open(): number | undefined {
    if (this.#fd !== undefined) return this.#fd;
    try {
      // Reading, and appending only: the system puts every write at the end, whoever else writes.
      this.#fd = openSync(this.#path, "a+", 0o666);
      return this.#fd;
    } catch (cause) {
      throw fileError(this.#path, cause);
    }
  }

  #exists(): boolean {
    if (this.#fd !== undefined) return true;
    try {
      closeSync(openSync(this.#path, "r"));
      return true;
    } catch (cause) {
      if ((cause as { code?: unknown }).code === "ENOENT") return false;
      throw fileError(this.#path, cause);
    }
  }

  async read(): Promise<readonly Entry[]> {
    if (!this.#exists()) return [];
    const fd = this.#open() as number;
    const first = this.#offset === 0;
    const entries: Entry[] = [];
    try {
      const { size } = fstatSync(fd);
      if (size < this.#offset)
        throw new MinibatchError(`storage: a journal only grows, got ${describe(this.#path)}, which became shorter`, "FILE");
      const bytes = Buffer.alloc(size - this.#offset);
      let got = 0;
      while (got < bytes.length) {
        const count = readSync(fd, bytes, got, bytes.length - got, this.#offset + got);
        if (count === 0) break;
        got += count;
      }
      this.#offset += got;
      this.#split(bytes.subarray(0, got), entries);
    } catch (cause) {
      throw fileError(this.#path, cause);
    }
    this.#entries += entries.length;
    // While others write, the last line may be on its way; right after opening, it is what a crash left.
    if (first && this.#pending.length > 0) {
      if (this.#entries === 0 && !cutShort(this.#pending)) throw this.#alien(1);
      this.#warnedOfEnd = true;
      this.#warn(
        `${this.#path}: the last line (${this.#lines + 1}) ends too early, as a crash leaves it; it is skipped, nothing before it is lost`,
      );
    }
    return entries;
  }

  /** Whole lines become entries. What stands behind the last line feed counts once its checksum is right. */
  #split(bytes: Buffer, entries: Entry[]): void {
    let rest: Buffer = this.#pending.length ? Buffer.concat([this.#pending, bytes]) : bytes;
    for (let end = rest.indexOf(newline); end >= 0; end = rest.indexOf(newline)) {
      this.#line(rest.subarray(0, end), entries);
      rest = rest.subarray(end + 1);
      this.#lines++;
    }
    const entry = rest.length ? fromLine(rest) : undefined;
    if (entry) {
      entries.push(entry);
      this.#pending = Buffer.alloc(0);
    } else {
      this.#pending = Buffer.from(rest);
    }
  }

  #line(line: Buffer, entries: Entry[]): void {
    if (line.length === 0 || (line.length === 1 && line[0] === 0x0d)) return;
    const entry = fromLine(line);
    if (entry) {
      entries.push(entry);
      return;
    }
    const number = this.#lines + 1;
    const short = cutShort(line);
    if (this.#entries + entries.length === 0 && !short) throw this.#alien(number);
    if (this.#warnedOfEnd) {
      // It was the last line when the file was opened, and has been spoken of.
      this.#warnedOfEnd = false;
      return;
    }
    this.#warn(
      short
        ? `${this.#path}: line ${number} ends too early, as a crash leaves it; it is skipped, nothing else is lost`
        : `${this.#path}: line ${number} is damaged (its checksum is wrong) and is skipped; a trial whose end stood there runs again`,
    );
  }

  #alien(line: number): MinibatchError {
    return new MinibatchError(
      `storage: the file must be new or a study's journal, got ${describe(this.#path)}, whose line ${line} is not of a journal or is damaged`,
      "FILE",
    );
  }

  append(entries: readonly Entry[], options: { durable?: boolean } = {}): Promise<void> {
    try {
      const lines = entries.map(toLine).join("\n");
      if (!this.#exists() && this.#create(lines))
        return syncFolder(promises, dirname(this.#path)).catch((cause) => Promise.reject(fileError(this.#path, cause)));
      const fd = this.#open() as number;
      write(fd, `\n${lines}`);
      return options.durable ? synchronized(fd).catch((cause) => Promise.reject(fileError(this.#path, cause))) : Promise.resolve();
    } catch (cause) {
      return Promise.reject(fileError(this.#path, cause));
    }
  }

  /** The file appears with its first lines in it or not at all; false when another process was first. */
  #create(lines: string): boolean {
    const folder = dirname(this.#path);
    const temporary = join(folder, `.${basename(this.#path)}.${globalThis.crypto.randomUUID()}.tmp`);
    const fd = openSync(temporary, "wx", 0o666);
    try {
      write(fd, lines);
      fsyncSync(fd);
      linkSync(temporary, this.#path);
    } catch (cause) {
      const code = (cause as { code?: unknown }).code;
      if (code === "EEXIST") return false;
      // A file system without links: the lines are appended like any others.
      if (code === "EPERM" || code === "ENOTSUP" || code === "ENOSYS" || code === "EOPNOTSUPP") return false;
      throw cause;
    } finally {
      closeSync(fd);
      rmSync(temporary, { force: true });
    }
    return true;
  }

  async close(): Promise<void> {
    if (this.#fd === undefined) return;
    const fd = this.#fd;
    this.#fd = undefined;
    closeSync(fd);
  }
}

/**
 * Keeps a study in a file. It survives the death of the process at any moment, a power cut loses at most trials that had not ended,
 * and several processes of one machine may work on it (on a local disk: network file systems order writes differently).
 * `warn` is told of lines that had to be skipped.
 */
export function journal(path: string, warn: (message: string) => void = (message) => console.error(`minibatch: ${message}`)): Storage {
  if (typeof path !== "string" || path === "" || path.includes("\0"))
    throw new MinibatchError(`study: storage must be the path of a file, got ${describe(path)}`, "FILE");
  if (typeof warn !== "function") throw new MinibatchError(`journal: warn must be a function, got ${describe(warn)}`);
  return new Journal(path, warn);
}
