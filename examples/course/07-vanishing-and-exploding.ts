// Vanishing and exploding gradients: 150 linear layers of 1.5 I and 0.5 I, a stack of sigmoids against ReLU with He, and clipping.
import {
  clipByGlobalNorm,
  crossEntropy,
  dense,
  type GradientHealth,
  gradientHealth,
  gradients,
  init,
  type Layer,
  type Model,
  meanSquaredError,
  ones,
  relu,
  sequential,
  sgd,
  sigmoid,
  variable,
  zeros,
} from "minibatch";
import { digits, split, standardize } from "minibatch/data";
import { lines } from "minibatch/plot";
import { claim, percent, picture, small, table } from "./claim.ts";

// 1. y = x W[1] W[2] ... W[150] with every W[l] = s I. The signal is multiplied by s in every layer, forward and backward: s^150 in all.
const depth = 150;
function chain(scale: number): Model {
  const model = sequential(Array.from({ length: depth }, () => dense(2, { bias: false }))).build({ shape: [2], seed: 1 });
  for (const w of model.parameters()) w.assign([[scale, 0], [0, scale]]); // biome-ignore format: a matrix
  return model;
}
const x = ones([4, 2]); // and the answer to learn is 0
const scales = [1.5, 1.1, 1, 0.9, 0.5];
const output = new Map(scales.map((scale) => [scale, chain(scale).predictSync(x).data()[0] ?? Number.NaN]));
const health = new Map(scales.map((scale) => [scale, gradientHealth(chain(scale), { x, y: zeros([4, 2]), loss: meanSquaredError() })]));
table(
  scales.map((scale) => {
    const { verdict, layer = "", layers = [] } = health.get(scale) ?? {};
    return {
      "W = s I, s": scale,
      "output, f32": output.get(scale)?.toPrecision(3) ?? "",
      "gradient, layer 1": layers[0]?.gradient.toPrecision(3) ?? "",
      "layer 150": layers.at(-1)?.gradient.toPrecision(3) ?? "",
      verdict: verdict ?? "",
      layer,
    };
  }),
);
claim("1.5^150 = 2.6e26 comes out at the end", Math.abs((output.get(1.5) ?? 0) / 1.5 ** 150 - 1) < 1e-4);
claim("its square, the cost, is beyond the largest f32 of 3.4e38: nothing can be learned", health.get(1.5)?.verdict === "not finite");
claim(
  "0.5^150 = 7e-46 is below the smallest f32: the output is exactly 0",
  output.get(0.5) === 0 && health.get(0.5)?.verdict === "vanishing",
);
claim(
  "a factor of 1.1 per layer is too much as well, 0.9 too little",
  health.get(1.1)?.verdict === "exploding" && health.get(0.9)?.verdict === "vanishing",
);
claim("the identity passes everything on", output.get(1) === 1 && health.get(1)?.verdict === "healthy");

// 2. Real layers, real data. The slope of a sigmoid is 1/4 at most, so each layer takes three quarters of the gradient, or more.
const { train } = split(await digits(), { train: small ? 400 : 1400, dev: 300, stratify: true, seed: 1 });
const batch = { x: standardize(train).transform(train.x.slice([0, 0], [64, 64])), y: train.y.slice([0], [64]), loss: crossEntropy() };
const [width, layers] = [32, 20];
const stack = (hidden: () => Layer[]) =>
  sequential([...Array.from({ length: layers }, hidden).flat(), dense(10)]).build({ shape: [64], seed: 1 });
const stacks: Record<string, GradientHealth> = {
  sigmoid: gradientHealth(
    stack(() => [dense(width), sigmoid()]),
    batch,
  ),
  "ReLU, He": gradientHealth(
    stack(() => [dense(width), relu()]),
    batch,
  ), // He is what dense takes before a ReLU
};
const ends = ({ layers }: GradientHealth) => (layers[0]?.gradient ?? 0) / (layers.at(-1)?.gradient ?? 1);
table(
  Object.entries(stacks).map(([name, h]) => ({
    stack: name,
    "gradient, first / last layer": ends(h).toPrecision(2),
    verdict: h.verdict,
    layer: h.layer ?? "",
  })),
);
const { sigmoid: sigmoids, "ReLU, He": relus } = stacks;
if (!sigmoids || !relus) throw new Error("both stacks were looked at");
claim(
  "through 20 sigmoids the gradient vanishes, and the verdict names a layer",
  sigmoids.verdict === "vanishing" && sigmoids.layer !== undefined && ends(sigmoids) < 1e-8,
  {
    layer: sigmoids.layer ?? "",
  },
);
claim("through 20 ReLU layers with He it arrives", relus.verdict === "healthy" && ends(relus) > 0.01);

// 3. Clipping. By the global norm: all gradients are scaled by one factor when their common norm is above a bound, so the direction stays.
// By value: each number is cut off for itself, and the direction changes.
const v = variable([3, 40]);
const [g] = gradients(v.square().sum().div(2), [v]); // the gradient is [3, 40]
const [byNorm] = clipByGlobalNorm([g], 5);
const byValue = g.clip(-5, 5);
const angle = (t: { toArray(rank: 1): number[] }) => Math.atan2(t.toArray(1)[1] ?? 0, t.toArray(1)[0] ?? 0);
claim(
  "clipping by norm keeps the direction, clipping by value does not",
  Math.abs(angle(byNorm) - angle(g)) < 1e-6 && Math.abs(angle(byValue) - angle(g)) > 0.3,
  {
    "by norm": byNorm
      .toArray(1)
      .map((n) => n.toFixed(2))
      .join(" "),
    "by value": byValue
      .toArray(1)
      .map((n) => n.toFixed(2))
      .join(" "),
  },
);

// A network whose first weights are nearly twice as large as He's: one step far too long, and it is lost. With clipNorm no step is longer
// than 0.1 * 1.
const scaler = standardize(train);
const wild = () =>
  sequential([
    scaler.layer(),
    ...Array.from({ length: 8 }, () => [dense(width, { init: init.normal({ std: 0.45 }) }), relu()]).flat(),
    dense(10),
  ]);
const options = { loss: crossEntropy(), optimizer: sgd({ learningRate: 0.1 }), epochs: small ? 10 : 15, seed: 1 };
const free = await wild().fit(train, options);
const clipped = await wild().fit(train, { ...options, clipNorm: 1 });
table(
  Object.entries({ "no clipping": free, "clipNorm: 1": clipped }).map(([name, { epochs, last, stoppedBecause }]) => ({
    run: name,
    "first norm": epochs[0].gradientNorm.toPrecision(3),
    "first loss": epochs[0].trainLoss.toPrecision(3),
    "last loss": last.trainLoss.toPrecision(3),
    "last train error": percent(last.trainError),
    ended: stoppedBecause,
  })),
);
claim("without clipping the run ends in numbers that are not finite", free.stoppedBecause === "not finite");
claim(
  "with clipping it goes on to the end, and the loss falls to a fifth at least",
  clipped.stoppedBecause === "epochs" && clipped.last.trainLoss < 0.2 * clipped.epochs[0].trainLoss,
);

const shown = (of: Map<number, GradientHealth>, scale: number) =>
  (of.get(scale)?.layers ?? []).map(({ activation }) => (activation > 0 && Number.isFinite(activation) ? activation : Number.NaN));
await picture(
  "07-vanishing-and-exploding",
  lines(
    scales.map((scale) => ({ name: `${scale} I`, y: shown(health, scale) })),
    { title: "150 linear layers: the activation of each", xLabel: "layer", yLabel: "activation", yScale: "log" },
  ),
);
await picture(
  "07-sigmoid-against-relu",
  lines(
    Object.entries(stacks).map(([name, { layers }]) => ({ name, y: layers.map(({ gradient }) => gradient) })),
    { title: "20 hidden layers on handwritten digits: the gradient of each", xLabel: "layer", yLabel: "gradient norm", yScale: "log" },
  ),
);
