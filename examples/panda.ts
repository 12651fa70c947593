// One model, watched and steered while it trains: a learning rate that is too high, back to where it was good, a smaller one,
// and a nudge down at the end. The log of it is then played again and gives the same weights. `npx tsx examples/panda.ts`
import { rmSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { adam, batchNorm, crossEntropy, dense, dropout, findLearningRate, l2, relu, replay, sequential } from "minibatch";
import { digits, split, standardize } from "minibatch/data";

export async function babysit({ log, say = () => undefined }: { log: string; say?: (line: string) => void }) {
  const { train, dev } = split(await digits(), { dev: 0.2, stratify: true, seed: 1 });
  const scaler = standardize(train);
  const build = () => sequential([scaler.layer(), dense(64), batchNorm(), relu(), dropout({ keepProb: 0.9 }), dense(10)]);
  const model = build();

  const curve = await findLearningRate(model, train, { loss: crossEntropy(), optimizer: adam(), seed: 1 });
  say(
    `range test: the loss falls fastest at ${curve.suggestion?.toExponential(1)}, training breaks above ${curve.lowest.toExponential(1)}`,
  );

  rmSync(log, { force: true });
  const run = model.fit(train, {
    dev,
    loss: crossEntropy(),
    optimizer: adam({ learningRate: 0.003 }),
    epochs: 14,
    seed: 1,
    log,
    progress: false,
  });
  let before = Number.POSITIVE_INFINITY;
  for await (const { epoch, trainError, devError, learningRate } of run) {
    say(
      `epoch ${String(epoch).padStart(2)}  rate ${learningRate.toFixed(4)}  train error ${(100 * trainError).toFixed(2)} %  dev error ${(100 * devError).toFixed(2)} %`,
    );
    if (epoch === 3) {
      await run.set({ learningRate: 0.8 });
      say("          impatient: rate 0.8");
    }
    if (epoch > 3 && trainError > 1.5 * before) {
      await run.revert();
      say("          the error rises: back to where it was before");
      await run.set({ learningRate: 0.005, batchSize: 64, regularizer: l2(0.1) });
      say("          rate 0.005, batches of 64, a little weight decay");
    }
    if (epoch === 10) {
      await run.mark("before the last stretch");
      await run.set({ learningRate: 0.0005, keepProb: 1 });
      say("          nudge down: rate 0.0005, dropout off");
    }
    before = Math.min(before, trainError);
  }
  const history = await run;

  const again = build();
  await replay(log, again, train, { dev });
  return { curve, history, model, again, dev };
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { history, model, again, dev } = await babysit({ log: "panda.jsonl", say: (line) => console.log(line) });
  const { accuracy } = await model.evaluate(dev);
  console.log(`\n${history.interventions.length} interventions, all in panda.jsonl; dev accuracy ${(100 * accuracy).toFixed(2)} %`);
  console.log(
    `played again from the log: dev accuracy ${(100 * (await again.evaluate(dev)).accuracy).toFixed(2)} %, weights equal to the last bit`,
  );
}
