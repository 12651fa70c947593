// The idea of this library in one page, and nothing imported: a number that remembers how it was made.
//
// Arithmetic on `Scalar`s computes results and, on the side, writes down a tape: for each result, which scalars went in
// and how strongly it depends on each of them. Reading the tape backwards once gives the derivative of the last result
// with respect to every scalar before it. That is all of backpropagation; `minibatch` does the same with whole tensors,
// writes the tape as a graph before anything runs, and hands the graph to native code.
//
//   npx tsx examples/00-micrograd.ts

export class Scalar {
  value: number;
  /** d(result) / d(this), known after `result.backward()`. */
  gradient = 0;
  /** What this was computed from: each part with d(this) / d(part). */
  readonly parts: readonly (readonly [part: Scalar, slope: number])[];

  constructor(value: number, parts: Scalar["parts"] = []) {
    this.value = value;
    this.parts = parts;
  }

  add(y: Scalar | number): Scalar {
    const other = lift(y);
    return new Scalar(this.value + other.value, [
      [this, 1],
      [other, 1],
    ]);
  }

  mul(y: Scalar | number): Scalar {
    const other = lift(y);
    return new Scalar(this.value * other.value, [
      [this, other.value],
      [other, this.value],
    ]);
  }

  sub(y: Scalar | number): Scalar {
    return this.add(lift(y).mul(-1));
  }

  square(): Scalar {
    return this.mul(this);
  }

  tanh(): Scalar {
    const t = Math.tanh(this.value);
    return new Scalar(t, [[this, 1 - t * t]]);
  }

  /** The chain rule, from the result to its sources: a scalar passes its gradient on once it is complete. */
  backward(): void {
    const order = inOrder(this);
    for (const scalar of order) scalar.gradient = 0;
    this.gradient = 1;
    for (const scalar of order.reverse()) {
      for (const [part, slope] of scalar.parts) part.gradient += slope * scalar.gradient;
    }
  }
}

function lift(x: Scalar | number): Scalar {
  return x instanceof Scalar ? x : new Scalar(x);
}

/** Everything behind a result, each after what it was made from. */
function inOrder(result: Scalar): Scalar[] {
  const order: Scalar[] = [];
  const seen = new Set<Scalar>();
  const visit = (scalar: Scalar) => {
    if (seen.has(scalar)) return;
    seen.add(scalar);
    for (const [part] of scalar.parts) visit(part);
    order.push(scalar);
  };
  visit(result);
  return order;
}

/** A network of 2 inputs, 3 hidden units and 1 output learns "exactly one of the two" (XOR). */
export function learnXor(steps = 500): { first: number; last: number; answers: number[] } {
  const examples = [-1, 1].flatMap((a) => [-1, 1].map((b) => ({ x: [a, b], y: a === b ? -1 : 1 })));
  // Different starting values, or the hidden units would stay copies of each other.
  const hidden = [0, 1, 2].map((unit) => [0, 1, 2].map((i) => new Scalar(Math.sin(1 + 3 * unit + i))));
  const output = [0, 1, 2, 3].map((i) => new Scalar(Math.cos(2 * i)));
  const parameters = [...hidden.flat(), ...output];

  const neuron = (weights: Scalar[], inputs: (Scalar | number)[]) =>
    inputs.reduce<Scalar>((sum, x, i) => sum.add((weights[i] as Scalar).mul(x)), weights[inputs.length] as Scalar).tanh();
  const network = (x: number[]) =>
    neuron(
      output,
      hidden.map((weights) => neuron(weights, x)),
    );

  let first = 0;
  let last = 0;
  for (let step = 0; step < steps; step++) {
    const cost = examples.reduce((sum, { x, y }) => sum.add(network(x).sub(y).square()), new Scalar(0));
    cost.backward();
    for (const p of parameters) p.value -= 0.1 * p.gradient;
    if (step === 0) first = cost.value;
    last = cost.value;
  }
  return { first, last, answers: examples.map(({ x }) => network(x).value) };
}

if (process.argv[1]?.endsWith("00-micrograd.ts")) {
  const { first, last, answers } = learnXor();
  console.log(`cost ${first.toFixed(3)} -> ${last.toFixed(5)}`);
  console.log(`(-1,-1) (-1,1) (1,-1) (1,1) -> ${answers.map((a) => a.toFixed(2)).join("  ")}`);
}
