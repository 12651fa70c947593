// Colours between colours: ramps for amounts, a diverging one for signed numbers.

export type Rgb = readonly [red: number, green: number, blue: number];

/** The colour at t (0 to 1) of a ramp of evenly spaced colours. */
export function between(ramp: readonly Rgb[], t: number): Rgb {
  const at = Math.min(1, Math.max(0, t)) * (ramp.length - 1);
  const i = Math.min(ramp.length - 2, Math.floor(at));
  const [a, b] = [ramp[i] as Rgb, ramp[i + 1] as Rgb];
  const mixed = (c: 0 | 1 | 2) => Math.round(a[c] + (b[c] - a[c]) * (at - i));
  return [mixed(0), mixed(1), mixed(2)];
}

export function hex(color: Rgb): string {
  return `#${color.map((c) => c.toString(16).padStart(2, "0")).join("")}`;
}

/** White to the palette's blue: the more, the darker. */
export const blues: readonly Rgb[] = [[255, 255, 255], [184, 214, 233], [0, 114, 178]]; // biome-ignore format: one row
/** White to the palette's vermilion. */
export const oranges: readonly Rgb[] = [[255, 255, 255], [246, 205, 176], [213, 94, 0]]; // biome-ignore format: one row
/** Low ground dark, high ground nearly white; all light enough for lines to stand out. */
export const ground: readonly Rgb[] = [[128, 160, 184], [190, 210, 224], [246, 249, 251]]; // biome-ignore format: one row
/** Below zero vermilion, zero white, above zero blue. */
export const signed: readonly Rgb[] = [[213, 94, 0], [246, 205, 176], [255, 255, 255], [184, 214, 233], [0, 114, 178]]; // biome-ignore format: one row

/** What cannot be drawn as an amount. */
export const missing: Rgb = [255, 0, 255];
