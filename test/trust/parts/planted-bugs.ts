// The bugs that mutants.ts plants: where, what is replaced by what, and the check that should see it. Each was a line of the library once it
// was written wrongly. Knows not how they are planted.

export interface PlantedBug {
  readonly what: string;
  readonly file: string;
  readonly find: string;
  readonly replace: string;
  /** A command in the copied tree, by name. */
  readonly caughtBy: string;
}

/** Commands that succeed on the tree as it is. `cmake` ones build first: a bug in C++ must compile to be one. */
export const checks: Readonly<Record<string, readonly string[]>> = {
  ops: ["vitest", "test/ops.test.ts"],
  values: ["vitest", "test/ops-values.test.ts"],
  graph: ["vitest", "test/graph.test.ts"],
  golden: ["vitest", "test/golden.test.ts"],
  safetensors: ["vitest", "test/safetensors.test.ts"],
  readers: ["vitest", "test/readers.test.ts"],
  random: ["vitest", "test/random.test.ts"],
  "malformed files": ["trust", "malformed-files", "--n", "3000"],
  "crash states": ["trust", "crash-states"],
  program: ["cmake", "program_test"],
  pool: ["cmake", "pool_test"],
  kernels: ["cmake", "kernels_test"],
  layers: ["cmake", "layers_test"],
};

export const plantedBugs: readonly PlantedBug[] = [
  // Gradients.
  {
    what: "a parameter seen twice keeps its last gradient only",
    file: "src/graph/gradient.ts",
    find: "gradient: add(last.gradient, part.gradient)",
    replace: "gradient: part.gradient",
    caughtBy: "graph",
  },
  {
    what: "a variable read twice keeps one gradient",
    file: "src/graph/gradient.ts",
    find: "total = total ? add(total, gradient) : gradient;",
    replace: "total = gradient;",
    caughtBy: "graph",
  },
  // Optimizers.
  {
    what: "momentum without its gain",
    file: "src/optim/optimizers.ts",
    find: 'gain: dampening === "course" ? 1 - b : 1',
    replace: 'gain: dampening === "course" ? 1 : 1 - b',
    caughtBy: "golden",
  },
  {
    what: "Adam corrects by the step before",
    file: "src/optim/rules.ts",
    find: "[1 - beta1 ** step, 1 - beta2 ** step]",
    replace: "[1 - beta1 ** (step + 1), 1 - beta2 ** (step + 1)]",
    caughtBy: "golden",
  },
  {
    what: "Adam's second beta is 0.99",
    file: "src/optim/optimizers.ts",
    find: 'beta(kind, "beta2", options.beta2, 0.999)',
    replace: 'beta(kind, "beta2", options.beta2, 0.99)',
    caughtBy: "golden",
  },
  // The planner and the passes before it.
  {
    what: "a value dies before its last reader",
    file: "src/graph/plan.ts",
    find: "(this.#lastRead.get(value.node) as number[])[value.index] = i;",
    replace: "(this.#lastRead.get(value.node) as number[])[value.index] = i - 1;",
    caughtBy: "graph",
  },
  {
    what: "a slot is written while it is still read",
    file: "src/graph/plan.ts",
    find: "if (own || byteOffset !== 0 || hazard ||",
    replace: "if (own || byteOffset !== 0 ||",
    caughtBy: "graph",
  },
  // Random numbers.
  {
    what: "Philox with another constant",
    file: "src/random.ts",
    find: "k1 = (k1 + 0xbb67ae85) >>> 0;",
    replace: "k1 = (k1 + 0xbb67ae86) >>> 0;",
    caughtBy: "random",
  },
  // Ops.
  {
    what: "transpose leaves the axes as they are",
    file: "src/ops/movement.ts",
    find: "shape.map((_, axis) => rank - 1 - axis)",
    replace: "shape.map((_, axis) => axis)",
    caughtBy: "values",
  },
  // Loaders.
  {
    what: "overlapping tensors pass",
    file: "src/io/safetensors.ts",
    find: "if (begin !== covered)",
    replace: "if (begin > covered)",
    caughtBy: "malformed files",
  },
  {
    what: "holes between tensors pass",
    file: "src/io/safetensors.ts",
    find: "if (begin !== covered)",
    replace: "if (begin < covered)",
    caughtBy: "malformed files",
  },
  {
    what: "a size that overflows passes",
    file: "src/io/safetensors.ts",
    find: "if (!Number.isSafeInteger(bytes))",
    replace: "if (Number.isNaN(bytes))",
    caughtBy: "malformed files",
  },
  {
    what: "bytes behind the last tensor pass",
    file: "src/io/safetensors.ts",
    find: "if (covered !== numbers.length)",
    replace: "if (covered > numbers.length)",
    caughtBy: "malformed files",
  },
  {
    what: "a name may stand twice",
    file: "src/io/header.ts",
    find: "if (seen.has(name))",
    replace: "if (seen.size < 0)",
    caughtBy: "malformed files",
  },
  {
    what: "a model's layers are allocated before the file is asked",
    file: "src/io/model-file.ts",
    find: "  const wanted = [...structure.parameters, ...structure.states];",
    replace: "  new Weights(structure);\n  const wanted = [...structure.parameters, ...structure.states];",
    caughtBy: "malformed files",
  },
  {
    what: "an IDX file may be longer than its header says",
    file: "src/data/idx.ts",
    find: "if (got !== wanted)",
    replace: "if (got < wanted)",
    caughtBy: "malformed files",
  },
  {
    what: "big-endian NPY numbers are read as little-endian",
    file: "src/data/npy.ts",
    find: 'mark === ">" ? "big" : "little"',
    replace: '"little"',
    caughtBy: "malformed files",
  },
  // The checkpoint writer.
  {
    what: "a checkpoint is renamed before its bytes are on the disk",
    file: "src/io/durable.ts",
    find: "      await handle.sync();\n    } finally {\n      await handle.close();\n    }\n    await fs.rename",
    replace: "    } finally {\n      await handle.close();\n    }\n    await fs.rename",
    caughtBy: "crash states",
  },
  // Native code.
  {
    what: "a slice may end behind its memory",
    file: "native/program.cc",
    find: "bytes > spec.bytes - offset",
    replace: "bytes > spec.bytes",
    caughtBy: "program",
  },
  {
    what: "an output may lie on part of an input",
    file: "native/program.cc",
    find: "if (i < outputs && same) continue;",
    replace: "if (i < outputs) continue;",
    caughtBy: "program",
  },
  {
    what: "a run may go on behind the last instruction",
    file: "native/program.cc",
    find: "request.last > instruction_count()",
    replace: "request.last > instruction_count() + 1",
    caughtBy: "program",
  },
  {
    what: "the last pieces of a work are lost",
    file: "native/pool.cc",
    find: "if (take < 1) take = 1;",
    replace: "if (take < 1) take = 2;",
    caughtBy: "pool",
  },
];
