// Loads the library afresh on one executor, for tests that run on both: the choice is made once per process.
import { vi } from "vitest";

const asked = process.env.MINIBATCH_BACKEND;

export type ExecutorName = "typescript" | "native";

/** The executors to test: the one of MINIBATCH_BACKEND, else both. */
export const executors: readonly ExecutorName[] = asked === "native" || asked === "typescript" ? [asked] : ["typescript", "native"];

/**
 * From here on `await import("../src/...")` gives modules on this executor. Returns why it cannot be had (no addon was built), which
 * is an error when MINIBATCH_BACKEND asks for it.
 */
export async function useExecutor(name: ExecutorName): Promise<string | undefined> {
  vi.resetModules();
  vi.stubEnv("MINIBATCH_BACKEND", name);
  const { backend } = await import("../src/run/backend.ts");
  try {
    const found = backend().name;
    if (found !== name) throw new Error(`asked for the ${name} executor, got ${found}`);
    return undefined;
  } catch (error) {
    if (asked) throw error;
    return `no ${name} executor here: ${String(error).split("\n")[0]}`;
  }
}
