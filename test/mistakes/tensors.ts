// Mistakes with tensors, variables, gradients and compiled functions.
import { clipByGlobalNorm, compile, gradients, ops, randomNormal, relu, ShapeError, scalar, sgd, tensor, variable, zeros } from "minibatch";
import { type Mistake, untyped, x } from "./mistake.ts";

export const tensors: readonly Mistake[] = [
  {
    what: "a shape that holds another number of elements",
    make: () => tensor([1, 2, 3], { shape: [2, 2] }),
    says: /^tensor: shape \[2, 2\] holds 4 elements, got 3$/,
    kind: ShapeError,
  },
  {
    what: "ragged rows",
    make: () => tensor([[1, 2], [3]]),
    says: /^tensor: nested arrays must have equal lengths, got 1 where 2 was expected/,
    kind: ShapeError,
  },
  {
    what: "text among the numbers",
    make: () => tensor(untyped([1, "2"])),
    says: /^tensor: every element must be a number, got "2" at \[1\]$/,
  },
  { what: "null for data", make: () => tensor(untyped(null)), says: /^tensor: expected numbers, .* got null$/ },
  {
    what: "a dtype of another library",
    make: () => tensor([1], { dtype: untyped("float32") }),
    says: /^tensor: dtype must be one of f32, f64, i32, u8, got "float32"$/,
  },
  {
    what: "a misspelled option of tensor",
    make: () => tensor([1], untyped({ dtpye: "f32" })),
    says: /^tensor: unknown option "dtpye", did you mean "dtype"\?$/,
  },
  {
    what: "a detached array",
    make: () => {
      const data = new Float32Array(4);
      structuredClone(data.buffer, { transfer: [data.buffer] });
      return tensor(data);
    },
    says: /^tensor: .*detached/,
  },
  {
    what: "64-bit integers",
    make: () => tensor(untyped(new BigInt64Array(2))),
    says: /^tensor: expected numbers, .* got a BigInt64Array$/,
  },
  { what: "a negative size", make: () => zeros([2, -1]), says: /sizes must be whole numbers from 0 on, got \[2, -1\]$/, kind: ShapeError },
  { what: "half a row", make: () => zeros([1.5]), says: /sizes must be whole numbers from 0 on, got \[1.5\]$/, kind: ShapeError },
  {
    what: "no seed",
    make: () => randomNormal([2], untyped({})),
    says: /^randomNormal: seed must be a whole number from 0.*, got undefined$/,
  },
  {
    what: "shapes that do not broadcast",
    make: () => zeros([2, 3]).add(zeros([2, 4])),
    says: /^add: sizes must be equal or 1 on every axis, got \[2, 3\] and \[2, 4\]$/,
    kind: ShapeError,
  },
  {
    what: "inner sizes that differ",
    make: () => zeros([32, 64]).matmul(zeros([128, 10])),
    says: /^matmul: inner sizes must match, got \[32, 64\] x \[128, 10\]/,
    kind: ShapeError,
  },
  { what: "reshape to another size", make: () => zeros([2, 3]).reshape([4]), says: /^reshape: .*\[2, 3\].*\[4\]/, kind: ShapeError },
  {
    what: "an axis that is not there",
    make: () => zeros([2, 3]).sum({ axis: 2 }),
    says: /^sum: axis must be a whole number from -2 to 1 for a tensor of rank 2, got 2$/,
    kind: ShapeError,
  },
  { what: "size of an axis that is not there", make: () => zeros([2]).size(1), says: /^size: axis must be/, kind: ShapeError },
  { what: "a slice past the end", make: () => zeros([4, 2]).slice([3, 0], [2, 2]), says: /^slice: /, kind: ShapeError },
  {
    what: "an index out of range",
    make: () =>
      tensor([1, 2, 3])
        .gather(tensor([0, 3], { dtype: "i32" }))
        .data(),
    says: /^gather: index 3 is out of range for 3/,
  },
  {
    what: "item() of many",
    make: () => zeros([2]).item(),
    says: /^item: the tensor must have one element, got shape \[2\]$/,
    kind: ShapeError,
  },
  {
    what: "toArray of another rank",
    make: () => zeros([2]).toArray(2),
    says: /^toArray: the tensor has rank 1, asked for 2/,
    kind: ShapeError,
  },
  { what: "a layer where the op was meant", make: () => relu(untyped(x)), says: /relu\(\) makes a layer; use x\.relu\(\)/ },
  {
    what: "numbers where an op wants tensors",
    make: () => ops.relu(untyped([1, 2])),
    says: /^relu: input 1 must be a tensor, got an array of 2; tensor\(\.\.\.\) makes one$/,
  },
  {
    what: "assigning another shape",
    make: () => variable([1, 2], { name: "w" }).assign([1, 2, 3]),
    says: /^assign: variable w has shape \[2\], got \[3\]$/,
    kind: ShapeError,
  },
  { what: "the gradient of a vector", make: () => gradients(variable([1, 2]).square(), [variable([1, 2])]), says: /^gradients: .*\[2\]/ },
  {
    what: "fewer gradients than variables",
    make: () => sgd({ learningRate: 1 }).apply([variable(1), variable(2)], untyped([scalar(1)])),
    says: /^sgd: .*2.*1/,
  },
  {
    what: "optimising a constant",
    make: () => sgd({ learningRate: 1 }).apply(untyped([scalar(1)]), untyped([scalar(1)])),
    says: /expected a variable, got a tensor \(its value never changes\); variable\(\.\.\.\) makes one$/,
  },
  {
    what: "a norm of zero to clip to",
    make: () => clipByGlobalNorm([zeros([2])], 0),
    says: /^clipByGlobalNorm: max must be a finite number above 0, got 0$/,
  },
  {
    what: "branching on a traced value",
    make: () => compile((a) => (a.item() > 0 ? a : a.neg()))(scalar(1)),
    says: /where/,
  },
  {
    what: "a compiled function of a number",
    make: () => compile((a) => a.neg())(untyped(3)),
    says: /^a compiled function: argument 1 must be a tensor, got 3/,
  },
  {
    what: "an array that holds itself",
    make: () => {
      const list: unknown[] = [];
      list.push(list);
      return tensor(untyped(list));
    },
    says: /^tensor: at most 6 axes, got arrays nested deeper$/,
    kind: ShapeError,
  },
  {
    what: "an array with holes",
    make: () => tensor(untyped(Object.assign([1], { 5: 2 }))),
    says: /^tensor: every element must be a number, got undefined at \[1\]$/,
    kind: ShapeError,
  },
  {
    what: "an array of holes",
    make: () => tensor(untyped(new Array(3))),
    says: /^tensor: every element must be a number, got undefined at \[0\]$/,
    kind: ShapeError,
  },
  {
    what: "a view of memory that was transferred away",
    make: () => {
      const rows = new Uint32Array(4);
      structuredClone(rows.buffer, { transfer: [rows.buffer] });
      return tensor(rows);
    },
    says: /^tensor: the array's memory was transferred away \(detached\) or shrunk; pass a copy$/,
  },
  {
    what: "sizes without end beside a 0",
    make: () => zeros([2 ** 40, 0]),
    says: /^full: at most 2\^32 elements, got \[1099511627776, 0\]$/,
    kind: ShapeError,
  },
  {
    what: "a shape of symbols",
    make: () => zeros(untyped([Symbol("x")])),
    says: /^full: sizes must be whole numbers from 0 on, got \[Symbol\(x\)\]$/,
    kind: ShapeError,
  },
  {
    what: "an axis of another kind",
    make: () => zeros([2, 2]).softmax(untyped({})),
    says: /^softmax: axis must be a whole number, got/,
    kind: ShapeError,
  },
  {
    what: "numbers in an unknown dtype",
    make: () => zeros([2]).data(untyped("f16")),
    says: /^data: dtype must be one of f32, f64, i32, u8, got "f16"$/,
  },
  {
    what: "an optimizer without options",
    make: () => sgd(untyped(undefined)),
    says: /^sgd: options must be an object with learningRate, .* got undefined$/,
  },
  {
    what: "gradients by whole numbers",
    make: () => gradients(tensor([2, 3], { dtype: "i32" }).mul(0.5).sum(), [tensor([2, 3], { dtype: "i32" })]),
    says: /^gradients: only f32 and f64 have gradients, got i32 \(tensor 1\); x\.cast\("f32"\) before it is used$/,
  },
  {
    what: "gradients of a whole number",
    make: () => gradients(variable([2, 3]).argMax(), [variable([2, 3])]),
    says: /^gradients: only f32 and f64 have gradients, got i32 \(the cost\)/,
  },
  {
    what: "gradients by what is no tensor",
    make: () => gradients(scalar(1), untyped(["w"])),
    says: /^gradients: the cost and what it is differentiated by must be tensors, got "w"$/,
  },
];
