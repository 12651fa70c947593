// The scale on which one draws: a learning rate by its exponent, an average's beta by its window.
import { histograms } from "minibatch/plot";
import { logUniform, oneMinusLogUniform, randomSearch, study, uniform } from "minibatch/search";
import { claim, percent, picture, small, table } from "./claim.ts";

// 1. The same bounds, drawn evenly and drawn by the exponent.
const draws = small ? 2500 : 10_000;
const { trials } = await study({
  space: { even: uniform(1e-4, 1), rate: logUniform(1e-4, 1), evenBeta: uniform(0.9, 0.999), beta: oneMinusLogUniform(0.9, 0.999) },
  strategy: randomSearch({ trials: draws }),
  seed: 1,
  objective: () => 0,
});
const column = (name: keyof (typeof trials)[number]["params"]) => trials.map(({ params }) => params[name]);
const share = (values: readonly number[], low: number, high: number) => values.filter((v) => v >= low && v < high).length / draws;

// 2. Rates: a = 10^r with r even in [-4, 0]. Evenly drawn, nine tenths of the work go into the last decade.
const rates = [1e-4, 1e-3, 1e-2, 1e-1].map((low) => ({
  low,
  even: share(column("even"), low, 10 * low),
  log: share(column("rate"), low, 10 * low),
}));
table(
  rates.map(({ low, even, log }) => ({
    "rates from": low,
    to: 10 * low,
    "uniform(1e-4, 1)": percent(even),
    "logUniform(1e-4, 1)": percent(log),
  })),
);
// Five standard deviations of a share of a quarter.
const tolerance = 5 * Math.sqrt((0.25 * 0.75) / draws);
claim("a quarter of the rates lie in each decade of [1e-4, 1]", rates.every(({ log }) => Math.abs(log - 0.25) < tolerance)); // biome-ignore format: short
claim("drawn evenly, nine tenths lie in the last one, and one in a thousand in the first", Math.abs((rates[3]?.even ?? 0) - 0.9) < tolerance && (rates[0]?.even ?? 1) < 0.003); // biome-ignore format: short

// 3. Betas: 1 - beta = 10^r with r even in [-3, -1]. 1 / (1 - beta) values are averaged: from 0.9 to 0.9005 nothing changes, from 0.999 to
// 0.9995 the window doubles.
const windows = [
  [0.9, 0.99],
  [0.99, 0.999],
] as const;
const betas = windows.map(([low, high]) => ({
  low,
  high,
  even: share(column("evenBeta"), low, high),
  log: share(column("beta"), low, high),
}));
table(
  betas.map(({ low, high, even, log }) => ({
    "betas from": low,
    to: high,
    "values averaged": `${Math.round(1 / (1 - low))} to ${Math.round(1 / (1 - high))}`,
    "uniform(0.9, 0.999)": percent(even),
    "oneMinusLogUniform(0.9, 0.999)": percent(log),
  })),
);
claim("half of the betas average 10 to 100 values, half 100 to 1000", betas.every(({ log }) => Math.abs(log - 0.5) < 2 * tolerance)); // biome-ignore format: short
claim("drawn evenly, one in eleven does the second", Math.abs((betas[1]?.even ?? 0) - 1 / 11) < tolerance);

// 4. The whole distribution, not four numbers of it: the largest distance to the one promised (Kolmogorov and Smirnov).
const farthest = (values: readonly number[], cdf: (x: number) => number) =>
  Math.max(...[...values].sort((a, b) => a - b).map((x, i) => Math.max(Math.abs(i / draws - cdf(x)), Math.abs((i + 1) / draws - cdf(x)))));
const distances = {
  rates: farthest(column("rate"), (a) => (Math.log10(a) + 4) / 4),
  betas: farthest(column("beta"), (beta) => (-1 - Math.log10(1 - beta)) / 2),
};
claim("as even as so many draws are 999 times in 1,000", Math.max(...Object.values(distances)) < 1.95 / Math.sqrt(draws), distances);

await picture(
  "24-scales",
  histograms(
    [
      { name: "uniform(1e-4, 1)", values: column("even").map(Math.log10) },
      { name: "logUniform(1e-4, 1)", values: column("rate").map(Math.log10) },
    ],
    { title: `${draws} learning rates of [1e-4, 1]`, xLabel: "log10 of the rate" },
  ),
);
