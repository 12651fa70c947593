// Trials at once: throughput of a study with `parallel: 2` against 1 on the same cores, in rounds that take turns; the event loop's delay
// meanwhile, and how many threads compute at the most. `npx tsx bench/caviar.ts [--rounds N] [--trials N]`
import { readdirSync, readFileSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { adam, backend, batchNorm, crossEntropy, dense, dropout, relu, sequential } from "minibatch";
import { digits, split, standardize } from "minibatch/data";
import { logInteger, logUniform, randomSearch, study } from "minibatch/search";
import { median, percentile } from "./measure.ts";

function option(name: string, otherwise: number): number {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : Number(process.argv[at + 1]);
}

/** How many of the library's threads are at work or wait for a core; NaN where the system does not say. */
function threadsAtWork(): number {
  try {
    return readdirSync("/proc/self/task").filter((id) => {
      try {
        // Number, name in brackets, state; the library's threads have its name.
        return /\(minibatch-\w+\) R/.test(readFileSync(`/proc/self/task/${id}/stat`, "utf8"));
      } catch {
        return false;
      }
    }).length;
  } catch {
    return Number.NaN;
  }
}

const { train, dev } = split(await digits(), { dev: 0.2, stratify: true, seed: 1 });
const scaler = standardize(train);
const trials = option("trials", 8);

interface Measured {
  readonly seconds: number;
  /** Milliseconds: median, 99 %, the longest. */
  readonly delays: readonly [number, number, number];
  /** Processor seconds for each second of the clock: how many cores were at work. */
  readonly busy: number;
  /** Threads of the library at work at one moment, in 95 % of the looks; a look takes time, so one that hands over is sometimes counted twice. */
  readonly workers: number;
}

async function measure(parallel: number, hidden: readonly [number, number]): Promise<Measured> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const looks: number[] = [];
  const look = setInterval(() => {
    looks.push(threadsAtWork());
  }, 20);
  const processor = process.cpuUsage();
  delay.enable();
  const began = performance.now();
  await study({
    space: { learningRate: logUniform(1e-3, 1e-2), hidden: logInteger(...hidden) },
    strategy: randomSearch({ trials }),
    parallel,
    seed: 1,
    objective: async (params, trial) => {
      const model = sequential([scaler.layer(), dense(params.hidden), batchNorm(), relu(), dropout({ keepProb: 0.8 }), dense(10)]);
      const run = model.fit(train, {
        dev,
        loss: crossEntropy(),
        optimizer: adam({ learningRate: params.learningRate }),
        batchSize: 64,
        epochs: 20,
        seed: trial.seed,
        progress: false,
      });
      for await (const epoch of run) trial.report(epoch.devError);
      return (await run).best.devError;
    },
  });
  const seconds = (performance.now() - began) / 1000;
  delay.disable();
  clearInterval(look);
  const { user, system } = process.cpuUsage(processor);
  return {
    seconds,
    delays: [delay.percentile(50) / 1e6, delay.percentile(99) / 1e6, delay.max / 1e6],
    busy: (user + system) / 1e6 / seconds,
    workers: percentile(looks, 0.95),
  };
}

const sizes = { small: [32, 64], large: [256, 512] } as const;
console.log(`${trials} trials of 20 epochs on digits (${backend().name}, ${backend().isa}, ${backend().threads} threads)`);
for (const [name, hidden] of Object.entries(sizes)) {
  await measure(1, hidden);
  const rounds: Record<number, Measured[]> = { 1: [], 2: [] };
  for (let round = 0; round < option("rounds", 5); round++)
    for (const parallel of [1, 2]) rounds[parallel]?.push(await measure(parallel, hidden));
  const of = (parallel: number, what: (one: Measured) => number) => median((rounds[parallel] as Measured[]).map(what));
  const ratios = (rounds[1] as Measured[]).map(({ seconds }, i) => seconds / (rounds[2]?.[i]?.seconds ?? Number.NaN));
  for (const parallel of [1, 2]) {
    const [middle, most, longest] = [0, 1, 2].map((i) => of(parallel, ({ delays }) => delays[i] as number).toFixed(1));
    console.log(
      `${name} (${hidden.join(" to ")} units), parallel ${parallel}: ${(trials / of(parallel, ({ seconds }) => seconds)).toFixed(2)} trials a second, ${of(parallel, ({ busy }) => busy).toFixed(2)} cores busy, ` +
        `${of(parallel, ({ workers }) => workers)} threads at work; event loop ${middle} ms, 99 % ${most} ms, longest ${longest} ms`,
    );
  }
  console.log(`${name}: parallel 2 against 1: ${median(ratios).toFixed(2)} x (${ratios.map((ratio) => ratio.toFixed(2)).join(", ")})`);
}
