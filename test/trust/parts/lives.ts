// What the processes and workers of life-cycle.ts do; bundled by it. The first argument (of a worker: its data) says what.
import { createRequire } from "node:module";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { adam, batchNorm, compile, crossEntropy, dense, dropout, MinibatchError, relu, sequential, tensor } from "minibatch";
import { collectGarbage, Random } from "./evidence.ts";

const x = Float32Array.from({ length: 256 * 20 }, (_, i) => Math.sin(i * 0.37));
const y = Int32Array.from({ length: 256 }, (_, i) => i % 3);

function network() {
  return sequential([dense(64), batchNorm(), relu(), dropout({ keepProb: 0.8 }), dense(32), relu(), dense(3)]);
}

/** Trains until somebody ends it. */
function training(epochs = 1e9) {
  const model = network();
  const data = { x: tensor(x, { shape: [256, 20] }), y: tensor(y) };
  const run = model.fit(data, {
    loss: crossEntropy(),
    optimizer: adam({ learningRate: 1e-3 }),
    epochs,
    batchSize: 32,
    threads: 2,
    seed: 1,
  });
  return { model, run };
}

function isTyped(error: unknown): boolean {
  return error instanceof MinibatchError && !/internal:/.test(error.message);
}

/** Workers that train are terminated at random moments, two at a time; one thread goes on training beside them. */
async function terminations(n: number, random: Random): Promise<void> {
  const { run } = training();
  const one = async () => {
    const worker = new Worker(new URL(import.meta.url), { workerData: "train" });
    const wait = random.below(3) ? new Promise((resolve) => worker.once("message", resolve)) : Promise.resolve();
    await wait;
    await new Promise((resolve) => setTimeout(resolve, random.below(30)));
    const code = await worker.terminate();
    if (code !== 1 && code !== 0) throw new Error(`a worker ended with ${code}`);
  };
  for (let i = 0; i < n; i += 2) await Promise.all([one(), one()]);
  run.stop();
  await run;
}

/** Arrays are detached and shrunk, garbage is collected, models are dropped, while runs are at work. */
async function storms(n: number, random: Random): Promise<void> {
  const Resizable = ArrayBuffer as unknown as new (
    bytes: number,
    options: { maxByteLength: number },
  ) => ArrayBuffer & { resize(bytes: number): void };
  const reference = network();
  reference.build({ shape: [20], seed: 3 });
  const expected = reference.predictSync(tensor(x, { shape: [256, 20] })).data();
  for (let i = 0; i < n; i++) {
    const buffer = random.chance(0.5) ? new ArrayBuffer(x.byteLength) : new Resizable(x.byteLength, { maxByteLength: x.byteLength });
    const rows = new Float32Array(buffer);
    rows.set(x);
    const list = Array.from({ length: 256 }, (_, row) => rows.subarray(row * 20, row * 20 + 20));
    const data = { x: tensor(rows, { shape: [256, 20] }), y: tensor(y) };
    const model = network();
    const run = model.fit(data, {
      loss: crossEntropy(),
      optimizer: adam({ learningRate: 1e-3 }),
      epochs: 1 + random.below(3),
      batchSize: 16 + random.below(64),
      threads: 1 + random.below(3),
      seed: i,
    });
    const answers = [reference.predict(tensor(rows, { shape: [256, 20] })), reference.predict(list), tensor(rows).mul(2).read()];
    if (random.chance(0.5)) structuredClone(buffer, { transfer: [buffer] });
    else if ((buffer as { resizable?: boolean }).resizable)
      (buffer as ArrayBuffer & { resize(bytes: number): void }).resize(random.pick([0, 16, x.byteLength / 2]));
    if (random.chance(0.3)) collectGarbage();
    if (random.chance(0.3)) run.stop();
    try {
      reference.predict(list).catch((error: unknown) => {
        if (!isTyped(error)) throw error;
      });
    } catch (error) {
      if (!isTyped(error)) throw error;
    }
    const [first] = await Promise.all(answers);
    const got = (first as ReturnType<typeof tensor>).data();
    if (!expected.every((value, k) => Object.is(value, got[k]))) throw new Error(`storm ${i}: another prediction than before`);
    if (random.chance(0.7)) await run;
    else run.catch(() => undefined);
    if (random.chance(0.3)) collectGarbage();
  }
}

/** Every allocation of the addon fails once, one after another, until a whole round asks for fewer. */
async function allocations(most: number): Promise<void> {
  const failed = () => Number(process.env.MINIBATCH_FAILED ?? "0");
  // Loads the addon: only then it can be told whose allocations are its.
  tensor([1]).add(1).data();
  let rounds = 0;
  for (let at = 1; at <= most; at++) {
    const before = failed();
    process.env.MINIBATCH_FAIL_AT = String(at);
    // New shapes make new programs: nothing is found in a cache.
    const m = 40 + at;
    try {
      const data = { x: tensor(new Float32Array(m * 4).fill(1), { shape: [m, 4] }), y: tensor(new Int32Array(m)) };
      const model = sequential([dense(300), relu(), dense(2)]);
      const run = model.fit(data, { loss: crossEntropy(), optimizer: adam({ learningRate: 0.1 }), epochs: 1, batchSize: m, threads: 3 });
      await run;
      model.predictSync(data.x);
      await model.predict(data.x);
      compile((a) => a.mul(3).sum())(data.x).item();
    } catch (error) {
      if (!isTyped(error)) throw error;
    }
    process.env.MINIBATCH_FAIL_AT = "0";
    rounds++;
    if (failed() === before) break;
  }
  // All of it works afterwards.
  const { run } = training(2);
  await run;
  console.log(JSON.stringify({ rounds, failed: failed() }));
}

async function main(what: string, n: number, seed: number): Promise<void> {
  const random = new Random(seed);
  const sleep = () => new Promise((resolve) => setTimeout(resolve, random.below(40)));
  switch (what) {
    case "terminations":
      return terminations(n, random);
    case "storms":
      return storms(n, random);
    case "allocations":
      return allocations(n);
    case "exit":
      training();
      await sleep();
      return process.exit(7);
    case "uncaught":
      training();
      await sleep();
      setTimeout(() => {
        throw new Error("uncaught on purpose");
      }, 0);
      return;
    case "workers exit": {
      for (let i = 0; i < 3; i++) new Worker(new URL(import.meta.url), { workerData: "train" });
      training();
      await sleep();
      return process.exit(7);
    }
    case "worker uncaught": {
      const worker = new Worker(new URL(import.meta.url), { workerData: "throw" });
      worker.on("error", () => process.exit(7));
      return;
    }
    case "environments": {
      // The addon in several environments of one process, each with its own state.
      const load = createRequire(import.meta.url);
      const path = new URL("../Release/minibatch.node", import.meta.url).pathname;
      for (let i = 0; i < 4; i++) load(path);
      await Promise.all(
        Array.from(
          { length: 6 },
          (_, i) =>
            new Promise((resolve) =>
              new Worker(new URL(import.meta.url), { workerData: i % 2 ? "finish" : "throw" })
                .on("error", () => undefined)
                .on("exit", resolve),
            ),
        ),
      );
      return process.exit(7);
    }
  }
  throw new Error(`no such life: ${what}`);
}

if (isMainThread) {
  const [what, n, seed] = process.argv.slice(2);
  await main(what as string, Number(n), Number(seed));
} else if (workerData === "finish") {
  await training(3).run;
} else {
  training();
  parentPort?.postMessage("training");
  if (workerData === "throw")
    setTimeout(() => {
      throw new Error("thrown on purpose");
    }, 10);
}
