// The progress line of a run: epoch, losses, dev error, samples per second, time left. Quiet when the output is not a
// terminal, unless it is asked for.
import type { Epoch } from "./history.ts";

interface Terminal {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

function terminal(): Terminal | undefined {
  return (globalThis as { process?: { stderr?: Terminal } }).process?.stderr;
}

const number = (x: number) => (Number.isFinite(x) ? x.toPrecision(4) : String(x));
const percent = (x: number) => `${(100 * x).toFixed(2)}%`;

function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "?";
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min ${Math.round(seconds % 60)} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export interface Progress {
  step(epoch: number, done: number, of: number, loss: number): void;
  epoch(epoch: Epoch): void;
  end(): void;
}

const silent: Progress = { step: () => undefined, epoch: () => undefined, end: () => undefined };

/** `wanted` undefined: shown on a terminal only. On something else than a terminal one plain line an epoch. */
export function progressLine(wanted: boolean | undefined, epochs: number, rows: number, task: "classification" | "regression"): Progress {
  const out = terminal();
  if (!out || wanted === false || (wanted === undefined && !out.isTTY)) return silent;
  const live = out.isTTY === true;
  const started = performance.now();
  let drawn = 0;
  let samples = 0;
  /** Samples of runs before this one: a resumed run begins in the middle. */
  let before: number | undefined;
  let last = "";
  const draw = (line: string, final: boolean) => {
    const width = (out.columns ?? 120) - 1;
    if (live) out.write(`\r${line.slice(0, width).padEnd(Math.min(width, last.length))}${final ? "\n" : ""}`);
    else if (final) out.write(`${line}\n`);
    last = final ? "" : line;
  };
  const error = (x: number) => (task === "classification" ? percent(x) : number(x));
  const rate = () => {
    const seconds = (performance.now() - started) / 1000;
    const made = samples - (before ?? 0);
    return { perSecond: made / seconds, left: (seconds / Math.max(1, made)) * (epochs * rows - samples) };
  };
  return {
    step(epoch, done, of, loss) {
      samples = (epoch - 1) * rows + (done / of) * rows;
      before ??= (epoch - 1) * rows;
      const now = performance.now();
      if (!live || now - drawn < 100) return;
      drawn = now;
      const { perSecond, left } = rate();
      draw(
        `epoch ${epoch}/${epochs}  ${Math.floor((100 * done) / of)}%  loss ${number(loss)}  ${Math.round(perSecond)} samples/s  ${duration(left)} left`,
        false,
      );
    },
    epoch(e) {
      samples = e.epoch * rows;
      const { perSecond, left } = rate();
      const dev = e.devError === undefined ? "" : `  dev loss ${number(e.devLoss as number)}  dev error ${error(e.devError)}`;
      draw(
        `epoch ${e.epoch}/${epochs}  train loss ${number(e.trainLoss)}  train error ${error(e.trainError)}${dev}  ${Math.round(perSecond)} samples/s  ${duration(left)} left`,
        true,
      );
    },
    end() {
      if (live && last) out.write("\n");
    },
  };
}
