// Choosing a framework: how much there is to write, how fast it runs, how open it is; measured here, on your machine, for this library.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { adam, backend, crossEntropy, dense, relu, sequential, type Variable } from "minibatch";
import { digits, split, standardize } from "minibatch/data";
import { bars } from "minibatch/plot";
import { claim, percent, picture, small, table } from "./claim.ts";

const seed = 1;
const here = readFileSync(fileURLToPath(import.meta.url), "utf8");
/** Lines of code between two marks of this very file: what one writes. */
const linesOf = (name: string) => {
  const [, after = ""] = here.split(`\n// [${name}\n`);
  const [text = ""] = after.split("\n// ]\n");
  return text.split("\n").filter((line) => !/^\s*(\/\/.*)?$/.test(line)).length;
};

// 1. Ease of programming. The whole of it: real data, its parts, scaling, a network, training, the test.
// [library
const { train, test } = split(await digits(), { test: 0.3, stratify: true, seed });
const model = sequential([standardize(train).layer(), dense(128), relu(), dense(10)]);
const library = async (epochs: number) => {
  const options = { loss: crossEntropy(), optimizer: adam({ learningRate: 1e-3 }), batchSize: 64, epochs, seed };
  await model.fit(train, options);
  return (await model.evaluate(test)).accuracy;
};
// ]

// The same without a library: plain loops, and every derivative by hand. Simplest descent only; Adam, saving, threads would come on top.
// [loops
let state = seed;
/** A number in [0, 1): a linear congruential generator with the constants of Numerical Recipes, good enough for first weights. */
const random = () => {
  state = (1664525 * state + 1013904223) % 2 ** 32;
  return state / 2 ** 32;
};
const layer = (nIn: number, nOut: number) => ({
  w: Float32Array.from({ length: nIn * nOut }, () => (2 * random() - 1) * Math.sqrt(6 / nIn)),
  b: new Float32Array(nOut),
  nIn,
  nOut,
});
const [first, second] = [layer(64, 128), layer(128, 10)];
function forward({ w, b, nIn, nOut }: typeof first, x: Float32Array, rows: number): Float32Array {
  const z = new Float32Array(rows * nOut);
  for (let r = 0; r < rows; r++) {
    for (let j = 0; j < nOut; j++) z[r * nOut + j] = b[j] as number;
    for (let i = 0; i < nIn; i++) {
      const value = x[r * nIn + i] as number;
      for (let j = 0; j < nOut; j++) z[r * nOut + j] = (z[r * nOut + j] as number) + value * (w[i * nOut + j] as number);
    }
  }
  return z;
}
function backward({ w, b, nIn, nOut }: typeof first, x: Float32Array, dz: Float32Array, rows: number, rate: number): Float32Array {
  const dx = new Float32Array(rows * nIn);
  const dw = new Float32Array(nIn * nOut);
  for (let r = 0; r < rows; r++) {
    for (let i = 0; i < nIn; i++) {
      let sum = 0;
      const value = x[r * nIn + i] as number;
      for (let j = 0; j < nOut; j++) {
        const d = dz[r * nOut + j] as number;
        sum += d * (w[i * nOut + j] as number);
        dw[i * nOut + j] = (dw[i * nOut + j] as number) + value * d;
      }
      dx[r * nIn + i] = sum;
    }
    for (let j = 0; j < nOut; j++) b[j] = (b[j] as number) - rate * (dz[r * nOut + j] as number);
  }
  for (let i = 0; i < w.length; i++) w[i] = (w[i] as number) - rate * (dw[i] as number);
  return dx;
}
function answer(x: Float32Array, rows: number): { a: Float32Array; p: Float32Array } {
  const a = forward(first, x, rows).map((z) => Math.max(0, z));
  const p = forward(second, a, rows).map(Math.exp);
  for (let r = 0; r < rows; r++) {
    const sum = p.subarray(10 * r, 10 * r + 10).reduce((s, e) => s + e, 0);
    for (let j = 10 * r; j < 10 * r + 10; j++) p[j] = (p[j] as number) / sum;
  }
  return { a, p };
}
function epochByHand(x: Float32Array, y: Int32Array, batchSize: number, rate: number): void {
  for (let from = 0; from < y.length; from += batchSize) {
    const rows = Math.min(batchSize, y.length - from);
    const batch = x.subarray(64 * from, 64 * (from + rows));
    const { a, p } = answer(batch, rows);
    const dz = p.map((q, k) => (q - (k % 10 === y[from + Math.floor(k / 10)] ? 1 : 0)) / rows);
    const da = backward(second, a, dz, rows, rate);
    backward(
      first,
      batch,
      da.map((d, k) => ((a[k] as number) > 0 ? d : 0)),
      rows,
      rate,
    );
  }
}
// ]

// 2. Running speed, of both, on the same rows. The first epoch of each is left out: it compiles.
const m = train.x.size(0);
const { name, isa, threads } = backend();
const epochs = name === "native" ? 200 : small ? 10 : 60;
await library(1);
const began = performance.now();
const free = await ticksDuring(library(epochs));
const perSecond = (epochs * m) / ((performance.now() - began) / 1000);
const accuracy = free.result;

const scaled = standardize(train).transform(train.x).data("f32");
const labels = train.y.data("i32");
epochByHand(scaled, labels, 64, 0.3);
const rounds = small ? 3 : 10;
const beganLoops = performance.now();
for (let epoch = 0; epoch < rounds; epoch++) epochByHand(scaled, labels, 64, 0.3);
const loopsPerSecond = (rounds * m) / ((performance.now() - beganLoops) / 1000);
const { p } = answer(standardize(train).transform(test.x).data("f32"), test.x.size(0));
const right = test.y.toArray(1).filter((y, r) => p.subarray(10 * r, 10 * r + 10).every((q) => q <= (p[10 * r + y] as number))).length;

table([
  {
    program: `minibatch (${name}, ${isa}, ${threads} threads)`,
    "lines of code": linesOf("library"),
    "rows per second": Math.round(perSecond),
    "test accuracy": percent(accuracy),
  },
  {
    program: "plain loops, by hand",
    "lines of code": linesOf("loops"),
    "rows per second": Math.round(loopsPerSecond),
    "test accuracy": percent(right / test.x.size(0)),
  },
]);
claim(
  "the library's program is at most a fifth as long, and both have learned to read",
  linesOf("library") * 5 <= linesOf("loops") && accuracy > 0.93 && right / test.x.size(0) > 0.9,
);
// Times are claimed only at full length: in a few milliseconds anything may come between.
if (name === "native" && !small)
  claim("the native back end is at least twice as fast as plain loops", perSecond > 2 * loopsPerSecond, {
    times: perSecond / loopsPerSecond,
  });

// 3. A program that trains is a program that also serves, logs, answers. How long did it have to wait for its turn, while it trained?
table([{ "timers that ran": free.ticks, "longest wait, ms": free.longest, "training, ms": free.milliseconds }]);
if (name === "native" && !small)
  claim(
    "the event loop was free while it trained: no turn waited for the training to end",
    free.longest < free.milliseconds / 2 && free.ticks > 2,
  );

// 4. Openness: a licence that lets one read, change and sell; few foreign parts; files that others can read.
const root = new URL("../../", import.meta.url);
const packageFile = JSON.parse(readFileSync(new URL("package.json", root), "utf8")) as {
  license: string;
  dependencies?: Record<string, string>;
};
const bytes = (path: URL): number => {
  if (!existsSync(path)) return 0;
  if (!statSync(path).isDirectory()) return statSync(path).size;
  return readdirSync(path).reduce((sum, entry) => sum + bytes(new URL(entry, `${path.href.replace(/\/$/, "")}/`)), 0);
};
const parts = {
  "the library's code": "src/",
  "kernels and bindings, as source": "native/",
  "kernels, built": "build/Release/minibatch.node",
  "data sets": "data/",
};
table(Object.entries(parts).map(([part, path]) => ({ part, MB: bytes(new URL(path, root)) / 1e6 })));
const dependencies = Object.keys(packageFile.dependencies ?? {});
claim(
  "the licence is MIT, and what it needs to be installed is one package of headers",
  packageFile.license === "MIT" && dependencies.join() === "node-addon-api",
);

// A model file is safetensors: eight bytes of length, a header in JSON, then the numbers. Anyone can read it, with nothing of ours.
const folder = mkdtempSync(join(tmpdir(), "minibatch-course-"));
const file = join(folder, "digits.safetensors");
await model.save(file);
const weight = model.parameters()[0] as Variable; // dense_1.w [64, 128]
const read = readByHand(file, weight.name);
rmSync(folder, { recursive: true });
const kept = weight.data("f32");
claim(
  "a saved weight, read with Node alone, is the model's own, bit for bit",
  read.length === kept.length && read.every((value, i) => value === kept[i]),
  { weight: weight.name, numbers: read.length },
);

await picture(
  "20-speed",
  bars(
    [
      { name: `minibatch (${name})`, value: perSecond },
      { name: "plain loops", value: loopsPerSecond },
    ],
    { title: "Training a 64-128-10 network on digits", xLabel: "program", yLabel: "rows per second" },
  ),
);

function readByHand(path: string, tensorName: string): Float32Array {
  const buffer = readFileSync(path);
  const length = Number(buffer.readBigUInt64LE(0));
  const header = JSON.parse(buffer.toString("utf8", 8, 8 + length)) as Record<string, { data_offsets: [number, number] }>;
  const [from, to] = header[tensorName]?.data_offsets ?? [0, 0];
  return new Float32Array(Uint8Array.from(buffer.subarray(8 + length + from, 8 + length + to)).buffer);
}

/** Asks for a turn every 2 ms while something goes on. */
async function ticksDuring<T>(work: Promise<T>): Promise<{ result: T; ticks: number; longest: number; milliseconds: number }> {
  const start = performance.now();
  let [last, ticks, longest] = [start, 0, 0];
  const tick = () => {
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
  };
  const timer = setInterval(() => {
    ticks++;
    tick();
  }, 2);
  const result = await work;
  clearInterval(timer);
  tick();
  return { result, ticks, longest, milliseconds: performance.now() - start };
}
