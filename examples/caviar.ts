// Many models at once: 25 random trials, then two rounds in the region of the best, two trials at a time, those that lag behind stopped early. On
// Fashion-MNIST where its files are, else on digits. `npx tsx examples/caviar.ts` prints a table and writes pictures; stop it with Ctrl-C
// and start it again: it goes on.
import { pathToFileURL } from "node:url";
import { batchNorm, crossEntropy, dense, dropout, momentum, relu, sequential } from "minibatch";
import { digits, fashionMnist, split, standardize } from "minibatch/data";
import { boxes, parallelCoordinates, studyHistory } from "minibatch/plot";
import { coarseToFine, type StudyResult, study, suggestSpace, uniform } from "minibatch/search";

/** The learning rate, then what comes next in the order of priorities, and how much to drop. */
const space = { ...suggestSpace({ upTo: 2 }), keepProb: uniform(0.5, 1) };
type Result = StudyResult<typeof space>;

/** Of Fashion-MNIST a part is enough to compare settings. */
async function dataFor(wanted: "digits" | "fashion" | undefined) {
  const common = { stratify: true, seed: 1 };
  const fashion = wanted === "digits" ? undefined : await fashionMnist().catch(() => undefined);
  if (fashion) return { name: "fashion", ...split(fashion.train, { train: 4500, dev: 1500, ...common }) };
  if (wanted === "fashion") await fashionMnist();
  return { name: "digits", ...split(await digits(), { dev: 0.25, ...common }) };
}

export interface CaviarOptions {
  /** Trials of a round: 25 by default. */
  trials?: number;
  epochs?: number;
  data?: "digits" | "fashion" | undefined;
  /** Whether there is a journal, caviar-NAME.jsonl. */
  keep?: boolean;
  say?: (line: string) => void;
}

export async function searchMany({ trials = 25, epochs = 20, data, keep = false, say = () => undefined }: CaviarOptions = {}) {
  const { name, train, dev } = await dataFor(data);
  const scaler = standardize(train);

  const result: Result = await study({
    space,
    strategy: coarseToFine({ rounds: 3, trials }),
    prune: "median",
    parallel: 2,
    seed: 1,
    storage: keep ? `caviar-${name}.jsonl` : undefined,
    onTrial: ({ number, state, value }) => say(`trial ${String(number).padStart(2)}  ${state.padEnd(6)}  dev error ${percent(value)}`),
    objective: async ({ learningRate, beta, units, batchSize, keepProb }, trial) => {
      const model = sequential([scaler.layer(), dense(units), batchNorm(), relu(), dropout({ keepProb }), dense(10)]);
      const run = model.fit(train, {
        dev,
        loss: crossEntropy(),
        optimizer: momentum({ learningRate, beta }),
        batchSize,
        epochs,
        seed: trial.seed,
        progress: false,
      });
      for await (const epoch of run) trial.report(epoch.devError);
      return (await run).best.devError;
    },
  });
  return { name, result, rounds: roundsOf(result, trials), rows: train.x.size(0) };
}

function percent(rate: number): string {
  return Number.isFinite(rate) ? `${(100 * rate).toFixed(2).padStart(5)} %` : "  none";
}

/** What each round found, and where it looked for the learning rate. */
function roundsOf({ boxes: found, trials }: Result, size: number) {
  return found.map(({ round, parameters }) => {
    const own = trials.slice((round - 1) * size, round * size);
    const done = own.filter(({ state }) => state === "done").map(({ value }) => value);
    const [low = 0, high = 0] = (parameters.learningRate ?? []) as readonly number[];
    return { round, trials: own.length, pruned: own.filter(({ state }) => state === "pruned").length, best: Math.min(...done), low, high };
  });
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const began = performance.now();
  const { name, result, rounds, rows } = await searchMany({ keep: true, say: (line) => console.log(line) });
  console.log(`\n${name}, ${rows} rows to learn from, ${((performance.now() - began) / 1000).toFixed(0)} s\n`);
  console.log("round  trials  stopped early  best dev error  learning rates");
  for (const { round, trials, pruned, best, low, high } of rounds)
    console.log(
      `${String(round).padStart(5)}  ${String(trials).padStart(6)}  ${String(pruned).padStart(13)}  ${percent(best).padStart(14)}  ${low.toExponential(1)} to ${high.toExponential(1)}`,
    );
  console.log("\nthe five best                    rate     beta  units  batch  keep");
  for (const { number, value, params } of result.top(5))
    console.log(
      `  trial ${String(number).padStart(2)}  dev error ${percent(value)}  ${params.learningRate.toFixed(4).padStart(7)}  ${params.beta.toFixed(4)}  ${String(params.units).padStart(5)}  ${String(params.batchSize).padStart(5)}  ${params.keepProb.toFixed(2)}`,
    );
  console.log("\nwhat mattered");
  for (const { name: parameter, importance } of result.importance())
    console.log(`  ${parameter.padEnd(14)} ${(100 * importance).toFixed(0).padStart(3)} %`);
  const valueLabel = "dev error";
  await studyHistory(result, { valueLabel, file: "caviar-history.svg" });
  await parallelCoordinates(result, { valueLabel, file: "caviar-parameters.svg" });
  await boxes(result, { x: "learningRate", y: "beta", file: "caviar-boxes.svg" });
  console.log(`\npictures: caviar-history.svg, caviar-parameters.svg, caviar-boxes.svg; every trial: caviar-${name}.jsonl`);
}
