// Coarse to fine: random in the whole box, then random again in a smaller box around the best trials, repeatedly. Boxes are
// measured on each parameter's own scale and recorded with the trials.
import { checkNumber, checkOptions } from "../errors.ts";
import type { Json } from "../nn/layer.ts";
import { isRecordedChoice, type Parameter } from "./space.ts";
import { type Asking, type Direction, type Past, ranked, type Strategy } from "./strategy.ts";

/** Part of a scale, by positions; of a choice the positions of the values that are left. */
type Part = { readonly low: number; readonly high: number } | { readonly left: readonly number[] };

/** Room on each side of the best trials, as a share of the box before: the optimum may lie beyond the outermost of a few points. */
const margin = 0.1;

/** The part of one scale in which the next round draws, from the part of the last round and the best trials so far. */
function shrink(part: Part, best: readonly Past[], name: string, parameter: Parameter): Part {
  const positions = best.map((trial) => trial.position(name, parameter)).filter((p) => p !== undefined);
  // One point says nothing about a width, and none says nothing at all.
  if (positions.length < 2) return part;
  if ("left" in part) return { left: [...new Set(positions)].sort((a, b) => a - b) };
  const width = part.high - part.low;
  const room = Math.max(margin * width, 0.5 / parameter.count);
  const low = Math.min(...positions) - room;
  const high = Math.max(...positions) + room;
  // Never wider than before: then the middle of the best is kept.
  const excess = Math.max(0, high - low - width) / 2;
  return { low: Math.max(0, low + excess), high: Math.min(1, high - excess) };
}

/**
 * `rounds` rounds of `trials` random trials each. The first draws from the whole space; each later one from the smallest box that holds
 * the best `keep` trials of all rounds before (a fifth of a round, but two at least) and a tenth of the last box more on each side. Of a choice
 * the values are left that occur among the best. A round begins when the one before has ended, so with trials in parallel the boxes are the same.
 */
export function coarseToFine(options: { rounds: number; trials: number; keep?: number | undefined }): Strategy {
  checkOptions("coarseToFine", options, ["rounds", "trials", "keep"]);
  const rounds = checkNumber("coarseToFine", "rounds", options?.rounds, { whole: true, min: 1 });
  const trials = checkNumber("coarseToFine", "trials", options.trials, { whole: true, min: 2 });
  const keep = checkNumber("coarseToFine", "keep", options.keep ?? Math.max(2, Math.ceil(trials / 5)), {
    whole: true,
    min: 2,
    max: trials,
  });

  const partOf = (round: number, past: readonly Past[], direction: Direction, name: string, parameter: Parameter): Part => {
    let part: Part = parameter.ordered
      ? { low: 0, high: 1 }
      : { left: Array.from({ length: parameter.count }, (_, i) => (i + 0.5) / parameter.count) };
    for (let before = 1; before < round; before++) {
      const done = past.slice(0, before * trials).filter((trial) => trial.state === "done");
      part = shrink(part, ranked(done, direction).slice(0, keep), name, parameter);
    }
    return part;
  };

  return {
    kind: "coarse to fine",
    next: ({ number, trials: past, direction, draw }: Asking) => {
      const round = Math.ceil(number / trials);
      if (round > rounds) return undefined;
      const before = past.slice(0, (round - 1) * trials);
      if (before.some((trial) => trial.state === "running")) return "wait";
      const box: Record<string, Json> = {};
      return {
        params: (name, parameter) => {
          const part = partOf(round, before, direction, name, parameter);
          const drawn = draw(name);
          if ("left" in part) {
            box[name] = part.left.map((p) => parameter.record(parameter.at(p)));
            return parameter.at(part.left[Math.floor(drawn * part.left.length)] as number);
          }
          box[name] = [parameter.record(parameter.at(part.low)), parameter.record(parameter.at(part.high))];
          return parameter.at(part.low + drawn * (part.high - part.low));
        },
        note: { round, box },
      };
    },
  };
}

/** The box of one round: of a number its bounds, of a choice the values that were left. */
export interface Box {
  readonly round: number;
  readonly parameters: Readonly<Record<string, readonly Json[]>>;
}

/** The boxes that coarse-to-fine recorded with its trials, by round; empty for studies by other strategies. */
export function boxes(trials: readonly { readonly note?: Json | undefined }[]): Box[] {
  const found = new Map<number, Record<string, readonly Json[]>>();
  for (const { note } of trials) {
    if (note === null || typeof note !== "object" || !("round" in note) || !("box" in note)) continue;
    const round = note.round as number;
    const box = found.get(round) ?? {};
    for (const [name, values] of Object.entries(note.box as Record<string, readonly Json[]>))
      box[name] = values.map((value) => (isRecordedChoice(value) ? value.value : value));
    found.set(round, box);
  }
  return [...found].sort(([a], [b]) => a - b).map(([round, parameters]) => ({ round, parameters }));
}
