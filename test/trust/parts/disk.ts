// A disk in memory that records what is asked of it, fails on demand, and says what it may hold after a power cut: bytes
// written since the last sync of a file may be there, in part, as zeros or not at all; names made, renamed or removed since the
// last sync of their folder may be there or not, in any combination. Model: POSIX's promises and no more.
import type { FileHandle, FileSystem } from "../../../src/io/durable.ts";

type Bytes = Uint8Array<ArrayBuffer>;

class Inode {
  /** As running programs see it. */
  now: Bytes = new Uint8Array(0);
  /** As it was at the last sync; undefined before the first. */
  synced: Bytes | undefined;
  /** Writes since then, in order. */
  readonly since: { readonly at: number; readonly bytes: Bytes }[] = [];
}

/** A change of names: `to` undefined removes. A rename is one change: no state has half of it. */
interface Change {
  readonly folder: string;
  readonly remove?: string;
  readonly add?: { readonly name: string; readonly inode: Inode };
}

export interface Call {
  readonly op: "open" | "write" | "read" | "stat" | "sync" | "close" | "rename" | "unlink" | "readdir" | "mkdir" | "chmod";
  readonly path: string;
}

/** What happens at a call: nothing, an error of the system, or fewer bytes than were given. */
export type Fault = "ENOSPC" | "EIO" | "short" | undefined;

const codeError = (code: string, what: string) => Object.assign(new Error(`${code}: ${what}`), { code });
const split = (path: string): [folder: string, name: string] => [
  path.slice(0, path.lastIndexOf("/")) || "/",
  path.slice(path.lastIndexOf("/") + 1),
];

function written(bytes: Bytes, at: number, more: Bytes): Bytes {
  const made = new Uint8Array(Math.max(bytes.length, at + more.length));
  made.set(bytes);
  made.set(more, at);
  return made;
}

export class Disk implements FileSystem {
  /** Names as running programs see them: folder -> name -> file. */
  readonly #now = new Map<string, Map<string, Inode>>();
  readonly #durable = new Map<string, Map<string, Inode>>();
  readonly #pending: Change[] = [];
  readonly calls: Call[] = [];
  fault: (call: Call, index: number) => Fault = () => undefined;
  /** Called before every call: the moment at which the power may go. */
  before: (disk: Disk) => void = () => undefined;

  constructor(folders: readonly string[] = ["/"]) {
    for (const folder of folders) this.#folder(folder);
  }

  #folder(path: string): Map<string, Inode> {
    const made = this.#now.get(path) ?? new Map<string, Inode>();
    this.#now.set(path, made);
    if (!this.#durable.has(path)) this.#durable.set(path, new Map());
    return made;
  }

  #call(op: Call["op"], path: string): "short" | undefined {
    this.before(this);
    const call = { op, path };
    const fault = this.fault(call, this.calls.length);
    this.calls.push(call);
    if (fault === "short") return "short";
    if (fault) throw codeError(fault, `${op} ${path}`);
    return undefined;
  }

  #change(change: Change): void {
    const names = this.#now.get(change.folder) as Map<string, Inode>;
    apply(names, change);
    this.#pending.push(change);
  }

  async mkdir(path: string, _options: { recursive: true }): Promise<string | undefined> {
    this.#call("mkdir", path);
    if (this.#now.has(path)) return undefined;
    this.#folder(path);
    return path;
  }

  async readdir(path: string): Promise<string[]> {
    this.#call("readdir", path);
    const names = this.#now.get(path);
    if (!names) throw codeError("ENOENT", path);
    return [...names.keys()];
  }

  async rename(from: string, to: string): Promise<void> {
    this.#call("rename", to);
    const [folder, name] = split(from);
    const inode = this.#now.get(folder)?.get(name);
    if (!inode) throw codeError("ENOENT", from);
    this.#change({ folder, remove: name, add: { name: split(to)[1], inode } });
  }

  async unlink(path: string): Promise<void> {
    this.#call("unlink", path);
    const [folder, name] = split(path);
    if (!this.#now.get(folder)?.has(name)) throw codeError("ENOENT", path);
    this.#change({ folder, remove: name });
  }

  /** Flags "w", which the writer does not use, are for the control. */
  async open(path: string, flags: "r" | "wx" | "w"): Promise<FileHandle> {
    this.#call("open", path);
    if (this.#now.has(path)) return this.#folderHandle(path);
    const [folder, name] = split(path);
    const names = this.#now.get(folder);
    let inode = names?.get(name);
    if (flags === "r" && !inode) throw codeError("ENOENT", path);
    if (flags === "wx" && inode) throw codeError("EEXIST", path);
    if (flags === "w" && inode) {
      inode.now = new Uint8Array(0);
      inode.synced = undefined;
      inode.since.length = 0;
    }
    if (!inode) {
      inode = new Inode();
      this.#change({ folder, add: { name, inode } });
    }
    return this.#fileHandle(path, inode);
  }

  #folderHandle(path: string): FileHandle {
    const refuse = async (): Promise<never> => {
      throw codeError("EISDIR", path);
    };
    return {
      write: refuse,
      read: refuse,
      chmod: refuse,
      stat: async () => ({ size: 0 }),
      sync: async () => {
        this.#call("sync", path);
        const durable = this.#durable.get(path) as Map<string, Inode>;
        for (const change of this.#pending.filter((c) => c.folder === path)) apply(durable, change);
        this.#pending.splice(0, this.#pending.length, ...this.#pending.filter((c) => c.folder !== path));
      },
      close: async () => {
        this.#call("close", path);
      },
    };
  }

  #fileHandle(path: string, inode: Inode): FileHandle {
    return {
      write: async (bytes, offset, length, position) => {
        const fault = this.#call("write", path);
        const count = fault === "short" ? Math.floor(length / 2) : length;
        const part = bytes.slice(offset, offset + count);
        inode.now = written(inode.now, position, part);
        inode.since.push({ at: position, bytes: part });
        return { bytesWritten: count };
      },
      read: async (bytes, offset, length, position) => {
        this.#call("read", path);
        const part = inode.now.subarray(position, position + length);
        bytes.set(part, offset);
        return { bytesRead: part.length };
      },
      stat: async () => {
        this.#call("stat", path);
        return { size: inode.now.length };
      },
      chmod: async () => {
        this.#call("chmod", path);
      },
      sync: async () => {
        this.#call("sync", path);
        inode.synced = inode.now;
        inode.since.length = 0;
      },
      close: async () => {
        this.#call("close", path);
      },
    };
  }

  /** Every state that a power cut at this moment may leave, each as a disk of its own. */
  *afterPowerCut(): Generator<Disk> {
    const subsets = 2 ** this.#pending.length;
    for (let chosen = 0; chosen < subsets; chosen++) {
      const folders = new Map([...this.#durable].map(([path, names]) => [path, new Map(names)]));
      this.#pending.forEach((change, i) => {
        if ((chosen >> i) & 1) apply(folders.get(change.folder) as Map<string, Inode>, change);
      });
      const inodes = [...new Set([...folders.values()].flatMap((names) => [...names.values()]))];
      // Every file with unsynced bytes takes each of its states; the others have one.
      const states = inodes.map((inode) => [...contents(inode)]);
      for (const picked of combinations(states.map(({ length }) => length))) {
        const contentOf = new Map(inodes.map((inode, i) => [inode, states[i]?.[picked[i] as number] as Bytes]));
        yield Disk.#holding(folders, contentOf);
      }
    }
  }

  static #holding(folders: ReadonlyMap<string, ReadonlyMap<string, Inode>>, contentOf: ReadonlyMap<Inode, Bytes>): Disk {
    const disk = new Disk([]);
    for (const [path, names] of folders) {
      const made = disk.#folder(path);
      const durable = disk.#durable.get(path) as Map<string, Inode>;
      for (const [name, inode] of names) {
        const copy = new Inode();
        copy.now = contentOf.get(inode) as Bytes;
        copy.synced = copy.now;
        made.set(name, copy);
        durable.set(name, copy);
      }
    }
    return disk;
  }
}

function apply(names: Map<string, Inode>, { remove, add }: Change): void {
  if (remove !== undefined) names.delete(remove);
  if (add) names.set(add.name, add.inode);
}

/** What a file may hold: as at the last sync, or with some of the writes since, whole, cut short at a sector, or as zeros. */
function* contents({ synced, since }: Inode): Generator<Bytes> {
  const base = synced ?? new Uint8Array(0);
  yield base;
  let before: Bytes = base;
  for (const { at, bytes } of since) {
    const sector = 512;
    for (const length of new Set([1, sector, Math.floor(bytes.length / 2 / sector) * sector, bytes.length - 1])) {
      if (length > 0 && length < bytes.length) yield written(before, at, bytes.slice(0, length));
    }
    // The size has arrived and the bytes have not; or all but the first sector have.
    yield written(before, at, new Uint8Array(bytes.length));
    const holed = bytes.slice();
    holed.fill(0, 0, Math.min(sector, bytes.length));
    yield written(before, at, holed);
    before = written(before, at, bytes);
    yield before;
  }
}

/** All choices of one index below each length. */
function* combinations(lengths: readonly number[]): Generator<number[]> {
  const total = lengths.reduce((product, n) => product * n, 1);
  for (let k = 0; k < total; k++) {
    let rest = k;
    yield lengths.map((n) => {
      const index = rest % n;
      rest = Math.floor(rest / n);
      return index;
    });
  }
}
