// Strategies compared at equal numbers of trials: Branin, Hartmann's function of six variables, and a network on digits.
// Medians and quartiles of the best value over many seeds. `npx tsx bench/search.ts`, with `--digits` for the network too.
import { adam, backend, crossEntropy, dense, relu, sequential } from "minibatch";
import { digits, split, standardize } from "minibatch/data";
import {
  choice,
  coarseToFine,
  gridSearch,
  logInteger,
  logUniform,
  type Objective,
  oneMinusLogUniform,
  quasiRandom,
  randomSearch,
  type Space,
  type Strategy,
  study,
  tpe,
} from "minibatch/search";
import { branin, hartmann6, type Problem } from "../test/search-problems.ts";

const strategies = (trials: number): Record<string, Strategy> => ({
  random: randomSearch({ trials }),
  "quasi-random": quasiRandom({ trials }),
  "coarse to fine": coarseToFine({ rounds: 4, trials: trials / 4 }),
  tpe: tpe({ trials }),
});

/** Lower quartile, median, upper quartile. */
function quartiles(values: readonly number[]): number[] {
  const sorted = [...values].sort((a, b) => a - b);
  return [0.25, 0.5, 0.75].map((q) => sorted[Math.round(q * (sorted.length - 1))] as number);
}

async function compare<S extends Space>(
  name: string,
  problem: { readonly space: S; readonly objective: Objective<S> },
  trials: number,
  seeds: number,
  more: Record<string, Strategy> = {},
): Promise<void> {
  for (const [label, strategy] of Object.entries({ ...more, ...strategies(trials) })) {
    const began = performance.now();
    const best: number[] = [];
    for (let seed = 1; seed <= seeds; seed++) best.push((await study({ ...problem, strategy, seed })).best.value);
    const [low, middle, high] = quartiles(best).map((value) => value.toFixed(4));
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    console.log(`${name.padEnd(12)}${String(trials).padStart(4)} trials  ${label.padEnd(16)}${low}  ${middle}  ${high}   ${seconds} s`);
  }
}

const known = <S extends Space>({ space, f }: Problem<S>) => ({ space, objective: f });

console.log(`best value found: quartile, median, quartile (${backend().name}, ${backend().threads} threads)`);
await compare(branin.name, known(branin), 60, 60, { grid: gridSearch({ points: { x: 10, y: 6 } }) });
await compare(hartmann6.name, known(hartmann6), 60, 60, { grid: gridSearch({ points: 2 }) });

if (process.argv.includes("--digits")) {
  const { train, dev } = split(await digits(), { dev: 0.3, stratify: true, seed: 1 });
  const scaler = standardize(train);
  const space = {
    learningRate: logUniform(1e-5, 1),
    beta1: oneMinusLogUniform(0.5, 0.999),
    hidden: logInteger(4, 64),
    batchSize: choice([32, 64, 128, 256]),
  };
  const objective: Objective<typeof space> = async ({ learningRate, beta1, hidden, batchSize }, { seed }) => {
    const model = sequential([scaler.layer(), dense(hidden), relu(), dense(10)]);
    const options = { dev, loss: crossEntropy(), optimizer: adam({ learningRate, beta1 }), batchSize, epochs: 6, seed, progress: false };
    return (await model.fit(train, options)).best.devLoss;
  };
  await compare("digits", { space, objective }, 40, 20);
}
