// The library's errors, and the check of option objects. Messages read `op: rule, got values (where)`.

export type ErrorCode = "SHAPE" | "OPTION" | "BUSY" | "NOT_BUILT" | "FILE" | "INTERNAL";

export class MinibatchError extends Error {
  readonly code: ErrorCode;
  constructor(message: string, code: ErrorCode = "OPTION", options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** Sizes or types of tensors that do not fit together. */
export class ShapeError extends MinibatchError {
  declare readonly code: "SHAPE";
  constructor(message: string, options?: ErrorOptions) {
    super(message, "SHAPE", options);
  }
}

/** Something was asked of a model that is at work. */
export class BusyError extends MinibatchError {
  declare readonly code: "BUSY";
  constructor(message: string, options?: ErrorOptions) {
    super(message, "BUSY", options);
  }
}

/** A bug of this library, not of its user. */
export function internal(message: string): MinibatchError {
  return new MinibatchError(`internal: ${message}`, "INTERNAL");
}

/** A value as an error message shows it: short, with its type where the type is the mistake. */
export function describe(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}...` : value);
  if (typeof value === "function") return `a function${value.name ? ` (${value.name})` : ""}`;
  if (value === null || typeof value !== "object") return String(value);
  if (Array.isArray(value)) return `an array of ${value.length}`;
  const kind = (value as { constructor?: { name?: string } }).constructor?.name ?? "Object";
  return kind === "Object" ? `{ ${Object.keys(value).slice(0, 5).join(", ")} }` : `${/^[AEIOU]/.test(kind) ? "an" : "a"} ${kind}`;
}

/** Levenshtein distance, for the nearest known name. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min((row[j] as number) + 1, (next[j - 1] as number) + 1, (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length] as number;
}

/** The known name closest to a misspelled one, or undefined when none is close. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const lower = name.toLowerCase();
  let best: string | undefined;
  let least = Math.max(2, Math.floor(name.length / 3)) + 1;
  for (const candidate of known) {
    const d = distance(lower, candidate.toLowerCase());
    if (d < least) [best, least] = [candidate, d];
  }
  return best;
}

/** Refuses anything but an object whose keys are all known; `undefined` values count as absent. */
export function checkOptions(where: string, options: unknown, known: readonly string[]): void {
  if (options === undefined) return;
  if (options === null || typeof options !== "object" || Array.isArray(options) || ArrayBuffer.isView(options)) {
    throw new MinibatchError(`${where}: options must be an object with ${known.join(", ")}, got ${describe(options)}`);
  }
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue;
    const near = nearest(name, known);
    throw new MinibatchError(`${where}: unknown option "${name}"${near ? `, did you mean "${near}"?` : `; known are ${known.join(", ")}`}`);
  }
}

/** The same where some of them must be given: absent options are refused too. */
export function requireOptions(where: string, options: unknown, known: readonly string[]): void {
  if (options === undefined) throw new MinibatchError(`${where}: options must be an object with ${known.join(", ")}, got undefined`);
  checkOptions(where, options, known);
}

/** Bounds for `checkNumber`: `above` and `below` are strict, `min` and `max` are not. */
export interface Bounds {
  readonly min?: number;
  readonly max?: number;
  readonly above?: number;
  readonly below?: number;
  readonly whole?: boolean;
}

/** A finite number within bounds, or an error that says which were meant. */
export function checkNumber(where: string, name: string, value: unknown, bounds: Bounds = {}): number {
  const { min, max, above, below, whole } = bounds;
  const fits =
    typeof value === "number" &&
    Number.isFinite(value) &&
    !(whole && !Number.isInteger(value)) &&
    !(min !== undefined && value < min) &&
    !(max !== undefined && value > max) &&
    !(above !== undefined && value <= above) &&
    !(below !== undefined && value >= below);
  if (fits) return value;
  const rules = [
    min !== undefined ? `from ${min}` : above !== undefined ? `above ${above}` : "",
    max !== undefined ? `to ${max}` : below !== undefined ? `below ${below}` : "",
  ].filter(Boolean);
  throw new MinibatchError(
    `${where}: ${name} must be a ${whole ? "whole" : "finite"} number${rules.length ? ` ${rules.join(" ")}` : ""}, got ${describe(value)}`,
  );
}
