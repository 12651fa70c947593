// The gradient as a graph transformation: from a cost and some values, new nodes that compute dcost/dvalue.
// Knows no particular op but `view`: parts of one segment give one packed gradient of the segment.
import { MinibatchError, ShapeError } from "../errors.ts";
import { constantLike, type Node, scoped, Value } from "../ops/define.ts";
import { add } from "../ops/elementwise.ts";
import { broadcastTo } from "../ops/movement.ts";
import { sameShape, show, sizeOf } from "../shape.ts";
import { reachable } from "./graph.ts";
import { pack, viewOp } from "./segment.ts";

interface Part {
  readonly offset: number;
  readonly gradient: Value;
}

/** Nodes on a path from one of `of` to the cost: only these take part in the backward pass. */
function dependents(nodes: readonly Node[], of: ReadonlySet<Node>): Set<Node> {
  const found = new Set<Node>();
  for (const node of nodes) {
    if (of.has(node) || node.inputs.some((input) => found.has(input.node))) found.add(node);
  }
  return found;
}

function zerosLike(value: Value): Value {
  const zero = constantLike(0, value.dtype);
  return value.rank === 0 ? zero : broadcastTo(zero, value.shape);
}

/**
 * dcost/dv for every v of `of`, zeros where the cost does not depend on v. The cost must be one number.
 * A variable stands for all the moments at which it was read: their gradients are added.
 */
export function gradients(cost: Value, of: readonly Value[]): Value[] {
  if (!(cost instanceof Value)) throw new MinibatchError("gradients: the cost must be a tensor");
  const end = cost.snapshot();
  if (sizeOf(end.shape) !== 1)
    throw new ShapeError(`gradients: the cost must be one number, got shape ${show(end.shape)}; take its mean() or sum()`);
  const nodes = reachable([end]);
  const targets = of.map((value) => findReads(nodes, value));
  const active = dependents(nodes, new Set(targets.flat().map((v) => v.node)));
  const totals = new Map<Node, (Value | undefined)[]>();
  const parts = new Map<Node, Part[]>();

  const accumulate = (input: Value, gradient: Value | undefined) => {
    if (!gradient || !active.has(input.node)) return;
    if (!sameShape(gradient.shape, input.shape) || gradient.dtype !== input.dtype) {
      throw new MinibatchError(
        `internal: gradient of ${input.node.op?.name ?? "a source"} has ${gradient.dtype}${show(gradient.shape)}, wanted ${input.dtype}${show(input.shape)}`,
        "INTERNAL",
      );
    }
    let list = totals.get(input.node);
    if (!list) {
      list = input.node.outputs.map(() => undefined);
      totals.set(input.node, list);
    }
    const before = list[input.index];
    list[input.index] = before ? add(before, gradient) : gradient;
  };

  if (active.has(end.node)) {
    const one = constantLike(1, end.dtype);
    accumulate(end, end.rank === 0 ? one : broadcastTo(one, end.shape));
  }
  for (let i = nodes.length - 1; i >= 0; i--) {
    const node = nodes[i] as Node;
    if (!active.has(node)) continue;
    const collected = parts.get(node);
    if (collected) {
      collected.sort((a, b) => a.offset - b.offset);
      const whole = new Value(node, 0);
      const packed = mergeParts(collected, sizeOf(whole.shape));
      const before = totals.get(node)?.[0];
      // The packed parts come first: an addition is done in place over its first input, and theirs is the segment's own memory.
      totals.set(node, [before ? add(packed, before) : packed]);
    }
    const flowing = totals.get(node);
    if (!flowing || !node.op || !node.inputs.some((input) => active.has(input.node))) continue;
    scoped(node.scope ? `${node.scope} backward` : "backward", () => {
      if (node.op?.name === viewOp.name) {
        const segment = node.inputs[0] as Value;
        const list = parts.get(segment.node) ?? [];
        list.push({ offset: node.attributes.offset as number, gradient: flowing[0] as Value });
        parts.set(segment.node, list);
        return;
      }
      const found = node.op?.gradient?.({
        inputs: node.inputs,
        outputs: node.outputs.map((_, index) => new Value(node, index)),
        gradients: flowing,
        attributes: node.attributes,
        needs: (i) => active.has((node.inputs[i] as Value).node),
      });
      found?.forEach((gradient, i) => {
        accumulate(node.inputs[i] as Value, gradient);
      });
    });
  }
  return targets.map((reads, i) => {
    let total: Value | undefined;
    for (const read of reads) {
      const gradient = totals.get(read.node)?.[read.index];
      if (gradient) total = total ? add(total, gradient) : gradient;
    }
    return total ?? zerosLike(of[i] as Value);
  });
}

/** A parameter seen twice (tied weights) has two gradients for one place: added before packing. */
function mergeParts(sorted: readonly Part[], size: number): Value {
  const merged: Part[] = [];
  for (const part of sorted) {
    const last = merged.at(-1);
    if (last && last.offset === part.offset)
      merged[merged.length - 1] = { offset: last.offset, gradient: add(last.gradient, part.gradient) };
    else merged.push(part);
  }
  return packed(merged, size);
}

/** What no part covers, alignment and parameters that the cost does not see, is written as zeros: the memory may have been another value's. */
function packed(parts: readonly Part[], size: number): Value {
  const zero = constantLike(0, (parts[0] as Part).gradient.dtype);
  const whole: Part[] = [];
  let end = 0;
  const fill = (offset: number) => {
    if (offset > end) whole.push({ offset: end, gradient: broadcastTo(zero, [offset - end]) });
  };
  for (const part of parts) {
    fill(part.offset);
    whole.push(part);
    end = part.offset + sizeOf(part.gradient.shape);
  }
  fill(size);
  return pack(
    whole.map((p) => p.gradient),
    whole.map((p) => p.offset),
    size,
  );
}

/** The values in the graph that stand for `value`: itself, or every reading of the variable it is. */
function findReads(nodes: readonly Node[], value: Value): Value[] {
  const now = value.snapshot();
  const from = now.node.source;
  if (from?.kind !== "variable") return [now];
  const reads = nodes.filter((n) => n.source?.kind === "variable" && n.source.box === from.box).map((n) => new Value(n, 0));
  return reads.length ? reads : [now];
}
