// The floating-point environment of the process: no code of ours may leave a thread flushing subnormal numbers to zero, rounding otherwise
// or trapping. Looked at after loading, after every op and after a training, on the main thread and in a worker.
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import { evidence } from "./parts/evidence.ts";

/** What is wrong with the arithmetic of this thread now. The numbers come from memory, so that nothing is folded when compiling. */
const numbers = Float64Array.of(Number.MIN_VALUE, 1, 3, 2 ** -1022, 2, 2 ** 53, 0.1, 0.2);
function wrongArithmetic(): string | undefined {
  const [tiny, one, three, smallest, two, large, a, b] = numbers as unknown as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  if (tiny * one === 0) return "a subnormal factor counts as 0";
  if (smallest / two === 0 || (smallest / two) * two !== smallest) return "a subnormal result becomes 0";
  if (Math.fround(2 ** -149) * one === 0) return "a subnormal of 32 bits counts as 0";
  if (one / three !== 0x15555555555555 / 2 ** 54 || large + one !== large || a + b !== 0.30000000000000004)
    return "numbers are rounded another way";
  return undefined;
}

async function look(found: (what: string) => void): Promise<number> {
  let looks = 0;
  const check = (when: string) => {
    looks++;
    const wrong = wrongArithmetic();
    if (wrong) found(`${isMainThread ? "main thread" : "worker"}, after ${when}: ${wrong}`);
  };
  check("nothing");
  const { adam, batchNorm, crossEntropy, dense, dropout, relu, sequential, tensor } = await import("minibatch");
  check("loading the library");
  const { table } = await import("../../src/ops/table.ts");
  const { findAddon } = await import("../../src/run/addon.ts");
  const { encodeCase } = await import("../instruction.ts");
  const { inputsOf } = await import("../samples.ts");
  const { addon } = findAddon();
  check("loading the addon");
  for (const op of table) {
    for (const [index, sample] of op.samples.entries()) {
      for (const dtype of ["f32", "f64"] as const) {
        const inputs = inputsOf(op, index, dtype);
        if (inputs.some(({ data }) => data.length > 70_000)) continue;
        if (!addon) continue;
        const { names, code, memory } = encodeCase(op.name, sample.attributes, inputs, op.infer(inputs, sample.attributes), [], false);
        const { program, unsupported } = addon.compile(names, code);
        const shared = new Uint8Array(new SharedArrayBuffer(memory.length));
        shared.set(memory);
        if (!unsupported.length) addon.runSync(program, [shared], { steps: 1, first: 0, last: 1, threads: 2 });
        check(op.name);
      }
    }
  }
  const x = tensor(
    Float32Array.from({ length: 400 }, (_, i) => Math.sin(i)),
    { shape: [100, 4] },
  );
  const model = sequential([dense(16), batchNorm(), relu(), dropout({ keepProb: 0.8 }), dense(3)]);
  await model.fit(
    { x, y: tensor(Int32Array.from({ length: 100 }, (_, i) => i % 3)) },
    { loss: crossEntropy(), optimizer: adam({ learningRate: 0.01 }), epochs: 3 },
  );
  check("a training");
  model.predictSync(x);
  check("predictSync");
  // Our own threads: what they compute with subnormal numbers.
  const scaled = (await tensor(new Float32Array(200_000).fill(2 ** -149))
    .mul(1)
    .read()) as Float32Array;
  if (scaled.some((value) => value === 0)) found("a native thread flushes subnormal numbers");
  return looks + 1;
}

if (isMainThread) {
  await evidence("floating-point", { short: 1, long: 1 }, async ({ fail, say }) => {
    const here = await look(fail);
    const there = await new Promise<number>((resolve, reject) => {
      // A worker's first file is not seen by the loader that this process was started with.
      const code = `const { register } = await import(${JSON.stringify(import.meta.resolve("tsx/esm/api"))}); register(); await import(${JSON.stringify(import.meta.url)});`;
      const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`));
      worker.on("message", ({ looks, wrongs }: { looks: number; wrongs: string[] }) => {
        for (const wrong of wrongs) fail(wrong);
        resolve(looks);
      });
      worker.on("error", reject);
    });
    say(`${here} looks on the main thread, ${there} in a worker: Number.MIN_VALUE * 1 is not 0, rounding is to nearest`);
    return here + there;
  });
} else {
  const wrongs: string[] = [];
  const looks = await look((what) => wrongs.push(what));
  parentPort?.postMessage({ looks, wrongs });
}
