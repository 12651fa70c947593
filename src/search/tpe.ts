// The tree-structured Parzen estimator: where are good trials denser than the others? Two kernel densities, over the best
// trials and over the rest; a proposal is the candidate drawn from the first at which their ratio is largest.
// Sources: Bergstra, Bardenet, Bengio and Kégl, "Algorithms for Hyper-Parameter Optimization", NIPS 2011; widths of kernels
// and joint densities after Falkner, Klein and Hutter, "BOHB", ICML 2018, and Watanabe, arXiv 2304.11127.
import { checkNumber, checkOptions } from "../errors.ts";
import { inverseNormal } from "../random.ts";
import type { Parameter } from "./space.ts";
import { type Past, ranked, type Strategy } from "./strategy.ts";

/** log of a sum of exponentials. */
function logSum(values: readonly number[]): number {
  const largest = Math.max(...values);
  if (largest === Number.NEGATIVE_INFINITY) return largest;
  let sum = 0;
  for (const value of values) sum += Math.exp(value - largest);
  return largest + Math.log(sum);
}

/** P(Z < z) for a standard normal Z; Abramowitz and Stegun 26.2.17, error below 7.5e-8. */
function normalBelow(z: number): number {
  const t = 1 / (1 + 0.2316419 * Math.abs(z));
  const series = t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  const tail = 0.3989422804014327 * Math.exp((-z * z) / 2) * series;
  return z > 0 ? 1 - tail : tail;
}

/** A kernel on one scale: a bump around a position that is cut off at the ends, a preference for a value of a choice, or nothing known. */
type Kernel =
  | { readonly at: number; readonly width: number; readonly below: number; readonly inside: number }
  | { readonly value: number; readonly of: number; readonly sure: number }
  | undefined;

function bump(at: number, width: number): Kernel {
  const below = normalBelow(-at / width);
  return { at, width, below, inside: normalBelow((1 - at) / width) - below };
}

/** log of the kernel's density at a position. */
function logDensity(kernel: Kernel, position: number): number {
  if (!kernel) return 0;
  if ("of" in kernel) {
    const same = Math.floor(position * kernel.of) === kernel.value;
    return Math.log(same ? kernel.sure + (1 - kernel.sure) / kernel.of : (1 - kernel.sure) / kernel.of) + Math.log(kernel.of);
  }
  const z = (position - kernel.at) / kernel.width;
  return (-z * z) / 2 - Math.log(kernel.width * 2.5066282746310002 * kernel.inside);
}

/** A position drawn from the kernel, by two random numbers. */
function drawFrom(kernel: Kernel, first: number, second: number): number {
  if (!kernel) return first;
  if ("of" in kernel) return second < kernel.sure ? (kernel.value + 0.5) / kernel.of : first;
  const p = kernel.below + first * kernel.inside;
  return Math.min(1, Math.max(0, kernel.at + kernel.width * inverseNormal(Math.min(1 - 1e-12, Math.max(1e-12, p)))));
}

/** A kernel for each trial on the scale of one parameter, and one for the prior, which is flat. */
function kernels(trials: readonly Past[], name: string, parameter: Parameter): Kernel[] {
  const positions = trials.map((trial) => trial.position(name, parameter));
  const known = positions.filter((p) => p !== undefined);
  if (!parameter.ordered) {
    const sure = known.length / (known.length + 1);
    return [
      ...positions.map((p): Kernel => (p === undefined ? p : { value: Math.floor(p * parameter.count), of: parameter.count, sure })),
      undefined,
    ];
  }
  // Each is as wide as the gap to its farther neighbour, within bounds: narrow where trials are dense, never a spike.
  const sorted = [0, ...[...known].sort((a, b) => a - b), 1];
  const least = 1 / Math.min(100, known.length + 2);
  return [
    ...positions.map((p): Kernel => {
      if (p === undefined) return undefined;
      const i = sorted.indexOf(p, 1);
      const gap = Math.max(p - (sorted[i - 1] as number), (sorted[i + 1] as number) - p);
      return bump(p, Math.min(1, Math.max(least, gap)));
    }),
    undefined,
  ];
}

/** A mixture of products of kernels, one factor for each parameter asked for so far: what was chosen weighs the next. */
class Mixture {
  readonly #trials: readonly Past[];
  #logWeights: number[];

  constructor(trials: readonly Past[]) {
    this.#trials = trials;
    this.#logWeights = new Array<number>(trials.length + 1).fill(0);
  }

  on(name: string, parameter: Parameter): Kernel[] {
    return kernels(this.#trials, name, parameter);
  }

  logDensity(of: readonly Kernel[], position: number): number {
    return logSum(of.map((kernel, i) => (this.#logWeights[i] as number) + logDensity(kernel, position)));
  }

  draw(of: readonly Kernel[], which: number, first: number, second: number): number {
    const total = logSum(this.#logWeights);
    let left = which;
    let i = 0;
    for (; i < of.length - 1; i++) {
      left -= Math.exp((this.#logWeights[i] as number) - total);
      if (left < 0) break;
    }
    return drawFrom(of[i], first, second);
  }

  /** From here on the mixture is the one given this position. */
  condition(of: readonly Kernel[], position: number): void {
    this.#logWeights = this.#logWeights.map((weight, i) => weight + logDensity(of[i], position));
  }
}

export interface TpeOptions {
  trials: number;
  /** Random trials before the first model; 10 by default. */
  startup?: number | undefined;
  /** Positions drawn from the good density for each parameter, of which the best is taken; 24 by default. */
  candidates?: number | undefined;
}

/**
 * Proposes what good trials have and others have not. The best tenth of the trials done (25 at most) are the good ones; pruned, failed and
 * running trials count among the others, so that trials in parallel keep apart. Parameters are drawn one after the other, each
 * given those before it, so that combinations are learned and conditional parameters need no special care.
 */
export function tpe(options: TpeOptions): Strategy {
  checkOptions("tpe", options, ["trials", "startup", "candidates"]);
  const trials = checkNumber("tpe", "trials", options?.trials, { whole: true, min: 1 });
  const startup = checkNumber("tpe", "startup", options.startup ?? 10, { whole: true, min: 2 });
  const candidates = checkNumber("tpe", "candidates", options.candidates ?? 24, { whole: true, min: 1 });
  return {
    kind: "tpe",
    next: ({ number, trials: past, direction, draw }) => {
      if (number > trials) return undefined;
      const done = past.filter((trial) => trial.state === "done").length;
      if (done < startup) return {};
      const order = ranked(past, direction);
      const goodCount = Math.min(25, Math.ceil(0.1 * done));
      const good = new Mixture(order.slice(0, goodCount));
      const rest = new Mixture(order.slice(goodCount));
      return {
        params: (name, parameter) => {
          const [goodKernels, restKernels] = [good.on(name, parameter), rest.on(name, parameter)];
          let best = 0;
          let bestScore = Number.NEGATIVE_INFINITY;
          for (let c = 0; c < candidates; c++) {
            const drawn = good.draw(goodKernels, draw(name, 3 * c), draw(name, 3 * c + 1), draw(name, 3 * c + 2));
            // What will be tried is a value; of a discrete parameter its own position counts.
            const position = parameter.position(parameter.at(drawn)) ?? drawn;
            const score = good.logDensity(goodKernels, position) - rest.logDensity(restKernels, position);
            if (score > bestScore) [best, bestScore] = [position, score];
          }
          good.condition(goodKernels, best);
          rest.condition(restKernels, best);
          return parameter.at(best);
        },
      };
    },
  };
}
