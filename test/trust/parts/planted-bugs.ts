// The bugs that mutants.ts plants: where, what is replaced by what, and the check that should see it. Each was a line of the library once it
// was written wrongly. Knows not how they are planted.

export interface PlantedBug {
  readonly what: string;
  readonly file: string;
  readonly find: string;
  readonly replace: string;
  /** A command in the copied tree, by name. */
  readonly caughtBy: string;
  /** Planted in the short version too: its check takes a few seconds. */
  readonly short?: boolean;
}

/** Commands that succeed on the tree as it is. `cmake` ones build first: a bug in C++ must compile to be one. */
export const checks: Readonly<Record<string, readonly string[]>> = {
  ops: ["vitest", "test/ops.test.ts"],
  values: ["vitest", "test/ops-values.test.ts"],
  graph: ["vitest", "test/graph.test.ts"],
  golden: ["vitest", "test/golden.test.ts"],
  safetensors: ["vitest", "test/safetensors.test.ts"],
  readers: ["vitest", "test/readers.test.ts"],
  steering: ["vitest", "test/steering.test.ts"],
  journal: ["vitest", "test/search-journal.test.ts"],
  leases: ["vitest", "test/search-journal.test.ts", "-t", "an old lease writes nothing that counts"],
  random: ["vitest", "test/random.test.ts"],
  "malformed files": ["trust", "malformed-files", "--n", "3000"],
  "crash states": ["trust", "crash-states"],
  program: ["cmake", "program_test"],
  pool: ["cmake", "pool_test"],
  gemm: ["cmake", "gemm_test"],
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
    short: true,
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
    short: true,
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
    short: true,
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
  // Steering and replay.
  {
    what: "a change of one dropout layer forgets the others",
    file: "src/train/tuning.ts",
    find: "keepProb: { ...tuning.keepProb, ...change.keepProb }",
    replace: "keepProb: change.keepProb ?? tuning.keepProb",
    caughtBy: "steering",
  },
  {
    what: "a revert leaves the optimizer's state where it is",
    file: "src/train/trainer.ts",
    find: "this.#stepper.place(weights, slots, updates);",
    replace: "this.#stepper.place(weights, this.#stepper.slots(), updates);",
    caughtBy: "steering",
  },
  {
    what: "a replay compares no weights",
    file: "src/check/replay.ts",
    find: "if (got !== expected) this.#fail(`the weights",
    replace: "if (got.length !== expected.length) this.#fail(`the weights",
    caughtBy: "steering",
  },
  // The journal of a search, and what its lines mean.
  {
    what: "an end under an old lease counts",
    file: "src/search/ledger.ts",
    find: "entry.lease !== kept.lease) return;",
    replace: "entry.lease > kept.lease) return;",
    caughtBy: "leases",
    short: true,
  },
  {
    what: "the first line behind a truncated one is lost with it",
    file: "src/search/journal.ts",
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a line of source
    find: "write(fd, `\\n${lines}`);",
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a line of source
    replace: "write(fd, `${lines}\\n`);",
    caughtBy: "journal",
  },
  {
    what: "a line of a journal with a wrong checksum counts",
    file: "src/search/journal.ts",
    find: "if (crc32(rest) !== Number.parseInt(found[1] as string, 16)) return undefined;",
    replace: "if (Number.isNaN(Number.parseInt(found[1] as string, 16))) return undefined;",
    caughtBy: "journal",
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
    // Whoever gave the work waits for them for ever.
    what: "the last pieces of a work are lost",
    file: "native/pool.cc",
    find: "if (take < 1) take = 1;",
    replace: "if (take < 1) take = 2;",
    caughtBy: "pool",
  },
  // Native kernels.
  {
    what: "a product forgets what earlier parts of its depth gave",
    file: "native/kernels/gemm-block-inl.h",
    find: "panel.add = begin > 0;",
    replace: "panel.add = false;",
    caughtBy: "gemm",
  },
  {
    what: "batch norm divides by one row less",
    file: "native/kernels/normalization-inl.h",
    find: "    const T per_row = static_cast<T>(1.0 / static_cast<double>(grid.rows));",
    replace: "    const T per_row = static_cast<T>(1.0 / static_cast<double>(grid.rows - 1));",
    caughtBy: "layers",
  },
  {
    what: "dropout scales by 65,535 of 65,536",
    file: "native/kernels/dropout-inl.h",
    find: "static_cast<T>(65536.0 / static_cast<double>(threshold))",
    replace: "static_cast<T>(65535.0 / static_cast<double>(threshold))",
    caughtBy: "layers",
  },
  {
    what: "Adam's second moment is corrected by the first one's number",
    file: "native/kernels/optimizer-inl.h",
    find: "inverse2(Set<T>(static_cast<T>(1 / scalars[2])))",
    replace: "inverse2(Set<T>(static_cast<T>(1 / scalars[1])))",
    caughtBy: "layers",
  },
];
