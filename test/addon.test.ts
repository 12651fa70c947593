// The native addon by itself, without the library: what it computes, what it refuses, and what it survives
// (ends of workers and processes in the middle of runs). Programs are written by hand in the encoded form.
import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import type { Addon, NativeProgram } from "../src/run/addon.ts";

const path = process.env.MINIBATCH_ADDON ?? fileURLToPath(new URL("../build/Release/minibatch.node", import.meta.url));
const present = existsSync(path);
const require = createRequire(import.meta.url);
// Without the addon no test runs, so nothing calls this.
const addon = (present ? require(path) : {}) as Addon;

const f32 = 0;
const i32 = 2;
const names = "add\ngather";

interface Operand {
  readonly memory: number;
  readonly offset?: number;
  readonly dtype?: number;
  readonly shape: readonly number[];
}

function instruction(name: number, inputs: readonly Operand[], outputs: readonly Operand[], attributes: readonly number[] = []): number[] {
  const slices = [...inputs, ...outputs].flatMap(({ memory, offset = 0, dtype = f32, shape }) => [
    memory,
    offset,
    dtype,
    shape.length,
    ...shape,
  ]);
  return [name, inputs.length, outputs.length, attributes.length, ...slices, ...attributes];
}

function encoded(memories: readonly (readonly [number, number])[], instructions: readonly number[][]): Float64Array {
  return Float64Array.from([1, memories.length, ...memories.flat(), instructions.length, ...instructions.flat()]);
}

/** total += x of the step, n numbers. */
function totalProgram(n: number): Float64Array {
  return encoded(
    [
      [4 * n, 0],
      [4 * n, 4 * n],
    ],
    [
      instruction(
        0,
        [
          { memory: 0, shape: [n] },
          { memory: 1, shape: [n] },
        ],
        [{ memory: 0, shape: [n] }],
      ),
    ],
  );
}

/** x += x, n numbers: as long as many steps are asked for. */
function doublingProgram(n: number): Float64Array {
  return encoded(
    [[4 * n, 0]],
    [
      instruction(
        0,
        [
          { memory: 0, shape: [n] },
          { memory: 0, shape: [n] },
        ],
        [{ memory: 0, shape: [n] }],
      ),
    ],
  );
}

function gatherProgram(rows: number, picked: number): Float64Array {
  return encoded(
    [
      [4 * rows, 0],
      [4 * picked, 0],
      [4 * picked, 0],
    ],
    [
      instruction(
        1,
        [
          { memory: 0, shape: [rows] },
          { memory: 1, dtype: i32, shape: [picked] },
        ],
        [{ memory: 2, shape: [picked] }],
        [0],
      ),
    ],
  );
}

const shared = (bytes: number) => new Uint8Array(new SharedArrayBuffer(bytes));
const floats = (bytes: Uint8Array) => new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
const control = () => new Int32Array(new SharedArrayBuffer(8));

type Options = Parameters<Addon["start"]>[2];

function started(program: NativeProgram, memories: Uint8Array[], options: Options): Promise<{ error: string | null; steps: number }> {
  return new Promise((resolve) => addon.start(program, memories, options, (error, steps) => resolve({ error, steps })));
}

describe.skipIf(!present)(`the addon${present ? "" : " (skipped: build/Release/minibatch.node was not built)"}`, () => {
  test("info names kernels and instruction sets", () => {
    const info = addon.info();
    expect(info.isas).toContain("scalar");
    expect(info.isas).toContain(info.isa);
    expect(info.kernels).toContain("add");
    expect(info.threads).toBeGreaterThan(0);
    expect(info.error).toBeUndefined();
    if (process.env.MINIBATCH_ISA) expect(info.isa).toBe(process.env.MINIBATCH_ISA);
  });

  test("an instruction set that does not exist is an error, not another set", () => {
    const { stdout } = node(
      `const a = require(${JSON.stringify(path)}); console.log(a.info().error); try { a.compile("", new Float64Array([1, 0, 0])); } catch (e) { console.log(e.message); }`,
      { MINIBATCH_ISA: "mmx" },
    );
    expect(stdout).toMatch(/^(MINIBATCH_ISA: must be one that works here \(scalar.*\), got "mmx"\n){2}$/);
  });

  test("steps advance the streamed memory, on this thread and on another, for any number of threads", async () => {
    const n = 100_000;
    const steps = 5;
    const { program, unsupported } = addon.compile(names, totalProgram(n));
    expect(unsupported).toEqual([]);
    for (const threads of [1, 2, 3]) {
      for (const background of [false, true]) {
        const memories = [shared(4 * n), shared(4 * n * steps)] as const;
        const x = floats(memories[1]);
        for (let i = 0; i < x.length; i++) x[i] = i % 1000;
        const options = { steps, first: 0, last: 1, threads, control: control() };
        const done = background
          ? await started(program, [...memories], options)
          : { error: null, steps: addon.runSync(program, [...memories], options) };
        expect(done).toEqual({ error: null, steps });
        expect(options.control[1]).toBe(steps);
        expect([...floats(memories[0]).subarray(0, 1000)]).toEqual(Array.from({ length: 1000 }, (_, i) => steps * i));
      }
    }
  });

  test("many runs at once, of one program and of several", async () => {
    const n = 20_000;
    const programs = [addon.compile(names, totalProgram(n)).program, addon.compile(names, totalProgram(n)).program];
    const runs = Array.from({ length: 24 }, async (_, r) => {
      const memories = [shared(4 * n), shared(4 * n * 3)] as const;
      floats(memories[1]).fill(r);
      const done = await started(programs[r % 2] as NativeProgram, [...memories], { steps: 3, first: 0, last: 1, threads: 1 + (r % 4) });
      return { ...done, total: floats(memories[0])[n - 1] };
    });
    expect(await Promise.all(runs)).toEqual(Array.from({ length: 24 }, (_, r) => ({ error: null, steps: 3, total: 3 * r })));
  });

  test("control stops a run at a step boundary while the event loop goes on", async () => {
    const { program } = addon.compile(names, doublingProgram(200_000));
    const flags = control();
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    const run = started(program, [shared(800_000)], { steps: 2 ** 31 - 1, first: 0, last: 1, threads: 2, control: flags });
    await new Promise((resolve) => setTimeout(resolve, 60));
    Atomics.store(flags, 0, 1);
    const { error, steps } = await run;
    clearInterval(timer);
    expect(error).toBeNull();
    expect(steps).toBeGreaterThan(0);
    expect(steps).toBe(flags[1]);
    expect(ticks).toBeGreaterThan(5);
  });

  test("an index out of range is an error that names the instruction", async () => {
    const { program } = addon.compile(names, gatherProgram(10, 4));
    const memories = [shared(40), shared(16), shared(16)] as const;
    new Int32Array(memories[1].buffer).set([0, 9, 12, 3]);
    const options = { steps: 1, first: 0, last: 1, threads: 1 };
    const message = "gather: index 12 is out of range for 10 (instruction 0)";
    expect(() => addon.runSync(program, [...memories], options)).toThrow(message);
    expect(await started(program, [...memories], options)).toEqual({ error: message, steps: 0 });
  });

  test("every spoiled number of a program is refused or harmless", () => {
    const good = totalProgram(50);
    const evil = [
      -1,
      0,
      1,
      2,
      3,
      7,
      49,
      51,
      200,
      0.5,
      -0,
      Number.NaN,
      Infinity,
      -Infinity,
      1e300,
      5e-324,
      2 ** 31,
      2 ** 32,
      2 ** 53 - 1,
      2 ** 53,
      2 ** 63,
      2 ** 64,
    ];
    let refused = 0;
    for (let i = 0; i < good.length; i++) {
      expect(() => addon.compile(names, good.slice(0, i))).toThrow();
      for (const x of evil) {
        const bad = good.slice();
        bad[i] = x;
        try {
          const { program } = addon.compile(names, bad);
          addon.runSync(program, [new Uint8Array(200), new Uint8Array(400)], { steps: 2, first: 0, last: 1, threads: 1 });
        } catch (error) {
          expect((error as Error).message).toMatch(/^[a-zA-Z]+: /);
          refused++;
        }
      }
    }
    expect(refused).toBeGreaterThan(300);
  });

  describe("bad arguments", () => {
    const n = 16;
    const compiled = () => addon.compile(names, totalProgram(n)).program;
    const detached = () => {
      const bytes = new Uint8Array(4 * n);
      structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
      return bytes;
    };
    const good = { steps: 1, first: 0, last: 1, threads: 1 };
    const memories = () => [shared(4 * n), shared(4 * n)];
    const runs: Record<string, [unknown, unknown, unknown, RegExp]> = {
      "no program": [undefined, memories(), good, /program must come from compile/],
      "an object as program": [{}, memories(), good, /program must come from compile/],
      "no memories": ["program", undefined, good, /memories must be an array/],
      "a proxy as memories": ["program", new Proxy(memories(), {}), good, /memories must be an array/],
      "too few memories": ["program", [shared(4 * n)], good, /has 2 memories, got 1/],
      "a memory too short": ["program", [shared(4 * n - 1), shared(4 * n)], good, /memory 0 must have 64 bytes/],
      "too short for the steps": ["program", memories(), { ...good, steps: 2 }, /memory 1 must have/],
      "a huge number of steps": ["program", memories(), { ...good, steps: 2 ** 31 - 1 }, /memory 1 must have/],
      "an odd start": [
        "program",
        [new Uint8Array(new SharedArrayBuffer(4 * n + 2), 2), shared(4 * n)],
        good,
        /must start at a multiple of 4/,
      ],
      "floats as memory": ["program", [new Float32Array(n), shared(4 * n)], good, /must be a Uint8Array/],
      "a bare buffer as memory": ["program", [new ArrayBuffer(4 * n), shared(4 * n)], good, /must be a Uint8Array/],
      "a proxy of a memory": ["program", [new Proxy(shared(4 * n), {}), shared(4 * n)], good, /must be a Uint8Array/],
      "a hole in the memories": ["program", [undefined, shared(4 * n)], good, /must be a Uint8Array/],
      "a lying length": [
        "program",
        [Object.defineProperty(shared(4), "length", { value: 1000 }), shared(4 * n)],
        good,
        /memory 0 must have/,
      ],
      "a detached memory": ["program", [detached(), shared(4 * n)], good, /memory 0 must have|SharedArrayBuffers/],
      "no options": ["program", memories(), undefined, /options must be an object/],
      "null options": ["program", memories(), null, /options must be an object/],
      "no steps": ["program", memories(), { ...good, steps: undefined }, /steps must be/],
      "steps as text": ["program", memories(), { ...good, steps: "1" }, /steps must be/],
      "half a step": ["program", memories(), { ...good, steps: 0.5 }, /steps must be/],
      "negative steps": ["program", memories(), { ...good, steps: -1 }, /steps must be/],
      "NaN steps": ["program", memories(), { ...good, steps: Number.NaN }, /steps must be/],
      "no threads": ["program", memories(), { ...good, threads: 0 }, /threads must be/],
      "257 threads": ["program", memories(), { ...good, threads: 257 }, /threads must be/],
      "a backward range": ["program", memories(), { ...good, first: 1, last: 0 }, /instructions must be a range/],
      "a range beyond the end": ["program", memories(), { ...good, last: 2 }, /instructions must be a range/],
      "control too short": ["program", memories(), { ...good, control: new Int32Array(new SharedArrayBuffer(4)) }, /control must be/],
      "control of another type": [
        "program",
        memories(),
        { ...good, control: new Uint32Array(new SharedArrayBuffer(8)) },
        /control must be/,
      ],
      "null control": ["program", memories(), { ...good, control: null }, /control must be/],
      "a getter that throws": [
        "program",
        memories(),
        {
          ...good,
          get threads(): number {
            throw new Error("getter: mine");
          },
        },
        /getter: mine/,
      ],
    };
    for (const [name, [program, given, options, message]] of Object.entries(runs)) {
      test(name, () => {
        const handle = (program === "program" ? compiled() : program) as NativeProgram;
        expect(() => addon.runSync(handle, given as Uint8Array[], options as Options)).toThrow(message);
        expect(() => addon.start(handle, given as Uint8Array[], options as Options, () => {})).toThrow(message);
      });
    }

    test("another addon's external as program", async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const { _handle: handle } = server as unknown as { _handle: { _externalStream: NativeProgram } };
      expect(String(Object.prototype.toString.call(handle._externalStream))).toBe("[object Object]");
      expect(() => addon.runSync(handle._externalStream, memories(), good)).toThrow("program must come from compile");
      await new Promise((resolve) => server.close(resolve));
    });

    test("start wants shared memory and a callback", () => {
      const plain = [new Uint8Array(4 * n), new Uint8Array(4 * n)];
      expect(addon.runSync(compiled(), plain, good)).toBe(1);
      expect(() => addon.start(compiled(), plain, good, () => {})).toThrow("SharedArrayBuffers");
      expect(() => addon.start(compiled(), memories(), { ...good, control: new Int32Array(2) }, () => {})).toThrow(
        "on a SharedArrayBuffer",
      );
      expect(() => addon.start(compiled(), memories(), good, undefined as unknown as () => void)).toThrow("done must be a function");
    });

    test("a getter that detaches a memory is seen", () => {
      const bytes = new Uint8Array(4 * n);
      const options = {
        ...good,
        get threads() {
          structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
          return 1;
        },
      };
      expect(() => addon.runSync(compiled(), [bytes, shared(4 * n)], options)).toThrow("memory 0 must have");
    });

    test("compile takes text and numbers", () => {
      const compile = addon.compile as (...args: unknown[]) => unknown;
      expect(() => compile()).toThrow("names must be a string");
      expect(() => compile(names, [1, 0, 0])).toThrow("code must be a Float64Array");
      expect(() => compile(names, new Float32Array(3))).toThrow("code must be a Float64Array");
      expect(() => compile("a b", new Float64Array([1, 0, 0]))).toThrow("a name must have");
      expect(() => compile(Symbol("x"), new Float64Array([1, 0, 0]))).toThrow("names must be a string");
      expect(() => compile("x".repeat(2 ** 21), new Float64Array([1, 0, 0]))).toThrow("names must have");
      expect(() => compile("", new Float64Array([2, 0, 0]))).toThrow("version must be 1, got 2");
      expect(compile("", new Float64Array([1, 0, 0]))).toMatchObject({ unsupported: [] });
      expect(compile("nonsense", new Float64Array([1, 0, 1, 0, 0, 0, 0]))).toMatchObject({ unsupported: [0] });
    });
  });

  // A process of its own, with the addon as `addon`, a long run at hand as `run(done)`.
  const preamble = `
    const addon = require(${JSON.stringify(path)});
    const { program } = addon.compile("add", Float64Array.from(${JSON.stringify([...doublingProgram(100_000)])}));
    const run = (done, steps = 2 ** 31 - 1, threads = 2) => {
      addon.start(program, [new Uint8Array(new SharedArrayBuffer(400_000))], { steps, first: 0, last: 1, threads }, done);
    };
  `;

  describe("ends", () => {
    const ends: Record<string, { readonly code: string; readonly status: number; readonly stdout?: string; readonly stderr?: RegExp }> = {
      "an idle addon keeps no process alive": { code: `run(() => console.log("done"), 3);`, status: 0, stdout: "done\n" },
      "a pending run keeps its process alive": {
        code: `run((error, steps) => console.log(error, steps), 2000);`,
        status: 0,
        stdout: "null 2000\n",
      },
      "runs one after the other": {
        code: `let left = 200; const next = () => { if (left--) run(next, 2); else console.log("done"); }; next();`,
        status: 0,
        stdout: "done\n",
      },
      "memories live as long as the run that uses them": {
        code: `
          // Large enough to be mapped alone, so that using it after it was freed faults.
          const { program: large } = addon.compile("add", Float64Array.from(${JSON.stringify([...doublingProgram(4_000_000)])}));
          addon.start(large, [new Uint8Array(new SharedArrayBuffer(16_000_000))], { steps: 50, first: 0, last: 1, threads: 2 }, (error, steps) => { clearInterval(timer); console.log(error, steps); });
          const timer = setInterval(() => { gc(); }, 2);`,
        status: 0,
        stdout: "null 50\n",
      },
      "process.exit in the middle of runs": {
        code: `run(() => {}); run(() => {}, 2 ** 31 - 1, 1); setTimeout(() => process.exit(3), 30);`,
        status: 3,
      },
      "process.exit at once": { code: `run(() => {}); process.exit(4);`, status: 4 },
      "an uncaught error in the middle of a run": {
        code: `run(() => {}); setTimeout(() => { throw new Error("mine"); }, 30);`,
        status: 1,
        stderr: /Error: mine/,
      },
      "an error thrown by the callback": { code: `run(() => { throw new Error("mine"); }, 3);`, status: 1, stderr: /Error: mine/ },
      "a caught error of the callback": {
        code: `process.on("uncaughtException", (e) => console.log(e.message)); run(() => { throw new Error("mine"); }, 3);`,
        status: 0,
        stdout: "mine\n",
      },
    };
    for (const [name, { code, status, stdout, stderr }] of Object.entries(ends)) {
      test(name, () => {
        const result = node(preamble + code);
        expect({ status: result.status, signal: result.signal, stderr: stderr ? "" : result.stderr }).toEqual({
          status,
          signal: null,
          stderr: "",
        });
        if (stdout !== undefined) expect(result.stdout).toBe(stdout);
        if (stderr) expect(result.stderr).toMatch(stderr);
      });
    }

    test("workers that end in the middle of runs, the last user of the addon among them", () => {
      const code = `
        const { Worker } = require("node:worker_threads");
        const inside = ${JSON.stringify(`${preamble} for (let i = 0; i < 3; i++) run(() => {}); require("node:worker_threads").parentPort.postMessage(0); `)};
        const ways = [(w) => w.terminate(), () => {}, (w) => setTimeout(() => w.terminate(), 5)];
        const tails = ["setInterval(() => {}, 1000);", "setTimeout(() => process.exit(), 5);", "run(() => { throw new Error('mine'); }, 1);"];
        let left = 12;
        const next = () => {
          if (left-- === 0) return setTimeout(() => console.log("alive"), 50);
          const worker = new Worker(inside + tails[left % 3], { eval: true });
          worker.on("message", () => ways[left % 3](worker));
          worker.on("error", () => {});
          worker.on("exit", next);
        };
        next();`;
      const result = node(code);
      expect({ status: result.status, signal: result.signal, stdout: result.stdout }).toEqual({
        status: 0,
        signal: null,
        stdout: "alive\n",
      });
    });

    test("a worker and this thread at the same time", async () => {
      const worker = new Worker(
        `${preamble} run((error, steps) => require("node:worker_threads").parentPort.postMessage([error, steps]), 500);`,
        { eval: true },
      );
      const exit = new Promise((resolve) => worker.on("exit", resolve));
      const message = new Promise((resolve) => worker.on("message", resolve));
      const { program } = addon.compile(names, doublingProgram(50_000));
      expect(await started(program, [shared(200_000)], { steps: 500, first: 0, last: 1, threads: 2 })).toEqual({ error: null, steps: 500 });
      expect(await message).toEqual([null, 500]);
      await exit;
    });
  });
});

function node(code: string, env: Record<string, string> = {}): SpawnSyncReturns<string> {
  return spawnSync(process.execPath, ["--expose-gc", "-e", code], {
    encoding: "utf8",
    timeout: 120_000,
    env: { ...process.env, NODE_OPTIONS: "", ...env },
  });
}

describe.skipIf(!present)("the machine's limits", () => {
  const limits = addon.limits as NonNullable<Addon["limits"]>;

  test("are positive, finite, and what was asked for", async () => {
    for (const threads of [1, 2]) {
      const found = await limits(threads, true);
      expect(found).toMatchObject({ isa: addon.info().isa, threads });
      const figures = [
        found.fma.f32,
        found.fma.f64,
        ...found.memory.flatMap(({ bytes, read, copy, update }) => [bytes, read, copy, update]),
      ];
      for (const figure of figures) expect(figure > 0 && Number.isFinite(figure), JSON.stringify(found)).toBe(true);
      expect(found.memory.length).toBeGreaterThan(2);
    }
    expect((await limits(1, false)).memory).toEqual([]);
  });

  test("leave the event loop free meanwhile", async () => {
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    await limits(1, true);
    clearInterval(timer);
    expect(turns).toBeGreaterThan(20);
  });

  test("refuse other arguments", () => {
    for (const [threads, got] of [
      [0, "0"],
      [1.5, "1.5"],
      [257, "257"],
      [Number.NaN, "nan"],
      ["2", "no number"],
      [undefined, "no number"],
    ] as const) {
      expect(() => limits(threads as number, true)).toThrow(`limits: threads must be a whole number from 1 to 256, got ${got}`);
    }
    expect(() => limits(1, 1 as unknown as boolean)).toThrow("limits: memory must be true or false");
  });
});
