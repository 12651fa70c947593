// The journal: what a crash leaves, damage, files that are something else, two at once. Processes killed at any moment: test/trust.
import fs, { appendFileSync, chmodSync, copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { choice, type Entry, journal, openStudy, randomSearch, study, uniform } from "minibatch/search";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { entriesOf, quickStudy } from "./search-journal.ts";

const scratch = mkdtempSync(join(tmpdir(), "minibatch-journal-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
let count = 0;
const file = () => join(scratch, `${++count}.jsonl`);

const trials = 8;
const plain = (result: Awaited<ReturnType<typeof crashed>>) => result.trials.map(({ attempts, ...trial }) => trial);
const crashed = (path: string | undefined) => study(quickStudy(path, 1, trials));

let whole: string;
let expected: ReturnType<typeof plain>;
const warnings: string[] = [];
beforeAll(async () => {
  whole = file();
  expected = plain(await crashed(whole));
});
beforeEach(() => {
  warnings.length = 0;
  vi.spyOn(console, "error").mockImplementation((text: unknown) => warnings.push(String(text)));
});
afterEach(() => vi.restoreAllMocks());

describe("a journal", () => {
  it("is JSON lines, the first of which says what study it is", () => {
    const lines = readFileSync(whole, "utf8").split("\n");
    const entries = lines.map((line) => JSON.parse(line) as Entry);
    expect(entries[0]).toMatchObject({ event: "study", version: 1, direction: "minimize", seed: 1 });
    expect(entries.filter(({ event }) => event === "end")).toHaveLength(trials);
  });

  it("cut off anywhere, gives the same study when it is continued", { timeout: 120_000 }, async () => {
    const bytes = readFileSync(whole);
    const header = bytes.indexOf("\n");
    for (let i = 1; i <= 40; i++) {
      // From within the header to one byte before the end; a step that meets every part of a line.
      const at = Math.floor(header / 2 + ((bytes.length - 1 - header / 2) * i) / 40);
      const path = file();
      writeFileSync(path, bytes.subarray(0, at));
      warnings.length = 0;
      expect(plain(await crashed(path)), `cut at ${at}`).toEqual(expected);
      const torn = at > header && bytes[at] !== 10 && bytes[at - 1] !== 10;
      if (torn) expect(warnings.join()).toMatch(/the last line \(\d+\) ends too early, as a crash leaves it/);
      const ends = entriesOf(path).filter(({ event }) => event === "end");
      expect(ends.length).toBe(trials);
      // The torn line stays where it is, and is passed over from then on.
      expect(plain(await crashed(path))).toEqual(expected);
    }
  });

  it("names a damaged line, skips it, and repeats what stood there", async () => {
    const lines = readFileSync(whole, "utf8").split("\n");
    const end = lines.findIndex((line) => line.includes('"event":"end"') && line.includes('"trial":3'));
    const path = file();
    writeFileSync(path, lines.map((line, i) => (i === end ? line.replace('"value":', '"value":1') : line)).join("\n"));
    const result = await crashed(path);
    expect(warnings).toEqual([
      `minibatch: ${path}: line ${end + 1} is damaged (its checksum is wrong) and is skipped; a trial whose end stood there runs again`,
    ]);
    expect(plain(result)).toEqual(expected);
    expect(result.trials.map(({ attempts }) => attempts)).toEqual([1, 1, 2, 1, 1, 1, 1, 1]);
  });

  it("of another study is refused, and says what differs", async () => {
    const path = file();
    copyFileSync(whole, path);
    const options = quickStudy(path, 1, trials);
    await expect(study({ ...options, seed: 2 })).rejects.toThrow(/^study: storage holds another study, .*: its seed is 1, here 2; /);
    await expect(study({ ...options, direction: "maximize" })).rejects.toThrow(/it is to minimize, here to maximize/);
    const other = { learningRate: uniform(1e-4, 1), layers: uniform(0, 1) };
    await expect(study({ ...options, space: other, objective: () => 1 })).rejects.toThrow(
      /"learningRate" is \{"kind":"logUniform".*\} there and \{"kind":"uniform"/,
    );
    expect(readFileSync(path)).toEqual(readFileSync(whole));
  });

  it("of a choice among other lists is another study's", async () => {
    const path = file();
    const among = (units: number[][], count: number) =>
      study({
        space: { units: choice(units) },
        strategy: randomSearch({ trials: count }),
        storage: path,
        objective: (p) => p.units.length,
      });
    const [one, two, other] = [
      [8, 16],
      [16, 8],
      [32, 8],
    ];
    await among([one, two], 3);
    await expect(among([one, other], 4)).rejects.toThrow(/"values":\[\[8,16\],\[16,8\]\]\} there and .*\[\[8,16\],\[32,8\]\]\} here/);
    expect((await among([one, two], 4)).trials).toHaveLength(4);
  });

  it("of another version, or a file that is something else, is refused and left as it is", async () => {
    const alien = async (content: string, says: RegExp) => {
      const path = file();
      writeFileSync(path, content);
      await expect(crashed(path)).rejects.toThrow(says);
      expect(readFileSync(path, "utf8")).toBe(content);
    };
    await alien("x,y\n1,2\n", /^storage: the file must be new or a study's journal, got ".*", whose line 1 is not of a journal/);
    await alien('{"event":"study"}', /whose line 1 is not of a journal/);
    await alien(readFileSync(whole, "utf8").replace('"seed":1', '"seed":2'), /whose line 1 is not of a journal or is damaged/);
    const path = file();
    const future = { time: 1, event: "study", version: 2, space: {}, direction: "minimize", seed: 1 } as const;
    await journal(path).append([future]);
    await expect(crashed(path)).rejects.toThrow(/^storage: this library reads journals of version 1, got .* of version 2/);
    const headless = file();
    await journal(headless).append([{ time: 1, event: "alive", owner: "nobody" }]);
    await expect(crashed(headless)).rejects.toThrow(/a journal must begin with the study/);
    await expect(crashed(join(scratch, "none", "a.jsonl"))).rejects.toThrow(/^storage: there is no such folder, got /);
    await expect(crashed(scratch)).rejects.toThrow(/^storage: a file is needed, this is a folder/);
    await expect(crashed(join(whole, "a.jsonl"))).rejects.toThrow(/^storage: a part of the path is a file, not a folder, got /);
  });

  it("in a folder that refuses files is an error, and nothing is run", async () => {
    // Permissions do not bind the system's administrator; the kernel's own folder takes no files of anybody.
    const folder = process.getuid?.() === 0 ? "/sys" : mkdtempSync(join(scratch, "closed-"));
    if (folder !== "/sys") chmodSync(folder, 0o555);
    let ran = 0;
    const objective = () => ran++;
    const options = { space: { x: uniform(0, 1) }, strategy: randomSearch({ trials: 2 }), objective };
    await expect(study({ ...options, storage: join(folder, "a.jsonl") })).rejects.toThrow(
      /^storage: (permission was refused|the file system is read-only), got ".*a\.jsonl"$/,
    );
    expect(ran).toBe(0);
  });

  it("on a disk that becomes full is named in the error, and goes on when there is room", async () => {
    const path = file();
    const { writeSync } = fs;
    const short = (limit: number) => {
      let left = limit;
      fs.writeSync = ((fd: number, bytes: Buffer) => {
        const written = writeSync(fd, bytes.subarray(0, Math.max(0, left)));
        left -= written;
        return written;
      }) as typeof writeSync;
      syncBuiltinESMExports();
    };
    short(1000);
    try {
      await expect(crashed(path)).rejects.toThrow(
        new RegExp(`^storage: the disk must have room, only \\d+ of \\d+ bytes could be written, got ".*${basename(path)}"$`),
      );
    } finally {
      fs.writeSync = writeSync;
      syncBuiltinESMExports();
    }
    expect(plain(await crashed(path))).toEqual(expected);
  });

  it("may be gone on with for more trials, by another strategy", async () => {
    const path = file();
    copyFileSync(whole, path);
    const more = await study({ ...quickStudy(path, 1, trials), strategy: randomSearch({ trials: trials + 4 }) });
    expect(more.trials).toHaveLength(trials + 4);
    expect(more.trials.slice(0, trials).map(({ value }) => value)).toEqual(expected.map(({ value }) => value));
  });
});

describe("several owners", () => {
  const space = { x: uniform(0, 1) };
  const options = (storage: string) => ({ space, strategy: randomSearch({ trials: 2 }), storage });

  it("an old lease writes nothing that counts: each trial has one end", async () => {
    const path = file();
    const first = await openStudy(options(path));
    const trial = await first.ask();
    if (!trial) throw new Error("there must be a trial");
    trial.report(1);
    // Somebody takes the trial over, as happens after a long silence.
    const other = journal(path);
    await other.append([{ time: 1, event: "resume", trial: 1, lease: 2, owner: "another" }]);
    trial.report(2);
    await expect(first.tell(trial, 0.1)).rejects.toThrow(/^tell: trial 1 was taken over by another process; its end counts$/);
    await other.append([{ time: 2, event: "end", trial: 1, lease: 2, state: "done", value: 0.7 }]);
    await other.append([{ time: 3, event: "end", trial: 1, lease: 2, state: "failed", error: "late" }]);
    expect((await first.trials()).map(({ value, reports, state }) => [value, reports, state])).toEqual([[0.7, [1], "done"]]);
    await other.close();
    await first.close();
  });

  it("a number that two want is the one's who wrote first", async () => {
    const path = file();
    const [a, b] = [await openStudy(options(path)), await openStudy(options(path))];
    const [one, two] = await Promise.all([a.ask(), b.ask()]);
    expect(new Set([one?.number, two?.number])).toEqual(new Set([1, 2]));
    expect(await a.ask()).toBeUndefined();
    await a.close();
    // Its owner let go of it: the other gets it, with the same values.
    const left = await b.ask();
    expect([left?.number, left?.attempt, left?.params]).toEqual([one?.number, 2, one?.params]);
    await b.close();
  });

  it("that cannot be looked up keep their trials until they let go of them, or are silent for two minutes", async () => {
    const path = file();
    const open = await openStudy({ ...options(path), strategy: randomSearch({ trials: 4 }) });
    const other = journal(path);
    const far = { id: "far", pid: 1, host: "another machine", began: "" };
    await other.append([{ time: 1, event: "owner", ...far }]);
    for (const trial of [1, 2])
      await other.append([{ time: 1, event: "start", trial, owner: "far", by: "random search", params: { x: 0.5 }, seen: 1 }]);
    expect((await open.ask())?.number).toBe(3);
    await other.append([{ time: 1, event: "release", trial: 2, lease: 1 }]);
    expect((await open.ask())?.number).toBe(2);
    const now = performance.now();
    const clock = vi.spyOn(performance, "now").mockReturnValue(now + 119_000);
    expect((await open.ask())?.number).toBe(4);
    expect(await open.ask()).toBeUndefined();
    await other.append([{ time: 1, event: "alive", owner: "far" }]);
    expect(await open.ask()).toBeUndefined();
    clock.mockReturnValue(now + 238_000);
    expect(await open.ask()).toBeUndefined();
    clock.mockReturnValue(now + 240_000);
    const left = await open.ask();
    expect([left?.number, left?.attempt, left?.params.x]).toEqual([1, 2, 0.5]);
    await other.close();
    await open.close();
  });

  it("a line that a dying process left unfinished does not spoil the next one's", async () => {
    const path = file();
    const open = await openStudy(options(path));
    appendFileSync(path, '\n{"crc":"00000000","time":1,"eve');
    const trial = await open.ask();
    if (!trial) throw new Error("there must be a trial");
    await open.tell(trial, 0.25);
    expect((await open.result()).best.value).toBe(0.25);
    await open.close();
    expect(warnings.join()).toMatch(/line 2 ends too early/);
  });
});
