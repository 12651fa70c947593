// Whole networks: samples trained per second. Real data only: the digits that come with the package, and Fashion-MNIST
// where its folder is there (FASHION_DIR, or Debian's dataset-fashion-mnist).
//
//   npm run bench -- training
import { existsSync } from "node:fs";
import benny from "benny";
import { adam, batchNorm, crossEntropy, type Dataset, dense, dropout, type Layer, type Model, relu, sequential } from "minibatch";
import { digits, fashionMnist, standardize } from "minibatch/data";
import { keep, row } from "./stamp.ts";

interface Network {
  readonly name: string;
  readonly train: Dataset;
  readonly batchSize: number;
  readonly layers: readonly Layer[];
}

const withNorm = (n: number) => [dense(n), batchNorm(), relu(), dropout({ keepProb: 0.8 })];
const plain = (n: number) => [dense(n), relu()];

async function networks(): Promise<Network[]> {
  const small = await digits();
  const first = { name: "digits, first example", train: small, batchSize: 64, layers: [...withNorm(128), ...withNorm(64), dense(10)] };
  const dir = process.env.FASHION_DIR ?? "/usr/share/datasets/fashion-mnist";
  if (!existsSync(dir)) {
    console.log(`no Fashion-MNIST in ${dir}: only the digits are measured`);
    return [first];
  }
  const { train } = await fashionMnist({ dir });
  return [
    first,
    {
      name: "fashion (a) 784-512-256-10, batch norm, dropout 0.2",
      train,
      batchSize: 128,
      layers: [...withNorm(512), ...withNorm(256), dense(10)],
    },
    { name: "fashion (b) 784-512-256-10", train, batchSize: 128, layers: [...plain(512), ...plain(256), dense(10)] },
    { name: "fashion (c) 784-64-10, batch 32", train, batchSize: 32, layers: [...plain(64), dense(10)] },
  ];
}

export async function benchTraining(): Promise<void> {
  const all = await networks();
  const epoch = async (model: Model, { train, batchSize }: Network) => {
    await model.fit(train, { loss: crossEntropy(), optimizer: adam({ learningRate: 1e-3 }), batchSize, epochs: 1, seed: 1 });
  };
  const cases = all.map((network) =>
    benny.add(
      network.name,
      async () => {
        const model = sequential([standardize(network.train).layer(), ...network.layers]);
        await epoch(model, network); // traces the programs and fills the caches
        return () => epoch(model, network);
      },
      { minSamples: 5, maxTime: 10 },
    ),
  );
  const { results } = await benny.suite("training, one epoch", ...cases, benny.cycle());
  const rows = results.map((result, i) => row(result, "samples", all[i]?.train.x.size(0)));
  for (const { name, rate } of rows) console.log(`${name.padEnd(56)} ${rate?.median.toLocaleString("en")} ${rate?.unit}`);
  keep("training", rows);
}
