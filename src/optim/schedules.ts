// Learning-rate schedules: pure functions of where a run stands, so that they can be plotted before they are used.
import { checkNumber, describe, MinibatchError, requireOptions } from "../errors.ts";

/** Where a run stands: steps and epochs count from 1. */
export interface At {
  readonly step: number;
  readonly epoch: number;
}

/** The learning rate of a step: any function of that type serves. It must give finite numbers from 0 on, or the run fails with the step. */
export type Schedule = (at: At) => number;
type Per = { per?: "epoch" | "step" | undefined };

/** Epochs or steps done before this one: 0 in the first. */
function counter(where: string, per: "epoch" | "step" | undefined): (at: At) => number {
  if (per !== undefined && per !== "epoch" && per !== "step")
    throw new MinibatchError(`${where}: per must be "epoch" or "step", got ${describe(per)}`);
  return per === "step" ? ({ step }) => step - 1 : ({ epoch }) => epoch - 1;
}

function positive(where: string, name: string, value: unknown): number {
  return checkNumber(where, name, value, { above: 0 });
}

/**
 * Schedules by name. `initial` is the course's alpha0. Each counts epochs unless told `per: "step"`; both count from 1. Rates and numbers out of
 * range throw when the schedule is made.
 *
 * ```ts
 * const rate = schedule.cosine({ initial: 0.1, over: 20 });
 * rate({ step: 1, epoch: 1 }); // 0.1
 * ```
 */
export const schedule = {
  /** initial / (1 + decayRate n), decayRate from 0, n the number of the epoch from 1: the course's form, whose first rate is already decayed once. */
  inverseTime(o: Per & { initial: number; decayRate: number }): Schedule {
    requireOptions("schedule.inverseTime", o, ["per", "initial", "decayRate"]);
    const initial = positive("schedule.inverseTime", "initial", o.initial);
    const decayRate = checkNumber("schedule.inverseTime", "decayRate", o.decayRate, { min: 0 });
    const t = counter("schedule.inverseTime", o.per);
    return (at) => initial / (1 + decayRate * (t(at) + 1));
  },
  /** initial base^n, n the number of the epoch from 1; the course's base is 0.95. PyTorch's ExponentialLR starts at initial: its rates are these divided by base. */
  exponential(o: Per & { initial: number; base: number }): Schedule {
    requireOptions("schedule.exponential", o, ["per", "initial", "base"]);
    const initial = positive("schedule.exponential", "initial", o.initial);
    const base = checkNumber("schedule.exponential", "base", o.base, { above: 0, max: 1 });
    const t = counter("schedule.exponential", o.per);
    return (at) => initial * base ** (t(at) + 1);
  },
  /** k initial / sqrt(n), n the number of the epoch from 1; k is 1 by default. */
  squareRoot(o: Per & { initial: number; k?: number | undefined }): Schedule {
    requireOptions("schedule.squareRoot", o, ["per", "initial", "k"]);
    const initial = positive("schedule.squareRoot", "initial", o.initial);
    const k = positive("schedule.squareRoot", "k", o.k ?? 1);
    const t = counter("schedule.squareRoot", o.per);
    return (at) => (k * initial) / Math.sqrt(t(at) + 1);
  },
  /** initial factor^floor((n - 1) / every), factor in (0, 1]: stays for `every` epochs (or steps), then falls by the factor; the course's discrete staircase. */
  staircase(o: Per & { initial: number; factor: number; every: number }): Schedule {
    requireOptions("schedule.staircase", o, ["per", "initial", "factor", "every"]);
    const initial = positive("schedule.staircase", "initial", o.initial);
    const factor = checkNumber("schedule.staircase", "factor", o.factor, { above: 0, max: 1 });
    const every = checkNumber("schedule.staircase", "every", o.every, { whole: true, min: 1 });
    const t = counter("schedule.staircase", o.per);
    return (at) => initial * factor ** Math.floor(t(at) / every);
  },
  /** The rate of the last entry [from, rate] whose `from` (an epoch or step, from 1) is reached. */
  piecewise(o: Per & { rates: readonly (readonly [from: number, rate: number])[] }): Schedule {
    requireOptions("schedule.piecewise", o, ["per", "rates"]);
    const { rates } = o;
    if (!Array.isArray(rates) || rates.length === 0)
      throw new MinibatchError(`schedule.piecewise: rates must be a list of [from, rate], got ${describe(rates)}`);
    rates.forEach((entry: unknown, i) => {
      const [from, rate] = Array.isArray(entry) ? (entry as unknown[]) : [undefined, undefined];
      checkNumber("schedule.piecewise", `rates[${i}][0]`, from, { whole: true, min: 1 });
      positive("schedule.piecewise", `rates[${i}][1]`, rate);
    });
    const sorted = [...rates].sort((a, b) => a[0] - b[0]);
    if (sorted[0]?.[0] !== 1) throw new MinibatchError(`schedule.piecewise: the first entry must start at 1, got ${sorted[0]?.[0]}`);
    const t = counter("schedule.piecewise", o.per);
    return (at) => (sorted.findLast(([from]) => from <= t(at) + 1) ?? (sorted[0] as readonly [number, number]))[1];
  },
  /** Half a cosine from initial to final (default 0) over `over` epochs or steps, then final. Loshchilov and Hutter 2017. */
  cosine(o: Per & { initial: number; final?: number | undefined; over: number }): Schedule {
    requireOptions("schedule.cosine", o, ["per", "initial", "final", "over"]);
    const initial = positive("schedule.cosine", "initial", o.initial);
    const final = checkNumber("schedule.cosine", "final", o.final ?? 0, { min: 0 });
    const over = checkNumber("schedule.cosine", "over", o.over, { whole: true, min: 1 });
    const t = counter("schedule.cosine", o.per);
    return (at) => final + ((initial - final) * (1 + Math.cos((Math.PI * Math.min(t(at), over)) / over))) / 2;
  },
  /** Rises evenly to the first rate of `then` over `over` epochs or steps, then goes on with `then` from its beginning. Goyal et al. 2017. */
  warmup(o: Per & { over: number; then: number | Schedule }): Schedule {
    requireOptions("schedule.warmup", o, ["per", "over", "then"]);
    const over = checkNumber("schedule.warmup", "over", o.over, { whole: true, min: 1 });
    const next = typeof o.then === "function" ? o.then : positive("schedule.warmup", "then", o.then);
    const t = counter("schedule.warmup", o.per);
    const after = (at: At) => {
      if (typeof next === "number") return next;
      return next(
        o.per === "step" ? { step: Math.max(1, at.step - over), epoch: at.epoch } : { step: at.step, epoch: Math.max(1, at.epoch - over) },
      );
    };
    return (at) => (t(at) < over ? (after(at) * (t(at) + 1)) / (over + 1) : after(at));
  },
} as const;

/** The rate of a number or a schedule; what is not a positive finite number is refused with where it came from. */
export function rateAt(rate: number | Schedule, at: At): number {
  const value = typeof rate === "function" ? rate(at) : rate;
  if (typeof value === "number" && Number.isFinite(value) && value >= 0) return value;
  throw new MinibatchError(
    `learningRate: a schedule must give finite numbers from 0 on, got ${describe(value)} at step ${at.step}, epoch ${at.epoch}`,
  );
}

/** A learning rate as an option: a positive number or a schedule. */
export function checkRate(where: string, rate: unknown): number | Schedule {
  if (typeof rate === "function") return rate as Schedule;
  if (typeof rate === "number") return checkNumber(where, "learningRate", rate, { above: 0 });
  throw new MinibatchError(`${where}: learningRate must be a positive number or a schedule, got ${describe(rate)}`);
}
