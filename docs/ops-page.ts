// Writes docs/ops.md from the op table: one row per entry, nothing kept by hand. With --check it only says whether the page is up to date.
//
//   npm run docs
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type OpDefinition, source, type Value } from "../src/ops/define.ts";
import { table } from "../src/ops/table.ts";

const file = fileURLToPath(new URL("./ops.md", import.meta.url));

/** Names of the ops that the fused op's decomposition is made of, in order of first use. */
function parts(op: OpDefinition): string {
  const sample = op.samples[0];
  if (!op.decomposition || !sample) return "";
  const inputs = sample.inputs.map(({ shape, dtype = "float" }, i) =>
    source({ kind: "argument", name: `x${i}` }, { shape, dtype: dtype === "float" ? "f32" : dtype }),
  );
  const names: string[] = [];
  const visit = (value: Value) => {
    const { node } = value;
    if (!node.op) return;
    node.inputs.forEach(visit);
    if (!names.includes(node.op.name)) names.push(node.op.name);
  };
  op.decomposition(inputs, sample.attributes).forEach(visit);
  return names.join(", ");
}

function tolerance({ tolerance: t = { f32: 1e-5, f64: 1e-12 } }: OpDefinition): string {
  return t.f32 || t.f64 ? `${t.f32.toExponential(0)}, ${t.f64.toExponential(0)}` : "0: equal";
}

const escaped = (text: string) => text.replaceAll("|", "\\|").replaceAll("\n", " ");

function page(): string {
  const rows = [...table]
    .sort((a, b) => a.name.localeCompare(b.name))
    .map((op) =>
      [
        `\`${op.name}\``,
        escaped(op.doc),
        Object.keys(op.samples[0]?.attributes ?? {}).join(", "),
        op.gradient ? "yes" : "",
        parts(op),
        op.alias ? "no kernel" : tolerance(op),
      ].join(" | "),
    );
  return [
    "# The op table",
    "",
    "<!-- Made by docs/ops-page.ts from src/ops/; `npm run docs` makes it again. -->",
    "",
    `${table.length} ops. Each is one entry in \`src/ops/\`, which holds its shape rule, its meaning in plain TypeScript, its gradient in other ops and`,
    "the samples it is tested on. *Made of* names the plain ops that a fused op is compared with. *Tolerance* is how far native and TypeScript may",
    "differ, relative, in f32 and f64.",
    "",
    "| op | formula and shapes | attributes | gradient | made of | tolerance |",
    "|---|---|---|---|---|---|",
    ...rows.map((row) => `| ${row} |`),
    "",
  ].join("\n");
}

const text = page();
if (process.argv.includes("--check")) {
  if (readFileSync(file, "utf8") !== text) {
    console.error("docs/ops.md is not what the op table says: run `npm run docs`");
    process.exitCode = 1;
  }
} else {
  writeFileSync(file, text);
  console.log(`docs/ops.md: ${table.length} ops`);
}
