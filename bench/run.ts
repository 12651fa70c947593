// `npm run bench` runs everything; `npm run bench -- ops` or `-- training` one part.
import { benchEventLoop } from "./event-loop.ts";
import { benchInstructions } from "./instructions.ts";
import { benchMemory } from "./memory.ts";
import { benchOps } from "./ops.ts";
import { benchTraining } from "./training.ts";

const parts = {
  ops: benchOps,
  training: benchTraining,
  "event-loop": benchEventLoop,
  memory: benchMemory,
  instructions: benchInstructions,
};

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !(name in parts));
if (unknown.length) {
  console.error(`bench: unknown part ${unknown.join(", ")}; known are ${Object.keys(parts).join(", ")}`);
  process.exit(1);
}
for (const [name, run] of Object.entries(parts)) {
  if (!wanted.length || wanted.includes(name)) await run();
}
