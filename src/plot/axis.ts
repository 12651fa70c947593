// Axes: which part of the numbers they show, where their ticks stand and what is written there. Knows no pixels.
import { MinibatchError } from "../errors.ts";
import { showNumber } from "./style.ts";

export type ScaleKind = "linear" | "log";

export interface Axis {
  readonly kind: ScaleKind | "band";
  readonly label: string;
  /** Ends of a number line, or the names of a band. */
  readonly domain: readonly [number, number] | readonly string[];
  readonly ticks: readonly (number | string)[];
  readonly format: (tick: number | string) => string;
  /** Lines across the picture at the ticks. */
  readonly grid?: boolean;
}

/** 1, 2 or 5 times a power of ten, so that about `count` steps lie between two numbers. */
function niceStep(low: number, high: number, count: number): number {
  const raw = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const digit = raw / power;
  return (digit < 1.5 ? 1 : digit < 3 ? 2 : digit < 7 ? 5 : 10) * power;
}

/** Multiples of a step, free of the rounding of adding it up. */
function multiples(first: number, last: number, step: number): number[] {
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** Refuses ends whose distance is no number; twice it, for they are moved outwards to ticks. */
export function checkReach(where: string, label: string, low: number, high: number): void {
  if (!Number.isFinite(2 * (high - low)))
    throw new MinibatchError(
      `${where}: the axis "${label}" cannot reach from ${low} to ${high}, their distance is beyond the largest number`,
    );
}

export interface AxisChoice {
  readonly label: string;
  /** Starts at 0 where all values are on one side of it. */
  readonly zero?: boolean;
  /** Ends at ticks; else exactly at the smallest and largest value. */
  readonly nice?: boolean;
  /** About how many ticks. */
  readonly count?: number;
  readonly grid?: boolean;
  /** Ticks at whole numbers only. */
  readonly whole?: boolean;
}

/** An axis for finite numbers among `values`; others are gaps. */
export function numberAxis(where: string, kind: ScaleKind, values: Iterable<number>, choice: AxisChoice): Axis {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low > high) throw new MinibatchError(`${where}: there is nothing to draw, no value for the axis "${choice.label}" is finite`);
  if (kind === "log") return logAxis(where, low, high, choice);
  checkReach(where, choice.label, low, high);
  return linearAxis(low, high, choice);
}

function linearAxis(smallest: number, largest: number, choice: AxisChoice): Axis {
  let [low, high] = [smallest, largest];
  if (choice.zero) [low, high] = [Math.min(0, low), Math.max(0, high)];
  // One value, or values that differ by rounding only, still need a line to stand on.
  const largestOf = Math.max(Math.abs(low), Math.abs(high));
  // Steps between numbers below this are no whole multiples any more: they count as 0.
  const nothing = 1e-300;
  const least = Math.max(largestOf * 1e-9, nothing);
  if (high - low <= least) {
    const pad = Math.max(Math.abs(low) * 0.1, choice.whole ? 1 : least, largestOf <= nothing ? 1 : 0);
    [low, high] = [low - pad, high + pad];
  }
  const step = Math.max(choice.whole ? 1 : 0, niceStep(low, high, choice.count ?? 6));
  const rounding = 1e-9;
  const inner = [Math.ceil(low / step - rounding), Math.floor(high / step + rounding)] as const;
  const outer = [Math.floor(low / step + rounding), Math.ceil(high / step - rounding)] as const;
  const [first, last] = choice.nice ? outer : inner;
  const ticks = multiples(first, last, step);
  if (choice.nice) [low, high] = [ticks[0] as number, ticks.at(-1) as number];
  return { kind: "linear", label: choice.label, domain: [low, high], ticks, format: evenly(ticks, step), grid: choice.grid ?? false };
}

/** Ticks of one axis with equally many digits after the point, as many as tell them apart. */
function evenly(ticks: readonly number[], step: number): (tick: number | string) => string {
  const largest = Math.max(...ticks.map(Math.abs));
  if (largest >= 1e6 || step < 1e-5) return (tick) => showNumber(Number(tick), 6);
  const digits = [0, 1, 2, 3, 4, 5].find((n) => Math.abs(step * 10 ** n - Math.round(step * 10 ** n)) < 1e-6) ?? 5;
  return (tick) => Number(tick).toFixed(digits).replace("-", "\u2212");
}

function logAxis(where: string, smallest: number, largest: number, choice: AxisChoice): Axis {
  if (smallest <= 0)
    throw new MinibatchError(
      `${where}: a logarithmic axis shows values above 0, got ${smallest} (axis "${choice.label}"); NaN leaves a gap, a linear axis shows it`,
    );
  let [low, high] = [smallest, largest];
  if (high / low < 1.001) [low, high] = [low / 2, high * 2];
  const count = choice.count ?? 6;
  const rounding = 1e-9;
  let [first, last] = [Math.floor(Math.log10(low) + rounding), Math.ceil(Math.log10(high) - rounding)];
  let ticks: number[];
  if (Math.log10(high) - Math.log10(low) >= 2) {
    const every = Math.max(1, Math.ceil((last - first) / (count + 2)));
    first = Math.floor(first / every) * every;
    last = Math.ceil(last / every) * every;
    // Beyond the ends of all numbers there is no tick.
    ticks = Array.from({ length: (last - first) / every + 1 }, (_, i) => Number(`1e${first + i * every}`)).filter(
      (tick) => tick > 0 && Number.isFinite(tick),
    );
  } else {
    ticks = [];
    for (let power = first; power <= last; power++) for (const digit of [1, 2, 5]) ticks.push(Number(`${digit}e${power}`));
  }
  if (choice.nice !== false) {
    low = ticks.findLast((tick) => tick <= low * (1 + rounding)) ?? low;
    high = ticks.find((tick) => tick >= high * (1 - rounding)) ?? high;
  }
  ticks = ticks.filter((tick) => tick >= low * (1 - rounding) && tick <= high * (1 + rounding));
  const powers = ticks.some((tick) => tick >= 1e5 || tick < 1e-3);
  const format = (tick: number | string) =>
    powers ? Number(tick).toExponential().replace("+", "").replace("-", "\u2212") : showNumber(Number(tick));
  if (ticks.length < 3) ticks = linearAxis(low, high, { label: "", count }).ticks as number[];
  return {
    kind: "log",
    label: choice.label,
    domain: [low, high],
    ticks,
    format,
    grid: choice.grid ?? false,
  };
}

/** One place for each name. Where there are too many, only some of them are written. */
export function bandAxis(label: string, names: readonly string[], most = Number.POSITIVE_INFINITY): Axis {
  const every = Math.max(1, Math.ceil(names.length / most));
  const indices = names.map((_, i) => String(i));
  return {
    kind: "band",
    label,
    domain: indices,
    ticks: indices.filter((_, i) => i % every === 0),
    format: (tick) => names[Number(tick)] ?? "",
  };
}
