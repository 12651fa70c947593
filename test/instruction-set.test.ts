// Which kernels run, where the environment says which must: test/trust/instruction-sets.ts emulates machines, and what a process starts
// could leave the emulator unseen and run on the best that the real machine has.
import { execFileSync } from "node:child_process";
import { expect, it } from "vitest";
import { findAddon } from "../src/run/addon.ts";

const expected = process.env.MINIBATCH_EXPECT_ISA;

it.skipIf(!expected)("the expected instruction set runs, here and in a process of its own", () => {
  const { addon, path } = findAddon();
  const code = `console.log(process.arch, require(${JSON.stringify(path)}).info().isa)`;
  const child = execFileSync(process.execPath, ["-e", code], { encoding: "utf8" }).trim();
  expect([`${process.arch} ${addon?.info().isa}`, child]).toEqual([expected, expected]);
});
