// Trials that were running when their process died or was told to end: they go on from their checkpoints, and reports and
// decisions are as if nothing had happened. Killed processes: test/trust/study-kills.ts.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { adam, crossEntropy, dense, relu, sequential } from "minibatch";
import { iris, kFold, split, standardize } from "minibatch/data";
import { logUniform, openStudy, randomSearch, study, type Trial, uniform } from "minibatch/search";
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { entriesOf } from "./search-journal.ts";

const scratch = mkdtempSync(join(tmpdir(), "minibatch-trials-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
let count = 0;
const file = () => join(scratch, `${++count}.jsonl`);

const said: string[] = [];
beforeEach(() => {
  said.length = 0;
  vi.spyOn(console, "error").mockImplementation((text: unknown) => said.push(String(text)));
});
afterEach(() => vi.restoreAllMocks());

const { train, dev } = split(await iris(), { dev: 0.3, stratify: true, seed: 1 });
const scaler = standardize(train);
const space = { learningRate: logUniform(1e-3, 1e-1) };
const epochs = 6;

/** One trial of a study that is let go of once, after so many epochs of this trial, and then gone on with. */
async function twice(
  storage: string,
  cut: number,
  objective: (options: { learningRate: number }, trial: Trial, lives: (epoch: number) => void) => Promise<number>,
) {
  const options = { space, strategy: randomSearch({ trials: 2 }), storage, seed: 4 };
  const abort = new AbortController();
  const reason = new Error("a crash");
  const dies = (epoch: number) => {
    if (epoch === cut) abort.abort(reason);
  };
  await expect(
    study({
      ...options,
      signal: abort.signal,
      objective: (params, trial) => objective(params, trial, trial.number === 2 ? dies : () => undefined),
    }),
  ).rejects.toBe(reason);
  return study({ ...options, objective: (params, trial) => objective(params, trial, () => undefined) });
}

const net = (hidden = 6) => sequential([scaler.layer(), dense(hidden), relu(), dense(3)]);
const fitting = (learningRate: number, seed: number) => ({
  dev,
  loss: crossEntropy(),
  optimizer: adam({ learningRate }),
  epochs,
  seed,
  progress: false,
});

describe("a trial with checkpoints", () => {
  for (const cut of [1, 4, epochs]) {
    it(`let go of after ${cut} epochs, goes on from there: each step is reported once, and the results are the same`, async () => {
      const path = file();
      const made: number[][] = [];
      const objective = async ({ learningRate }: { learningRate: number }, trial: Trial, lives: (epoch: number) => void) => {
        const steps: number[] = [];
        made.push(steps);
        const run = net().fit(train, {
          ...fitting(learningRate, trial.seed),
          onStep: ({ step }) => steps.push(step),
          ...trial.checkpoints(),
        });
        for await (const { epoch, devLoss } of run) {
          lives(epoch);
          trial.report(devLoss);
        }
        return (await run).best.devLoss;
      };
      const { trials } = await twice(path, cut, objective);
      const perEpoch = Math.ceil((train.x.shape[0] as number) / 32);
      expect(made.map((steps) => steps.length)).toEqual([epochs * perEpoch, cut * perEpoch, (epochs - cut) * perEpoch]);
      const calm = await study({
        space,
        strategy: randomSearch({ trials: 2 }),
        seed: 4,
        objective: (params, trial) => objective(params, trial, () => undefined),
      });
      expect(trials.map(({ attempts, ...rest }) => rest)).toEqual(calm.trials.map(({ attempts, ...rest }) => rest));
      expect(trials.map(({ attempts }) => attempts)).toEqual([1, 2]);
      const reports = entriesOf(path).flatMap((entry) => (entry.event === "report" && entry.trial === 2 ? [entry.step] : []));
      expect(reports).toEqual([1, 2, 3, 4, 5, 6]);
      // Nothing is left but the journal.
      expect(existsSync(`${path}.trials`)).toBe(false);
      expect(said).toEqual([]);
    });
  }

  it("may train several times, each run under a name of its own", async () => {
    const path = file();
    const made: [fold: number, first: number][] = [];
    const objective = async ({ learningRate }: { learningRate: number }, trial: Trial, lives: (epoch: number) => void) => {
      let sum = 0;
      let epochsSoFar = 0;
      for (const { fold, train: rows, dev: rest } of kFold(train, { k: 3, seed: 1 })) {
        const run = net().fit(rows, {
          ...fitting(learningRate, trial.seed + fold),
          dev: rest,
          onStep: ({ step }) => {
            if (made.at(-1)?.[0] !== fold) made.push([fold, step]);
          },
          ...trial.checkpoints({ name: `fold ${fold}` }),
        });
        for await (const { devLoss } of run) {
          lives(++epochsSoFar);
          trial.report(devLoss);
        }
        sum += (await run).best.devLoss;
      }
      return sum / 3;
    };
    const { trials } = await twice(path, epochs + 2, objective);
    const folds = kFold(train, { k: 3, seed: 1 }).map(({ fold }) => fold);
    // The first trial; the second up to its second fold; the second again, whose first fold is done.
    expect(made.map(([fold]) => fold)).toEqual([...folds, ...folds.slice(0, 2), ...folds.slice(2)]);
    expect(trials.map(({ reports }) => reports.length)).toEqual([3 * epochs, 3 * epochs]);
    const calm = await study({
      space,
      strategy: randomSearch({ trials: 2 }),
      seed: 4,
      objective: (params, trial) => objective(params, trial, () => undefined),
    });
    expect(trials.map(({ value, reports }) => [value, reports])).toEqual(calm.trials.map(({ value, reports }) => [value, reports]));
  });

  it("begins again where its objective has become another, and says so", async () => {
    const path = file();
    let hidden = 6;
    const objective = async ({ learningRate }: { learningRate: number }, trial: Trial, lives: (epoch: number) => void) => {
      const run = net(hidden).fit(train, { ...fitting(learningRate, trial.seed), ...trial.checkpoints() });
      for await (const { epoch } of run) {
        if (epoch === 2 && trial.number === 2) hidden = 7;
        lives(epoch);
        trial.report(epoch);
      }
      return (await run).best.devLoss;
    };
    const { trials } = await twice(path, 3, objective);
    expect(trials.map(({ state, reports }) => [state, reports.length])).toEqual([
      ["done", epochs],
      ["done", epochs],
    ]);
    expect(said.join()).toMatch(
      /^minibatch: resume: the run must be the one of the checkpoint: model\.parameters [^\n]*; the run begins again$/,
    );
  });

  it("keeps files of its own, and what a process that died left of checkpoints is removed", async () => {
    const path = file();
    const options = { space, strategy: randomSearch({ trials: 2 }), storage: path };
    await study({
      ...options,
      objective: async (_, trial) => {
        writeFileSync(join(trial.dir, "model"), "weights");
        mkdirSync(trial.checkpoints().checkpoint?.dir as string, { recursive: true });
        return 1;
      },
    });
    expect(readdirSync(join(`${path}.trials`, "1"))).toEqual(["model"]);
    mkdirSync(join(`${path}.trials`, "1", "checkpoints", "fit"), { recursive: true });
    mkdirSync(join(`${path}.trials`, "2", "checkpoints", "fit"), { recursive: true });
    mkdirSync(join(`${path}.trials`, "9", "checkpoints", "fit"), { recursive: true });
    await study({ ...options, objective: () => Promise.reject(new Error("nothing is left")) });
    expect(["1", "2"].map((name) => readdirSync(join(`${path}.trials`, name)))).toEqual([["model"], ["model"]]);
    // No trial of this study has that number: somebody else's.
    expect(readdirSync(`${path}.trials`).sort()).toEqual(["1", "2", "9"]);
  });

  it("has none where nothing is kept, and one run for each name", async () => {
    const { trials } = await study({
      space,
      strategy: randomSearch({ trials: 3 }),
      objective: (_, trial) => {
        if (trial.number === 3) return Object.keys(trial.checkpoints()).length;
        trial.checkpoints();
        trial.checkpoints({ name: "more" });
        if (trial.number === 1) trial.checkpoints();
        trial.checkpoints({ name: "../up" });
        return 0;
      },
    });
    expect(trials[0]?.error).toBe(
      'checkpoints: each run of a trial needs its own, got "fit" twice (trial 1); trial.checkpoints({ name: "fold 2" }) gives them a name',
    );
    expect(trials[1]?.error).toMatch(/^checkpoints: name must be a text of letters.*, got "\.\.\/up"$/);
    expect(trials[2]?.value).toBe(0);
  });
});

describe("a trial that is begun again", () => {
  const bowl = { x: uniform(0, 1) };

  it("keeps what it had reported, and what was decided then; only the last decision is made again", async () => {
    const asked: [number, number[]][] = [];
    const options = {
      space: bowl,
      strategy: randomSearch({ trials: 1 }),
      storage: file(),
      prune: {
        kind: "watching",
        prune: ({ step, reports }: { step: number; reports: ReadonlyMap<number, number> }) => {
          asked.push([step, [...reports.values()]]);
          return false;
        },
      },
    };
    const first = await openStudy(options);
    const trial = await first.ask();
    for (const value of [5, 4, 3]) trial?.report(value);
    await first.close();
    asked.length = 0;
    const again = await openStudy(options);
    const resumed = await again.ask();
    if (!resumed) throw new Error("there must be a trial");
    expect(resumed.reports).toEqual([5, 4, 3]);
    for (const value of [50, 40, 30, 20]) resumed.report(value);
    expect(asked).toEqual([
      [3, [5, 4, 3]],
      [4, [5, 4, 3, 20]],
    ]);
    // A second report of a step by the same attempt counts, as ever.
    resumed.report(1, 1);
    await again.tell(resumed, 0.5);
    expect((await again.trials())[0]?.reports).toEqual([1, 4, 3, 20]);
    await again.close();
  });

  it("is pruned where it would have been, when its process died before that was recorded", async () => {
    const options = {
      space: bowl,
      strategy: randomSearch({ trials: 1 }),
      storage: file(),
      prune: { kind: "second", prune: ({ step }: { step: number }) => step === 2 },
    };
    const first = await openStudy({ ...options, prune: undefined });
    const trial = await first.ask();
    for (const value of [5, 4]) trial?.report(value);
    await first.close();
    const again = await openStudy(options);
    const resumed = await again.ask();
    resumed?.report(5);
    expect(() => resumed?.report(4)).toThrow(/^trial 1 was pruned at step 2/);
    await again.close();
  });
});
