// What tests of journals share: a study that takes no time, whose results follow from its seed, and the lines of a journal as entries.
import { readFileSync } from "node:fs";
import { type Entry, integer, logUniform, type StudyOptions, tpe } from "minibatch/search";

const space = { learningRate: logUniform(1e-4, 1), layers: integer(1, 3) };

/** Reports a few steps, asks for parameters on the way, and fails in one trial of ten, always the same ones. */
export const quickStudy = (storage: string | undefined, seed: number, trials: number): StudyOptions<typeof space> => ({
  space,
  strategy: tpe({ trials, startup: 4 }),
  storage,
  seed,
  objective: async ({ learningRate, layers }, trial) => {
    let value = Math.abs(Math.log10(learningRate) + 2);
    for (let i = 1; i <= layers; i++) value += trial.suggest(`units ${i}`, integer(1, 100)) / 100;
    value += (trial.seed % 1000) / 1e5;
    for (let step = 1; step <= 4; step++) trial.report(value + 1 / step);
    if (trial.number % 10 === 7) throw new Error(`trial ${trial.number} fails`);
    return value;
  },
});

/** Entries of a journal in their order; lines that a crash cut short are none. */
export function entriesOf(journal: string): Entry[] {
  return readFileSync(journal, "utf8")
    .split("\n")
    .flatMap((line) => {
      try {
        return [JSON.parse(line) as Entry];
      } catch {
        return [];
      }
    });
}
