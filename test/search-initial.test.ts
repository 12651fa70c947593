// What users know of a study beforehand and decide on the way: values to begin with, a timeout, and when it is enough.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  choice,
  coarseToFine,
  gridSearch,
  integer,
  list,
  logInteger,
  logUniform,
  oneMinusLogUniform,
  oneOf,
  randomSearch,
  type Strategy,
  study,
  type TrialRecord,
  tpe,
  uniform,
} from "minibatch/search";
import { afterAll, describe, expect, it } from "vitest";
import { entriesOf } from "./search-journal.ts";

const scratch = mkdtempSync(join(tmpdir(), "minibatch-initial-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const space = { x: uniform(-1, 1), y: logUniform(1e-3, 1) };
const bowl = ({ x, y }: { x: number; y: number }) => x * x + Math.abs(Math.log10(y) + 2);

describe("values to begin with", () => {
  it("come first, in the form of the objective's, and what is left out is drawn", async () => {
    const [one, two] = [{ kind: "one" }, ["two"]];
    const { trials } = await study({
      space: {
        optimizer: oneOf({ momentum: { beta: oneMinusLogUniform(0.9, 0.999) }, sgd: {} }),
        units: list(integer(1, 3), logInteger(16, 256)),
        data: { batchSize: choice([32, 64, 128]), shuffle: choice([true, false]) },
        thing: choice([one, two]),
      },
      initial: [
        { optimizer: { kind: "momentum", beta: 0.95 }, units: [200, 17], data: { batchSize: 128, shuffle: false }, thing: one },
        { optimizer: { kind: "sgd" }, units: [33], data: { batchSize: 64 }, thing: two },
        {},
      ],
      strategy: randomSearch({ trials: 5 }),
      objective: (_, trial) => trial.number,
    });
    expect(trials).toHaveLength(5);
    expect(trials[0]?.params).toEqual({
      optimizer: { kind: "momentum", beta: 0.95 },
      units: [200, 17],
      data: { batchSize: 128, shuffle: false },
      thing: one,
    });
    expect(trials[0]?.params.thing).toBe(one);
    expect(trials[1]?.params).toMatchObject({ optimizer: { kind: "sgd" }, units: [33], data: { batchSize: 64 } });
    expect(trials[1]?.params.thing).toBe(two);
  });

  it("are learned from, and take nothing from a grid", async () => {
    const run = (strategy: Strategy, initial: readonly { x?: number; y?: number }[], storage?: string) =>
      study({ space, strategy, initial, storage, seed: 3, objective: bowl });
    const good = [{ x: 0, y: 0.01 }, { x: 0.1 }];
    const grid = await run(gridSearch({ points: 3 }), good);
    expect(grid.trials.map(({ params }) => params).slice(2)).toEqual(
      (await run(gridSearch({ points: 3 }), [])).trials.map(({ params }) => params),
    );
    const modelled = await run(tpe({ trials: 12, startup: 2 }), good);
    expect(modelled.trials).toHaveLength(12);
    expect(modelled.trials.slice(0, 2).map(({ params: { x } }) => x)).toEqual([0, 0.1]);
    expect(modelled.best.value).toBe(0);
    // The first box is drawn around them.
    const { boxes } = await run(coarseToFine({ rounds: 2, trials: 5 }), [
      { x: 0.5, y: 0.01 },
      { x: 0.5, y: 0.011 },
      { x: 0.5, y: 0.009 },
    ]);
    expect(boxes.map(({ round }) => round)).toEqual([1, 2]);
    // Drawn for a number, whatever came before it.
    const drawn = (await run(randomSearch({ trials: 6 }), good)).trials;
    expect(drawn.slice(2)).toEqual((await run(randomSearch({ trials: 6 }), [])).trials.slice(2));
  });

  it("are recorded as what they are, and a study goes on with them", async () => {
    const path = join(scratch, "initial.jsonl");
    const options = { space, strategy: randomSearch({ trials: 4 }), initial: [{ x: 0.25 }, { x: -0.25 }], storage: path, seed: 1 };
    await study({ ...options, objective: bowl, onTrial: (_, { stop }) => stop() });
    const result = await study({ ...options, objective: bowl });
    expect(result.trials.map(({ params }) => params)).toEqual(
      (await study({ ...options, storage: undefined, objective: bowl })).trials.map(({ params }) => params),
    );
    const by = entriesOf(path).flatMap((entry) => (entry.event === "start" ? [entry.by] : []));
    expect(by).toEqual(["initial", "initial", "random search", "random search"]);
  });

  it("may be of parameters that only the objective asks for", async () => {
    const { trials } = await study({
      initial: [{ units: 100 }],
      strategy: randomSearch({ trials: 2 }),
      objective: (_, trial) => trial.suggest("units", logInteger(16, 256)),
    });
    expect(trials[0]?.value).toBe(100);
    expect(trials[1]?.value).not.toBe(100);
  });

  it("leave a grid whole when the study goes on with more of them, or without", async () => {
    const options = { space: { x: uniform(0, 1) }, strategy: gridSearch({ points: 3 }), objective: ({ x }: { x: number }) => x };
    const begin = (storage: string, initial: { x: number }[]) =>
      study({ ...options, storage, initial, onTrial: (_, { trials, stop }) => (trials === 3 ? stop() : undefined) });
    const values = ({ trials }: { trials: readonly { params: { x: number } }[] }) => trials.map(({ params }) => params.x);
    const without = join(scratch, "grid-without.jsonl");
    await begin(without, [{ x: 0.3 }, { x: 0.4 }]);
    expect(values(await study({ ...options, storage: without }))).toEqual([0.3, 0.4, 0, 0.5, 1]);
    const more = join(scratch, "grid-more.jsonl");
    await begin(more, [{ x: 0.3 }]);
    const initial = [{ x: 0.3 }, { x: 0.4 }, { x: 0.6 }, { x: 0.7 }];
    expect(values(await study({ ...options, storage: more, initial }))).toEqual([0.3, 0, 0.5, 0.7, 1]);
  });
});

describe("when it is enough", () => {
  it("is for onTrial to say, which is told the best so far; trials that run are finished", async () => {
    const seen: [number, number, number][] = [];
    const { trials } = await study({
      space,
      strategy: randomSearch({ trials: 1000 }),
      parallel: 2,
      objective: async (params) => {
        await new Promise((resolve) => setTimeout(resolve, 1));
        return bowl(params);
      },
      onTrial: (trial: TrialRecord<typeof space>, { best, trials: ended, stop }) => {
        seen.push([trial.value, best?.value ?? Number.NaN, ended]);
        if (ended === 6) stop();
      },
    });
    expect(trials.length).toBeGreaterThanOrEqual(6);
    expect(trials.length).toBeLessThanOrEqual(7);
    expect(trials.every(({ state }) => state === "done")).toBe(true);
    let least = Number.POSITIVE_INFINITY;
    for (const [value, best] of seen.slice(0, 6)) {
      least = Math.min(least, value);
      expect(best).toBeLessThanOrEqual(least);
    }
    expect(seen[0]?.[1]).toBe(Math.min(...seen.slice(0, seen[0]?.[2]).map(([value]) => value)));
  });

  it("may be said later: an onTrial that is async is waited for, and its failure is the study's", async () => {
    const later = () => new Promise((resolve) => setImmediate(resolve));
    const { trials } = await study({
      space,
      strategy: randomSearch({ trials: 10 }),
      objective: bowl,
      onTrial: async (_, { trials: ended, stop }) => {
        await later();
        if (ended === 3) stop();
      },
    });
    expect(trials).toHaveLength(3);
    const onTrial = async () => {
      await later();
      throw new Error("the table is full");
    };
    await expect(study({ space, strategy: randomSearch({ trials: 10 }), objective: bowl, onTrial })).rejects.toThrow("the table is full");
  });

  it("knows no best while none is done, and the greatest of what is to be maximized", async () => {
    const bests: (number | undefined)[] = [];
    await study({
      space,
      strategy: randomSearch({ trials: 4 }),
      direction: "maximize",
      objective: (_, { number }) => [Number.NaN, 1, 3, 2][number - 1] as number,
      onTrial: (_, { best }) => bests.push(best?.value),
    });
    expect(bests).toEqual([undefined, 1, 3, 3]);
  });

  it("is a timeout's end too: the running trial is finished, and the same call goes on", async () => {
    const path = join(scratch, "timeout.jsonl");
    const options = { space, storage: path, seed: 2 };
    const slow = async (params: { x: number; y: number }) => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      return bowl(params);
    };
    const first = await study({ ...options, strategy: randomSearch({ trials: 100_000 }), timeout: 0.5, objective: slow });
    expect(first.trials.length).toBeLessThan(1000);
    expect(first.trials.every(({ state }) => state === "done")).toBe(true);
    const more = await study({ ...options, strategy: randomSearch({ trials: first.trials.length + 2 }), objective: bowl });
    expect(more.trials).toHaveLength(first.trials.length + 2);
    expect(more.trials.slice(0, -2)).toEqual(first.trials);
    await expect(study({ space, strategy: randomSearch({ trials: 2 }), timeout: 1e-9, objective: bowl })).rejects.toThrow(
      "study: no trial has ended, so there is no best one",
    );
  });
});
