// `npm run bench` runs everything; `npm run bench -- ops training` some parts. Every figure comes with its share of what
// this machine can do, which is measured first (bench/limits.ts).
import { benchAugmentation } from "./augmentation.ts";
import { benchEventLoop } from "./event-loop.ts";
import { benchGemm } from "./gemm.ts";
import { benchInference } from "./inference.ts";
import { benchInstructions } from "./instructions.ts";
import { benchKernels } from "./kernels.ts";
import { limitsOf, showLimits, threadCounts } from "./limits.ts";
import { benchMemory } from "./memory.ts";
import { benchOps } from "./ops.ts";
import { benchSmall } from "./small.ts";
import { benchTraining } from "./training.ts";

/** What the machine can do, by itself: multiply-adds and memory. */
async function benchLimits(): Promise<void> {
  for (const threads of threadCounts) {
    const limits = await limitsOf(threads);
    console.log(limits ? showLimits(limits) : "the machine's peaks are not measured: no native addon");
  }
}

const parts = {
  small: benchSmall, // first, while nothing is compiled yet
  limits: benchLimits,
  gemm: benchGemm,
  kernels: benchKernels,
  ops: benchOps,
  inference: benchInference,
  training: benchTraining,
  augmentation: benchAugmentation,
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
