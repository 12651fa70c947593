// The safetensors reader and writer against bytes of the reference implementation and against every broken rule of the format;
// and files: written whole or not at all.
import { mkdtemp, writeFile as put, readFile as readBack, readdir, rm, stat, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { convert, type DType } from "../src/dtype.ts";
import { readFile, writeFile } from "../src/io/file.ts";
import { decodeModel } from "../src/io/model-file.ts";
import { decodeSafetensors, encodeSafetensors, type StoredTensor } from "../src/io/safetensors.ts";

/** Written by the Python package safetensors 0.8.0 (`safetensors.numpy.save`), which is where the order, the padding and the alignment come from. */
const reference = Buffer.from(
  "mAEAAAAAAAB7Il9fbWV0YWRhdGFfXyI6eyJmb3JtYXQiOiJtaW5pYmF0Y2ggw6lcIlxcIn0sInRoZXRhIjp7ImR0eXBlIjoiRjY0Iiwic2hhcGUiOlsyXSwiZGF0YV9vZmZz" +
    "ZXRzIjpbMCwxNl19LCJlbXB0eSI6eyJkdHlwZSI6IkYzMiIsInNoYXBlIjpbMCwzXSwiZGF0YV9vZmZzZXRzIjpbMTYsMTZdfSwibGF5ZXIudyI6eyJkdHlwZSI6IkYzMiIs" +
    "InNoYXBlIjpbMiwyXSwiZGF0YV9vZmZzZXRzIjpbMTYsMzJdfSwic2NhbGFyIjp7ImR0eXBlIjoiRjMyIiwic2hhcGUiOltdLCJkYXRhX29mZnNldHMiOlszMiwzNl19LCJs" +
    "YWJlbHMiOnsiZHR5cGUiOiJJMzIiLCJzaGFwZSI6WzJdLCJkYXRhX29mZnNldHMiOlszNiw0NF19LCJtYXNrIjp7ImR0eXBlIjoiVTgiLCJzaGFwZSI6WzNdLCJkYXRhX29m" +
    "ZnNldHMiOls0NCw0N119fSAgICAYLURU+yEJQAAAAAAAAACAAADAPwAAAMAAAIA+5rFhfwAA8ED/////////fwD/Bw==",
  "base64",
);

const stored = (dtype: DType, shape: number[], values: number[]): StoredTensor => ({ dtype, shape, data: convert(values, dtype) });

/** In another order than the file's. */
const content = new Map<string, StoredTensor>([
  ["mask", stored("u8", [3], [0, 255, 7])],
  ["scalar", stored("f32", [], [7.5])],
  ["theta", stored("f64", [2], [Math.PI, -0])],
  ["labels", stored("i32", [2], [-1, 2147483647])],
  ["layer.w", stored("f32", [2, 2], [1.5, -2, 0.25, 3e38])],
  ["empty", stored("f32", [0, 3], [])],
]);
const metadata = new Map([["format", 'minibatch é"\\']]);

function file(header: unknown, numbers = 0): Uint8Array {
  const text = typeof header === "string" ? header : JSON.stringify(header);
  const bytes = new TextEncoder().encode(text);
  const out = new Uint8Array(8 + bytes.length + numbers);
  new DataView(out.buffer).setBigUint64(0, BigInt(bytes.length), true);
  out.set(bytes, 8);
  return out;
}
const entry = (dtype: unknown, shape: unknown, offsets: unknown) => ({ dtype, shape, data_offsets: offsets });
const u8 = entry("U8", [1], [0, 1]);

describe("safetensors", () => {
  it("writes the reference implementation's bytes, whatever the order of the tensors", () => {
    expect(Buffer.from(encodeSafetensors({ tensors: content, metadata }))).toEqual(reference);
    expect(Buffer.from(encodeSafetensors({ tensors: new Map([...content].reverse()), metadata }))).toEqual(reference);
  });

  it("reads the reference implementation's bytes, at any offset in memory", () => {
    const shifted = new Uint8Array(reference.length + 1);
    shifted.set(reference, 1);
    const { tensors, metadata: text } = decodeSafetensors(shifted.subarray(1));
    expect(text).toEqual(metadata);
    expect(tensors.size).toBe(content.size);
    for (const [name, tensor] of content) expect(tensors.get(name)).toEqual(tensor);
    expect([...tensors.keys()]).toEqual(["theta", "empty", "layer.w", "scalar", "labels", "mask"]);
  });

  it("gives copies: a change of the bytes afterwards changes no tensor", () => {
    const bytes = new Uint8Array(reference);
    const { tensors } = decodeSafetensors(bytes);
    bytes.fill(0, 416);
    expect(tensors.get("mask")?.data).toEqual(Uint8Array.of(0, 255, 7));
  });

  it("brings back whatever was put in, and starts every tensor at a multiple of its element size", () => {
    const tensor = fc
      .record({ dtype: fc.constantFrom<DType>("f32", "f64", "i32", "u8"), shape: fc.array(fc.nat({ max: 3 }), { maxLength: 4 }) })
      .chain(({ dtype, shape }) => {
        const size = shape.reduce((a, b) => a * b, 1);
        const value = dtype === "f32" ? fc.float() : dtype === "f64" ? fc.double() : dtype === "i32" ? fc.integer() : fc.nat({ max: 255 });
        return fc.array(value, { minLength: size, maxLength: size }).map((values) => stored(dtype, shape, values));
      });
    const name = fc.string({ unit: "grapheme" }).filter((text) => text !== "__metadata__");
    const names = fc.constantFrom("__proto__", "constructor", "toString", "");
    const tensors = fc.array(fc.tuple(fc.oneof(name, names), tensor)).map((pairs) => new Map(pairs));
    const texts = fc.array(fc.tuple(fc.oneof(name, names), name)).map((pairs) => new Map(pairs));
    fc.assert(
      fc.property(tensors, texts, (tensors, metadata) => {
        const bytes = encodeSafetensors({ tensors, metadata });
        const back = decodeSafetensors(bytes);
        expect(new Map([...back.tensors].sort())).toEqual(new Map([...tensors].sort()));
        expect(back.metadata).toEqual(metadata);
        const begin = 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true));
        expect(begin % 8).toBe(0);
        let offset = 0;
        for (const { data } of back.tensors.values()) {
          expect(offset % data.BYTES_PER_ELEMENT).toBe(0);
          offset += data.byteLength;
        }
        expect(begin + offset).toBe(bytes.length);
      }),
      { numRuns: 60 },
    );
  });

  it("keeps NaN, infinities and the sign of zero", () => {
    const data = Float32Array.of(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0);
    const bytes = encodeSafetensors({ tensors: new Map([["x", { dtype: "f32", shape: [4], data }]]), metadata: new Map() });
    const back = decodeSafetensors(bytes).tensors.get("x")?.data as Float32Array;
    expect([...back].map((x) => Object.is(x, -0))).toEqual([false, false, false, true]);
    expect(back).toEqual(data);
  });

  it("pollutes no prototype", () => {
    const text = '{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"__metadata__":{"__proto__":"x"}}';
    const read = decodeSafetensors(file(text, 1));
    expect([...read.tensors.keys()]).toEqual(["__proto__"]);
    expect(read.metadata.get("__proto__")).toBe("x");
    expect(({} as { dtype?: unknown }).dtype).toBeUndefined();
  });

  it("accepts an empty file of tensors, and fields of a future format", () => {
    expect(decodeSafetensors(file("{}")).tensors.size).toBe(0);
    expect(decodeSafetensors(file({ a: { ...u8, device: "cpu" } }, 1)).tensors.size).toBe(1);
    expect(decodeSafetensors(file('{"a" :\n{"dtype":"U8","shape":[1],"data_offsets":[0,1]} }  ', 1)).tensors.size).toBe(1);
  });

  const hole = { a: entry("U8", [1], [0, 1]), b: entry("U8", [1], [2, 3]) };
  const overlap = { a: entry("U8", [2], [0, 2]), b: entry("U8", [2], [1, 3]) };
  const tooLong = file("{}");
  new DataView(tooLong.buffer).setBigUint64(0, 100_000_001n, true);
  const huge = file("{}");
  huge.fill(0xff, 0, 8);
  const notUtf8 = file("{}  ");
  notUtf8[9] = 0xff;
  const refused: readonly (readonly [what: string, bytes: Uint8Array, message: RegExp])[] = [
    ["an empty file", new Uint8Array(0), /8 bytes of the header's length, got 0 bytes/],
    ["a header longer than 100 MB", tooLong, /at most 100000000, got 100000001/],
    ["a length of 2^64 - 1", huge, /at most 100000000, got 18446744073709551615/],
    ["a header behind the end", reference.subarray(0, 100), /got 408 bytes of header in a file of 100: cut short\?/],
    ["a header that is not UTF-8", notUtf8, /must be UTF-8/],
    ["a header that starts with a space", file(" {}"), /must start with "\{", got " \{\}"/],
    ["a header that is a list", file("[]"), /must start with "\{"/],
    ["broken JSON", file('{"a":'), /a value .* expected at character 5 of the header, got the end/],
    ["a comma too many", file('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},}', 1), /a string expected at character 53/],
    ["text behind the header", file('{} "x"'), /the end expected at character 3/],
    ["a name twice", file('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{}}', 1), /names must differ, got "a" twice/],
    ["a field twice", file('{"a":{"dtype":"U8","dtype":"U8"}}'), /names must differ, got "dtype" twice/],
    ["metadata twice", file('{"__metadata__":{},"__metadata__":{}}'), /got "__metadata__" twice/],
    ["half a surrogate pair", file('{"\\ud800":1}'), /a string of whole characters expected/],
    ["a control character in a name", file('{"a\u0001":1}'), /a string with JSON's escapes expected/],
    ["an unknown escape", file('{"\\x":1}'), /a string with JSON's escapes expected/],
    ["nesting without end", file(`{"a":${"[".repeat(100_000)}`), /at most 4 levels/],
    ["a fraction", file({ a: entry("U8", [1.5], [0, 1]) }, 1), /numbers whole/],
    ["a negative size", file({ a: entry("U8", [-1], [0, 1]) }, 1), /numbers whole/],
    ["a size beyond 2^53", file('{"a":{"dtype":"U8","shape":[9007199254740993],"data_offsets":[0,1]}}', 1), /numbers whole/],
    ["a tensor that is no object", file({ a: [1] }), /"a" must be an object with dtype, shape and data_offsets, got an array of 1/],
    ["a tensor without a dtype", file({ a: { shape: [1], data_offsets: [0, 1] } }, 1), /"a" must have .* got no dtype/],
    ["a tensor without a shape", file({ a: { dtype: "U8", data_offsets: [0, 1] } }, 1), /"a" must have .* got no shape/],
    ["a tensor without offsets", file({ a: { dtype: "U8", shape: [1] } }, 1), /"a" must have .* got no data_offsets/],
    ["a dtype the library has not", file({ a: entry("BF16", [1], [0, 2]) }, 2), /"a"\.dtype must be F64, F32, I32, U8, got "BF16"/],
    ["a dtype that is no text", file({ a: entry(3, [1], [0, 1]) }, 1), /"a"\.dtype must be .* got 3/],
    ["a shape that is no list", file({ a: entry("U8", 1, [0, 1]) }, 1), /"a"\.shape must be a list of whole numbers, got 1/],
    ["a shape of words", file({ a: entry("U8", ["1"], [0, 1]) }, 1), /"a"\.shape must be a list of whole numbers/],
    ["three offsets", file({ a: entry("U8", [1], [0, 1, 2]) }, 1), /"a"\.data_offsets must be \[begin, end\], got \[0, 1, 2\]/],
    ["offsets the wrong way round", file({ a: entry("U8", [1], [1, 0]) }, 1), /"a"\.data_offsets must be \[begin, end\]/],
    ["offsets that do not fit the shape", file({ a: entry("F32", [2], [0, 4]) }, 4), /must span the 8 bytes of F32 \[2\], got \[0, 4\]/],
    ["more bytes than the shape has", file({ a: entry("F32", [1], [0, 8]) }, 8), /must span the 4 bytes of F32 \[1\], got \[0, 8\]/],
    [
      "a shape whose size overflows",
      file({ a: entry("U8", [2 ** 40, 2 ** 40], [0, 1]) }, 1),
      /"a"\.shape must be of a size that a file can have/,
    ],
    ["the same with a zero at the end", file({ a: entry("U8", [2 ** 40, 2 ** 40, 0], [0, 0]) }), /of a size that a file can have/],
    ["a hole", file(hole, 3), /"b"\.data_offsets must start at 1, .* got \[2, 3\]/],
    ["an overlap", file(overlap, 3), /"b"\.data_offsets must start at 2, .* got \[1, 3\]/],
    ["a first tensor that does not start at 0", file({ a: entry("U8", [1], [1, 2]) }, 2), /"a"\.data_offsets must start at 0/],
    ["numbers behind the end", file({ a: entry("U8", [4], [0, 4]) }, 3), /"a"\.data_offsets must end within the 3 bytes/],
    ["numbers left over", file({ a: u8 }, 2), /must cover all 2 bytes after the header, got 1/],
    ["metadata that is no object", file({ __metadata__: null }), /"__metadata__" must be an object of strings, got null/],
    ["metadata that is no text", file({ __metadata__: { epoch: 3 } }), /"__metadata__"\."epoch" must be a string, got 3/],
  ];
  it.each(refused)("refuses %s", (_, bytes, message) => {
    const read = () => decodeSafetensors(bytes, "model.safetensors");
    expect(read).toThrow(message);
    expect(read).toThrow(expect.objectContaining({ name: "MinibatchError", code: "FILE" }));
    expect(read).toThrow(/^safetensors: .* \(model\.safetensors\)$/s);
  });

  it("refuses every truncation", () => {
    for (let length = 0; length < reference.length; length++) {
      expect(() => decodeSafetensors(reference.subarray(0, length)), String(length)).toThrow(expect.objectContaining({ code: "FILE" }));
    }
  });

  it("survives any damage: an error with code FILE or tensors that fit their shapes", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat({ max: reference.length - 1 }), fc.nat({ max: 255 })), { minLength: 1, maxLength: 4 }),
        (changes) => {
          const bytes = new Uint8Array(reference);
          for (const [at, value] of changes) bytes[at] = value;
          try {
            for (const { shape, data } of decodeSafetensors(bytes).tensors.values()) {
              expect(data.length).toBe(shape.reduce((a, b) => a * b, 1));
            }
          } catch (error) {
            expect(error).toMatchObject({ code: "FILE" });
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  it("refuses to write what could not be read", () => {
    const write = (name: string, tensor: StoredTensor, text = new Map<string, string>()) =>
      encodeSafetensors({ tensors: new Map([[name, tensor]]), metadata: text });
    const x = stored("f32", [1], [1]);
    expect(() => write("__metadata__", x)).toThrow(/a tensor's name/);
    expect(() => write("\ud800", x)).toThrow(/a tensor's name/);
    expect(() => write("x", { ...x, shape: [2] })).toThrow(
      /tensor "x" must hold the f32 numbers of its shape \[2\], got a Float32Array of 1/,
    );
    expect(() => write("x", { ...x, dtype: "i32" })).toThrow(/tensor "x" must hold the i32 numbers/);
    expect(() => write("x", x, new Map([["k", "\udc00"]]))).toThrow(/metadata "k" must be well-formed text/);
    expect(() => write("x", x, new Map([["k", 1 as unknown as string]]))).toThrow(/metadata "k" must be a string, got 1/);
  });
});

describe("model files", () => {
  const model = (layers: readonly unknown[], tensors: ReadonlyMap<string, StoredTensor> = new Map()) =>
    decodeModel(
      encodeSafetensors({
        tensors,
        metadata: new Map([
          ["format", "minibatch"],
          ["architecture", JSON.stringify({ version: 1, inputShape: [2], layers })],
        ]),
      }),
      "m.safetensors",
      [],
    );
  const refused: readonly (readonly [what: string, layers: readonly unknown[], message: RegExp])[] = [
    // Was allocated before the file was asked for its numbers.
    ["a layer larger than the file", [{ kind: "dense", name: "d", options: { units: 2 ** 31 } }], /tensor "d\.w" is missing/],
    [
      "a scaler of a size without numbers",
      [{ kind: "standardization", name: "s", options: { size: 2 ** 24 } }],
      /fitted on 16777216 features/,
    ],
    ["two layers of one name", [1, 2].map(() => ({ kind: "relu", name: "r", options: {} })), /two layers are named "r"/],
    ["layers that do not fit", [{ kind: "reshape", name: "r", options: { shape: [7] } }], /its layers do not fit together: .*reshape/],
    ["a layer's name that is a path", [{ kind: "relu", name: "../r", options: {} }], /layers\[0\]\.name must be letters/],
    [
      "more layers than can be followed",
      Array.from({ length: 10_001 }, (_, i) => ({ kind: "relu", name: `r${i}`, options: {} })),
      /must be a list of layers/,
    ],
  ];
  it.each(refused)("refuses %s", (_, layers, message) => {
    expect(() => model(layers)).toThrow(message);
    expect(() => model(layers)).toThrow(expect.objectContaining({ code: "FILE" }));
  });
});

describe("files", () => {
  let folder = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "minibatch-"));
  });
  afterAll(async () => {
    await rm(folder, { recursive: true });
  });
  const bytes = Uint8Array.of(1, 2, 3);

  it("come back as they were written, by path or URL", async () => {
    const path = join(folder, "a b.bin");
    await writeFile("save", pathToFileURL(path), bytes);
    expect(await readFile("load", path)).toEqual(bytes);
    expect(await readFile("load", pathToFileURL(path))).toEqual(bytes);
  });

  it("are replaced whole: the old permissions stay, a link stays a link, no temporary file is left", async () => {
    const [target, link] = [join(folder, "target.bin"), join(folder, "link.bin")];
    await put(target, "old", { mode: 0o600 });
    await symlink(target, link);
    await writeFile("save", link, bytes);
    expect(new Uint8Array(await readBack(target))).toEqual(bytes);
    expect((await stat(target)).mode & 0o777).toBe(0o600);
    expect((await readdir(folder)).filter((name) => name.includes("tmp"))).toEqual([]);
  });

  it("that cannot be written leave nothing behind", async () => {
    const path = join(folder, "kept.bin");
    await put(path, "old");
    await expect(writeFile("save", folder, bytes)).rejects.toThrow(expect.objectContaining({ code: "FILE" }));
    await expect(writeFile("save", join(folder, "no", "x.bin"), bytes)).rejects.toThrow(
      /^save: there is no such file or folder, got ".*x\.bin"$/,
    );
    // Not bytes: the failure comes between opening and renaming.
    await expect(writeFile("save", path, { length: 7 } as unknown as Uint8Array)).rejects.toThrow(/^save: /);
    expect(await readBack(path, "utf8")).toBe("old");
    expect((await readdir(folder)).filter((name) => name.includes("tmp"))).toEqual([]);
  });

  it("that cannot be read say why", async () => {
    await expect(readFile("load", join(folder, "none"))).rejects.toThrow(/^load: there is no such file or folder, got ".*none"$/);
    await expect(readFile("load", folder)).rejects.toThrow(/^load: a file is needed, this is a folder/);
    await expect(readFile("load", "")).rejects.toThrow(/^load: a file is a path or a file: URL, got ""$/);
    await expect(readFile("load", 3 as unknown as string)).rejects.toThrow(/got 3$/);
    await expect(readFile("load", new URL("http://example.org/x"))).rejects.toThrow(/got http:\/\/example\.org\/x$/);
  });

  it("are refused clearly where there is no file system", async () => {
    const { getBuiltinModule } = process;
    try {
      Object.assign(process, { getBuiltinModule: undefined });
      await expect(readFile("loadModel", "x")).rejects.toThrow(/^loadModel: files can be read and written in Node only/);
    } finally {
      Object.assign(process, { getBuiltinModule });
    }
  });
});
