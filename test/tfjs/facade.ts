// tfjs's library as its tests see it: the functions of operators/ under their names, as functions and as methods of tensors; whatever
// else is asked for ends the case as not applicable, with the reason of not-applicable.ts.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { notApplicable, Uncounted } from "./jasmine.ts";
import { reasonOf } from "./not-applicable.ts";
import { elementwise } from "./operators/elementwise.ts";
import { losses, Reduction } from "./operators/losses.ts";
import { movement } from "./operators/movement.ts";
import { network } from "./operators/network.ts";
import { reductions } from "./operators/reduce.ts";
import type { Table } from "./operators/table.ts";
import { optimizerClasses, training } from "./operators/training.ts";
import { T, V } from "./tensor.ts";

/** Where tfjs-core's compiled files and tests are, once it is installed. */
export const folder = fileURLToPath(new URL("./node_modules/@tensorflow/tfjs-core/dist", import.meta.url));

const functions: Table = { ...elementwise, ...movement, ...reductions, ...network, ...losses, ...training };

/** A name that is not ours: any use of it ends the case. */
function missing(name: string): unknown {
  // A function and no arrow: it may be called with new.
  const refuse = function refuse(): never {
    const reason = reasonOf(name);
    if (reason) return notApplicable(reason);
    throw new Error(`no decision about ${name}: map it or say why it is not applicable`);
  };
  return new Proxy(refuse, {
    get: (_, key) => (typeof key === "symbol" || key === "then" ? undefined : family(`${name}.${key}`)),
    construct: refuse,
  });
}

const constants: Readonly<Record<string, unknown>> = {
  Tensor: T,
  Variable: V,
  getGlobalTensorClass: () => T,
  Reduction,
  ...optimizerClasses,
  // Comparisons ask how exact the numbers are.
  ENGINE: new Proxy(
    { backend: { floatPrecision: () => 32 } },
    {
      get: (known, key) => (key in known ? known[key as "backend"] : family(`ENGINE.${String(key)}`)),
    },
  ),
  memory: () => ({ numTensors: new Uncounted(), numDataBuffers: new Uncounted(), numBytes: new Uncounted() }),
  // Nothing is held that could be let go.
  dispose: () => undefined,
  keep: (x: unknown) => x,
};

function family(name: string): unknown {
  if (Object.hasOwn(constants, name)) return constants[name];
  if (Object.hasOwn(functions, name)) return functions[name];
  return missing(name);
}

export const tf = new Proxy({} as Readonly<Record<string, unknown>>, { get: (_, key) => family(String(key)) });

/** The methods that tfjs gives to tensors, by the files that attach them. */
function methodNames(): string[] {
  const chained = join(folder, "public/chained_ops");
  if (!existsSync(chained)) return [];
  const files = readdirSync(chained).filter((file) => file.endsWith(".js"));
  return files.flatMap((file) =>
    Array.from(readFileSync(join(chained, file), "utf8").matchAll(/prototype\.(\w+)\s*=/g), ([, name]) => name as string),
  );
}

for (const name of [...methodNames(), "print", "clone", "bytes", "bytesSync", "toString", "reshapeAs"]) {
  if (Object.hasOwn(T.prototype, name)) continue;
  Object.defineProperty(T.prototype, name, {
    value(this: T, ...args: unknown[]) {
      return (family(name) as (...all: unknown[]) => unknown)(this, ...args);
    },
  });
}
for (const name of ["isDisposed", "id", "dataId", "strides", "kept"])
  Object.defineProperty(T.prototype, name, {
    get: () => notApplicable("no memory is freed by hand: there is no tidy, no dispose, no scope"),
  });
