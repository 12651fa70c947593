// A script of this folder as one JavaScript file, with the library in it: a process that starts in a tenth of a second can be killed often.
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "tsdown";

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** Bundles NAME.ts; resolves to the file, two folders below the package, where it finds the package's data. */
export async function bundle(name: string): Promise<string> {
  const folder = at("../../../build/trust");
  await build({
    config: false,
    entry: { [name]: at(`./${name}.ts`) },
    outDir: folder,
    clean: false,
    format: "esm",
    platform: "node",
    dts: false,
    logLevel: "warn",
    alias: {
      "minibatch/data": at("../../../src/data/index.ts"),
      "minibatch/search": at("../../../src/search/index.ts"),
      minibatch: at("../../../src/index.ts"),
    },
  });
  return join(folder, `${name}.mjs`);
}
