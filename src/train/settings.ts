// The options of a run as text, for people who read a report of it. Knows what fit accepts, and no picture.
import type { Dataset } from "../dataset.ts";
import { backend } from "../run/backend.ts";
import { show } from "../shape.ts";
import { type FitOptions, fitOptions, type Settings } from "./options.ts";

/** A value as somebody wrote it: a recipe as its call, a data set as its shapes. */
function written(value: unknown): string {
  if (value === undefined) return "not set";
  if (typeof value === "function" || (typeof value === "object" && value !== null && "kind" in value)) {
    const { kind, name, settings, learningRate, options, ...others } = value as unknown as Record<string, unknown>;
    if (typeof kind !== "string") return typeof name === "string" && name !== "" ? `function ${name}` : "a function";
    const rate = learningRate === undefined ? {} : { learningRate: typeof learningRate === "function" ? "a schedule" : learningRate };
    const parts = {
      ...rate,
      ...(settings as object | undefined),
      ...(options as object | undefined),
      ...(settings || options ? {} : others),
    };
    const shown = Object.entries(parts).filter(([, part]) => part !== undefined && typeof part !== "function");
    return `${kind}(${shown.map(([key, part]) => `${key}: ${written(part)}`).join(", ")})`;
  }
  if (typeof value === "string") return value;
  if (Array.isArray(value)) return `[${value.map(written).join(", ")}]`;
  if (typeof value === "object" && value !== null) {
    const { x, y } = value as Partial<Dataset>;
    if (x && y) return `${x.shape[0]} rows, x ${show(x.shape)} ${x.dtype}, y ${show(y.shape)} ${y.dtype}`;
    const parts = Object.entries(value).filter(([, part]) => part !== undefined);
    return `{ ${parts.map(([key, part]) => `${key}: ${written(part)}`).join(", ")} }`;
  }
  return String(value);
}

/** What fit was given, with what stands for what was not. */
export function settingsOf(train: Dataset, options: FitOptions, settings: Settings): (readonly [name: string, value: string])[] {
  const { name, isa } = backend();
  const { signal, onEpoch, onStep, progress, ...given } = options;
  const { batchSize, epochs, seed, shuffle, threads } = settings;
  const rows: Record<string, unknown> = { train, ...given, batchSize, epochs, seed, shuffle, threads, "back end": `${name}, ${isa}` };
  const callbacks = Object.entries({ onEpoch, onStep, signal }).filter(([, value]) => value !== undefined);
  if (callbacks.length) rows["also given"] = callbacks.map(([key]) => key).join(", ");
  const set = Object.entries(rows).filter(([, value]) => value !== undefined);
  const absent = fitOptions.filter((key) => rows[key] === undefined && !(key in { signal, onEpoch, onStep, progress }));
  return [...set.map(([key, value]) => [key, written(value)] as const), ["not used", absent.join(", ")] as const];
}
