// Single kernels at sizes of note: the update of Adam, batch norm forward and backward, dropout forward.
//
//   npm run bench -- kernels
import { Layout } from "../src/graph/layout.ts";
import { program } from "../src/graph/program.ts";
import { type GradientRequest, type OpDefinition, source, type Value } from "../src/ops/define.ts";
import { add, mul } from "../src/ops/elementwise.ts";
import { batchNorm } from "../src/ops/normalization.ts";
import { table } from "../src/ops/table.ts";
import { uniform } from "../src/random.ts";
import { executor } from "../src/run/backend.ts";
import { Memory } from "../src/run/memory.ts";
import { sizeOf } from "../src/shape.ts";
import { amountOf, instructionOf, runnerOf } from "./instruction.ts";
import { type Amount, limitsOf, showRate, threadsOf } from "./limits.ts";
import { sample } from "./measure.ts";
import { keep, type Row, rowOf } from "./stamp.ts";

/** Work that can be done over and over, on so many threads, and how much it is. */
export interface Work {
  readonly amount: Amount;
  run(threads: number): (calls: number) => void;
}

function entry(name: string): OpDefinition {
  const op = table.find((found) => found.name === name);
  if (!op) throw new Error(`bench: the op table has no ${name}`);
  return op;
}

export function adamStep(parameters: number): Work {
  const op = entry("adamUpdate");
  const n = { shape: [parameters] };
  const number = (value: number) => ({ shape: [], values: [value] });
  const attributes = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, inside: false, weightDecay: 0 };
  const update = instructionOf(op, [n, n, n, { ...n, range: [0, 2] }, number(1e-3), number(0.1), number(1e-3)], attributes);
  return {
    // theta, g, m and v are read, all but g written.
    amount: { bytes: 16 * parameters, traffic: 28 * parameters, pattern: "update" },
    run: (threads) => runnerOf(update, executor(), threads, true),
  };
}

export function dropoutForward(rows: number, columns: number): Work {
  const x = { shape: [rows, columns] };
  const forward = instructionOf(entry("dropout"), [x, { shape: [], values: [0.8] }, { shape: [3], dtype: "i32", values: [1, 2, 3] }], {
    site: 0,
  });
  return { amount: amountOf(forward), run: (threads) => runnerOf(forward, executor(), threads) };
}

/** As a layer does it in training: with running averages, and the gradients of x, gamma and beta. */
export function batchNormBothWays(rows: number, columns: number): Work {
  const layout = new Layout();
  const slot = (name: string, shape: readonly number[]): Value => {
    layout.add("state", name, { shape, dtype: "f32" });
    return source({ kind: "memory", memory: "state", name }, { shape, dtype: "f32" });
  };
  const [x, dy] = [slot("x", [rows, columns]), slot("dy", [rows, columns])];
  const [gamma, beta, mean, variance] = ["gamma", "beta", "mean", "variance"].map((name) => slot(name, [columns]));
  const forward = batchNorm(x, gamma as Value, beta as Value, { epsilon: 1e-5, activation: 0 });
  const { node } = forward.y;
  const request: GradientRequest = {
    inputs: node.inputs,
    outputs: [forward.y, forward.mean, forward.variance],
    gradients: [dy, undefined, undefined],
    attributes: node.attributes,
    needs: () => true,
  };
  const op = node.op as OpDefinition & Required<Pick<OpDefinition, "gradient">>;
  const [dx, dgamma, dbeta] = op.gradient(request) as [Value, Value, Value];
  const moved = (running: Value | undefined, now: Value) => add(mul(running as Value, 0.9), mul(now, 0.1));
  const results = { y: forward.y, dx, dgamma, dbeta };
  for (const [name, value] of Object.entries(results)) layout.add("state", name, value.type);
  const averages = { mean: moved(mean, forward.mean), variance: moved(variance, forward.variance) };
  const stores = Object.entries({ ...results, ...averages }).map(([name, value]) => ({ value, memory: "state", name }));
  const made = program(stores, layout);
  return {
    // Forward x to y, backward x and dy to dx: each once over memory at least.
    amount: { bytes: 16 * rows * columns, traffic: 20 * rows * columns },
    run: (threads) => {
      const memory = new Memory();
      memory.ensure("state", layout.memory("state").bytes);
      ["x", "dy", "gamma"].forEach((name, site) => {
        const to = layout.find("state", name);
        const draws = new Float64Array(sizeOf(to.shape));
        uniform({ seed: 1, purpose: "tensor", site }, draws, -2, 2);
        memory.view("state", to, to.byteOffset).set(draws);
      });
      const loaded = executor().load(made);
      return (steps) => {
        loaded.runSync(memory, { steps, threads });
      };
    },
  };
}

export async function benchKernels(): Promise<void> {
  const works: Record<string, Work> = {
    "Adam, 10M parameters": adamStep(10_000_000),
    "Adam, 537k parameters": adamStep(537_600),
    "batch norm forward and backward [128, 512]": batchNormBothWays(128, 512),
    "batch norm forward and backward [4096, 1024]": batchNormBothWays(4096, 1024),
    "dropout forward [128, 512]": dropoutForward(128, 512),
    "dropout forward [4096, 1024]": dropoutForward(4096, 1024),
  };
  const rows: Row[] = [];
  for (const [name, work] of Object.entries(works)) {
    for (const threads of threadsOf(executor())) {
      const measured = rowOf(name, threads, sample(work.run(threads)), work.amount, await limitsOf(threads));
      rows.push(measured);
      const time = `${(1e3 * measured.median).toFixed(1)} us`;
      console.log(`${name.padEnd(46)} ${threads} thr ${time.padStart(12)} ${measured.rate ? showRate(measured.rate) : ""}`);
    }
  }
  await keep("kernels", rows);
}
