// Reading and writing whole files: the one place of the core that touches a file system. Knows no format.
// Node's modules come through the process object, so that a bundle for a browser has nothing to resolve.
import { describe, MinibatchError } from "../errors.ts";
import { codeOf, replaceFile } from "./durable.ts";

type FileSystem = typeof import("node:fs/promises");

/** A module of Node; throws where there is none. */
export function builtin(op: string, name: string): unknown {
  const found = globalThis.process?.getBuiltinModule?.(name);
  if (found === undefined) {
    throw new MinibatchError(`${op}: files can be read and written in Node only, there is no file system here`, "FILE");
  }
  return found;
}

/** The file as a path; a `file:` URL is one too. `op` opens the error messages. */
export function pathOf(op: string, file: string | URL): string {
  if (typeof file === "string" && file !== "" && !file.includes("\0")) return file;
  if (file instanceof URL && file.protocol === "file:") return (builtin(op, "node:url") as typeof import("node:url")).fileURLToPath(file);
  throw new MinibatchError(`${op}: a file is a path or a file: URL, got ${file instanceof URL ? file.href : describe(file)}`, "FILE");
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file or folder",
  EACCES: "permission was refused",
  EPERM: "permission was refused",
  EISDIR: "a file is needed, this is a folder",
  ENOTDIR: "a part of the path is a file, not a folder",
  EROFS: "the file system is read-only",
  ENOSPC: "the disk is full",
  EDQUOT: "the disk quota is used up",
  EIO: "the disk reports an error",
  ERR_FS_FILE_TOO_LARGE: "the file is too large to be read at once",
};

/** What a system's error code means; else the error's own words. */
export function reasonOf(cause: unknown): string {
  return reasons[codeOf(cause) ?? ""] ?? (cause instanceof Error ? cause.message : String(cause));
}

export function fileError(op: string, path: string, cause: unknown): MinibatchError {
  const reason = reasonOf(cause);
  return new MinibatchError(`${op}: ${reason}, got ${describe(path)}`, "FILE", { cause });
}

/** All bytes of a file. */
export async function readFile(op: string, file: string | URL): Promise<Uint8Array> {
  const path = pathOf(op, file);
  const fs = builtin(op, "node:fs/promises") as FileSystem;
  try {
    const buffer = await fs.readFile(path);
    return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
  } catch (cause) {
    throw fileError(op, path, cause);
  }
}

/**
 * Writes a file so that whoever looks, after a crash or a power cut too, finds the old bytes or the new ones and never a part:
 * into a new file beside it, pressed to the disk, renamed over the old one; then the folder is pressed to the disk.
 */
export async function writeFile(op: string, file: string | URL, bytes: Uint8Array): Promise<void> {
  const given = pathOf(op, file);
  const fs = builtin(op, "node:fs/promises") as FileSystem;
  const { basename, dirname, join } = builtin(op, "node:path") as typeof import("node:path");
  try {
    // A link stays a link: its target is replaced. The permissions of a file that is replaced stay too.
    const path = await fs.realpath(given).catch(() => given);
    const mode = await fs.stat(path).then(
      (old) => old.mode & 0o777,
      () => undefined,
    );
    const temporary = join(dirname(path), `.${basename(path)}.${globalThis.crypto.randomUUID()}.tmp`);
    await replaceFile(fs, dirname(path), temporary, path, bytes, mode);
  } catch (cause) {
    throw fileError(op, given, cause);
  }
}
