#!/usr/bin/env bash
# The package as users get it: packed, unpacked into an empty project, loaded as ESM and as CommonJS with the prebuilt
# addon, and the examples of the API compiled against its types with neither this repository's paths nor its settings.
set -euo pipefail
cd "$(dirname "$0")/.."
root="$PWD"
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT

npm pack --silent --pack-destination "$scratch" >/dev/null
mkdir -p "$scratch/project/node_modules/minibatch" "$scratch/project/src"
tar -xzf "$scratch"/minibatch-*.tgz -C "$scratch/project/node_modules/minibatch" --strip-components=1
ls -l "$scratch"/minibatch-*.tgz | awk '{ print $5 " bytes packed" }'
cd "$scratch/project"
echo '{ "name": "project", "private": true, "type": "module" }' >package.json

cat >run.mjs <<'JS'
import { createRequire } from "node:module";
import { adam, backend, crossEntropy, dense, sequential } from "minibatch";
import { iris } from "minibatch/data";
import { randomSearch, study, uniform } from "minibatch/search";

const data = await iris();
const { last } = await sequential([dense(8), dense(3)]).fit(data, { loss: crossEntropy(), optimizer: adam({ learningRate: 0.05 }), epochs: 20 });
const common = createRequire(import.meta.url)("minibatch");
const names = Object.keys(await import("minibatch"));
const missing = names.filter((name) => !(name in common) && name !== "default" && name !== "module.exports");
if (missing.length) throw new Error(`CommonJS lacks ${missing}`);
const { best } = await study({ space: { x: uniform(0, 1) }, strategy: randomSearch({ trials: 3 }), storage: "study.jsonl", objective: ({ x }) => x });
if (typeof createRequire(import.meta.url)("minibatch/search").study !== "function" || !(best.value < 1)) throw new Error("minibatch/search");
if (!(last.trainError < 0.2)) throw new Error(`train error ${last.trainError}`);
console.log(`ESM ${backend().name} ${backend().isa}, CommonJS ${common.backend().name}, iris train error ${last.trainError.toFixed(3)}`);
// Pictures are there, and ask for the packages that this project does not have.
for (const plot of [await import("minibatch/plot"), createRequire(import.meta.url)("minibatch/plot")]) {
  const said = await plot.lines([{ name: "a", y: [1] }], { xLabel: "x", yLabel: "y" }).then(() => "nothing", (error) => error.message);
  if (!/npm install @observablehq\/plot linkedom/.test(said)) throw new Error(`without its packages minibatch/plot says ${said}`);
}
if (backend().name !== (process.env.MINIBATCH_BACKEND ?? "native")) throw new Error(backend().reasons.join("\n"));
JS
node run.mjs
node node_modules/minibatch/bin/minibatch.mjs doctor | grep 'back end'

cp "$root"/test/api/*.ts src/
cat >tsconfig.json <<'JSON'
{
  "compilerOptions": {
    "target": "es2023", "module": "nodenext", "types": ["node"], "typeRoots": ["TYPES"],
    "strict": true, "noUncheckedIndexedAccess": true, "exactOptionalPropertyTypes": true,
    "allowImportingTsExtensions": true, "noEmit": true
  },
  "include": ["src"]
}
JSON
sed -i "s|TYPES|$root/node_modules/@types|" tsconfig.json
node "$root/node_modules/typescript/bin/tsc" -p .
echo "types: the API's examples compile"
