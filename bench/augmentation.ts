// What augmentation costs a training run: epochs of network (a) on Fashion-MNIST's images with and without it, in turns, so
// that whatever else the machine does meets both.
//
//   npm run bench -- augmentation
import { type Dataset, dataset, flatten } from "minibatch";
import { type Augmentation, crop, distort, flip, rotate, zoom } from "minibatch/data";
import { executor } from "../src/run/backend.ts";
import { threadsOf } from "./limits.ts";
import { median } from "./measure.ts";
import { epochsOf, fashion, fashionFolder, networks } from "./networks.ts";
import { keep, type Row, rowOf } from "./stamp.ts";

const lists: Readonly<Record<string, readonly Augmentation[]>> = {
  "flip + crop": [flip(), crop({ size: [28, 28], pad: 2 })],
  rotate: [rotate({ degrees: 15 })],
  "flip + crop + rotate + zoom": [flip(), crop({ size: [28, 28], pad: 2 }), rotate({ degrees: 15 }), zoom({ by: 0.1 })],
  distort: [distort({ alpha: 34, sigma: 4 })],
};

/** 40 steps: long against the time that fit takes to begin, short enough for many turns. */
const rows = 40 * networks.a.batchSize;
const turns = 21;

async function seconds(f: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await f();
  return (performance.now() - began) / 1000;
}

export async function benchAugmentation(): Promise<void> {
  const large = await fashion();
  if (!large) return console.log(`no Fashion-MNIST in ${fashionFolder}: augmentation is not measured`);
  const train: Dataset = dataset(large.x.slice([0, 0], [rows, 784]).reshape([rows, 28, 28]), large.y.slice([0], [rows]));
  const network = { ...networks.a, layers: () => [flatten(), ...networks.a.layers()] };
  const kept: Row[] = [];
  const ratios: object[] = [];
  for (const threads of threadsOf(executor())) {
    const plain = epochsOf(network, train, threads);
    for (const [name, augment] of Object.entries(lists)) {
      const other = epochsOf(network, train, threads, augment);
      const times: [number[], number[]] = [[], []];
      for (let turn = 0; turn <= turns; turn++) {
        // Which of the two is first changes; the first turn traces programs and fills caches.
        for (const which of turn % 2 ? [0, 1] : [1, 0]) {
          const taken = await seconds(which ? other : plain);
          if (turn > 0) times[which as 0 | 1].push(taken);
        }
      }
      const ratio = median(times[1].map((time, i) => time / (times[0][i] as number)));
      kept.push(rowOf("without", threads, times[0]), rowOf(name, threads, times[1]));
      ratios.push({ name, threads, ratio });
      const rate = Math.round(rows / median(times[1])).toLocaleString("en");
      console.log(
        `${name.padEnd(28)} ${threads} thr ${rate.padStart(10)} samples/s, ${ratio.toFixed(3)} times the time of training without`,
      );
    }
  }
  await keep("augmentation", kept, { ratios });
}
