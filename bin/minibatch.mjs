#!/usr/bin/env node
// Starts the command line: from src/ in a checkout of the repository (dist/ may be old or missing there), else from dist/.
import { existsSync } from "node:fs";

if (existsSync(new URL("../src/cli.ts", import.meta.url))) {
  const { tsImport } = await import("tsx/esm/api");
  await tsImport("../src/cli.ts", import.meta.url);
} else {
  await import("../dist/cli.mjs");
}
