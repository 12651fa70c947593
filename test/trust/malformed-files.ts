// Files that are broken on purpose: every rule of the safetensors format, then mutations of safetensors, model, IDX, NPY and CSV files. Each is
// refused with a typed error or gives exactly what an independent reader gives; and what a file makes the library allocate is
// bounded by the file. 100,000 mutations, with `--short` 10,000.
import { bytesMadeBy } from "./parts/counted-arrays.ts";
import { collectGarbage, evidence, type Trial } from "./parts/evidence.ts";
import { mutate } from "./parts/mutations.ts";

// After the counting constructors stand.
const { MinibatchError } = await import("minibatch");
const { decodeSafetensors, encodeSafetensors } = await import("../../src/io/safetensors.ts");
const { decodeModel } = await import("../../src/io/model-file.ts");
const { decodeIdx } = await import("../../src/data/idx.ts");
const { decodeNpy } = await import("../../src/data/npy.ts");
const { decodeCsv } = await import("../../src/data/csv.ts");
const { idx, npy, csv } = await import("minibatch/data");
const { textOf } = await import("../../src/data/read.ts");
const files = await import("./parts/hostile-files.ts");
const { ruleCases, headerBombs } = await import("./parts/safetensors-rules.ts");
const { readFileSync, writeFileSync, rmSync, mkdtempSync } = await import("node:fs");
const { join } = await import("node:path");
const { tmpdir } = await import("node:os");
const { gzipSync } = await import("node:zlib");

/** Messages that would not help: what JavaScript says of its own accord, our own bugs. */
const unhelpful = /internal:|of undefined|undefined is|is not a function|is not iterable|Cannot read|Invalid array length|\[object/;

/** What is wrong with an error that a reader threw; undefined when it is as promised. */
function wrongError(error: unknown, op: string): string | undefined {
  if (!(error instanceof MinibatchError) || error.code !== "FILE")
    return `threw ${error instanceof Error ? `${error.name}: ${error.message}` : String(error)}`;
  if (!error.message.startsWith(`${op}: `)) return `does not say who refuses: ${error.message}`;
  if (unhelpful.test(error.message)) return `says ${error.message}`;
  return error.message.length > 5000 ? `has a message of ${error.message.length} characters` : undefined;
}

const same = (a: ArrayLike<number>, b: ArrayLike<number>): boolean =>
  a.length === b.length && Array.from(a).every((x, i) => Object.is(x, b[i]) || x === b[i]);
const sameShape = (a: readonly number[], b: readonly number[]): boolean => same(a, b);

interface Format {
  readonly name: string;
  readonly bases: readonly Uint8Array[];
  readonly ops: readonly string[];
  /** Reads, and says what is wrong with what was read. */
  read(bytes: Uint8Array): string | undefined;
  /** The most bytes of arrays that a file may cost. */
  bound(bytes: number): number;
}

type Tensors = ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: ArrayLike<number> }>;

function difference(tensors: Tensors, expected: ReturnType<typeof files.readSafetensors>): string | undefined {
  if (tensors.size !== expected.size) return `gives ${tensors.size} tensors, there are ${expected.size}`;
  for (const [name, { shape, values }] of expected) {
    const got = tensors.get(name);
    if (!got || !sameShape(got.shape, shape) || !same(got.data, values)) return `reads "${name}" differently`;
  }
  return undefined;
}

const twice = (bytes: number): number => 2 * bytes;

async function formats(): Promise<Format[]> {
  const models = await files.modelFiles();
  return [
    {
      name: "safetensors",
      bases: files.safetensorsFiles(),
      ops: ["safetensors"],
      bound: twice,
      read: (bytes) => difference(decodeSafetensors(bytes, "x").tensors, files.readSafetensors(bytes)),
    },
    {
      name: "model",
      bases: models,
      ops: ["loadModel", "safetensors"],
      // The layers' memory is laid out in cache lines: some of them for a small model.
      bound: (bytes) => 2 * bytes + 65_536,
      read: (bytes) => {
        const { weights } = decodeModel(bytes, "x", []);
        return difference(new Map(weights.entries().map((entry) => [entry.name, entry])), files.readSafetensors(bytes));
      },
    },
    // One byte of a file may become an i32.
    {
      name: "idx",
      bases: files.idxFiles(),
      ops: ["idx"],
      bound: (bytes) => 4 * bytes + 1024,
      read: (bytes) => single(decodeIdx(bytes, "x"), files.readIdx(bytes)),
    },
    {
      name: "npy",
      bases: files.npyFiles(),
      ops: ["npy"],
      bound: (bytes) => 4 * bytes + 1024,
      read: (bytes) => single(decodeNpy(bytes, "x"), files.readNpy(bytes)),
    },
    {
      name: "csv",
      bases: files.csvFiles(),
      ops: ["csv"],
      // A character and a separator may become an f32, a label beside it an f64 and then an f32.
      bound: (bytes) => 8 * bytes + 1024,
      read: (bytes) => {
        const { x } = decodeCsv(textOf("csv", bytes, "x"), "x", { label: "y", labels: ["y"], columns: undefined, separator: "," });
        const expected = files.readCsv(bytes);
        return expected === undefined || same(x.data(), expected) ? undefined : "reads other numbers";
      },
    },
  ];
}

function single(
  { data, shape }: { data: ArrayLike<number>; shape: readonly number[] },
  expected: ReturnType<typeof files.readIdx>,
): string | undefined {
  return difference(new Map([["", { data, shape }]]), expected);
}

/** One file through one reader. */
function attempt(format: Format, bytes: Uint8Array): { outcome: "read" | "refused"; wrong: string | undefined } {
  const { result, bytes: made } = bytesMadeBy((): { outcome: "read" | "refused"; wrong: string | undefined } => {
    try {
      return { outcome: "read", wrong: format.read(bytes) };
    } catch (error) {
      const found = format.ops.map((op) => wrongError(error, op));
      return { outcome: "refused", wrong: found.includes(undefined) ? undefined : found[0] };
    }
  });
  if (result.wrong === undefined && made > format.bound(bytes.length))
    return { ...result, wrong: `made arrays of ${made} bytes for a file of ${bytes.length}` };
  return result;
}

function rules({ fail, say }: Trial): number {
  for (const { rule, bytes, field } of ruleCases()) {
    try {
      decodeSafetensors(bytes, "x");
      fail(`rule "${rule}": the file was read`);
    } catch (error) {
      const wrong = wrongError(error, "safetensors");
      if (wrong) fail(`rule "${rule}": ${wrong}`);
      else if (!field.test((error as Error).message)) fail(`rule "${rule}": the field is not named: ${(error as Error).message}`);
    }
  }
  const count = ruleCases().length;
  say(`${count} cases, one or more for every rule of the safetensors format: all refused with the field's name`);
  return count;
}

/** Model files whose layers want numbers that the file has not: refused before memory is taken for them. */
function greedyModels({ fail, say }: Trial, model: Format): number {
  let count = 0;
  for (const base of model.bases) {
    const { tensors, metadata } = decodeSafetensors(base, "x");
    const text = metadata.get("architecture") as string;
    for (const units of [2 ** 20, 2 ** 24, 2 ** 28]) {
      const greedy = text.replace(/"units":\d+/, `"units":${units}`);
      if (greedy === text) fail("a model file: there is no dense layer to make greedy");
      const { outcome, wrong } = attempt(model, encodeSafetensors({ tensors, metadata: new Map([...metadata, ["architecture", greedy]]) }));
      if (wrong || outcome === "read") fail(`a model file that wants ${units} units: ${wrong ?? "was read"}`);
      count++;
    }
  }
  say(`${count} model files that want up to 2^28 units they have no numbers for: refused before memory is taken`);
  return count;
}

/** Peak resident bytes while f runs, beyond those before. */
function peak(f: () => void): number {
  collectGarbage();
  // Linux: 5 sets the high-water mark back.
  writeFileSync("/proc/self/clear_refs", "5");
  const kilobytes = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(readFileSync("/proc/self/status", "utf8"))?.[1]);
  const before = kilobytes("VmRSS");
  f();
  return (kilobytes("VmHWM") - before) * 1024;
}

/** Large files, whole and hostile: the memory that reading them takes, measured by the system. */
function memory({ fail, say, long }: Trial): number {
  if (process.platform !== "linux") return 0;
  const megabytes = long ? 88 : 24;
  const valid = new Set(["one tensor of numbers", "spaces"]);
  let worst = 0;
  const bombs = headerBombs(megabytes * 2 ** 20);
  for (const { what, bytes } of bombs) {
    const grown = peak(() => {
      try {
        decodeSafetensors(bytes, "x");
        if (!valid.has(what)) fail(`${what}: was read`);
      } catch (error) {
        const wrong = wrongError(error, "safetensors");
        if (wrong || valid.has(what)) fail(`${what}: ${wrong ?? "was refused"}`);
      }
    });
    worst = Math.max(worst, grown / bytes.length);
    // V8 collects its garbage when it sees fit: some megabytes beside.
    if (grown > 2 * bytes.length + 32 * 2 ** 20) fail(`${what} of ${bytes.length} bytes took ${grown} more bytes`);
  }
  say(`${bombs.length} files of ${megabytes} MB made to cost memory: at most ${worst.toFixed(2)} times the file beside it`);
  return bombs.length;
}

/** Through the file system, gzipped too: the public functions. */
async function publicReaders({ fail, say }: Trial): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "minibatch-malformed-"));
  const path = join(folder, "x");
  let count = 0;
  const refused = async (what: string, bytes: Uint8Array, op: string, read: () => Promise<unknown>) => {
    count++;
    writeFileSync(path, bytes);
    try {
      await read();
      fail(`${what}: was read`);
    } catch (error) {
      const wrong = wrongError(error, op);
      if (wrong) fail(`${what}: ${wrong}`);
    }
  };
  try {
    const zeros = gzipSync(new Uint8Array(2 ** 29));
    await refused("a gzip bomb as IDX", zeros, "idx", () => idx(path));
    await refused("a gzip bomb as NPY", zeros, "npy", () => npy(path));
    await refused("a gzip bomb as CSV", zeros, "csv", () => csv(path, { label: "y" }));
    await refused("half a gzip", zeros.subarray(0, 1000), "idx", () => idx(path));
    await refused("a line of a million separators", new Uint8Array(2 ** 21).fill(44), "csv", () => csv(path, { label: "y" }));
    // Distinct names: found twice by comparing all with all took hours.
    const names = Buffer.from(Array.from({ length: 200_000 }, (_, i) => `c${i}`).join(","));
    await refused("a header of 200,000 columns", names, "csv", () => csv(path, { label: "y" }));
    const npyOf = (header: string) =>
      Buffer.concat([
        Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, header.length % 256, header.length >> 8]),
        Buffer.from(header),
        Buffer.alloc(8),
      ]);
    for (const word of ["<constructor", "<__proto__", "|O", "<f16", "=f4", "<toString"]) {
      await refused(`the type ${word}`, npyOf(`{'descr': '${word}', 'fortran_order': False, 'shape': (1,), }`), "npy", () => npy(path));
    }
    for (const shape of [
      "(99999999999999999999,)",
      "(4294967296, 4294967296)",
      "(1099511627776, 1099511627776, 0)",
      "(1,,2)",
      "(1 2,)",
      "(2,2,2,2,2,2,2)",
      "(,)",
    ]) {
      await refused(`the shape ${shape}`, npyOf(`{'descr': '<f8', 'fortran_order': False, 'shape': ${shape}, }`), "npy", () => npy(path));
    }
    const idxOf = (rank: number, size: number) =>
      Uint8Array.from([0, 0, 8, rank, ...Array.from({ length: rank }, () => [size, size, size, size]).flat()]);
    for (const [rank, size] of [
      [7, 0],
      [255, 1],
      [2, 255],
      [6, 128],
    ] as const)
      await refused(`IDX of rank ${rank}`, idxOf(rank, size), "idx", () => idx(path));
  } finally {
    rmSync(folder, { recursive: true });
  }
  say(`${count} files through the public readers, gzip bombs among them: all refused`);
  return count;
}

await evidence("malformed-files", { short: 10_000, long: 100_000 }, async (trial) => {
  const { n, random, fail, say } = trial;
  const all = await formats();
  for (const format of all) {
    for (const base of format.bases) {
      const { outcome, wrong } = attempt(format, base);
      if (outcome !== "read" || wrong) fail(`${format.name}: an undamaged file ${wrong ?? "was refused"}`);
    }
  }
  const model = all.find(({ name }) => name === "model") as Format;
  const others = rules(trial) + greedyModels(trial, model) + (await publicReaders(trial)) + memory(trial);
  const counts = { read: 0, refused: 0 };
  const shares = { safetensors: 3, model: 3, idx: 1, npy: 2, csv: 1 } as const;
  const deck = all.flatMap((format) => Array.from({ length: shares[format.name as keyof typeof shares] }, () => format));
  for (let i = 0; i < n; i++) {
    const format = deck[i % deck.length] as Format;
    const damaged = mutate(random.pick(format.bases), random, random.pick(format.bases));
    const { outcome, wrong } = attempt(format, damaged.bytes);
    counts[outcome]++;
    if (wrong) fail(`mutation ${i} of ${format.name} (${damaged.names}): ${wrong}`);
  }
  say(`${n} mutations: ${counts.refused} refused with a typed error, ${counts.read} read as an independent reader reads them`);
  return n + others;
});
