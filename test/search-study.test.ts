// Studies: the loop, trials that fail, several at once, the end in good order, determinism, ask and tell, and what is learned
// from the trials.
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { backend, crossEntropy, dense, relu, sequential, sgd, withThreads } from "minibatch";
import { iris, split } from "minibatch/data";
import {
  choice,
  coarseToFine,
  integer,
  logUniform,
  openStudy,
  quasiRandom,
  randomSearch,
  type Storage,
  study,
  TrialPruned,
  tpe,
  uniform,
} from "minibatch/search";
import { afterAll, describe, expect, it } from "vitest";
import { Ledger } from "../src/search/ledger.ts";
import { resolve } from "../src/search/space.ts";
import { drawFor } from "../src/search/strategy.ts";
import { entriesOf } from "./search-journal.ts";
import { type StudyTask, studyOf } from "./trust/parts/study.ts";

const scratch = mkdtempSync(join(tmpdir(), "minibatch-search-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const file = (name: string) => join(scratch, name);
const sleep = (milliseconds: number) => new Promise((resolve_) => setTimeout(resolve_, milliseconds));

const space = { x: uniform(-1, 1), y: logUniform(1e-3, 1) };
const bowl = ({ x, y }: { x: number; y: number }) => x * x + Math.abs(Math.log10(y) + 2);

describe("a study", () => {
  it("is the same, bit for bit, for the same seed, and another for another", async () => {
    for (const strategy of [
      randomSearch({ trials: 12 }),
      quasiRandom({ trials: 12 }),
      coarseToFine({ rounds: 2, trials: 6 }),
      tpe({ trials: 16 }),
    ]) {
      const run = (seed: number) => study({ space, strategy, seed, objective: bowl });
      const [first, again, other] = [await run(1), await run(1), await run(2)];
      expect(again.trials).toEqual(first.trials);
      expect(other.trials.map(({ params }) => params)).not.toEqual(first.trials.map(({ params }) => params));
      expect(new Set(first.trials.map(({ seed }) => seed)).size).toBe(first.trials.length);
    }
  });

  it("makes great what is to be maximized", async () => {
    const { best, trials, top } = await study({ space, strategy: randomSearch({ trials: 20 }), direction: "maximize", objective: bowl });
    expect(best.value).toBe(Math.max(...trials.map(({ value }) => value)));
    expect(top(3).map(({ value }) => value)).toEqual([...trials.map(({ value }) => value)].sort((a, b) => b - a).slice(0, 3));
  });

  it("records trials that fail, with the reason, and goes on", async () => {
    const { trials, best } = await study({
      space,
      strategy: randomSearch({ trials: 8 }),
      objective: async ({ x }, trial) => {
        if (trial.number === 1) throw new Error("no memory");
        if (trial.number === 2) return Number.NaN;
        if (trial.number === 3) return "0.1" as unknown as number;
        if (trial.number === 4) return undefined as unknown as number;
        if (trial.number === 5) trial.report(Number.POSITIVE_INFINITY);
        if (trial.number === 6) throw "a text";
        return x * x;
      },
    });
    expect(trials.map(({ state }) => state)).toEqual([...Array(6).fill("failed"), "done", "done"]);
    expect(trials.map(({ error }) => error)).toEqual([
      "no memory",
      "study: the objective must return a finite number, got NaN",
      'study: the objective must return a finite number, got "0.1"',
      "study: the objective must return a finite number, got undefined; is there a return?",
      "report: value must be a finite number, got Infinity (trial 5, step 1)",
      "a text",
      undefined,
      undefined,
    ]);
    expect(trials.slice(0, 6).every(({ value }) => Number.isNaN(value))).toBe(true);
    expect(best.number).toBeGreaterThan(6);
  });

  it("rejects when all fail, with the first reason, and when all are pruned", async () => {
    const fails = () => Promise.reject(new Error("out of luck"));
    await expect(study({ space, strategy: randomSearch({ trials: 3 }), objective: fails })).rejects.toThrow(
      "study: all 3 trials failed; the first, trial 1: out of luck",
    );
    const prune = { kind: "harsh", prune: () => true };
    const reports = (_: unknown, trial: { report(value: number): void }) => {
      trial.report(1);
      return 1;
    };
    await expect(study({ space, strategy: randomSearch({ trials: 3 }), prune, objective: reports })).rejects.toThrow(
      "all 3 trials were pruned",
    );
  });

  it("counts a trial as pruned whatever its objective does then", async () => {
    const caught: unknown[] = [];
    const { trials } = await study({
      space,
      strategy: randomSearch({ trials: 3 }),
      prune: { kind: "second", prune: ({ number, step }) => number === 2 && step === 2 },
      objective: (_, trial) => {
        try {
          for (const value of [3, 2, 1]) trial.report(value);
        } catch (error) {
          caught.push(error);
        }
        return 0.5;
      },
    });
    expect(trials.map(({ state, value }) => [state, value])).toEqual([
      ["done", 0.5],
      ["pruned", 2],
      ["done", 0.5],
    ]);
    expect(caught).toHaveLength(1);
    expect(caught[0]).toBeInstanceOf(TrialPruned);
  });

  it("tells of each trial as it ends", async () => {
    const told: number[] = [];
    await study({ space, strategy: randomSearch({ trials: 5 }), objective: bowl, onTrial: ({ number }) => told.push(number) });
    expect(told).toEqual([1, 2, 3, 4, 5]);
  });
});

describe("several trials at once", () => {
  it("are as many as asked for, with the cores shared out between them", async () => {
    let [running, most] = [0, 0];
    const threads: number[] = [];
    const native = backend().name === "native";
    const all = backend().threads;
    const { trials } = await withThreads(8, () =>
      study({
        space,
        strategy: randomSearch({ trials: 12 }),
        parallel: 3,
        objective: async (params, trial) => {
          most = Math.max(most, ++running);
          await sleep(3);
          if (trial.number <= 3) threads.push(trial.threads);
          // What a fit would take here by default.
          expect(backend().threads).toBe(trial.threads);
          running--;
          return bowl(params);
        },
      }),
    );
    expect(most).toBe(3);
    expect(trials.map(({ state }) => state)).toEqual(Array(12).fill("done"));
    expect(threads.sort()).toEqual(native ? [2, 3, 3] : [1, 1, 1]);
    expect(backend().threads).toBe(all);
  });

  it("depend on the recorded history only: every proposal can be made again from what was read before it", async () => {
    const path = file("parallel.jsonl");
    const strategy = tpe({ trials: 40, startup: 5 });
    await study({
      space,
      strategy,
      parallel: 4,
      seed: 9,
      storage: path,
      objective: async (params, { number }) => {
        await sleep((number * 13) % 7);
        return bowl(params);
      },
    });
    const ledger = new Ledger(path);
    for (const entry of entriesOf(path)) ledger.apply(entry);
    expect(ledger.trials).toHaveLength(40);
    let modelled = 0;
    for (const { number, seen, recorded } of ledger.trials) {
      const trials = ledger.before(seen).past();
      if (trials.some(({ state }) => state === "running")) modelled++;
      const draw = (name: string, index?: number) => drawFor(9, number, name, index);
      const proposal = strategy.next({ number, seed: 9, direction: "minimize", space, trials, draw });
      const { params } = proposal as { params?: (name: string, parameter: unknown) => unknown };
      const again = resolve(space, (name, parameter) => (params?.(name, parameter) ?? parameter.at(draw(name))) as never);
      expect(again).toEqual(Object.fromEntries(recorded));
    }
    expect(modelled).toBeGreaterThan(20);
  });
});

describe("the end of a study", () => {
  it("by a signal: trials that run are let go of, and the same call goes on to the same results", async () => {
    const path = file("aborted.jsonl");
    const options = { space, strategy: tpe({ trials: 14 }), seed: 3, storage: path };
    const objective = async (params: { x: number; y: number }, trial: { report(value: number): void }) => {
      for (let step = 1; step <= 3; step++) {
        await sleep(1);
        trial.report(bowl(params) / step);
      }
      return bowl(params);
    };
    const controller = new AbortController();
    const reason = new Error("lunch");
    let began = 0;
    await expect(
      study({
        ...options,
        signal: controller.signal,
        objective: async (params, trial) => {
          if (++began === 6) setTimeout(() => controller.abort(reason), 1);
          return objective(params, trial);
        },
      }),
    ).rejects.toBe(reason);
    const entries = entriesOf(path);
    expect(entries.filter(({ event }) => event === "end")).toHaveLength(5);
    expect(entries.at(-1)).toMatchObject({ event: "release", trial: 6 });
    const again = await study({ ...options, objective });
    expect(again.trials.map(({ attempts }) => attempts)).toEqual([1, 1, 1, 1, 1, 2, ...Array(8).fill(1)]);
    const undisturbed = await study({ ...options, storage: undefined, objective });
    expect(again.trials.map(({ attempts, ...trial }) => trial)).toEqual(undisturbed.trials.map(({ attempts, ...trial }) => trial));
    // All is done: the same call runs nothing and gives the same.
    const silent = await study({ ...options, objective: () => Promise.reject(new Error("nothing is to be run")) });
    expect(silent.trials).toEqual(again.trials);
    await expect(study({ ...options, signal: AbortSignal.abort(reason), objective })).rejects.toBe(reason);
  });

  it("by Ctrl-C: the same, and the trial goes on from its checkpoint", { timeout: 120_000 }, async () => {
    const path = file("interrupted.jsonl");
    const child = fileURLToPath(new URL("./trust/parts/study.ts", import.meta.url));
    const task: StudyTask = { journal: path, seed: 3, trials: 200, parallel: 2, strategy: "random", prune: "none", every: 1 };
    let begun = 0;
    for (let interrupts = 1; interrupts <= 2; interrupts++) {
      const text = await new Promise<string>((done) => {
        const env = { ...process.env, TRUST_OPTIONS: JSON.stringify(task) };
        const process_ = execFile(process.execPath, ["--import", "tsx", child], { env }, (_, out, errors) => done(out + errors));
        process_.stdout?.once("data", () => process_.kill("SIGINT"));
      });
      expect(text).toMatch(/study: interrupted \(SIGINT\); everything is recorded, and the same call goes on from here/);
      const entries = entriesOf(path);
      const count = (event: string) => entries.filter((entry) => entry.event === event).length;
      // All that began has ended or was let go of.
      expect(count("start") + count("resume")).toBe(count("end") + count("release"));
      expect(count("release")).toBeGreaterThan(0);
      begun = count("start");
    }
    const { trials } = await study(studyOf({ ...task, trials: begun }, () => undefined));
    const { journal: _, ...alone } = { ...task, trials: begun };
    const undisturbed = await study(studyOf(alone, () => undefined));
    expect(trials.map(({ attempts, ...trial }) => trial)).toEqual(undisturbed.trials.map(({ attempts, ...trial }) => trial));
    expect(Math.max(...trials.map(({ attempts }) => attempts))).toBeGreaterThan(1);
  });
});

describe("a loop of one's own", () => {
  it("asks and tells", async () => {
    const path = file("asked.jsonl");
    const options = { space, strategy: randomSearch({ trials: 6 }), storage: path, prune: "median" as const };
    const open = await openStudy(options);
    const first = await open.ask();
    const second = await open.ask();
    expect([first?.number, second?.number]).toEqual([1, 2]);
    if (!first || !second) throw new Error("there must be trials");
    await open.tell(second, 0.5);
    await open.tell(first, new Error("no luck"));
    await expect(open.tell(first, 1)).rejects.toThrow(/^tell: trial must be one that ask gave/);
    expect((await open.result()).best.number).toBe(2);
    const third = await open.ask();
    third?.report(7);
    third?.suggest("more", integer(1, 3));
    await open.close();
    await expect(open.ask()).rejects.toThrow(/closed/);

    const again = await openStudy(options);
    const resumed = await again.ask();
    expect([resumed?.number, resumed?.attempt, resumed?.reports, resumed?.params]).toEqual([3, 2, [7], third?.params]);
    expect(resumed?.suggest("more", integer(1, 3))).toBe(
      (entriesOf(path).find(({ event }) => event === "suggest") as { value?: number }).value,
    );
    for (let trial = resumed; trial; trial = await again.ask()) await again.tell(trial, trial.number === 5 ? Number.NaN : trial.number);
    expect((await again.trials()).map(({ state }) => state[0]).join("")).toBe("fdddfd");
    await again.close();
  });

  it("proposes to a trial that goes on what it would have been proposed", async () => {
    const proposed = async (path: string, interrupted: boolean) => {
      const options = { space, strategy: tpe({ trials: 9, startup: 2 }), storage: path };
      let open = await openStudy(options);
      const next = async () => {
        const trial = await open.ask();
        if (!trial) throw new Error("there must be a trial");
        return trial;
      };
      for (let i = 0; i < 3; i++) {
        const trial = await next();
        await open.tell(trial, bowl(trial.params) + trial.suggest("z", uniform(0, 1)));
      }
      const fourth = await next();
      let fifth = await next();
      fourth.suggest("z", uniform(0, 1));
      // What the fifth was proposed from did not know this yet.
      await open.tell(fourth, -100);
      if (interrupted) {
        await open.close();
        open = await openStudy(options);
        fifth = await next();
        expect([fifth.number, fifth.attempt]).toEqual([5, 2]);
      }
      const z = fifth.suggest("z", uniform(0, 1));
      await open.close();
      return [fifth.params, z];
    };
    expect(await proposed(file("gone-on.jsonl"), true)).toEqual(await proposed(file("not-stopped.jsonl"), false));
  });

  it("does not wait for itself", async () => {
    const open = await openStudy({ space, strategy: coarseToFine({ rounds: 2, trials: 2 }) });
    const trials = [await open.ask(), await open.ask()];
    await expect(open.ask()).rejects.toThrow(/^ask: coarse to fine waits for trials that run/);
    for (const trial of trials) if (trial) await open.tell(trial, trial.params.x);
    expect((await open.ask())?.number).toBe(3);
    await open.close();
  });

  it("may keep the study elsewhere: a storage is a log with three methods", async () => {
    const log: string[] = [];
    const storage = (): Storage => {
      let next = 0;
      return {
        name: "a list of texts",
        read: async () => {
          await sleep(1);
          const texts = log.slice(next);
          next += texts.length;
          return texts.map((text) => JSON.parse(text));
        },
        append: async (entries) => {
          log.push(...entries.map((entry) => JSON.stringify(entry)));
          await sleep(1);
        },
        close: async () => undefined,
      };
    };
    const options = { space, strategy: randomSearch({ trials: 9 }), seed: 4, objective: bowl };
    const [one, two] = await Promise.all([study({ ...options, storage: storage() }), study({ ...options, storage: storage() })]);
    expect(one.trials.map(({ params }) => params)).toEqual((await study(options)).trials.map(({ params }) => params));
    expect(two.trials).toEqual(one.trials);
  });
});

describe("what a trial holds", () => {
  it("a folder that stays beside a journal, and goes where nothing is kept", async () => {
    const folders: string[] = [];
    const objective = (params: { x: number; y: number }, trial: { dir: string; number: number }) => {
      folders.push(trial.dir);
      writeFileSync(join(trial.dir, "checkpoint"), "weights");
      return bowl(params);
    };
    await study({ space, strategy: randomSearch({ trials: 2 }), objective });
    expect(folders.map((folder) => existsSync(folder))).toEqual([false, false]);
    await study({ space, strategy: randomSearch({ trials: 2 }), storage: file("kept.jsonl"), objective });
    expect(readFileSync(join(scratch, "kept.jsonl.trials", "2", "checkpoint"), "utf8")).toBe("weights");
  });

  it("reports by step, those of earlier attempts too", async () => {
    const open = await openStudy({ space, strategy: randomSearch({ trials: 1 }) });
    const trial = await open.ask();
    trial?.report(3);
    trial?.report(1, 5);
    trial?.report(2);
    trial?.report(2.5, 1);
    expect(trial?.reports).toEqual([2.5, 1, 2]);
    expect(() => trial?.report(1, 0)).toThrow(/^report: step must be a whole number from 1, got 0$/);
    if (trial) await open.tell(trial, 1);
    expect((await open.trials())[0]?.steps).toEqual([1, 5, 6]);
    expect(() => trial?.report(1)).toThrow(/^report: trial 1 has ended$/);
    await open.close();
  });
});

describe("what is learned from the trials", () => {
  const many = () =>
    study({
      space: { rate: logUniform(1e-4, 1), noise: uniform(0, 1), kind: choice(["a", "b"]) },
      strategy: randomSearch({ trials: 60 }),
      seed: 5,
      objective: ({ rate, noise, kind }, trial) => {
        if (trial.number === 2) throw new Error('a comma, a "quote"');
        return (Math.log10(rate) + 2) ** 2 + (kind === "b" ? 1 : 0) + 0.01 * noise;
      },
    });

  it("how much each parameter matters", async () => {
    const importance = (await many()).importance();
    expect(importance.map(({ name }) => name)).toEqual(["rate", "kind", "noise"]);
    const [rate, kind, noise] = importance.map((one) => one.importance) as [number, number, number];
    expect(rate).toBeGreaterThan(0.6);
    expect(kind).toBeGreaterThan(0.02);
    expect(noise).toBeLessThan(0.1);
    expect(rate + kind + noise).toBeCloseTo(1, 12);
  });

  it("tables for others", async () => {
    const result = await many();
    const lines = result.csv().split("\n");
    expect(lines[0]).toBe("number,state,value,seed,rate,noise,kind,error");
    expect(lines[2]).toMatch(/^2,failed,,\d+,[\d.e-]+,[\d.]+,[ab],"a comma, a ""quote"""$/);
    expect(Number(lines[1]?.split(",")[4])).toBe(result.trials[0]?.params.rate);
    expect(lines).toHaveLength(62);
    const optuna = result
      .optunaJournal({ name: "mine" })
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(optuna[0]).toMatchObject({ op_code: 0, study_name: "mine", directions: [1] });
    expect(optuna.filter(({ op_code }) => op_code === 6).map(({ state }) => state)).toEqual([1, 3, ...Array(58).fill(1)]);
    const rate = optuna.find(({ op_code, param_name }) => op_code === 5 && param_name === "rate");
    expect(JSON.parse(rate.distribution)).toEqual({ name: "FloatDistribution", attributes: { log: true, step: null, low: 1e-4, high: 1 } });
  });

  it("whether the order holds on new data", async () => {
    const result = await many();
    const seeds: number[] = [];
    const same = await result.recheck(({ rate, kind }, trial) => {
      seeds.push(trial.seed);
      return (Math.log10(rate) + 2) ** 2 + (kind === "b" ? 1 : 0);
    });
    expect(seeds).toEqual(result.top(5).map(({ seed }) => seed));
    expect(same.trials.map(({ number }) => number)).toEqual(result.top(5).map(({ number }) => number));
    const other = await result.recheck(
      ({ rate }, { number }) => {
        if (number === result.top(3)[1]?.number) throw new Error("no");
        return -Math.abs(Math.log10(rate) + 2);
      },
      { top: 3, parallel: 2 },
    );
    expect(other.bestHolds).toBe(false);
    expect(other.best).toBe(result.top(3)[2]?.number);
    expect(other.verdict).toMatch(
      /^stale: trial \d+ is now better \(-?[\d.]{1,7}\) than trial \d+ \(-?[\d.]{1,7}\), the best of the study; the order's/,
    );
    expect(other.trials[1]).toMatchObject({ now: Number.NaN, error: "no" });
    const holds = await result.recheck((_, { number }) => result.top(9).findIndex((trial) => trial.number === number), { top: 9 });
    expect([holds.bestHolds, holds.tau, holds.best]).toEqual([true, 1, result.best.number]);
    expect(holds.verdict).toBe(`the best of the study, trial ${result.best.number}, is still the best of 9, and the order holds`);
  });
});

describe("with a network", () => {
  it("trains trials at once, prunes them by their epochs, and gives the same errors as one at a time", { timeout: 300_000 }, async () => {
    const { train, dev } = split(await iris(), { dev: 0.3, stratify: true, seed: 1 });
    const search = (parallel: number) =>
      study({
        space: { learningRate: logUniform(1e-4, 10), hidden: choice([4, 8]) },
        strategy: randomSearch({ trials: 6 }),
        seed: 2,
        parallel,
        objective: async ({ learningRate, hidden }, trial) => {
          const run = sequential([dense(hidden), relu(), dense(3)]).fit(train, {
            dev,
            loss: crossEntropy(),
            optimizer: sgd({ learningRate }),
            epochs: 4,
            seed: trial.seed,
          });
          for await (const epoch of run) trial.report(epoch.devLoss);
          return (await run).best.devLoss;
        },
      });
    const [one, two] = [await search(1), await search(2)];
    expect(two.trials).toEqual(one.trials);
    expect(one.trials.filter(({ state }) => state === "done").length).toBeGreaterThan(3);
    expect(one.best.reports).toHaveLength(4);
  });
});
