// A graph: the nodes that some stores need, in an order in which they can run, and its text and drawings.
// Knows nothing of memory, executors or training.
import type { DType } from "../dtype.ts";
import type { Attributes, Node, Source, Value } from "../ops/define.ts";
import { show } from "../shape.ts";

/** A value to be kept: written into the named slot of a memory when a step ends. */
export interface Store {
  readonly value: Value;
  readonly memory: string;
  readonly name: string;
}

export interface Graph {
  /** Every node comes after the nodes of its inputs. */
  readonly nodes: readonly Node[];
  readonly stores: readonly Store[];
}

/** The nodes that `values` need, in the order in which they were written (a node is always made after its inputs). */
export function reachable(values: readonly Value[]): Node[] {
  const seen = new Set<Node>();
  const open: Node[] = values.map((v) => v.node);
  for (let node = open.pop(); node; node = open.pop()) {
    if (seen.has(node)) continue;
    seen.add(node);
    for (const input of node.inputs) open.push(input.node);
  }
  return [...seen].sort((a, b) => a.id - b.id);
}

export function graphOf(stores: readonly Store[]): Graph {
  return { nodes: reachable(stores.map((s) => s.value)), stores };
}

/** How often each output of each node is read, stores included. */
export function useCounts(graph: Graph): Map<Node, number[]> {
  const uses = new Map<Node, number[]>(graph.nodes.map((node) => [node, node.outputs.map(() => 0)]));
  const count = (v: Value) => {
    const counts = uses.get(v.node) as number[];
    counts[v.index] = (counts[v.index] as number) + 1;
  };
  for (const node of graph.nodes) for (const input of node.inputs) count(input);
  for (const store of graph.stores) count(store.value);
  return uses;
}

function showSource(source: Source): string {
  switch (source.kind) {
    case "constant":
      return source.data.length === 1 ? String(Number((source.data[0] as number).toPrecision(7))) : "constant";
    case "argument":
      return `argument ${source.name}`;
    case "variable":
      return `variable ${source.name}`;
    case "memory":
      return `${source.memory}.${source.name}`;
  }
}

function showAttributes(attributes: Attributes): string {
  const items = Object.entries(attributes).map(([key, value]) => `${key}: ${Array.isArray(value) ? show(value) : value}`);
  return items.length ? ` { ${items.join(", ")} }` : "";
}

const showType = ({ shape, dtype }: { shape: readonly number[]; dtype: DType }) => `${dtype}${show(shape)}`;

/** A node as drawings need it. */
export interface NodeView {
  /** The op, or what a source is: a number, "argument x". */
  readonly label: string;
  readonly isOp: boolean;
  /** `layer "dense_1"`, or empty. */
  readonly scope: string;
  /** Type of each output: "f32[2, 10]". */
  readonly types: readonly string[];
  /** Places of the nodes it reads, in order; every one is below its own. */
  readonly inputs: readonly number[];
  /** Where its outputs are kept: "out.output". */
  readonly stores: readonly string[];
}

/** What users see of a graph: text, a Mermaid flowchart, a DOT digraph, a list of nodes. */
export class GraphView {
  readonly #graph: Graph;
  readonly #numbers: Map<Node, number>;
  constructor(graph: Graph) {
    this.#graph = graph;
    this.#numbers = new Map(graph.nodes.map((node, i) => [node, i]));
  }

  /** One line a node: `%3 = matmul(%1, %2) { transposeA: false } : f32[64, 10]  # dense_1`. */
  toString(): string {
    const nameOf = (v: Value) => `%${this.#numbers.get(v.node)}${v.node.outputs.length > 1 ? `.${v.index}` : ""}`;
    const lines = this.#graph.nodes.map((node, i) => {
      const what = node.op
        ? `${node.op.name}(${node.inputs.map(nameOf).join(", ")})${showAttributes(node.attributes)}`
        : showSource(node.source as Source);
      return `%${i} = ${what} : ${node.outputs.map(showType).join(", ")}${node.scope ? `  # ${node.scope}` : ""}`;
    });
    for (const store of this.#graph.stores) lines.push(`${store.memory}.${store.name} <- ${nameOf(store.value)}`);
    return lines.join("\n");
  }

  /** All nodes, each after those it reads. */
  nodes(): NodeView[] {
    return this.#graph.nodes.map((node) => ({
      label: node.op ? node.op.name : showSource(node.source as Source),
      isOp: node.op !== undefined,
      scope: node.scope,
      types: node.outputs.map(showType),
      inputs: node.inputs.map((input) => this.#numbers.get(input.node) as number),
      stores: this.#graph.stores.filter(({ value }) => value.node === node).map(({ memory, name }) => `${memory}.${name}`),
    }));
  }

  mermaid(): string {
    const quote = (text: string) => `"${text.replaceAll('"', "#quot;")}"`;
    return [
      "flowchart TD",
      ...this.#parts(
        (id, label, isOp) => `  ${id}${isOp ? "(" : "["}${quote(label)}${isOp ? ")" : "]"}`,
        (a, b, label) => `  ${a} -->|${quote(label)}| ${b}`,
      ),
    ].join("\n");
  }

  dot(): string {
    const quote = (text: string) => `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
    const parts = this.#parts(
      (id, label, isOp) => `  ${id} [label=${quote(label)}, shape=${isOp ? "ellipse" : "box"}];`,
      (a, b, label) => `  ${a} -> ${b} [label=${quote(label)}];`,
    );
    return ["digraph program {", ...parts, "}"].join("\n");
  }

  #parts(box: (id: string, label: string, isOp: boolean) => string, arrow: (a: string, b: string, label: string) => string): string[] {
    const lines: string[] = [];
    this.#graph.nodes.forEach((node, i) => {
      const label = node.op ? node.op.name : showSource(node.source as Source);
      lines.push(box(`n${i}`, node.scope && node.op ? `${label} (${node.scope})` : label, node.op !== undefined));
      for (const input of node.inputs) lines.push(arrow(`n${this.#numbers.get(input.node)}`, `n${i}`, show(input.shape)));
    });
    this.#graph.stores.forEach((store, i) => {
      lines.push(
        box(`s${i}`, `${store.memory}.${store.name}`, false),
        arrow(`n${this.#numbers.get(store.value.node)}`, `s${i}`, show(store.value.shape)),
      );
    });
    return lines;
  }
}
