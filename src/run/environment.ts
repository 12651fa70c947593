// The environment variables of the library, and Node's own modules where there are any. The one place that looks at
// `process`, so that the core also loads where there is none.
import { MinibatchError } from "../errors.ts";

interface NodeProcess {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly versions?: Readonly<Record<string, string | undefined>>;
  getBuiltinModule?(name: string): unknown;
  emitWarning?(message: string): void;
}

const nodeProcess = (globalThis as { process?: NodeProcess }).process;

export function environment(name: string): string | undefined {
  const value = nodeProcess?.env?.[name];
  return value === "" ? undefined : value;
}

/** A module of Node, or undefined in a browser. */
export function builtin<T>(name: string): T | undefined {
  return nodeProcess?.getBuiltinModule?.(name) as T | undefined;
}

/** The JavaScript engine, by the version that decides what Math.exp and its like give. */
export function engine(): string {
  const v8 = nodeProcess?.versions?.v8;
  return v8 === undefined ? "an engine" : `V8 ${v8.split(".").slice(0, 2).join(".")}`;
}

/** MINIBATCH_DEBUG: 0 nothing, 1 verify programs and poison freed memory, 2 print programs, 3 print what every instruction of the TypeScript executor makes, 4 print graphs too. */
export function debugLevel(): number {
  const text = environment("MINIBATCH_DEBUG");
  if (text === undefined) return 0;
  const level = Number(text);
  if (!Number.isInteger(level) || level < 0 || level > 4)
    throw new MinibatchError(`MINIBATCH_DEBUG: must be 0, 1, 2, 3 or 4, got "${text}"`);
  return level;
}

/** MINIBATCH_THREADS, or the given number of cores. */
export function threadCount(cores: number): number {
  const text = environment("MINIBATCH_THREADS");
  if (text === undefined) return Math.max(1, cores);
  const n = Number(text);
  if (!Number.isInteger(n) || n < 1 || n > 256)
    throw new MinibatchError(`MINIBATCH_THREADS: must be a whole number from 1 to 256, got "${text}"`);
  return n;
}

/** Says something once per process. */
const said = new Set<string>();
export function warnOnce(message: string): void {
  if (said.has(message)) return;
  said.add(message);
  console.error(`minibatch: ${message}`);
}
