// What fuzz-public.ts calls beside training itself: runs that are steered, searches, pictures. Their right arguments are large: each is made
// whole, and then damaged in a place or two.
import { copyFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as minibatch from "minibatch";
import * as plot from "minibatch/plot";
import * as search from "minibatch/search";
import type { Random } from "./evidence.ts";
import type { Function_, Target } from "./fuzz-public.ts";
import { edges, HostileError, hostile } from "./hostile-values.ts";
import { mutate } from "./mutations.ts";

/** A copy of plain data with a place or two of it replaced, removed or doubled. */
export function damaged(value: unknown, random: Random): unknown {
  if (random.chance(0.25)) return random.chance(0.5) ? hostile(random) : random.pick(edges);
  if (Array.isArray(value) && value.length) {
    const list = [...value];
    const at = random.below(list.length);
    if (random.chance(0.15)) list.splice(at, 1);
    else if (random.chance(0.1)) list.push(list[at]);
    else list[at] = damaged(list[at], random);
    return list;
  }
  if (typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype && Object.keys(value).length) {
    const name = random.pick(Object.keys(value));
    if (random.chance(0.15)) return Object.fromEntries(Object.entries(value).filter(([key]) => key !== name));
    return { ...value, [name]: damaged((value as Record<string, unknown>)[name], random) };
  }
  return random.chance(0.5) ? hostile(random) : random.pick(edges);
}

/** A run's log or a study's journal that earlier calls wrote, whole or with bytes changed. */
export function fileOf(kind: "log" | "journal", folder: string, random: Random): unknown {
  const whole = join(folder, kind);
  if (!existsSync(whole) || random.chance(0.2)) return random.pick<unknown>([whole, folder, join(folder, "none"), "", "\0", 7]);
  const copy = join(folder, `${kind}-damaged`);
  if (random.chance(0.5)) {
    const bytes = new Uint8Array(readFileSync(whole));
    writeFileSync(copy, mutate(bytes, random, bytes).bytes);
  } else copyFileSync(whole, copy);
  return copy;
}

/** Runs while something is done with one; it is over when this returns. */
async function during(model: unknown, data: unknown, options: unknown, use: (run: minibatch.Run) => unknown): Promise<unknown> {
  const run = (model as minibatch.Model).fit(data as minibatch.Dataset, { ...(options as minibatch.FitOptions), epochs: 3 });
  const ended = run.then(
    (history) => ({ history }),
    (error: unknown) => ({ error }),
  );
  const used = await Promise.resolve()
    .then(() => use(run))
    .then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    );
  run.resume();
  run.stop();
  const end = await ended;
  if ("error" in used) throw used.error;
  // A fit that refuses its options does so before there is anything to steer.
  if ("error" in end) throw end.error;
  return used.value;
}

export function steering(): Target[] {
  const target = (name: string, takes: string, use: (run: minibatch.Run, ...args: never[]) => unknown): Target => ({
    name: `run.${name}`,
    takes: `model dataset fitting ${takes}`,
    call: (model, data, options, ...args) => during(model, data, options, (run) => use(run, ...(args as never[]))),
  });
  return [
    target("set", "settings", (run, values) => run.set(values)),
    target("set, twice, and back", "settings settings reverting", async (run, first: minibatch.RunSettings, second, back) => {
      const applied = await run.set(first);
      run.set(second).catch(() => undefined);
      return run.revert(applied?.mark, back);
    }),
    target("mark", "any", (run, name) => run.mark(name)),
    target("revert", "any reverting", (run, mark, options) => run.revert(mark, options)),
    target("mark and revert", "string reverting", async (run, name, options) => {
      await run.mark(name);
      return run.revert(name, options);
    }),
    target("pause, set, resume", "settings", async (run, values) => {
      run.pause();
      const set = run.set(values);
      set.catch(() => undefined);
      run.resume();
      return set;
    }),
    // Once it has ended.
    {
      name: "run, ended",
      takes: "model dataset fitting settings any",
      call: async (model, data, options, values, name) => {
        let over: minibatch.Run | undefined;
        await during(model, data, options, (run) => {
          over = run;
        });
        for (const use of [
          () => over?.set(values as minibatch.RunSettings),
          () => over?.mark(name as string),
          () => over?.revert(name as string),
        ]) {
          try {
            await use();
          } catch (error) {
            if (!(error instanceof minibatch.MinibatchError || error instanceof HostileError)) throw error;
          }
        }
      },
    },
  ];
}

const epoch = (k: number) => ({
  epoch: k,
  step: 10 * k,
  trainLoss: 1 / k,
  devLoss: 1.1 / k,
  trainError: 0.5 / k,
  devError: 0.6 / k,
  learningRate: 0.1,
  gradientNorm: 1,
  seconds: 0.1,
  trainMetrics: {},
  devMetrics: {},
});
const history = {
  epochs: [1, 2, 3].map(epoch),
  best: epoch(3),
  last: epoch(3),
  interventions: [{ step: 15, what: "set", value: { learningRate: 0.01 } }],
  stoppedBecause: "epochs",
};
const trial = (number: number) => ({
  number,
  state: number % 4 ? "done" : "failed",
  value: number % 4 ? 1 / number : Number.NaN,
  values: { rate: 10 ** -(number % 5), units: number, kind: number % 2 ? "a" : "b" },
});
const found = {
  direction: "minimize",
  trials: Array.from({ length: 12 }, (_, i) => trial(i + 1)),
  parameters: [
    { name: "rate", kind: "logUniform", low: 1e-5, high: 1 },
    { name: "units", kind: "integer", low: 1, high: 20 },
    { name: "kind", kind: "choice", values: ["a", "b"] },
  ],
  boxes: [{ round: 1, parameters: { rate: [1e-4, 1e-1], units: [2, 10] } }],
  importance: () => [
    { name: "rate", importance: 0.8 },
    { name: "units", importance: 0.2 },
  ],
};
const axes = { xLabel: "x", yLabel: "y" };

/** Arguments with which each picture is drawn. */
const pictures: { readonly [K in keyof typeof plot]: readonly unknown[] | "model" | "tensor" } = {
  bars: [[{ name: "a", value: 1 }, { name: "b", group: "g", value: -2 }], axes], // biome-ignore format: one call
  histograms: [[{ name: "a", values: [1, 2, 2, 3] }], { xLabel: "x", bins: 5 }],
  confusionMatrix: [[[5, 1], [0, 7]], { classes: ["a", "b"] }], // biome-ignore format: one call
  graph: "model",
  images: "tensor",
  landscape: [minibatch.landscapes.canyon(), { descent: [[1, 1], [0.5, 0.2]] }], // biome-ignore format: one call
  activationHistograms: "model",
  gradientHealth: [{ verdict: "healthy", layers: [{ name: "a", gradient: 1, activation: 0.5, update: 1e-3 }] }],
  lines: [[{ name: "a", x: [1, 2, 3], y: [3, Number.NaN, 5], dashed: true }], axes],
  scatter: [[{ name: "a", points: [[1, 2], [3, 4]] }], axes], // biome-ignore format: one call
  boxes: [found, { x: "rate", y: "units" }],
  gridAndRandom: [{ grid: found, random: found, width: 700 }],
  importance: [found, { title: "t" }],
  parallelCoordinates: [found, { parameters: ["rate", "kind"] }],
  slices: [found, { valueLabel: "v" }],
  studyHistory: [found, { valueScale: "log" }],
  learningCurves: [history, { width: 500 }],
  learningRates: [
    {
      points: [1, 2, 3].map((k) => ({ learningRate: 10 ** (k - 4), loss: 1 / k, smoothed: 1 / k })),
      suggestion: 0.01,
      lowest: 0.1,
      stoppedBecause: "steps",
    },
    {},
  ],
  movingAverages: [[1, 2, 3, 4], { beta: [0.5, 0.9], biasCorrection: true }],
  schedule: [{ a: minibatch.schedule.exponential({ initial: 0.1, base: 0.9 }) }, { epochs: 4 }],
  weights: "model",
};

const dimensions = () => ({ rate: search.logUniform(1e-5, 1), units: search.integer(1, 9), kind: search.choice(["a", "b"]) });
const searching = (random: Random, folder: string): Record<string, unknown> => ({
  space: dimensions(),
  strategy: random.pick([
    () => search.randomSearch({ trials: 6 }),
    () => search.quasiRandom({ trials: 5 }),
    () => search.gridSearch({ points: 2 }),
    () => search.tpe({ trials: 12, startup: 3 }),
    () => search.coarseToFine({ rounds: 2, trials: 4 }),
  ])(),
  seed: random.below(9),
  ...(random.chance(0.5) && { prune: random.pick(["median", "successive halving"]) }),
  ...(random.chance(0.3) && { storage: fileOf("journal", folder, random) }),
  ...(random.chance(0.3) && { parallel: 2 }),
  ...(random.chance(0.3) && { initial: [{ rate: 0.01 }, damaged({ rate: 0.1, units: 3, kind: "a" }, random)] }),
  ...(random.chance(0.2) && { timeout: random.pick([0.01, 60]) }),
});
const parts: Readonly<Record<string, readonly unknown[]>> = {
  uniform: [0, 1],
  logUniform: [1e-3, 1],
  oneMinusLogUniform: [0.9, 0.999],
  integer: [1, 5],
  logInteger: [1, 64],
  choice: [["a", "b"]],
  oneOf: [{ a: {}, b: { rate: search.uniform(0, 1) } }],
  list: [search.integer(1, 3), search.uniform(0, 1)],
  randomSearch: [{ trials: 4 }],
  quasiRandom: [{ trials: 4 }],
  gridSearch: [{ points: { rate: 3, else: 2 } }],
  coarseToFine: [{ rounds: 2, trials: 4, keep: 2 }],
  tpe: [{ trials: 9, startup: 3, candidates: 4 }],
  medianPruner: [{ startup: 2, warmup: 1 }],
  successiveHalving: [{ first: 1, factor: 3 }],
  suggestSpace: [{ upTo: 2 }],
};
/** Called on their own below, or not at all. */
const apart = ["study", "openStudy", "journal", "memoryStorage", "TrialPruned"];

/** What a study is given, half the time with something wrong in it. */
function studyOf(random: Random, folder: string): Record<string, unknown> {
  const right = searching(random, folder);
  if (random.chance(0.4)) return right;
  const name = random.pick([...Object.keys(right), "direction", "onTrial", "other"]);
  return { ...right, [name]: damaged(right[name], random) };
}

/** No study goes on for ever: after so many calls of an objective, or when it waits for a trial that a damaged journal never ends, it is told to stop. */
function bounded(random: Random): { objective: Function_; signal: AbortSignal } {
  const end = new AbortController();
  const enough = () => end.abort(new HostileError("enough"));
  setTimeout(enough, 500).unref();
  let left = 40;
  return {
    signal: end.signal,
    objective: (values, own) => {
      if (left-- <= 0) enough();
      const at = own as search.Trial;
      if (random.chance(0.2))
        at.report(random.chance(0.8) ? 1 : (hostile(random) as number), random.pick<number | undefined>([undefined, 1, 2, -1]));
      if (random.chance(0.1))
        at.suggest(random.pick(["rate", "more"]), random.chance(0.7) ? search.uniform(0, 1) : (hostile(random) as never));
      if (random.chance(0.1)) at.checkpoints(damaged({ name: "fold 1", every: 1, keep: 2 }, random) as search.TrialCheckpoints);
      if (random.chance(0.1)) throw new HostileError("bitten");
      return random.chance(0.9) ? (values as { rate?: number })?.rate : hostile(random);
    },
  };
}

export function around(): Target[] {
  const made: Target[] = [];
  for (const [name, value] of Object.entries(plot)) {
    const right = pictures[name as keyof typeof plot];
    if (right === undefined) throw new Error(`fuzz-around.ts must say how ${name} is drawn`);
    const draw = value as unknown as Function_;
    if (right === "model")
      made.push({ name: `plot.${name}`, takes: name === "activationHistograms" ? "model tensor picture" : "model picture", call: draw });
    else if (right === "tensor") made.push({ name: `plot.${name}`, takes: "tensor picture", call: draw });
    else made.push({ name: `plot.${name}`, takes: "random", call: (random) => draw(...(damagedCall(right, random as Random) as never[])) });
  }
  for (const [name, value] of Object.entries(search)) {
    if (apart.includes(name) || typeof value !== "function") continue;
    const right = parts[name];
    if (right === undefined) throw new Error(`fuzz-around.ts must say what ${name} takes`);
    const call = value as unknown as Function_;
    made.push({ name: `search.${name}`, takes: "random", call: (random) => call(...(damagedCall(right, random as Random) as never[])) });
  }
  made.push(
    {
      name: "search.study",
      takes: "random scratch",
      call: async (given, folder) => {
        const random = given as Random;
        const options = studyOf(random, folder as string);
        const result = await search.study({ ...bounded(random), ...options } as never);
        const some = random.pick<() => unknown>([
          () => result.top(random.pick(edges)),
          () => result.importance(),
          () => result.csv(),
          () => result.optunaJournal(damaged({ name: "x" }, random) as never),
          () => result.recheck(bounded(random).objective as never, damaged({ top: 2, parallel: 1 }, random) as never),
        ]);
        return some();
      },
    },
    {
      name: "search.openStudy",
      takes: "random scratch",
      call: async (given, folder) => {
        const random = given as Random;
        const options = studyOf(random, folder as string);
        const open = await search.openStudy({ signal: bounded(random).signal, ...options } as never);
        try {
          for (let i = 0; i < 4; i++) {
            const asked = await open.ask();
            if (!asked) break;
            const outcome = random.chance(0.6) ? random.unit() : random.chance(0.5) ? "pruned" : hostile(random);
            await open.tell(random.chance(0.9) ? asked : (damaged({ ...asked }, random) as never), outcome as never);
          }
          await open.trials();
          return await open.result();
        } finally {
          await open.close();
        }
      },
    },
    {
      name: "search.journal",
      takes: "journal any",
      call: async (path, warn) => {
        const storage = search.journal(path as string, warn === undefined ? () => undefined : (warn as never));
        try {
          return await storage.read();
        } finally {
          await storage.close();
        }
      },
    },
  );
  return made;
}

function damagedCall(right: readonly unknown[], random: Random): readonly unknown[] {
  if (random.chance(0.1)) return right;
  const at = random.below(right.length);
  return right.map((argument, i) => (i === at ? damaged(argument, random) : argument));
}
