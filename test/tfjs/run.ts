// Runs tfjs-core's published tests on the facade, on the executor of MINIBATCH_BACKEND, and writes one outcome per case as JSON.
//   node --import tsx test/tfjs/run.ts OUTPUT [FILE...]   only the files whose names contain one of these
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { register } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { backend } from "minibatch";
import { folder } from "./facade.ts";
import { collected, install, type Outcome, runCase } from "./jasmine.ts";
import { casesNotApplicable, filesNotApplicable } from "./not-applicable.ts";

register("./hooks.mjs", import.meta.url, { data: { root: folder, here: import.meta.url } });
install();

const [output, ...chosen] = process.argv.slice(2);
if (!output) throw new Error("run.ts: the first argument is the file to write");
const files = readdirSync(folder, { recursive: true })
  .map(String)
  .filter((file) => file.endsWith("_test.js") && (!chosen.length || chosen.some((part) => file.includes(part))))
  .sort();

/** What the text of a file that is not loaded calls a case. */
function titles(file: string): string[] {
  const text = readFileSync(join(folder, file), "utf8").replace(/^\/\/# sourceMappingURL.*$/m, "");
  return Array.from(text.matchAll(/\bx?it\(\s*(['"`])((?:(?!\1)[^\\]|\\.)*)\1/g), ([, , title]) => title as string);
}

const needed = new Set<RegExp>();

/** A case that fails may be one of which it is known why: then it asks for a rule that is another here. */
function known(outcome: Outcome): Outcome {
  const rule = outcome.status === "failed" ? casesNotApplicable.find(({ pattern }) => pattern.test(outcome.name)) : undefined;
  if (!rule) return outcome;
  needed.add(rule.pattern);
  return { name: outcome.name, status: "not applicable", reason: rule.reason };
}

async function outcomesOf(file: string): Promise<Outcome[]> {
  const name = file.slice(0, -"_test.js".length);
  const reason = filesNotApplicable.find(({ pattern }) => pattern.test(name))?.reason;
  if (reason) return titles(file).map((title) => ({ name: `${name} > ${title}`.replace(/\s+/g, " "), status: "not applicable", reason }));
  try {
    await import(pathToFileURL(join(folder, file)).href);
  } catch (error) {
    collected();
    return [{ name, status: "failed", reason: `the file could not be loaded: ${String(error)}` }];
  }
  const list: Outcome[] = [];
  for (const each of collected()) list.push(known(await runCase(name, each)));
  return list;
}

const outcomes: Outcome[] = [];
const seen = new Map<string, number>();
for (const file of files) {
  for (const outcome of await outcomesOf(file)) {
    // Some cases have the same name: each gets a number of its own.
    const times = (seen.get(outcome.name) ?? 0) + 1;
    seen.set(outcome.name, times);
    outcomes.push(times > 1 ? { ...outcome, name: `${outcome.name} (${times})` } : outcome);
  }
}
// A rule that no case needs any more is a stale one.
if (!chosen.length)
  for (const { pattern } of casesNotApplicable)
    if (!needed.has(pattern))
      outcomes.push({ name: `pattern ${pattern}`, status: "failed", reason: "no failing case needs it: take it out" });
writeFileSync(output, JSON.stringify({ executor: backend().name, isa: backend().isa, files: files.length, outcomes }));
