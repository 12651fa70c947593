// Replay: runs that are steered at random from loops, callbacks and timers (set, mark, revert, pause, stop; rates so high that numbers
// end, too), a third of them aborted and resumed, with logs that end in the middle of a line. Every log is played again with one thread and
// must give the same bits, the same epochs and the same end. `--n` runs, 20 with `--short`.
import { appendFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  adam,
  batchNorm,
  crossEntropy,
  type Dataset,
  dataset,
  dense,
  dropout,
  type FitOptions,
  type History,
  l1,
  l2,
  type Model,
  momentum,
  type Run,
  randomNormal,
  relu,
  replay,
  sequential,
  sgd,
} from "minibatch";
import { evidence, type Random } from "./parts/evidence.ts";

function labelled(rows: number, seed: number): Dataset {
  const x = randomNormal([rows, 4], { seed });
  return dataset(
    x,
    x.toArray(2).map(([a = 0, b = 0]) => (a * b > 0 ? 1 : 0)),
  );
}
const train = labelled(100, 3);
const dev = labelled(40, 4);
// One dropout layer that drops nothing until it is told to.
const net = (): Model =>
  sequential([dense(8), batchNorm(), relu(), dropout({ keepProb: 0.8 }), dense(8), relu(), dropout({ keepProb: 1 }), dense(2)]);
const bits = (model: Model) =>
  [...model.parameters().map((parameter) => parameter.data("f32")), model.predictSync(dev.x).data("f32")]
    .map((numbers) => Buffer.from(numbers.buffer, numbers.byteOffset, numbers.byteLength).toString("hex"))
    .join();
const epochsOf = ({ epochs }: History) => JSON.stringify(epochs.map(({ seconds, ...others }) => others));

/** How often each thing was done, in all runs. */
const counts: Record<string, number> = {};

/** One thing done to a run, perhaps one that it cannot have. */
async function steer(run: Run, random: Random): Promise<void> {
  const acts: readonly (() => unknown)[] = [
    () => run.set({ learningRate: 10 ** (5 * random.unit() - 4) }),
    () => run.set({ learningRate: 1e37 }),
    () => run.set({ batchSize: 1 + random.below(100), keepProb: 0.3 + 0.7 * random.unit() }),
    () => run.set({ keepProb: { dropout_2: random.pick([0.4, 1]) } }),
    () => run.set({ clipNorm: random.chance(0.5) ? null : random.unit() + 1e-3, clipValue: random.chance(0.5) ? null : 0.1 }),
    () => run.set({ regularizer: random.pick([null, l1(0.1), l2(0.5)]), learningRate: 0.01 }),
    () => run.mark(random.pick(["a", "b"])),
    () => run.revert(random.pick([undefined, "a"]), { settings: random.pick(["keep", "revert"]) }),
    () => run.revert(),
    () => {
      run.pause();
      setTimeout(() => run.resume(), 1);
    },
    () => random.chance(0.3) && run.stop(),
  ];
  try {
    await random.pick(acts)();
  } catch {
    // There is no such mark, or the run has ended.
  }
}

/** Trains under a log until a run is not aborted; what it ended with. */
async function steered(options: FitOptions, random: Random, log: string, dir: string): Promise<{ history: History; model: Model }> {
  for (let lives = random.chance(1 / 3) ? 2 : 1; ; lives--) {
    const model = net();
    const from = random.pick(["loop", "onStep", "onEpoch"] as const);
    const end = new AbortController();
    const dieAt = lives > 1 ? random.below(30) : Number.POSITIVE_INFINITY;
    const run: Run = model.fit(train, {
      ...options,
      log,
      checkpoint: { dir, every: { steps: 1 + random.below(9) } },
      resume: dir,
      signal: end.signal,
      onStep: ({ step }) => {
        if (step >= dieAt) end.abort(new Error("died"));
        if (from !== "loop" && random.chance(0.05)) void steer(run, random);
      },
      onEpoch: () => (from === "onEpoch" && random.chance(0.5) ? steer(run, random) : undefined),
    });
    const timer = random.chance(0.3) ? setInterval(() => void steer(run, random), 1) : undefined;
    try {
      if (from === "loop") {
        for await (const _ of run) {
          if (random.chance(0.6)) await steer(run, random);
          if (random.chance(0.3)) void steer(run, random);
        }
      }
      return { history: await run, model };
    } catch (error) {
      if ((error as Error).message !== "died") throw error;
      if (random.chance(0.3)) appendFileSync(log, '{"step":3');
    } finally {
      clearInterval(timer);
    }
  }
}

await evidence("replay", { short: 20, long: 1000 }, async ({ n, random, fail, say }) => {
  const scratch = mkdtempSync(join(tmpdir(), "minibatch-replay-"));
  const said = console.error;
  for (let i = 1; i <= n; i++) {
    const watched = random.chance(0.8);
    const options: FitOptions = {
      dev: watched ? dev : undefined,
      loss: crossEntropy(),
      optimizer: random.pick([adam({ learningRate: 0.02 }), sgd({ learningRate: 0.1 }), momentum({ learningRate: 0.1 })]),
      batchSize: random.pick([1, 16, 33, 100]),
      epochs: 5,
      seed: i,
      progress: false,
      clipNorm: random.pick([undefined, 1]),
      regularizer: random.pick([undefined, l2(0.1)]),
      earlyStopping: watched && random.chance(0.3) ? { patience: 2 } : undefined,
    };
    const [log, dir] = [join(scratch, `${i}.jsonl`), join(scratch, `${i}`)];
    // Runs that are not finite any more say so.
    console.error = () => undefined;
    try {
      const { history, model } = await steered(options, random, log, dir);
      for (const { what } of history.interventions) counts[what] = (counts[what] ?? 0) + 1;
      const again = net();
      const played = await replay(log, again, train, { dev: options.dev, threads: 1 });
      console.error = said;
      if (bits(again) !== bits(model)) fail(`run ${i}: other weights`);
      if (epochsOf(played) !== epochsOf(history)) fail(`run ${i}: other epochs`);
      if (played.stoppedBecause !== history.stoppedBecause) fail(`run ${i}: ended because of ${played.stoppedBecause}`);
    } catch (error) {
      console.error = said;
      fail(`run ${i}: ${(error as Error).message}`);
    }
  }
  console.error = said;
  rmSync(scratch, { recursive: true, force: true });
  say(`interventions: ${Object.entries(counts).map(([what, count]) => `${what} ${count}`).join(", ")}`); // biome-ignore format: short
  return n;
});
