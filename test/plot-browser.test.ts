// Every picture and a report in a real browser, headless, all on one page: each is parsed as XML, no text leaves its picture or lies on
// another text, and nothing is logged as an error. Skipped where there is no Chromium, and outside the plain run of the tests:
// instruction sets do not change pictures.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { allPictures, trainedOnDigits } from "./plot-samples.ts";

const scratch = mkdtempSync(join(tmpdir(), "minibatch-browser-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function findChromium(): string | undefined {
  const folders = (process.env.PATH ?? "").split(delimiter);
  const names = ["chromium", "chromium-browser", "google-chrome", "chrome"];
  return process.env.CHROMIUM ?? folders.flatMap((folder) => names.map((name) => join(folder, name))).find(existsSync);
}

const chromium = findChromium();
const plain = !process.env.MINIBATCH_ISA && !process.env.MINIBATCH_BACKEND;

/** What the page finds out about itself; it is written into the page, for --dump-dom to show. */
interface Found {
  readonly errors: string[];
  readonly pictures: Record<string, { loaded: boolean; texts: number; outside: string[]; overlaps: string[] }>;
}

/** Runs in the browser. Text may touch text, but not by more than two pixels in both directions. */
const script = `
const found = { errors: [], pictures: {} };
window.addEventListener("error", (event) => found.errors.push(String(event.message || event.target.tagName)), true);
window.addEventListener("load", async () => {
  const slack = 2;
  for (const section of document.querySelectorAll("section[data-name]")) {
    const name = section.dataset.name;
    const report = { loaded: true, texts: 0, outside: [], overlaps: [] };
    found.pictures[name] = report;
    for (const svg of section.querySelectorAll("svg")) {
      const alone = new Image();
      alone.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(new XMLSerializer().serializeToString(svg));
      await alone.decode().catch((error) => found.errors.push(name + ": " + error));
      const frame = svg.getBoundingClientRect();
      const texts = [...svg.querySelectorAll("text")].filter((text) => text.textContent.trim());
      const boxes = texts.map((text) => ({ text: text.textContent, slanted: /rotate\\(-45/.test(text.getAttribute("transform") || ""), r: text.getBoundingClientRect() }));
      report.texts += boxes.length;
      for (const { text, r } of boxes)
        if (r.left < frame.left - 0.5 || r.right > frame.right + 0.5 || r.top < frame.top - 0.5 || r.bottom > frame.bottom + 0.5) report.outside.push(text);
      boxes.forEach((a, i) => boxes.slice(i + 1).forEach((b) => {
        // The box around a slanted name is larger than the name.
        if (a.slanted || b.slanted) return;
        const x = Math.min(a.r.right, b.r.right) - Math.max(a.r.left, b.r.left);
        const y = Math.min(a.r.bottom, b.r.bottom) - Math.max(a.r.top, b.r.top);
        if (x > slack && y > slack) report.overlaps.push(a.text + " | " + b.text);
      }));
    }
  }
  for (const raw of document.querySelectorAll("template[data-name]")) {
    const parsed = new DOMParser().parseFromString(raw.content.textContent, "image/svg+xml");
    if (parsed.querySelector("parsererror")) found.errors.push(raw.dataset.name + ": " + parsed.querySelector("parsererror").textContent);
  }
  const out = document.createElement("pre");
  out.id = "found";
  out.textContent = JSON.stringify(found);
  document.body.append(out);
});
`;

const escaped = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

function shown(sections: Readonly<Record<string, string>>, svgs: Readonly<Record<string, string>>): Found & { log: string } {
  const file = join(scratch, "all.html");
  const attribute = (name: string) => escaped(name).replaceAll('"', "&quot;");
  const body = [
    ...Object.entries(sections).map(([name, content]) => `<section data-name="${attribute(name)}">${content}</section>`),
    ...Object.entries(svgs).map(([name, svg]) => `<template data-name="${attribute(name)}">${escaped(svg)}</template>`),
  ];
  writeFileSync(file, `<!doctype html><meta charset="utf-8"><body style="width:1000px"><script>${script}</script>${body.join("\n")}`);
  const args = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1040,1000", `--user-data-dir=${join(scratch, "profile")}`, "--enable-logging=stderr", "--v=0", "--virtual-time-budget=20000", "--dump-dom", `file://${file}`]; // biome-ignore format: one command
  const { stdout, stderr, error } = spawnSync(chromium as string, args, { encoding: "utf8", timeout: 100_000, maxBuffer: 1 << 28 });
  if (error) throw error;
  const json = stdout.match(/<pre id="found">([\s\S]*?)<\/pre>/)?.[1];
  if (json === undefined) throw new Error(`Chromium did not finish the page: ${stderr.slice(-2000)}`);
  const text = json.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&nbsp;", "\u00a0").replaceAll("&amp;", "&");
  return { ...(JSON.parse(text) as Found), log: stderr };
}

describe.skipIf(!chromium || !plain)("in Chromium", () => {
  it("pictures and reports are drawn without an error, no text is cut or covered", { timeout: 180_000 }, async () => {
    const svgs = await allPictures();
    const { run } = await trainedOnDigits();
    await run.report(join(scratch, "report.html"));
    const report = readFileSync(join(scratch, "report.html"), "utf8");
    const found = shown({ ...svgs, report: report.match(/<body>([\s\S]*)<\/body>/)?.[1] as string }, svgs);
    expect(found.errors).toEqual([]);
    expect(found.log.split("\n").filter((line) => /CONSOLE/.test(line))).toEqual([]);
    expect(Object.keys(found.pictures)).toEqual([...Object.keys(svgs), "report"]);
    for (const [name, { texts }] of Object.entries(found.pictures)) if (!/images/.test(name)) expect(texts, name).toBeGreaterThan(3);
    const wrong = Object.entries(found.pictures).filter(([, { outside, overlaps }]) => outside.length || overlaps.length);
    expect(wrong).toEqual([]);
  });
});
