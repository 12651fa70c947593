// What a resumed run may be asked for beside going on: the epochs made before it, and to begin again where it cannot go on.
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { adam, crossEntropy, type Dataset, dense, dropout, type Epoch, type FitOptions, type Model, relu, sequential } from "minibatch";
import { iris, split, standardize } from "minibatch/data";
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from "vitest";

const { train, dev } = split(await iris(), { dev: 0.3, stratify: true, seed: 1 });
const scaler = standardize(train);
const net = (): Model => sequential([scaler.layer(), dense(8), relu(), dropout({ keepProb: 0.9 }), dense(3)]);
type Options = FitOptions<Dataset>;
const base = (): Options => ({
  dev,
  loss: crossEntropy(),
  optimizer: adam({ learningRate: 0.02 }),
  batchSize: 16,
  epochs: 6,
  seed: 2,
  progress: false,
});

const root = mkdtempSync(join(tmpdir(), "minibatch-resume-"));
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

function hash(model: Model): string {
  const digest = createHash("sha256");
  for (const parameter of model.parameters()) digest.update(new Uint8Array(parameter.data("f32").buffer));
  return digest.digest("hex");
}

describe("a replay of earlier epochs", () => {
  /** A loop that steers, and leaves after some epoch. */
  const steered = async (more: Partial<Options>, until = Number.POSITIVE_INFINITY) => {
    const model = net();
    const looped: unknown[] = [];
    const called: number[] = [];
    const run = model.fit(train, { ...base(), ...more, onEpoch: ({ epoch }) => void called.push(epoch) });
    for await (const { seconds, ...epoch } of run as AsyncIterable<Epoch<Dataset>>) {
      looped.push(epoch);
      if (epoch.epoch === 2) await run.mark("two");
      if (epoch.epoch === 3) await run.set({ learningRate: 0.01, batchSize: 20 });
      if (epoch.epoch === 4) await run.revert("two", { settings: "keep" });
      if (epoch.epoch === until) break;
    }
    const { interventions } = await run;
    return { looped, called, weights: hash(model), interventions: interventions.filter(({ what }) => what !== "stop") };
  };

  it("shows loops and onEpoch all epochs, and what a loop did in them is not done again", async () => {
    const expected = await steered({});
    const options = { checkpoint: { dir }, resume: { dir, replay: true } };
    for (const until of [1, 3, 4, 4, 2]) {
      const { looped, called } = await steered(options, until);
      expect(looped).toEqual(expected.looped.slice(0, until));
      expect(called.slice(0, until)).toEqual([1, 2, 3, 4].slice(0, until));
    }
    expect(await steered(options)).toEqual(expected);
    // A finished run shows all of its epochs.
    expect(await steered(options)).toEqual(expected);
  });

  it("holds the training until its epochs have been looked at", async () => {
    await net().fit(train, { ...base(), epochs: 2, checkpoint: { dir } });
    const steps: number[] = [];
    const run = net().fit(train, {
      ...base(),
      checkpoint: { dir },
      resume: { dir, replay: true },
      onStep: ({ step }) => steps.push(step),
    });
    const seen: number[] = [];
    for await (const { epoch } of run) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      seen.push(epoch);
      if (epoch === 2) break;
    }
    expect(seen).toEqual([1, 2]);
    expect((await run).epochs).toHaveLength(2);
    expect(steps).toEqual([]);
  });

  it("may be left by an error of onEpoch, and by a signal", async () => {
    await net().fit(train, { ...base(), epochs: 3, checkpoint: { dir } });
    const again = (more: Partial<Options>) => net().fit(train, { ...base(), resume: { dir, replay: true }, ...more });
    const called: number[] = [];
    const onEpoch = ({ epoch }: { epoch: number }) => {
      called.push(epoch);
      if (epoch === 2) throw new Error("enough");
    };
    await expect(again({ onEpoch })).rejects.toThrow("enough");
    const abort = new AbortController();
    const stops = ({ epoch }: { epoch: number }) => {
      called.push(-epoch);
      abort.abort(new Error("no time"));
    };
    await expect(again({ onEpoch: stops, signal: abort.signal })).rejects.toThrow("no time");
    expect(called).toEqual([1, 2, -1]);
  });
});

describe("checkpoints of another run", () => {
  const options = (): Options => ({ ...base(), checkpoint: { dir }, resume: { dir, onMismatch: "restart" } });
  const trained = async (more: Options) => {
    const model = net();
    await model.fit(train, more);
    return hash(model);
  };

  it("are given up where that was asked for, and it says why", async () => {
    await trained({ ...options(), epochs: 7 });
    const expected = await trained({ ...base(), batchSize: 20 });
    expect(await trained({ ...options(), batchSize: 20 })).toBe(expected);
    expect(said.splice(0)).toEqual([
      expect.stringMatching(
        /^minibatch: resume: the run must be the one of the checkpoint: batchSize expected 16, got 20 \(checkpoint-0+49\.safetensors\); the run begins again$/,
      ),
    ]);
    // From then on they are its own.
    expect(await trained({ ...options(), batchSize: 20 })).toBe(expected);
    expect(said).toEqual([]);
  });

  it("that cannot be read are given up too, but no disk that fails", async () => {
    const expected = await trained(options());
    for (const file of readdirSync(dir)) writeFileSync(join(dir, file), "spoiled");
    expect(await trained(options())).toBe(expected);
    expect(said.join()).toMatch(/^minibatch: resume: a checkpoint must be readable, got \d damaged, [^;]*; the run begins again$/);
    rmSync(dir, { recursive: true });
    writeFileSync(dir, "a file");
    await expect(net().fit(train, options())).rejects.toThrow(/not a folder/);
  });
});
