// Many small steps: the process must not grow. The resident size is read at intervals, and the slope of a straight line through the
// second half must stay under 1 MB per 100,000 steps.
import { readFileSync } from "node:fs";
import { adam, batchNorm, dense, dropout, meanSquaredError, relu, sequential, tensor } from "minibatch";
import { collectGarbage, evidence } from "./parts/evidence.ts";

/** Of least squares, in units of y per unit of x. */
function slope(points: readonly (readonly [x: number, y: number])[]): number {
  const mean = (k: 0 | 1) => points.reduce((sum, point) => sum + point[k], 0) / points.length;
  const [mx, my] = [mean(0), mean(1)];
  const [xy, xx] = points.reduce(([a, b], [x, y]) => [a + (x - mx) * (y - my), b + (x - mx) ** 2] as const, [0, 0] as const);
  return xy / xx;
}

function resident(): number {
  collectGarbage();
  const kilobytes = /VmRSS:\s+(\d+)/.exec(process.platform === "linux" ? readFileSync("/proc/self/status", "utf8") : "")?.[1];
  return kilobytes === undefined ? process.memoryUsage().rss : Number(kilobytes) * 1024;
}

await evidence("soak", { short: 1_000_000, long: 1_000_000 }, async ({ n, fail, say }) => {
  const m = 64;
  const x = tensor(
    Float32Array.from({ length: m * 4 }, (_, i) => Math.sin(i)),
    { shape: [m, 4] },
  );
  const y = tensor(
    Float32Array.from({ length: m }, (_, i) => Math.cos(i)),
    { shape: [m, 1] },
  );
  const model = sequential([dense(8), batchNorm(), relu(), dropout({ keepProb: 0.9 }), dense(1)]);
  // 16 steps an epoch; a fit of a tenth of the steps at a time, so that the ends of runs are passed too.
  const fits = 40;
  const epochs = Math.ceil(n / fits / 16);
  const points: [steps: number, bytes: number][] = [];
  let steps = 0;
  for (let k = 0; k < fits; k++) {
    const history = await model.fit(
      { x, y },
      { loss: meanSquaredError(), optimizer: adam({ learningRate: 1e-3 }), epochs, batchSize: 4, seed: k, threads: 2 },
    );
    steps += history.last.step;
    await model.predict(x);
    points.push([steps, resident()]);
  }
  const half = points.slice(fits / 2);
  const perStep = slope(half);
  const megabytes = (perStep * 100_000) / 2 ** 20;
  const [first, last] = [half[0] as [number, number], half.at(-1) as [number, number]];
  say(
    `${steps} steps: resident ${(first[1] / 2 ** 20).toFixed(1)} MB at half time, ${(last[1] / 2 ** 20).toFixed(1)} MB at the end, ${megabytes.toFixed(3)} MB per 100,000 steps`,
  );
  // Pages come and go: what is lost in a short run may not be a slope.
  if (megabytes > 1 && last[1] - first[1] > 2 ** 20) fail(`the process grows by ${megabytes.toFixed(2)} MB per 100,000 steps`);
  return steps;
});
