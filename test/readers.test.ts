// Readers of files: IDX, NPY and CSV, each against files written byte by byte here, and against what is wrong with a file.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { csv, idx, npy } from "../src/data/index.ts";
import type { Dataset } from "../src/dataset.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "minibatch-readers-"));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});
async function written(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}
const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

describe("idx", () => {
  const header = (type: number, ...sizes: number[]) => [0, 0, type, sizes.length, ...sizes.flatMap((n) => [0, 0, 0, n])];

  it("reads every type, big-endian", async () => {
    const cases: [number, number[], string, number[]][] = [
      [8, [1, 255], "u8", [1, 255]],
      [9, [1, 255], "i32", [1, -1]],
      [11, [1, 0, 255, 254], "i32", [256, -2]],
      [12, [0, 1, 0, 0, 255, 255, 255, 255], "i32", [65536, -1]],
      [13, [0x3f, 0xc0, 0, 0, 0xc0, 0, 0, 0], "f32", [1.5, -2]],
      [14, [0x3f, 0xf8, 0, 0, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0], "f64", [1.5, -2]],
    ];
    for (const [type, numbers, dtype, values] of cases) {
      const read = await idx(await written("a.idx", Uint8Array.from([...header(type, 2, 1), ...numbers])));
      expect([read.dtype, read.shape, [...read.data()]]).toEqual([dtype, [2, 1], values]);
    }
  });

  it("says what is wrong with a file", async () => {
    const read = async (bytes: number[] | string) =>
      idx(await written("b.idx", typeof bytes === "string" ? bytes : Uint8Array.from(bytes)));
    await expect(read("hello")).rejects.toThrow(/^idx: a file starts with 00 00, .* got "68 65 6c 6c": not an IDX file\? \(.*b\.idx\)$/);
    await expect(read([0, 0])).rejects.toThrow(/got "00 00"/);
    await expect(read(header(8, 1, 1, 1, 1, 1, 1, 1))).rejects.toMatchObject({
      code: "FILE",
      message: expect.stringMatching(/^idx: shape: at most 6 axes/),
    });
    await expect(read([0, 0, 10, 1, 0, 0, 0, 0])).rejects.toThrow(/a type of 08 to 0e/);
    await expect(read([0, 0, 8, 2, 0, 0, 0, 1])).rejects.toThrow(/the sizes of 2 axes must follow, got 8 bytes in all/);
    await expect(read([...header(8, 3), 1, 2])).rejects.toThrow(/3 bytes of numbers must follow for shape \[3\], got 2: cut short\?/);
    await expect(read([...header(8, 1), 1, 2])).rejects.toThrow(/1 bytes of numbers must follow .* got 2 \(/);
    await expect(read([...gzipSync(Uint8Array.from([...header(8, 1), 1])).subarray(0, 20)])).rejects.toThrow(
      /^idx: a gzipped file must be whole/,
    );
  });
});

describe("npy", () => {
  /** A file of version 1 as NumPy writes it. */
  function npyFile(descr: string, shape: string, numbers: ArrayLike<number>, fortran = "False"): Uint8Array {
    const text = `${`{'descr': ${descr}, 'fortran_order': ${fortran}, 'shape': ${shape}, }`.padEnd(117)}\n`;
    return Uint8Array.from([0x93, ...Buffer.from("NUMPY"), 1, 0, text.length, 0, ...Buffer.from(text), ...Array.from(numbers)]);
  }
  const bytesOf = (data: ArrayBufferView) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const read = async (bytes: Uint8Array) => npy(await written("a.npy", bytes));

  it("reads the types of NumPy in both byte orders", async () => {
    const values = [1, 2, 100];
    const cases: [string, ArrayBufferView, string][] = [
      ["'|b1'", Uint8Array.of(1, 0, 1), "u8"],
      ["'|u1'", Uint8Array.from(values), "u8"],
      ["'|i1'", Int8Array.from(values), "i32"],
      ["'<i2'", Int16Array.from(values), "i32"],
      ["'<u2'", Uint16Array.from(values), "i32"],
      ["'<i4'", Int32Array.from(values), "i32"],
      ["'<u4'", Uint32Array.from(values), "i32"],
      ["'<i8'", BigInt64Array.from(values.map(BigInt)), "i32"],
      ["'<u8'", BigUint64Array.from(values.map(BigInt)), "i32"],
      ["'<f4'", Float32Array.from(values), "f32"],
      ["'<f8'", Float64Array.from(values), "f64"],
    ];
    for (const [descr, data, dtype] of cases) {
      const tensor = await read(npyFile(descr, "(3,)", bytesOf(data)));
      expect([descr, tensor.dtype, tensor.shape, [...tensor.data()]]).toEqual([descr, dtype, [3], descr === "'|b1'" ? [1, 0, 1] : values]);
    }
    expect([...(await read(npyFile("'>i4'", "(2,)", [0, 0, 1, 0, 255, 255, 255, 254]))).data()]).toEqual([256, -2]);
    // 1, -2, the smallest subnormal, infinity, NaN, in half precision.
    const half = await read(npyFile("'<f2'", "(5,)", [0, 0x3c, 0, 0xc0, 1, 0, 0, 0x7c, 1, 0x7c]));
    expect(half.dtype).toBe("f32");
    expect([...half.data()]).toEqual([1, -2, 2 ** -24, Number.POSITIVE_INFINITY, Number.NaN]);
  });

  it("reads shapes, and Fortran order as row-major", async () => {
    expect((await read(npyFile("'|u1'", "()", [7]))).shape).toEqual([]);
    expect((await read(npyFile("'|u1'", "(2, 0)", []))).shape).toEqual([2, 0]);
    const fortran = await read(npyFile("'|u1'", "(2, 3)", [1, 4, 2, 5, 3, 6], "True"));
    expect(fortran.toArray()).toEqual([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    const cube = upTo(24).map((i) => (i % 2) * 12 + (Math.floor(i / 2) % 3) * 4 + Math.floor(i / 6));
    expect([...(await read(npyFile("'|u1'", "(2, 3, 4)", cube, "True"))).data()]).toEqual(upTo(24));
  });

  it("reads versions 2 and 3, whose header length has four bytes", async () => {
    const one = npyFile("'|u1'", "(1,)", [9]);
    const two = Uint8Array.from([...one.subarray(0, 6), 2, 0, one[8] as number, 0, 0, 0, ...one.subarray(10)]);
    expect([...(await read(two)).data()]).toEqual([9]);
  });

  it("says what is wrong with a file", async () => {
    await expect(read(Uint8Array.of(1, 2))).rejects.toThrow(/^npy: a file starts with "\\x93NUMPY", .* \(.*a\.npy\)$/);
    await expect(read(npyFile("'<f4'", "(2,)", [0, 0, 0, 0]))).rejects.toThrow(
      /8 bytes of numbers must follow for <f4 \[2\], got 4: cut short\?/,
    );
    await expect(read(npyFile("'|O'", "(1,)", [0]))).rejects.toThrow(/the type must be one of b1, .* got "\|O"/);
    await expect(read(npyFile("[('a', '<f4')]", "(1,)", [0, 0, 0, 0]))).rejects.toThrow(
      /the header must give descr in a form that is read here/,
    );
    await expect(read(npyFile("'<i8'", "(1,)", bytesOf(BigInt64Array.of(2n ** 31n))))).rejects.toThrow(
      /must fit i32, got 2147483648 at element 0/,
    );
    await expect(read(npyFile("'<f4'", "(1,)", []).subarray(0, 60))).rejects.toThrow(
      /header of 118 bytes must end within the file, got 60/,
    );
    // Names that every object of JavaScript has were taken for types.
    for (const word of ["constructor", "toString", "__proto__"]) {
      await expect(read(npyFile(`'<${word}'`, "(1,)", [0]))).rejects.toThrow(/the type must be one of b1/);
    }
    // Sizes that no tensor can have were a ShapeError without the file's name; a gap counted as 0.
    for (const shape of ["(99999999999999999999,)", "(1099511627776, 1099511627776, 0)", "(1,,2)", "(2,2,2,2,2,2,2)"]) {
      await expect(read(npyFile("'<f8'", shape, []))).rejects.toMatchObject({
        code: "FILE",
        message: expect.stringMatching(/^npy: shape: .*a\.npy\)$/),
      });
    }
    const nine = npyFile("'|u1'", "(1,)", [9]);
    nine[6] = 9;
    await expect(read(nine)).rejects.toThrow(/version must be 1, 2 or 3, got 9/);
  });
});

describe("csv", () => {
  const table = (text: string | Uint8Array, options: Parameters<typeof csv>[1]) =>
    written("a.csv", text).then((file) => csv(file, options));

  it("reads quotes, line breaks in quotes, CRLF, a byte order mark and empty lines", async () => {
    const text = '\ufeffsize,"the ""kind""\r\nof it",y\r\n1.5,"2",a\r\n\r\n-2e1," 3 ","a,\nb"\r\n.5,+4, a';
    const { x, y, classes } = await table(text, { label: "y", columns: ["size", 'the "kind"\r\nof it'] });
    expect(x.toArray()).toEqual([
      [1.5, 2],
      [-20, 3],
      [0.5, 4],
    ]);
    expect(x.dtype).toBe("f32");
    expect(classes).toEqual(["a", "a,\nb"]);
    expect([...y.data()]).toEqual([0, 1, 0]);
  });

  it("makes labels of words, whole numbers, other numbers, and several columns", async () => {
    const text = "x,word,whole,real,far\n1,b,3,0.5,3e9\n2,a,-1,2,1\n";
    const label = async (name: string | string[]) => (await table(text, { label: name, columns: ["x"] })) as Dataset;
    const word = await label("word");
    expect([word.y.dtype, [...word.y.data()], word.classes]).toEqual(["i32", [1, 0], ["a", "b"]]);
    const whole = await label("whole");
    expect([whole.y.dtype, [...whole.y.data()], whole.classes]).toEqual(["i32", [3, -1], undefined]);
    expect([(await label("real")).y.dtype, (await label("far")).y.dtype]).toEqual(["f32", "f32"]);
    const both = await label(["real", "whole"]);
    expect([both.y.shape, both.y.toArray()]).toEqual([
      [2, 2],
      [
        [0.5, 3],
        [2, -1],
      ],
    ]);
  });

  it("takes another separator, chosen columns in their order, gzip and URLs", async () => {
    const file = await written("b.csv.gz", gzipSync("a;b;c\n1,5;2;3\n"));
    await expect(csv(file, { label: "c", separator: ";" })).rejects.toThrow(
      /a value must be a number, got "1,5" in row 1 \(line 2\), column "a"/,
    );
    const read = await csv(pathToFileURL(file), { label: "b", columns: ["c"], separator: ";" });
    expect([read.x.toArray(), [...read.y.data()]]).toEqual([[[3]], [2]]);
  });

  it("brings back any table it is given", async () => {
    const text = fc.string().filter((field) => !["", "na", "n/a", "nan", "null", "?"].includes(field.trim().toLowerCase()));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.integer(), text), { minLength: 1, maxLength: 20 }), async (rows) => {
        const quoted = (field: string) => `"${field.replaceAll('"', '""')}"`;
        const { x, y, classes } = await table(`n,label\n${rows.map(([n, field]) => `${n},${quoted(`_${field}`)}`).join("\n")}`, {
          label: "label",
        });
        expect([...x.data()]).toEqual(rows.map(([n]) => Math.fround(n)));
        expect([...y.data()].map((code) => classes?.[code])).toEqual(rows.map(([, field]) => `_${field}`.trim()));
      }),
      { numRuns: 40 },
    );
  });

  const wrong: readonly (readonly [what: string, text: string, options: unknown, message: RegExp])[] = [
    ["a missing value", "x,y\n1,2\n,3\n", { label: "y" }, /a value is missing in row 2 \(line 3\), column "x"/],
    ["NaN", "x,y\nNaN,2\n", { label: "y" }, /a value is missing in row 1 \(line 2\), column "x"/],
    ["a missing label", "x,y\n1,a\n2,NA\n", { label: "y" }, /a label is missing in row 2 \(line 3\), column "y"/],
    ["a word among numbers", "x,y\n1,2\nred,3\n", { label: "y" }, /a value must be a number, got "red" in row 2/],
    ["a hexadecimal number", "x,y\n0x10,2\n", { label: "y" }, /must be a number, got "0x10"/],
    ["a number beyond f32", "x,y\n1e39,2\n", { label: "y" }, /must be a number, got "1e39"/],
    [
      "a short row after a quoted line break",
      'x,z,y\n"1\n",2,3\n4,5\n',
      { label: "y" },
      /every row must have 3 fields, got 2 in row 2 \(line 4\)/,
    ],
    ["no such label", "x,target\n1,2\n", { label: "traget" }, /there is no column "traget", did you mean "target"\?/],
    ["no such column", "x,y\n1,2\n", { label: "y", columns: ["length"] }, /there is no column "length"; there are x, y/],
    ["a column that is the label", "x,y\n1,2\n", { label: "y", columns: ["x", "y"] }, /must not be both feature and label, got "y"/],
    ["only a label", "y\n1\n", { label: "y" }, /there must be a feature beside the label/],
    ["no header", "1,2\n3,4\n", { label: "2" }, /the first line must name the columns, got "1,2"/],
    ["a name twice", "x,x,y\n1,2,3\n", { label: "y" }, /names must differ, got "x" twice/],
    ["no rows", "x,y\n", { label: "y" }, /got no row/],
    ["nothing", "", { label: "y" }, /got nothing/],
    ["an open quote", 'x,y\n"1,2\n', { label: "y" }, /a quoted field must end, .* starts on line 2/],
    ["text behind a quote", 'x,y\n"1"2,3\n', { label: "y" }, /must be followed by "," or a line's end, got "2" \(line 2\)/],
    ["a quote within a field", 'x,y\n1"2,3\n', { label: "y" }, /must be quoted and the quotes doubled, .* \(line 2\)/],
    ["a long separator", "x,y\n1,2\n", { label: "y", separator: "::" }, /separator must be one character/],
    ["no label", "x,y\n1,2\n", {}, /label must be a column's name or a list of names, got undefined/],
    ["a misspelled option", "x,y\n1,2\n", { lable: "y" }, /unknown option "lable", did you mean "label"\?/],
  ];
  it.each(wrong)("refuses %s", async (_, text, options, message) => {
    await expect(table(text, options as Parameters<typeof csv>[1])).rejects.toThrow(message);
  });
  it("tells names that meet twice among many", { timeout: 30_000 }, async () => {
    // All pairs were compared: minutes for so many, and the end of this test's time.
    const names = Array.from({ length: 200_000 }, (_, i) => `c${i}`);
    await expect(table([...names, "c17"].join(","), { label: "y" })).rejects.toThrow(/names must differ, got "c17" twice/);
  });
  it("refuses bytes that are no UTF-8", async () => {
    await expect(table(Uint8Array.of(0x78, 0xff), { label: "y" })).rejects.toThrow(/^csv: a text file must be UTF-8/);
  });
});
