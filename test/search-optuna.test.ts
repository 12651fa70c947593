// The export for Optuna, read by Optuna itself where it is installed (Debian's python3-optuna): trials, states, values, parameters with
// their scales, reports. MINIBATCH_PYTHON names the Python to ask.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { choice, integer, list, logInteger, logUniform, oneMinusLogUniform, oneOf, randomSearch, study, uniform } from "minibatch/search";
import { afterAll, expect, it } from "vitest";

const scratch = mkdtempSync(join(tmpdir(), "minibatch-optuna-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const program = `
import json, sys, warnings
warnings.simplefilter("ignore")
import optuna
optuna.logging.set_verbosity(optuna.logging.ERROR)
from optuna.storages import JournalStorage, JournalFileStorage
study = optuna.load_study(study_name="mine", storage=JournalStorage(JournalFileStorage(sys.argv[1])))
print(json.dumps({
    "version": optuna.__version__,
    "direction": study.direction.name,
    "best": study.best_trial.number,
    "trials": [{
        "number": t.number, "state": t.state.name, "value": t.value, "params": t.params, "reports": t.intermediate_values,
        "scales": {n: [type(d).__name__, getattr(d, "low", None), getattr(d, "high", None), getattr(d, "log", None)] for n, d in t.distributions.items()},
        "error": t.user_attrs.get("error"),
    } for t in study.trials],
}))
`;

interface Read {
  readonly version: string;
  readonly direction: string;
  readonly best: number;
  readonly trials: readonly {
    readonly number: number;
    readonly state: string;
    readonly value: number | null;
    readonly params: Readonly<Record<string, unknown>>;
    readonly reports: Readonly<Record<string, number>>;
    readonly scales: Readonly<Record<string, readonly unknown[]>>;
    readonly error: string | null;
  }[];
}

/** A Python that has Optuna. */
const python = [process.env.MINIBATCH_PYTHON, "/usr/bin/python3", "python3"].find(
  (name) => name !== undefined && spawnSync(name, ["-c", "import optuna"], { stdio: "ignore" }).status === 0,
);

it("Optuna reads the journal that a study is exported as", { timeout: 300_000 }, (context) =>
  python === undefined
    ? context.skip("no Python with optuna: install Debian's python3-optuna, or name one in MINIBATCH_PYTHON")
    : read(python),
);

async function read(command: string): Promise<void> {
  const result = await study({
    space: {
      rate: logUniform(1e-4, 1),
      beta: oneMinusLogUniform(0.9, 0.999),
      noise: uniform(-1, 1),
      kind: choice(["a", "b", null, 3, true]),
      optimizer: oneOf({ momentum: { width: integer(1, 3) }, sgd: {} }),
      units: list(integer(1, 2), logInteger(16, 256)),
    },
    strategy: randomSearch({ trials: 30 }),
    direction: "maximize",
    seed: 7,
    prune: { kind: "fifth", prune: ({ number, step }) => number % 5 === 0 && step === 2 },
    objective: ({ rate, noise }, trial) => {
      if (trial.number === 4) throw new Error('a "quoted" reason');
      for (let step = 1; step <= 3; step++) trial.report(noise / step, 2 * step - (step > 1 ? 2 : 1));
      return Math.log10(rate) + noise + trial.suggest("asked", uniform(0, 1));
    },
  });
  const file = join(scratch, "study.log");
  writeFileSync(file, result.optunaJournal({ name: "mine" }));
  const { stdout, stderr, status } = spawnSync(command, ["-c", program, file], { encoding: "utf8" });
  expect([status, stderr]).toEqual([0, ""]);
  const found = JSON.parse(stdout) as Read;
  console.log(`read by Optuna ${found.version}`);
  expect(found.direction).toBe("MAXIMIZE");
  expect(found.best).toBe(result.best.number - 1);
  const names = { done: "COMPLETE", pruned: "PRUNED", failed: "FAIL" };
  expect(found.trials).toHaveLength(30);
  result.trials.forEach((ours, i) => {
    const theirs = found.trials[i] as Read["trials"][number];
    expect(theirs).toMatchObject({
      number: ours.number - 1,
      state: names[ours.state],
      params: ours.values,
      reports: Object.fromEntries(ours.steps.map((step, k) => [step, ours.reports[k]])),
      error: ours.error ?? null,
    });
    if (ours.state === "done") expect(theirs.value).toBe(ours.value);
    expect(theirs.scales.rate).toEqual(["FloatDistribution", 1e-4, 1, true]);
    expect(theirs.scales["units.length"]).toEqual(["IntDistribution", 1, 2, false]);
    expect(theirs.scales.kind?.[0]).toBe("CategoricalDistribution");
  });
  expect(new Set(found.trials.map(({ state }) => state))).toEqual(new Set(["COMPLETE", "PRUNED", "FAIL"]));
}
