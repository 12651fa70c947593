// Overhead: a step of a network that computes next to nothing, and what comes before the first step of a larger one.
//
//   npm run bench -- small
import { adam, crossEntropy, type Dataset, dataset, sequential, tensor } from "minibatch";
import { iris } from "minibatch/data";
import { executor } from "../src/run/backend.ts";
import { threadsOf } from "./limits.ts";
import { irisNetwork, networks, stepProgram, stepTimes } from "./networks.ts";
import { keep, type Row, rowOf } from "./stamp.ts";

/** Milliseconds of a whole fit of one step, from a model that was never traced: trace, gradient, plan, upload, step. */
async function firstStep(): Promise<number> {
  const { layers, batchSize } = networks.a;
  const x = new Float32Array(batchSize * 784).map((_, i) => ((i * 7919) % 251) / 251);
  const train = dataset(
    tensor(x, { shape: [batchSize, 784] }),
    Int32Array.from({ length: batchSize }, (_, i) => i % 10),
  );
  const model = sequential([...layers()]);
  const began = performance.now();
  await model.fit(train, { loss: crossEntropy(), optimizer: adam(), batchSize, epochs: 1, seed: 1, progress: false });
  return performance.now() - began;
}

/** So many copies of every row: epochs long enough that their ends do not count. */
function repeated({ x, y }: Dataset, times: number): Dataset {
  const copies = (from: ArrayLike<number>) => Float32Array.from({ length: from.length * times }, (_, i) => from[i % from.length] as number);
  const [rows = 0, columns = 0] = x.shape;
  return dataset(tensor(copies(x.data()), { shape: [rows * times, columns] }), Int32Array.from(copies(y.data())));
}

function milliseconds(f: () => void): number {
  const began = performance.now();
  f();
  return performance.now() - began;
}

export async function benchSmall(): Promise<void> {
  const rows: Row[] = [];
  const note = (made: Row, shown: string) => {
    rows.push(made);
    console.log(`${made.name.padEnd(70)} ${shown}`);
  };
  // The first of the process: nothing is compiled yet by the engine of JavaScript, as in a user's script.
  const cold = await firstStep();
  note(rowOf("first step of (a), first in the process", executor().threads, [cold / 1000]), `${cold.toFixed(1)} ms`);
  const warm: number[] = [];
  const traces: number[] = [];
  const loads: number[] = [];
  for (let i = 0; i < 15; i++) {
    warm.push((await firstStep()) / 1000);
    let made: ReturnType<typeof stepProgram> | undefined;
    traces.push(milliseconds(() => (made = stepProgram(networks.a))) / 1000);
    if (made) loads.push(milliseconds(() => executor().load((made as ReturnType<typeof stepProgram>).program)) / 1000);
  }
  const parts = { "first step of (a), later ones": warm, "  of it: weights, trace, gradient and plan": traces, "  of it: load": loads };
  for (const [name, times] of Object.entries(parts)) {
    const made = rowOf(name, executor().threads, times);
    note(made, `${made.median.toFixed(2)} ms`);
  }
  const short = await iris();
  const long = repeated(short, 100);
  for (const threads of threadsOf(executor())) {
    for (const [what, train] of [
      ["step after step", long],
      ["epochs of 19 steps", short],
    ] as const) {
      const made = rowOf(
        `step of ${irisNetwork.name}, ${what}, ${threads} thr`,
        threads,
        await stepTimes(irisNetwork, train, threads, 0.7),
      );
      note(made, `${(1000 * made.median).toFixed(2)} us`);
    }
  }
  await keep("small", rows);
}
