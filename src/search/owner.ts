// Whether the process that holds a trial still lives. On the same machine the system knows; of others only silence tells.
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import type { Owner } from "./storage.ts";

/** Studies open in this process: the system knows processes only. */
const open = new Set<string>();

function attempt(read: () => string): string {
  try {
    return read();
  } catch {
    return "";
  }
}

/** When a process began, in the kernel's ticks: a number that is used again belongs to another process. */
function beginOf(pid: number): string {
  // /proc/PID/stat: the name stands in brackets and may hold anything; the start is the 20th field behind it.
  return attempt(() => {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  });
}

let host: string | undefined;

/** The machine's name, its present start, and the name space of process numbers (containers have their own). */
function thisHost(): string {
  host ??= [
    hostname(),
    attempt(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()),
    attempt(() => readlinkSync("/proc/self/ns/pid")),
  ].join(" ");
  return host;
}

/** A new owner in this process. */
export function openOwner(): Owner {
  const id = globalThis.crypto.randomUUID();
  open.add(id);
  return { id, pid: process.pid, host: thisHost(), began: beginOf(process.pid) };
}

export function closeOwner(owner: Owner): void {
  open.delete(owner.id);
}

/** Whether an owner lives; undefined: it is on another machine, or the system cannot tell. */
export function alive(owner: Owner): boolean | undefined {
  if (owner.host !== thisHost()) return undefined;
  if (owner.pid === process.pid && owner.began === beginOf(process.pid)) return open.has(owner.id);
  try {
    process.kill(owner.pid, 0);
  } catch (cause) {
    // Refused means that it is there, and somebody else's.
    if ((cause as { code?: unknown }).code !== "EPERM") return false;
  }
  return beginOf(owner.pid) === owner.began;
}
