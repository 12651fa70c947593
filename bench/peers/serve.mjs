// What the JavaScript peers share: the protocol of bench/child.ts, times as bench/measure.ts takes them, and the data.
// They wait for results of their calls, where ours are there when the call returns.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { gunzipSync } from "node:zlib";

const sampleSeconds = 0.5e-3;
const chunkSeconds = 30e-3;
const warmSeconds = 1; // longer than for the others: their first steps are compiled by the engine meanwhile

const now = () => performance.now() / 1000;

function timesOf(samples) {
  const sorted = [...samples].sort((a, b) => a - b);
  return { p10: sorted[Math.floor(sorted.length / 10)], median: sorted[sorted.length >> 1] };
}

/** Seconds per call of an asynchronous `f`: samples of several calls each. */
export async function sample(f, seconds) {
  const timed = async (calls) => {
    const began = now();
    for (let i = 0; i < calls; i++) await f();
    return (now() - began) / calls;
  };
  await f();
  let calls = 1;
  while ((await timed(calls)) * calls < sampleSeconds) calls *= 2;
  const samples = [];
  const end = now() + seconds;
  while (now() < end || samples.length < 3) samples.push(await timed(calls));
  return timesOf(samples);
}

/** Seconds per training step, one figure for each chunk of about 30 milliseconds, as our own runs give them. */
export async function chunks(step, seconds) {
  const samples = [];
  const began = now();
  await step();
  while (now() < began + warmSeconds + seconds || samples.length < 3) {
    const chunk = now();
    let steps = 0;
    for (; steps === 0 || now() < chunk + chunkSeconds; steps++) await step();
    if (chunk > began + warmSeconds) samples.push((now() - chunk) / steps);
  }
  return timesOf(samples);
}

let data;

/** Fashion-MNIST, standardised by mean and deviation of all pixels. */
function load() {
  if (data) return data;
  const folder = process.env.FASHION_DIR ?? "/usr/share/datasets/fashion-mnist";
  const read = (file, header) => new Uint8Array(gunzipSync(readFileSync(`${folder}/${file}`))).subarray(header);
  const pixels = read("train-images-idx3-ubyte.gz", 16);
  let sum = 0;
  let squares = 0;
  for (const pixel of pixels) {
    sum += pixel;
    squares += pixel * pixel;
  }
  const mean = sum / pixels.length;
  const deviation = Math.sqrt(squares / pixels.length - mean * mean);
  const x = new Float32Array(pixels.length);
  for (let i = 0; i < x.length; i++) x[i] = (pixels[i] - mean) / deviation;
  data = { x, y: read("train-labels-idx1-ubyte.gz", 8) };
  return data;
}

/** Batches of shuffled rows, epoch after epoch, in new arrays: { x [rows, 784], y [rows] }. */
export function batches(rows) {
  const { x, y } = load();
  const order = Int32Array.from({ length: y.length }, (_, i) => i);
  let seed = 1;
  let at = y.length;
  return () => {
    if (at + rows > y.length) {
      at = 0;
      for (let i = order.length - 1; i > 0; i--) {
        seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
        const j = seed % (i + 1);
        [order[i], order[j]] = [order[j], order[i]];
      }
    }
    const batch = { x: new Float32Array(rows * 784), y: new Int32Array(rows) };
    for (let i = 0; i < rows; i++, at++) {
      batch.x.set(x.subarray(order[at] * 784, (order[at] + 1) * 784), i * 784);
      batch.y[i] = y[order[at]];
    }
    return batch;
  };
}

/** Numbers in [0, 1) that are always the same. */
export function numbers(length) {
  return Float32Array.from({ length }, (_, i) => ((i * 7919) % 251) / 251);
}

/** Answers tasks by `kinds` until the input ends. */
export async function serve(name, kinds) {
  for await (const line of createInterface({ input: process.stdin })) {
    const task = JSON.parse(line);
    let answer;
    try {
      if (!kinds[task.kind]) throw new Error(`${task.kind} is not measured with ${name}`);
      answer = await kinds[task.kind](task);
    } catch (error) {
      answer = { error: error instanceof Error ? error.message : String(error) };
    }
    console.log(`answer ${JSON.stringify(answer)}`);
  }
  process.exit(0);
}
