// ONNX's preview of training operators: gradients of a graph, and one step of an optimizer, on the library's fused updates.

import { gradients } from "../../../src/graph/gradient.ts";
import type { Value } from "../../../src/ops/define.ts";
import { add, mul } from "../../../src/ops/elementwise.ts";
import { reshape } from "../../../src/ops/movement.ts";
import { adagradUpdate, adamUpdate, momentumUpdate } from "../../../src/ops/optimizer.ts";
import { sum } from "../../../src/ops/reduce.ts";
import { scalar } from "../../../src/tensor.ts";
import type { Call, Operation } from "../call.ts";
import { Item } from "../item.ts";
import { NotApplicable } from "../not-applicable.ts";

/** dy/dx for each named x; y may be any tensor, its elements are added. */
const gradient: Operation = (call) => {
  const xs = call.texts("xs").map((name) => call.named(name));
  const y = call.named(call.text("y", "")).value();
  return gradients(
    y.rank === 0 ? y : sum(y),
    xs.map((item) => item.value()),
  ).map((dx, i) => Item.fromValue(dx, (xs[i] as Item).type));
};

interface Step {
  readonly rate: number;
  readonly count: number;
  /** Parameter, gradient (with norm_coefficient times the parameter added) and slots, as vectors. */
  readonly theta: Value;
  readonly dtheta: Value;
  readonly slots: readonly Value[];
}

/** Inputs are the rate, the step count, then all parameters, all gradients, all of each slot; outputs the same without the gradients. */
function optimizer(slotCount: number, update: (step: Step, call: Call) => readonly Value[]): Operation {
  return (call) => {
    const [rate, count, ...rest] = call.inputs() as [Item, Item, ...Item[]];
    const n = rest.length / (2 + slotCount);
    const outputs: Item[] = [];
    for (let i = 0; i < n; i++) {
      const [parameter, gradientOf, ...slots] = Array.from({ length: 2 + slotCount }, (_, group) => rest[group * n + i]) as [
        Item,
        Item,
        ...Item[],
      ];
      const theta = parameter.shaped([parameter.size]);
      const norm = call.float("norm_coefficient", 0);
      const plain = gradientOf.shaped([parameter.size]);
      const made = update(
        {
          rate: rate.number(),
          count: count.number(),
          theta,
          dtheta: norm ? add(plain, mul(theta, norm)) : plain,
          slots: slots.map((slot) => slot.shaped([parameter.size])),
        },
        call,
      );
      made.forEach((value, group) => {
        outputs[group * n + i] = Item.fromValue(reshape(value, parameter.dims), parameter.type);
      });
    }
    return outputs;
  };
}

const number = (value: number, like: Value) => scalar(value, { dtype: like.dtype });

export const training: Readonly<Record<string, Operation>> = {
  "ai.onnx.preview.training:Gradient": gradient,
  "ai.onnx.preview.training:Momentum": optimizer(1, ({ rate, count, theta, dtheta, slots: [v] }, call) => {
    const mode = call.text("mode", "standard");
    const beta = call.float("beta", 1);
    const gain = count > 0 ? beta : 1;
    // Nesterov's look-ahead adds the bare gradient there and gain times it here.
    if (mode === "nesterov" && gain !== 1)
      throw new NotApplicable("nesterov with a factor on the gradient differs in where the factor stands");
    const made = momentumUpdate(theta, dtheta, v as Value, number(rate, theta), {
      beta: call.float("alpha", 0),
      gain,
      nesterov: mode === "nesterov",
    });
    return [made.theta, made.v];
  }),
  "ai.onnx.preview.training:Adagrad": optimizer(1, ({ rate, count, theta, dtheta, slots: [s] }, call) => {
    const now = rate / (1 + count * call.float("decay_factor", 0));
    const made = adagradUpdate(theta, dtheta, s as Value, number(now, theta), { epsilon: call.float("epsilon", 1e-6), inside: false });
    return [made.theta, made.s];
  }),
  /** ONNX folds both bias corrections into the rate and adds epsilon to the uncorrected root. */
  "ai.onnx.preview.training:Adam": optimizer(2, ({ rate, count, theta, dtheta, slots: [m, v] }, call) => {
    const [beta1, beta2] = [call.float("alpha", 0.9), call.float("beta", 0.999)];
    const now = count > 0 ? (rate * Math.sqrt(1 - beta2 ** count)) / (1 - beta1 ** count) : rate;
    const one = number(1, theta);
    const options = { beta1, beta2, epsilon: call.float("epsilon", 1e-6), inside: false, weightDecay: 0 };
    const made = adamUpdate(theta, dtheta, m as Value, v as Value, number(now, theta), one, one, options);
    const after = call.float("norm_coefficient_post", 0);
    return [after ? mul(made.theta, 1 - after) : made.theta, made.m, made.v];
  }),
};
