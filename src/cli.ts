// The command line, `npx minibatch doctor`: says for a person which back end runs here, and why not a better one.
// Prints what backend() and the search for the addon know; decides nothing itself.
import { existsSync, readFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { findAddon, packageFolder } from "./run/addon.ts";
import { backend } from "./run/backend.ts";
import { debugLevel, threadCount } from "./run/environment.ts";

const usage = `usage: npx minibatch doctor
  doctor   back end, instruction set, threads; what was tried and why it failed`;

const variables = ["MINIBATCH_BACKEND", "MINIBATCH_ISA", "MINIBATCH_THREADS", "MINIBATCH_BLAS", "MINIBATCH_DEBUG", "MINIBATCH_ADDON"];

function row(name: string, value: string): string {
  return `  ${name.padEnd(18)}${value}`;
}

function doctor(): { text: string; healthy: boolean } {
  const folder = packageFolder();
  const version = folder ? (JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { version: string }).version : "unknown";
  const lines = [`minibatch ${version}`, row("node", `${process.version} on ${process.platform}-${process.arch}`)];
  lines.push(row("processor", `${cpus()[0]?.model.trim() ?? "unknown"}, ${cpus().length} threads`));
  const set = variables.filter((name) => process.env[name]).map((name) => `${name}=${process.env[name]}`);
  if (set.length) lines.push(row("environment", set.join(" ")));

  const { addon, path, attempts } = findAddon();
  const failures = attempts.map((attempt) => (attempt.path ? `${attempt.path}: ${attempt.reason}` : attempt.reason));
  let healthy = true;
  try {
    // Both throw for values that make no sense, also where the back end would not ask.
    threadCount(1);
    debugLevel();
    const { name, isa, threads, reasons } = backend();
    lines.push(row("back end", name === "native" ? `native, ${isa} kernels, ${threads} threads` : "TypeScript (works, slower)"));
    lines.push(...reasons.filter((reason) => !failures.includes(reason) && reason !== `loaded ${path}`).map((reason) => row("", reason)));
  } catch (error) {
    healthy = false;
    const [rule = ""] = (error instanceof Error ? error.message : String(error)).split("\n");
    lines.push(row("back end", `none: ${rule}`));
  }
  if (addon) {
    const { isas, kernels, blas, blasError } = addon.info();
    lines.push(row("addon", `${path}`), row("usable here", isas.join(", ")), row("native kernels", `${kernels.length}`));
    if (blas || blasError) lines.push(row("matrix products", blas ?? `our own: ${blasError}`));
  } else {
    lines.push(row("addon", "none"));
  }
  lines.push(...failures.map((failure) => row("  tried", failure)));
  // A file that is there and refuses has said why; building it again would not help.
  if (!addon && attempts.every(({ reason }) => reason === "no such file")) lines.push(...hints(folder));
  return { text: lines.join("\n"), healthy };
}

/** What to do where no addon loads. */
function hints(folder: string | undefined): string[] {
  if (!folder) return [];
  const log = join(folder, "build", "install.log");
  const lines: string[] = [];
  if (existsSync(log)) {
    const [result = "", ...all] = readFileSync(log, "utf8").trimEnd().split("\n");
    // node-gyp ends with lines about itself.
    const output = all.filter((line) => !/^gyp (info|verb|ERR! (stack +at|System|command|cwd|node|not ok))/.test(line));
    lines.push(row("last build", result), ...output.slice(-8).map((line) => row("", line)), row("", `all of it: ${log}`));
  }
  return [
    ...lines,
    "",
    "To build the native back end: install a C++20 compiler, make and Python 3 (on Debian: apt-get install g++ make python3), then",
    existsSync(join(folder, ".git"))
      ? "  npm run build:native"
      : "  npm rebuild minibatch      (with npm 12 first: npm install-scripts approve minibatch)",
  ];
}

const [command, ...rest] = process.argv.slice(2);
if (command === "doctor" && rest.length === 0) {
  const { text, healthy } = doctor();
  console.log(text);
  process.exitCode = healthy ? 0 : 1;
} else {
  console.error(usage);
  process.exitCode = command === undefined || command === "--help" ? 0 : 1;
}
