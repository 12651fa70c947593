// The runner of tfjs-core's tests, on cases written here: what it must not let pass, and what it must not call a failure. The tests
// themselves run in `npm run trust -- tfjs-tests`.
import { tensor } from "minibatch";
import { expect, test } from "vitest";
import { firstDifference, listOf } from "./tfjs/cases.ts";
import { tf } from "./tfjs/facade.ts";
import { ALL_ENVS, BROWSER_ENVS, collected, describeWithFlags, install, type Outcome, runCase } from "./tfjs/jasmine.ts";

/** Jasmine's names as the cases find them; vitest's own stay what they are in this file. */
interface Names {
  it(name: string, body: () => unknown): void;
  expect(actual?: unknown): Record<string, (other?: unknown) => unknown>;
}
const jasmine = (() => {
  const before = Object.getOwnPropertyDescriptors(globalThis);
  install();
  const { it, expect: ours } = globalThis as unknown as Names;
  for (const name of ["describe", "it", "expect", "fail"]) {
    const known = before[name as keyof typeof before];
    if (known) Object.defineProperty(globalThis, name, known);
  }
  return { it, expect: ours };
})();

interface Facade {
  tensor1d(values: readonly number[]): { data(): Promise<unknown>; shape: readonly number[] };
  matMul(a: unknown, b: unknown): unknown;
  conv2d(): unknown;
  unheardOf(): unknown;
  memory(): { numTensors: unknown };
}
const library = tf as unknown as Facade;

async function run(body: () => unknown, environments = ALL_ENVS): Promise<Outcome> {
  describeWithFlags("suite", environments, () => jasmine.it("case", body));
  const [only] = collected();
  if (!only) throw new Error("no case was collected");
  return runCase("file", only);
}

const say = async (body: () => unknown) => {
  const { status, reason } = await run(body);
  return reason ? `${status}: ${reason}` : status;
};

test("a right answer passes, a wrong one fails, before and after waiting", async () => {
  expect(
    await say(async () => {
      const x = library.tensor1d([1, 2]);
      jasmine.expect(Array.from((await x.data()) as number[])).toEqual?.([1, 2]);
    }),
  ).toBe("passed");
  expect(
    await say(async () => {
      const x = library.tensor1d([1, 2]);
      jasmine.expect(Array.from((await x.data()) as number[])).toEqual?.([1, 3]);
    }),
  ).toBe("failed: expected [1,2] to equal [1,3]");
  expect(
    await say(() => {
      throw new Error("thrown");
    }),
  ).toBe("failed: Error: thrown");
  expect(await say(() => Promise.reject(new Error("later")))).toBe("failed: Error: later");
});

test("a refusal is an error of the library: no other error, and nothing thrown, is one", async () => {
  const refused = (f: () => unknown) => say(() => jasmine.expect(f).toThrowError?.());
  expect(await refused(() => library.matMul([[1, 2]], [[1, 2]]))).toBe("passed");
  expect(await refused(() => library.matMul([[1, 2]], [[1], [2]]))).toBe("failed: expected an error, got none");
  expect(await refused(() => (undefined as unknown as { shape: unknown }).shape)).toMatch(/^failed: expected a refusal, got TypeError/);
  // One that comes only when the numbers are looked at.
  expect(
    await refused(() =>
      tensor([1, 2])
        .gather(tensor([5], { dtype: "i32" }))
        .data(),
    ),
  ).toBe("passed");
});

test("what is out of scope ends the case, even where an error is expected; what nobody decided about fails", async () => {
  const windows = "not applicable: windows (convolution, pooling) are not in the op table";
  expect(await say(() => library.conv2d())).toBe(windows);
  expect(await say(() => jasmine.expect(() => library.conv2d()).toThrowError?.())).toBe(windows);
  expect(
    await say(() => {
      try {
        library.conv2d();
      } catch {
        // A case may swallow it: it ends all the same.
      }
      library.tensor1d([1]);
      jasmine.expect(1).toBe?.(1);
    }),
  ).toBe(windows);
  // What failed before is not excused by it.
  expect(
    await say(() => {
      library.tensor1d([1]);
      jasmine.expect(1).toBe?.(2);
      library.conv2d();
    }),
  ).toBe("failed: expected 1 to be 2");
  expect(await say(() => library.unheardOf())).toMatch(/^failed: Error: no decision about unheardOf/);
  expect((await run(() => {}, BROWSER_ENVS)).reason).toBe("it needs a browser");
});

test("a case that compares nothing, or nothing of ours, does not count as passed", async () => {
  expect(await say(() => jasmine.expect(1).toBe?.(1))).toBe("not applicable: nothing of the library would run");
  expect(
    await say(() => {
      library.tensor1d([1]);
      jasmine.expect(library.memory().numTensors).toBe?.(7);
    }),
  ).toMatch(/^not applicable: nothing is compared/);
});

test("the kept list shows a case that moves or goes missing", () => {
  const passed = (name: string): Outcome => ({ name, status: "passed", reason: "" });
  const kept = listOf([passed("a > x"), passed("a > y"), { name: "b > z", status: "not applicable", reason: "why" }]);
  expect(kept).toBe("a\n    2  passed\nb\n    1  not applicable: why\n");
  expect(firstDifference(kept, kept)).toBeUndefined();
  expect(firstDifference(kept, listOf([passed("a > x"), { name: "b > z", status: "not applicable", reason: "why" }]))).toBe(
    'a: "    2  passed" before, "    1  passed" now',
  );
  expect(firstDifference(kept, listOf([passed("a > x"), passed("a > y")]))).toBe('a: "b" before, "" now');
});
