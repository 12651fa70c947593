// Mistakes that a user makes, each with the message it gets. Messages read `op: rule, got values (where)`; none of these may
// crash the process or come as an error of JavaScript's own, and none is a bug of ours (`internal:`).
import { batchNorm, dense, MinibatchError, relu, sequential, sgd } from "minibatch";
import { digits } from "minibatch/data";
import { describe, expect, it } from "vitest";
import { augmentation } from "./mistakes/augmentation.ts";
import { checkpoints } from "./mistakes/checkpoints.ts";
import { data } from "./mistakes/data.ts";
import { fitting } from "./mistakes/fitting.ts";
import { layers } from "./mistakes/layers.ts";
import { built, type Mistake, net, options, train, x } from "./mistakes/mistake.ts";
import { models } from "./mistakes/models.ts";
import { pictures } from "./mistakes/plot.ts";
import { search } from "./mistakes/search.ts";
import { tensors } from "./mistakes/tensors.ts";

function check(mistakes: readonly Mistake[]): void {
  for (const { what, make, says, kind = MinibatchError } of mistakes) {
    it(what, async () => {
      let error: unknown = "nothing was thrown";
      try {
        await make();
      } catch (thrown) {
        error = thrown;
      }
      expect(error).toBeInstanceOf(kind);
      const { message } = error as MinibatchError;
      expect(message).toMatch(says);
      expect(message).not.toMatch(/^internal|undefined is not|of undefined|\n/);
      expect(message.length).toBeLessThan(500);
    });
  }
}

describe("mistakes with tensors", () => check(tensors));
describe("mistakes with layers", () => check(layers));
describe("mistakes with fit", () => check(fitting));
describe("mistakes with checkpoints", () => check(checkpoints));
describe("mistakes with models", () => check(models));
describe("mistakes with data", () => check(data));
describe("mistakes with augmentation", () => check(augmentation));
describe("mistakes with pictures", () => check(pictures));
describe("mistakes with a search", () => check(search));

describe("mistakes that end a run", () => {
  it("a signal that is aborted already", async () => {
    const reason = new Error("no time");
    await expect(net().fit(train, { ...options, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });

  it("numbers that are not finite leave the weights as they were", async () => {
    const model = built();
    const before = model.predictSync(x).data("f32");
    const history = await model.fit(train, { ...options, optimizer: sgd({ learningRate: 1e38 }), batchSize: 1, epochs: 3 });
    expect(history.stoppedBecause).toBe("not finite");
    expect(model.predictSync(x).data("f32")).toEqual(before);
  });

  it("the process and the data sets are as good as before", async () => {
    const model = sequential([dense(8), batchNorm(), relu(), dense(10)]);
    const history = await model.fit(await digits(), { ...options, epochs: 2 });
    expect(history.last.trainLoss).toBeLessThan(history.epochs[0].trainLoss);
  });
});
