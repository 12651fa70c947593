// Finds and loads the native addon: build/Release in a checkout, else prebuilds/ of the package. Collects the reason of
// every attempt that failed. Knows the addon's functions and nothing of programs.
import { builtin, environment } from "./environment.ts";

export interface NativeRun {
  readonly steps: number;
  readonly first: number;
  readonly last: number;
  readonly threads: number;
  readonly control?: Int32Array;
}

declare const handle: unique symbol;
/** A program that native code holds. */
export interface NativeProgram {
  readonly [handle]: true;
}

/** What the machine can do, measured; all threads together. Memory by bytes of each thread's own working set, in GB/s. */
export interface Limits {
  readonly isa: string;
  readonly threads: number;
  /** GFLOP/s of fused multiply-adds in registers alone. */
  readonly fma: { readonly f32: number; readonly f64: number };
  /** copy counts bytes read and written; update is 4 arrays read and 3 written, as in a step of Adam. */
  readonly memory: readonly { readonly bytes: number; readonly read: number; readonly copy: number; readonly update: number }[];
}

export interface Addon {
  compile(names: string, code: Float64Array): { program: NativeProgram; unsupported: number[] };
  start(program: NativeProgram, memories: Uint8Array[], options: NativeRun, done: (error: string | null, stepsDone: number) => void): void;
  runSync(program: NativeProgram, memories: Uint8Array[], options: NativeRun): number;
  /** Address of the first byte, modulo 64. */
  addressOf?(bytes: Uint8Array): number;
  /** For benchmarks: about a tenth of a second, with `memory` half a second more. */
  limits?(threads: number, memory: boolean): Promise<Limits>;
  info(): {
    isa: string;
    isas: string[];
    threads: number;
    kernels: string[];
    version: string;
    error?: string;
    blas?: string;
    blasError?: string;
  };
}

export interface Attempt {
  readonly path: string;
  readonly reason: string;
}

export interface AddonSearch {
  readonly addon: Addon | undefined;
  readonly path: string | undefined;
  readonly attempts: readonly Attempt[];
}

interface Fs {
  existsSync(path: string): boolean;
  readFileSync(path: string, encoding: "utf8"): string;
  readdirSync(path: string): string[];
}
interface Path {
  dirname(path: string): string;
  join(...parts: string[]): string;
}
interface Url {
  fileURLToPath(url: string): string;
}
interface Module {
  createRequire(url: string): (path: string) => unknown;
}

/** The package's own folder: the nearest one above this file whose package.json is named minibatch. */
export function packageFolder(): string | undefined {
  const fs = builtin<Fs>("node:fs");
  const path = builtin<Path>("node:path");
  const url = builtin<Url>("node:url");
  if (!fs || !path || !url || !import.meta.url?.startsWith("file:")) return undefined;
  for (let folder = path.dirname(url.fileURLToPath(import.meta.url)); ; folder = path.dirname(folder)) {
    const file = path.join(folder, "package.json");
    if (fs.existsSync(file) && (JSON.parse(fs.readFileSync(file, "utf8")) as { name?: string }).name === "minibatch") return folder;
    if (path.dirname(folder) === folder) return undefined;
  }
}

function candidates(folder: string): string[] {
  const path = builtin<Path>("node:path") as Path;
  const fs = builtin<Fs>("node:fs") as Fs;
  const { platform, arch } = process;
  const forced = environment("MINIBATCH_ADDON");
  if (forced) return [forced];
  const prebuilt = path.join(folder, "prebuilds", `${platform}-${arch}`);
  const files = fs.existsSync(prebuilt) ? fs.readdirSync(prebuilt).filter((name) => name.endsWith(".node")) : [];
  return [path.join(folder, "build", "Release", "minibatch.node"), ...files.map((name) => path.join(prebuilt, name))];
}

let search: AddonSearch | undefined;

export function findAddon(): AddonSearch {
  search ??= lookFor();
  return search;
}

function lookFor(): AddonSearch {
  const fs = builtin<Fs>("node:fs");
  const module = builtin<Module>("node:module");
  if (!fs || !module) return { addon: undefined, path: undefined, attempts: [{ path: "", reason: "no Node modules here (a browser?)" }] };
  const folder = packageFolder();
  if (!folder)
    return {
      addon: undefined,
      path: undefined,
      attempts: [{ path: "", reason: "the package's folder was not found (bundled?); set MINIBATCH_ADDON to the path of minibatch.node" }],
    };
  const attempts: Attempt[] = [];
  const load = module.createRequire(`${folder}/package.json`);
  for (const path of candidates(folder)) {
    if (!fs.existsSync(path)) {
      attempts.push({ path, reason: "no such file" });
      continue;
    }
    try {
      const addon = load(path) as Addon;
      const { error } = addon.info();
      if (!error) return { addon, path, attempts };
      attempts.push({ path, reason: error });
    } catch (error) {
      attempts.push({ path, reason: error instanceof Error ? (error.message.split("\n")[0] as string) : String(error) });
    }
  }
  return { addon: undefined, path: undefined, attempts };
}
