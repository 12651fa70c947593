// The direction in which files may import each other (docs/layout.md): a stage knows the stages before it, never those after it.
// `npm run check` runs it. A new folder under src/ must be given a place here before it can import anything.

const foundation = ["^src/(errors|dtype|shape|random|debug)\\.ts$"];

/** In order; each entry may import itself and everything before it. Side by side in one entry means on the same level. */
const stages = [
  { name: "foundation", path: foundation },
  { name: "ops", path: ["^src/ops/"] },
  { name: "graph", path: ["^src/graph/"] },
  { name: "run", path: ["^src/run/"] },
  { name: "tensors", path: ["^src/(trace|tensor|compile|dataset|stats)\\.ts$"] },
  { name: "parts", path: ["^src/(nn|optim)/"] },
  { name: "files", path: ["^src/io/"] },
  { name: "training", path: ["^src/train/"] },
  { name: "model", path: ["^src/(model\\.ts$|check/)"] },
];

/** These see only what a user sees, and are seen only by the entry points. */
const outside = "^src/(data|diagnose|search|plot|dashboard)/";
const entryPoints = "^src/(index|cli|data/index|search/index|plot/index)\\.ts$";
const publicParts = [
  ...foundation,
  "^src/(tensor|dataset)\\.ts$",
  // The class behind Tensor, for instanceof; the type Layer; the layer that a Scaler makes; augmentations, which fit applies too.
  "^src/ops/define\\.ts$",
  "^src/nn/(layer|standardization|augmentation)\\.ts$",
  // A graph as a list of nodes.
  "^src/graph/graph\\.ts$",
  // Bytes of files, whatever they mean, and how they outlive a power cut.
  "^src/io/(file|bytes|durable)\\.ts$",
  // Which back end there is, and a share of its threads.
  "^src/run/(backend|share)\\.ts$",
  // What pictures show: averages, schedules, the history of a run, a model.
  "^src/(stats|model)\\.ts$",
  "^src/optim/(schedules|landscapes)\\.ts$",
  "^src/train/(checkpoint-options|history|report|run)\\.ts$",
  "^src/check/(health|learning-rate)\\.ts$",
];

const directions = stages.slice(0, -1).map((stage, i) => ({
  name: `${stage.name}-knows-nothing-later`,
  severity: "error",
  comment: `${stage.name} comes before ${stages[i + 1].name} in the pipeline and must not know it.`,
  from: { path: stage.path },
  to: { path: stages.slice(i + 1).flatMap((later) => later.path) },
}));

export default {
  forbidden: [
    ...directions,
    {
      name: "no-cycles",
      severity: "error",
      comment: "Families of ops are exempt: a gradient is written in ops of other families, and those have theirs in turn.",
      from: { pathNot: "^src/ops/" },
      to: { circular: true },
    },
    {
      name: "outside-sees-public-parts-only",
      severity: "error",
      comment: "data, diagnose, search and plot are written with what users have; else the public API lacks something.",
      from: { path: outside },
      to: { path: "^src/", pathNot: [outside, ...publicParts] },
    },
    {
      name: "outside-is-not-seen",
      severity: "error",
      comment: "The core must work without data readers, diagnosis and search.",
      from: { path: "^src/", pathNot: [outside, entryPoints] },
      to: { path: outside },
    },
    {
      name: "entry-points-are-ends",
      severity: "error",
      from: { path: "^src/", pathNot: "^src/cli\\.ts$" },
      to: { path: entryPoints },
    },
    {
      name: "no-node-modules-in-the-core",
      severity: "error",
      comment: "src/index.ts must bundle for a browser; Node's modules are asked for at run time through process.getBuiltinModule.",
      from: { path: "^src/", pathNot: ["^src/data/", "^src/search/", "^src/cli\\.ts$"] },
      to: { dependencyTypes: ["core"], dependencyTypesNot: ["type-only", "type-import"] },
    },
    {
      name: "no-packages",
      severity: "error",
      comment: "The library has no dependency at run time but those of pictures: optional peers, loaded when the first one is drawn.",
      from: { path: "^src/", pathNot: "^src/plot/" },
      to: { dependencyTypes: ["npm", "npm-dev", "npm-optional", "npm-peer", "npm-no-pkg", "npm-unknown", "unknown"] },
    },
    {
      name: "plotting-packages-as-types-only",
      severity: "error",
      comment: "src/plot loads them by name when the first picture is drawn, so that bundles without them can be made; types cost nothing.",
      from: { path: "^src/plot/" },
      to: {
        dependencyTypes: ["npm", "npm-dev", "npm-optional", "npm-peer", "npm-no-pkg", "npm-unknown", "unknown"],
        dependencyTypesNot: ["type-only", "type-import"],
      },
    },
    { name: "everything-resolves", severity: "error", from: {}, to: { couldNotResolve: true } },
    {
      name: "every-file-has-a-place",
      severity: "error",
      comment: "A file outside the folders of docs/layout.md has no direction to follow.",
      from: { path: "^src/", pathNot: [outside, entryPoints, ...stages.flatMap((stage) => stage.path)] },
      to: {},
    },
    {
      name: "library-knows-no-tests",
      severity: "error",
      from: { path: "^src/" },
      to: { path: "^(test|bench|examples|docs)/" },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "node", "types"], extensions: [".ts", ".mjs", ".js"] },
  },
};
