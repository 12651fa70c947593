// The library's own side of every comparison: one process, threads and instruction set from its environment.
import { fileURLToPath } from "node:url";
import { type Dataset, sequential, tensor } from "minibatch";
import { executor } from "../src/run/backend.ts";
import { answerTasks, type Child, startChild, type Task, type Times } from "./child.ts";
import { productOf } from "./gemm.ts";
import { runnerOf } from "./instruction.ts";
import { adamStep, batchNormBothWays, dropoutForward } from "./kernels.ts";
import { median, percentile, sample } from "./measure.ts";
import { fashion, fashionFolder, networks, stepTimes } from "./networks.ts";

let loaded: Dataset | undefined;

async function trainingData(): Promise<Dataset> {
  loaded ??= await fashion();
  if (!loaded) throw new Error(`no Fashion-MNIST in ${fashionFolder}; FASHION_DIR says where it is`);
  return loaded;
}

/** Network (a), predictSync: rows in a typed array in, a tensor out. */
function prediction(rows: number): (calls: number) => void {
  const model = sequential([...networks.a.layers()]).build({ shape: [784], seed: 1 });
  const x = tensor(
    new Float32Array(rows * 784).map((_, i) => ((i * 7919) % 251) / 251),
    { shape: [rows, 784] },
  );
  return (calls) => {
    for (let i = 0; i < calls; i++) model.predictSync(x, { as: "outputs" }).data();
  };
}

async function times(task: Task): Promise<number[]> {
  const { threads } = executor();
  switch (task.kind) {
    case "training":
      return stepTimes(networks[task.net], await trainingData(), threads, task.seconds);
    case "inference":
      return sample(prediction(task.rows), task.seconds);
    case "adam":
      return sample(adamStep(task.parameters).run(threads), task.seconds);
    case "batchNorm":
      return sample(batchNormBothWays(task.rows, task.columns).run(threads), task.seconds);
    case "dropout":
      return sample(dropoutForward(task.rows, task.columns).run(threads), task.seconds);
    case "matmul":
      return sample(runnerOf(productOf(["fwd", task.m, task.k, task.n]), executor(), threads), task.seconds);
  }
}

const file = fileURLToPath(import.meta.url);

/** A process of this library. `env` may name the back end or the instruction set. */
export function startOurs(threads: number, env: Readonly<Record<string, string>> = {}): Child {
  return startChild(process.execPath, ["--import", "tsx", file], { MINIBATCH_THREADS: String(threads), ...env });
}

if (process.argv[1] === file) {
  await answerTasks(async (task): Promise<Times> => {
    const list = await times(task);
    return { p10: percentile(list, 0.1), median: median(list) };
  });
}
