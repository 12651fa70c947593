// The training loop: has chunks of steps made, sums up what they put out, and decides at the boundaries. All policy of a run
// is here; the stepper and the executors only make steps.

import type { Layout } from "../graph/layout.ts";
import { judged } from "../nn/metrics.ts";
import type { Network, Structure } from "../nn/network.ts";
import { penaltyOf } from "../nn/regularizers.ts";
import type { Weights } from "../nn/weights.ts";
import { rateAt } from "../optim/schedules.ts";
import { permutation } from "../random.ts";
import { executor } from "../run/backend.ts";
import { fromArray, type Tensor } from "../tensor.ts";
import { type RunStart, rowsToLookAt } from "./beginning.ts";
import { Checkpoints } from "./checkpoints.ts";
import { Evaluator } from "./evaluator.ts";
import { betterEpoch, type Epoch, type History, type StoppedBecause } from "./history.ts";
import { identify } from "./identity.ts";
import { type Kept, type Mark, Marks } from "./marks.ts";
import type { Probe } from "./probe.ts";
import type { Progress } from "./progress.ts";
import type { Recorder } from "./recorder.ts";
import type { Applied, Run, RunControl, Steered } from "./run.ts";
import { type Place, type Standing, type Sums, startOf } from "./standing.ts";
import { mostSteps, Stepper } from "./stepper.ts";
import type { Table } from "./table.ts";
import { type Change, changeAsJson, changed, type Subject, specOf, type Tuning, traceKey, tuningOf, waits } from "./tuning.ts";

/** How long a chunk of steps should take: short enough that pause, stop and set take effect soon. */
const chunkMilliseconds = 30;
/** So long may a run that is not finite any more go over its last epoch again, to find the step and the layer where it began. */
const traceMilliseconds = 5000;

export interface TrainerParts extends RunStart {
  readonly network: Network;
  readonly structure: Structure;
  readonly devTable: Table | undefined;
  /** Labels of dev as the user gave them, for metrics. */
  readonly devLabels: Tensor | undefined;
  readonly control: RunControl<Epoch>;
  readonly probe: Probe;
  readonly progress: Progress;
  /** Told of everything that the run does, where somebody wants to know. */
  readonly recorder: Recorder | undefined;
  /** Called with the weights at the end of every epoch and of the run: what predict sees from then on. */
  publish(weights: Weights, tuning: Tuning): void;
  handle(): Run<Epoch>;
}

/** A change that waits for the next epoch, and who waits for it. */
interface Waiting {
  change: Change;
  readonly told: (applied: Applied | undefined) => void;
}

export class Trainer implements Steered {
  readonly #parts: TrainerParts;
  readonly #stepper: Stepper;
  readonly #devEvaluator: Evaluator | undefined;
  readonly #marks = new Marks();
  #tuning: Tuning;
  readonly #pending: Waiting[] = [];
  #lastRate = 0;
  #lastFinite: Weights;
  /** The weights that were published last. */
  #published: Weights;
  #best: Epoch | undefined;
  /** Weights that early stopping ends with: those of the best epoch, whatever quantity it watches. */
  #restore: Weights | undefined;
  #watched = Number.POSITIVE_INFINITY;
  #epochsWithoutBetter = 0;
  #place: Place = startOf(1);
  /** When this process began with the epoch under way. */
  #began = performance.now();
  readonly #checkpoints: Checkpoints | undefined;
  readonly #probe: Probe;
  /** Whether going over the epoch from the probe's moment gives the same steps again: not after a set or a revert within it. */
  #traceable = true;
  /** A revert was asked for since the last epoch ended. */
  #reverted = false;
  /** Epochs that processes before this one have made are shown: what was changed in them has been changed. */
  #replaying = false;

  constructor(parts: TrainerParts) {
    const { network, structure, spec, start, table, devTable, settings } = parts;
    this.#parts = parts;
    this.#stepper = new Stepper({ spec, start, table, seed: settings.seed, threads: settings.threads });
    this.#lastFinite = start;
    this.#published = start;
    this.#tuning = tuningOf(network, settings);
    this.#checkpoints = settings.checkpoints && new Checkpoints(settings.checkpoints);
    this.#probe = parts.probe;
    this.#devEvaluator = devTable && new Evaluator(network, structure, settings.loss, devTable, Object.keys(settings.metrics).length > 0);
  }

  step(): number {
    return this.#stepper.step;
  }

  inEpoch(): boolean {
    return this.#place.at > 0;
  }

  subject(): Subject {
    const { settings, table } = this.#parts;
    return { tuning: this.#tuning, recipe: settings.recipe, rows: table.rows };
  }

  set(change: Change, told: (applied: Applied | undefined) => void): void {
    if (this.#replaying) {
      told(undefined);
      return;
    }
    if (waits(change) && this.#place.at > 0) {
      this.#pending.push({ change, told });
      return;
    }
    // At the start of an epoch those that waited for it come first; in the middle of one, what is asked for last holds.
    if (this.#place.at === 0) this.#applyPending();
    for (const waiting of this.#pending) {
      const { learningRate: _, ...others } = waiting.change;
      if (change.learningRate !== undefined) waiting.change = others;
    }
    this.#apply({ change, told });
  }

  #applyPending(): void {
    for (const waiting of this.#pending.splice(0)) this.#apply(waiting);
  }

  #apply({ change, told }: Waiting): void {
    const { control } = this.#parts;
    const changes = control.interventions.filter(({ what }) => what === "set").length;
    const name = `before change ${changes + 1}`;
    const mark = this.#keep(name, true);
    if (this.#stepper.step > this.#probe.moment.step) this.#traceable = false;
    this.#tune(changed(this.#tuning, change));
    control.record("set", this.#stepper.step, changeAsJson(change));
    told({ step: this.#stepper.step, epoch: this.#place.epoch, mark });
  }

  /** From here on these values are in force. */
  #tune(tuning: Tuning): void {
    const { spec, settings } = this.#parts;
    const before = this.#tuning;
    this.#tuning = tuning;
    const made = specOf(spec, settings.recipe, tuning);
    this.#stepper.use(made, traceKey(before) === traceKey(tuning));
    this.#probe.settings(made, tuning.batchSize);
  }

  #keep(name: string, automatic: boolean): Mark {
    const { step, updates, weights } = this.#stepper;
    const kept: Kept = { step, automatic, weights: weights.copy(), slots: this.#stepper.slots(), updates, tuning: this.#tuning };
    this.#marks.keep(name, kept);
    this.#parts.control.marks = this.#marks.list;
    return { name, step, automatic };
  }

  mark(name: string): Mark {
    const again = this.#replaying && this.#marks.list.find((mark) => mark.name === name);
    if (again) return again;
    const mark = this.#keep(name, false);
    this.#parts.control.record("mark", this.#stepper.step, name);
    return mark;
  }

  stop(): void {
    const { control } = this.#parts;
    control.stopping = true;
    control.record("stop", this.#stepper.step);
  }

  revert(name: string | undefined, keepSettings: boolean): void {
    if (this.#replaying) return;
    const { control } = this.#parts;
    const back = this.#marks.goBack(name);
    const { weights, slots, updates, tuning } = back.kept;
    control.marks = this.#marks.list;
    this.#stepper.place(weights, slots, updates);
    if (!keepSettings) {
      for (const { told } of this.#pending.splice(0)) told(undefined);
      this.#tune(tuning);
    }
    // What the mark keeps is not written to: it can be published as it is.
    this.#lastFinite = weights;
    this.#publish(weights);
    const next = { step: this.#stepper.step + 1, epoch: this.#place.epoch };
    this.#remember(this.#probe.moment.rows, weights, () => rateAt(this.#tuning.learningRate, next));
    this.#traceable = this.#place.at === 0;
    this.#reverted = true;
    control.probe = { at: this.#probe, finite: true };
    control.record("revert", this.#stepper.step, keepSettings ? { mark: back.name, settings: "keep" } : back.name);
  }

  /** Runs all epochs. What it returns is the history; the weights have been published. */
  async run(): Promise<History<Epoch>> {
    const { recorder } = this.#parts;
    try {
      const history = await this.#run();
      await recorder?.end(history.stoppedBecause, this.#stepper.step, this.#published);
      return history;
    } finally {
      await recorder?.close();
    }
  }

  async #run(): Promise<History<Epoch>> {
    const { settings, control, progress } = this.#parts;
    let because: StoppedBecause = "epochs";
    try {
      await this.#begin();
      await this.#replay();
      if (this.#outOfPatience()) because = "early stopping";
      while (because === "epochs" && this.#place.epoch <= settings.epochs) {
        await this.#goAhead();
        if (control.stopping && this.#stepper.step > 0 && this.#place.at === 0) {
          because = "stop";
          break;
        }
        if (this.#place.at === 0) this.#applyPending();
        const finite = await this.#epoch();
        if (finite === undefined) {
          because = "stop";
          break;
        }
        const epoch = control.epochs.at(-1) as Epoch;
        this.#reverted = false;
        await this.#callBack(epoch);
        await control.wait(this, () => control.released() || control.stopping || settings.signal?.aborted === true);
        this.#checkSignal();
        // A run that went back to where it was finite goes on from there.
        if (!finite && !this.#reverted) {
          because = "not finite";
          break;
        }
        // Only now: what callbacks and loops have set belongs to what a resume goes on with.
        this.#checkpoints?.boundary(this.#stepper.step, epoch.epoch, () => this.#standing());
        if (control.stopping) because = "stop";
        else if (this.#outOfPatience()) because = "early stopping";
      }
      // A run that is not finite any more leaves the last checkpoint from which it still was.
      if (because !== "not finite") await this.#checkpoints?.finish(() => this.#standing());
    } finally {
      progress.end();
      await this.#checkpoints?.close();
      this.#probe.end();
      // Whatever ended the run: the weights of the best epoch, where early stopping asks for them.
      if (this.#restore) this.#publish(this.#restore);
      for (const { told } of this.#pending.splice(0)) told(undefined);
    }
    if (because === "not finite") {
      console.error(
        `minibatch: training is not finite any more (epoch ${control.epochs.length}, step ${this.#stepper.step}); the weights are those of the ${control.epochs.length > 1 ? "last finite epoch" : "start"}. A smaller learning rate or clipNorm may help.`,
      );
    }
    return {
      epochs: control.epochs as [Epoch, ...Epoch[]],
      best: this.#best as Epoch,
      last: control.epochs.at(-1) as Epoch,
      interventions: control.interventions,
      stoppedBecause: because,
    };
  }

  #outOfPatience(): boolean {
    const { earlyStopping } = this.#parts.settings;
    return earlyStopping !== undefined && this.#epochsWithoutBetter >= earlyStopping.patience;
  }

  /** Calls onEpoch and obeys what it asks for while it is awaited. */
  async #callBack(epoch: Epoch): Promise<void> {
    const { control, settings } = this.#parts;
    const called = settings.onEpoch?.(epoch, this.#parts.handle());
    if (called === undefined) return;
    let outcome: { readonly error?: unknown } | undefined;
    const back = (result: { readonly error?: unknown }) => {
      outcome = result;
      control.wake();
    };
    Promise.resolve(called).then(
      () => back({}),
      (error: unknown) => back({ error }),
    );
    await control.wait(this, () => outcome !== undefined);
    if (outcome && "error" in outcome) throw outcome.error;
  }

  /** Shows what processes before this one have made, where that was asked for, and waits until all have looked at it. */
  async #replay(): Promise<void> {
    const { settings, control } = this.#parts;
    if (!settings.checkpoints?.resume?.replay || !control.epochs.length) return;
    this.#replaying = true;
    for (const epoch of [...control.epochs]) {
      this.#checkSignal();
      if (control.stopping) break;
      await this.#callBack(epoch);
    }
    await control.wait(this, () => control.released() || control.stopping || settings.signal?.aborted === true);
    this.#replaying = false;
    this.#checkSignal();
  }

  /** Goes on where the newest checkpoint stood, if there is one, and opens the record. */
  async #begin(): Promise<void> {
    const { settings, recorder, control } = this.#parts;
    if (!this.#checkpoints && !recorder) return;
    const { program, layout } = this.#stepper.program(this.#tuning.batchSize);
    const identity = identify({ ...this.#parts, program, executor: executor() });
    const found = this.#checkpoints && (await this.#resume(this.#checkpoints, layout, identity));
    if (!recorder) return;
    const resumed = found && { step: found.step, epochs: found.epochs.length, interventions: found.interventions };
    await recorder.begin({ ...this.#parts, identity: await identity, resumed, resumes: settings.checkpoints?.resume !== undefined });
    control.told = (intervention) => recorder.intervention(intervention);
  }

  async #resume(
    checkpoints: Checkpoints,
    layout: Layout,
    identity: Promise<Readonly<Record<string, string>>>,
  ): Promise<Standing | undefined> {
    const { structure, settings, control } = this.#parts;
    const slots = settings.recipe.rule.slots;
    const found = await checkpoints.open({
      frame: { structure, layout, slots, metrics: Object.keys(settings.metrics), subject: this.subject() },
      identity,
    });
    if (!found) return undefined;
    this.#stepper.place(found.weights, found.slots, found.updates);
    this.#stepper.step = found.step;
    this.#lastRate = found.lastRate;
    this.#tune(found.tuning);
    this.#place = found.place;
    this.#lastFinite = found.lastFinite;
    this.#restore = found.restore;
    this.#best = found.epochs[found.best - 1];
    this.#watched = found.watched;
    this.#epochsWithoutBetter = found.epochsWithoutBetter;
    for (const change of found.pending) this.#pending.push({ change, told: () => undefined });
    for (const [name, kept] of found.marks) this.#marks.keep(name, kept);
    control.marks = this.#marks.list;
    control.restore(found.epochs, found.interventions, settings.checkpoints?.resume?.replay === true);
    this.#publish(this.#lastFinite);
    const rows = this.#order(found.place.epoch).slice(0, Math.min(this.#tuning.batchSize, rowsToLookAt));
    this.#remember(rows, this.#stepper.weights.copy(), () => this.#lastRate);
    // Steps of the epoch that a process before this one made cannot be gone over again.
    this.#traceable = found.place.at === 0;
    return found;
  }

  /** All that the steps to come depend on. What goes on changing is copied. */
  #standing(): Standing {
    const { control } = this.#parts;
    const { sums, seconds, ...place } = this.#place;
    return {
      weights: this.#stepper.weights.copy(),
      slots: this.#stepper.slots(),
      step: this.#stepper.step,
      updates: this.#stepper.updates,
      lastRate: this.#lastRate,
      tuning: this.#tuning,
      pending: this.#pending.map(({ change }) => change),
      place: {
        ...place,
        sums: { ...sums, metrics: { ...sums.metrics } },
        seconds: place.at > 0 ? seconds + (performance.now() - this.#began) / 1000 : 0,
      },
      lastFinite: this.#lastFinite,
      restore: this.#restore,
      best: this.#best?.epoch ?? 0,
      watched: this.#watched,
      epochsWithoutBetter: this.#epochsWithoutBetter,
      marks: this.#marks.entries(),
      epochs: [...control.epochs],
      interventions: [...control.interventions],
    };
  }

  /** Holds while the run is paused; throws when it is aborted. */
  async #goAhead(): Promise<void> {
    const { control, settings } = this.#parts;
    await control.wait(this, () => !control.paused || control.stopping || settings.signal?.aborted === true);
    this.#checkSignal();
  }

  #checkSignal(): void {
    const { signal } = this.#parts.settings;
    if (signal?.aborted) throw signal.reason;
  }

  /** What is published is not written to while the run lasts: it is also what a run that is not finite goes back to. */
  #publish(weights: Weights): Weights {
    this.#parts.publish(weights, this.#tuning);
    this.#published = weights;
    return weights;
  }

  /** One epoch, or what a stop leaves of it: false when its numbers are not finite, undefined when a stop left no step. */
  async #epoch(): Promise<boolean | undefined> {
    const { settings, control, table, progress, recorder } = this.#parts;
    const place = this.#place;
    const { epoch: number, sums } = place;
    this.#began = performance.now();
    const order = this.#order(number);
    let finite = true;
    while (place.at < table.rows && finite) {
      await this.#goAhead();
      // A run stopped before its first step still makes one: an epoch without steps would have nothing to record.
      const { step } = this.#stepper;
      if (control.stopping && step > 0) break;
      if (place.at > 0) this.#checkpoints?.boundary(step, undefined, () => this.#standing());
      const size = Math.min(this.#tuning.batchSize, table.rows - place.at);
      const whole = Math.floor((table.rows - place.at) / size);
      const left = Math.min(whole, control.stepsLeft(step), this.#checkpoints?.stepsLeft(step) ?? mostSteps);
      const steps = control.stopping ? 1 : Math.min(left, this.#chunk());
      const done = await this.#steps(number, order, place.at, size, steps, sums);
      place.at += done * size;
      finite = Number.isFinite(sums.loss) && Number.isFinite(sums.gradientNorm);
      progress.step(number, place.at, table.rows, sums.loss / Math.max(1, sums.rows));
    }
    if (!sums.rows) return undefined;
    finite &&= this.#stepper.weights.finite();
    if (finite && place.at < table.rows) this.#checkpoints?.hold(this.#standing());
    if (!finite) {
      await this.#traceBack(number, order, sums.wrongStep ?? sums.steps - 1);
      // The optimizer's state is lost with the steps; where a mark was, a revert brings it back.
      this.#stepper.place(this.#lastFinite, undefined, 0);
    }
    this.#lastFinite = this.#publish(this.#stepper.weights.copy());
    if (finite) {
      // The last whole batch: what is left for a partial one may be a single row.
      const { batchSize } = this.#tuning;
      const first = Math.max(0, Math.floor(place.at / batchSize) - 1) * batchSize;
      const size = Math.min(batchSize, rowsToLookAt);
      this.#remember(order.slice(first, Math.min(place.at, first + size)), this.#lastFinite, () => this.#lastRate);
    }
    const dev = finite ? await this.#evaluateDev() : undefined;
    const mean = (sum: number, count: number) => sum / Math.max(1, count);
    const hasDev = settings.dev !== undefined;
    const epoch: Epoch = {
      epoch: number,
      step: this.#stepper.step,
      trainLoss: mean(sums.loss, sums.rows),
      trainError: mean(sums.error, sums.rows),
      devLoss: hasDev ? (dev?.loss ?? Number.NaN) : undefined,
      devError: hasDev ? (dev?.error ?? Number.NaN) : undefined,
      trainMetrics: Object.fromEntries(Object.entries(sums.metrics).map(([name, sum]) => [name, mean(sum, sums.rows)])),
      devMetrics: Object.fromEntries(
        Object.keys(settings.metrics).map((name) => [name, dev?.metrics[name] ?? (hasDev ? Number.NaN : undefined)]),
      ),
      learningRate: this.#lastRate,
      gradientNorm: mean(sums.gradientNorm, sums.steps),
      seconds: place.seconds + (performance.now() - this.#began) / 1000,
    };
    this.#place = startOf(number + 1);
    this.#judge(epoch);
    progress.epoch(epoch);
    await recorder?.epoch(epoch, this.#lastFinite);
    control.push(epoch);
    return finite;
  }

  /** For a look inside later: where the run stands, with rows to look at. */
  #remember(rows: Int32Array, weights: Weights, learningRate: () => number): void {
    const { step, updates } = this.#stepper;
    this.#probe.move({ weights, slots: this.#stepper.slots(), rows, learningRate, step, updates });
    this.#traceable = true;
  }

  /**
   * Goes over an epoch that is not finite any more up to just before its first wrong step, for after it every number is wrong and no layer
   * to blame. Where that would take long, or cannot be repeated, the look is from the end of the last finite epoch, at the wrong step's rows.
   */
  async #traceBack(epoch: number, order: Int32Array, wrong: number): Promise<void> {
    const { control } = this.#parts;
    const { batchSize: size } = this.#tuning;
    const { moment } = this.#probe;
    // A revert within the epoch may have brought another batch size back; the wrong step is the last one in any case.
    const { at } = this.#place;
    const rows = this.#traceable ? order.slice(wrong * size, (wrong + 1) * size) : order.slice(Math.max(0, at - size), at);
    control.probe = { at: this.#probe, finite: false };
    if (!this.#traceable || wrong * this.#stepper.milliseconds > traceMilliseconds) {
      this.#probe.move({ ...moment, rows });
      return;
    }
    const { step } = this.#stepper;
    this.#stepper.place(moment.weights, moment.slots, moment.updates);
    this.#stepper.step = moment.step;
    for (let made = 0; made < wrong; ) {
      const steps = Math.min(wrong - made, mostSteps);
      await this.#stepper.run({ epoch, order, at: made * size, size, steps, rate: this.#rate(epoch) });
      made += steps;
      this.#stepper.counted(steps);
    }
    const next = this.#stepper.step + 1;
    this.#remember(rows, this.#stepper.weights.copy(), () => this.#rate(epoch)(next));
    this.#stepper.step = step;
  }

  /** The learning rate of the steps of an epoch. */
  #rate(epoch: number): (step: number) => number {
    return (step) => rateAt(this.#tuning.learningRate, { step, epoch });
  }

  /** Keeps the best epoch, the weights to end with, and counts epochs without a better value. */
  #judge(epoch: Epoch): void {
    const { earlyStopping } = this.#parts.settings;
    const best = !this.#best || betterEpoch(epoch, this.#best);
    if (best) this.#best = epoch;
    if (!earlyStopping) return;
    if (best && earlyStopping.restoreBest) this.#restore = this.#lastFinite;
    const value = epoch[earlyStopping.watch] ?? Number.NaN;
    if (value < this.#watched - earlyStopping.minDelta) {
      this.#watched = value;
      this.#epochsWithoutBetter = 0;
    } else {
      this.#epochsWithoutBetter++;
    }
  }

  async #evaluateDev(): Promise<{ loss: number; error: number; metrics: Readonly<Record<string, number>> } | undefined> {
    const { settings, devLabels, structure } = this.#parts;
    if (!this.#devEvaluator) return undefined;
    const { loss, error, outputs } = await this.#devEvaluator.run(this.#lastFinite, settings.threads);
    const metrics: Record<string, number> = {};
    if (outputs && devLabels) {
      const tensor = fromArray(outputs, [devLabels.shape[0] as number, ...structure.outputShape]);
      for (const [name, metric] of Object.entries(settings.metrics)) metrics[name] = judged(name, metric, tensor, devLabels).item();
    }
    return { loss: loss + penaltyOf(this.#tuning.regularizer, this.#lastFinite, this.#tuning.batchSize), error, metrics };
  }

  /** The rows of an epoch in the order in which they are trained on. */
  #order(epoch: number): Int32Array {
    const { table, settings } = this.#parts;
    if (settings.shuffle) return permutation({ seed: settings.seed, purpose: "shuffle", step: epoch }, table.rows);
    return Int32Array.from({ length: table.rows }, (_, i) => i);
  }

  #chunk(): number {
    const { milliseconds } = this.#stepper;
    if (!milliseconds) return 1;
    return Math.max(1, Math.min(mostSteps, Math.round(chunkMilliseconds / milliseconds)));
  }

  /** Makes up to `steps` steps of `size` rows each from `order[at]` on; returns how many were made. */
  async #steps(epoch: number, order: Int32Array, at: number, size: number, steps: number, sums: Sums): Promise<number> {
    const { control } = this.#parts;
    const done = await this.#stepper.run({ epoch, order, at, size, steps, rate: this.#rate(epoch), control: control.flags });
    const counted = this.#read(size, done, sums);
    if (counted > 0) this.#lastRate = this.#stepper.rate(counted - 1);
    this.#stepper.counted(counted);
    return counted;
  }

  /** Sums up what steps put out; those after one that is not finite do not count, however many a chunk had. */
  #read(size: number, steps: number, sums: Sums): number {
    const { onStep, metrics } = this.#parts.settings;
    const names = Object.keys(metrics);
    const result = this.#stepper.results(steps);
    let counted = 0;
    while (counted < steps && sums.wrongStep === undefined) {
      const { loss, error, gradientNorm, metric } = result(counted++);
      if (!(Number.isFinite(loss) && Number.isFinite(gradientNorm))) sums.wrongStep = sums.steps;
      sums.loss += size * loss;
      sums.error += size * error;
      sums.gradientNorm += gradientNorm;
      for (const name of names) sums.metrics[name] = (sums.metrics[name] ?? 0) + size * metric(name);
      sums.rows += size;
      sums.steps++;
      onStep?.({ step: this.#stepper.step + counted, loss, gradientNorm });
    }
    return counted;
  }
}
