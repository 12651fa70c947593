// Many models at once: two trials at a time, those that lag behind are stopped early, and a study that was cut off goes on where it was.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crossEntropy, dense, momentum, relu, sequential } from "minibatch";
import { digits, split, standardize } from "minibatch/data";
import { parallelCoordinates, studyHistory } from "minibatch/plot";
import { type Params, randomSearch, type StudyOptions, study, suggestSpace, type Trial } from "minibatch/search";
import { claim, percent, picture, small, table } from "./claim.ts";

const seed = 1;
const { train, dev } = split(await digits(), { train: small ? 300 : 900, dev: 450, stratify: true, seed });
const scaler = standardize(train);
const epochs = small ? 4 : 12;
const trials = small ? 12 : 40;

// 1. What a trial does. It reports after every epoch: report throws where the trial is stopped early, and that stops the run.
const space = suggestSpace({ upTo: 2 });
let begun = 0;
let trained = 0;
async function objective({ learningRate, beta, units, batchSize }: Params<typeof space>, trial: Trial): Promise<number> {
  begun++;
  const run = sequential([scaler.layer(), dense(units), relu(), dense(10)]).fit(train, {
    dev,
    loss: crossEntropy(),
    optimizer: momentum({ learningRate, beta }),
    batchSize,
    epochs,
    seed: trial.seed,
    progress: false,
  });
  for await (const epoch of run) {
    trained++;
    trial.report(epoch.devError);
  }
  return (await run).best.devError;
}
const options = { space, strategy: randomSearch({ trials }), seed, objective } satisfies StudyOptions<typeof space>;

// 2. One after the other, two at a time, and with early stopping. The same trials, whoever runs beside them.
const runs = {
  "one at a time": await counted({ ...options }),
  "two at a time": await counted({ ...options, parallel: 2 }),
  "stopped early": await counted({ ...options, prune: "median" }),
};
async function counted(what: StudyOptions<typeof space>) {
  [begun, trained] = [0, 0];
  const result = await study(what);
  return { result, trained };
}
table(
  Object.entries(runs).map(([name, run]) => ({
    trials: name,
    "to the end": run.result.trials.filter(({ state }) => state === "done").length,
    "epochs trained": run.trained,
    "best dev error": percent(run.result.best.value),
  })),
);
const { "one at a time": one, "two at a time": two, "stopped early": pruned } = runs;
claim("two at a time are the same trials with the same errors, bit for bit", JSON.stringify(two.result.trials) === JSON.stringify(one.result.trials)); // biome-ignore format: short
claim("early stopping saves a fifth of the epochs at least", pruned.trained < 0.8 * one.trained, { share: percent(pruned.trained / one.trained) }); // biome-ignore format: short
claim("and loses nothing that matters: the best is within a point", pruned.result.best.value <= one.result.best.value + 0.01);

// 3. A study that is cut off. Its journal has every trial that ended; the same call goes on, and repeats none of them.
const folder = mkdtempSync(join(tmpdir(), "minibatch-course-"));
const storage = join(folder, "study.jsonl");
const cut = new AbortController();
let ended = 0;
const first = study({ ...options, storage, signal: cut.signal, onTrial: () => ++ended === trials / 4 && cut.abort(new Error("cut off")) });
const why = await first.then(
  () => "nothing",
  (error: Error) => error.message,
);
begun = 0;
const rest = await study({ ...options, storage });
rmSync(folder, { recursive: true });
claim("a study that was cut off says so", why === "cut off");
claim("the same call goes on: what had ended is not trained again", begun === trials - ended, {
  "ended before": ended,
  "trained after": begun,
});
claim(
  "and all trials are those of the study that nobody disturbed",
  rest.trials.every(({ number, value }) => value === one.result.trials[number - 1]?.value) && rest.trials.length === trials,
);

const shown = pruned.result;
await picture("26-caviar", studyHistory(shown, { valueLabel: "dev error", valueScale: "log", title: "Forty networks on digits" }));
await picture("26-parameters", parallelCoordinates(shown, { valueLabel: "dev error", valueScale: "log" }));
