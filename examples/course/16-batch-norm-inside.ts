// Inside batch norm: one layer's inputs over time with and without it, the noise it adds as the batch shrinks, and its running statistics.
import { batchNorm, compile, crossEntropy, dense, ops, relu, sequential, sgd, type Tensor, tensor } from "minibatch";
import { batches, digits, split, standardize } from "minibatch/data";
import { histograms, lines } from "minibatch/plot";
import { claim, picture, small, table } from "./claim.ts";

const seed = 1;
const units = 32;
const epochs = small ? 4 : 12;
const { train, dev } = split(await digits(), { dev: 0.3, stratify: true, seed }); // x [1258, 64], y [1258]

/**
 * A network in two halves, so that what passes from one to the other can be looked at: z = bottom(x) [m, 32] is what the third layer's
 * ReLU gets. Trained by a loop of one's own: `minimize` makes the step, the gradients flow through both halves.
 */
function halves(normed: boolean) {
  const normalised = () => (normed ? [dense(units), batchNorm()] : [dense(units)]);
  const bottom = sequential([standardize(train).layer(), ...normalised(), relu(), ...normalised(), relu(), ...normalised()]);
  const top = sequential([relu(), dense(10)]);
  bottom.build({ shape: [64], seed });
  top.build({ shape: [units], seed: seed + 1 });
  const loss = crossEntropy();
  const cost = (x: Tensor, y: Tensor) => loss(top.forward(bottom.forward(x, { training: true }), { training: true }), y);
  const step = sgd({ learningRate: 0.2 }).minimize(cost, [...bottom.parameters(), ...top.parameters()]);
  return { bottom, top, step };
}

// 1. The layers below learn too, so what a layer gets keeps changing under its feet. The same 500 examples after every epoch: each unit's
// mean and deviation over them. Batch norm holds both where gamma and beta want them.
const probe = dev.x.slice([0, 0], [500, 64]);
function watch({ bottom, step }: ReturnType<typeof halves>) {
  const seen: { middle: number[]; spread: number[] }[] = []; // per unit
  const all: number[][] = [];
  for (let epoch = 1; epoch <= epochs; epoch++) {
    for (const { x, y } of batches(train, { size: 64, seed, epoch })) step(x, y);
    const z = bottom.forward(probe); // [500, 32], by the running statistics
    const middle = z.mean({ axis: 0 }); // [32]
    seen.push({ middle: middle.toArray(1), spread: z.sub(middle).square().mean({ axis: 0 }).sqrt().toArray(1) });
    all.push(Array.from(z.data("f64")));
  }
  return { seen, all };
}
const [plain, normed] = [halves(false), halves(true)];
const [without, withIt] = [watch(plain), watch(normed)];

const rms = (values: readonly number[]) => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
/** How far the units' means lie from 0, how much the largest deviation exceeds the smallest, how far the means moved since epoch 1. */
const summary = ({ seen }: typeof without, epoch: number) => {
  const { middle, spread } = seen[epoch - 1] as (typeof seen)[0];
  const first = (seen[0] as (typeof seen)[0]).middle;
  return {
    off: rms(middle),
    uneven: Math.max(...spread) / Math.min(...spread),
    moved: rms(middle.map((value, j) => value - (first[j] as number))),
    largest: Math.max(...spread),
  };
};
const times = [1, Math.ceil(epochs / 3), epochs];
table(
  times.flatMap((epoch) =>
    [["without", without] as const, ["batch norm", withIt] as const].map(([name, run]) => {
      const { off, uneven, moved, largest } = summary(run, epoch);
      return {
        epoch,
        network: name,
        "means off 0 by": off,
        "moved since 1": moved,
        "largest deviation": largest,
        "largest / smallest": uneven,
      };
    }),
  ),
);
const [endPlain, endNormed] = [summary(without, epochs), summary(withIt, epochs)];
claim("without batch norm the units' means lie far from 0, with it near", endNormed.off < endPlain.off / 2, {
  without: endPlain.off,
  with: endNormed.off,
});
claim("and they stay: from the first epoch to the last they move less than half as far", endNormed.moved < endPlain.moved / 2, {
  without: endPlain.moved,
  with: endNormed.moved,
});
claim("the units' deviations are more alike with it", endNormed.uneven < endPlain.uneven, {
  without: endPlain.uneven,
  with: endNormed.uneven,
});

// 2. At test time there may be one example, which has no mean and no deviation of its own. The running averages of the batches' statistics
// stand in. So an answer does not depend on who else is in the batch, ...
const { bottom } = normed;
const rows = (from: number, count: number) => train.x.slice([from, 0], [count, 64]);
const distance = (a: Tensor, b: Tensor) => a.sub(b).square().mean().sqrt().item(); // root of the mean square
const together = bottom.forward(rows(0, 100));
const alone = bottom.forward(rows(7, 1));
claim("with running statistics an example gives the same alone and in company", distance(alone, together.slice([7, 0], [1, units])) < 1e-5);

// ... and they are good stand-ins: close to the statistics of all rows at once. (`training: true` also moves the running averages, so the
// answers by running statistics are taken first.)
const byRunning = tensor(bottom.forward(train.x));
const atOnce = compile((x) => bottom.forward(x, { training: true }));
const exact = atOnce(train.x);
const standIn = distance(byRunning, exact);

// 3. In training the statistics come from the batch, and a batch is a sample: the same example gets a slightly different z in every batch.
// That is noise, like dropout's, and it falls with the square root of the batch: a side effect that regularises a little, no more.
const example = 7;
const noise = (size: number) => {
  const answers: Tensor[] = [];
  for (let draw = 1; draw <= (small ? 20 : 100); draw++) {
    const [others] = batches(train, { size: size - 1, seed: seed + 100, epoch: draw }) as Iterable<{ x: Tensor }> as [{ x: Tensor }];
    answers.push(atOnce(ops.concat([rows(example, 1), others.x], 0)).slice([0, 0], [1, units]));
  }
  const all = ops.concat(answers, 0); // [draws, 32]
  return distance(all, all.mean({ axis: 0 }));
};
const sizes = [8, 32, 128, 512];
const noises = sizes.map(noise);
table(sizes.map((size, i) => ({ "rows in the batch": size, "noise of one z": noises[i] as number })));
const [eight, thirtyTwo, many] = noises as [number, number, number];
claim(
  "a larger batch is less noisy",
  noises.every((value, i) => i === 0 || value < (noises[i - 1] as number)),
);
claim(
  "sixteen times the rows leave about a quarter of the noise: it falls with the square root",
  eight / many > 2.5 && eight / many < 6.4,
  {
    "noise(8) / noise(128)": eight / many,
  },
);
claim("the running averages are closer to the statistics of all rows than a batch of 32 is", standIn < thirtyTwo, {
  "running averages": standIn,
  "a batch of 32": thirtyTwo,
});

// The unit that moved most, in each network: its mean (solid) and one deviation to both sides (dashed).
const travelled = ({ seen }: typeof without, unit: number) => Math.abs((seen.at(-1)?.middle[unit] ?? 0) - (seen[0]?.middle[unit] ?? 0));
const unitOf = (run: typeof without) =>
  Array.from({ length: units }, (_, j) => j).reduce((a, b) => (travelled(run, b) > travelled(run, a) ? b : a));
const band = (name: string, run: typeof without) => {
  const unit = unitOf(run);
  const at = (side: number) => run.seen.map(({ middle, spread }) => (middle[unit] as number) + side * (spread[unit] as number));
  return [
    { name: `${name}: mean`, y: at(0) },
    { name: `${name}: + deviation`, y: at(1), dashed: true },
    { name: `${name}: - deviation`, y: at(-1), dashed: true },
  ];
};
await picture(
  "16-inputs-over-time",
  lines([...band("without", without), ...band("batch norm", withIt)], {
    title: "What the third layer gets: the unit that moved most",
    xLabel: "epoch",
    yLabel: "z over 500 examples",
  }),
);
const inside = ({ all }: typeof without) => (all.at(-1) ?? []).filter((z) => Math.abs(z) < 12); // a few lie far out
await picture(
  "16-inputs-at-the-end",
  histograms(
    [
      { name: "without", values: inside(without) },
      { name: "batch norm", values: inside(withIt) },
    ],
    { title: `Inputs of the third layer between -12 and 12, after ${epochs} epochs`, xLabel: "z", bins: 48 },
  ),
);
await picture(
  "16-noise",
  lines([{ name: "noise of one example's z", x: sizes, y: noises }], {
    title: "Batch norm's noise in training",
    xLabel: "rows in the batch",
    yLabel: "root mean square deviation",
    xScale: "log",
    yScale: "log",
  }),
);
