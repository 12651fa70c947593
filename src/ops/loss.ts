// Softmax, the cross-entropies from logits, and the count of misclassified rows.
// Knows no mean over the batch, no regulariser and no task: losses of the public API are made from these.
import { isFloat, type NumberArray } from "../dtype.ts";
import { MinibatchError, ShapeError } from "../errors.ts";
import { resolveAxis, show } from "../shape.ts";
import { apply, apply1, defineOp, type OpDefinition, type Sample, type Value, type ValueType, type View } from "./define.ts";
import { abs, add, cast, div, equal, exp, log, mul, neg, relu, sigmoid, sub } from "./elementwise.ts";
import { oneHot } from "./indexing.ts";
import { reshape, transpose } from "./movement.ts";
import { tensor } from "./operand.ts";
import { argMax, max, sum } from "./reduce.ts";
import { named, requireFloats, requireMatrix, requireShape, tooLarge } from "./rules.ts";

type NoAttributes = Record<never, never>;

// ---------------------------------------------------------------- softmax

/** The largest of x[begin .. begin + k); a NaN is passed over here and shows up in the exponentials. */
function largestOf(x: NumberArray, begin: number, k: number): number {
  let largest = Number.NEGATIVE_INFINITY;
  for (let j = begin; j < begin + k; j++) if ((x[j] as number) > largest) largest = x[j] as number;
  return largest;
}

/** exps[j] = exp(x[begin + j] - largest); their sum. */
function exponentials(x: NumberArray, begin: number, k: number, largest: number, exps: Float64Array): number {
  let total = 0;
  for (let j = 0; j < k; j++) {
    const e = Math.exp((x[begin + j] as number) - largest);
    exps[j] = e;
    total += e;
  }
  return total;
}

function inferRows(op: string, inputs: readonly ValueType[]): readonly ValueType[] {
  const { x } = named(op, inputs, ["x"]);
  requireFloats(op, { x });
  if (x.shape.length === 0) throw new ShapeError(`${op}: needs at least one axis, got a single number`);
  return [x];
}

/** Calls `row` for every row along the last axis of x. */
function eachRow(x: View, row: (begin: number, k: number) => void): void {
  const k = x.shape.at(-1) as number;
  for (let begin = 0; begin < x.data.length; begin += k) row(begin, k);
}

const keep = { axis: -1, keepDims: true } as const;

const softmaxSamples = [
  { inputs: [{ shape: [7, 5] }], attributes: {} },
  { inputs: [{ shape: [1, 10] }], attributes: {} },
  { inputs: [{ shape: [6, 1] }], attributes: {} },
  { inputs: [{ shape: [2, 3, 17] }], attributes: {} },
  { inputs: [{ shape: [4], values: [5, 2, -1, 3] }], attributes: {} },
  // Exponentials of these overflow, and underflow, unless the largest is taken off first.
  { inputs: [{ shape: [3, 4], values: [1000, 1001, 999, 0, -1000, -1001, -999, -1000, 80, -80, 0, 79] }], attributes: {} },
  { inputs: [{ shape: [0, 3] }], attributes: {} },
  { inputs: [{ shape: [37, 33], range: [-10, 10] }], attributes: {} },
  { inputs: [{ shape: [703, 97], range: [-10, 10] }], attributes: {}, noGradientCheck: tooLarge },
] satisfies Sample<NoAttributes>[];

const softmaxOp = defineOp<NoAttributes>({
  name: "softmax",
  doc: "y = exp(x) / sum exp(x) over the last axis: x [..., k] -> y [..., k]",
  infer: (inputs) => inferRows("softmax", inputs),
  kernel([x], [y]) {
    const from = (x as View).data;
    const to = (y as View).data;
    const exps = new Float64Array((x as View).shape.at(-1) as number);
    eachRow(x as View, (begin, k) => {
      const total = exponentials(from, begin, k, largestOf(from, begin, k), exps);
      for (let j = 0; j < k; j++) to[begin + j] = (exps[j] as number) / total;
    });
  },
  gradient: ({ outputs, gradients }) => [softmaxRule(outputs[0] as Value, gradients[0] as Value)],
  decomposition([x]) {
    const e = exp(sub(x as Value, max(x as Value, keep)));
    return [div(e, sum(e, keep))];
  },
  inPlace: [0],
  samples: softmaxSamples,
});

/** dx of y = softmax(x): y (dy - sum(dy y)). */
function softmaxRule(y: Value, dy: Value): Value {
  return mul(y, sub(dy, sum(mul(dy, y), keep)));
}

const logSoftmaxOp = defineOp<NoAttributes>({
  name: "logSoftmax",
  doc: "y = x - log sum exp(x) over the last axis: x [..., k] -> y [..., k]",
  infer: (inputs) => inferRows("logSoftmax", inputs),
  kernel([x], [y]) {
    const from = (x as View).data;
    const to = (y as View).data;
    const exps = new Float64Array((x as View).shape.at(-1) as number);
    eachRow(x as View, (begin, k) => {
      const largest = largestOf(from, begin, k);
      const logTotal = Math.log(exponentials(from, begin, k, largest, exps));
      for (let j = 0; j < k; j++) to[begin + j] = (from[begin + j] as number) - largest - logTotal;
    });
  },
  gradient({ outputs, gradients }) {
    const dy = gradients[0] as Value;
    return [sub(dy, mul(exp(outputs[0] as Value), sum(dy, keep)))];
  },
  decomposition: ([x]) => [plainLogSoftmax(x as Value)],
  inPlace: [0],
  samples: softmaxSamples,
});

function plainLogSoftmax(x: Value): Value {
  const shifted = sub(x, max(x, keep));
  return sub(shifted, log(sum(exp(shifted), keep)));
}

/** Applies an op of the last axis along another one, by exchanging the two before and after. */
function along(axis: number, x: Value, name: string, f: (x: Value) => Value): Value {
  if (tensor(name, x).rank === 0) return f(x);
  const last = x.rank - 1;
  const chosen = resolveAxis(name, axis, x.rank);
  if (chosen === last) return f(x);
  const axes = x.shape.map((_, i) => (i === chosen ? last : i === last ? chosen : i));
  return transpose(f(transpose(x, axes)), axes);
}

/** Probabilities in proportion to exp(x) along an axis. */
export function softmax(x: Value, axis = -1): Value {
  return along(axis, x, "softmax", (rows) => apply1(softmaxOp, [rows], {}));
}

/** The logarithm of softmax(x), exact where the probability itself would underflow. */
export function logSoftmax(x: Value, axis = -1): Value {
  return along(axis, x, "logSoftmax", (rows) => apply1(logSoftmaxOp, [rows], {}));
}

// ---------------------------------------------------------------- cross-entropy

/** Labels are classes [m] in i32, or a number for every class [m, k] in the type of the outputs. */
function requireLabels(op: string, outputs: ValueType, labels: ValueType, [m, k]: readonly [number, number]): void {
  if (labels.dtype === "i32") {
    requireShape(op, { labels }, [m], `a class from 0 to ${k - 1} per row`);
    return;
  }
  if (!isFloat(labels.dtype) || labels.dtype !== outputs.dtype) {
    throw new ShapeError(
      `${op}: labels must be classes in i32 or one number per class in ${outputs.dtype}, got ${labels.dtype} ${show(labels.shape)}`,
    );
  }
  requireShape(op, { labels }, outputs.shape, "the shape of the outputs, or classes in i32");
}

function classAt(op: string, labels: NumberArray, row: number, k: number): number {
  const label = labels[row] as number;
  if (label < 0 || label >= k) throw new MinibatchError(`${op}: labels must be classes from 0 to ${k - 1}, got ${label} (row ${row})`);
  return label;
}

/** Labels as one number per class, whichever way they were given. */
function dense(labels: Value, like: Value): Value {
  return labels.dtype === "i32" ? oneHot(labels, like.shape[1] as number, like.dtype) : labels;
}

/** [m] as a column [m, 1], to multiply the rows of a matrix. */
function column(x: Value): Value {
  return reshape(x, [x.shape[0] as number, 1]);
}

const softmaxCrossEntropyOp = defineOp<NoAttributes>({
  name: "softmaxCrossEntropy",
  doc: "losses = -sum labels log softmax(logits), probabilities = softmax(logits): logits [m, k], labels i32 [m] or [m, k] -> losses [m], probabilities [m, k]",
  infer(inputs) {
    const { logits, labels } = named("softmaxCrossEntropy", inputs, ["logits", "labels"]);
    const [m, k] = requireMatrix("softmaxCrossEntropy", "logits", logits);
    requireFloats("softmaxCrossEntropy", { logits });
    requireLabels("softmaxCrossEntropy", logits, labels, [m, k]);
    return [{ shape: [m], dtype: logits.dtype }, logits];
  },
  kernel(inputs, outputs) {
    const [x, labels] = inputs.map((view) => view.data) as [NumberArray, NumberArray];
    const [losses, probabilities] = outputs.map((view) => view.data) as [NumberArray, NumberArray];
    const [m = 0, k = 0] = (inputs[0] as View).shape;
    const classes = (inputs[1] as View).dtype === "i32";
    const exps = new Float64Array(k);
    for (let i = 0; i < m; i++) {
      const row = i * k;
      const largest = largestOf(x, row, k);
      const total = exponentials(x, row, k, largest, exps);
      const logTotal = Math.log(total);
      let loss = 0;
      if (classes) {
        loss = logTotal - ((x[row + classAt("softmaxCrossEntropy", labels, i, k)] as number) - largest);
      } else {
        for (let j = 0; j < k; j++) loss += (labels[row + j] as number) * (logTotal - ((x[row + j] as number) - largest));
      }
      losses[i] = loss;
      for (let j = 0; j < k; j++) probabilities[row + j] = (exps[j] as number) / total;
    }
  },
  gradient({ inputs, outputs, gradients, needs }) {
    const [logits, labels] = inputs as [Value, Value];
    const probabilities = outputs[1] as Value;
    const [dlosses, dprobabilities] = gradients;
    const direct = dlosses && softmaxCrossEntropyGradient(probabilities, labels, dlosses);
    const through = dprobabilities && softmaxRule(probabilities, dprobabilities);
    const dlabels = dlosses && needs(1) && labels.dtype !== "i32" ? neg(mul(logSoftmax(logits), column(dlosses))) : undefined;
    return [direct && through ? add(direct, through) : (direct ?? through), dlabels];
  },
  decomposition([logits, labels]) {
    const logs = plainLogSoftmax(logits as Value);
    const losses = neg(sum(mul(dense(labels as Value, logits as Value), logs), { axis: 1 }));
    return [losses, exp(logs)];
  },
  samples: [
    { inputs: [{ shape: [7, 5] }, { shape: [7], dtype: "i32", below: 5 }], attributes: {} },
    { inputs: [{ shape: [7, 5] }, { shape: [7, 5], range: [0, 1] }], attributes: {} },
    { inputs: [{ shape: [1, 10] }, { shape: [1], dtype: "i32", below: 10 }], attributes: {} },
    { inputs: [{ shape: [6, 1] }, { shape: [6], dtype: "i32", below: 1 }], attributes: {} },
    {
      inputs: [
        { shape: [37, 33], range: [-10, 10] },
        { shape: [37], dtype: "i32", below: 33 },
      ],
      attributes: {},
    },
    // A certain and right row, a certain and wrong one, a tie.
    {
      inputs: [
        { shape: [3, 3], values: [500, -500, 0, 500, -500, 0, -1000, -1000, -1000] },
        { shape: [3], dtype: "i32", values: [0, 1, 2] },
      ],
      attributes: {},
    },
    {
      inputs: [
        { shape: [2, 3], values: [500, -500, 0, 500, -500, 0] },
        { shape: [2, 3], values: [1, 0, 0, 0, 1, 0] },
      ],
      attributes: {},
    },
    { inputs: [{ shape: [0, 3] }, { shape: [0], dtype: "i32", below: 3 }], attributes: {} },
    {
      inputs: [
        { shape: [4003, 17], range: [-10, 10] },
        { shape: [4003], dtype: "i32", below: 17 },
      ],
      attributes: {},
      noGradientCheck: tooLarge,
    },
  ],
});

/** The cross-entropy of each row's label under softmax(logits), with the probabilities. A label out of range is an error. */
export function softmaxCrossEntropy(logits: Value, labels: Value): { losses: Value; probabilities: Value } {
  const [losses, probabilities] = apply(softmaxCrossEntropyOp, [logits, labels], {}) as [Value, Value];
  return { losses, probabilities };
}

const softmaxCrossEntropyGradientOp = defineOp<NoAttributes>({
  name: "softmaxCrossEntropyGradient",
  doc: "dlogits = (probabilities sum(labels) - labels) dlosses, row by row; sum(labels) = 1 for classes: probabilities [m, k], labels i32 [m] or [m, k], dlosses [m] -> dlogits [m, k]",
  infer(inputs) {
    const op = "softmaxCrossEntropyGradient";
    const { probabilities, labels, dlosses } = named(op, inputs, ["probabilities", "labels", "dlosses"]);
    const [m, k] = requireMatrix(op, "probabilities", probabilities);
    requireFloats(op, { probabilities, dlosses });
    requireLabels(op, probabilities, labels, [m, k]);
    requireShape(op, { dlosses }, [m], "one per row");
    return [probabilities];
  },
  kernel(inputs, outputs) {
    const [p, labels, dlosses] = inputs.map((view) => view.data) as [NumberArray, NumberArray, NumberArray];
    const out = (outputs[0] as View).data;
    const [m = 0, k = 0] = (inputs[0] as View).shape;
    const classes = (inputs[1] as View).dtype === "i32";
    for (let i = 0; i < m; i++) {
      const row = i * k;
      const d = dlosses[i] as number;
      if (classes) {
        const label = classAt("softmaxCrossEntropyGradient", labels, i, k);
        for (let j = 0; j < k; j++) out[row + j] = ((p[row + j] as number) - (j === label ? 1 : 0)) * d;
        continue;
      }
      let total = 0;
      for (let j = 0; j < k; j++) total += labels[row + j] as number;
      for (let j = 0; j < k; j++) out[row + j] = ((p[row + j] as number) * total - (labels[row + j] as number)) * d;
    }
  },
  decomposition([probabilities, labels, dlosses]) {
    const y = dense(labels as Value, probabilities as Value);
    return [mul(sub(mul(probabilities as Value, sum(y, keep)), y), column(dlosses as Value))];
  },
  inPlace: [0],
  samples: [
    { inputs: [{ shape: [7, 5], range: [0, 1] }, { shape: [7], dtype: "i32", below: 5 }, { shape: [7] }], attributes: {} },
    { inputs: [{ shape: [7, 5], range: [0, 1] }, { shape: [7, 5], range: [0, 1] }, { shape: [7] }], attributes: {} },
    { inputs: [{ shape: [1, 10], range: [0, 1] }, { shape: [1], dtype: "i32", below: 10 }, { shape: [1] }], attributes: {} },
    { inputs: [{ shape: [37, 33], range: [0, 1] }, { shape: [37], dtype: "i32", below: 33 }, { shape: [37] }], attributes: {} },
    { inputs: [{ shape: [4003, 17], range: [0, 1] }, { shape: [4003], dtype: "i32", below: 17 }, { shape: [4003] }], attributes: {} },
    { inputs: [{ shape: [6, 1], values: [1, 1, 1, 1, 1, 1] }, { shape: [6], dtype: "i32", below: 1 }, { shape: [6] }], attributes: {} },
  ],
});

export function softmaxCrossEntropyGradient(probabilities: Value, labels: Value, dlosses: Value): Value {
  return apply1(softmaxCrossEntropyGradientOp, [probabilities, labels, dlosses], {});
}

const sigmoidCrossEntropyOp = defineOp<NoAttributes>({
  name: "sigmoidCrossEntropy",
  doc: "losses = max(x, 0) - x t + log(1 + exp(-|x|)), elementwise: logits x and targets t of one shape -> losses of that shape",
  infer(inputs) {
    const { logits, targets } = named("sigmoidCrossEntropy", inputs, ["logits", "targets"]);
    requireFloats("sigmoidCrossEntropy", { logits, targets });
    requireShape("sigmoidCrossEntropy", { targets }, logits.shape, "the shape of the logits");
    return [logits];
  },
  kernel(inputs, outputs) {
    const [x, t] = inputs.map((view) => view.data) as [NumberArray, NumberArray];
    const out = (outputs[0] as View).data;
    for (let i = 0; i < x.length; i++) {
      const logit = x[i] as number;
      out[i] = Math.max(logit, 0) - logit * (t[i] as number) + Math.log1p(Math.exp(-Math.abs(logit)));
    }
  },
  gradient({ inputs, gradients, needs }) {
    const [x, t] = inputs as [Value, Value];
    const dy = gradients[0] as Value;
    return [needs(0) ? mul(sub(sigmoid(x), t), dy) : undefined, needs(1) ? neg(mul(x, dy)) : undefined];
  },
  decomposition([x, t]) {
    const logit = x as Value;
    return [add(sub(relu(logit), mul(logit, t as Value)), log(add(exp(neg(abs(logit))), 1)))];
  },
  inPlace: [0],
  samples: [
    { inputs: [{ shape: [7, 5] }, { shape: [7, 5], range: [0, 1] }], attributes: {} },
    {
      inputs: [
        { shape: [33, 1], range: [-8, 8] },
        { shape: [33, 1], range: [0, 1] },
      ],
      attributes: {},
    },
    {
      inputs: [
        { shape: [6], values: [500, -500, 500, -500, 30, -30] },
        { shape: [6], values: [1, 0, 0, 1, 1, 0] },
      ],
      attributes: {},
    },
    { inputs: [{ shape: [0, 1] }, { shape: [0, 1] }], attributes: {} },
  ],
});

/** The cross-entropy of targets from 0 to 1 under sigmoid(logits), elementwise. */
export function sigmoidCrossEntropy(logits: Value, targets: Value): Value {
  return apply1(sigmoidCrossEntropyOp, [logits, targets], {});
}

// ---------------------------------------------------------------- misclassification

/** The first largest of x[begin .. begin + k), as an offset; a NaN counts as the largest. */
function argMaxOf(x: NumberArray, begin: number, k: number): number {
  let best = 0;
  for (let j = 0; j < k; j++) {
    const value = x[begin + j] as number;
    if (Number.isNaN(value)) return j;
    if (value > (x[begin + best] as number)) best = j;
  }
  return best;
}

const classificationErrorsOp = defineOp<NoAttributes>({
  name: "classificationErrors",
  doc: "1 where argMax of a row differs from its label (from argMax of the labels' row), else 0: outputs [m, k], labels i32 [m] or [m, k] -> [m]",
  infer(inputs) {
    const { outputs, labels } = named("classificationErrors", inputs, ["outputs", "labels"]);
    const [m, k] = requireMatrix("classificationErrors", "outputs", outputs);
    requireFloats("classificationErrors", { outputs });
    requireLabels("classificationErrors", outputs, labels, [m, k]);
    return [{ shape: [m], dtype: outputs.dtype }];
  },
  kernel(inputs, outputs) {
    const [x, labels] = inputs.map((view) => view.data) as [NumberArray, NumberArray];
    const out = (outputs[0] as View).data;
    const [m = 0, k = 0] = (inputs[0] as View).shape;
    const classes = (inputs[1] as View).dtype === "i32";
    for (let i = 0; i < m; i++) {
      const label = classes ? labels[i] : argMaxOf(labels, i * k, k);
      out[i] = argMaxOf(x, i * k, k) === label ? 0 : 1;
    }
  },
  decomposition([outputs, labels]) {
    const classes = (labels as Value).dtype === "i32" ? (labels as Value) : argMax(labels as Value, 1);
    const right = cast(equal(argMax(outputs as Value, 1), classes), (outputs as Value).dtype);
    return [add(neg(right), 1)];
  },
  samples: [
    { inputs: [{ shape: [7, 5] }, { shape: [7], dtype: "i32", below: 5 }], attributes: {} },
    { inputs: [{ shape: [7, 5] }, { shape: [7, 5], range: [0, 1] }], attributes: {} },
    { inputs: [{ shape: [6, 1] }, { shape: [6], dtype: "i32", below: 1 }], attributes: {} },
    { inputs: [{ shape: [133, 3] }, { shape: [133], dtype: "i32", below: 3 }], attributes: {} },
    // Ties go to the first; a NaN counts as the largest.
    {
      inputs: [
        { shape: [3, 3], values: [1, 1, 1, 0, 2, 2, 5, Number.NaN, 9] },
        { shape: [3], dtype: "i32", values: [0, 1, 1] },
      ],
      attributes: {},
    },
    {
      inputs: [
        { shape: [2, 3], values: [3, 1, 2, 3, 1, 2] },
        { shape: [2, 3], values: [1, 0, 0, 0, 0, 1] },
      ],
      attributes: {},
    },
  ],
});

export function classificationErrors(outputs: Value, labels: Value): Value {
  return apply1(classificationErrorsOp, [outputs, labels], {});
}

export const lossOps: readonly OpDefinition[] = [
  softmaxOp,
  logSoftmaxOp,
  softmaxCrossEntropyOp,
  softmaxCrossEntropyGradientOp,
  sigmoidCrossEntropyOp,
  classificationErrorsOp,
];
