// Whether memory stays flat: resident size over 20,000 training steps, its slope by least squares after the first fifth.
//
//   npm run bench -- memory
import { adam, batchNorm, crossEntropy, dense, dropout, relu, sequential } from "minibatch";
import { digits } from "minibatch/data";
import { keep } from "./stamp.ts";

const steps = 20_000;

/** Slope of y over x. */
function slope(points: readonly (readonly [x: number, y: number])[]): number {
  const mean = (of: (p: readonly [number, number]) => number) => points.reduce((sum, p) => sum + of(p), 0) / points.length;
  const mx = mean(([x]) => x);
  const my = mean(([, y]) => y);
  return points.reduce((sum, [x, y]) => sum + (x - mx) * (y - my), 0) / points.reduce((sum, [x]) => sum + (x - mx) ** 2, 0);
}

export async function benchMemory(): Promise<void> {
  const train = await digits();
  const model = sequential([dense(128), batchNorm(), relu(), dropout({ keepProb: 0.8 }), dense(64), batchNorm(), relu(), dense(10)]);
  const points: [number, number][] = [];
  const perEpoch = Math.ceil((train.x.shape[0] as number) / 64);
  const run = model.fit(train, {
    loss: crossEntropy(),
    optimizer: adam(),
    batchSize: 64,
    epochs: Math.ceil(steps / perEpoch),
    seed: 1,
    progress: false,
  });
  for await (const { step } of run) points.push([step, process.memoryUsage().rss / 2 ** 20]);
  const late = points.slice(Math.floor(points.length / 5));
  const perThousand = 1000 * slope(late);
  const [first, last] = [late[0] as [number, number], late.at(-1) as [number, number]];
  console.log(
    `resident size ${first[1].toFixed(1)} MB at step ${first[0]}, ${last[1].toFixed(1)} MB at step ${last[0]}: ${perThousand.toFixed(3)} MB per 1,000 steps`,
  );
  await keep("memory", [
    { name: "resident MB per 1,000 steps (median: slope, min: MB at the end)", median: perThousand, min: last[1], samples: late.length },
  ]);
}
