// Writes a file so that whoever looks, after a crash or a power cut too, finds the old bytes or the new ones and never a part.
// The file system is handed in, so that tests can record what is asked of it and let any call fail. Knows no format.

/** What is needed of an open file. Node's FileHandle has it. */
export interface FileHandle {
  write(bytes: Uint8Array, offset: number, length: number, position: number): Promise<{ bytesWritten: number }>;
  read(bytes: Uint8Array, offset: number, length: number, position: number): Promise<{ bytesRead: number }>;
  stat(): Promise<{ size: number }>;
  chmod(mode: number): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** What is needed of a file system. Node's `fs/promises` has it. */
export interface FileSystem {
  open(path: string, flags: "r" | "wx"): Promise<FileHandle>;
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  readdir(path: string): Promise<string[]>;
  mkdir(path: string, options: { recursive: true }): Promise<string | undefined>;
}

/** Bytes of one call: a system may take fewer than it is given, and beyond 2 GB it does. */
const pieceBytes = 4 * 2 ** 20;

export function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" ? code : undefined;
}

/** All bytes through as many calls as it takes: a short write is not an error, one that writes nothing is. */
async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, at, Math.min(pieceBytes, bytes.length - at), at);
    if (!(bytesWritten > 0)) throw Object.assign(new Error(`only ${at} of ${bytes.length} bytes could be written`), { code: "EIO" });
    at += bytesWritten;
  }
}

/**
 * Writes `temporary`, presses it to the disk, renames it to `path`, presses the folder to the disk: once this has resolved the new
 * bytes are there whatever happens. When it rejects, `path` has the old bytes or (if only the last step failed) the new ones.
 */
export async function replaceFile(
  fs: FileSystem,
  folder: string,
  temporary: string,
  path: string,
  bytes: Uint8Array,
  mode?: number,
): Promise<void> {
  try {
    const handle = await fs.open(temporary, "wx");
    try {
      if (mode !== undefined) await handle.chmod(mode);
      await writeAll(handle, bytes);
      // After a failed sync nobody can say which bytes have arrived, and a second try may lie: the file is given up.
      await handle.sync();
    } finally {
      await handle.close();
    }
    await fs.rename(temporary, path);
  } catch (cause) {
    if (codeOf(cause) !== "EEXIST") await fs.unlink(temporary).catch(() => undefined);
    throw cause;
  }
  await syncFolder(fs, folder);
}

/** A folder that cannot be opened or synced at all (Windows, some network file systems) keeps its names without being asked. */
const cannotSync: readonly (string | undefined)[] = ["EISDIR", "EPERM", "EACCES", "EINVAL", "ENOTSUP", "ENOSYS", "EBADF"];

/** Makes the names in a folder durable: new, renamed and removed ones. */
export async function syncFolder(fs: FileSystem, folder: string): Promise<void> {
  let handle: FileHandle;
  try {
    handle = await fs.open(folder, "r");
  } catch (cause) {
    if (cannotSync.includes(codeOf(cause))) return;
    throw cause;
  }
  try {
    await handle.sync();
  } catch (cause) {
    if (!cannotSync.includes(codeOf(cause))) throw cause;
  } finally {
    await handle.close();
  }
}

/** All bytes of a file; no more is allocated than the file has. */
export async function readAll(fs: FileSystem, path: string): Promise<Uint8Array<ArrayBuffer>> {
  const handle = await fs.open(path, "r");
  try {
    const { size } = await handle.stat();
    const bytes = new Uint8Array(size);
    let at = 0;
    while (at < size) {
      const { bytesRead } = await handle.read(bytes, at, Math.min(pieceBytes, size - at), at);
      if (!(bytesRead > 0)) break;
      at += bytesRead;
    }
    return at === size ? bytes : bytes.slice(0, at);
  } finally {
    await handle.close();
  }
}
