// Steering a run: what `run.set` changes and when, marks and the way back to them, the log and its replay. What must be equal is
// compared to the last bit.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import {
  adam,
  adamW,
  batchNorm,
  crossEntropy,
  type Dataset,
  dataset,
  dense,
  dropout,
  type FitOptions,
  gradientHealth,
  l1,
  l2,
  type Model,
  momentum,
  randomNormal,
  relu,
  replay,
  schedule,
  sequential,
  sgd,
} from "minibatch";
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { RunControl } from "../src/train/run.ts";

function labelled(rows: number, seed: number): Dataset {
  const x = randomNormal([rows, 4], { seed });
  const data = x.data();
  return dataset(
    x,
    Int32Array.from({ length: rows }, (_, i) => ((data[i * 4] as number) * (data[i * 4 + 1] as number) > 0 ? 1 : 0)),
  );
}
// 7 steps an epoch, the last of them smaller.
const train = labelled(100, 3);
const dev = labelled(40, 4);
const net = (keepProb = 0.8): Model => sequential([dense(8), batchNorm(), relu(), dropout({ keepProb }), dense(2)]);
type Options = FitOptions<Dataset | undefined>;
const base: Options = {
  dev,
  loss: crossEntropy(),
  optimizer: adamW({ learningRate: 0.02 }),
  batchSize: 16,
  epochs: 6,
  seed: 2,
  progress: false,
};

const root = mkdtempSync(join(tmpdir(), "minibatch-steering-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let files = 0;
let log: string;
let said: string[] = [];
beforeEach(() => {
  log = join(root, `run ${++files}.jsonl`);
  said = [];
  vi.spyOn(console, "error").mockImplementation((message) => said.push(String(message)));
});
afterEach(() => vi.restoreAllMocks());

const lines = (): Record<string, unknown>[] =>
  readFileSync(log, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);

/** Parameters, and what the running statistics make of dev. */
const bits = (model: Model) =>
  [...model.parameters().map((parameter) => parameter.data("f32")), model.predictSync(dev.x).data("f32")].map((numbers) =>
    Buffer.from(numbers.buffer).toString("hex"),
  );

describe("run.set", () => {
  const settings = {
    learningRate: 0.005,
    regularizer: l2(0.3),
    weightDecay: 0.2,
    keepProb: 0.6,
    clipNorm: 0.5,
    clipValue: 0.1,
    batchSize: 25,
  } as const;
  it.each([
    ["the learning rate", { learningRate: 0.005 }, { optimizer: adamW({ learningRate: 0.005 }) }],
    ["a schedule", { learningRate: schedule.exponential({ initial: 0.03, base: 0.5 }) }, { optimizer: adamW({ learningRate: schedule.exponential({ initial: 0.03, base: 0.5 }) }) }], // biome-ignore format: a table
    ["the regulariser", { regularizer: l1(0.3) }, { regularizer: l1(0.3) }],
    ["weight decay", { weightDecay: 0.2 }, { optimizer: adamW({ learningRate: 0.02, weightDecay: 0.2 }) }],
    ["the keep probability", { keepProb: 0.5 }, { keep: 0.5 }],
    ["no dropout at all", { keepProb: { dropout_1: 1 } }, { keep: 1 }],
    ["clipping by norm", { clipNorm: 0.5 }, { clipNorm: 0.5 }],
    ["clipping by value", { clipValue: 0.01 }, { clipValue: 0.01 }],
    ["the batch size", { batchSize: 32 }, { batchSize: 32 }],
    ["all rows at once", { batchSize: "all" }, { batchSize: "all" }],
    ["all of it", settings, { ...settings, keep: 0.6, optimizer: adamW({ learningRate: 0.005, weightDecay: 0.2 }) }],
  ] as const)("before the first step is the option: %s", async (_, values, asOptions) => {
    const { keep = 0.8, ...options } = asOptions as { keep?: number } & Partial<Options>;
    const { learningRate: _rate, weightDecay: _decay, keepProb: _keep, ...fit } = options as Record<string, unknown>;
    const [plain, steered, untouched] = [net(keep), net(), net()];
    await untouched.fit(train, base);
    const expected = await plain.fit(train, { ...base, ...fit });
    const run = steered.fit(train, base);
    const applied = run.set(values);
    const got = await run;
    expect(await applied).toMatchObject({ step: 0, epoch: 1, mark: { name: "before change 1", step: 0, automatic: true } });
    expect(bits(steered)).toEqual(bits(plain));
    expect(bits(steered)).not.toEqual(bits(untouched));
    expect(got.last.trainLoss).toBe(expected.last.trainLoss);
    expect(got.last.devLoss).toBe(expected.last.devLoss);
    expect(got.interventions).toMatchObject([{ step: 0, what: "set" }]);
  });

  it.each([
    ["learningRate", { learningRate: 0.001 }],
    ["regularizer", { regularizer: l2(2) }],
    ["weightDecay", { weightDecay: 0.5 }],
    ["keepProb", { keepProb: 0.5 }],
    ["keepProb 1", { keepProb: 1 }],
    ["clipNorm", { clipNorm: 0.01 }],
    ["clipValue", { clipValue: 0.001 }],
    ["batchSize", { batchSize: 10 }],
  ] as const)("acts on a run that has made its steps already: %s", async (_, values) => {
    const [untouched, steered] = [net(), net()];
    await untouched.fit(train, { ...base, epochs: 3 });
    const run = steered.fit(train, { ...base, epochs: 3 });
    for await (const { epoch } of run) if (epoch === 2) run.set(values);
    expect((await run).interventions).toHaveLength(1);
    expect(bits(steered)).not.toEqual(bits(untouched));
  });

  it("takes a thing away with null", async () => {
    const [plain, steered] = [net(), net()];
    await plain.fit(train, base);
    const run = steered.fit(train, { ...base, regularizer: l2(0.5), clipNorm: 0.1, clipValue: 0.01 });
    run.set({ regularizer: null, clipNorm: null, clipValue: null });
    await run;
    expect(bits(steered)).toEqual(bits(plain));
  });

  it("gives a learning rate to the next step and everything else to the next epoch", async () => {
    const model = net();
    const run = model.fit(train, {
      ...base,
      onStep: ({ step }) => {
        if (step === 9) {
          run.set({ batchSize: 50, learningRate: 0.001 });
          run.set({ learningRate: 0.01 });
        }
      },
    });
    const { interventions, epochs } = await run;
    const [first, second] = interventions as [(typeof interventions)[0], (typeof interventions)[0]];
    expect(first).toMatchObject({ what: "set", value: { learningRate: 0.01 } });
    expect(first.step).toBeGreaterThanOrEqual(9);
    expect(first.step).toBeLessThan(15);
    // What was asked for last holds: the rate of the call that waited is not taken any more.
    expect(second).toEqual({ step: 14, what: "set", value: { batchSize: 50 } });
    expect(epochs.map(({ step }) => step)).toEqual([7, 14, 16, 18, 20, 22]);
    expect(epochs.map(({ learningRate }) => learningRate)).toEqual([0.02, 0.01, 0.01, 0.01, 0.01, 0.01]);
  });

  it("resolves with undefined when the run ends before it takes effect", async () => {
    let late: Promise<unknown> | undefined;
    const run = net().fit(train, {
      ...base,
      epochs: 1,
      onStep: ({ step }) => {
        if (step === 3) late = run.set({ batchSize: 10 });
      },
    });
    const { interventions } = await run;
    expect(await late).toBeUndefined();
    // Later still: whether a call comes just before the end or just after it is chance.
    expect(await run.set({ batchSize: 10 })).toBeUndefined();
    expect(() => run.set({ batchSize: 0 })).toThrow(/^run\.set: batchSize/);
    expect(interventions).toEqual([]);
  });

  it("evaluates with the regulariser in force", async () => {
    const model = net();
    const run = model.fit(train, base);
    for await (const { epoch } of run) if (epoch === 5) run.set({ regularizer: l2(40), learningRate: 1e-12 });
    const { epochs } = await run;
    expect(epochs[5]?.devLoss).toBeGreaterThan((epochs[4]?.devLoss ?? 0) + 1);
    expect((await model.evaluate(dev)).loss).toBeCloseTo(epochs[5]?.devLoss as number, 5);
  });
});

describe("marks", () => {
  it("bring back weights, optimizer and settings exactly; steps count on", async () => {
    // Undisturbed, but for a mark.
    const plain = net();
    const run = plain.fit(train, { ...base, epochs: 3 });
    await run;
    // The same epochs 1 to 3, then two that are undone.
    const steered = net();
    let atMark: string[] | undefined;
    const steeredRun = steered.fit(train, { ...base, epochs: 5 });
    for await (const { epoch } of steeredRun) {
      if (epoch === 3) {
        atMark = bits(steered);
        await steeredRun.mark("good");
        steeredRun.set({ learningRate: 3, keepProb: 0.2 });
      }
      if (epoch === 4) {
        await steeredRun.revert("good");
        expect(bits(steered)).toEqual(atMark);
      }
    }
    const { epochs, interventions } = await steeredRun;
    expect(atMark).toEqual(bits(plain));
    expect(epochs.map(({ step }) => step)).toEqual([7, 14, 21, 28, 35]);
    expect(epochs.map(({ learningRate }) => learningRate)).toEqual([0.02, 0.02, 0.02, 3, 0.02]);
    expect(interventions).toEqual([
      { step: 21, what: "mark", value: "good" },
      { step: 21, what: "set", value: { learningRate: 3, keepProb: { dropout_1: 0.2 } } },
      { step: 28, what: "revert", value: "good" },
    ]);
  });

  it.each([adamW({ learningRate: 0.02 }), momentum({ learningRate: 0.1 })])(
    "go on as if nothing had happened since: the optimizer's averages and their count too",
    async (optimizer) => {
      // Every epoch is one step of all rows in their order: nothing depends on its number.
      const options: Options = { ...base, optimizer, batchSize: "all", shuffle: false };
      const [plain, steered] = [net(1), net(1)];
      await plain.fit(train, { ...options, epochs: 5 });
      const run = steered.fit(train, { ...options, epochs: 7 });
      for await (const { epoch } of run) {
        if (epoch === 3) await run.set({ learningRate: 1 });
        if (epoch === 5) await run.revert();
      }
      await run;
      expect(bits(steered)).toEqual(bits(plain));
    },
  );

  it("are kept before every change, the newest three, and undo one change after another", async () => {
    const model = net();
    const names: string[] = [];
    const rates: (number | undefined)[] = [];
    const run = model.fit(train, { ...base, epochs: 8 });
    for await (const { epoch, learningRate } of run) {
      rates.push(learningRate);
      if (epoch <= 4) await run.set({ learningRate: 0.02 * (epoch + 1) });
      else if (epoch <= 7) await run.revert();
      names.push(run.marks.map(({ name }) => name).join());
    }
    expect(names.slice(3, 7)).toEqual([
      "before change 2,before change 3,before change 4",
      "before change 2,before change 3",
      "before change 2",
      "",
    ]);
    expect(rates).toEqual([0.02, 0.04, 0.06, 0.08, 0.1, 0.08, 0.06, 0.04]);
    await expect(run.revert()).rejects.toThrow(/^run: it has ended/);
  });

  it("go back without the settings where that is asked for", async () => {
    const run = net().fit(train, { ...base, epochs: 4 });
    for await (const { epoch } of run) {
      if (epoch === 1) await run.set({ learningRate: 0.1 });
      if (epoch === 2) await run.revert(run.marks[0], { settings: "keep" });
    }
    const { epochs, interventions } = await run;
    expect(epochs.map(({ learningRate }) => learningRate)).toEqual([0.02, 0.1, 0.1, 0.1]);
    expect(interventions.at(-1)?.value).toEqual({ mark: "before change 1", settings: "keep" });
  });

  it("have names, and those that are kept before changes are the run's own", async () => {
    const run = net().fit(train, { ...base, epochs: 1 });
    await expect(run.mark(undefined as never)).rejects.toThrow(/^run.mark: expected a name, got undefined/);
    await expect(run.mark("before change 1")).rejects.toThrow(/^run.mark: "before change N" are names of automatic marks/);
    await run;
    expect(run.marks).toEqual([]);
  });

  it("save a run that is not finite any more", async () => {
    const model = net();
    const run = model.fit(train, { ...base, optimizer: sgd({ learningRate: 0.02 }), epochs: 5 });
    let healthy: string | undefined;
    for await (const { epoch, trainLoss } of run) {
      if (epoch === 2) await run.set({ learningRate: 1e38 });
      if (!Number.isFinite(trainLoss)) {
        expect(gradientHealth(run).verdict).toBe("not finite");
        await run.revert();
        healthy = gradientHealth(run).verdict;
      }
    }
    const { epochs, stoppedBecause } = await run;
    expect(stoppedBecause).toBe("epochs");
    expect(epochs.map(({ trainLoss }) => Number.isFinite(trainLoss))).toEqual([true, true, false, true, true]);
    expect(healthy).not.toBe("not finite");
    expect(said).toEqual([]);
  });
});

it("a run that a revert to other batches made not finite is looked at on the rows of its last step", async () => {
  // Checkpoints every 5 steps: the revert takes effect within the second epoch, of 50 steps until then.
  const run = net(1).fit(train, {
    ...base,
    optimizer: sgd({ learningRate: 0.01 }),
    batchSize: 20,
    epochs: 3,
    checkpoint: { dir: `${log} checkpoints`, every: { steps: 5 } },
    onEpoch: ({ epoch }, own) => (epoch === 1 ? own.set({ batchSize: 2 }) : undefined),
    onStep: ({ step }) => {
      if (step !== 28) return;
      run.revert().catch(() => undefined);
      run.set({ learningRate: 1e38 });
    },
  });
  const { stoppedBecause, interventions } = await run;
  expect(stoppedBecause).toBe("not finite");
  expect(interventions.map(({ what }) => what)).toEqual(["set", "revert", "set"]);
  const { verdict, layers } = gradientHealth(run);
  expect(verdict).toBe("not finite");
  expect(layers[0]?.activation).toBeGreaterThan(0);
});

it("a revert brings back the optimizer's state too: what follows is what followed the mark", async () => {
  // The same rows in every step, and no draws: only the state tells one step from another.
  const still: Options = {
    loss: crossEntropy(),
    optimizer: adam({ learningRate: 0.05 }),
    batchSize: "all",
    shuffle: false,
    epochs: 6,
    seed: 2,
  };
  const plain = () => sequential([dense(8), relu(), dense(2)]);
  const undisturbed = await plain().fit(train, still);
  const run = plain().fit(train, still);
  for await (const { epoch } of run) {
    if (epoch === 2) await run.mark("good");
    if (epoch === 4) await run.revert("good");
  }
  const { epochs } = await run;
  expect(epochs.slice(4).map(({ trainLoss }) => trainLoss)).toEqual(undisturbed.epochs.slice(2, 4).map(({ trainLoss }) => trainLoss));
});

it("a keep probability of one dropout layer leaves what was set for another", async () => {
  const two = () => sequential([dense(8), dropout({ keepProb: 0.9 }), dense(8), dropout({ keepProb: 0.9 }), dense(2)]);
  const weights = async (...changes: { keepProb: Record<string, number> }[]) => {
    const model = two();
    const run = model.fit(train, { loss: crossEntropy(), optimizer: sgd({ learningRate: 0.1 }), epochs: 3, seed: 2 });
    for await (const { epoch } of run) if (epoch === 1) for (const change of changes) await run.set(change);
    await run;
    return model.parameters().map((parameter) => [...parameter.value().data()]);
  };
  const together = await weights({ keepProb: { dropout_1: 0.5, dropout_2: 0.7 } });
  expect(await weights({ keepProb: { dropout_1: 0.5 } }, { keepProb: { dropout_2: 0.7 } })).toEqual(together);
});

/** Five interventions and more, one of them a revert; with `inside` one from the middle of an epoch, at whatever step it arrives. */
async function babysat(model: Model, options: Partial<Options> = {}, inside = true): Promise<void> {
  const run = model.fit(train, {
    ...base,
    epochs: 8,
    ...options,
    onStep: ({ step }) => {
      if (inside && step === 10) run.set({ learningRate: 0.05 });
    },
  });
  for await (const { epoch } of run) {
    if (epoch === 2) await run.set({ learningRate: 0.5, keepProb: 0.6 });
    if (epoch === 3) await run.revert();
    if (epoch === 4) await run.mark("here");
    if (epoch === 5) await run.set({ regularizer: l2(0.1), batchSize: 20, clipNorm: 1, weightDecay: 0.05 });
    if (epoch === 6) await run.set({ clipNorm: null, learningRate: 0.01 });
    if (epoch === 7) run.stop();
  }
  await run;
}

describe("a log and its replay", () => {
  it("give the same weights bit for bit, with other threads", async () => {
    const model = net();
    await babysat(model, { log, threads: 1 });
    const done = lines()
      .slice(1)
      .filter(({ what }) => what !== "epoch");
    expect(done.map(({ what }) => what)).toEqual(["set", "set", "revert", "mark", "set", "set", "stop", "end"]);
    expect(done.map(({ step }) => step).slice(1)).toEqual([14, 21, 28, 35, 40, 45, 45]);
    const again = net();
    const history = await replay(pathToFileURL(log), again, train, { dev, threads: 2 });
    expect(bits(again)).toEqual(bits(model));
    expect(history.stoppedBecause).toBe("stop");
    expect(history.interventions.map(({ what }) => what)).toEqual(done.slice(0, -1).map(({ what }) => what));
  });

  it("is the same file for the same run", async () => {
    const other = join(root, "other.jsonl");
    const options = { ...base, regularizer: l2(0.1), epochs: 2 };
    await net().fit(train, { ...options, log });
    await net().fit(train, { ...options, log: other, threads: 1 });
    expect(readFileSync(other, "utf8")).toBe(readFileSync(log, "utf8"));
  });

  it("costs a run nothing of its bits", async () => {
    const [plain, logged] = [net(), net()];
    await plain.fit(train, base);
    await logged.fit(train, { ...base, log });
    expect(bits(logged)).toEqual(bits(plain));
  });

  it.each([
    [
      "a step",
      '"step":21,"what":"revert"',
      '"step":20,"what":"revert"',
      /^replay: line \d+ must not have a step before that of the lines above it, 21, got 20/,
    ],
    [
      "a value",
      '"learningRate":0.01',
      '"learningRate":0.0100001',
      /^replay: the weights after epoch 7 must be those of the log, expected SHA-256 [0-9a-f]{64}/,
    ],
    ["the seed", '"seed":2', '"seed":3', /^replay: the run must be the one of the log: seed expected 2, got 3/],
    ["the first weights", /"start":"../, '"start":"zz', /^replay: the model must start with the weights of the run/],
    [
      "the end",
      '"because":"stop"',
      '"because":"epochs"',
      /^replay: the run must end because of "epochs" at step 45, got "stop" at step 45/,
    ],
  ] as const)("sees that %s is another", async (_, from, to, says) => {
    await babysat(net(), { log });
    const text = readFileSync(log, "utf8");
    expect(text.replace(from, to)).not.toBe(text);
    writeFileSync(log, text.replace(from, to));
    await expect(replay(log, net(), train, { dev })).rejects.toThrow(says);
  });

  it("sees other data, another model and weights that are not the first", async () => {
    await net().fit(train, { ...base, epochs: 1, log });
    await expect(replay(log, net(), labelled(100, 5), { dev })).rejects.toThrow(/train\.content expected [0-9a-f]+, got [0-9a-f]+/);
    await expect(replay(log, net(0.7), train, { dev })).rejects.toThrow(/layers\.dropout_1 expected/);
    const trained = net();
    await trained.fit(train, { ...base, epochs: 1 });
    await expect(replay(log, trained, train, { dev })).rejects.toThrow(/^replay: the model must start with the weights of the run/);
    await expect(replay(log, trained, train, { dev, verify: false })).resolves.toMatchObject({ stoppedBecause: "epochs" });
  });

  it("sees that a change took effect at another step", async () => {
    await net().fit(train, { ...base, epochs: 1, log });
    const [header, ...rest] = readFileSync(log, "utf8").split("\n");
    const withChange = (step: number) => [header, `{"step":${step},"what":"set","value":{"learningRate":0.5}}`, ...rest].join("\n");
    const weightsWith = async (step: number) => {
      writeFileSync(log, withChange(step));
      const model = net();
      await replay(log, model, train, { dev, verify: false });
      return bits(model);
    };
    expect(await weightsWith(3)).not.toEqual(await weightsWith(4));
    await expect(replay(log, net(), train, { dev })).rejects.toThrow(/^replay: the weights after epoch 1 must be those of the log/);
  });

  it("reads a log of more epochs than a call may have arguments", async () => {
    await net().fit(train, { ...base, epochs: 1, log });
    const [header, epoch] = readFileSync(log, "utf8").split("\n") as [string, string];
    const many = Array.from({ length: 200_000 }, (_, i) => epoch.replace(/"epoch":1/, `"epoch":${i + 1}`));
    writeFileSync(log, `${[header, ...many].join("\n")}\n`);
    const other = sequential([dense(3), relu(), dense(2)]);
    await expect(replay(log, other, train, { dev })).rejects.toThrow(/^replay: the run must be the one of the log/);
    const control = new RunControl<number>();
    control.restore(Array(200_000).fill(1), [], false);
    expect(control.epochs).toHaveLength(200_000);
  });

  it("keeps apart what was done before and after the end of an epoch that a stop cut short", async () => {
    const model = net();
    const run = model.fit(train, {
      ...base,
      log,
      onStep: ({ step }) => {
        if (step > 1) return;
        run.stop();
        run.set({ learningRate: 0.5 });
      },
    });
    run.mark("start");
    const seen: string[][] = [];
    for await (const _ of run) {
      seen.push(bits(model));
      run.set({ clipNorm: 1 });
      await run.revert("start");
    }
    const { interventions, epochs } = await run;
    // All at step 1: two before the epoch was closed there, two after.
    expect(interventions.map(({ step, what }) => `${what} ${step}`)).toEqual(["mark 0", "stop 1", "set 1", "set 1", "revert 1"]);
    expect(epochs.map(({ step }) => step)).toEqual([1]);
    const again = net();
    expect((await replay(log, again, train, { dev })).interventions).toEqual(interventions);
    expect(bits(again)).toEqual(bits(model));
    expect(seen).not.toContainEqual(bits(model));
  });

  it("plays a log that a crash cut short to its last whole line", async () => {
    await babysat(net(), { log });
    const text = readFileSync(log, "utf8").split("\n");
    const at = text.findIndex((line) => line.includes('"epoch":5'));
    writeFileSync(log, [...text.slice(0, at + 1), text[at + 1]?.slice(0, 9)].join("\n"));
    const { epochs, stoppedBecause } = await replay(log, net(), train, { dev });
    expect(epochs).toHaveLength(5);
    expect(stoppedBecause).toBe("stop");
  });

  it("needs schedules, which are functions, once more", async () => {
    const rate = schedule.exponential({ initial: 0.02, base: 0.9 });
    const slower = schedule.exponential({ initial: 0.01, base: 0.9 });
    const model = net();
    const run = model.fit(train, { ...base, optimizer: adam({ learningRate: rate }), log });
    for await (const { epoch } of run) if (epoch === 3) run.set({ learningRate: slower });
    await expect(replay(log, net(), train, { dev })).rejects.toThrow(/learning rate was a schedule, .* option optimizer/);
    const optimizer = adam({ learningRate: rate });
    await expect(replay(log, net(), train, { dev, optimizer })).rejects.toThrow(/^replay: the run was given a schedule at step 21/);
    const again = net();
    await replay(log, again, train, { dev, optimizer, schedules: [slower] });
    expect(bits(again)).toEqual(bits(model));
    const wrong = { dev, optimizer, schedules: [slower, slower] };
    await expect(replay(log, net(), train, wrong)).rejects.toThrow(/^replay: expected 1 schedules, .* got 2/);
  });

  it("goes on with a run that is resumed, settings, marks and all, and replays the whole of it", async () => {
    const dir = join(root, `folder ${files}`);
    const undisturbed = net();
    await babysat(undisturbed, {}, false);
    const model = net();
    const checkpoint = { dir, every: { steps: 5 } };
    // Dies in the middle of epoch 4: what the log has beyond the last checkpoint happens again.
    const end = new AbortController();
    const die = ({ epoch }: { epoch: number }) => {
      if (epoch === 4) end.abort(new Error("died"));
    };
    const died = babysat(model, { log, checkpoint, signal: end.signal, onEpoch: die }, false);
    await expect(died).rejects.toThrow("died");
    writeFileSync(log, `${readFileSync(log, "utf8")}{"step":2`);
    const resumed = net();
    await babysat(resumed, { log, checkpoint, resume: dir }, false);
    expect(bits(resumed)).toEqual(bits(undisturbed));
    const again = net();
    await replay(log, again, train, { dev });
    expect(bits(again)).toEqual(bits(undisturbed));
    await expect(net().fit(train, { ...base, seed: 9, log, checkpoint: { dir: `${dir} 2` }, resume: `${dir} 2` })).rejects.toThrow(
      /^fit: log must be that of the run it resumes: seed expected 2, got 9/,
    );
  });

  it("forget what happened after the checkpoint that a resume goes on from", async () => {
    const dir = join(root, `folder ${files}`);
    const options = { ...base, log, checkpoint: { dir, every: 2 } };
    const end = new AbortController();
    const first = net().fit(train, { ...options, signal: end.signal });
    const died = (async () => {
      for await (const { epoch } of first) {
        if (epoch === 3) await first.set({ learningRate: 0.5 });
        if (epoch === 4) end.abort(new Error("died"));
      }
    })();
    await expect(died).rejects.toThrow("died");
    const model = net();
    const run = model.fit(train, { ...options, resume: dir });
    for await (const { epoch } of run) if (epoch === 4) await run.set({ learningRate: 0.004 });
    expect((await run).interventions).toEqual([{ step: 28, what: "set", value: { learningRate: 0.004 } }]);
    const again = net();
    await replay(log, again, train, { dev });
    expect(bits(again)).toEqual(bits(model));
  });

  it("is never written over, and a disk that is full costs no training", async () => {
    writeFileSync(log, "precious");
    await expect(net().fit(train, { ...base, log })).rejects.toThrow(/^fit: log must be a new file, got ".*", which has 8 bytes/);
    expect(readFileSync(log, "utf8")).toBe("precious");
    const { stoppedBecause } = await net().fit(train, { ...base, epochs: 2, log: "/dev/full" });
    expect(stoppedBecause).toBe("epochs");
    expect(said).toEqual([expect.stringMatching(/^minibatch: fit: log: the disk is full, got "\/dev\/full"; training goes on/)]);
  });

  it.each([
    ["no log", "precious", /^replay: line 1 must begin the log of a run/],
    ["nothing", "", /^replay: line 1 must begin the log of a run/],
    ["another version", '{"format":"minibatch run","version":7}\n', /^replay: line 1 must have version 1, got 7/],
    ["a header without options", '{"format":"minibatch run","version":1}\n', /^replay: line 1 must have options .*, identity and start/],
    ["a header without a loss", '{"format":"minibatch run","version":1,"options":{},"identity":{},"start":""}\n', /^replay: line 1 must have options with a loss/], // biome-ignore format: a table
  ])("refuses a file that is %s", async (_, text, says) => {
    writeFileSync(log, text);
    await expect(replay(log, net(), train)).rejects.toThrow(says);
  });

  it.each([
    ['{"step":3', /^replay: line 2 is damaged: /],
    ['{"what":"set"}', /^replay: line 2 must have a step, got undefined/],
    ['{"step":1,"what":"dance"}', /^replay: line 2 must say what was done \(pause, resume, stop, .*\), got "dance"/],
    ['{"step":1,"what":"set","value":{"learningRate":-1}}', /^replay: set: learningRate must be/],
    ['{"step":1,"what":"set","value":{"speed":1}}', /^replay: set: unknown option "speed"/],
    ['{"step":1,"what":"set","value":null}', /^replay: line 2 must have what belongs to set as value, got null/],
    ['{"step":1,"what":"mark"}', /^replay: line 2 must have what belongs to mark as value, got undefined/],
    ['{"step":1,"what":"mark","value":"before change 2"}', /^replay: mark: "before change N" are names of automatic marks/],
    ['{"step":1,"what":"revert","value":{"mark":5}}', /^replay: line 2 must have what belongs to revert as value/],
    ['{"step":1,"what":"revert","value":"nowhere"}', /no mark named "nowhere"/],
    ['{"step":1000,"what":"stop"}', /^replay: line 3 must not have a step before that of the lines above it, 1000, got 7/],
    [
      '{"step":1,"what":"resumed","epochs":0,"interventions":[{"step":1}]}',
      /^replay: line 2 must have interventions that are whole; one must say what was done/,
    ],
  ])("refuses the line %s", async (line, says) => {
    await net().fit(train, { ...base, epochs: 1, log });
    const text = readFileSync(log, "utf8").split("\n");
    text.splice(1, 0, line);
    writeFileSync(log, text.join("\n"));
    await expect(replay(log, net(), train, { dev })).rejects.toThrow(says);
  });
});

describe("a change that waits for the next epoch", () => {
  it("is in a checkpoint from before it, and takes effect after the resume", async () => {
    const dir = join(root, `folder ${files}`);
    const checkpoint = { dir, every: { steps: 1 } };
    const first = net().fit(train, {
      ...base,
      checkpoint,
      log,
      onStep: ({ step }) => {
        if (step === 9) first.set({ batchSize: 50 });
        if (step === 11) first.stop();
      },
    });
    expect((await first).last.step).toBeLessThan(14);
    const model = net();
    const { interventions, epochs } = await model.fit(train, { ...base, checkpoint, resume: dir, log });
    expect(interventions.filter(({ what }) => what === "set")).toEqual([{ step: 14, what: "set", value: { batchSize: 50 } }]);
    expect(epochs.map(({ step }) => step)).toEqual([7, 14, 16, 18, 20, 22]);
    // A stop that a resume went on from is none.
    const again = net();
    await replay(log, again, train, { dev });
    expect(bits(again)).toEqual(bits(model));
  });
});
