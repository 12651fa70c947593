import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  resolve: {
    alias: [
      { find: /^minibatch$/, replacement: at("./src/index.ts") },
      { find: /^minibatch\/(.+)$/, replacement: at("./src/$1/index.ts") },
    ],
  },
  test: {
    include: ["test/**/*.test.ts"],
    // Training tests are slow where only the TypeScript executor is there, and on a machine that others use too. A limit only ends what hangs.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    // By default one core is left free, which on two is half of them.
    maxWorkers: "100%",
  },
});
