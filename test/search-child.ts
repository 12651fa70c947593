// A study in a process of its own, for tests that kill it: search-child.ts JOURNAL SEED TRIALS MILLISECONDS PARALLEL.
// The objective depends on the trial's values and seed only; it reports a few steps and takes its time.
import { pathToFileURL } from "node:url";
import { integer, logUniform, type StudyOptions, study, tpe } from "minibatch/search";

const space = { learningRate: logUniform(1e-4, 1), layers: integer(1, 3) };

export const crashStudy = (
  storage: string | undefined,
  seed: number,
  trials: number,
  milliseconds: number,
  parallel = 1,
): StudyOptions<typeof space> => ({
  space,
  strategy: tpe({ trials, startup: 4 }),
  storage,
  seed,
  parallel,
  objective: async ({ learningRate, layers }, trial) => {
    let value = Math.abs(Math.log10(learningRate) + 2);
    for (let i = 1; i <= layers; i++) value += trial.suggest(`units ${i}`, integer(1, 100)) / 100;
    value += (trial.seed % 1000) / 1e5;
    for (let step = 1; step <= 4; step++) {
      if (milliseconds > 0) await new Promise((resolve) => setTimeout(resolve, milliseconds));
      trial.report(value + 1 / step);
    }
    // One trial in ten fails, always the same ones.
    if (trial.number % 10 === 7) throw new Error(`trial ${trial.number} fails`);
    return value;
  },
});

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [storage = "", ...numbers] = process.argv.slice(2);
  const [seed = 0, trials = 10, milliseconds = 5, parallel = 1] = numbers.map(Number);
  console.log("begins");
  const { best } = await study(crashStudy(storage, seed, trials, milliseconds, parallel));
  console.log(`ends: ${best.value}`);
}
