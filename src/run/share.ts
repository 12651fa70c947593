// How many threads the work started inside a function takes unless it is told otherwise: the function's share of the
// cores. The share follows the function through its awaits. Knows no executor and nothing of what is run.
import { checkNumber, describe, MinibatchError } from "../errors.ts";
import { builtin } from "./environment.ts";

type Store = import("node:async_hooks").AsyncLocalStorage<number>;

let store: Store | undefined;

/**
 * Calls `f`; every fit, evaluation and prediction that it starts, now or after an await, takes this many threads by default, and
 * `backend().threads` says so. An explicit option `threads` still decides. Others that run meanwhile keep their own number.
 * Where there is no Node (a browser), `f` is only called.
 *
 * ```ts
 * await withThreads(1, () => model.fit(train, { loss: crossEntropy(), optimizer: adam(), epochs: 5 }));
 * ```
 */
export function withThreads<T>(threads: number, f: () => T): T {
  checkNumber("withThreads", "threads", threads, { whole: true, min: 1, max: 256 });
  if (typeof f !== "function") throw new MinibatchError(`withThreads: expected a function to call, got ${describe(f)}`);
  if (!store) {
    const hooks = builtin<typeof import("node:async_hooks")>("node:async_hooks");
    if (!hooks) return f();
    store = new hooks.AsyncLocalStorage<number>();
  }
  return store.run(threads, f);
}

/** The share of whoever asks, or `all` outside of any. */
export function threadsHere(all: number): number {
  return store?.getStore() ?? all;
}
