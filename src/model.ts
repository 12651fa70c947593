// The model as users hold it: a stack of layers with its weights, and what one does with it. It puts together what nn,
// train and io offer, and guards the weights while a run works on them.

import { checkDataset, type Dataset } from "./dataset.ts";
import { convert, type DType } from "./dtype.ts";
import { BusyError, checkNumber, checkOptions, describe, MinibatchError, ShapeError } from "./errors.ts";
import { gradients } from "./graph/gradient.ts";
import { GraphView, graphOf, type Store } from "./graph/graph.ts";
import { readModel, saveModel, type Trained } from "./io/model-file.ts";
import type { Layer } from "./nn/layer.ts";
import { type Loss, lossDefinition } from "./nn/losses.ts";
import { judged } from "./nn/metrics.ts";
import { checkLayers, Network, type Structure } from "./nn/network.ts";
import { penaltyOf } from "./nn/regularizers.ts";
import { tracedState } from "./nn/state.ts";
import { summarize } from "./nn/summary.ts";
import { Weights } from "./nn/weights.ts";
import { source, Value } from "./ops/define.ts";
import { dropout } from "./ops/dropout.ts";
import { cast } from "./ops/elementwise.ts";
import { checkSeed } from "./random.ts";
import { executor } from "./run/backend.ts";
import { checkShape, type Shape, show } from "./shape.ts";
import { asTensor, fromArray, scalar, type Tensor, type TensorLike, type Variable, variableOn } from "./tensor.ts";
import { currentTrace, supplied } from "./trace.ts";
import { probeOfStart, trainingSpec } from "./train/beginning.ts";
import { Evaluator } from "./train/evaluator.ts";
import type { Epoch, MetricRecord } from "./train/history.ts";
import { RunLog } from "./train/log.ts";
import { checkFitOptions, type FitOptions } from "./train/options.ts";
import { Predictor, rowsOf } from "./train/predictor.ts";
import type { PredictAs } from "./train/programs.ts";
import { progressLine } from "./train/progress.ts";
import type { Recorder } from "./train/recorder.ts";
import { type Cue, type Run, RunControl, RunHandle } from "./train/run.ts";
import { settingsOf } from "./train/settings.ts";
import { tableOf } from "./train/table.ts";
import { Trainer } from "./train/trainer.ts";
import { tuningOf } from "./train/tuning.ts";

export interface Evaluation {
  /** Mean over the examples, with the regulariser's term of the last fit. */
  readonly loss: number;
  /** Misclassification rate; for regression the loss without the regulariser. */
  readonly error: number;
  /** 1 - error; NaN for regression. */
  readonly accuracy: number;
}

export interface PredictOptions {
  /** What the last layer says, or what the remembered loss makes of it (softmax or sigmoid; the most probable class). */
  as?: PredictAs | undefined;
}

export interface Model {
  /**
   * Trains on the rows of a data set, x [m, ...]: first weights by the seed, then epochs of steps off the event loop. Goes on from present weights
   * where there are some. Throws at once for wrong options, and a BusyError while another run works; later failures reject.
   */
  fit<D extends Dataset | undefined = undefined, M extends MetricRecord = Record<never, never>>(
    train: Dataset,
    options: FitOptions<D, M>,
  ): Run<Epoch<D, M>>;
  /** Loss (a mean, with the penalty of the last fit), error and metrics over a data set, by the loss the model was trained with unless another is given. */
  evaluate<M extends MetricRecord = Record<never, never>>(
    data: Dataset,
    options?: { loss?: Loss | undefined; metrics?: M | undefined; threads?: number | undefined },
  ): Promise<Evaluation & { readonly metrics: { readonly [K in keyof M]: number } }>;
  /** Outputs [m, ...] for rows [m, ...], or of one row for one row, computed off the event loop where the back end can. A ShapeError for other shapes. */
  predict(x: TensorLike, options?: PredictOptions): Promise<Tensor>;
  /** The same at once, with the lowest latency. It never waits for a run. */
  predictSync(x: TensorLike, options?: PredictOptions): Tensor;
  /** Writes a safetensors file: tensors by name, the architecture as data. */
  save(file: string | URL): Promise<void>;
  /** A table of layers, output shapes and parameters. */
  summary(): string;
  /** The model's graph as text and drawings; with `backward` also the nodes of its gradient. */
  graph(options?: { backward?: boolean | undefined }): GraphView;
  /** The model as a function of tensors, [m, ...] to [m, ...], for programs of one's own; `training` uses dropout and the batch's own statistics. */
  forward(x: Tensor, options?: { training?: boolean | undefined }): Tensor;
  /** What it learns, as variables: assigning to one changes the model. */
  parameters(): readonly Variable[];
  /** Fixes the shape of one example and draws the weights. */
  build(options: { shape: Shape; seed?: number | undefined }): Model;
}

/** What a model is made of while it has weights. */
interface Built {
  readonly structure: Structure;
  readonly predictor: Predictor;
  weights: Weights;
}

/** A crop is random, and only for training: dev images are given in the size that it leaves. */
function checkCropped({ x }: Dataset, exampleShape: Shape, seenShape: Shape): void {
  if (show(exampleShape) === show(seenShape) || show(x.shape.slice(1)) !== show(exampleShape)) return;
  throw new ShapeError(
    `fit: dev: crop makes examples of shape ${show(seenShape)}, and dev must have that shape too, got ${show(exampleShape)}; centerCrop(dev, ${show(seenShape.slice(0, 2))}) cuts them`,
  );
}

/** What is done to a run that is played from a log, and who looks at it. */
interface Played {
  readonly recorder: Recorder | undefined;
  readonly script: readonly Cue[];
}

class SequentialModel implements Model {
  readonly #network: Network;
  #built: Built | undefined;
  #remembered: Trained | undefined;
  #running: Promise<unknown> | undefined;
  /** Predictions under way off the event loop: their weights must not change. */
  #reading = 0;
  #version = 0;
  #dropoutCalls = 0;
  #parameters: readonly Variable[] | undefined;

  constructor(network: Network, weights?: Weights, trained?: Trained) {
    this.#network = network;
    if (weights) this.#take(weights);
    this.#remembered = trained;
    // An input layer fixes the shapes at once; the weights are drawn when they are first needed, by fit with its seed.
    const fixed = network.layers[0]?.inputShape;
    if (fixed && !weights) network.build(fixed);
  }

  #take(weights: Weights): Built {
    this.#built = { structure: weights.structure, predictor: new Predictor(this.#network, weights.structure), weights };
    return this.#built;
  }

  #need(what: string): Built {
    if (this.#built) return this.#built;
    const { structure } = this.#network;
    if (structure) return this.#take(Weights.initialised(structure, 0));
    throw new MinibatchError(
      `${what}: the model has no weights yet; call fit, or build({ shape }) with the shape of one example`,
      "NOT_BUILT",
    );
  }

  #notBusy(what: string): void {
    if (this.#running) throw new BusyError(`${what}: the model is being trained; await the run, or stop it, first`);
  }

  build(options: { shape: Shape; seed?: number | undefined }): Model {
    checkOptions("build", options, ["shape", "seed"]);
    this.#notBusy("build");
    const shape = checkShape("build", options?.shape);
    const seed = checkSeed("build", options.seed ?? 0);
    if (this.#built && options.seed === undefined) this.#network.build(shape);
    else this.#take(Weights.initialised(this.#network.build(shape), seed));
    this.#version++;
    return this;
  }

  fit<D extends Dataset | undefined = undefined, M extends MetricRecord = Record<never, never>>(
    train: Dataset,
    options: FitOptions<D, M>,
  ): Run<Epoch<D, M>> {
    return this.replay(train, options, undefined);
  }

  /** The same, with what is done to the run and who is told of it. */
  replay<D extends Dataset | undefined, M extends MetricRecord>(
    train: Dataset,
    options: FitOptions<D, M>,
    played: Played | undefined,
  ): Run<Epoch<D, M>> {
    this.#notBusy("fit");
    const data = checkDataset("fit: train", train);
    const settings = checkFitOptions(data.x.shape[0] ?? 0, options);
    const exampleShape = data.x.shape.slice(1);
    // What the model sees of an example: a crop makes it smaller.
    const seenShape = settings.augment?.exampleShape("fit: augment", exampleShape) ?? exampleShape;
    const structure = this.#network.structureFor(seenShape);
    const last = this.#network.layers.at(-1)?.kind;
    if (settings.loss.refuses !== undefined && settings.loss.refuses === last) {
      throw new MinibatchError(
        `fit: ${settings.loss.kind} works on logits, and the last layer is ${last}; leave the ${last} out (predict(x, { as: "probabilities" }) applies it)`,
      );
    }
    const table = tableOf("fit: train", data, settings.loss, exampleShape, structure.outputShape);
    if (settings.dev) checkCropped(settings.dev, exampleShape, seenShape);
    const devTable = settings.dev && tableOf("fit: dev", settings.dev, settings.loss, structure.inputShape, structure.outputShape);
    // Everything was checked. A model without weights takes them from this run's seed.
    this.#network.build(seenShape);
    const built = this.#built ?? this.#take(Weights.initialised(structure, settings.seed));
    this.#remembered = { loss: settings.loss, regularizer: settings.regularizer, batchSize: settings.batchSize };
    const control = new RunControl<Epoch>();
    control.subject = { tuning: tuningOf(this.#network, settings), recipe: settings.recipe, rows: table.rows };
    if (played) control.script.push(...played.script);
    const spec = trainingSpec(this.#network, structure, table, settings);
    const probe = probeOfStart({ spec, table, settings, start: built.weights });
    control.probe = { at: probe, finite: true };
    const wake = () => control.interrupt();
    let trainer: Trainer | undefined;
    const handle = RunHandle.start<Epoch>(control, (settle) => {
      const begin = async () => {
        // The handle exists when the first callback needs it, and its loops have opened.
        await Promise.resolve();
        trainer = new Trainer({
          network: this.#network,
          structure,
          spec,
          start: built.weights,
          table,
          devTable,
          devLabels: settings.dev?.y,
          settings,
          control,
          probe,
          progress: progressLine(settings.progress, settings.epochs, table.rows, settings.loss.task),
          recorder: played ? played.recorder : settings.log === undefined ? undefined : new RunLog(settings.log),
          publish: (weights, { regularizer, batchSize }) => {
            built.weights = weights;
            this.#remembered = { loss: settings.loss, regularizer, batchSize };
            this.#version++;
          },
          handle: () => handle as Run<Epoch>,
        });
        return trainer.run();
      };
      settings.signal?.addEventListener("abort", wake, { once: true });
      const finish = () => {
        const ended = built.weights;
        control.facts = () => ({
          task: settings.loss.task,
          settings: settingsOf(data, options as FitOptions, settings),
          summary: this.summary(),
          train: data,
          dev: settings.dev,
          inputShape: structure.inputShape,
          predict: (x, as) => built.predictor.predict(this.#hold(ended), settings.loss, rowsOf("report", x, structure.inputShape), as).finally(() => this.#reading--), // biome-ignore format: one call
        });
        settings.signal?.removeEventListener("abort", wake);
        this.#running = undefined;
      };
      this.#running = begin().then(
        (history) => {
          finish();
          settle.resolve(history);
        },
        (error: unknown) => {
          finish();
          settle.reject(error);
        },
      );
    });
    return handle as unknown as Run<Epoch<D, M>>;
  }

  async evaluate<M extends MetricRecord = Record<never, never>>(
    data: Dataset,
    options: { loss?: Loss | undefined; metrics?: M | undefined; threads?: number | undefined } = {},
  ): Promise<Evaluation & { readonly metrics: { readonly [K in keyof M]: number } }> {
    checkOptions("evaluate", options, ["loss", "metrics", "threads"]);
    const { structure, weights } = this.#need("evaluate");
    const given = options.loss === undefined ? this.#remembered?.loss : lossDefinition("evaluate", options.loss);
    if (!given) throw new MinibatchError("evaluate: the model was never trained, so its loss is not known; give { loss }");
    const threads =
      options.threads === undefined
        ? executor().threads
        : checkNumber("evaluate", "threads", options.threads, { whole: true, min: 1, max: 256 });
    const checked = checkDataset("evaluate", data);
    const table = tableOf("evaluate", checked, given, structure.inputShape, structure.outputShape);
    const wanted = Object.entries(options.metrics ?? {});
    for (const [name, metric] of wanted)
      if (typeof metric !== "function")
        throw new MinibatchError(`evaluate: metrics.${name} must be a metric such as metrics.f1, got ${describe(metric)}`);
    const held = this.#hold(weights);
    try {
      const { loss, error, outputs } = await new Evaluator(this.#network, structure, given, table, wanted.length > 0).run(held, threads);
      const tensors = outputs && fromArray(outputs, [table.rows, ...structure.outputShape]);
      const metrics = Object.fromEntries(
        wanted.map(([name, metric]) => [name, tensors ? judged(name, metric, tensors, checked.y).item() : Number.NaN]),
      );
      const { regularizer, batchSize } = this.#remembered ?? {};
      return {
        loss: loss + (options.loss === undefined ? penaltyOf(regularizer, held, batchSize ?? 1) : 0),
        error,
        accuracy: given.task === "classification" ? 1 - error : Number.NaN,
        metrics: metrics as { readonly [K in keyof M]: number },
      };
    } finally {
      this.#reading--;
    }
  }

  /** Counts a reader of the weights; assigning to a parameter meanwhile makes a copy first. */
  #hold(weights: Weights): Weights {
    this.#reading++;
    return weights;
  }

  async predict(x: TensorLike, options: PredictOptions = {}): Promise<Tensor> {
    checkOptions("predict", options, ["as"]);
    const { structure, predictor, weights } = this.#need("predict");
    const rows = rowsOf("predict", x, structure.inputShape);
    const held = this.#hold(weights);
    try {
      return await predictor.predict(held, this.#remembered?.loss, rows, options.as ?? "outputs");
    } finally {
      this.#reading--;
    }
  }

  predictSync(x: TensorLike, options: PredictOptions = {}): Tensor {
    checkOptions("predictSync", options, ["as"]);
    const { structure, predictor, weights } = this.#need("predictSync");
    return predictor.predictSync(weights, this.#remembered?.loss, rowsOf("predictSync", x, structure.inputShape), options.as ?? "outputs");
  }

  async save(file: string | URL): Promise<void> {
    const { weights } = this.#need("save");
    await saveModel(file, { network: this.#network, weights, trained: this.#remembered });
  }

  summary(): string {
    return summarize(this.#network, this.#network.structure);
  }

  graph(options: { backward?: boolean | undefined } = {}): GraphView {
    checkOptions("graph", options, ["backward"]);
    const { structure } = this.#need("graph");
    const rows = 2;
    const hole = (name: string, shape: Shape, dtype: DType = "f32") => asTensor(source({ kind: "argument", name }, { shape, dtype }));
    const parameters = new Map(structure.parameters.map((p) => [p.name, hole(p.name, p.shape)]));
    const stores: Store[] = [];
    const output = this.#network.forward(hole("x", [rows, ...structure.inputShape]), {
      training: options.backward === true,
      param: ({ name }) => parameters.get(name) as Tensor,
      state: ({ name, shape }) => tracedState(hole(name, shape), name),
      dropout: (x, keepProb, site) => this.#dropout(x, keepProb, site, hole("dropout key", [3], "i32")),
    });
    stores.push({ value: output, memory: "out", name: "output" });
    if (options.backward) {
      const loss = this.#remembered?.loss;
      const labels =
        loss?.kind === "crossEntropy"
          ? asTensor(source({ kind: "argument", name: "y" }, { shape: [rows], dtype: "i32" }))
          : hole("y", output.shape);
      const cost = loss ? loss(output, labels) : output.mean();
      stores.push({ value: cost, memory: "out", name: "cost" });
      gradients(cost, [...parameters.values()]).forEach((value, i) => {
        stores.push({ value, memory: "gradient", name: structure.parameters[i]?.name ?? "" });
      });
    }
    return new GraphView(graphOf(stores));
  }

  /** `key`: seed low, seed high, step. */
  #dropout(x: Tensor, keepProb: number, site: number, key: Value): Tensor {
    if (keepProb === 1) return x;
    return asTensor(dropout(x, scalar(keepProb, { dtype: x.dtype === "f64" ? "f64" : "f32" }), key, { site }).y);
  }

  /** A new mask at every forward pass, and at every call of a function that traced one. */
  #dropoutKey(): Value {
    const trace = currentTrace();
    const key = supplied("dropout key", { shape: [3], dtype: "i32" }, { current: () => Int32Array.of(0, 0, this.#dropoutCalls) });
    if (trace) trace.after(() => this.#dropoutCalls++);
    else this.#dropoutCalls++;
    return key;
  }

  forward(x: Tensor, options: { training?: boolean | undefined } = {}): Tensor {
    checkOptions("forward", options, ["training"]);
    if (!(x instanceof Value)) throw new MinibatchError(`forward: expected a tensor, got ${describe(x)}; tensor(...) makes one`);
    this.#built ??= this.#take(Weights.initialised(this.#network.build(x.shape.slice(1)), 0));
    const { structure } = this.#built;
    if (show(x.shape.slice(1)) !== show(structure.inputShape))
      throw new MinibatchError(
        `forward: the model takes a batch of examples of shape ${show(structure.inputShape)}, got ${show(x.shape)}`,
        "SHAPE",
      );
    const byName = new Map([...this.#variables(), ...this.#statistics()].map((v) => [v.name, v]));
    const key = this.#dropoutKey();
    return this.#network.forward(cast(x, "f32"), {
      training: options.training === true,
      param: ({ name }) => byName.get(name) as Tensor,
      state: ({ name }) => byName.get(name) as Variable,
      dropout: (value, keepProb, site) => this.#dropout(value, keepProb, site, key),
    });
  }

  parameters(): readonly Variable[] {
    this.#need("parameters");
    const trainable = new Set(this.#built?.structure.parameters.filter((p) => p.segment !== "frozen").map((p) => p.name));
    return this.#variables().filter((v) => trainable.has(v.name));
  }

  #statisticVariables: readonly Variable[] | undefined;

  #statistics(): readonly Variable[] {
    this.#statisticVariables ??= this.#need("forward").structure.states.map((entry) =>
      this.#variable(entry.name, entry.shape, (weights) => weights.stateOf(entry)),
    );
    return this.#statisticVariables;
  }

  #variables(): readonly Variable[] {
    this.#parameters ??= this.#need("parameters").structure.parameters.map((entry) =>
      this.#variable(entry.name, entry.shape, (weights) => weights.parameter(entry)),
    );
    return this.#parameters;
  }

  /** A variable whose numbers lie in the model's weights. */
  #variable(name: string, shape: Shape, part: (weights: Weights) => Float32Array): Variable {
    return variableOn(name, shape, "f32", {
      read: () => convert(part(this.#need(name).weights), "f32"),
      write: (data) => {
        this.#notBusy(`assign to ${name}`);
        const built = this.#need(name);
        if (this.#reading > 0) built.weights = built.weights.copy();
        part(built.weights).set(data);
        this.#version++;
      },
      version: () => this.#version,
    });
  }

  /** For checks: the network itself and its present weights. */
  inside(): { network: Network; weights: Weights | undefined } {
    return { network: this.#network, weights: this.#built?.weights };
  }
}

/** A model of layers applied one after the other. Input sizes are inferred when the first batch is seen. */
export function sequential(layers: readonly Layer[]): Model {
  return new SequentialModel(new Network(checkLayers(layers)));
}

/** Reads a model from a safetensors file. `layers`: the kinds of one's own that it names; no code is run from a file. */
export async function loadModel(
  file: string | URL,
  options: { layers?: readonly { readonly kind: string }[] | undefined } = {},
): Promise<Model> {
  checkOptions("loadModel", options, ["layers"]);
  if (options.layers !== undefined && !Array.isArray(options.layers))
    throw new MinibatchError(`loadModel: layers must be an array of kinds, got ${describe(options.layers)}`);
  const { network, weights, trained } = await readModel(file, options.layers ?? []);
  return new SequentialModel(network, weights, trained);
}

/** Trains a model with everything that is done to the run written beforehand. */
export function replayOn(where: string, model: unknown, train: Dataset, options: FitOptions, played: Played): Run {
  if (model instanceof SequentialModel) return model.replay(train, options, played) as unknown as Run;
  throw new MinibatchError(`${where}: expected a model such as sequential([...]) makes, got ${describe(model)}`);
}

/** The network behind a model, for gradient checks and diagnosis; `expected` is what an error asks for. */
export function insideOf(
  where: string,
  model: unknown,
  expected = "a model such as sequential([...]) makes",
): { network: Network; weights: Weights | undefined } {
  if (model instanceof SequentialModel) return model.inside();
  throw new MinibatchError(`${where}: expected ${expected}, got ${describe(model)}`);
}
