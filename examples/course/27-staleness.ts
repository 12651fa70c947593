// Settings go stale: the best trials of a study run again on new data, and whether the best of then is still the best.
import { crossEntropy, dataset, dense, relu, sequential, sgd } from "minibatch";
import { digits, split } from "minibatch/data";
import { scatter } from "minibatch/plot";
import { logUniform, quasiRandom, study } from "minibatch/search";
import { claim, picture, small, table } from "./claim.ts";

const seed = 1;
const whole = await digits();
const parts = split(whole, { train: small ? 300 : 900, dev: 450, stratify: true, seed });

// 1. A study of the learning rate, of a network that takes the pixels as they are, from 0 to 16.
const objectiveOn =
  (data: typeof parts) =>
  async ({ learningRate }: { learningRate: number }, trial: { readonly seed: number }) => {
    const { best } = await sequential([dense(32), relu(), dense(10)]).fit(data.train, {
      dev: data.dev,
      loss: crossEntropy(),
      optimizer: sgd({ learningRate }),
      epochs: small ? 4 : 8,
      seed: trial.seed,
      progress: false,
    });
    return best.devLoss;
  };
const result = await study({
  space: { learningRate: logUniform(1e-4, 1) },
  strategy: quasiRandom({ trials: small ? 15 : 30 }),
  parallel: 2,
  seed,
  objective: objectiveOn(parts),
});

// 2. Nothing has changed: each of the best runs again with its own seed, and everything is as it was.
const top = small ? 6 : 10;
const same = await result.recheck(objectiveOn(parts), { top, parallel: 2 });
claim("on the same data the values are the same, bit for bit", same.trials.every(({ before, now }) => before === now)); // biome-ignore format: short
claim("and the best is the best", same.bestHolds && same.tau === 1);
console.log(`  ${same.verdict}\n`);

// 3. Somebody has changed the scanner: pixels come from 0 to 1. The right rate is another one, and only a new look says so.
const faint = { train: dataset(parts.train.x.div(16), parts.train.y), dev: dataset(parts.dev.x.div(16), parts.dev.y) } as typeof parts;
const changed = await result.recheck(objectiveOn(faint), { top, parallel: 2 });
table(
  changed.trials.map(({ number, params, before, now }) => ({
    trial: number,
    "learning rate": params.learningRate,
    "dev loss then": before,
    "dev loss now": now,
  })),
);
console.log(`  ${changed.verdict}\n`);
const rateOf = (number: number) => changed.trials.find((trial) => trial.number === number)?.params.learningRate ?? 0;
claim("on the new data the best of the study is not the best any more", !changed.bestHolds && changed.best !== result.best.number, {
  "rank correlation": changed.tau,
});
claim("what is better has a larger rate, since the pixels are smaller", rateOf(changed.best) > result.best.params.learningRate, {
  then: result.best.params.learningRate,
  now: rateOf(changed.best),
});

const points = (of: "before" | "now") => changed.trials.map(({ params, [of]: loss }) => [params.learningRate, loss] as const);
await picture(
  "27-staleness",
  scatter(
    [
      { name: "the study: pixels from 0 to 16", points: points("before") },
      { name: "now: pixels from 0 to 1", points: points("now") },
    ],
    { title: "The best trials, then and now", xLabel: "learning rate", yLabel: "dev loss", xScale: "log", yScale: "log" },
  ),
);
