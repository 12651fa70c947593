// The pages of the course: the table of methods has no empty cell, and links lead somewhere.
// Knows no lesson; that the programs' claims hold is course-examples.test.ts.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const course = new URL("../docs/course/", import.meta.url);
const pages = readdirSync(course).filter((file) => file.endsWith(".md"));
const read = (file: string) => readFileSync(new URL(file, course), "utf8");

/** Targets of a page's links and pictures that are files here. */
const targets = (text: string) =>
  [...text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = ""]) => target.replace(/#.*/, ""))
    .filter((target) => target && !/^https?:/.test(target));

describe("the table of methods", () => {
  const rows = read("README.md")
    .split("\n")
    .filter((line) => /^\| \d/.test(line))
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );

  it("has the 35 methods in order, six columns each", () => {
    expect(rows.map(([number]) => Number(number))).toEqual(Array.from({ length: 35 }, (_, i) => i + 1));
    for (const row of rows) expect(row, row[1]).toHaveLength(6);
  });

  it.each(rows)("%s %s: no empty cell", (...row) => {
    expect(row.filter((cell) => cell === "")).toEqual([]);
    const [, , , test = "", example = "", picture = ""] = row;
    for (const target of targets(test)) expect(target).toMatch(/\.test\.ts$/);
    for (const target of targets(example)) expect(target).toMatch(/examples\/course\/\d\d-.*\.ts$/);
    for (const target of targets(picture)) expect(target).toMatch(/^pictures\/\d\d-.*\.svg$/);
  });

  it("names every program", () => {
    const text = read("README.md");
    const programs = readdirSync(new URL("../examples/course/", import.meta.url)).filter((file) => /^\d\d-/.test(file));
    for (const program of programs) expect(text).toContain(`examples/course/${program}`);
  });
});

describe("links of the pages", () => {
  it.each(pages)("%s", (page) => {
    const broken = targets(read(page)).filter((target) => !existsSync(fileURLToPath(new URL(target, course))));
    expect(broken).toEqual([]);
  });

  it("every picture is shown somewhere", () => {
    const all = pages.map(read).join("\n");
    const unseen = readdirSync(new URL("pictures/", course)).filter((file) => !all.includes(`pictures/${file}`));
    expect(unseen).toEqual([]);
  });
});

describe("calls on the pages", () => {
  /** What a program has in hand rather than imports, and calls of other libraries. */
  const others = new Set(
    "model run result fit evaluate forward push loss optimizer regularizers z x scaler predict toString mermaid dot".split(" "),
  );

  it.each([...pages, "../notation.md"])("%s names calls that exist", async (page) => {
    // `schedule` is also a picture; the core's own come last.
    const library: object = {
      ...(await import("minibatch/plot")),
      ...(await import("minibatch/search")),
      ...(await import("minibatch/data")),
      ...(await import("minibatch")),
    };
    const known = library as Readonly<Record<string, unknown>>;
    for (const [call, name = "", member] of read(page).matchAll(/`([a-z]\w+)(?:\.(\w+))?\(/g)) {
      if (others.has(name)) continue;
      expect(Object.keys(known), call).toContain(name);
      if (member) expect(Object.keys(known[name] as object), call).toContain(member);
    }
  });
});
