// Mistakes with spaces, strategies and studies. What goes wrong with the files of a study stands in search-journal.test.ts.
import {
  choice,
  coarseToFine,
  gridSearch,
  integer,
  journal,
  list,
  logInteger,
  logUniform,
  medianPruner,
  oneMinusLogUniform,
  oneOf,
  openStudy,
  quasiRandom,
  randomSearch,
  study,
  successiveHalving,
  tpe,
  uniform,
} from "minibatch/search";
import { type Mistake, untyped } from "./mistake.ts";

const space = { x: uniform(0, 1) };
const strategy = randomSearch({ trials: 2 });
const options = { space, strategy, objective: () => 1 };

export const search: readonly Mistake[] = [
  { what: "low above high", make: () => uniform(2, 1), says: /^uniform: low must be below high, got 2 and 1$/ },
  { what: "a range of nothing", make: () => logUniform(1, 1), says: /^logUniform: low must be below high, got 1 and 1$/ },
  { what: "a logarithmic scale from 0", make: () => logUniform(0, 1), says: /^logUniform: low must be a finite number above 0, got 0$/ },
  { what: "a bound that is no number", make: () => uniform(untyped("0"), 1), says: /^uniform: low must be a finite number, got "0"$/ },
  {
    what: "a beta up to 1",
    make: () => oneMinusLogUniform(0.9, 1),
    says: /^oneMinusLogUniform: high must be a finite number below 1, got 1$/,
  },
  { what: "half an integer", make: () => integer(0.5, 3), says: /^integer: low must be a whole number .*, got 0\.5$/ },
  { what: "integers the wrong way round", make: () => integer(3, 1), says: /^integer: low must be at most high, got 3 and 1$/ },
  { what: "a logarithmic integer from 0", make: () => logInteger(0, 9), says: /^logInteger: low must be a whole number from 1.*, got 0$/ },
  {
    what: "a choice of nothing",
    make: () => choice([]),
    says: /^choice: values must be an array with a value at least, got an array of 0$/,
  },
  { what: "a choice without an array", make: () => choice(untyped(3)), says: /^choice: values must be an array.*, got 3$/ },
  { what: "a choice of the same twice", make: () => choice([1, 2, 1]), says: /^choice: values must differ, got 1 at 0 and at 2$/ },
  { what: "one of nothing", make: () => oneOf({}), says: /^oneOf: there must be an alternative at least, got \{\}$/ },
  { what: "an alternative with a kind of its own", make: () => oneOf({ a: { kind: choice([1]) } }), says: /^oneOf: "kind" .*\(in a\)$/ },
  {
    what: "a list of any length",
    make: () => list(untyped(uniform(0, 3)), uniform(0, 1)),
    says: /^list: length must be integer\(low, high\)/,
  },
  { what: "a list of what is no dimension", make: () => list(integer(1, 2), untyped(3)), says: /^list: of must be a dimension.*, got 3$/ },
  { what: "no trials", make: () => randomSearch(untyped({})), says: /^randomSearch: trials must be a whole number from 1, got undefined$/ },
  { what: "no options of a strategy", make: () => quasiRandom(untyped(undefined)), says: /^quasiRandom: trials must be/ },
  {
    what: "a misspelled option of a strategy",
    make: () => tpe(untyped({ trails: 3 })),
    says: /^tpe: unknown option "trails", did you mean "trials"\?$/,
  },
  {
    what: "a grid without points",
    make: () => gridSearch({ points: 0 }),
    says: /^gridSearch: points must be a whole number from 1, got 0$/,
  },
  {
    what: "a grid with points for nobody",
    make: () => study({ ...options, strategy: gridSearch({ points: { else: 2, y: 3 } }) }),
    says: /^gridSearch: points names a parameter that the space does not have, got "y"$/,
  },
  {
    what: "rounds of one trial",
    make: () => coarseToFine({ rounds: 2, trials: 1 }),
    says: /^coarseToFine: trials must be .* from 2, got 1$/,
  },
  { what: "a factor of 1", make: () => successiveHalving({ factor: 1 }), says: /^successiveHalving: factor must be .* from 2, got 1$/ },
  { what: "a misspelled option of a pruner", make: () => medianPruner(untyped({ warmUp: 1 })), says: /^medianPruner: .*"warmup"/ },
  { what: "a study of nothing", make: () => study(untyped(undefined)), says: /^study: options must be an object/ },
  { what: "a misspelled option of a study", make: () => study(untyped({ ...options, paralel: 2 })), says: /^study: .*"parallel"/ },
  { what: "no strategy", make: () => study(untyped({ space, objective: () => 1 })), says: /^study: strategy must be one such as/ },
  {
    what: "a strategy that was not called",
    make: () => study({ ...options, strategy: untyped(randomSearch) }),
    says: /^study: strategy .*call it/,
  },
  {
    what: "a strategy whose kind is no text",
    make: () => study({ ...options, strategy: { ...strategy, kind: untyped(7) } }),
    says: /^study: a strategy's kind must be a text, .* got 7$/,
  },
  { what: "no objective", make: () => study(untyped({ space, strategy })), says: /^study: objective must be a function, got undefined$/ },
  {
    what: "an empty space",
    make: () => study({ ...options, space: {} }),
    says: /^study: space must have a parameter at least, got \{\}; /,
  },
  { what: "a space that is an array", make: () => study(untyped({ ...options, space: [] })), says: /^study: space must be an object/ },
  {
    what: "a bare number in a space",
    make: () => study(untyped({ ...options, space: { x: 3 } })),
    says: /^study: space\.x must be a dimension.*, got 3$/,
  },
  {
    what: "a bare list in a space",
    make: () => study(untyped({ ...options, space: { x: [1, 2] } })),
    says: /^study: space\.x must be a dimension.*, got an array of 2; choice/,
  },
  { what: "a scale that was not called", make: () => study(untyped({ ...options, space: { x: uniform } })), says: /space\.x .*call it/ },
  {
    what: "one dimension as a space",
    make: () => study(untyped({ ...options, space: uniform(0, 1) })),
    says: /^study: space must be an object of dim/,
  },
  {
    what: "two parameters of one name",
    make: () => study({ ...options, space: { "a.b": uniform(0, 1), a: { b: uniform(0, 1) } } }),
    says: /^study: space: two parameters are both called "a\.b"/,
  },
  {
    what: "a direction that is none",
    make: () => study(untyped({ ...options, direction: "min" })),
    says: /^study: direction must be "minimize" or/,
  },
  { what: "a pruner that is none", make: () => study(untyped({ ...options, prune: "halving" })), says: /^study: prune must be "median"/ },
  {
    what: "a pruner that was not called",
    make: () => study(untyped({ ...options, prune: medianPruner })),
    says: /^study: prune .*call it/,
  },
  {
    what: "no trials at once",
    make: () => study({ ...options, parallel: 0 }),
    says: /^study: parallel must be a whole number from 1.*, got 0$/,
  },
  { what: "a timeout of nothing", make: () => study({ ...options, timeout: 0 }), says: /^study: timeout must be .* above 0, got 0$/ },
  {
    what: "one initial trial alone",
    make: () => study(untyped({ ...options, initial: { x: 1 } })),
    says: /^study: initial must be a list of parameter values, got /,
  },
  {
    what: "an initial trial that is a number",
    make: () => study(untyped({ ...options, initial: [1] })),
    says: /^study: initial\[0\] must be an object of values by name, got 1$/,
  },
  {
    what: "an initial value off the scale",
    make: () => study({ ...options, initial: [{ x: 0.5 }, { x: 2 }] }),
    says: /^study: initial\[1\]: x must be a value of \{"kind":"uniform".*\}, got 2$/,
  },
  {
    what: "an initial value of no parameter",
    make: () => study(untyped({ ...options, initial: [{ X: 0.5 }] })),
    says: /^study: initial\[0\]: the space has no "X"; it has x$/,
  },
  {
    what: "an initial value of another form",
    make: () => study(untyped({ ...options, space: { units: list(integer(1, 2), integer(1, 9)) }, initial: [{ units: 3 }] })),
    says: /^study: initial\[0\]: units must have the form that the objective gets, got 3$/,
  },
  { what: "a seed below 0", make: () => study({ ...options, seed: -1 }), says: /^study: seed must be/ },
  { what: "a signal that is none", make: () => study(untyped({ ...options, signal: {} })), says: /^study: signal must be an AbortSignal/ },
  {
    what: "a storage that is none",
    make: () => study(untyped({ ...options, storage: 3 })),
    says: /^study: storage must be the path of a file, got 3$/,
  },
  {
    what: "a journal whose warnings go nowhere",
    make: () => journal("never-made.jsonl", untyped("quiet")),
    says: /^journal: warn must be a function, got "quiet"$/,
  },
  { what: "a journal without a name", make: () => journal(""), says: /^study: storage must be the path of a file, got ""$/ },
  {
    what: "a strategy that proposes what is not in the space",
    make: () => study({ ...options, strategy: { kind: "mine", next: () => ({ params: { x: 2 } }) } }),
    says: /^strategy "mine": x must be a value of .*, got 2 \(trial 1\)$/,
  },
  {
    what: "a strategy that proposes a number",
    make: () => study({ ...options, strategy: { kind: "mine", next: () => untyped(1) } }),
    says: /^strategy "mine": next must give \{ params \}, "wait" or undefined, got 1$/,
  },
  {
    what: "suggest in a grid",
    make: () => study({ space, strategy: gridSearch({ points: 2 }), objective: (_, trial) => trial.suggest("y", uniform(0, 1)) }),
    says: /^study: all 2 trials failed; the first, trial 1: gridSearch: a grid needs every parameter in the space/,
  },
  {
    what: "suggesting what the space has",
    make: () => study({ ...options, objective: (_, trial) => trial.suggest("x", uniform(0, 1)) }),
    says: /trial 1: suggest: "x" is a parameter of the space; choose another name$/,
  },
  {
    what: "suggesting one name in two ways",
    make: () => study({ ...options, objective: (_, trial) => trial.suggest("y", uniform(0, 1)) + trial.suggest("y", integer(5, 6)) }),
    says: /trial 1: suggest: "y" was 0\.\d+ in this trial, which integer does not allow; choose another name$/,
  },
  {
    what: "telling of a trial that was not asked for",
    make: async () => (await openStudy({ space, strategy })).tell(untyped({ number: 1 }), 1),
    says: /^tell: trial must be one that ask gave/,
  },
  {
    what: "a result before anything was told",
    make: async () => (await openStudy({ space, strategy })).result(),
    says: /^study: no trial has ended/,
  },
  { what: "the best few of none", make: async () => (await study(options)).top(0), says: /^top: k must be a whole number from 1, got 0$/ },
  {
    what: "importance from two trials",
    make: async () => (await study(options)).importance(),
    says: /^importance: there must be 10 trials .*, got 2$/,
  },
  {
    what: "a recheck of nothing",
    make: async () => (await study(options)).recheck(untyped(1)),
    says: /^recheck: objective must be a function, got 1$/,
  },
];
