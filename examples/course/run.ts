// Runs a program of the course by its number: `npm run course 07`, smaller with `npm run course 07 -- --small`; `all` runs every one.
// Without a number it lists them. A program is a file NN-name.ts beside this one whose first line is its title.
import { readdirSync, readFileSync } from "node:fs";

interface Program {
  readonly number: string;
  readonly file: string;
  readonly title: string;
}

export function programs(): Program[] {
  const folder = new URL("./", import.meta.url);
  return readdirSync(folder)
    .filter((file) => /^\d\d-.+\.ts$/.test(file))
    .sort()
    .map((file) => {
      const [title = ""] = readFileSync(new URL(file, folder), "utf8").split("\n", 1);
      return { number: file.slice(0, 2), file, title: title.replace(/^\/\/\s*/, "") };
    });
}

const list = () =>
  programs()
    .map(({ number, title }) => `  ${number}  ${title}`)
    .join("\n");

async function main(given: readonly string[]): Promise<void> {
  const wrong = given.find((word) => word.startsWith("-") && word !== "--small");
  const wanted = given.filter((word) => !word.startsWith("-"));
  if (wrong !== undefined || wanted.length > 1) {
    console.error(`course: takes one number and perhaps -- --small, got ${given.join(" ")}`);
    process.exitCode = 1;
    return;
  }
  const [number] = wanted;
  if (number === undefined) {
    console.log(`npm run course NUMBER runs one of these (-- --small: with less data):\n\n${list()}\n`);
    return;
  }
  const chosen = programs().filter((program) => number === "all" || program.number === number.padStart(2, "0"));
  if (chosen.length === 0) {
    console.error(`course: there is no program ${number}; there are\n\n${list()}\n`);
    process.exitCode = 1;
    return;
  }
  for (const { number, file, title } of chosen) {
    console.log(`${number}  ${title}`);
    await import(new URL(file, import.meta.url).href);
  }
}

if (process.argv[1]?.endsWith("run.ts")) await main(process.argv.slice(2));
