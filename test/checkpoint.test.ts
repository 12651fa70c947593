// Checkpoints: a run that is stopped or dies and is resumed ends with the bits of the undisturbed one, damage is seen and named,
// a resume that is another run is refused, a full disk costs no training. Killed processes and power cuts: test/trust.
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
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
  type Epoch,
  type FitOptions,
  type History,
  l2,
  lambda,
  type Model,
  metrics,
  momentum,
  randomNormal,
  relu,
  schedule,
  sequential,
  sgd,
} from "minibatch";
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { checkpointVersion, decodeCheckpoint, encodeCheckpoint } from "../src/io/checkpoint-file.ts";

function labelled(rows: number, seed: number): Dataset {
  const x = randomNormal([rows, 4], { seed });
  const data = x.data();
  return dataset(
    x,
    Int32Array.from({ length: rows }, (_, i) => ((data[i * 4] as number) + (data[i * 4 + 1] as number) > 0 ? 1 : 0)),
  );
}
// 7 steps an epoch, the last of them smaller.
const train = labelled(100, 3);
const dev = labelled(40, 4);

const net = (): Model => sequential([dense(8), batchNorm(), relu(), dropout({ keepProb: 0.8 }), dense(2)]);
type Options = FitOptions<Dataset | undefined>;
const base = (): Options => ({
  dev,
  loss: crossEntropy(),
  optimizer: adam({ learningRate: 0.02 }),
  batchSize: 16,
  epochs: 6,
  seed: 2,
  progress: false,
});

const root = mkdtempSync(join(tmpdir(), "minibatch-checkpoint-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let dir: string;
let folders = 0;
let said: string[] = [];
beforeEach(() => {
  dir = join(root, `run ${++folders}`);
  said = [];
  vi.spyOn(console, "error").mockImplementation((message) => said.push(String(message)));
});
afterEach(() => vi.restoreAllMocks());

const files = () => (existsSync(dir) ? readdirSync(dir).sort() : []);
const nameOf = (step: number) => `checkpoint-${String(step).padStart(12, "0")}.safetensors`;
const pause = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds));
/** Waits, on a slow disk too, until the checkpoint of the epoch before is there and its writer is done. */
const afterLast = async (epoch: number, every = 1) => {
  const step = 7 * Math.floor((epoch - 1) / every) * every;
  for (let i = 0; step > 0 && i < 400 && !files().includes(nameOf(step)); i++) await pause(10);
  await pause(20);
};
const newest = () => join(dir, files().at(-1) as string);

function hash(model: Model): string {
  const digest = createHash("sha256");
  for (const parameter of model.parameters()) digest.update(new Uint8Array(parameter.data("f32").buffer));
  // Running statistics are no parameters: what the model answers shows them.
  digest.update(new Uint8Array(model.predictSync(dev.x).data("f32").buffer));
  return digest.digest("hex");
}

/** Everything of a history but the time it took and what was done to the run. */
function told({ epochs, best, last, stoppedBecause }: History<Epoch<Dataset | undefined>>): unknown {
  const timeless = ({ seconds, ...rest }: Epoch<Dataset | undefined>) => {
    expect(seconds).toBeGreaterThan(0);
    return rest;
  };
  return { epochs: epochs.map(timeless), best: timeless(best), last: timeless(last), stoppedBecause };
}

async function calm(options: Options, model = net()): Promise<{ weights: string; told: unknown }> {
  const history = await model.fit(train, options);
  return { weights: hash(model), told: told(history) };
}

/** Stops each segment some steps after it began and resumes it in a new model, until it ends by itself. */
async function inSegments(
  options: Options,
  stepsOf: (segment: number) => number,
  make = net,
): Promise<{ weights: string; told: unknown; segments: number }> {
  for (let segment = 0; ; segment++) {
    const model = make();
    let steps = 0;
    const run = model.fit(train, {
      ...options,
      threads: 1 + (segment % 3),
      checkpoint: { dir, every: { steps: 3 }, ...options.checkpoint },
      resume: dir,
      onStep: () => {
        if (++steps === stepsOf(segment)) run.stop();
      },
    });
    const history = await run;
    if (history.stoppedBecause !== "stop") return { weights: hash(model), told: told(history), segments: segment + 1 };
    expect(segment).toBeLessThan(100);
  }
}

describe("a run with checkpoints", () => {
  it("has the weights and the history of one without, and keeps the newest", async () => {
    const options = base();
    expect(await calm({ ...options, checkpoint: { dir, every: { steps: 2 }, keep: 2 } })).toEqual(await calm(options));
    expect(files()).toHaveLength(2);
    expect(files().at(-1)).toBe("checkpoint-000000000042.safetensors");
    expect(said).toEqual([]);
  });

  it("writes one after every so many epochs, by default after each, and always at the end", async () => {
    const steps = () => files().map((name) => Number(/\d+/.exec(name)?.[0]));
    const options = (every: number) => ({ ...base(), epochs: 5, onEpoch: ({ epoch }: { epoch: number }) => afterLast(epoch, every) });
    await net().fit(train, { ...options(1), checkpoint: { dir, keep: 10 } });
    expect(steps()).toEqual([7, 14, 21, 28, 35]);
    dir = join(root, `run ${++folders}`);
    await net().fit(train, { ...options(2), checkpoint: { dir, keep: 10, every: 2 } });
    expect(steps()).toEqual([14, 28, 35]);
    dir = join(root, `run ${++folders}`);
    await net().fit(train, { ...base(), epochs: 5, checkpoint: { dir, keep: 10, every: { seconds: 3600 } } });
    expect(steps()).toEqual([35]);
  });

  it("writes one in the middle of an epoch, at the very step", async () => {
    // Otherwise a chunk is up to all 100 steps of an epoch.
    const made = calm({ ...base(), batchSize: 1, epochs: 3, dev: undefined, checkpoint: { dir, keep: 1000, every: { steps: 134 } } });
    expect(await made).toEqual(await calm({ ...base(), batchSize: 1, epochs: 3, dev: undefined }));
    expect(files()[0]).toBe(nameOf(134));
  });
});

describe("a stopped and resumed run", () => {
  const cases: Record<string, Partial<Options>> = {
    "adam, early stopping, metrics, a schedule by steps": {
      optimizer: adam({ learningRate: schedule.cosine({ initial: 0.05, over: 60, per: "step" }) }),
      metrics: { f1: metrics.f1 },
      earlyStopping: { patience: 4, watch: "devLoss" },
      epochs: 12,
    },
    "momentum, a regulariser, clipping, no dev": {
      optimizer: momentum({ learningRate: 0.1 }),
      regularizer: l2(0.1),
      clipNorm: 0.5,
      dev: undefined,
    },
    "sgd, in order, whole batches": { optimizer: sgd({ learningRate: 0.1 }), shuffle: false, batchSize: "all", epochs: 9 },
  };
  for (const [what, options] of Object.entries(cases)) {
    it(`ends as the undisturbed one: ${what}`, async () => {
      const all = { ...base(), ...options };
      const expected = await calm(all);
      const { segments, ...got } = await inSegments(all, (segment) => [1, 5, 2, 9, 4][segment % 5] as number);
      expect(segments).toBeGreaterThan(2);
      expect(got).toEqual(expected);
      expect(said).toEqual([]);
    });
  }

  it("keeps what run.set and run.mark left", async () => {
    const steer = async (epochs: number, resume: boolean) => {
      const model = net();
      const run = model.fit(train, { ...base(), ...(resume ? { checkpoint: { dir }, resume: dir } : {}) });
      for await (const { epoch } of run) {
        if (epoch === 1) run.set({ learningRate: 0.003 });
        if (epoch === 2) await run.mark('second \ud800 "epoch"');
        if (epoch === 4) await run.revert('second \ud800 "epoch"');
        if (epoch === epochs) run.stop();
      }
      return { history: await run, model };
    };
    const expected = await steer(7, false);
    for (const epochs of [1, 3, 4]) await steer(epochs, true);
    const { history, model } = await steer(7, true);
    expect(hash(model)).toBe(hash(expected.model));
    expect(told(history)).toEqual(told(expected.history));
    expect(history.interventions.filter(({ what }) => what !== "stop")).toEqual(expected.history.interventions);
    expect(history.interventions.filter(({ what }) => what === "stop").map(({ step }) => step)).toEqual([7, 21, 28]);
  });

  it("shows loops and callbacks only the epochs that it makes itself", async () => {
    await inSegments({ ...base(), epochs: 3 }, () => 100);
    const seen: number[] = [];
    const run = net().fit(train, { ...base(), epochs: 5, resume: dir, onEpoch: ({ epoch }) => void seen.push(-epoch) });
    for await (const { epoch } of run) seen.push(epoch);
    expect(seen.map(Math.abs)).toEqual([4, 4, 5, 5]);
    expect((await run).epochs.map(({ epoch }) => epoch)).toEqual([1, 2, 3, 4, 5]);
    const late: number[] = [];
    for await (const { epoch } of run) late.push(epoch);
    expect(late).toEqual([4, 5]);
  });

  it("that is stopped again before its first step still has an epoch", async () => {
    const first = net().fit(train, { ...base(), checkpoint: { dir }, onStep: () => first.stop() });
    const { last } = await first;
    expect(last.step).toBeLessThan(7);
    const again = net().fit(train, { ...base(), checkpoint: { dir }, resume: dir });
    again.stop();
    const { epochs } = await again;
    const { seconds, ...rest } = last;
    expect(epochs).toEqual([{ ...rest, seconds: expect.any(Number) }]);
    expect(epochs[0].seconds).toBeGreaterThan(seconds / 10);
  });

  it("goes on from the last checkpoint when it was aborted", async () => {
    const expected = await calm(base());
    const abort = new AbortController();
    const run = net().fit(train, {
      ...base(),
      checkpoint: { dir, every: { steps: 2 } },
      signal: abort.signal,
      onEpoch: ({ epoch }) => {
        if (epoch === 3) abort.abort(new Error("enough"));
      },
    });
    await expect(run).rejects.toThrow("enough");
    expect(files().some((name) => name.endsWith(".tmp"))).toBe(false);
    const model = net();
    const history = await model.fit(train, { ...base(), resume: dir });
    expect({ weights: hash(model), told: told(history) }).toEqual(expected);
  });
});

describe("a finished run", () => {
  it("gives its history at once, and goes on when there are more epochs", async () => {
    const made = await calm({ ...base(), checkpoint: { dir } });
    const onStep = vi.fn();
    expect(await calm({ ...base(), resume: dir, onStep })).toEqual(made);
    expect(onStep).not.toHaveBeenCalled();
    expect(await calm({ ...base(), epochs: 9, resume: dir })).toEqual(await calm({ ...base(), epochs: 9 }));
  });

  it("that ran out of patience stays so", async () => {
    const options: Options = { ...base(), epochs: 60, earlyStopping: { patience: 2 } };
    const made = await calm({ ...options, checkpoint: { dir } });
    expect(made.told).toMatchObject({ stoppedBecause: "early stopping" });
    expect(await calm({ ...options, epochs: 80, resume: dir })).toEqual(made);
  });

  it("that was not finite leaves its last finite checkpoint", async () => {
    // The third epoch's rate destroys the weights.
    const options: Options = { ...base(), optimizer: sgd({ learningRate: ({ epoch }) => (epoch === 3 ? 1e38 : 0.1) }) };
    const made = await calm({ ...options, checkpoint: { dir } });
    expect(made.told).toMatchObject({ stoppedBecause: "not finite" });
    const { tensors } = await decodeCheckpoint(readFileSync(newest()), "newest");
    const weights = [...tensors].filter(([name]) => name.startsWith("weights/"));
    expect(weights.length).toBeGreaterThan(4);
    for (const [, { data }] of weights) expect(data.every(Number.isFinite)).toBe(true);
    expect(await calm({ ...options, resume: dir })).toEqual(made);
  });
});

describe("a folder", () => {
  it("that is missing or empty starts fresh", async () => {
    const expected = await calm({ ...base(), epochs: 2 });
    expect(await calm({ ...base(), epochs: 2, resume: dir })).toEqual(expected);
    mkdirSync(dir);
    expect(await calm({ ...base(), epochs: 2, resume: dir, checkpoint: { dir } })).toEqual(expected);
    expect(files()).not.toEqual([]);
  });

  it("that holds another run is not written over", async () => {
    await net().fit(train, { ...base(), epochs: 1, checkpoint: { dir } });
    const before = files();
    await expect(net().fit(train, { ...base(), checkpoint: { dir } })).rejects.toThrow(
      /^fit: checkpoint\.dir must hold no other run, got checkpoint-/,
    );
    expect(files()).toEqual(before);
  });

  it("in which a second run writes is left to it", async () => {
    const run = net().fit(train, {
      ...base(),
      epochs: 4,
      checkpoint: { dir, onError: "stop" },
      onEpoch: async ({ epoch }) => {
        await afterLast(epoch);
        if (epoch === 2) copyFileSync(newest(), join(dir, "checkpoint-000000000099.safetensors"));
      },
    });
    await expect(run).rejects.toThrow(/^checkpoint: one run at a time .*checkpoint-000000000099/);
  });

  it("is cleared of what a killed run left half written", async () => {
    mkdirSync(dir);
    writeFileSync(join(dir, ".checkpoint-000000000007.safetensors.0a-1b.tmp"), "half");
    writeFileSync(join(dir, "notes.txt"), "mine");
    await net().fit(train, { ...base(), epochs: 1, checkpoint: { dir } });
    expect(files()).toEqual(["checkpoint-000000000007.safetensors", "notes.txt"]);
  });
});

describe("damage", () => {
  const damage = (change: (bytes: Buffer) => Buffer) => writeFileSync(newest(), change(readFileSync(newest())));

  it("of the newest is named, and an older one is used", async () => {
    const expected = await calm(base());
    await net().fit(train, { ...base(), epochs: 4, checkpoint: { dir }, onEpoch: ({ epoch }) => afterLast(epoch) });
    damage((bytes) => {
      bytes[bytes.length - 5] = (bytes[bytes.length - 5] as number) ^ 1;
      return bytes;
    });
    expect(await calm({ ...base(), resume: dir, checkpoint: { dir, every: 100 } })).toEqual(expected);
    expect(said).toHaveLength(1);
    expect(said[0]).toMatch(
      /^minibatch: resume: checkpoint-000000000028\.safetensors is damaged \(checkpoint: the numbers of tensor ".*" must fit/,
    );
    // The damaged one is gone, once there was a newer one.
    expect(files()).not.toContain("checkpoint-000000000028.safetensors");
    expect(files()).toContain("checkpoint-000000000042.safetensors");
  });

  it("of a newer one does not count among those that are kept", async () => {
    await net().fit(train, { ...base(), epochs: 3, checkpoint: { dir, keep: 2 } });
    writeFileSync(join(dir, nameOf(99)), readFileSync(newest()).subarray(0, 1000));
    await net().fit(train, { ...base(), epochs: 4, checkpoint: { dir, keep: 2, every: 100 }, resume: dir });
    expect(said).toEqual([expect.stringMatching(/checkpoint-0+99\.safetensors is damaged/)]);
    expect(files()).toEqual([nameOf(21), nameOf(28)]);
  });

  it("of all is an error: nothing begins again unasked", async () => {
    await net().fit(train, { ...base(), epochs: 1, checkpoint: { dir } });
    damage((bytes) => bytes.subarray(0, bytes.length - 1));
    await expect(net().fit(train, { ...base(), resume: dir })).rejects.toThrow(
      /^resume: a checkpoint must be readable, got 1 damaged, the newest checkpoint-0+7\.safetensors: safetensors: /,
    );
  });

  it("is seen wherever it is", async () => {
    await net().fit(train, { ...base(), epochs: 1, checkpoint: { dir } });
    const sound = readFileSync(newest());
    const content = await decodeCheckpoint(sound, "sound");
    let seen = 0;
    for (let i = 0; i < sound.length; i += i < 8 ? 1 : 13) {
      const bytes = new Uint8Array(sound);
      bytes[i] = (bytes[i] as number) ^ (1 << (i % 8));
      const got = await decodeCheckpoint(bytes, "damaged").catch((error: unknown) => {
        expect(error).toMatchObject({ code: "FILE" });
        seen++;
        return content;
      });
      expect(got).toEqual(content);
    }
    expect(seen).toBeGreaterThan(sound.length / 13 - 20);
  });

  it("is not what a later version is", async () => {
    await net().fit(train, { ...base(), epochs: 1, checkpoint: { dir } });
    const { createHash: sha } = await import("node:crypto");
    const { decodeSafetensors, encodeSafetensors } = await import("../src/io/safetensors.ts");
    const { tensors, metadata } = decodeSafetensors(readFileSync(newest()));
    const later = String(checkpointVersion + 1);
    const seal = sha("sha256")
      .update(`${later}\n${metadata.get("sha256")}\n${metadata.get("run")}`)
      .digest("hex");
    const file = newest();
    writeFileSync(
      file.replace("007", "008"),
      encodeSafetensors({ tensors, metadata: new Map([...metadata, ["version", later], ["seal", seal]]) }),
    );
    await expect(net().fit(train, { ...base(), resume: dir })).rejects.toThrow(/version 2 can be read, got version 3 \(checkpoint-/);
  });
});

describe("another run", () => {
  beforeEach(async () => {
    await net().fit(train, { ...base(), epochs: 2, checkpoint: { dir } });
  });
  const resumed = (options: Partial<Options>, { model = net(), data = train } = {}) =>
    model.fit(data, { ...base(), resume: dir, ...options });
  const wider = () => sequential([dense(9), batchNorm(), relu(), dropout({ keepProb: 0.8 }), dense(2)]);
  const drier = () => sequential([dense(8), batchNorm(), relu(), dropout({ keepProb: 0.7 }), dense(2)]);

  const refused: readonly [what: string, make: () => PromiseLike<unknown>, says: RegExp][] = [
    ["batch size", () => resumed({ batchSize: 20 }), /batchSize expected 16, got 20 .*accept: \["batchSize"\]/],
    [
      "seed and shuffling",
      () => resumed({ seed: 3, shuffle: false }),
      /seed expected 2, got 3; shuffle expected true, got false .*\["seed","shuffle"\]/,
    ],
    ["learning rate", () => resumed({ optimizer: adam({ learningRate: 0.01 }) }), /learningRate expected 0.02, got 0.01 /],
    [
      "a schedule",
      () => resumed({ optimizer: adam({ learningRate: schedule.exponential({ initial: 0.02, base: 0.9 }) }) }),
      /learningRate expected 0.02, got a schedule/,
    ],
    ["optimizer", () => resumed({ optimizer: sgd({ learningRate: 0.02 }) }), /optimizer expected adam, got sgd/],
    [
      "a setting of the optimizer",
      () => resumed({ optimizer: adam({ learningRate: 0.02, beta1: 0.8 }) }),
      /optimizer\.beta1 expected 0.9, got 0.8/,
    ],
    ["regulariser", () => resumed({ regularizer: l2(0.5) }), /regularizer expected none, got \{"l1":0,"l2":0.5\}/],
    ["early stopping", () => resumed({ earlyStopping: { patience: 3 } }), /earlyStopping expected none/],
    ["metrics", () => resumed({ metrics: { f1: metrics.f1 } as never }), /metrics expected \[\], got \["f1"\][^;]*$/],
    ["no dev set", () => resumed({ dev: undefined }), /dev expected a data set, got none/],
    ["other rows", () => resumed({}, { data: labelled(100, 5) }), /train\.content expected [0-9a-f]{16}, got/],
    ["more rows", () => resumed({}, { data: labelled(120, 3) }), /train\.x expected f32\[100, 4\], got f32\[120, 4\]/],
    [
      "a wider model",
      () => resumed({}, { model: wider() }),
      /model\.parameters expected .*layers\.dense_1 expected dense \{"units":8\S*, got dense \{"units":9.*safetensors\)$/,
    ],
    [
      "another dropout",
      () => resumed({}, { model: drier() }),
      /layers\.dropout_1 expected dropout \{"keepProb":0.8\}, got dropout \{"keepProb":0.7\}/,
    ],
  ];
  for (const [what, make, says] of refused) {
    it(`is refused: ${what}`, async () => {
      await expect(make()).rejects.toThrow(says);
      await expect(make()).rejects.toThrow(/^resume: the run must be the one of the checkpoint: .{20,440}$/);
    });
  }

  it("is refused when the kernels or the code of a layer are others", async () => {
    const content = await decodeCheckpoint(readFileSync(newest()), "sound");
    const alter = async (name: string) => {
      const run = content.run.replace(new RegExp(`"${name}":"[^"]*"`), `"${name}":"others"`);
      expect(run).not.toBe(content.run);
      writeFileSync(newest(), await encodeCheckpoint({ ...content, run }));
    };
    await alter("kernels");
    await expect(resumed({})).rejects.toThrow(/kernels expected others, got (native|typescript) kernels/);
    await resumed({ resume: { dir, accept: ["kernels"] } });
    await alter("program");
    await expect(resumed({})).rejects.toThrow(/program expected others, got [0-9a-f]{16}/);

    dir = join(root, `run ${++folders}`);
    const own = (by: number) => sequential([dense(8), lambda((x) => x.mul(by)), dense(2)]);
    await own(2).fit(train, { ...base(), checkpoint: { dir } });
    await own(2).fit(train, { ...base(), resume: dir });
    await expect(own(3).fit(train, { ...base(), resume: dir })).rejects.toThrow(/: program expected [0-9a-f]{16}, got/);
  });

  it("goes on where the difference is accepted", async () => {
    const history = await resumed({ batchSize: 20, seed: 4, resume: { dir, accept: ["batchSize", "seed"] } });
    expect(history.epochs.map(({ step }) => step)).toEqual([7, 14, 19, 24, 29, 34]);
    const { epochs } = await resumed({ resume: { dir, accept: ["layers"] } }, { model: drier() });
    expect(epochs).toHaveLength(6);
    // What is missing is not made up.
    await expect(resumed({ optimizer: sgd({ learningRate: 0.02 }), resume: { dir, accept: ["optimizer"] } })).rejects.toThrow(
      /tensor "slots\/\w+\/batchNorm_1\.beta" belongs to no part/,
    );
  });

  it("of other rows goes on only from the end of an epoch", async () => {
    const more = labelled(120, 3);
    expect((await resumed({ resume: { dir, accept: ["train"] } }, { data: more })).last.step).toBe(14 + 4 * 8);
    dir = join(root, `run ${++folders}`);
    const run = net().fit(train, { ...base(), checkpoint: { dir }, onStep: () => run.stop() });
    await run;
    await expect(resumed({ resume: { dir, accept: ["train"] } }, { data: more })).rejects.toThrow(
      /in the middle of an epoch needs as many rows as before/,
    );
  });

  it("whose schedule came by run.set asks for it again", async () => {
    dir = join(root, `run ${++folders}`);
    const rate = schedule.exponential({ initial: 0.05, base: 0.8 });
    const steer = async (stop: number, options: Partial<Options>) => {
      const model = net();
      const run = model.fit(train, { ...base(), ...options });
      if (typeof options.resume === "object") run.set({ learningRate: rate });
      for await (const { epoch } of run) {
        if (epoch === 2) run.set({ learningRate: rate });
        if (epoch === stop) run.stop();
      }
      await run;
      return hash(model);
    };
    const expected = await steer(99, {});
    await steer(3, { checkpoint: { dir } });
    await expect(steer(99, { resume: dir })).rejects.toThrow(/^resume: run\.set had given the run a schedule/);
    expect(await steer(99, { resume: { dir, accept: ["schedule"] } })).toBe(expected);
  });
});

describe("a disk that fails", () => {
  /** Lets opening new files fail while `when` says so. */
  const failing = (code: string, when: () => boolean) => {
    const fs = process.getBuiltinModule("node:fs/promises");
    const { open } = fs;
    vi.spyOn(fs, "open").mockImplementation((path, flags, mode) =>
      flags === "wx" && when() ? Promise.reject(Object.assign(new Error(code), { code })) : open(path, flags, mode),
    );
  };

  it("costs no training: the old checkpoint stays, it is said once, and writing goes on when it can", async () => {
    const expected = await calm(base());
    let epochs = 0;
    failing("ENOSPC", () => epochs >= 3 && epochs < 6);
    const seen: string[][] = [];
    const onEpoch = async ({ epoch }: { epoch: number }) => {
      await afterLast(epoch <= 3 ? epoch : 1);
      epochs++;
      if (epochs > 2) seen.push(files());
    };
    expect(await calm({ ...base(), checkpoint: { dir, keep: 1 }, onEpoch })).toEqual(expected);
    expect(seen.every((names) => names.length === 1)).toBe(true);
    expect(seen[2]).toEqual(["checkpoint-000000000014.safetensors"]);
    expect(said).toEqual([
      expect.stringMatching(
        /^minibatch: checkpoint: the disk is full, got ".*"; training goes on, the last checkpoint is that of step 14$/,
      ),
    ]);
    expect(files()).toEqual(["checkpoint-000000000042.safetensors"]);
  });

  it("ends the run where that is asked for", async () => {
    let epochs = 0;
    failing("EIO", () => epochs >= 2);
    const model = net();
    const run = model.fit(train, {
      ...base(),
      checkpoint: { dir, onError: "stop" },
      onEpoch: async ({ epoch }) => {
        await afterLast(epoch <= 2 ? epoch : 1);
        epochs++;
      },
    });
    await expect(run).rejects.toThrow(/^checkpoint: the disk reports an error, got /);
    expect(files()).toEqual(["checkpoint-000000000007.safetensors"]);
    // The model is as after its last epoch, and free.
    const { last } = await net().fit(train, { ...base(), resume: dir });
    expect(last.epoch).toBe(6);
    expect((await model.evaluate(dev)).accuracy).toBeGreaterThan(0.4);
  });

  it("of which nothing can be read is an error of the run", async () => {
    writeFileSync(dir, "a file");
    await expect(net().fit(train, { ...base(), resume: dir })).rejects.toThrow(/^checkpoint: a part of the path is a file, not a folder/);
  });
});
