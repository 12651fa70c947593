// Times of calls, and what is said of a list of them.

/** Value below which this part of the list lies. */
export function percentile(list: readonly number[], part: number): number {
  const sorted = [...list].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? Number.NaN;
}

/** Of an even number, the mean of the two in the middle. */
export function median(list: readonly number[]): number {
  const sorted = [...list].sort((a, b) => a - b);
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  return low === undefined || high === undefined ? Number.NaN : (low + high) / 2;
}

export function geometricMean(list: readonly number[]): number {
  return Math.exp(list.reduce((sum, x) => sum + Math.log(x), 0) / list.length);
}

/** Short against a time slice of the system, long against the clock and the call of native code. */
const sampleSeconds = 0.5e-3;
const fewestSamples = 5;

/** Seconds per call: samples of several calls each, for so long. `f` makes that many calls. */
export function sample(f: (calls: number) => void, seconds = 0.3): number[] {
  const time = (calls: number) => {
    const began = performance.now();
    f(calls);
    return (performance.now() - began) / 1000 / calls;
  };
  f(1);
  let calls = 1;
  while (time(calls) * calls < sampleSeconds) calls *= 2;
  const samples: number[] = [];
  const end = performance.now() + 1000 * seconds;
  while (performance.now() < end || samples.length < fewestSamples) samples.push(time(calls));
  return samples;
}
