// Crash states of the checkpoint writer. Its calls to the file system are recorded; before every one of them the power may go,
// and every state that the disk may then have is loaded: it must give the checkpoint that was there or the one being written,
// and once a write has resolved the new one. Then every call in turn fails with ENOSPC, EIO or a short write. Controls leave
// out one safeguard each and must be caught.
//   npm run trust -- crash-states [--short] [--seed S]
import { parseArgs } from "node:util";
import { decodeCheckpoint, encodeCheckpoint } from "../../src/io/checkpoint-file.ts";
import { CheckpointFolder } from "../../src/io/checkpoint-folder.ts";
import type { FileHandle, FileSystem } from "../../src/io/durable.ts";
import { normal } from "../../src/random.ts";
import { type Call, Disk, type Fault } from "./parts/disk.ts";

const { values } = parseArgs({ options: { short: { type: "boolean" }, seed: { type: "string" } } });
const seed = Number(values.seed ?? 1);
/** Checkpoints of a run; the folder keeps two, so that from the third on one is removed. */
const checkpoints = values.short ? 4 : 6;
/** Wrong states are counted up to here: a writer without a safeguard has tens of thousands. */
const enough = 100;
/** Elements of a tensor: several sectors, and in the long version several calls of write. */
const elements = values.short ? 900 : 1_500_000;
const keep = 2;
const folder = "/runs/a";

/** The checkpoint of a step: its text says which. */
async function bytesOf(step: number, size: number): Promise<Uint8Array<ArrayBuffer>> {
  const data = new Float32Array(size);
  normal({ seed, purpose: "tensor", step }, data);
  return encodeCheckpoint({ run: String(step), tensors: new Map([["w", { dtype: "f32", shape: [size], data }]]) });
}

/** What a fresh process finds: the step of the newest readable checkpoint, 0 for an empty folder, or why there is none. */
async function found(disk: Disk): Promise<number | string> {
  try {
    const newest = await new CheckpointFolder(folder, disk).newest();
    return newest ? Number(newest.content.run) : 0;
  } catch (error) {
    return String(error);
  }
}

type Guard = (disk: Disk) => FileSystem;
const whole: Guard = (disk) => disk;

/** Writes the checkpoints of steps 1.. and gathers every state after a power cut with what may be found in it. */
async function powerCuts(guard: Guard): Promise<{ states: number; wrong: string[] }> {
  const content = await Promise.all(Array.from({ length: checkpoints }, (_, i) => bytesOf(i + 1, 900)));
  const disk = new Disk(["/", "/runs"]);
  const writer = new CheckpointFolder(folder, guard(disk));
  const wrong: string[] = [];
  let states = 0;
  let allowed: readonly number[] = [0];
  const waiting: { state: Disk; allowed: readonly number[]; moment: string }[] = [];
  disk.before = () => {
    const last = disk.calls.at(-1);
    const moment = `call ${disk.calls.length}, after ${last?.op} ${last?.path}`;
    for (const state of disk.afterPowerCut()) {
      // A writer that syncs nothing has more states than memory can hold; the first of them will do.
      if (waiting.length >= 5000) return;
      waiting.push({ state, allowed, moment });
    }
  };
  const judge = async () => {
    for (const { state, allowed, moment } of waiting.splice(0)) {
      if (wrong.length >= enough) return;
      states++;
      const step = await found(state);
      if (!allowed.includes(step as number)) wrong.push(`${moment}: expected ${allowed.join(" or ")}, got ${step}`);
    }
  };
  for (let step = 1; step <= checkpoints; step++) {
    allowed = [step - 1, step];
    await writer.write(step, content[step - 1] as Uint8Array, keep);
    // From now on only the new one will do, whatever is lost.
    allowed = [step];
    disk.before(disk);
    await judge();
  }
  return { states, wrong };
}

/** Writes checkpoints while call `index` goes wrong; a run goes on after a failure, and after a power cut too. */
async function oneFault(
  content: readonly Uint8Array[],
  index: number,
  fault: Fault,
): Promise<{ reached: boolean; states: number; wrong: string[] }> {
  const disk = new Disk(["/", "/runs"]);
  let hit: Call | undefined;
  disk.fault = (call, i) => {
    if (i !== index || (fault === "short" && call.op !== "write")) return undefined;
    hit = call;
    return fault;
  };
  const wrong: string[] = [];
  const writer = new CheckpointFolder(folder, disk);
  let states = 0;
  let last = 0;
  const check = async (allowed: readonly number[], when: string) => {
    const step = await found(disk);
    if (!allowed.includes(step as number))
      wrong.push(`${fault} at call ${index} (${hit?.op}), ${when}: expected ${allowed.join(" or ")}, got ${step}`);
    for (const state of disk.afterPowerCut()) {
      if (wrong.length >= enough) return;
      states++;
      const after = await found(state);
      if (!allowed.includes(after as number))
        wrong.push(`${fault} at call ${index} (${hit?.op}), power cut ${when}: expected ${allowed.join(" or ")}, got ${after}`);
    }
  };
  const hushed = disk.fault;
  for (let step = 1; step <= content.length; step++) {
    let failed = false;
    await writer.write(step, content[step - 1] as Uint8Array, keep).catch((error: unknown) => {
      failed = true;
      if (!/^checkpoint: the disk/.test((error as Error).message)) wrong.push(`${fault} at call ${index}: says ${String(error)}`);
    });
    // Looking does not count as a call of the writer.
    disk.fault = () => undefined;
    const { length } = disk.calls;
    await check(failed ? [last, step] : [step], `after step ${step}`);
    disk.calls.length = length;
    disk.fault = hushed;
    if (!failed) last = step;
  }
  const names = (await disk.readdir(folder).catch(() => [])).filter((name) => name.endsWith(".tmp"));
  if (names.length && hit?.op !== "unlink") wrong.push(`${fault} at call ${index} (${hit?.op}): left ${names.join(" ")}`);
  return { reached: hit !== undefined, states, wrong };
}

async function faults(): Promise<{ tried: number; states: number; wrong: string[] }> {
  const content = await Promise.all(Array.from({ length: checkpoints }, (_, i) => bytesOf(i + 1, elements)));
  for (const bytes of content) await decodeCheckpoint(bytes, "in memory");
  const wrong: string[] = [];
  let tried = 0;
  let states = 0;
  for (const fault of ["ENOSPC", "EIO", "short"] as const) {
    // Beyond the last call nothing is hit: calls without a write come in rows no longer than this.
    for (let index = 0, missed = 0; missed < 40 && wrong.length < enough; index++) {
      const one = await oneFault(content, index, fault);
      missed = one.reached ? 0 : missed + 1;
      if (!one.reached) continue;
      tried++;
      states += one.states;
      wrong.push(...one.wrong);
    }
  }
  return { tried, states, wrong };
}

/** A file system that leaves something out. */
function without(disk: Disk, change: Partial<FileSystem>): FileSystem {
  const plain: FileSystem = {
    open: (path, flags) => disk.open(path, flags),
    rename: (from, to) => disk.rename(from, to),
    unlink: (path) => disk.unlink(path),
    readdir: (path) => disk.readdir(path),
    mkdir: (path, options) => disk.mkdir(path, options),
  };
  return { ...plain, ...change };
}

const noSync = (handle: FileHandle): FileHandle => ({ ...handle, sync: async () => undefined });
const controls: readonly [what: string, guard: Guard][] = [
  [
    "no sync of the file",
    (disk) =>
      without(disk, { open: async (path, flags) => (flags === "wx" ? noSync(await disk.open(path, flags)) : disk.open(path, flags)) }),
  ],
  [
    "no sync of the folder",
    (disk) =>
      without(disk, { open: async (path, flags) => (flags === "r" ? noSync(await disk.open(path, flags)) : disk.open(path, flags)) }),
  ],
  [
    "written in place",
    (disk) =>
      without(disk, {
        open: (path, flags) =>
          disk.open(flags === "wx" ? `${folder}/checkpoint-000000000001.safetensors` : path, flags === "wx" ? "w" : flags),
        rename: async () => undefined,
      }),
  ],
  [
    "older ones removed first",
    (disk) =>
      without(disk, {
        open: async (path, flags) => {
          if (flags === "wx") for (const name of await disk.readdir(folder)) await disk.unlink(`${folder}/${name}`);
          return disk.open(path, flags);
        },
        unlink: async () => undefined,
      }),
  ],
];

const began = performance.now();
const cut = await powerCuts(whole);
const failing = await faults();
const wrong = [...cut.wrong, ...failing.wrong];
const n = cut.states + failing.states + failing.tried;
for (const what of wrong.slice(0, 20)) console.error(`crash-states: ${what}`);
const caught: string[] = [];
for (const [what, guard] of controls) {
  const { wrong: found } = await powerCuts(guard);
  caught.push(`${what} ${found.length}${found.length < enough ? "" : " and more"}`);
  if (found.length) continue;
  console.error(`crash-states: the control "${what}" was not caught`);
  process.exitCode = 1;
}
console.log(`crash-states, ${n}, ${wrong.length}, ${seed}, ${((performance.now() - began) / 1000).toFixed(1)}`);
console.log(
  `  ${cut.states} states after power cuts; ${failing.tried} failing calls, with ${failing.states} states after power cuts behind them; controls, each with its wrong states: ${caught.join(", ")}`,
);
if (wrong.length) process.exitCode = 1;
