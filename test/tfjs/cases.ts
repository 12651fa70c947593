// The outcomes of all cases as a list to keep: for each test file how many passed, and how many do not apply, by reason. What moves
// from one to another, and what goes missing, changes it.
import type { Outcome } from "./jasmine.ts";

export function listOf(outcomes: readonly Outcome[]): string {
  const files = new Map<string, Map<string, number>>();
  for (const { name, status, reason } of outcomes) {
    const file = name.split(" > ")[0] as string;
    const counts = files.get(file) ?? new Map<string, number>();
    files.set(file, counts);
    const key = status === "passed" ? status : `${status}: ${reason}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  const lines = (counts: ReadonlyMap<string, number>) =>
    [...counts].sort(([a], [b]) => order(a, b)).map(([what, n]) => `${String(n).padStart(5)}  ${what}\n`);
  return [...files].map(([file, counts]) => `${file}\n${lines(counts).join("")}`).join("");
}

/** What passed comes first, then the reasons by the alphabet. */
function order(a: string, b: string): number {
  if (a === "passed" || b === "passed") return a === b ? 0 : a === "passed" ? -1 : 1;
  return a < b ? -1 : 1;
}

/** The first line in which two lists differ. */
export function firstDifference(kept: string, found: string): string | undefined {
  if (kept === found) return undefined;
  const [a, b] = [kept.split("\n"), found.split("\n")];
  const at = b.findIndex((line, i) => line !== a[i]);
  const i = at < 0 ? b.length : at;
  const file = b.slice(0, i + 1).findLast((line) => line && !line.startsWith(" "));
  return `${file}: ${JSON.stringify(a[i] ?? "")} before, ${JSON.stringify(b[i] ?? "")} now`;
}
