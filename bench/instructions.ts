// Where a training step's time goes: every instruction of the program of network (a), each timed in its turn.
// For work on kernels. THREADS threads, 1 by default.
//
//   npm run bench -- instructions
import { encode } from "../src/graph/program.ts";
import { findAddon } from "../src/run/addon.ts";
import { constantBytes } from "../src/run/constants.ts";
import { allocate } from "../src/run/memory.ts";
import { median } from "./measure.ts";
import { networks, stepProgram } from "./networks.ts";
import { keep } from "./stamp.ts";

const rounds = 101;

export async function benchInstructions(): Promise<void> {
  const { addon } = findAddon();
  if (!addon) {
    console.log("instructions: no native addon here");
    return;
  }
  const threads = Number(process.env.THREADS ?? 1);
  const { program, theta, state } = stepProgram(networks.a);
  const rows = networks.a.batchSize;
  const { names, code } = encode(program);
  const { program: handle } = addon.compile(names, code);
  const memories = program.memories.map((m) => (m.name === "constant" ? constantBytes(program) : allocate(m.bytes)));
  const of = (name: string) => memories[program.memories.findIndex((m) => m.name === name)] as Uint8Array;
  of("theta").set(theta);
  of("state").set(state);
  const x = of("input");
  for (let i = 0; i < 4096 * 784; i++) x[i] = (i * 7919) % 251;
  const hyper = new Float32Array(of("hyper").buffer, of("hyper").byteOffset, of("hyper").byteLength / 4);
  hyper.fill(0.8);
  const time = (first: number, last: number, repeat: number) => {
    const began = performance.now();
    for (let i = 0; i < repeat; i++) addon.runSync(handle, memories, { steps: 1, first, last, threads });
    return ((performance.now() - began) / repeat) * 1000;
  };
  const end = program.instructions.length;
  time(0, end, 20);
  const whole = median(Array.from({ length: rounds }, () => time(0, end, 2)));
  // One after the other, as in a step: what an instruction finds in the caches is what the ones before it left.
  const times = program.instructions.map(() => [] as number[]);
  for (let round = 0; round < rounds; round++) times.forEach((list, i) => void list.push(time(i, i + 1, 1)));
  const found = program.instructions.map((instruction, i) => ({
    name: `${instruction.op.name} ${instruction.outputs.map((o) => `[${o.shape.join(", ")}]`).join(" ")}${instruction.scope ? ` # ${instruction.scope}` : ""}`,
    microseconds: median(times[i] as number[]),
  }));
  const empty = median(Array.from({ length: rounds }, () => time(0, 0, 50)));
  for (const { name, microseconds } of found) console.log(`${(microseconds - empty).toFixed(1).padStart(8)} us  ${name}`);
  const sum = found.reduce((total, { microseconds }) => total + microseconds - empty, 0);
  console.log(
    `${sum.toFixed(0).padStart(8)} us  in all; a whole step ${whole.toFixed(0)} us = ${((1e6 * rows) / whole).toFixed(0)} samples/s; an empty call ${empty.toFixed(2)} us`,
  );
  await keep(
    "instructions",
    found.map(({ name, microseconds }) => ({ name, median: microseconds / 1000, min: microseconds / 1000, samples: rounds })),
  );
}
