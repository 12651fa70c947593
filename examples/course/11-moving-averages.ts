// Moving averages: a year of temperatures smoothed with beta 0.5, 0.9 and 0.98, the bias at the start and its cure, and windows.
import { randomNormal, stats } from "minibatch";
import { movingAverages } from "minibatch/plot";
import { claim, picture, table } from "./claim.ts";

// A synthetic year, in degrees Fahrenheit: 50 on average, coldest in the middle of January, warmest in July, and weather that stays for a
// day or two. No real station is behind it; that is why the true season is known, and each average can be compared with it.
const seed = 1;
const days = 365;
const season = Array.from({ length: days }, (_, day) => 50 - 14 * Math.cos((2 * Math.PI * (day - 14)) / days));
const shocks = randomNormal([days], { seed, std: 4 }).toArray(1);
let weather = 0;
const temperature = season.map((mean, day) => {
  weather = 0.5 * weather + (shocks[day] as number);
  return mean + weather;
});

// 1. v_t = beta v_{t-1} + (1 - beta) theta_t is about the mean of the last 1 / (1 - beta) days. More days: smoother, and later.
const betas = [0.5, 0.9, 0.98];
const average =
  (beta: number, biasCorrection = true) =>
  (values: readonly number[]) =>
    stats.exponentiallyWeightedAverage(values, { beta, biasCorrection });
/** Root of the mean squared change from one day to the next. */
const roughness = (v: readonly number[]) =>
  Math.sqrt(v.slice(1).reduce((sum, value, i) => sum + (value - (v[i] as number)) ** 2, 0) / (v.length - 1));
/** By how many days an average of the season itself, without weather, must be moved back to lie closest to it. */
function lag(average: (values: readonly number[]) => number[]): number {
  const v = average(season);
  const offset = days - v.length; // windows have no value for the first days
  const distance = (shift: number) => {
    const compared = season.slice(100, days).map((_, i) => (v[100 + i - offset] as number) - (season[100 + i - shift] as number));
    return compared.reduce((sum, difference) => sum + difference ** 2, 0);
  };
  const shifts = Array.from({ length: 90 }, (_, shift) => shift);
  return shifts.reduce((best, shift) => (distance(shift) < distance(best) ? shift : best));
}
const rows = betas.map((beta) => ({
  beta,
  days: 1 / (1 - beta),
  roughness: roughness(average(beta)(temperature)),
  "days late": lag(average(beta)),
}));
table([{ beta: 0, days: 1, roughness: roughness(temperature), "days late": 0 }, ...rows]);
const [half, nine, most] = rows as [(typeof rows)[0], (typeof rows)[0], (typeof rows)[0]];
claim("a greater beta is smoother", half.roughness > 2 * nine.roughness && nine.roughness > 2 * most.roughness);
claim("and follows the season later: beta 0.98 by weeks", most["days late"] > nine["days late"] && most["days late"] >= 20);

// 2. How far back does it look? Day t - k has the weight (1 - beta) beta^k. After 1 / (1 - beta) days about a third of it is left (1/e).
const left = 0.9 ** 10;
claim("0.9^10 is 0.349: ten days ago counts a third of today", Math.abs(left - 0.349) < 5e-4, { "0.9^10": left });

// 3. v starts at 0, so the first values are far too low. Divided by 1 - beta^t they are right from the first day on.
const [raw, corrected] = [average(0.98, false)(temperature), average(0.98)(temperature)];
const at = (day: number) => ({
  day,
  season: season[day - 1] as number,
  "v, not corrected": raw[day - 1] as number,
  "v / (1 - beta^t)": corrected[day - 1] as number,
  "1 - beta^t": 1 - 0.98 ** day,
});
table([1, 2, 10, 50, 100, 365].map(at));
const [first] = temperature as [number];
claim("without correction the first value is (1 - beta) theta_1, a fiftieth of it", Math.abs((raw[0] as number) - 0.02 * first) < 1e-9);
claim("corrected it is theta_1 itself", Math.abs((corrected[0] as number) - first) < 1e-9, { theta_1: first });
const error = (v: readonly number[], from: number, to: number) =>
  v.slice(from, to).reduce((sum, value, i) => sum + Math.abs(value - (season[from + i] as number)), 0) / (to - from);
claim("in the first month the correction takes nearly all of the error away", error(corrected, 0, 30) < error(raw, 0, 30) / 5, {
  "error without": error(raw, 0, 30),
  with: error(corrected, 0, 30),
});
claim("after a year it makes no difference", Math.abs((raw[364] as number) / (corrected[364] as number) - 1) < 1e-3);

// 4. The other two averages keep a window of days. The plain one weighs them equally, the classic weighted one n, n - 1, ..., 1.
// They must remember the window; the exponential one remembers one number, which is why optimizers use it.
const window = 19; // an exponential average with beta 0.9 and a plain one over 2 / (1 - beta) - 1 days are equally old on average
const simple = lag((values) => stats.movingAverage(values, window));
const linear = lag((values) => stats.weightedMovingAverage(values, window)); // a number n stands for the weights n, n - 1, ..., 1
table([
  { average: "simple, 19 days", "days late": simple, "numbers to remember": window },
  { average: "weighted 19..1", "days late": linear, "numbers to remember": window },
  { average: "exponential, beta 0.9", "days late": nine["days late"], "numbers to remember": 1 },
]);
claim("the simple average of 19 days and beta 0.9 are late by about the same number of days", Math.abs(simple - nine["days late"]) <= 1);
claim("the weighted one, which counts new days more, is less late", linear < simple);

const labels = { xLabel: "day", yLabel: "degrees Fahrenheit" };
await picture(
  "11-moving-averages",
  movingAverages(temperature, { beta: betas, biasCorrection: true, title: "A synthetic year of temperatures, smoothed", ...labels }),
);
await picture(
  "11-bias-correction",
  movingAverages(temperature.slice(0, 60), {
    beta: 0.98,
    biasCorrection: true,
    title: "The first 60 days, with and without correction",
    ...labels,
  }),
);
await picture(
  "11-windows",
  movingAverages(temperature, {
    window,
    weights: Array.from({ length: window }, (_, k) => window - k),
    beta: 0.9,
    title: "Two windows of 19 days, and beta 0.9",
    ...labels,
  }),
);
