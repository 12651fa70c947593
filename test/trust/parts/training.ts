// The run that kill-resume kills: dropout, batch norm, Adam, shuffling, early stopping. In a process of its own; prints a line
// when it has begun and its result at the end. TRUST_OPTIONS holds a Task as JSON.
import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import { adam, batchNorm, crossEntropy, dense, dropout, type Epoch, relu, sequential } from "minibatch";
import { digits, split } from "minibatch/data";

export interface Task {
  /** Without it: the undisturbed run. */
  readonly dir?: string;
  readonly every?: number | { steps: number } | { seconds: number };
  readonly threads: number;
  /** The control: every checkpoint is written in place, over the one before it. */
  readonly naive?: boolean;
}

export interface Result {
  readonly weights: string;
  readonly history: string;
  readonly epochs: number;
}

function writeInPlace(): void {
  const fs = process.getBuiltinModule("node:fs/promises");
  const { open } = fs;
  fs.open = ((path: string, flags: string) =>
    flags === "wx" ? open(join(dirname(path), "checkpoint-000000000001.safetensors"), "w") : open(path, flags)) as typeof open;
  fs.rename = async () => undefined;
}

async function train({ dir, every, threads, naive }: Task): Promise<Result> {
  if (naive) writeInPlace();
  const { train, dev } = split(await digits(), { dev: 0.2, test: 0.05, stratify: true, seed: 1 });
  const model = sequential([dense(160), batchNorm(), relu(), dropout({ keepProb: 0.7 }), dense(64), batchNorm(), relu(), dense(10)]);
  let begun = false;
  const { epochs, best, stoppedBecause, interventions } = await model.fit(train, {
    dev,
    loss: crossEntropy(),
    optimizer: adam({ learningRate: 5e-4 }),
    batchSize: 48,
    epochs: 400,
    seed: 9,
    threads,
    progress: false,
    earlyStopping: { patience: 40, watch: "devLoss" },
    onStep: () => {
      if (!begun) process.stdout.write("begun\n");
      begun = true;
    },
    ...(dir === undefined ? {} : { checkpoint: { dir, ...(every === undefined ? {} : { every }) }, resume: dir }),
  });
  const hash = createHash("sha256");
  for (const parameter of model.parameters()) hash.update(new Uint8Array(parameter.data("f32").buffer));
  // Everything but the time it took.
  const timeless = epochs.map(({ seconds: _, ...rest }: Epoch) => rest);
  const history = JSON.stringify({ timeless, best: best.epoch, stoppedBecause, interventions });
  return { weights: hash.digest("hex"), history: createHash("sha256").update(history).digest("hex"), epochs: epochs.length };
}

process.stdout.write(`${JSON.stringify(await train(JSON.parse(process.env.TRUST_OPTIONS ?? '{"threads":1}') as Task))}\n`);
