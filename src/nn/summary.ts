// The table that model.summary() returns. Knows no numbers, only names and shapes.
import { show, sizeOf } from "../shape.ts";
import type { Network, Structure } from "./network.ts";

/** Layers, shape of their output for a batch of m, parameters, notes; and the totals. */
export function summarize(network: Network, structure: Structure | undefined): string {
  if (!structure) {
    const names = network.names.map((name, i) => `  ${name} (${network.layers[i]?.kind})`);
    return `not built: the input shape is not known yet\n${names.join("\n")}`;
  }
  const shapeOf = (shape: readonly number[]) => `[m${shape.map((n) => `, ${n}`).join("")}]`;
  const head = ["layer", "kind", "output", "parameters", ""];
  const rows = structure.layers.map((l) => [l.name, l.kind, shapeOf(l.outputShape), l.parameters.toLocaleString("en-US"), l.note]);
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => (row[i] as string).length)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => (i === 3 ? cell.padStart(widths[i] as number) : cell.padEnd(widths[i] as number)))
      .join("  ")
      .trimEnd();
  const count = (of: readonly { shape: readonly number[] }[]) => of.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  const trainable = count(structure.parameters.filter((p) => p.segment !== "frozen"));
  const frozen = count(structure.parameters.filter((p) => p.segment === "frozen"));
  const totals = [`input ${show(structure.inputShape)} per example, ${trainable.toLocaleString("en-US")} trainable parameters`];
  if (frozen) totals.push(`${frozen.toLocaleString("en-US")} frozen`);
  const statistics = count(structure.states);
  if (statistics) totals.push(`${statistics.toLocaleString("en-US")} statistics`);
  return [line(head), line(head.map((_, i) => "-".repeat(widths[i] as number))), ...rows.map(line), totals.join(", ")].join("\n");
}
