// The training loop: writes rows, rates and keys for a chunk of steps, makes one call for it, reads losses back, and
// decides at the boundaries. All policy of a run is here; executors only run steps.
import { MinibatchError } from "../errors.ts";
import { judged } from "../nn/metrics.ts";
import type { Network, Structure } from "../nn/network.ts";
import { penaltyOf } from "../nn/regularizers.ts";
import type { Weights } from "../nn/weights.ts";
import { rateAt, type Schedule } from "../optim/schedules.ts";
import { permutation, seedWords } from "../random.ts";
import { executor } from "../run/backend.ts";
import { inspected } from "../run/evaluate.ts";
import type { LoadedProgram } from "../run/executor.ts";
import { Memory } from "../run/memory.ts";
import { fromArray, type Tensor } from "../tensor.ts";
import { Checkpoints } from "./checkpoints.ts";
import { Evaluator } from "./evaluator.ts";
import { betterEpoch, type Epoch, type History, type StoppedBecause } from "./history.ts";
import { identify } from "./identity.ts";
import type { Settings } from "./options.ts";
import { Probe } from "./probe.ts";
import { type TrainingProgram, type TrainingSpec, trainingProgram } from "./programs.ts";
import type { Progress } from "./progress.ts";
import type { Mark, Run, RunControl, Steered } from "./run.ts";
import { type Kept, type Place, type Standing, type Sums, startOf } from "./standing.ts";
import type { Table } from "./table.ts";

/** How long a chunk of steps should take: short enough that pause, stop and set take effect soon. */
const chunkMilliseconds = 30;
/** Steps of a chunk at most: what rows, rates and results of a chunk take stays small. */
const mostSteps = 4096;
/** A look at a run needs so many rows of its last batch: enough for norms to two digits, and quick. */
const rowsToLookAt = 256;
/** So long may a run that is not finite any more go over its last epoch again, to find the step and the layer where it began. */
const traceMilliseconds = 5000;

interface Loaded extends TrainingProgram {
  readonly loaded: LoadedProgram;
}

export interface TrainerParts {
  readonly network: Network;
  readonly structure: Structure;
  readonly spec: TrainingSpec;
  /** Where training starts; not written to. */
  readonly start: Weights;
  readonly table: Table;
  readonly devTable: Table | undefined;
  /** Labels of dev as the user gave them, for metrics. */
  readonly devLabels: Tensor | undefined;
  readonly settings: Settings;
  readonly control: RunControl<Epoch>;
  readonly probe: Probe;
  readonly progress: Progress;
  /** Called with the weights at the end of every epoch and of the run: what predict sees from then on. */
  publish(weights: Weights): void;
  handle(): Run<Epoch>;
}

/** What all training steps of a run have in common. */
export function trainingSpec(network: Network, structure: Structure, table: Table, settings: Settings): TrainingSpec {
  return {
    network,
    structure,
    data: table.types,
    loss: settings.loss,
    rule: settings.recipe.rule,
    regularizer: settings.regularizer,
    augment: settings.augment,
    clipNorm: settings.clipNorm ?? settings.recipe.clipNorm,
    clipValue: settings.clipValue ?? settings.recipe.clipValue,
    metrics: settings.metrics,
  };
}

/** Of each dropout layer, in order. */
function keepProbabilities(network: Network): readonly number[] {
  return network.layers.filter((l) => l.kind === "dropout").map((l) => (l.options as { keepProb: number }).keepProb);
}

/** Looks at a run that has not begun yet: at its first rows in the order of the data set. */
export function probeOfStart({
  network,
  spec,
  table,
  settings,
  start,
}: Pick<TrainerParts, "network" | "spec" | "table" | "settings" | "start">): Probe {
  return new Probe(
    { spec, table, seed: settings.seed, keep: keepProbabilities(network), batchSize: settings.batchSize },
    {
      weights: start,
      slots: undefined,
      rows: Int32Array.from({ length: Math.min(settings.batchSize, rowsToLookAt) }, (_, i) => i),
      learningRate: () => rateAt(settings.recipe.learningRate, { step: 1, epoch: 1 }),
      step: 0,
      updates: 0,
    },
  );
}

export class Trainer implements Steered {
  readonly #parts: TrainerParts;
  readonly #memory = new Memory();
  readonly #weights: Weights;
  readonly #programs = new Map<number, Loaded>();
  readonly #devEvaluator: Evaluator | undefined;
  readonly #marks = new Map<string, Kept>();
  #learningRate: number | Schedule;
  #step = 0;
  /** Updates the optimizer's state has seen: a revert takes it back, the step goes on. */
  #updates = 0;
  #lastRate = 0;
  /** Learning rates of the present chunk, unrounded. */
  readonly #rates: number[] = [];
  /** Keep probability of each dropout layer. */
  readonly #keep: readonly number[];
  #millisecondsPerStep = 0;
  #lastFinite: Weights;
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

  constructor(parts: TrainerParts) {
    const { network, structure, start, devTable, settings } = parts;
    this.#parts = parts;
    this.#weights = start.copy();
    this.#lastFinite = start;
    this.#learningRate = settings.recipe.learningRate;
    this.#keep = keepProbabilities(network);
    this.#memory.share("theta", this.#weights.theta);
    this.#memory.share("state", this.#weights.state);
    this.#memory.share("input", parts.table.input);
    this.#checkpoints = settings.checkpoints && new Checkpoints(settings.checkpoints);
    this.#probe = parts.probe;
    this.#devEvaluator = devTable && new Evaluator(network, structure, settings.loss, devTable, Object.keys(settings.metrics).length > 0);
  }

  step(): number {
    return this.#step;
  }

  setLearningRate(rate: number | Schedule): void {
    if (this.#step > this.#probe.moment.step) this.#traceable = false;
    this.#learningRate = rate;
  }

  mark(name: string): Mark {
    const slots = this.#memory.has("slots") ? this.#memory.get("slots").slice() : undefined;
    this.#marks.set(name, { weights: this.#weights.copy(), slots, updates: this.#updates });
    return { name, step: this.#step };
  }

  revert(name: string): void {
    const kept = this.#marks.get(name);
    if (!kept) {
      const names = [...this.#marks.keys()];
      throw new MinibatchError(
        `run.revert: no mark named "${name}"${names.length ? `; there are ${names.map((n) => `"${n}"`).join(", ")}` : "; run.mark(name) makes one"}`,
      );
    }
    this.#weights.set(kept.weights);
    if (this.#memory.has("slots")) {
      if (kept.slots) this.#memory.get("slots").set(kept.slots);
      else this.#memory.get("slots").fill(0);
    }
    this.#updates = kept.updates;
    this.#traceable = false;
    this.#publish(this.#weights);
  }

  /** Runs all epochs. What it returns is the history; the weights have been published. */
  async run(): Promise<History<Epoch>> {
    const { settings, control, progress } = this.#parts;
    let because: StoppedBecause = "epochs";
    try {
      await this.#resume();
      if (this.#outOfPatience()) because = "early stopping";
      while (because === "epochs" && this.#place.epoch <= settings.epochs) {
        await this.#goAhead();
        if (control.stopping && this.#step > 0 && this.#place.at === 0) {
          because = "stop";
          break;
        }
        const finite = await this.#epoch();
        if (finite === undefined) {
          because = "stop";
          break;
        }
        const epoch = control.epochs.at(-1) as Epoch;
        await settings.onEpoch?.(epoch, this.#parts.handle());
        await control.wait(this, () => control.released() || control.stopping || settings.signal?.aborted === true);
        this.#checkSignal();
        if (!finite) {
          because = "not finite";
          break;
        }
        // Only now: what callbacks and loops have set belongs to what a resume goes on with.
        this.#checkpoints?.boundary(this.#step, epoch.epoch, () => this.#standing());
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
    }
    if (because === "not finite") {
      console.error(
        `minibatch: training is not finite any more (epoch ${control.epochs.length}, step ${this.#step}); the weights are those of the ${control.epochs.length > 1 ? "last finite epoch" : "start"}. A smaller learning rate or clipNorm may help.`,
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

  /** Opens the folder of the checkpoints, if there is one, and goes on where its newest stood. */
  async #resume(): Promise<void> {
    if (!this.#checkpoints) return;
    const { structure, settings, control } = this.#parts;
    const { program, layout } = this.#program(settings.batchSize);
    const slots = settings.recipe.rule.slots;
    const found = await this.#checkpoints.open({
      frame: { structure, layout, slots, metrics: Object.keys(settings.metrics) },
      identity: identify({ ...this.#parts, program, executor: executor() }),
    });
    if (!found) return;
    this.#weights.set(found.weights);
    if (found.slots) this.#memory.ensure("slots", layout.memory("slots").bytes).set(found.slots);
    this.#step = found.step;
    this.#updates = found.updates;
    this.#lastRate = found.lastRate;
    if (typeof found.rate === "number") this.#learningRate = found.rate;
    this.#place = found.place;
    this.#lastFinite = found.lastFinite;
    this.#restore = found.restore;
    this.#best = found.epochs[found.best - 1];
    this.#watched = found.watched;
    this.#epochsWithoutBetter = found.epochsWithoutBetter;
    for (const [name, kept] of found.marks) this.#marks.set(name, kept);
    control.restore(found.epochs, found.interventions);
    this.#parts.publish(this.#lastFinite);
    const rows = this.#order(found.place.epoch).slice(0, Math.min(settings.batchSize, rowsToLookAt));
    this.#remember(rows, this.#weights.copy(), this.#lastRate);
    // Steps of the epoch that a process before this one made cannot be gone over again.
    this.#traceable = found.place.at === 0;
  }

  /** All that the steps to come depend on. What goes on changing is copied. */
  #standing(): Standing {
    const { settings, control } = this.#parts;
    const rate = this.#learningRate;
    const { sums, seconds, ...place } = this.#place;
    return {
      weights: this.#weights.copy(),
      slots: this.#memory.has("slots") ? this.#memory.get("slots").slice() : undefined,
      step: this.#step,
      updates: this.#updates,
      lastRate: this.#lastRate,
      rate: rate === settings.recipe.learningRate ? "option" : typeof rate === "number" ? rate : "schedule",
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
      marks: new Map(this.#marks),
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

  #publish(weights: Weights): Weights {
    const copy = weights.copy();
    this.#parts.publish(copy);
    return copy;
  }

  /** One epoch, or what a stop leaves of it: false when its numbers are not finite, undefined when a stop left no step. */
  async #epoch(): Promise<boolean | undefined> {
    const { settings, control, table, progress } = this.#parts;
    const place = this.#place;
    const { epoch: number, sums } = place;
    this.#began = performance.now();
    const order = this.#order(number);
    let finite = true;
    while (place.at < table.rows && finite) {
      await this.#goAhead();
      // A run stopped before its first step still makes one: an epoch without steps would have nothing to record.
      if (control.stopping && this.#step > 0) break;
      if (place.at > 0) this.#checkpoints?.boundary(this.#step, undefined, () => this.#standing());
      const size = Math.min(settings.batchSize, table.rows - place.at);
      const left = Math.min(Math.floor((table.rows - place.at) / size), this.#checkpoints?.stepsLeft(this.#step) ?? mostSteps);
      const steps = control.stopping ? 1 : Math.min(left, this.#chunk());
      const done = await this.#steps(number, order, place.at, size, steps, sums);
      place.at += done * size;
      finite = Number.isFinite(sums.loss) && Number.isFinite(sums.gradientNorm);
      progress.step(number, place.at, table.rows, sums.loss / Math.max(1, sums.rows));
    }
    if (!sums.rows) return undefined;
    finite &&= this.#weights.finite();
    if (finite && place.at < table.rows) this.#checkpoints?.hold(this.#standing());
    if (!finite) {
      await this.#traceBack(number, order, sums.wrongStep ?? sums.steps - 1);
      this.#weights.set(this.#lastFinite);
    }
    // What is published is not written to while the run lasts: it is also what a run that is not finite goes back to.
    this.#lastFinite = this.#publish(this.#weights);
    if (finite) {
      // The last whole batch: what is left for a partial one may be a single row.
      const first = Math.max(0, Math.floor(place.at / settings.batchSize) - 1) * settings.batchSize;
      const size = Math.min(settings.batchSize, rowsToLookAt);
      this.#remember(order.slice(first, Math.min(place.at, first + size)), this.#lastFinite, this.#lastRate);
    }
    const dev = finite ? await this.#evaluateDev() : undefined;
    const mean = (sum: number, count: number) => sum / Math.max(1, count);
    const hasDev = settings.dev !== undefined;
    const epoch: Epoch = {
      epoch: number,
      step: this.#step,
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
    control.push(epoch);
    return finite;
  }

  /** For a look inside later: where the run stands, with rows to look at. */
  #remember(rows: Int32Array, weights: Weights, rate: number): void {
    this.#probe.move({
      weights,
      slots: this.#memory.has("slots") ? this.#memory.get("slots").slice() : undefined,
      rows,
      learningRate: () => rate,
      step: this.#step,
      updates: this.#updates,
    });
    this.#traceable = true;
  }

  /**
   * Goes over an epoch that is not finite any more up to just before its first wrong step, for after it every number is wrong and no layer
   * to blame. Where that would take long, or cannot be repeated, the look is from the end of the last finite epoch, at the wrong step's rows.
   */
  async #traceBack(epoch: number, order: Int32Array, wrong: number): Promise<void> {
    const { settings, control } = this.#parts;
    const { moment } = this.#probe;
    const rows = order.slice(wrong * settings.batchSize, (wrong + 1) * settings.batchSize);
    control.probe = { at: this.#probe, finite: false };
    if (!this.#traceable || wrong * this.#millisecondsPerStep > traceMilliseconds) {
      this.#probe.move({ ...moment, rows });
      return;
    }
    const [step, updates] = [this.#step, this.#updates];
    this.#weights.set(moment.weights);
    if (this.#memory.has("slots")) {
      if (moment.slots) this.#memory.get("slots").set(moment.slots);
      else this.#memory.get("slots").fill(0);
    }
    this.#step = moment.step;
    this.#updates = moment.updates;
    for (let made = 0; made < wrong; ) {
      const steps = Math.min(wrong - made, mostSteps);
      const loaded = this.#program(settings.batchSize);
      this.#write(loaded, epoch, order, made * settings.batchSize, settings.batchSize, steps);
      await loaded.loaded.run(this.#memory, { steps, threads: settings.threads });
      made += steps;
      this.#step += steps;
      this.#updates += steps;
    }
    this.#remember(rows, this.#weights.copy(), rateAt(this.#learningRate, { step: this.#step + 1, epoch }));
    this.#step = step;
    this.#updates = updates;
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
    const { loss, error, outputs } = await this.#devEvaluator.run(this.#weights, settings.threads);
    const metrics: Record<string, number> = {};
    if (outputs && devLabels) {
      const tensor = fromArray(outputs, [devLabels.shape[0] as number, ...structure.outputShape]);
      for (const [name, metric] of Object.entries(settings.metrics)) metrics[name] = judged(name, metric, tensor, devLabels).item();
    }
    return { loss: loss + penaltyOf(settings.regularizer, this.#weights, settings.batchSize), error, metrics };
  }

  /** The rows of an epoch in the order in which they are trained on. */
  #order(epoch: number): Int32Array {
    const { table, settings } = this.#parts;
    if (settings.shuffle) return permutation({ seed: settings.seed, purpose: "shuffle", step: epoch }, table.rows);
    return Int32Array.from({ length: table.rows }, (_, i) => i);
  }

  #chunk(): number {
    if (!this.#millisecondsPerStep) return 1;
    return Math.max(1, Math.min(mostSteps, Math.round(chunkMilliseconds / this.#millisecondsPerStep)));
  }

  #program(rows: number): Loaded {
    let found = this.#programs.get(rows);
    if (!found) {
      const made = trainingProgram(this.#parts.spec, rows);
      found = { ...made, loaded: executor().load(inspected(made.program)) };
      this.#programs.set(rows, found);
    }
    return found;
  }

  /** Makes up to `steps` steps of `size` rows each from `order[at]` on; returns how many were made. */
  async #steps(epoch: number, order: Int32Array, at: number, size: number, steps: number, sums: Sums): Promise<number> {
    const { control, settings } = this.#parts;
    const loaded = this.#program(size);
    this.#write(loaded, epoch, order, at, size, steps);
    const began = performance.now();
    const done = await loaded.loaded.run(this.#memory, { steps, threads: settings.threads, control: control.flags });
    if (done > 0) this.#millisecondsPerStep = Math.max(1e-4, (performance.now() - began) / done);
    this.#read(loaded, size, done, sums);
    if (done > 0) this.#lastRate = this.#rates[done - 1] as number;
    this.#step += done;
    this.#updates += done;
    return done;
  }

  /** Rows, rates and keys of a chunk. One view each of the whole memories: a step of a tiny network is over in microseconds. */
  #write(loaded: Loaded, epoch: number, order: Int32Array, at: number, size: number, steps: number): void {
    const { settings } = this.#parts;
    const { layout, hyper } = loaded;
    const rowWords = layout.memory("rows").bytes / 4;
    const hyperWords = layout.memory("hyper").bytes / 4;
    this.#memory.ensure("rows", rowWords * 4 * steps);
    this.#memory.ensure("hyper", hyperWords * 4 * steps);
    this.#memory.ensure("out", layout.memory("out").bytes * steps);
    const rows = this.#memory.view("rows", { shape: [rowWords * steps], dtype: "i32" }, 0);
    const words = this.#memory.view("hyper", { shape: [hyperWords * steps], dtype: "i32" }, 0);
    const scalars = this.#memory.view("hyper", { shape: [hyperWords * steps], dtype: "f32" }, 0);
    const [low, high] = seedWords(settings.seed);
    for (let s = 0; s < steps; s++) {
      const first = at + s * size;
      for (let i = 0, to = s * rowWords; i < size; i++) rows[to + i] = order[first + i] as number;
      const step = this.#step + s + 1;
      const base = s * hyperWords;
      const rate = rateAt(this.#learningRate, { step, epoch });
      this.#rates[s] = rate;
      scalars[base + hyper.learningRate / 4] = rate;
      const others = settings.recipe.rule.scalarsAt(this.#updates + s + 1);
      for (let i = 0; i < others.length; i++) scalars[base + (hyper.others[i] as number) / 4] = others[i] as number;
      for (let i = 0; i < this.#keep.length; i++) scalars[base + (hyper.keep[i] as number) / 4] = this.#keep[i] as number;
      const key = base + hyper.key / 4;
      words[key] = low;
      words[key + 1] = high;
      words[key + 2] = step;
      if (hyper.augment === undefined) continue;
      const augment = base + hyper.augment / 4;
      words[augment] = low;
      words[augment + 1] = high;
      words[augment + 2] = epoch;
    }
  }

  #read({ layout, out }: Loaded, size: number, steps: number, sums: Sums): void {
    const { onStep } = this.#parts.settings;
    const outBytes = layout.memory("out").bytes;
    const results = this.#memory.view("out", { shape: [(outBytes / 4) * steps], dtype: "f32" }, 0);
    for (let s = 0; s < steps; s++) {
      const value = (byteOffset: number) => results[(s * outBytes + byteOffset) / 4] as number;
      const loss = value(out.loss);
      const gradientNorm = value(out.gradientNorm);
      if (sums.wrongStep === undefined && !(Number.isFinite(loss) && Number.isFinite(gradientNorm))) sums.wrongStep = sums.steps + s;
      sums.loss += size * loss;
      sums.error += size * value(out.error);
      sums.gradientNorm += gradientNorm;
      for (const [name, byteOffset] of Object.entries(out.metrics))
        sums.metrics[name] = (sums.metrics[name] ?? 0) + size * value(byteOffset);
      onStep?.({ step: this.#step + s + 1, loss, gradientNorm });
    }
    sums.rows += steps * size;
    sums.steps += steps;
  }
}
