// What is being traced right now, if anything: assignments inside a traced function are collected and take effect when
// a call of it ends. Knows nothing of tensors beyond values and boxes.
import { type Box, type Node, source, type Value, type ValueType } from "./ops/define.ts";

/** A box that a compiled function may write. */
export interface Target extends Box {
  readonly name: string;
  store(data: ReturnType<Box["current"]>): void;
}

export class Trace {
  readonly assignments = new Map<Target, Value>();
  readonly #after: (() => void)[] = [];
  readonly #live = new Map<Box, Value>();
  readonly #liveNodes = new Set<Node>();

  /** The value of a box that every call asks for again: made once in a trace, at its first reading there. */
  live(box: Box, make: () => Value): Value {
    let value = this.#live.get(box);
    if (!value) {
      value = make();
      this.#live.set(box, value);
      this.#liveNodes.add(value.node);
    }
    return value;
  }

  /** Whether a node was read from a box in this trace; one read before keeps the value of then. */
  isLive(node: Node): boolean {
    return this.#liveNodes.has(node);
  }

  /** The last assignment to a box wins. */
  assign(target: Target, value: Value): void {
    this.assignments.set(target, value);
  }

  /** Something to do after every call: an optimizer counts its steps. */
  after(f: () => void): void {
    this.#after.push(f);
  }

  ended(): void {
    for (const f of this.#after) f();
  }
}

let current: Trace | undefined;

export function currentTrace(): Trace | undefined {
  return current;
}

/** Runs `f` with everything traced into `trace`. */
export function traced<T>(trace: Trace, f: () => T): T {
  const before = current;
  current = trace;
  try {
    return f();
  } finally {
    current = before;
  }
}

/** A number or a few that the library supplies: in a traced function they are asked for at every call. */
export function supplied(name: string, type: ValueType, box: Box): Value {
  const make = () => source({ kind: "variable", box, name, data: box.current() }, type);
  return current ? current.live(box, make) : make();
}
