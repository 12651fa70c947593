// What is being traced right now, if anything: assignments inside a traced function are collected and take effect when
// a call of it ends. Knows nothing of tensors beyond values and boxes.
import type { Box, Value } from "./ops/define.ts";

/** A box that a compiled function may write. */
export interface Target extends Box {
  readonly name: string;
  store(data: ReturnType<Box["current"]>): void;
}

export class Trace {
  readonly assignments = new Map<Target, Value>();
  readonly #after: (() => void)[] = [];

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
