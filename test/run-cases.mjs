// Runs encoded one-instruction programs in native code, in a process of its own: the instruction set (MINIBATCH_ISA) is
// read once, when the addon loads. Cases come in on standard input and results go out on standard output, both as v8
// serialises them. Plain JavaScript, so that any Node runs it. Usage: node run-cases.mjs ADDON
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { deserialize, serialize } from "node:v8";

const addon = createRequire(import.meta.url)(process.argv[2]);

function run({ names, code, memory }, threads) {
  const { program, unsupported } = addon.compile(names, code);
  if (unsupported.length) return { unsupported: true };
  const shared = new Uint8Array(new SharedArrayBuffer(memory.length));
  shared.set(memory);
  const steps = addon.runSync(program, [shared], { steps: 1, first: 0, last: 1, threads });
  if (steps !== 1) throw new Error(`${steps} steps were done`);
  return { memory: Uint8Array.from(shared) };
}

/** With one thread, and whether three threads leave the same bytes. */
function attempt(item) {
  try {
    const result = run(item, 1);
    return result.unsupported ? result : { ...result, sameBytes: Buffer.compare(result.memory, run(item, 3).memory) === 0 };
  } catch (error) {
    return { error: error.message };
  }
}

const info = addon.info();
// A forced instruction set that is not usable here leaves a reason and no kernels.
const results = info.error ? [] : deserialize(readFileSync(0)).map(attempt);
process.stdout.write(serialize({ info, results }));
