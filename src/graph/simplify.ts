// Rewrites a graph into one that computes the same with fewer passes over memory: an activation moves into the op
// before it, and its mask into the gradient op behind it; the rows of a batch are standardised as they are gathered.
// Knows nothing of memory or executors.
import type { Attributes, Node, OpDefinition, Value } from "../ops/define.ts";
import { apply, Value as ValueClass } from "../ops/define.ts";
import { standardizedRowsOp } from "../ops/standardization.ts";
import { sameShape } from "../shape.ts";
import { type Graph, reachable } from "./graph.ts";

/** What a rule may put in the place of a node: one value per output, or undefined to leave it as it is. */
type Rule = (node: Node, inputs: readonly Value[]) => readonly Value[] | undefined;

const relu = 1;

/** Rebuilds the graph in its own order; a rule sees each node with its inputs already rewritten. */
function rewrite(graph: Graph, rule: Rule): Graph {
  const made = new Map<Node, readonly Value[]>();
  const nodes: Node[] = [];
  const now = (v: Value): Value => (made.get(v.node) as readonly Value[])[v.index] as Value;
  for (const node of graph.nodes) {
    const inputs = node.inputs.map(now);
    let outputs = rule(node, inputs);
    if (!outputs) {
      const same = inputs.every((v, i) => v.node === (node.inputs[i] as Value).node);
      outputs =
        same || !node.op ? node.outputs.map((_, i) => new ValueClass(node, i)) : rebuilt(node.op, inputs, node.attributes, node.scope);
    }
    made.set(node, outputs);
    for (const value of outputs) if (!nodes.includes(value.node, Math.max(0, nodes.length - 4))) nodes.push(value.node);
  }
  const stores = graph.stores.map((s) => ({ ...s, value: now(s.value) }));
  const alive = new Set(reachable(stores.map((s) => s.value)));
  const seen = new Set<Node>();
  const order = nodes.filter((node) => alive.has(node) && !seen.has(node) && seen.add(node));
  return { nodes: order, stores };
}

function rebuilt(op: OpDefinition, inputs: readonly Value[], attributes: Attributes, scope: string): Value[] {
  const [first] = apply(op, inputs, attributes);
  const node = { ...(first as Value).node, scope };
  return node.outputs.map((_, i) => new ValueClass(node, i));
}

/** Who reads each output of each node; a store counts as a reader without a node. */
function readers(graph: Graph): (v: Value) => readonly (Node | undefined)[] {
  const all = new Map<Node, (Node | undefined)[][]>();
  for (const node of graph.nodes)
    all.set(
      node,
      node.outputs.map(() => []),
    );
  for (const node of graph.nodes) for (const v of node.inputs) all.get(v.node)?.[v.index]?.push(node);
  for (const { value } of graph.stores) all.get(value.node)?.[value.index]?.push(undefined);
  return (v) => all.get(v.node)?.[v.index] ?? [];
}

const takesActivation = new Set(["linear", "batchNorm", "batchNormInference"]);

/**
 * relu(linear(x, w, b)) and relu(batchNorm(x, ...)) become one op with `activation: 1` when nobody else needs what
 * lies between; a batchNormGradient behind such a pair masks its own incoming gradient.
 */
function fuseActivations(graph: Graph): Graph {
  const read = readers(graph);
  /** relu nodes to fuse -> the node they fuse with. */
  const fused = new Map<Node, Node>();
  const producers = new Map<Node, Node>();
  /** batchNormGradient nodes -> the reluGradient whose masking they take over. */
  const masks = new Map<Node, Node>();
  for (const node of graph.nodes) {
    if (node.op?.name !== "relu") continue;
    const before = node.inputs[0] as Value;
    const producer = before.node;
    if (!producer.op || !takesActivation.has(producer.op.name) || producer.attributes.activation !== 0 || before.index !== 0) continue;
    const behind = read(before).filter((reader) => reader !== node);
    const found = behind.map((reader) => maskBefore(reader, node, read));
    if (found.some((mask) => !mask)) continue;
    fused.set(node, producer);
    producers.set(producer, node);
    for (const [i, reader] of behind.entries()) masks.set(reader as Node, found[i] as Node);
  }
  if (!fused.size) return graph;
  const fusedOutputs = new Map<Node, readonly Value[]>();
  return rewrite(graph, (node, inputs) => {
    if (producers.has(node)) {
      const outputs = rebuilt(node.op as OpDefinition, inputs, { ...node.attributes, activation: relu }, node.scope);
      fusedOutputs.set(node, outputs);
      return outputs;
    }
    const producer = fused.get(node);
    if (producer) return [(fusedOutputs.get(producer) as readonly Value[])[0] as Value];
    const mask = masks.get(node);
    if (!mask) return undefined;
    // batchNormGradient(x, gamma, mean, variance, y, dy): dy as it was before the mask.
    const dy = inputs[5] as Value;
    const unmasked = dy.node.inputs[1] as Value;
    return rebuilt(node.op as OpDefinition, [...inputs.slice(0, 5), unmasked], { ...node.attributes, activation: relu }, node.scope);
  });
}

/** The reluGradient of `activation` that feeds this batchNormGradient, when it serves only it. */
function maskBefore(reader: Node | undefined, activation: Node, read: (v: Value) => readonly (Node | undefined)[]): Node | undefined {
  if (reader?.op?.name !== "batchNormGradient" || reader.attributes.activation !== 0) return undefined;
  const dy = reader.inputs[5];
  if (dy?.node.op?.name !== "reluGradient" || dy.node.inputs[0]?.node !== activation) return undefined;
  return read(dy).length === 1 ? dy.node : undefined;
}

/** mul(sub(gatherRows(table, rows), center), factor), with one number per feature each, becomes standardizedRows. */
function standardizeRows(graph: Graph): Graph {
  const read = readers(graph);
  const producer = (v: Value | undefined, op: string): Node | undefined =>
    v?.node.op?.name === op && read(v).length === 1 ? v.node : undefined;
  const fits = (v: Value | undefined, row: Value) => v?.type.dtype === row.type.dtype && sameShape(v.type.shape, row.type.shape.slice(1));
  /** The products to replace, and the rows they begin with. */
  const made = new Map<Node, Node>();
  for (const node of graph.nodes) {
    if (node.op?.name !== "mul") continue;
    const distance = producer(node.inputs[0], "sub");
    const gather = producer(distance?.inputs[0], "gatherRows");
    const center = distance?.inputs[1];
    const rows = distance?.inputs[0];
    if (gather && center && rows && fits(center, rows) && fits(node.inputs[1], rows)) made.set(node, gather);
  }
  if (!made.size) return graph;
  const now = new Map<Node, readonly Value[]>();
  return rewrite(graph, (node, inputs) => {
    now.set(node, inputs);
    const gather = made.get(node);
    if (!gather) return undefined;
    const [table, rows] = now.get(gather) as readonly [Value, Value];
    const center = (now.get((node.inputs[0] as Value).node) as readonly Value[])[1] as Value;
    return rebuilt(standardizedRowsOp, [table, rows, center, inputs[1] as Value], {}, node.scope);
  });
}

/** The same computation in fewer passes over memory. */
export function simplify(graph: Graph): Graph {
  return standardizeRows(fuseActivations(graph));
}
