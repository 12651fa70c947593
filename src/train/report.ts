// What a run can tell once it has ended, and the way to whoever makes a page of it. Training knows no picture: the maker is named by
// the entry point (src/index.ts), which loads it when the first report is asked for.
import type { Dataset } from "../dataset.ts";
import { MinibatchError } from "../errors.ts";
import type { Shape } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import type { Epoch, History } from "./history.ts";
import type { PredictAs } from "./programs.ts";

/** Everything a report speaks of but the history; predictions are those of the weights with which the run ended. */
export interface RunFacts {
  readonly task: "classification" | "regression";
  /** Options of fit, by name; those not given stand last. */
  readonly settings: readonly (readonly [name: string, value: string])[];
  readonly summary: string;
  readonly train: Dataset;
  readonly dev: Dataset | undefined;
  /** Shape of one example as the model takes it. */
  readonly inputShape: Shape;
  predict(x: Tensor, as: PredictAs): Promise<Tensor>;
}

export interface Reporter {
  /** Refuses a file that is no page, before anything is awaited. */
  checkReportFile(file: unknown): void;
  writeReport(run: unknown, facts: RunFacts, history: History<Epoch>, file: string | URL): Promise<void>;
}

let load: (() => Promise<Reporter>) | undefined;

/** Names the maker of reports. */
export function reportsBy(loader: () => Promise<Reporter>): void {
  load = loader;
}

export function reporter(): Promise<Reporter> {
  if (!load) throw new MinibatchError("run.report: reports come with the entry point minibatch; import from there");
  return load();
}
