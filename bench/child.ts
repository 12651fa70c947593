// A process of its own that measures on request: one task a line of JSON on its input, one answer a line on its output.
// Thread counts, instruction sets and allocators are fixed when a process starts, so each configuration is one.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { NetworkName } from "./networks.ts";

/** What can be measured; `seconds` is for how long. */
export type Task = { readonly seconds: number } & (
  | { readonly kind: "training"; readonly net: NetworkName }
  | { readonly kind: "inference"; readonly rows: number }
  | { readonly kind: "adam"; readonly parameters: number }
  | { readonly kind: "batchNorm" | "dropout"; readonly rows: number; readonly columns: number }
  | { readonly kind: "matmul"; readonly m: number; readonly k: number; readonly n: number }
);

/** Seconds per step or call: the 10th percentile, which other work on the machine hardly touches, and the median. */
export interface Times {
  readonly p10: number;
  readonly median: number;
  /** Which of several ways of the same library it was, where the process tries them all. */
  readonly way?: string;
}

export interface Child {
  ask(task: Task): Promise<Times>;
  end(): void;
}

/** Lines that are no answer (libraries greet) are passed over. */
const mark = "answer ";

export function startChild(command: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Child {
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ["pipe", "pipe", "pipe"] });
  let complaints = "";
  let waiting: { resolve(times: Times): void; reject(error: Error): void } | undefined;
  let closed: string | undefined;
  const settle = (f: (w: NonNullable<typeof waiting>) => void) => {
    const was = waiting;
    waiting = undefined;
    if (was) f(was);
  };
  child.stderr.on("data", (data) => {
    complaints = `${complaints}${data}`.slice(-2000);
  });
  const failed = (reason: string) => settle(({ reject }) => reject(new Error(`${reason}${complaints ? `: ${complaints.trim()}` : ""}`)));
  child.on("error", (error) => failed(error.message));
  child.on("close", (code, signal) => {
    closed = `ended with ${signal ?? code}`;
    failed(closed);
  });
  child.stdin.on("error", () => undefined); // told by "close"
  createInterface({ input: child.stdout }).on("line", (line) => {
    if (!line.startsWith(mark)) return;
    const answer = JSON.parse(line.slice(mark.length)) as Times & { error?: string };
    settle(({ resolve, reject }) => (answer.error === undefined ? resolve(answer) : reject(new Error(answer.error))));
  });
  return {
    ask: (task) =>
      new Promise((resolve, reject) => {
        waiting = { resolve, reject };
        if (closed) failed(closed);
        else child.stdin.write(`${JSON.stringify(task)}\n`);
      }),
    end: () => {
      child.stdin.end();
    },
  };
}

/** The other side: answers tasks until its input ends. */
export async function answerTasks(measure: (task: Task) => Promise<Times>): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    let answer: Times | { error: string };
    try {
      answer = await measure(JSON.parse(line) as Task);
    } catch (error) {
      answer = { error: error instanceof Error ? error.message : String(error) };
    }
    console.log(`${mark}${JSON.stringify(answer)}`);
  }
  process.exit(0); // whatever threads a library leaves behind
}
