// The package's install script: builds the addon with node-gyp where it can, and otherwise lets the installation succeed,
// since the library then runs its TypeScript executor. Plain CommonJS, no dependencies, any Node.
//   MINIBATCH_SKIP_NATIVE=1     builds nothing
//   MINIBATCH_REQUIRE_NATIVE=1  a failed build fails the installation (for CI)
// What happened stands in build/install.log, first line first, for `npx minibatch doctor`.
"use strict";
const { spawnSync } = require("node:child_process");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");

const root = path.resolve(__dirname, "..");
const logLines = 60;

function isOn(name) {
  return /^(1|true|yes|on)$/i.test(process.env[name] ?? "");
}

function writeLog(result, output) {
  const tail = output.trimEnd().split("\n").slice(-logLines).join("\n");
  try {
    fs.mkdirSync(path.join(root, "build"), { recursive: true });
    fs.writeFileSync(path.join(root, "build", "install.log"), `${result}\n${tail}\n`);
  } catch {
    // A read-only package folder: there is nobody to tell.
  }
}

function finish(result, output, ok) {
  writeLog(result, output);
  console.log(`minibatch: ${result}`);
  if (ok || !isOn("MINIBATCH_REQUIRE_NATIVE")) process.exit(0);
  console.error(output.trimEnd());
  console.error("minibatch: MINIBATCH_REQUIRE_NATIVE is set, so this is an error");
  process.exit(1);
}

/** Whether a file loads as an addon here, tried in another process in case it crashes. */
function loads(file) {
  return spawnSync(process.execPath, ["-e", "require(process.argv[1])", file], { stdio: "ignore" }).status === 0;
}

/** A binary that came with the package and works on this machine; in a checkout it would hide the sources. */
function prebuilt() {
  if (fs.existsSync(path.join(root, ".git"))) return undefined;
  const folder = path.join(root, "prebuilds", `${process.platform}-${process.arch}`);
  if (!fs.existsSync(folder)) return undefined;
  return fs
    .readdirSync(folder)
    .map((name) => path.join(folder, name))
    .find((file) => file.endsWith(".node") && loads(file));
}

/** npm's own node-gyp, else the one of a package folder, else that of an npm beside this node. */
function nodeGyp() {
  const beside = path.join("node_modules", "npm", "node_modules", "node-gyp", "bin", "node-gyp.js");
  const candidates = [
    process.env.npm_config_node_gyp,
    path.join(root, "node_modules", "node-gyp", "bin", "node-gyp.js"),
    path.resolve(process.execPath, "..", "..", "lib", beside),
    path.resolve(process.execPath, "..", beside),
  ];
  return candidates.find((file) => file && fs.existsSync(file));
}

/** Where this node's headers lie, if they came with it; otherwise node-gyp fetches them. */
function headers() {
  if (process.env.npm_config_nodedir) return undefined;
  const prefix = path.resolve(fs.realpathSync(process.execPath), "..", "..");
  return fs.existsSync(path.join(prefix, "include", "node", "node_api.h")) ? prefix : undefined;
}

/** The line of the build's output that says best why it failed. */
function reason(output) {
  const lines = output.split("\n").map((line) => line.replace(/^gyp ERR! /, "").trim());
  const best = [
    /\bfatal error:|: error:|^error:/,
    /not found: make|^make: \S+: No such file|No such file or directory|command not found|: not found/,
    /could not find any python/i,
    /^stack Error: (?!`)/,
    /^stack Error: /,
  ];
  for (const pattern of best) {
    const line = lines.find((text) => pattern.test(text));
    if (line) return line.replace(/^stack (Error: )?|^FileNotFoundError: \[Errno \d+\] /, "").slice(0, 200);
  }
  return lines.filter(Boolean).at(-1)?.slice(0, 200) ?? "no output";
}

function build() {
  const gyp = nodeGyp();
  if (!gyp) return { ok: false, why: "node-gyp was not found", output: "" };
  const nodedir = headers();
  const options = ["rebuild", `--jobs=${Math.max(1, os.cpus().length)}`, ...(nodedir ? [`--nodedir=${nodedir}`] : [])];
  if (isOn("MINIBATCH_WERROR")) options.push("--werror=1");
  // Through a file, so that both streams keep their common order; not under build/, which a rebuild removes.
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "minibatch-"));
  const log = path.join(scratch, "log");
  const sink = fs.openSync(log, "w");
  const run = spawnSync(process.execPath, [gyp, ...options], { cwd: root, stdio: ["ignore", sink, sink] });
  fs.closeSync(sink);
  const output = fs.readFileSync(log, "utf8").replace(/^gyp info spawn args.*\n/gm, "");
  fs.rmSync(scratch, { recursive: true });
  if (run.error) return { ok: false, why: run.error.message, output };
  if (run.status !== 0) return { ok: false, why: reason(output), output };
  const file = path.join(root, "build", "Release", "minibatch.node");
  if (!loads(file)) {
    const again = spawnSync(process.execPath, ["-e", "require(process.argv[1])", file], { encoding: "utf8" });
    return { ok: false, why: `the built addon does not load: ${reason(again.stderr ?? "")}`, output: `${output}\n${again.stderr}` };
  }
  return { ok: true, why: "", output };
}

if (isOn("MINIBATCH_SKIP_NATIVE")) finish("MINIBATCH_SKIP_NATIVE is set, using the TypeScript executor", "", true);
const ready = prebuilt();
if (ready) finish(`using the addon ${path.relative(root, ready)}`, "", true);
const start = Date.now();
const { ok, why, output } = build();
if (ok) finish(`built the native addon in ${((Date.now() - start) / 1000).toFixed(0)} s`, output, true);
finish(`the native addon could not be built, using the TypeScript executor: ${why}`, output, false);
