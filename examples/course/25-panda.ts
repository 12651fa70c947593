// Babysitting one model: a rate that is too high, back to where it was good, a smaller one, a nudge down; the log of it played again.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { learningCurves, learningRates } from "minibatch/plot";
import { babysit } from "../panda.ts";
import { claim, percent, picture, table } from "./claim.ts";

// 1. The program is examples/panda.ts: a range test, then a run whose loop looks at every epoch and steps in.
const folder = mkdtempSync(join(tmpdir(), "minibatch-course-"));
const log = join(folder, "panda.jsonl");
const { curve, history, model, again, dev } = await babysit({ log, say: (line) => console.log(`  ${line}`) });

// 2. Everything that was done stands in the history, and in the log, with the step at which it took effect.
const { epochs, interventions } = history;
table(interventions.map(({ step, what, value }) => ({ step, what, value: JSON.stringify(value) })));
const logged = readFileSync(log, "utf8")
  .trimEnd()
  .split("\n")
  .map((line) => JSON.parse(line) as { what?: string; step?: number });
rmSync(folder, { recursive: true });
claim(
  "there were five interventions, a revert among them, and the log has them with their steps",
  interventions.map(({ what }) => what).join() === "set,revert,set,mark,set" &&
    interventions.every(({ what, step }) => logged.some((line) => line.what === what && line.step === step)),
);

// 3. What they did.
const [good, wild, back] = [epochs[2], epochs[3], epochs[4]];
claim("the rate that was too high ruined the model", (wild?.trainError ?? 0) > 3 * (good?.trainError ?? 1), {
  before: percent(good?.trainError ?? 1),
  after: percent(wild?.trainError ?? 1),
});
claim("it lies beyond what the range test had warned of", (wild?.learningRate ?? 0) > curve.lowest, {
  rate: wild?.learningRate ?? 0,
  "loss is lowest at": curve.lowest,
});
claim("going back took one epoch, not a new training", (back?.trainError ?? 1) < (good?.trainError ?? 0), {
  "next epoch": percent(back?.trainError ?? 1),
});
claim("the nudge down at the end ended lower", history.last.trainError < (epochs[9]?.trainError ?? 0), {
  before: percent(epochs[9]?.trainError ?? 1),
  "at the end": percent(history.last.trainError),
});

// 4. The same run again, from its log: the same weights, to the last bit.
const bits = (of: typeof model) => of.parameters().map((parameter) => Buffer.from(parameter.data("f32").buffer).toString("hex"));
claim("played again from its log it has the same weights, bit for bit", bits(again).join() === bits(model).join(), {
  "dev accuracy": percent((await again.evaluate(dev)).accuracy),
});

await picture("25-range-test", learningRates(curve));
await picture("25-panda", learningCurves(history, { title: "One model, watched" }));
