// The networks that are measured, the data they are trained on, and how fast their steps follow each other. Real data
// only: what comes with the package, and Fashion-MNIST where its folder is there (FASHION_DIR, or Debian's
// dataset-fashion-mnist).
import { existsSync } from "node:fs";
import { adam, batchNorm, crossEntropy, type Dataset, dense, dropout, type Layer, relu, sequential } from "minibatch";
import { type Augmentation, fashionMnist, standardize } from "minibatch/data";
import { insideOf } from "../src/model.ts";
import { lossDefinition } from "../src/nn/losses.ts";
import { recipeOf } from "../src/optim/optimizers.ts";
import { type TrainingProgram, trainingProgram } from "../src/train/programs.ts";

export interface Network {
  readonly name: string;
  readonly batchSize: number;
  layers(): readonly Layer[];
}

const withNorm = (n: number) => [dense(n), batchNorm(), relu(), dropout({ keepProb: 0.8 })];
const plain = (n: number) => [dense(n), relu()];

/** On Fashion-MNIST. */
export const networks = {
  a: {
    name: "(a) 784-512-256-10, batch norm, dropout 0.2",
    batchSize: 128,
    layers: () => [...withNorm(512), ...withNorm(256), dense(10)],
  },
  b: { name: "(b) 784-512-256-10", batchSize: 128, layers: () => [...plain(512), ...plain(256), dense(10)] },
  c: { name: "(c) 784-64-10, batch 32", batchSize: 32, layers: () => [...plain(64), dense(10)] },
} satisfies Record<string, Network>;

export type NetworkName = keyof typeof networks;

/** On the digits: the README's first example. */
export const digitsNetwork: Network = {
  name: "digits 64-128-64-10, batch norm, dropout 0.2",
  batchSize: 64,
  layers: () => [...withNorm(128), ...withNorm(64), dense(10)],
};

/** On iris: nothing but overhead. */
export const irisNetwork: Network = { name: "iris 4-16-16-3, batch 8", batchSize: 8, layers: () => [...plain(16), ...plain(16), dense(3)] };

export const fashionFolder = process.env.FASHION_DIR ?? "/usr/share/datasets/fashion-mnist";

export async function fashion(): Promise<Dataset | undefined> {
  return existsSync(fashionFolder) ? (await fashionMnist({ dir: fashionFolder })).train : undefined;
}

const options = (batchSize: number) => ({
  loss: crossEntropy(),
  optimizer: adam({ learningRate: 1e-3 }),
  batchSize,
  seed: 1,
  progress: false,
});

/** A model that trains one epoch at each call. benny calls once without waiting, to see what comes back: so epochs queue. */
export function epochsOf(
  { layers, batchSize }: Network,
  train: Dataset,
  threads: number,
  augment?: readonly Augmentation[],
): () => Promise<unknown> {
  const model = sequential([standardize(train).layer(), ...layers()]);
  let last: Promise<unknown> = Promise.resolve();
  return () => {
    last = last.then(() => model.fit(train, { ...options(batchSize), epochs: 1, threads, augment }));
    return last;
  };
}

/** Until the caches are filled and chunks of steps have their length. */
const warmSeconds = 0.3;

/**
 * Seconds per step, one figure for each chunk of steps of some 30 milliseconds, over a training run of so many seconds.
 * What happens between chunks counts.
 */
export async function stepTimes({ layers, batchSize }: Network, train: Dataset, threads: number, seconds: number): Promise<number[]> {
  const model = sequential([standardize(train).layer(), ...layers()]);
  // The steps of a chunk are reported together, when it has ended.
  const chunks: { first: number; ended: number }[] = [];
  let told = false;
  let began = 0;
  const run = model.fit(train, {
    ...options(batchSize),
    epochs: 1_000_000,
    threads,
    onStep: ({ step }) => {
      if (told) return;
      told = true;
      queueMicrotask(() => {
        told = false;
      });
      const ended = performance.now();
      began ||= ended;
      chunks.push({ first: step, ended });
      if (ended > began + 1000 * (warmSeconds + seconds)) run.stop();
    },
  });
  await run;
  const times = chunks.flatMap(({ first, ended }, i) => {
    const [before, next] = [chunks[i - 1], chunks[i + 1]];
    if (!before || !next || before.ended < began + 1000 * warmSeconds) return [];
    return [(ended - before.ended) / 1000 / (next.first - first)];
  });
  // Steps so slow that none came after the warm-up: the last one is better than nothing.
  return times.length ? times : [((chunks.at(-1)?.ended ?? 0) - (chunks.at(-2)?.ended ?? 0)) / 1000];
}

/** The training step of a network on rows of 784 bytes as a program, with the weights it starts from. */
export function stepProgram({ layers, batchSize }: Network): TrainingProgram & { theta: Uint8Array; state: Uint8Array } {
  const model = sequential([...layers()]).build({ shape: [784], seed: 1 });
  const { network, weights } = insideOf("bench", model);
  if (!weights) throw new Error("bench: the model was just built");
  const spec = {
    network,
    structure: weights.structure,
    data: { x: { shape: [4096, 784], dtype: "u8" }, y: { shape: [4096], dtype: "i32" } },
    loss: lossDefinition("bench", crossEntropy()),
    rule: recipeOf("bench", adam()).rule,
    regularizer: undefined,
    augment: undefined,
    clipNorm: undefined,
    clipValue: undefined,
    metrics: {},
    keep: network.layers.filter(({ kind }) => kind === "dropout").map(() => 0.8),
  } as const;
  return { ...trainingProgram(spec, batchSize), theta: weights.theta, state: weights.state };
}
