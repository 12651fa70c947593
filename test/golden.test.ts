// The library against PyTorch's numbers (golden/README.md): ops, losses, a whole step of a network with batch norm, and every
// optimizer over 10 and 1,000 steps, in f64 to 1e-10 relative, on both executors; then the same through fit, in f32.
import { readFileSync } from "node:fs";
import type * as Minibatch from "minibatch";
import { describe, expect, test } from "vitest";
import { type ExecutorName, executors, useExecutor } from "./executors.ts";

type Library = typeof Minibatch;
type Numbers = number | readonly Numbers[];
type Matrix = readonly (readonly number[])[];
type Named = Readonly<Record<string, Numbers>>;

/** How an optimizer is made: the name of its function and its options. */
interface Made {
  readonly kind: "sgd" | "momentum" | "nesterov" | "rmsprop" | "adam" | "adamW" | "adagrad";
  readonly learningRate: number;
}
interface Statistics {
  readonly mean: Numbers;
  readonly variance: Numbers;
}
interface Mlp {
  readonly epsilon: number;
  readonly keep: number;
  readonly x: Matrix;
  readonly labels: readonly number[];
  readonly weights: Named;
  readonly oneStep: {
    readonly batchMean1: Numbers;
    readonly batchVariance1: Numbers;
    readonly logits: Numbers;
    readonly loss: number;
    readonly gradients: Named;
    readonly running: readonly Statistics[];
  };
  readonly tenSteps: Readonly<
    Record<string, { optimizer: Made; losses: readonly number[]; weights: Named; running?: readonly Statistics[]; evaluation?: Numbers }>
  >;
}
interface Regression {
  readonly w: Matrix;
  readonly b: readonly number[];
  readonly x: Matrix;
  readonly y: Matrix;
  readonly perBatch: number;
  readonly runs: Readonly<Record<string, { optimizer: Made; steps: Readonly<Record<string, { w: Numbers; b: Numbers }>> }>>;
}
interface Case {
  readonly y: Numbers;
  readonly dy: Numbers;
  readonly gradients: readonly Numbers[];
}
interface Ops {
  readonly points: readonly number[];
  readonly unary: Readonly<Record<"relu" | "leakyRelu" | "elu" | "gelu" | "silu" | "tanh" | "sigmoid" | "softplus", Case>>;
  readonly matrix: Matrix;
  readonly gamma: readonly number[];
  readonly beta: readonly number[];
  readonly epsilon: number;
  readonly softmax: Case;
  readonly logSoftmax: Case;
  readonly layerNorm: Case;
  readonly batchNorm: Case;
  readonly losses: Readonly<Record<string, Case & { target: Numbers }>>;
  readonly schedules: Readonly<Record<string, readonly number[]>>;
}

const read = <T>(name: string): T => JSON.parse(readFileSync(new URL(`./golden/${name}.json`, import.meta.url), "utf8")) as T;
const mlp = read<Mlp>("mlp");
const regression = read<Regression>("optimizers");
const ops = read<Ops>("ops");

const double = 1e-10;
/** What f32 may lose: PyTorch's own f32 run ends up to 7e-7 from its f64 run (`singlePrecision` in the files). */
const single = 5e-6;

const flat = (x: Numbers): number[] => (typeof x === "number" ? [x] : x.flatMap(flat));

/** Largest difference over largest expected element. */
function apart(actual: ArrayLike<number>, expected: Numbers): number {
  const wanted = flat(expected);
  if (actual.length !== wanted.length) return Number.POSITIVE_INFINITY;
  const scale = Math.max(...wanted.map(Math.abs)) || 1;
  return Math.max(
    ...wanted.map((e, i) => (Number.isFinite(actual[i]) ? Math.abs((actual[i] as number) - e) / scale : Number.POSITIVE_INFINITY)),
  );
}

function expectClose(what: string, actual: Minibatch.Tensor, expected: Numbers, bound = double): void {
  expect(apart(actual.data(), expected), `${what}: relative difference`).toBeLessThanOrEqual(bound);
}

/** The optimizer that a golden entry names. */
function make(lib: Library, { kind, ...options }: Made): Minibatch.Optimizer {
  return lib[kind](options);
}

/** The library on one executor, loaded when the first of its tests runs; the modules imported meanwhile belong to it too. */
let loaded: { readonly name: ExecutorName; readonly missing: string | undefined; readonly lib: Library } | undefined;

/** A test on one executor; without the native addon it is skipped with the reason. */
function check(name: ExecutorName, title: string, body: (lib: Library) => void | Promise<void>): void {
  test(title, { timeout: 120_000 }, async (context) => {
    if (loaded?.name !== name) loaded = { name, missing: await useExecutor(name), lib: await import("minibatch") };
    if (loaded.missing) context.skip(loaded.missing);
    else await body(loaded.lib);
  });
}

/** Value, and the gradients under the uneven dy of the golden case. */
function expectCase(lib: Library, what: string, found: Minibatch.Tensor, inputs: readonly Minibatch.Variable[], wanted: Case): void {
  expectClose(what, found, wanted.y);
  const weight = lib.tensor(flat(wanted.dy), { shape: found.shape, dtype: "f64" });
  lib.gradients(found.mul(weight).sum(), inputs).forEach((gradient, i) => {
    expectClose(`${what}, gradient ${i}`, gradient, wanted.gradients[i] as Numbers);
  });
}

describe.each(executors)("single ops, %s", (on) => {
  check(on, "activations", (lib) => {
    for (const [name, wanted] of Object.entries(ops.unary)) {
      const x = lib.variable(ops.points, { dtype: "f64" });
      expectCase(lib, name, x[name as keyof Ops["unary"]](), [x], wanted);
    }
  });

  check(on, "softmax, layer norm, batch norm", async (lib) => {
    const { batchNorm, layerNorm } = await import("../src/ops/normalization.ts");
    const { asTensor } = await import("../src/tensor.ts");
    const f64 = { dtype: "f64" } as const;
    const [x, gamma, beta] = [lib.variable(ops.matrix, f64), lib.variable(ops.gamma, f64), lib.variable(ops.beta, f64)];
    const { epsilon } = ops;
    expectCase(lib, "softmax", x.softmax(), [x], ops.softmax);
    expectCase(lib, "logSoftmax", x.logSoftmax(), [x], ops.logSoftmax);
    expectCase(lib, "layerNorm", asTensor(layerNorm(x, gamma, beta, { epsilon }).y), [x, gamma, beta], ops.layerNorm);
    expectCase(lib, "batchNorm", asTensor(batchNorm(x, gamma, beta, { epsilon, activation: 0 }).y), [x, gamma, beta], ops.batchNorm);
  });

  check(on, "losses", (lib) => {
    for (const [name, wanted] of Object.entries(ops.losses)) {
      const kind = name.split(",")[0] as "crossEntropy" | "binaryCrossEntropy" | "meanSquaredError" | "meanAbsoluteError" | "huber";
      const x = lib.variable(ops.matrix, { dtype: "f64" });
      const target = lib.tensor(wanted.target as readonly number[], { dtype: name === "crossEntropy, labels" ? "i32" : "f64" });
      expectCase(lib, name, lib[kind]()(x, target), [x], wanted);
    }
  });
});

test("learning-rate schedules", async () => {
  const { schedule } = await import("minibatch");
  const mine: Readonly<Record<string, Minibatch.Schedule>> = {
    // Ours is the course's initial base^epoch with epochs from 1; torch starts one factor earlier.
    "exponential 0.95": schedule.exponential({ initial: 0.5 / 0.95, base: 0.95 }),
    "staircase 0.5 every 4": schedule.staircase({ initial: 0.5, factor: 0.5, every: 4 }),
    "cosine over 10 to 0.05": schedule.cosine({ initial: 0.5, final: 0.05, over: 10 }),
    "piecewise 3: 0.2, 7: 0.04": schedule.piecewise({
      rates: [
        [1, 0.5],
        [4, 0.2],
        [8, 0.04],
      ],
    }),
  };
  expect(Object.keys(mine)).toEqual(Object.keys(ops.schedules));
  for (const [name, wanted] of Object.entries(ops.schedules)) {
    const rate = mine[name] as Minibatch.Schedule;
    wanted.forEach((expected, done) => {
      expect(Math.abs(rate({ step: 1, epoch: done + 1 }) - expected), `${name}, epoch ${done + 1}`).toBeLessThan(1e-12);
    });
  }
});

// ---------------------------------------------------------------- a network with batch norm

/** The 6-8-5-3 network as a function of its parameters. */
async function network(lib: Library) {
  const { batchNorm } = await import("../src/ops/normalization.ts");
  const { asTensor } = await import("../src/tensor.ts");
  const p = Object.fromEntries(Object.entries(mlp.weights).map(([name, value]) => [name, lib.variable(value, { dtype: "f64", name })]));
  const of = (name: string) => p[name] as Minibatch.Variable;
  const x = lib.tensor(mlp.x, { dtype: "f64" });
  const y = lib.tensor(mlp.labels, { dtype: "i32" });
  const forward = (activation: 0 | 1) => {
    let a: Minibatch.Tensor = x;
    const statistics: { mean: Minibatch.Tensor; variance: Minibatch.Tensor }[] = [];
    for (const l of [1, 2]) {
      const out = batchNorm(a.matmul(of(`w${l}`)), of(`gamma${l}`), of(`beta${l}`), { epsilon: mlp.epsilon, activation });
      statistics.push({ mean: asTensor(out.mean), variance: asTensor(out.variance) });
      a = activation ? asTensor(out.y) : asTensor(out.y).relu();
    }
    const logits = a.matmul(of("w3")).add(of("b3"));
    return { logits, statistics, cost: lib.crossEntropy()(logits, y) };
  };
  return { parameters: p, list: Object.values(p), forward };
}

describe.each(executors)("a network with batch norm, %s", (on) => {
  describe.each([0, 1] as const)("activation %i of batch norm: 0 relu apart, 1 relu fused", (activation) => {
    check(on, "one step: logits, loss, statistics, every gradient", async (lib) => {
      const { parameters, list, forward } = await network(lib);
      const { logits, statistics, cost } = forward(activation);
      const wanted = mlp.oneStep;
      expectClose("logits", logits, wanted.logits);
      expectClose("loss", cost, wanted.loss);
      const m = mlp.x.length;
      statistics.forEach(({ mean, variance }, l) => {
        // Running statistics start at 0 and 1 and take the unbiased variance.
        expectClose(`running mean ${l + 1}`, mean.mul(mlp.keep), wanted.running[l]?.mean as Numbers);
        expectClose(
          `running variance ${l + 1}`,
          variance.mul((mlp.keep * m) / (m - 1)).add(1 - mlp.keep),
          wanted.running[l]?.variance as Numbers,
        );
      });
      expectClose("mean of layer 1", statistics[0]?.mean as Minibatch.Tensor, wanted.batchMean1);
      expectClose("biased variance of layer 1", statistics[0]?.variance as Minibatch.Tensor, wanted.batchVariance1);
      const dtheta = lib.gradients(cost, list);
      expect(Object.keys(parameters)).toEqual(Object.keys(wanted.gradients));
      Object.entries(wanted.gradients).forEach(([name, gradient], i) => {
        expectClose(`gradient of ${name}`, dtheta[i] as Minibatch.Tensor, gradient);
      });
    });
  });

  describe.each(Object.keys(mlp.tenSteps).filter((name) => !name.includes("matrices only")))("%s", (optimizerName) => {
    check(on, "10 steps", async (lib) => {
      const { optimizer: made, losses, weights } = mlp.tenSteps[optimizerName] as Mlp["tenSteps"][string];
      const { parameters, list, forward } = await network(lib);
      const optimizer = make(lib, made);
      for (const [step, wanted] of losses.entries()) {
        const { cost } = forward(1);
        expectClose(`loss before step ${step + 1}`, cost, wanted);
        optimizer.apply(list, lib.gradients(cost, list));
      }
      for (const [name, wanted] of Object.entries(weights)) expectClose(name, parameters[name] as Minibatch.Tensor, wanted);
    });
  });
});

// ---------------------------------------------------------------- a thousand steps

function thousandSteps(lib: Library, made: Made, dtype: "f32" | "f64", bound: number): void {
  const { perBatch, w: w0, b: b0, x, y, runs } = regression;
  const wanted = Object.values(runs).find((run) => JSON.stringify(run.optimizer) === JSON.stringify(made))?.steps ?? {};
  const [w, b] = [lib.variable(w0, { dtype, name: "w" }), lib.variable(b0, { dtype, name: "b" })];
  const step = make(lib, made).minimize(
    (rows: Minibatch.Tensor, targets: Minibatch.Tensor) => {
      const r = rows.matmul(w).add(b).sub(targets);
      return r.softplus().add(r.neg().softplus()).mean();
    },
    [w, b],
  );
  const batches = [0, 1, 2, 3].map((k) => {
    const rows = (of: Matrix) => lib.tensor(of.slice(k * perBatch, (k + 1) * perBatch), { dtype });
    return [rows(x), rows(y)] as const;
  });
  let compared = 0;
  for (let t = 1; t <= 1000; t++) {
    step(...(batches[(t - 1) % 4] as (typeof batches)[number]));
    const now = wanted[t];
    if (!now) continue;
    compared++;
    expectClose(`w after step ${t}`, w, now.w, bound);
    expectClose(`b after step ${t}`, b, now.b, bound);
  }
  expect(compared).toBe(3);
}

describe.each(executors)("1,000 steps, %s", (on) => {
  describe.each(Object.entries(regression.runs))("%s", (_, { optimizer }) => {
    check(on, "f64", (lib) => thousandSteps(lib, optimizer, "f64", double));
    check(on, "f32", (lib) => thousandSteps(lib, optimizer, "f32", single));
  });
});

// ---------------------------------------------------------------- through fit, in f32

describe.each(executors)("fit, %s", (on) => {
  describe.each(["sgd", "adam", "adamW, matrices only"])("%s", (optimizerName) => {
    check(on, "10 epochs of the whole batch, then with running statistics", async (lib) => {
      const { optimizer, losses, weights, evaluation } = mlp.tenSteps[optimizerName] as Mlp["tenSteps"][string];
      const { batchNorm, dense, relu, sequential } = lib;
      const model = sequential([dense(8), batchNorm(), relu(), dense(5), batchNorm(), relu(), dense(3)]);
      model.build({ shape: [6], seed: 1 });
      const parameters = model.parameters();
      const names = Object.keys(mlp.weights);
      // Both in the order of the layers; within one w, then b or gamma and beta.
      expect(parameters.map((p) => p.shape)).toEqual(names.map((name) => lib.tensor(mlp.weights[name] as number[]).shape));
      parameters.forEach((p, i) => {
        p.assign(mlp.weights[names[i] as string] as number[]);
      });
      const history = await model.fit(lib.dataset(mlp.x as number[][], lib.tensor(mlp.labels, { dtype: "i32" })), {
        loss: lib.crossEntropy(),
        optimizer: make(lib, optimizer),
        batchSize: "all",
        epochs: 10,
        shuffle: false,
      });
      expect(
        apart(
          history.epochs.map((epoch) => epoch.trainLoss),
          losses,
        ),
      ).toBeLessThanOrEqual(single);
      parameters.forEach((p, i) => {
        expectClose(names[i] as string, p, weights[names[i] as string] as Numbers, single);
      });
      expectClose("outputs", model.predictSync(mlp.x as number[][]), evaluation as Numbers, single);
    });
  });
});
