// Mistakes in the options checkpoint and resume.
import { type Mistake, net, options, train, untyped } from "./mistake.ts";

const begin = (more: Record<string, unknown>) => net().fit(train, untyped({ ...options, ...more }));

export const checkpoints: readonly Mistake[] = [
  {
    what: "a replay that is no yes or no",
    make: () => begin({ resume: { dir: "a", replay: "all" } }),
    says: /^fit: resume\.replay must be true or false, got "all"$/,
  },
  {
    what: "another run, dealt with in an unknown way",
    make: () => begin({ resume: { dir: "a", onMismatch: "fresh" } }),
    says: /^fit: resume\.onMismatch must be "refuse" or "restart", got "fresh"$/,
  },
  {
    what: "a path for checkpoint",
    make: () => begin({ checkpoint: "runs/a" }),
    says: /^fit: checkpoint must be \{ dir, every, keep \}, got "runs\/a"; \{ dir: "runs\/a" \} writes there$/,
  },
  { what: "no dir", make: () => begin({ checkpoint: {} }), says: /^fit: checkpoint\.dir must be the path of a folder, got undefined$/ },
  {
    what: "a number for dir",
    make: () => begin({ checkpoint: { dir: 7 } }),
    says: /^fit: checkpoint\.dir must be the path of a folder, got 7$/,
  },
  { what: "an empty dir", make: () => begin({ checkpoint: { dir: "" } }), says: /^fit: checkpoint\.dir .*, got ""$/ },
  {
    what: "a dir with a NUL",
    make: () => begin({ checkpoint: { dir: "a\0b" } }),
    says: /^fit: checkpoint\.dir must be the path of a folder/,
  },
  {
    what: "checkpoint null",
    make: () => begin({ checkpoint: null }),
    says: /^fit: checkpoint: options must be an object with dir, every.*got null$/,
  },
  {
    what: "a misspelled option of checkpoint",
    make: () => begin({ checkpoint: { dir: "a", evry: 2 } }),
    says: /^fit: checkpoint: unknown option "evry", did you mean "every"\?$/,
  },
  {
    what: "every 0",
    make: () => begin({ checkpoint: { dir: "a", every: 0 } }),
    says: /^fit: checkpoint\.every \(epochs\) must be a whole number from 1, got 0$/,
  },
  {
    what: "every half an epoch",
    make: () => begin({ checkpoint: { dir: "a", every: 0.5 } }),
    says: /checkpoint\.every \(epochs\) .*got 0\.5$/,
  },
  {
    what: "every as text",
    make: () => begin({ checkpoint: { dir: "a", every: "10s" } }),
    says: /checkpoint\.every \(epochs\) .*got "10s"$/,
  },
  {
    what: "every 0 steps",
    make: () => begin({ checkpoint: { dir: "a", every: { steps: 0 } } }),
    says: /^fit: checkpoint\.every\.steps must be a whole number from 1, got 0$/,
  },
  {
    what: "every 0 seconds",
    make: () => begin({ checkpoint: { dir: "a", every: { seconds: 0 } } }),
    says: /^fit: checkpoint\.every\.seconds must be a finite number above 0, got 0$/,
  },
  {
    what: "both steps and seconds",
    make: () => begin({ checkpoint: { dir: "a", every: { steps: 1, seconds: 1 } } }),
    says: /^fit: checkpoint\.every must be a number of epochs, \{ steps \} or \{ seconds \}, got \{ steps, seconds \}$/,
  },
  {
    what: "a unit that there is not",
    make: () => begin({ checkpoint: { dir: "a", every: { minutes: 1 } } }),
    says: /^fit: checkpoint\.every: unknown option "minutes"/,
  },
  {
    what: "keep 0",
    make: () => begin({ checkpoint: { dir: "a", keep: 0 } }),
    says: /^fit: checkpoint\.keep must be a whole number from 1, got 0$/,
  },
  {
    what: "another onError",
    make: () => begin({ checkpoint: { dir: "a", onError: "ignore" } }),
    says: /^fit: checkpoint\.onError must be "continue" or "stop", got "ignore"$/,
  },
  { what: "resume true", make: () => begin({ resume: true }), says: /^fit: resume must be the path of a folder, got true$/ },
  { what: "resume null", make: () => begin({ resume: null }), says: /^fit: resume.* got null$/ },
  {
    what: "resume without dir",
    make: () => begin({ resume: { accept: [] } }),
    says: /^fit: resume\.dir must be the path of a folder, got undefined$/,
  },
  {
    what: "resume that accepts everything",
    make: () => begin({ resume: { dir: "a", accept: "all" } }),
    says: /^fit: resume\.accept must be a list of names, got "all"$/,
  },
  {
    what: "resume that accepts what cannot be accepted",
    make: () => begin({ resume: { dir: "a", accept: ["model"] } }),
    says: /^fit: resume\.accept may have layers, loss, .*, got "model"$/,
  },
  {
    what: "two folders",
    make: () => begin({ checkpoint: { dir: "runs/a" }, resume: "runs/b" }),
    says: /^fit: checkpoint\.dir and resume must be the same folder, got "runs\/a" and "runs\/b"; copy the folder/,
  },
];
