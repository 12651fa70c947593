// `npx minibatch doctor` and what the environment may be set to, each in a process of its own as a user would run it.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const command = fileURLToPath(new URL("../bin/minibatch.mjs", import.meta.url));
const own = /^MINIBATCH_(BACKEND|ISA|THREADS|BLAS|DEBUG|ADDON)$/;

function minibatch(args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  const rest = Object.fromEntries(Object.entries(process.env).filter(([name]) => !own.test(name)));
  const { status, stdout, stderr } = spawnSync(process.execPath, [command, ...args], {
    encoding: "utf8",
    env: { ...rest, ...environment },
  });
  return { status, stdout, stderr };
}

describe("npx minibatch doctor", { timeout: 60_000 }, () => {
  it("says what runs here", () => {
    const { status, stdout } = minibatch(["doctor"]);
    expect(stdout).toMatch(/^minibatch \d+\.\d+\.\d+$/m);
    expect(stdout).toMatch(/back end +(native, \w+ kernels, \d+ threads?|TypeScript)/);
    expect(status).toBe(0);
  });

  it("says why TypeScript runs where the addon is missing, and what to do", () => {
    const { status, stdout } = minibatch(["doctor"], { MINIBATCH_ADDON: "/nowhere/minibatch.node" });
    expect(stdout).toMatch(/back end +TypeScript/);
    expect(stdout).toContain("/nowhere/minibatch.node: no such file");
    expect(stdout).toContain("install a C++20 compiler");
    expect(status).toBe(0);
  });

  it("fails where native code is required and not there", () => {
    const { status, stdout } = minibatch(["doctor"], { MINIBATCH_ADDON: "/nowhere/minibatch.node", MINIBATCH_BACKEND: "native" });
    expect(stdout).toContain("MINIBATCH_BACKEND=native: the addon did not load");
    expect(stdout).toContain("/nowhere/minibatch.node: no such file");
    expect(status).toBe(1);
  });

  it.each([
    ["MINIBATCH_BACKEND", "gpu", /MINIBATCH_BACKEND: must be native, typescript or auto, got "gpu"/],
    ["MINIBATCH_THREADS", "0", /MINIBATCH_THREADS: must be a whole number from 1 to 256, got "0"/],
    ["MINIBATCH_DEBUG", "loud", /MINIBATCH_DEBUG: must be 0, 1, 2, 3 or 4, got "loud"/],
  ])("%s=%s is answered", (name, value, says) => {
    expect(minibatch(["doctor"], { [name]: value }).stdout).toMatch(says);
  });

  it("an instruction set that this machine has not is answered, where there is an addon to ask", () => {
    const native = minibatch(["doctor"]).stdout.includes("back end          native");
    const { stdout } = minibatch(["doctor"], { MINIBATCH_ISA: "sse9" });
    expect(stdout).toMatch(/back end +TypeScript/);
    expect(stdout.includes("MINIBATCH_ISA: must be one that works here")).toBe(native);
  });

  it("shows its usage for anything else", () => {
    const { status, stderr } = minibatch(["docter"]);
    expect(stderr).toContain("usage: npx minibatch doctor");
    expect(status).toBe(1);
  });
});
