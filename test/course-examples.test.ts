// The programs of the course run in their small size, and every claim they make holds. Files in examples/course are found by listing.
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { programs } from "../examples/course/run.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

describe("programs of the course", () => {
  const argv = process.argv;
  const printed: string[] = [];
  beforeAll(() => {
    process.argv = [...argv.slice(0, 2), "--small"];
  });
  afterAll(() => {
    process.argv = argv;
  });
  beforeEach(() => {
    printed.length = 0;
    vi.spyOn(console, "log").mockImplementation((line) => void printed.push(String(line)));
  });
  afterEach(() => {
    vi.restoreAllMocks();
    // A false claim sets it; the test below has said so, and vitest has an exit code of its own.
    process.exitCode = undefined;
  });

  it("have a number of their own and a title", () => {
    const all = programs();
    expect(all.length).toBeGreaterThan(0);
    expect(new Set(all.map(({ number }) => number)).size).toBe(all.length);
    for (const { title } of all) expect(title.length).toBeGreaterThan(10);
  });

  it("fail when a claim is false", async () => {
    const { claim } = await import("../examples/course/claim.ts");
    claim("two and two are four", true);
    expect(process.exitCode ?? 0).toBe(0);
    claim("two and two are five", false, { sum: 2 + 2 });
    expect(process.exitCode).toBe(1);
    expect(printed).toEqual(["holds: two and two are four", "FALSE: two and two are five (sum 4)"]);
  });

  it.each(programs())("$file", { timeout: 120_000 }, async ({ file }) => {
    const { claims } = await import("../examples/course/claim.ts");
    const before = claims.length;
    await import(/* @vite-ignore */ `../examples/course/${file}`);
    const made = claims.slice(before);
    expect(made.length, "claims").toBeGreaterThan(0);
    expect(
      made.filter(({ holds }) => !holds).map(({ text }) => text),
      printed.join("\n"),
    ).toEqual([]);
    expect(process.exitCode ?? 0).toBe(0);
  });
});

describe("npm run course", () => {
  const course = (...args: string[]) =>
    spawnSync(
      process.execPath,
      ["--import", createRequire(import.meta.url).resolve("tsx"), join(root, "examples/course/run.ts"), ...args],
      {
        encoding: "utf8",
        env: { ...process.env, TSX_TSCONFIG_PATH: join(root, "tsconfig.json") },
      },
    );

  it("lists the programs without a number", () => {
    const { status, stdout } = course();
    expect(status).toBe(0);
    for (const { number, title } of programs()) expect(stdout).toContain(`  ${number}  ${title}`);
  });

  it("says which there are when a number is unknown", () => {
    const { status, stderr } = course("99");
    expect(status).toBe(1);
    expect(stderr).toContain("there is no program 99; there are");
  });

  it("refuses what it does not know", () => {
    const { status, stderr } = course("1", "--smal");
    expect(status).toBe(1);
    expect(stderr).toContain("--smal");
  });

  it("passes the program's exit code on", () => {
    const { status, stdout } = course("1", "--small");
    expect(stdout).toContain("holds: ");
    expect(status).toBe(0);
  });
});
