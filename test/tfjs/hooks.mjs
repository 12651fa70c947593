// A hook of Node's module loader: what the test files of tfjs-core import from the library that they test comes from our facade
// instead. Their own comparisons (test_util, rand_util and what these need to take arrays apart) stay tfjs-core's. Any other import
// fails: such a file tests tfjs-core's own parts.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const facade = "minibatch-facade:all";
/** Folder of tfjs-core's compiled files, as a path and as an address. */
let root = "";
let base = "";
let here = "";

export function initialize(data) {
  root = data.root;
  base = `${pathToFileURL(root).href}/`;
  here = data.here;
}

/** What tests import besides the library: comparisons, constants. These stay, and what they need to take arrays and types apart; none of it computes what is compared. */
const kept = new Set([
  "test_util",
  "util",
  "image_test_util",
  "ops/rand_util",
  "ops/reduce_util",
  "ops/selu_util",
  "ops/identity_pool_test",
]);

/** What they import from the library. */
const ours =
  /^(index|engine|tensor|globals|ops|optimizers\/(optimizer|sgd_optimizer)|ops\/(ops|tensor[1-6]d|scalar|gather_nd|ensure_shape|bitwise_and)|tensor_util)$/;

export async function resolve(specifier, context, next) {
  if (specifier === facade) return { url: facade, format: "module", shortCircuit: true };
  if (!context.parentURL?.startsWith(base) || !specifier.startsWith(".")) return next(specifier, context);
  const name = new URL(specifier, context.parentURL).href.slice(base.length).replace(/\/$/, "").replace(/\.js$/, "");
  if (name.endsWith("jasmine_util")) return next(new URL("jasmine.ts", here).href, context);
  if (ours.test(name)) return { url: facade, format: "module", shortCircuit: true };
  const byTest = context.parentURL.endsWith("_test.js");
  if (name === "environment" && !byTest) return next(new URL("environment.ts", here).href, context);
  if (kept.has(name) || !byTest) return { url: `${base}${name}.js`, format: "module", shortCircuit: true };
  throw new Error(`not of the facade: ${name}`);
}

/** A file's text without its source map, which is most of it. */
const textOf = (path) => readFileSync(path, "utf8").replace(/^\/\/# sourceMappingURL.*$/m, "");

/** Every name that some test file takes from the library: as tf.name, or by an import in braces. */
function names() {
  const found = new Set(["ENGINE", "Tensor", "Variable", "getGlobalTensorClass"]);
  const files = readdirSync(root, { recursive: true }).filter((file) => file.endsWith("_test.js"));
  for (const file of files) {
    const text = textOf(join(root, file));
    for (const [, name] of text.matchAll(/\btf\.([A-Za-z_]\w*)/g)) found.add(name);
    for (const [, list] of text.matchAll(/^import \{([^}]*)\} from/gm))
      for (const item of list.split(",")) found.add(item.trim().split(/\s+as\s+/)[0]);
  }
  found.delete("");
  return [...found].filter((name) => /^[A-Za-z_]\w*$/.test(name));
}

export async function load(url, context, next) {
  if (url === facade) {
    const source = `import { tf } from ${JSON.stringify(new URL("facade.ts", here).href)};\nexport const { ${names().join(", ")} } = tf;\n`;
    return { format: "module", source, shortCircuit: true };
  }
  // The package calls its ES modules .js without saying that they are modules.
  if (url.startsWith(base)) return { format: "module", source: textOf(fileURLToPath(url)), shortCircuit: true };
  return next(url, context);
}
