// Calls of the addon's own functions with broken arguments: programs of the op table and of trainings with numbers changed,
// memories of any kind and size, options with getters that take memory away. Any refusal is fine, and nothing else is.
// Run by api-fuzz.ts in a process of its own.
import { adam, batchNorm, crossEntropy, dense, dropout, layerNorm, relu, sequential, tensor } from "minibatch";
import type { OpDefinition } from "../../../src/ops/define.ts";
import { table } from "../../../src/ops/table.ts";
import { findAddon } from "../../../src/run/addon.ts";
import { encodeCase } from "../../instruction.ts";
import { inputsOf } from "../../samples.ts";
import { collectGarbage, type Random } from "./evidence.ts";
import { detach, edges, hostile, memoryView } from "./hostile-values.ts";

interface Base {
  readonly names: string;
  readonly code: Float64Array;
  /** Of memory 0, where it is known. */
  readonly content: Uint8Array | undefined;
}

/** Every sample of the op table as a program, where it is small; and the programs of two trainings. */
export async function bases(): Promise<Base[]> {
  const made: Base[] = [];
  for (const op of table as readonly OpDefinition[]) {
    op.samples.forEach((sample, index) => {
      for (const dtype of ["f32", "f64"] as const) {
        const inputs = inputsOf(op, index, dtype);
        if (inputs.some(({ data }) => data.length > 3000)) return;
        const outputs = op.infer(inputs, sample.attributes);
        const { names, code, memory } = encodeCase(op.name, sample.attributes, inputs, outputs, [], false);
        made.push({ names, code, content: memory });
      }
    });
  }
  const { addon } = findAddon();
  if (!addon) throw new Error("the addon did not load");
  const compile = addon.compile;
  addon.compile = (names, code) => {
    made.push({ names, code: Float64Array.from(code), content: undefined });
    return compile(names, code);
  };
  const x = tensor(Array.from({ length: 40 }, (_, i) => [i % 7, i % 3, i % 5]));
  const y = tensor(Array.from({ length: 40 }, (_, i) => i % 2));
  const model = sequential([dense(8), batchNorm(), relu(), dropout({ keepProb: 0.5 }), dense(5), layerNorm(), dense(2)]);
  await model.fit(
    { x, y },
    { dev: { x, y }, loss: crossEntropy(), optimizer: adam({ learningRate: 0.01, clipNorm: 1 }), epochs: 1, batchSize: 16 },
  );
  model.predictSync(x);
  addon.compile = compile;
  return made;
}

function changed(base: Base, random: Random): { names: unknown; code: unknown } {
  const code = Float64Array.from(base.code);
  for (let k = random.pick([0, 1, 1, 1, 2, 4]); k > 0; k--) {
    const at = random.below(code.length);
    const old = code[at] as number;
    code[at] = random.pick([
      old + 1,
      old - 1,
      old * 2,
      0,
      1,
      2,
      3,
      random.below(64),
      random.below(4096),
      random.pick(edges),
      code[random.below(code.length)] as number,
      -old,
    ]);
  }
  let names: unknown = base.names;
  if (random.chance(0.05))
    names = random.pick([
      "",
      "\n",
      `${base.names}\nadd`,
      "add",
      "gather",
      "x".repeat(65),
      "a\u0000b",
      "matmul\nlinear",
      "\ud800",
      hostile(random),
    ]);
  if (random.chance(0.03))
    return {
      names,
      code: random.pick([
        hostile(random),
        memoryView(random),
        code.subarray(0, random.below(code.length)),
        new Float32Array(code),
        [...code],
      ]),
    };
  return { names, code };
}

/** As many bytes as the program says, or somewhat fewer or more; exact, so that a store past the end is seen. */
function memories(code: Float64Array, base: Base, random: Random): unknown[] {
  const count = Math.min(code[1] as number, 64);
  return Array.from({ length: count }, (_, i) => {
    const wanted = code[2 + 2 * i] as number;
    if (random.chance(0.02)) return hostile(random);
    if (random.chance(0.02)) return memoryView(random);
    const bytes = random.chance(0.92) ? wanted : wanted + random.pick([-1, 1, -64, 64]);
    if (!(bytes >= 0 && bytes <= 2 ** 22)) return new Uint8Array(64);
    const view = random.chance(0.5) ? new Uint8Array(new SharedArrayBuffer(bytes)) : new Uint8Array(bytes);
    if (base.content && base.content.length <= bytes) view.set(base.content);
    // Indices, labels and keys are data: any bits may stand there.
    for (let k = random.pick([0, 0, 1, 8]); k > 0 && bytes >= 4; k--) {
      new DataView(view.buffer).setInt32(
        4 * random.below(Math.floor(bytes / 4)),
        random.pick([-1, 0, 1, 5, 2 ** 31 - 1, -(2 ** 31), 1000]),
        true,
      );
    }
    return random.chance(0.02) ? view.subarray(1) : view;
  });
}

function options(code: Float64Array, random: Random, given: unknown[]): unknown {
  if (random.chance(0.03)) return hostile(random);
  const number = (usual: number) => (random.chance(0.04) ? random.pick<unknown>([random.pick(edges), "1", undefined, null, 1n]) : usual);
  const steps = random.pick([1, 1, 1, 2, 3, 0]);
  const made: Record<string, unknown> = {
    steps: number(steps),
    first: number(0),
    last: number(1),
    threads: number(random.pick([1, 1, 2, 4])),
  };
  // Two thousand million steps of nothing are legal, and take their time.
  if (typeof made.steps === "number" && made.steps > 1000 && made.steps < 2 ** 31) made.steps = 1000;
  // Instructions of a training: the number stands behind the memories.
  made.last = number(code[2 + 2 * (code[1] as number)] as number);
  if (random.chance(0.1))
    made.control = random.pick<unknown>([
      new Int32Array(2),
      new Int32Array(new SharedArrayBuffer(8)),
      new Int32Array(1),
      new Float32Array(2),
      memoryView(random),
      hostile(random),
    ]);
  if (random.chance(0.03)) {
    // A getter that takes a memory away after the others were read.
    Object.defineProperty(made, random.pick(["steps", "threads", "last", "control"]), {
      get() {
        for (const memory of given)
          if (memory instanceof Uint8Array && memory.buffer instanceof ArrayBuffer && memory.byteLength > 0 && !Object.isFrozen(memory))
            detach(memory.buffer);
        return 1;
      },
    });
  }
  return made;
}

/** One call, or two: compile, then a run. Gives what went wrong. */
export async function callAddon(list: readonly Base[], random: Random): Promise<{ what: string; wrong?: string }> {
  const addon = findAddon().addon as unknown as Record<string, (...args: unknown[]) => unknown>;
  const base = random.pick(list);
  const refusal = (f: () => unknown): unknown => {
    try {
      return f();
    } catch (error) {
      if (error instanceof Error || error === undefined) return undefined;
      return undefined;
    }
  };
  if (random.chance(0.03)) {
    const name = random.pick(["addressOf", "limits", "info", "start", "runSync", "compile"]);
    const args = Array.from({ length: random.below(5) }, () => hostile(random));
    if (name === "limits") args[0] = random.pick([0, -1, 257, 1.5, "1"]);
    const given = refusal(() => addon[name]?.(...args));
    if (given instanceof Promise) await given.catch(() => undefined);
    return { what: `${name} with hostile arguments` };
  }
  const { names, code } = changed(base, random);
  const compiled = refusal(() => addon.compile?.(names, code)) as { program: unknown; unsupported: number[] } | undefined;
  const what = `program ${list.indexOf(base)} (${base.names.split("\n").slice(0, 3)})`;
  if (!compiled) return { what: `compile of ${what}` };
  if (!(code instanceof Float64Array)) return { what, wrong: "a program was made of what is no Float64Array" };
  const given = memories(code, base, random);
  const program = random.chance(0.01) ? hostile(random) : compiled.program;
  const list2: unknown = random.chance(0.02) ? hostile(random) : given;
  if (random.chance(0.12)) {
    let wrong: string | undefined;
    await new Promise<void>((resolve) => {
      try {
        addon.start?.(program, list2, options(code, random, given), (error: unknown, steps: unknown) => {
          if ((error !== null && typeof error !== "string") || typeof steps !== "number")
            wrong = `start called back with ${String(error)}, ${String(steps)}`;
          resolve();
        });
      } catch {
        resolve();
      }
      // Nothing that a running job uses may be lost with its last reference.
      if (random.chance(0.05)) collectGarbage();
    });
    return wrong ? { what, wrong } : { what: `start of ${what}` };
  }
  const done = refusal(() => addon.runSync?.(program, list2, options(code, random, given)));
  return done === undefined || typeof done === "number" ? { what: `runSync of ${what}` } : { what, wrong: `runSync gave ${String(done)}` };
}
