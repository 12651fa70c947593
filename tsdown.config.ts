// Builds dist/: ESM and CommonJS with types, from one graph, so that every entry shares the same classes.
import { defineConfig } from "tsdown";

export default defineConfig({
  entry: { index: "src/index.ts", data: "src/data/index.ts", search: "src/search/index.ts", plot: "src/plot/index.ts", cli: "src/cli.ts" },
  format: ["esm", "cjs"],
  platform: "node",
  target: "node20.17",
  outDir: "dist",
  dts: true,
  sourcemap: true,
  // import.meta.url in CommonJS: src/run/addon.ts finds the package's folder by it.
  shims: true,
});
