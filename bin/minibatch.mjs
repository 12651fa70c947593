#!/usr/bin/env node
// Starts the command line from dist/, or from src/ where nothing is built (a checkout of the repository).
import { existsSync } from "node:fs";

const built = new URL("../dist/cli.mjs", import.meta.url);
if (existsSync(built)) {
  await import(built.href);
} else {
  const { tsImport } = await import("tsx/esm/api");
  await tsImport("../src/cli.ts", import.meta.url);
}
