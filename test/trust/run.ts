// Runs the scripts of this folder, each in a process of its own: `npm run trust`, in their long version. `--short` is what the
// project's own checks run; names choose some; what else is given goes to each script.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL(".", import.meta.url));
const scripts = readdirSync(folder)
  .filter((file) => file.endsWith(".ts") && file !== "run.ts")
  .map((file) => file.slice(0, -".ts".length))
  .sort();
const given = process.argv.slice(2);
const chosen = given.filter((argument) => scripts.includes(argument));
const rest = given.filter((argument) => !scripts.includes(argument));
const failed = (chosen.length ? chosen : scripts).filter((name) => {
  const { status } = spawnSync(process.execPath, ["--import", "tsx", `${folder}${name}.ts`, ...rest], { stdio: "inherit" });
  return status !== 0;
});
for (const name of failed) console.error(`trust: ${name} failed`);
process.exitCode = failed.length ? 1 : 0;
