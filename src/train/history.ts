// What a run leaves behind: epochs, interventions, why it stopped. Types and the choice of the best epoch.
import type { Dataset } from "../dataset.ts";
import type { Json } from "../nn/layer.ts";
import type { Metric } from "../nn/metrics.ts";

/** Typed by whether `dev` was given: number when it was, undefined when not. */
export type IfDev<D> = [D] extends [Dataset] ? number : [D] extends [undefined] ? undefined : number | undefined;
export type MetricRecord = Readonly<Record<string, Metric>>;

export interface Epoch<D = Dataset | undefined, M extends MetricRecord = Record<never, never>> {
  /** Counts from 1. */
  readonly epoch: number;
  /** Optimizer steps made so far. */
  readonly step: number;
  /** Mean over the epoch's batches in training mode, regulariser included. */
  readonly trainLoss: number;
  /** Misclassification rate in training mode; for regression the loss without the regulariser. */
  readonly trainError: number;
  readonly devLoss: IfDev<D>;
  readonly devError: IfDev<D>;
  readonly trainMetrics: { readonly [K in keyof M]: number };
  readonly devMetrics: { readonly [K in keyof M]: IfDev<D> };
  /** Of the epoch's last step. */
  readonly learningRate: number;
  /** Mean over the epoch's steps of the norm of all gradients, before clipping. */
  readonly gradientNorm: number;
  /** Wall-clock time of the epoch, evaluation included. */
  readonly seconds: number;
}

export interface Intervention {
  /** Steps made when it took effect. */
  readonly step: number;
  readonly what: "pause" | "resume" | "stop" | "set" | "mark" | "revert";
  readonly value?: Json | undefined;
}

export type StoppedBecause = "stop" | "epochs" | "early stopping" | "not finite";

export interface History<E = Epoch> {
  /** At least one: an epoch cut short is closed, evaluated and recorded. */
  readonly epochs: readonly [E, ...E[]];
  /** The epoch of the lowest dev error (train error without dev); ties by loss, then the earlier. */
  readonly best: E;
  readonly last: E;
  readonly interventions: readonly Intervention[];
  readonly stoppedBecause: StoppedBecause;
}

/** Whether `a` is a better epoch than `b`; NaN is worse than any number. */
export function betterEpoch(a: Epoch, b: Epoch): boolean {
  const rank = (e: Epoch) =>
    [e.devError ?? e.trainError, e.devLoss ?? e.trainLoss].map((x) => (Number.isNaN(x) ? Number.POSITIVE_INFINITY : x)) as [number, number];
  const [errorA, lossA] = rank(a);
  const [errorB, lossB] = rank(b);
  return errorA < errorB || (errorA === errorB && lossA < lossB);
}
