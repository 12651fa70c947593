// The order in which to tune, as data: what matters most comes first, each parameter with the scale and bounds in which it is
// usually looked for. It is the order of most problems; a study's own importance() says what holds for one.
import { checkOptions, describe, MinibatchError } from "../errors.ts";
import { choice, integer, logInteger, logUniform, oneMinusLogUniform, type Parameter } from "./space.ts";

const order = [
  {
    name: "learningRate",
    rank: 1,
    of: "every optimizer",
    why: "too small and nothing happens, too great and it diverges; all else is compared at its best rate",
    dimension: logUniform(1e-4, 1),
  },
  {
    name: "batchSize",
    rank: 2,
    of: "fit",
    why: "the noise of the gradient and the speed of an epoch; another size wants another rate",
    dimension: choice([32, 64, 128, 256]),
  },
  {
    name: "beta",
    rank: 2,
    of: "momentum",
    why: "how many gradients are averaged; 0.9 is rarely far off",
    dimension: oneMinusLogUniform(0.9, 0.999),
  },
  {
    name: "units",
    rank: 2,
    of: "dense",
    why: "what the network can learn, and what it can learn by heart",
    dimension: logInteger(16, 256),
  },
  { name: "layers", rank: 3, of: "sequential", why: "the same, in larger steps; more are harder to train", dimension: integer(1, 4) },
  {
    name: "decayRate",
    rank: 3,
    of: "schedule.inverseTime",
    why: "how tight the end is, once the first rate is right",
    dimension: logUniform(1e-3, 1),
  },
  { name: "beta1", rank: 4, of: "adam", why: "0.9 nearly always", dimension: oneMinusLogUniform(0.8, 0.99) },
  { name: "beta2", rank: 4, of: "adam", why: "0.999 nearly always", dimension: oneMinusLogUniform(0.99, 0.9999) },
  { name: "epsilon", rank: 4, of: "adam", why: "1e-8 nearly always: it is there so that nothing is divided by 0", dimension: logUniform(1e-9, 1e-7) }, // biome-ignore format: short
] as const;

type Entry = (typeof order)[number];
export type Rank = Entry["rank"];

/** A parameter's place in the order. */
export interface Priority {
  readonly name: Entry["name"];
  /** 1 is tuned first; parameters of one rank are tuned together. */
  readonly rank: Rank;
  /** What it is an option of. */
  readonly of: string;
  readonly why: string;
  /** Where it is usually looked for. */
  readonly dimension: Parameter;
}

/** The order in which to tune, most important first. */
export const priorities: readonly Priority[] = order;

type UpTo = { 1: 1; 2: 1 | 2; 3: 1 | 2 | 3; 4: Rank };
export type SuggestedSpace<R extends Rank> = {
  readonly [E in Extract<Entry, { readonly rank: UpTo[R] }> as E["name"]]: E["dimension"];
};

/**
 * The space of everything that is tuned no later than a rank: 1 the learning rate; 2 batch size, momentum's beta and units too; 3 layers and
 * the decay of the rate; 4 Adam's betas and epsilon. A space is an object: leave out what a model does not have, add what it has beside.
 *
 * ```ts
 * const { learningRate, batchSize } = suggestSpace({ upTo: 2 });
 * await study({ space: { learningRate, batchSize, keepProb: uniform(0.5, 1) }, strategy: randomSearch({ trials: 25 }), objective });
 * ```
 */
export function suggestSpace<const R extends Rank>(options: { upTo: R }): SuggestedSpace<R> {
  checkOptions("suggestSpace", options, ["upTo"]);
  const upTo: unknown = options?.upTo;
  if (!order.some(({ rank }) => rank === upTo))
    throw new MinibatchError(`suggestSpace: upTo must be a rank of the order (1, 2, 3 or 4), got ${describe(upTo)}`);
  const chosen = order.filter(({ rank }) => rank <= (upTo as number));
  return Object.fromEntries(chosen.map(({ name, dimension }) => [name, dimension])) as unknown as SuggestedSpace<R>;
}
