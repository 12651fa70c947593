// The passes from a traced graph to a program: planning with and without reuse, fusion, verification, poison, drawings.

import {
  batchNorm,
  crossEntropy,
  dense,
  dropout,
  ops,
  gradients as publicGradients,
  randomNormal,
  relu,
  sequential,
  tensor,
  variable,
} from "minibatch";
import { afterEach, describe, expect, it, vi } from "vitest";
import { gradients } from "../src/graph/gradient.ts";
import { GraphView, graphOf, type Store } from "../src/graph/graph.ts";
import { Layout } from "../src/graph/layout.ts";
import { encode, type Program, type ProgramOptions, printProgram, program } from "../src/graph/program.ts";
import { pack, view } from "../src/graph/segment.ts";
import { verify } from "../src/graph/verify.ts";
import { scoped, source, type Value } from "../src/ops/define.ts";
import { add, mul, relu as reluOp, square, sub } from "../src/ops/elementwise.ts";
import { linear, matmul } from "../src/ops/linalg.ts";
import { softmaxCrossEntropy } from "../src/ops/loss.ts";
import { gatherRows, reshape } from "../src/ops/movement.ts";
import { batchNorm as batchNormOp } from "../src/ops/normalization.ts";
import { adamUpdate } from "../src/ops/optimizer.ts";
import { mean, sum, sumSquares } from "../src/ops/reduce.ts";
import { normal } from "../src/random.ts";
import { Memory } from "../src/run/memory.ts";
import { typescriptExecutor } from "../src/run/typescript.ts";

const scalar = { shape: [], dtype: "f64" } as const;

/** A training step written by hand on segments: batch norm, relu, a penalty, Adam. Everything a run's program has. */
function trainingStep(): { stores: Store[]; layout: Layout } {
  const layout = new Layout();
  const at = (memory: string, name: string) => source({ kind: "memory", memory, name }, layout.find(memory, name));
  layout.add("theta", "decay", { shape: [64 + 32], dtype: "f64" });
  layout.add("theta", "plain", { shape: [48], dtype: "f64" });
  for (const name of ["decay", "plain"] as const) {
    layout.add("dtheta", name, layout.find("theta", name));
    for (const slot of ["m", "v"]) layout.add("slots", `${slot}.${name}`, layout.find("theta", name));
  }
  layout.add("input", "x", { shape: [6, 8], dtype: "f64" });
  layout.add("input", "y", { shape: [6], dtype: "i32" });
  for (const name of ["lr", "c1", "c2"]) layout.add("hyper", name, scalar);
  for (const name of ["loss", "norm"]) layout.add("out", name, scalar);
  layout.add("state", "running", { shape: [8], dtype: "f64" });
  const decay = at("theta", "decay");
  const plain = at("theta", "plain");
  const w1 = view(decay, 0, [8, 8]);
  const w2 = view(decay, 64, [8, 3]);
  const gamma = view(plain, 0, [8]);
  const beta = view(plain, 16, [8]);
  const b2 = view(plain, 32, [3]);
  const { y: normalized, mean: center } = batchNormOp(linear(at("input", "x"), w1), gamma, beta, { epsilon: 1e-5, activation: 0 });
  const logits = linear(reluOp(normalized), w2, b2);
  const cost = add(mean(softmaxCrossEntropy(logits, at("input", "y")).losses), mul(sumSquares(decay), 0.05));
  const [dDecay, dPlain] = gradients(cost, [decay, plain]) as [Value, Value];
  const stores: Store[] = [
    { value: cost, memory: "out", name: "loss" },
    { value: add(sumSquares(dDecay), sumSquares(dPlain)), memory: "out", name: "norm" },
    { value: add(mul(at("state", "running"), 0.9), mul(center, 0.1)), memory: "state", name: "running" },
  ];
  const update = (name: string, theta: Value, g: Value) => {
    const next = adamUpdate(
      theta,
      g,
      at("slots", `m.${name}`),
      at("slots", `v.${name}`),
      at("hyper", "lr"),
      at("hyper", "c1"),
      at("hyper", "c2"),
      {
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
        inside: false,
        weightDecay: 0,
      },
    );
    stores.push({ value: g, memory: "dtheta", name }, { value: next.theta, memory: "theta", name });
    stores.push({ value: next.m, memory: "slots", name: `m.${name}` }, { value: next.v, memory: "slots", name: `v.${name}` });
  };
  update("decay", decay, dDecay);
  update("plain", plain, dPlain);
  return { stores, layout };
}

/** Runs some steps and gives every memory that a store writes. */
function run(p: Program, layout: Layout, steps = 4): Record<string, number[]> {
  const memory = new Memory();
  for (const name of ["theta", "dtheta", "slots", "state", "input"]) memory.ensure(name, layout.memory(name).bytes);
  const fill = (name: string, slot: string, seed: number) => {
    const s = layout.find(name, slot);
    normal({ seed, purpose: "tensor" }, memory.view(name, s, s.byteOffset) as Float64Array);
  };
  // Padding between parameters stays zero, as a network's initialiser leaves it.
  fill("theta", "decay", 1);
  fill("theta", "plain", 2);
  memory.view("theta", { shape: [96 - 88], dtype: "f64" }, layout.find("theta", "decay").byteOffset + 88 * 8).fill(0);
  const plain = layout.find("theta", "plain");
  for (const [from, size] of [
    [8, 8],
    [24, 8],
    [35, 13],
  ] as const)
    memory.view("theta", { shape: [size], dtype: "f64" }, plain.byteOffset + from * 8).fill(0);
  fill("input", "x", 3);
  const y = layout.find("input", "y");
  memory.view("input", y, y.byteOffset).set([0, 1, 2, 0, 1, 2]);
  const hyper = layout.memory("hyper").bytes;
  memory.ensure("hyper", hyper * steps);
  for (let s = 0; s < steps; s++) {
    const put = (name: string, value: number) =>
      memory.view("hyper", scalar, s * hyper + layout.find("hyper", name).byteOffset).fill(value);
    put("lr", 0.01);
    put("c1", 1 - 0.9 ** (s + 1));
    put("c2", 1 - 0.999 ** (s + 1));
  }
  typescriptExecutor.load(p).runSync(memory, { steps, threads: 1 });
  return Object.fromEntries(
    ["theta", "dtheta", "slots", "state", "out"].map((name) => [name, Array.from(new Float64Array(memory.get(name).slice().buffer))]),
  );
}

function made(options: ProgramOptions = {}): { program: Program; layout: Layout } {
  const { stores, layout } = trainingStep();
  return { program: program(stores, layout, options), layout };
}

afterEach(() => {
  vi.unstubAllEnvs();
});

describe("a training program", () => {
  const plain = made({ reuse: false, fuse: false });
  const oracle = run(plain.program, plain.layout);

  it.each([
    ["planned and fused", {}],
    ["planned, not fused", { fuse: false }],
    ["fused, without reuse", { reuse: false }],
  ])("%s gives the numbers of the plain one", (_, options) => {
    const { program: p, layout } = made(options);
    verify(p);
    const got = run(p, layout);
    for (const [name, values] of Object.entries(oracle)) {
      values.forEach((value, i) => {
        expect(Math.abs((got[name]?.[i] as number) - value), `${name}[${i}]`).toBeLessThanOrEqual(1e-12 * Math.max(1, Math.abs(value)));
      });
    }
  });

  it("with freed memory poisoned still gives the same: nothing is read after its last use", () => {
    vi.stubEnv("MINIBATCH_DEBUG", "1");
    const { program: p, layout } = made();
    expect(run(p, layout)).toEqual(run(made().program, layout));
    expect(run(p, layout).out?.every(Number.isFinite)).toBe(true);
  });

  it("a planted early free is seen", () => {
    vi.stubEnv("MINIBATCH_DEBUG", "1");
    const { program: p, layout } = made();
    // Frees the output of the first product right after it was made, although batch norm reads it next.
    const broken: Program = { ...p, instructions: p.instructions.map((i, n) => (n === 0 ? { ...i, frees: i.outputs } : i)) };
    expect(run(broken, layout).out?.some(Number.isNaN)).toBe(true);
    expect(() => verify(broken)).toThrow("were written");
  });

  it("reuses memory: the arena is smaller than without", () => {
    const bytes = (p: Program) => p.memories.find((m) => m.name === "arena")?.bytes as number;
    expect(bytes(made().program)).toBeLessThan(0.7 * bytes(plain.program));
  });

  it("fuses batch norm and relu, forward and backward, into one op each", () => {
    const names = made().program.instructions.map((i) => i.op.name);
    expect(names).not.toContain("relu");
    expect(names).not.toContain("reluGradient");
    expect(plain.program.instructions.map((i) => i.op.name)).toContain("reluGradient");
  });

  it("standardises the rows of a batch as it gathers them, unless somebody needs what lies between", () => {
    const layout = new Layout();
    layout.add("input", "x", { shape: [9, 2, 5], dtype: "u8" });
    layout.add("rows", "rows", { shape: [4], dtype: "i32" });
    for (const name of ["mean", "factor"]) layout.add("state", name, { shape: [2, 5], dtype: "f32" });
    layout.add("out", "y", { shape: [4, 2, 5], dtype: "f32" });
    const of = (memory: string, name: string) => source({ kind: "memory", memory, name }, layout.find(memory, name));
    const distance = sub(gatherRows(of("input", "x"), of("rows", "rows")), of("state", "mean"));
    const y: Store = { value: mul(distance, of("state", "factor")), memory: "out", name: "y" };
    const names = (stores: readonly Store[], options: ProgramOptions = {}) =>
      program(stores, layout, options).instructions.map((i) => i.op.name);
    expect(names([y])).toEqual(["standardizedRows"]);
    expect(names([y], { fuse: false })).toEqual(["gatherRows", "sub", "mul"]);
    layout.add("out", "distance", { shape: [4, 2, 5], dtype: "f32" });
    expect(names([y, { value: distance, memory: "out", name: "distance" }])).not.toContain("standardizedRows");
  });

  it("computes gradients right in their places and updates in place: not one copy", () => {
    const { program: p } = made();
    expect(p.instructions.filter((i) => i.op.name === "cast" || i.op.name === "pack")).toEqual([]);
    const update = p.instructions.find((i) => i.op.name === "adamUpdate");
    expect(update?.outputs.slice(0, 3).map((o) => [o.memory, o.byteOffset])).toEqual(
      [0, 2, 3].map((i) => [update?.inputs[i]?.memory, update?.inputs[i]?.byteOffset]),
    );
  });

  it("is encoded as finite numbers and printed one line an instruction", () => {
    const { program: p } = made();
    const { names, code } = encode(p);
    expect(names.split("\n")).toEqual([...new Set(p.instructions.map((i) => i.op.name))]);
    expect(code.every(Number.isFinite)).toBe(true);
    expect(printProgram(p).split("\n")).toHaveLength(p.memories.length + p.instructions.length);
  });
});

describe("verify", () => {
  const { program: p } = made();
  const changed = (index: number, change: (i: Program["instructions"][number]) => Program["instructions"][number]): Program => ({
    ...p,
    instructions: p.instructions.map((instruction, n) => (n === index ? change(instruction) : instruction)),
  });
  const arena = p.memories.findIndex((m) => m.name === "arena");

  it("accepts what the planner makes", () => {
    expect(() => verify(p)).not.toThrow();
  });
  it("refuses a slice that ends outside its memory", () => {
    expect(() => verify(changed(0, (i) => ({ ...i, outputs: i.outputs.map((o) => ({ ...o, byteOffset: 1 << 20 })) })))).toThrow(
      "reaches byte",
    );
  });
  it("refuses to read what nobody wrote", () => {
    expect(() => verify(changed(0, (i) => ({ ...i, inputs: i.inputs.map((s) => ({ ...s, memory: arena, byteOffset: 0 })) })))).toThrow(
      "were written",
    );
  });
  it("refuses an output over an input that the op may not overwrite", () => {
    const index = p.instructions.findIndex((i) => i.op.name === "linear" && i.inputs.some((s) => s.memory === arena));
    expect(() =>
      verify(
        changed(index, (i) => ({
          ...i,
          outputs: [
            { ...(i.outputs[0] as (typeof i.outputs)[0]), byteOffset: i.inputs.find((s) => s.memory === arena)?.byteOffset as number },
          ],
        })),
      ),
    ).toThrow("writes output");
  });
  it("refuses a slice at an odd offset", () => {
    expect(() => verify(changed(0, (i) => ({ ...i, outputs: i.outputs.map((o) => ({ ...o, byteOffset: o.byteOffset + 1 })) })))).toThrow(
      "odd offset",
    );
  });
});

describe("stores", () => {
  const hole = (layout: Layout, memory: "state" | "input", name: string, shape: number[]) => {
    layout.add(memory, name, { shape, dtype: "f64" });
    return source({ kind: "memory", memory, name }, layout.find(memory, name));
  };
  const runStores = (stores: Store[], layout: Layout, input: number[]) => {
    const p = program(stores, layout);
    verify(p);
    const memory = new Memory();
    for (const name of ["state", "input", "out"]) memory.ensure(name, layout.memory(name).bytes);
    memory.view("state", { shape: [input.length], dtype: "f64" }, 0).set(input);
    typescriptExecutor.load(p).runSync(memory, { steps: 1, threads: 1 });
    return (name: string, n: number, at = 0) => Array.from(memory.view(name, { shape: [n], dtype: "f64" }, at));
  };

  it("a new value may not cover an old one that is read later", () => {
    const layout = new Layout();
    const s = hole(layout, "state", "s", [2]);
    layout.add("out", "both", { shape: [2], dtype: "f64" });
    const next = mul(s, 10);
    // `both` reads the old s after the new one was computed.
    const stores = [
      { value: next, memory: "state", name: "s" },
      { value: sub(square(next), s), memory: "out", name: "both" },
    ];
    const read = runStores(stores, layout, [1, 2]);
    expect(read("state", 2)).toEqual([10, 20]);
    expect(read("out", 2)).toEqual([99, 398]);
  });

  it("two slots may exchange their values", () => {
    const layout = new Layout();
    const a = hole(layout, "state", "a", [8]);
    const b = hole(layout, "state", "b", [8]);
    const stores = [
      { value: add(b, 0), memory: "state", name: "a" },
      { value: add(a, 0), memory: "state", name: "b" },
    ];
    const read = runStores(stores, layout, [...Array(8).fill(1), ...Array(8).fill(2)]);
    expect(read("state", 16)).toEqual([...Array(8).fill(2), ...Array(8).fill(1)]);
  });

  it("one value may be stored twice, and a source may be stored", () => {
    const layout = new Layout();
    const s = hole(layout, "state", "s", [2]);
    for (const name of ["p", "q", "r"]) layout.add("out", name, { shape: [2], dtype: "f64" });
    const twice = mul(s, 2);
    const stores = [
      { value: twice, memory: "out", name: "p" },
      { value: reshape(twice, [2]), memory: "out", name: "q" },
      { value: s, memory: "out", name: "r" },
    ];
    const read = runStores(stores, layout, [3, 4]);
    expect([read("out", 2), read("out", 2, 64), read("out", 2, 128)]).toEqual([
      [6, 8],
      [6, 8],
      [3, 4],
    ]);
  });

  it("a parameter seen twice gets the sum of both gradients", () => {
    const layout = new Layout();
    const segment = hole(layout, "state", "s", [16]);
    layout.add("dtheta", "s", { shape: [16], dtype: "f64" });
    const w = view(segment, 0, [2]);
    const again = view(segment, 0, [2]);
    const [g] = gradients(sum(mul(square(w), again)), [segment]) as [Value];
    const memory = new Memory();
    memory.ensure("state", 128);
    memory.ensure("dtheta", 128);
    memory.view("state", { shape: [2], dtype: "f64" }, 0).set([2, 3]);
    typescriptExecutor.load(program([{ value: g, memory: "dtheta", name: "s" }], layout)).runSync(memory, { steps: 1, threads: 1 });
    expect(Array.from(memory.view("dtheta", { shape: [3], dtype: "f64" }, 0))).toEqual([12, 27, 0]);
  });

  it("pack places parts with gaps", () => {
    const layout = new Layout();
    const a = hole(layout, "state", "s", [2]);
    layout.add("dtheta", "s", { shape: [16], dtype: "f64" });
    const read = runStores([{ value: pack([mul(a, 2), a], [0, 8], 16), memory: "dtheta", name: "s" }], layout, [1, 2]);
    expect(read("dtheta", 16)).toEqual([2, 4, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0]);
  });
});

describe("gradients", () => {
  it("wants one number", () => {
    expect(() => publicGradients(tensor([1, 2]), [])).toThrow(
      "gradients: the cost must be one number, got shape [2]; take its mean() or sum()",
    );
  });
  it("is zero where the cost does not depend on a tensor", () => {
    const [a, b] = [tensor([1, 2]), tensor([3, 4, 5])];
    const [da, db] = publicGradients(a.square().sum(), [a, b]);
    expect([da.toArray(1), db.toArray(1)]).toEqual([
      [2, 4],
      [0, 0, 0],
    ]);
  });
  it("adds what flows back to a variable from before and after an assignment of its own value", () => {
    const w = variable(2);
    const before = w.mul(3);
    w.assign(2);
    const [dw] = publicGradients(before.add(w.mul(5)), [w]);
    // A variable stands for all the moments at which it was read.
    expect((dw as ReturnType<typeof tensor>).item()).toBe(8);
  });

  it("adds what flows back along several paths", () => {
    const x = tensor([
      [1, 2],
      [3, 4],
    ]);
    const [g] = publicGradients(x.matmul(x).sum().add(x.sum()), [x]);
    expect(g.toArray(2)).toEqual([
      [8, 12],
      [10, 14],
    ]);
  });
});

describe("views of a graph", () => {
  const model = sequential([dense(3), batchNorm(), relu(), dropout({ keepProb: 0.5 }), dense(2)]).build({ shape: [4] });
  it("print the forward pass by layer", () => {
    const text = model.graph().toString();
    expect(text).toContain('layer "dense_1"');
    expect(text).toContain("batchNormInference(");
    expect(text).not.toContain("backward");
  });
  it("show backward nodes on request", () => {
    const text = model.graph({ backward: true }).toString();
    expect(text).toContain("batchNormGradient(");
    expect(text).toContain("gradient.dense_2.b <-");
  });
  it("draw Mermaid and DOT with one box a node", () => {
    const x = source({ kind: "argument", name: 'a "quoted" name' }, { shape: [2, 2], dtype: "f32" });
    const g = new GraphView(graphOf([{ value: scoped("s", () => matmul(x, x)), memory: "out", name: "y" }]));
    expect(g.mermaid()).toContain("flowchart TD");
    expect(g.mermaid()).toContain("a #quot;quoted#quot; name");
    expect(g.dot()).toContain('\\"quoted\\"');
    expect(g.dot().match(/shape=/g)).toHaveLength(3);
  });
});

describe("eager values", () => {
  it("are computed once for one look and cached by structure", () => {
    const a = randomNormal([3, 3], { seed: 1 });
    const b = a.matmul(a).relu();
    expect(b.data()).toEqual(b.data());
    expect(b.data()).not.toBe(b.data());
    expect(
      ops
        .softmax(tensor([[5, 2, -1, 3]]))
        .toArray(2)[0]
        ?.map((p) => Number(p.toFixed(3))),
    ).toEqual([0.842, 0.042, 0.002, 0.114]);
  });
  it("crossEntropy of one row", () => {
    expect(crossEntropy()(tensor([[5, 2, -1, 3]]), tensor(Int32Array.of(0))).item()).toBeCloseTo(-Math.log(0.842), 3);
  });
});
