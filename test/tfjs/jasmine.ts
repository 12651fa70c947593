// As much of Jasmine as tfjs-core's tests use: describe, it, hooks, expect. Collects cases, runs them one after the other, and gives
// each one outcome. Knows nothing of tensors; what is no case of ours is said by not-applicable.ts.
import { isDeepStrictEqual } from "node:util";
import { MinibatchError } from "../../src/errors.ts";
import { NotApplicable } from "./not-applicable.ts";

export interface Outcome {
  readonly name: string;
  readonly status: "passed" | "not applicable" | "failed";
  /** Why it is not applicable, or what went wrong. */
  readonly reason: string;
}

type Done = (() => void) & { fail(message?: unknown): void };
type Body = (done?: Done) => unknown;

interface Suite {
  readonly name: string;
  readonly parent: Suite | undefined;
  readonly before: Body[];
  readonly after: Body[];
  /** Said of all its cases at once. */
  readonly reason: string | undefined;
}

interface Case {
  readonly name: string;
  readonly suite: Suite;
  readonly body: Body;
  readonly reason: string | undefined;
}

const newSuite = (name: string, parent?: Suite, reason?: string): Suite => ({ name, parent, before: [], after: [], reason });
let suite = newSuite("");
let cases: Case[] = [];

/** What the case under way has seen so far: comparisons, tensors that the library made or refused to make, failures, why it does not apply. */
export const now = { compared: 0, made: 0, failures: [] as string[], reason: undefined as string | undefined };

/** Ends the case as one that does not apply, even where the test would catch the error. */
export function notApplicable(reason: string): never {
  // A failure that was seen before stays one.
  if (!now.failures.length) now.reason ??= reason;
  throw new NotApplicable(reason);
}

function describe(name: string, body: () => void, reason?: string): void {
  const parent = suite;
  suite = newSuite(name, parent, reason);
  try {
    body();
  } finally {
    suite = parent;
  }
}

const it = (name: string, body: Body) => void cases.push({ name, suite, body, reason: undefined });
const xit = (name: string, body: Body) => void cases.push({ name, suite, body, reason: "tfjs-core itself leaves it out (xit)" });

function fail(message: unknown): void {
  now.failures.push(String(message));
}

/** A number of live tensors: nobody frees memory by hand here, so that there is nothing to compare. Counts as 0 in sums. */
export class Uncounted {
  valueOf(): number {
    return 0;
  }
}

/** Whether an error is a refusal: one of the library with a type, or one that the test throws itself. */
function refusal(error: unknown): boolean {
  if (error instanceof MinibatchError) {
    now.made++;
    return error.code !== "INTERNAL";
  }
  return error instanceof Error && error.constructor === Error;
}

/** What a function throws, or looking at the numbers of the tensor that it gives: some refusals come only then. */
function thrown(f: unknown): unknown {
  try {
    const given = (f as () => { dataSync?: () => unknown } | undefined)();
    if (typeof given?.dataSync === "function") given.dataSync();
  } catch (error) {
    return error;
  }
  return undefined;
}

const show = (value: unknown) => {
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return String(value);
  }
};

class Expectation {
  readonly #actual: unknown;
  readonly #expected: boolean;
  constructor(actual: unknown, expected = true) {
    this.#actual = actual;
    this.#expected = expected;
  }

  get not(): Expectation {
    return new Expectation(this.#actual, !this.#expected);
  }

  #say(holds: boolean, rule: string, other?: unknown): void {
    if (this.#actual instanceof Uncounted) return;
    now.compared++;
    if (holds !== this.#expected) fail(`expected ${show(this.#actual)} ${this.#expected ? "" : "not "}${rule} ${show(other)}`);
  }

  nothing(): void {
    now.compared++;
  }
  toBe(other: unknown): void {
    this.#say(Object.is(this.#actual, other) || this.#actual === other, "to be", other);
  }
  toEqual(other: unknown): void {
    this.#say(isDeepStrictEqual(this.#actual, other), "to equal", other);
  }
  toBeNull(): void {
    this.#say(this.#actual === null, "to be null");
  }
  toBeUndefined(): void {
    this.#say(this.#actual === undefined, "to be undefined");
  }
  toBeDefined(): void {
    this.#say(this.#actual !== undefined, "to be defined");
  }
  toBeTruthy(): void {
    this.#say(Boolean(this.#actual), "to be truthy");
  }
  toBeFalsy(): void {
    this.#say(!this.#actual, "to be falsy");
  }
  toBeTrue(): void {
    this.#say(this.#actual === true, "to be true");
  }
  toBeFalse(): void {
    this.#say(this.#actual === false, "to be false");
  }
  toBeLessThan(other: number): void {
    this.#say((this.#actual as number) < other, "to be less than", other);
  }
  toBeLessThanOrEqual(other: number): void {
    this.#say((this.#actual as number) <= other, "to be at most", other);
  }
  toBeGreaterThan(other: number): void {
    this.#say((this.#actual as number) > other, "to be greater than", other);
  }
  toBeGreaterThanOrEqual(other: number): void {
    this.#say((this.#actual as number) >= other, "to be at least", other);
  }
  toBeCloseTo(other: number, digits = 2): void {
    this.#say(Math.abs((this.#actual as number) - other) < 10 ** -digits / 2, "to be close to", other);
  }
  toBeInstanceOf(other: new () => unknown): void {
    this.#say(this.#actual instanceof other, "to be an instance of", other);
  }
  toContain(other: unknown): void {
    this.#say((this.#actual as unknown[]).includes(other), "to contain", other);
  }
  toMatch(other: RegExp | string): void {
    this.#say(new RegExp(other).test(String(this.#actual)), "to match", other);
  }
  /** That it is refused, and with a typed error. The words of the message are each library's own. */
  toThrowError(): void {
    now.compared++;
    const error = thrown(this.#actual);
    // What was found out of scope inside ends the case.
    if (error instanceof NotApplicable) throw error;
    if (!this.#expected) {
      if (error !== undefined) fail(`expected no error, got ${String(error)}`);
    } else if (error === undefined) fail("expected an error, got none");
    else if (!refusal(error)) fail(`expected a refusal, got ${String(error)}`);
  }
  toThrow(): void {
    this.toThrowError();
  }
  async toBeRejectedWithError(): Promise<void> {
    now.compared++;
    try {
      await this.#actual;
      fail("expected a rejection, got none");
    } catch (error) {
      if (error instanceof NotApplicable) throw error;
      if (!refusal(error)) fail(`expected a refusal, got ${String(error)}`);
    }
  }
}

/** The names that the tests expect to be global. */
export function install(): void {
  Object.assign(globalThis, {
    describe,
    it,
    xit,
    fail,
    expect: (actual?: unknown) => new Expectation(actual),
    expectAsync: (actual: unknown) => new Expectation(actual),
    beforeEach: (body: Body) => suite.before.push(body),
    beforeAll: (body: Body) => suite.before.push(body),
    afterEach: (body: Body) => suite.after.push(body),
    afterAll: (body: Body) => suite.after.push(body),
    // Its limit of time is ours.
    jasmine: {},
    spyOn: () => notApplicable("it spies on tfjs-core's own parts"),
  });
}

interface Environments {
  readonly reason?: string;
}
export const ALL_ENVS: Environments = {};
export const SYNC_BACKEND_ENVS: Environments = {};
export const NODE_ENVS: Environments = {};
export const BROWSER_ENVS: Environments = { reason: "it needs a browser" };
export const CHROME_ENVS: Environments = { reason: "it needs a browser" };

export function describeWithFlags(name: string, environments: Environments, body: (env: unknown) => void): void {
  describe(name, () => body({ name: "minibatch", backendName: "minibatch", isDataSync: true }), environments.reason);
}

/** The cases that were collected since the last call. */
export function collected(): readonly Case[] {
  const list = cases;
  cases = [];
  return list;
}

const withParents = (leaf: Suite): readonly Suite[] => (leaf.parent ? [...withParents(leaf.parent), leaf] : [leaf]);

function call(body: Body, limit: number): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("no end within its time")), limit);
    const settle = (f: () => void) => {
      clearTimeout(timer);
      f();
    };
    const done = Object.assign(() => settle(() => resolve(undefined)), {
      fail: (message?: unknown) => settle(() => reject(new Error(`done.fail: ${message ?? ""}`))),
    });
    try {
      const result = body.length > 0 ? body(done) : body();
      if (body.length === 0 || result instanceof Promise)
        Promise.resolve(result).then(
          (x) => settle(() => resolve(x)),
          (e) => settle(() => reject(e)),
        );
    } catch (error) {
      settle(() => reject(error));
    }
  });
}

/** Runs one case. Hooks that belong to a whole suite run for each of its cases, which here comes to the same. */
export async function runCase(file: string, { name, suite: leaf, body, reason }: Case): Promise<Outcome> {
  const suites = withParents(leaf);
  const full = [file, ...suites.map((each) => each.name).filter(Boolean), name].join(" > ").replace(/\s+/g, " ");
  const given = reason ?? suites.find((each) => each.reason)?.reason;
  if (given) return { name: full, status: "not applicable", reason: given };
  Object.assign(now, { compared: 0, made: 0, failures: [], reason: undefined });
  try {
    for (const hook of suites.flatMap((each) => each.before)) await call(hook, 60_000);
    await call(body, 60_000);
    for (const hook of suites.flatMap((each) => each.after)) await call(hook, 60_000);
  } catch (error) {
    if (!(error instanceof NotApplicable)) fail(error instanceof Error ? `${error.name}: ${error.message}` : error);
    else if (!now.failures.length) now.reason ??= error.message;
  }
  // After something out of scope nothing that follows can be asked: what failed before it counts.
  if (now.reason) return { name: full, status: "not applicable", reason: now.reason };
  if (now.failures.length) return { name: full, status: "failed", reason: (now.failures[0] as string).slice(0, 400) };
  if (!now.made) return { name: full, status: "not applicable", reason: "nothing of the library would run" };
  if (!now.compared)
    return { name: full, status: "not applicable", reason: "nothing is compared but numbers of live tensors, or nothing at all" };
  return { name: full, status: "passed", reason: "" };
}
