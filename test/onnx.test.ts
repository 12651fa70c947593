// ONNX's own test cases, from any folder of them, on both executors: ONNX_NODE_TESTS=dir npx vitest run test/onnx.test.ts
// The reader is tested by itself on tiny models written here. UPDATE_ONNX_LIST=1 writes onnx/cases.txt again.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { executors, useExecutor } from "./executors.ts";
import { encode, Message, type Written } from "./onnx/wire.ts";

/** Where Debian's libonnx-testdata puts them. */
const folder = process.env.ONNX_NODE_TESTS ?? "/usr/share/libonnx-testdata/data";
const listFile = fileURLToPath(new URL("./onnx/cases.txt", import.meta.url));

describe.each(executors)("ONNX cases on the %s executor", (name) => {
  test("every case passes or has a reason why it does not apply", { timeout: 600_000 }, async (context) => {
    if (!existsSync(folder)) {
      context.skip(`no ONNX cases at ${folder}: install Debian's libonnx-testdata, or name a folder in ONNX_NODE_TESTS`);
      return;
    }
    const missing = await useExecutor(name);
    if (missing) {
      context.skip(missing);
      return;
    }
    const cases = await import("./onnx/cases.ts");
    const dirs = cases.findCases(folder);
    const outcomes = dirs.map((dir) => cases.runCase(dir, folder));
    const count = (status: string) => outcomes.filter((outcome) => outcome.status === status).length;
    const failed = outcomes.filter((outcome) => outcome.status === "failed");
    console.log(
      `ONNX on ${name}: ${count("passed")} passed, ${count("not applicable")} not applicable, ${failed.length} failed, of ${dirs.length} in ${folder}`,
    );
    const reasons = new Map<string, number>();
    for (const { status, reason } of outcomes) if (status === "not applicable") reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
    console.log(
      [...reasons]
        .sort((a, b) => b[1] - a[1])
        .map(([reason, n]) => `  ${String(n).padStart(4)}  ${reason}`)
        .join("\n"),
    );

    expect(failed.map((outcome) => `${outcome.name}: ${outcome.reason}`)).toEqual([]);
    expect(count("passed") + count("not applicable")).toBe(dirs.length);
    expect(new Set(outcomes.map((outcome) => outcome.name)).size).toBe(dirs.length);
    expect(count("passed")).toBeGreaterThan(0);

    const list = cases.listOf(outcomes);
    if (process.env.UPDATE_ONNX_LIST) writeFileSync(listFile, list);
    const names = (text: string) => [...text.matchAll(/^ {2}(\S+)$/gm)].map((found) => found[1]).sort();
    const kept = readFileSync(listFile, "utf8");
    // The list is of Debian's 1.12 cases; another folder is only counted.
    if (names(kept).join() === names(list).join()) expect(list).toBe(kept);
  });
});

// ---------------------------------------------------------------- the reader, on models written here

type Fields = readonly (readonly [number: number, value: Written])[];

const made = mkdtempSync(join(tmpdir(), "minibatch-onnx-"));
afterAll(() => rmSync(made, { recursive: true, force: true }));

const codes = { FLOAT: 1, INT64: 7, DOUBLE: 11, STRING: 8 } as const;
type Code = keyof typeof codes;

/** TensorProto with its numbers in raw_data, or in the typed field when `typed`. */
function tensorBytes(name: string, type: Code, dims: readonly number[], numbers: readonly number[], typed = false): Uint8Array {
  const fields: [number, Written][] = dims.map((n) => [1, n]);
  fields.push([2, codes[type]], [8, name]);
  if (typed && type === "FLOAT") for (const x of numbers) fields.push([4, { float: x }]);
  else if (typed) for (const x of numbers) fields.push([7, BigInt(x)]);
  else if (type === "INT64") fields.push([9, new Uint8Array(BigInt64Array.from(numbers, BigInt).buffer)]);
  else fields.push([9, new Uint8Array((type === "FLOAT" ? Float32Array.from(numbers) : Float64Array.from(numbers)).buffer)]);
  return encode(fields);
}

const port = (name: string, type: Code) =>
  encode([
    [1, name],
    [2, encode([[1, encode([[1, codes[type]]])]])],
  ]);

const node = (op: string, inputs: readonly string[], outputs: readonly string[], attributes: readonly Uint8Array[] = []) =>
  encode([
    ...inputs.map((name): [number, Written] => [1, name]),
    ...outputs.map((name): [number, Written] => [2, name]),
    [4, op],
    ...attributes.map((a): [number, Written] => [5, a]),
  ]);

const attribute = {
  float: (name: string, value: number) =>
    encode([
      [1, name],
      [2, { float: value }],
      [20, 1],
    ]),
  int: (name: string, value: number) =>
    encode([
      [1, name],
      [3, BigInt(value)],
      [20, 2],
    ]),
};

interface Small {
  readonly nodes: readonly Uint8Array[];
  readonly initializers?: readonly Uint8Array[];
  readonly inputs: readonly { name: string; type: Code; dims: readonly number[]; numbers: readonly number[] }[];
  readonly output: { name: string; type: Code; dims: readonly number[]; numbers: readonly number[] };
}

/** Writes a case as ONNX lays them out and returns its folder. */
function writeCase(name: string, { nodes, initializers = [], inputs, output }: Small): string {
  const graph: Fields = [
    ...nodes.map((n): [number, Written] => [1, n]),
    [2, name],
    ...initializers.map((t): [number, Written] => [5, t]),
    ...inputs.map((i): [number, Written] => [11, port(i.name, i.type)]),
    [12, port(output.name, output.type)],
  ];
  const dir = join(made, name);
  mkdirSync(join(dir, "test_data_set_0"), { recursive: true });
  writeFileSync(
    join(dir, "model.onnx"),
    encode([
      [1, 8],
      [7, encode(graph)],
      [
        8,
        encode([
          [1, ""],
          [2, 17],
        ]),
      ],
    ]),
  );
  inputs.forEach((i, at) => {
    writeFileSync(join(dir, "test_data_set_0", `input_${at}.pb`), tensorBytes(i.name, i.type, i.dims, i.numbers));
  });
  writeFileSync(join(dir, "test_data_set_0", "output_0.pb"), tensorBytes(output.name, output.type, output.dims, output.numbers));
  return dir;
}

const x = (type: Code, dims: readonly number[], numbers: readonly number[]) => ({ name: "x", type, dims, numbers });
const y = (type: Code, dims: readonly number[], numbers: readonly number[]) => ({ name: "y", type, dims, numbers });

async function outcome(dir: string) {
  await useExecutor("typescript");
  const { runCase } = await import("./onnx/cases.ts");
  return runCase(dir, made);
}

describe("the ONNX reader", () => {
  test("an initializer in float_data, two nodes, f32", async () => {
    const dir = writeCase("add_relu", {
      nodes: [node("Add", ["x", "b"], ["s"]), node("Relu", ["s"], ["y"])],
      initializers: [tensorBytes("b", "FLOAT", [2], [0.5, -10], true)],
      inputs: [x("FLOAT", [2, 2], [1, 2, -3, 40])],
      output: y("FLOAT", [2, 2], [1.5, 0, 0, 30]),
    });
    expect(await outcome(dir)).toEqual({ name: "add_relu", status: "passed", reason: "" });
  });

  test("float and negative whole attributes, f64", async () => {
    const dir = writeCase("softmax_leaky", {
      nodes: [
        node("LeakyRelu", ["x"], ["s"], [attribute.float("alpha", 0.25)]),
        node(
          "ReduceMax",
          ["s"],
          ["y"],
          [
            attribute.int("keepdims", 0),
            encode([
              [1, "axes"],
              [8, -1n],
              [20, 7],
            ]),
          ],
        ),
      ],
      inputs: [x("DOUBLE", [2, 3], [-4, -8, -12, 1, 3, 2])],
      output: y("DOUBLE", [2], [-1, 3]),
    });
    expect(await outcome(dir)).toEqual({ name: "softmax_leaky", status: "passed", reason: "" });
  });

  test("64-bit whole numbers, negative ones too, in int64_data", async () => {
    const dir = writeCase("reshape", {
      nodes: [node("Reshape", ["x", "shape"], ["s"]), node("Transpose", ["s"], ["y"])],
      initializers: [tensorBytes("shape", "INT64", [2], [-1, 2], true)],
      inputs: [x("FLOAT", [6], [1, 2, 3, 4, 5, 6])],
      output: y("FLOAT", [2, 3], [1, 3, 5, 2, 4, 6]),
    });
    expect(await outcome(dir)).toEqual({ name: "reshape", status: "passed", reason: "" });
  });

  test("a wrong number, shape or type fails", async () => {
    const inputs = [x("FLOAT", [2], [1, -2])];
    const wrong = async (name: string, output: Small["output"]) =>
      (await outcome(writeCase(name, { nodes: [node("Abs", ["x"], ["y"])], inputs, output }))).reason;
    expect(await wrong("number", y("FLOAT", [2], [1, 2.0625]))).toMatch(/output 0: element 1 is 2, expected 2\.0625/);
    expect(await wrong("shape", y("FLOAT", [2, 1], [1, 2]))).toMatch(/shape is \[2\], expected \[2,1\]/);
    expect(await wrong("type", y("DOUBLE", [2], [1, 2]))).toMatch(/type is FLOAT, expected DOUBLE/);
    // Within rtol 1e-5 and atol 1e-6.
    expect(await wrong("close", y("FLOAT", [2], [1, 2.00001]))).toBe("");
  });

  test("what is out of scope says why, and what nobody decided about fails", async () => {
    const run = async (name: string, nodes: Uint8Array[]) => {
      const { status, reason } = await outcome(writeCase(name, { nodes, inputs: [x("FLOAT", [1], [1])], output: y("FLOAT", [1], [1]) }));
      return `${status}: ${reason}`;
    };
    expect(await run("sine", [node("Sin", ["x"], ["y"])])).toMatch(/^not applicable: trigonometric/);
    expect(await run("identity", [node("Identity", ["x"], ["y"])])).toMatch(/^not applicable: nothing of the library would run/);
    expect(await run("unheard", [node("Frobnicate", ["x"], ["y"])])).toMatch(/^failed: no decision about operator Frobnicate/);
  });

  test("a truncated file is an error, not a loop", () => {
    const whole = encode([
      [1, "name"],
      [2, 300],
    ]);
    expect(new Message(whole).whole(2)).toBe(300);
    for (let end = 1; end < whole.length; end++) {
      if (end === 6) continue; // Between the two fields.
      expect(() => new Message(whole.subarray(0, end)), `${end} bytes`).toThrow(/wire: /);
    }
  });
});
