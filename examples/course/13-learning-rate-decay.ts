// Learning-rate decay: every schedule drawn before it is used, then used; a constant rate wanders about the minimum, a decaying one ends tighter.
import { crossEntropy, dense, l2, type Schedule, schedule, sequential, sgd } from "minibatch";
import { digits, split, standardize } from "minibatch/data";
import { schedule as drawSchedule, lines } from "minibatch/plot";
import { claim, picture, small, table } from "./claim.ts";

const seed = 1;
const epochs = small ? 16 : 40;
const initial = 0.5;

// 1. A schedule is a function of { step, epoch }, both counted from 1. So it can be asked, and drawn, before anything is trained.
const schedules: Record<string, Schedule> = {
  constant: () => initial, // any function of that type serves
  "inverse time": schedule.inverseTime({ initial, decayRate: 1 }), // a0 / (1 + decayRate epoch)
  exponential: schedule.exponential({ initial, base: 0.9 }), // 0.9^epoch a0
  "square root": schedule.squareRoot({ initial }), // a0 / sqrt(epoch)
  staircase: schedule.staircase({ initial, factor: 0.5, every: epochs / 8 }),
  piecewise: schedule.piecewise({
    rates: [
      [1, initial],
      [epochs / 2, initial / 5],
      [(3 * epochs) / 4, initial / 25],
    ],
  }),
  cosine: schedule.cosine({ initial, over: epochs }),
  "warm-up, cosine": schedule.warmup({ over: 3, then: schedule.cosine({ initial, over: epochs - 3 }) }),
};
await picture("13-schedules", drawSchedule(schedules, { epochs, stepsPerEpoch: 20, title: "Rates, epoch by epoch, before any training" }));

// 2. The same small problem for each: softmax regression with L2 on the digits has one minimum, so what differs at the end is how well
// it was found. Batches of 16 are noisy on purpose. `dev: train` evaluates the cost over all rows after each epoch: not the noisy J{t}.
const { train } = split(await digits(), { dev: 0.3, stratify: true, seed });
const batchSize = 16;
async function descend(learningRate: Schedule): Promise<{ costs: readonly number[]; rates: readonly number[] }> {
  const history = await sequential([standardize(train).layer(), dense(10)]).fit(train, {
    dev: train,
    loss: crossEntropy(),
    regularizer: l2(0.005 * batchSize),
    optimizer: sgd({ learningRate }),
    batchSize,
    epochs,
    seed,
  });
  return { costs: history.epochs.map(({ devLoss }) => devLoss), rates: history.epochs.map((epoch) => epoch.learningRate) };
}
const runs = new Map<string, { costs: readonly number[]; rates: readonly number[] }>();
for (const [name, rate] of Object.entries(schedules)) runs.set(name, await descend(rate));

// 3. How high above the lowest cost that any run saw, and how much up and down, in the last quarter of the epochs?
const lowest = Math.min(...[...runs.values()].flatMap(({ costs }) => costs));
const ends = [...runs].map(([name, { costs, rates }]) => {
  const last = costs.slice(-epochs / 4);
  return {
    schedule: name,
    "first rate": rates[0] as number,
    "last rate": rates.at(-1) as number,
    "cost at the end": costs.at(-1) as number,
    "above the lowest": last.reduce((sum, cost) => sum + cost - lowest, 0) / last.length,
    wanders: Math.max(...last) - Math.min(...last),
  };
});
table(ends);
const [constant, ...decayed] = ends as [(typeof ends)[0], ...typeof ends];
claim(
  "every rate used is the one that the schedule said before",
  ends.every((end) => {
    const said = schedules[end.schedule] as Schedule;
    return runs.get(end.schedule)?.rates.every((rate, i) => Math.abs(rate / said({ step: 1, epoch: i + 1 }) - 1) < 1e-6) === true;
  }),
);
claim(
  "every decayed rate ends tighter than the constant one: it wanders less than a third as far",
  decayed.every(({ wanders }) => wanders < constant.wanders / 3),
  {
    constant: constant.wanders,
    "worst of the others": Math.max(...decayed.map(({ wanders }) => wanders)),
  },
);
const wave = ends.find((end) => end.schedule === "cosine") as (typeof ends)[0];
claim(
  "a rate that goes on falling to almost nothing comes closest to the minimum",
  wave["above the lowest"] < constant["above the lowest"] / 10,
  {
    constant: constant["above the lowest"],
    cosine: wave["above the lowest"],
  },
);

const shown = ["constant", "inverse time", "square root", "cosine"];
await picture(
  "13-tighter-end",
  lines(
    shown.map((name) => ({ name, y: (runs.get(name)?.costs ?? []).map((cost) => cost - lowest + 1e-5) })),
    { title: "Cost over all rows, above the lowest seen", xLabel: "epoch", yLabel: "J - lowest J", yScale: "log" },
  ),
);
