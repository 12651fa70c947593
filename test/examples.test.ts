// The examples run, and what they claim holds.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { sgd, tensor, variable } from "minibatch";
import { afterAll, describe, expect, it } from "vitest";
import { learnXor, Scalar } from "../examples/00-micrograd.ts";
import { searchMany } from "../examples/caviar.ts";
import { babysit } from "../examples/panda.ts";
import { learn } from "../examples/regression.ts";
import { serveWhileTraining } from "../examples/server.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), "minibatch-examples-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe("00-micrograd", () => {
  it("learns XOR", () => {
    const { last, answers } = learnXor();
    expect(last).toBeLessThan(0.05);
    expect(answers.map(Math.round)).toEqual([-1, 1, 1, -1]);
  });

  it("agrees with the library's gradients and steps", () => {
    const [a, b] = [new Scalar(0.7), new Scalar(-1.3)];
    a.mul(b).add(a.square()).tanh().sub(b).square().backward();
    const [u, v] = [variable(0.7, { dtype: "f64" }), variable(-1.3, { dtype: "f64" })];
    sgd({ learningRate: 1 }).minimize(() => u.mul(v).add(u.square()).tanh().sub(v).square(), [u, v])();
    expect(u.item()).toBeCloseTo(0.7 - a.gradient, 12);
    expect(v.item()).toBeCloseTo(-1.3 - b.gradient, 12);
    expect(tensor([a.gradient]).item()).not.toBe(0);
  });
});

describe("regression", () => {
  it("beats the mean", { timeout: 120_000 }, async () => {
    const { network, baseline } = await learn();
    expect(network).toBeLessThan(0.85 * baseline);
  });
});

describe("panda", () => {
  it("goes back where the rate was too high, and is played again from its log", { timeout: 120_000 }, async () => {
    const { history, model, again, dev } = await babysit({ log: join(scratch, "panda.jsonl") });
    expect(history.interventions.map(({ what }) => what)).toEqual(["set", "revert", "set", "mark", "set"]);
    expect(history.epochs[3]?.trainError).toBeGreaterThan(3 * (history.epochs[2]?.trainError ?? 1));
    expect(history.last.devError).toBeLessThan(history.epochs[2]?.devError ?? 0);
    expect(again.predictSync(dev.x).data("f32")).toEqual(model.predictSync(dev.x).data("f32"));
  });
});

describe("caviar", () => {
  it("searches at random, then around the best, and stops what lags behind", { timeout: 300_000 }, async () => {
    const lines: string[] = [];
    const { name, result, rounds } = await searchMany({ trials: 6, epochs: 2, data: "digits", say: (line) => lines.push(line) });
    expect(name).toBe("digits");
    expect(lines).toHaveLength(18);
    expect(rounds.map(({ round, trials }) => [round, trials])).toEqual([
      [1, 6],
      [2, 6],
      [3, 6],
    ]);
    const width = ({ low, high }: (typeof rounds)[number]) => Math.log10(high / low);
    const [first, second, third] = rounds.map(width) as [number, number, number];
    expect([first > second, second >= third, third > 0]).toEqual([true, true, true]);
    expect(result.best.value).toBeLessThan(0.3);
  });
});

describe("server", () => {
  it("answers while another model trains", { timeout: 300_000 }, async () => {
    const { steps, requests, right } = await serveWhileTraining({ epochs: 3 });
    expect(steps).toBe(3 * Math.ceil(1437 / 32));
    expect(requests).toBeGreaterThan(2);
    expect(right / requests).toBeGreaterThan(0.8);
  });
});

describe("npm start", () => {
  it("learns digits, saves, loads and reads some", { timeout: 300_000 }, () => {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ["--import", createRequire(import.meta.url).resolve("tsx"), join(root, "examples/start.ts")],
      {
        cwd: scratch,
        encoding: "utf8",
        env: { ...process.env, TSX_TSCONFIG_PATH: join(root, "tsconfig.json") },
      },
    );
    expect(stderr).not.toContain("Error");
    const accuracy = Number(/test accuracy ([\d.]+) %/.exec(stdout)?.[1]);
    expect(accuracy).toBeGreaterThan(95);
    expect(stdout).toMatch(/back end: (native code, \w+ kernels, \d+ threads?|TypeScript)/);
    expect(stdout).toContain("saved as digits.safetensors and loaded again");
    expect(status).toBe(0);
  });
});
