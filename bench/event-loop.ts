// Whether training leaves the event loop free: its delay during a fit on all cores, beside a control in which as many
// threads are busy with something else for as long. Fashion-MNIST where it is there, else the digits.
//
//   npm run bench -- event-loop
import { monitorEventLoopDelay } from "node:perf_hooks";
import { Worker } from "node:worker_threads";
import { backend } from "minibatch";
import { digits } from "minibatch/data";
import { epochsOf, fashion, networks } from "./networks.ts";
import { keep } from "./stamp.ts";

interface Delay {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  readonly seconds: number;
}

async function measured(work: () => Promise<unknown>): Promise<Delay> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const began = performance.now();
  delay.enable();
  await work();
  delay.disable();
  const milliseconds = (nanoseconds: number) => nanoseconds / 1e6;
  return {
    p50: milliseconds(delay.percentile(50)),
    p99: milliseconds(delay.percentile(99)),
    max: milliseconds(delay.max),
    seconds: (performance.now() - began) / 1000,
  };
}

/** Threads that only count, for so many seconds. */
async function busy(threads: number, seconds: number): Promise<void> {
  const code = `const end = performance.now() + ${seconds * 1000}; let x = 0; while (performance.now() < end) for (let i = 0; i < 1e6; i++) x += i;`;
  await Promise.all(
    Array.from({ length: threads }, () => new Promise((resolve) => new Worker(code, { eval: true }).once("exit", resolve))),
  );
}

export async function benchEventLoop(): Promise<void> {
  const large = await fashion();
  const epoch = epochsOf(networks.a, large ?? (await digits()), backend().threads);
  const trained = async (epochs: number) => {
    for (let i = 0; i < epochs; i++) await epoch();
  };
  await trained(1);
  const training = await measured(() => trained(large ? 3 : 100));
  const control = await measured(() => busy(backend().threads, training.seconds));
  const show = (name: string, d: Delay) =>
    console.log(
      `${name.padEnd(10)} p50 ${d.p50.toFixed(2)} ms  p99 ${d.p99.toFixed(2)} ms  max ${d.max.toFixed(1)} ms  over ${d.seconds.toFixed(1)} s`,
    );
  show("training", training);
  show("control", control);
  const row = (name: string, d: Delay) => ({ name, median: d.p50, min: d.p99, samples: Math.round(d.seconds * 1000) });
  await keep("event-loop", [row("training: p50 and p99 of the delay", training), row("control: p50 and p99 of the delay", control)]);
}
