// `npm run bench:peers`: minibatch beside every peer that is installed, one table of ratios. Every configuration is a
// process of its own in every round; within a round all of them do one work after the other, then the next work, so that
// what is compared was measured within seconds.
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { Child, Times } from "../child.ts";
import { limitsOf, scaling, showLimits, threadCounts } from "../limits.ts";
import { median } from "../measure.ts";
import { keep, resultFile, stamp } from "../stamp.ts";
import { type Configuration, findConfigurations, type Missing } from "./configurations.ts";
import { compareGemm, parts } from "./gemm.ts";
import { best, compare, markdownTable, type Result, textTable } from "./table.ts";
import { chosen, type Work, works } from "./works.ts";

const help = `npm run bench:peers -- [--rounds N] [--only TEXT] [--quick]

Measures minibatch beside PyTorch, OpenBLAS, oneDNN, TensorFlow.js, jax-js and onnxruntime-node, as far as they are
installed, and prints one table of ratios; above 1 minibatch is faster. Also writes bench/results/peers.json and .md, or
peers-part.json and .md when only a part was asked for.

  --rounds N    how often everything is measured in turn; 5 unless told otherwise
  --only TEXT   only works whose name contains it
  --quick       one short round, to see that everything runs: figures mean little

Five rounds of everything take about a quarter of an hour, and the machine must have nothing else to do. The npm peers are
installed by  ONNXRUNTIME_NODE_INSTALL=skip npm --prefix bench/peers install  (0.6 GB). PYTHON names another Python.
`;

/** Threads of libraries that spin while they wait have gone to sleep after this. */
const restMilliseconds = 100;

interface Measured {
  readonly rounds: Map<string, Times[]>;
  readonly cores: number[];
}

async function measureRound(
  wanted: readonly Work[],
  configurations: readonly Configuration[],
  round: number,
  scale: number,
  measured: Map<string, Measured>,
  failures: Map<string, string>,
  tell: (text: string) => void,
): Promise<void> {
  const children = new Map<string, Child>();
  try {
    for (const work of wanted) {
      const { rounds, cores } = measured.get(work.name) as Measured;
      const takes = (c: Configuration) => work.pairs.some((pair) => pair.ours(c) || pair.peers(c));
      const taking = configurations.filter((c) => takes(c) && !failures.has(`${work.name}: ${c.name}`));
      // Every other round in reverse: whoever comes first or last does so as often as the others.
      if (round % 2) taking.reverse();
      const now = taking.some(({ threads }) => threads > 1) ? await scaling(Math.max(...threadCounts)) : undefined;
      if (now !== undefined) cores.push(now);
      for (const configuration of taking) {
        tell(`${work.name}: ${configuration.name}`);
        const child = children.get(configuration.name) ?? configuration.start();
        children.set(configuration.name, child);
        try {
          const times = await child.ask({ ...work.task, seconds: work.seconds * scale });
          rounds.set(configuration.name, [...(rounds.get(configuration.name) ?? []), times]);
        } catch (error) {
          failures.set(`${work.name}: ${configuration.name}`, error instanceof Error ? error.message : String(error));
        }
        await new Promise((resolve) => setTimeout(resolve, restMilliseconds));
      }
    }
  } finally {
    for (const child of children.values()) child.end();
  }
}

function resultsOf(work: Work, configurations: readonly Configuration[], { rounds, cores }: Measured): Result[] {
  const side = (belongs: (c: Configuration) => boolean) =>
    best(configurations.filter(belongs).map(({ name }) => ({ name, rounds: rounds.get(name) ?? [] })));
  return work.pairs.flatMap((pair) => {
    const [ours, peer] = [side(pair.ours), side(pair.peers)];
    if (!ours || !peer) return [];
    const threaded = configurations.some(({ name, threads }) => threads > 1 && (name === ours.name || name === peer.name));
    return [compare(`${work.name}, ${pair.name}`, work.unit, ours, peer, threaded && cores.length ? median(cores) : undefined)];
  });
}

function page(results: readonly Result[], missing: readonly Missing[], machine: string): string {
  const { date, commit, processor, node, backend } = stamp();
  return [
    "# minibatch beside its peers",
    "",
    `${date}, ${commit}. ${processor}, ${backend.isa}, Node ${node}.`,
    "",
    "```",
    machine,
    "```",
    "",
    markdownTable(results),
    "",
    "Ratios above 1: minibatch is so many times faster. Times are 10th percentiles over samples of a work (training: the time of a step",
    "over chunks of 30 ms), the ratio the median over rounds. Cores: how much faster multiply-adds were on all threads than on one meanwhile.",
    ...(missing.length ? ["", "Not run:", "", ...missing.map((m) => `- ${m.name}: ${m.reason}. \`${m.install}\``)] : []),
    "",
  ].join("\n");
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "5" },
      only: { type: "string" },
      quick: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(help);
    return;
  }
  const rounds = values.quick ? 1 : Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new Error(`bench:peers: --rounds must be a whole number of at least 1, got "${values.rounds}"`);
  const scale = values.quick ? 0.2 : 1;
  const everything = chosen([...works, ...parts], values.only);
  const wanted = works.filter((work) => everything.includes(work));
  const products = parts.filter((part) => everything.includes(part));

  const { configurations, missing } = findConfigurations();
  const began = performance.now();
  const tell = (text: string) => console.error(`${((performance.now() - began) / 1000).toFixed(0).padStart(5)} s  ${text}`);
  const most = Math.max(...threadCounts);
  const peaks = (await Promise.all(threadCounts.map(limitsOf))).filter((found) => found !== undefined);
  for (const limits of peaks) console.log(showLimits(limits));
  const first = most > 1 ? await scaling(most) : undefined;

  const measured = new Map(wanted.map((work) => [work.name, { rounds: new Map<string, Times[]>(), cores: [] as number[] }]));
  const failures = new Map<string, string>();
  for (let round = 0; round < rounds; round++) {
    const say = (text: string) => tell(`round ${round + 1} of ${rounds}: ${text}`);
    await measureRound(wanted, configurations, round, scale, measured, failures, say);
  }
  const gemm = products.length ? await compareGemm(products, rounds, 0.06 * scale, tell) : { results: [], missing: [] };
  const last = most > 1 ? await scaling(most) : undefined;

  const results = [...wanted.flatMap((work) => resultsOf(work, configurations, measured.get(work.name) as Measured)), ...gemm.results];
  const absent = [...missing, ...gemm.missing];
  const times = (x: number | undefined) => x?.toFixed(2) ?? "not measured";
  const ratio = most > 1 ? [`multiply-adds on ${most} threads against 1: ${times(first)} at the start, ${times(last)} at the end`] : [];
  console.log([`\n${textTable(results)}\n`, ...ratio].join("\n"));
  for (const { name, reason, install } of absent) console.log(`not run: ${name}: ${reason}. ${install}`);
  const reasons = new Map<string, string[]>();
  for (const [what, reason] of failures) reasons.set(reason, [...(reasons.get(reason) ?? []), what]);
  for (const [reason, what] of reasons) console.log(`failed: ${what.join("; ")}: ${reason}`);

  // A part is no replacement of the whole.
  const name = values.only === undefined && !values.quick ? "peers" : "peers-part";
  writeFileSync(resultFile(`${name}.md`), page(results, absent, [...peaks.map(showLimits), ...ratio].join("\n")));
  const samples = Object.fromEntries([...measured].map(([name, m]) => [name, { cores: m.cores, rounds: Object.fromEntries(m.rounds) }]));
  await keep(name, results, { rounds, scaling: [first, last], missing: absent, failures: Object.fromEntries(failures), samples });
  console.log(`and in bench/results/${name}.md`);
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
