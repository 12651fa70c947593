// Whole networks: samples trained per second, on one thread and on all.
//
//   npm run bench -- training
import benny from "benny";
import type { Dataset } from "minibatch";
import { digits } from "minibatch/data";
import { executor } from "../src/run/backend.ts";
import { scaling, threadsOf } from "./limits.ts";
import { digitsNetwork, epochsOf, fashion, fashionFolder, type Network, networks } from "./networks.ts";
import { keep, type Row, row } from "./stamp.ts";

export async function benchTraining(): Promise<void> {
  const small = await digits();
  const large = await fashion();
  if (!large) console.log(`no Fashion-MNIST in ${fashionFolder}: only the digits are measured`);
  const all: [Network, Dataset][] = [[digitsNetwork, small]];
  if (large) for (const network of Object.values(networks)) all.push([network, large]);
  const rows: Row[] = [];
  const ratios: object[] = [];
  const counts = threadsOf(executor());
  const most = Math.max(...counts);
  for (const [network, train] of all) {
    const before = most > 1 ? await scaling(most) : undefined;
    const { results } = await benny.suite(
      network.name,
      ...counts.map((threads) =>
        benny.add(
          `${threads}`,
          async () => {
            const epoch = epochsOf(network, train, threads);
            await epoch(); // traces the programs and fills the caches
            return epoch;
          },
          { minSamples: 5, maxTime: 6 },
        ),
      ),
    );
    const after = most > 1 ? await scaling(most) : undefined;
    const rates = results.map((result, i) => {
      const samplesPerSecond = Math.round(train.x.size(0) / result.details.median);
      const threads = counts[i] as number;
      rows.push({ ...row(`${network.name}, one epoch`, result), threads, samplesPerSecond });
      console.log(
        `${network.name.padEnd(48)} ${String(threads).padStart(2)} thr ${samplesPerSecond.toLocaleString("en").padStart(10)} samples/s`,
      );
      return samplesPerSecond;
    });
    if (most === 1) continue;
    const speedup = (rates.at(-1) as number) / (rates[0] as number);
    ratios.push({ name: network.name, threads: most, speedup, machine: [before, after] });
    const machine = [before, after].map((x) => x?.toFixed(2) ?? "not measured").join(" and ");
    console.log(`  ${most} threads against 1: ${speedup.toFixed(2)}; multiply-adds alone on this machine, before and after: ${machine}`);
  }
  await keep("training", rows, { ratios });
}
