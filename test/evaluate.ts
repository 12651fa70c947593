// Evaluates a small graph in the plainest way: every node once, inputs first, each output in an array of its own.
// An oracle for the executors: it must know nothing of plans, memory, programs or simplification.
import { type NumberArray, newArray } from "../src/dtype.ts";
import type { Node, Value, View } from "../src/ops/define.ts";
import { show, sizeOf } from "../src/shape.ts";

/** What an output holds before its kernel runs: a kernel that leaves an element out, or adds to what it finds, is seen. */
export function poisoned(type: { readonly dtype: View["dtype"]; readonly shape: View["shape"] }): View {
  const data = newArray(type.dtype, sizeOf(type.shape));
  data.fill(type.dtype === "f32" || type.dtype === "f64" ? Number.NaN : 77);
  return { ...type, data };
}

function sourceOf(node: Node, given: ReadonlyMap<Node, NumberArray>): NumberArray {
  const data = given.get(node) ?? (node.source && "data" in node.source ? node.source.data : undefined);
  if (!data) throw new Error(`evaluate: no value was given for a source of shape ${show(node.outputs[0]?.shape ?? [])}`);
  return data;
}

/** The values' numbers, from those of the graph's sources; constants bring their own. */
export function evaluate(values: readonly Value[], given: ReadonlyMap<Node, NumberArray> = new Map()): NumberArray[] {
  const done = new Map<Node, readonly NumberArray[]>();
  const compute = (node: Node): readonly NumberArray[] => {
    const known = done.get(node);
    if (known) return known;
    const outputs = node.op ? run(node) : [sourceOf(node, given)];
    done.set(node, outputs);
    return outputs;
  };
  const run = (node: Node): readonly NumberArray[] => {
    const inputs = node.inputs.map((input): View => ({ ...input.type, data: compute(input.node)[input.index] as NumberArray }));
    if (node.op?.alias) {
      const from = typeof node.attributes.offset === "number" ? node.attributes.offset : 0;
      return [(inputs[0] as View).data.subarray(from, from + sizeOf(node.outputs[0]?.shape ?? []))];
    }
    const outputs = node.outputs.map(poisoned);
    node.op?.kernel(inputs, outputs, node.attributes);
    return outputs.map((output) => output.data);
  };
  return values.map((value) => compute(value.node)[value.index] as NumberArray);
}
