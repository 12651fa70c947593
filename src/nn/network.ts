// A stack of layers: names, parameters laid out in segments, and the forward pass in whatever surroundings give it its
// parameters. Knows no optimizer, no data and no run.
import { checkOptions, describe, MinibatchError } from "../errors.ts";
import { reachable } from "../graph/graph.ts";
import { scoped, source, Value } from "../ops/define.ts";
import { checkShape, type Shape, sameShape, show, sizeOf } from "../shape.ts";
import { asTensor, type Tensor, type Variable } from "../tensor.ts";
import { checkInit, type Init, initFor, init as inits } from "./init.ts";
import { isLayer, type LayerDefinition, type OwnContext } from "./layer.ts";
import { activations, transparent } from "./layers.ts";
import { tracedState } from "./state.ts";

/** A segment is a contiguous range of parameters with one policy: regularised, not regularised, or not trained. */
export type SegmentName = "decay" | "plain" | "frozen";
export const segmentNames: readonly SegmentName[] = ["decay", "plain", "frozen"];

export interface ParameterEntry {
  /** `dense_1.w`. */
  readonly name: string;
  readonly shape: Shape;
  readonly segment: SegmentName;
  /** First element within the segment. */
  readonly offset: number;
  readonly init: Init;
}

export interface StateEntry {
  readonly name: string;
  readonly shape: Shape;
  readonly init: Init;
}

/** What a network is once the shape of its input is known. */
export interface Structure {
  readonly inputShape: Shape;
  /** Shape of the output for one example. */
  readonly outputShape: Shape;
  readonly parameters: readonly ParameterEntry[];
  readonly states: readonly StateEntry[];
  /** Elements of each segment, gaps included. */
  readonly segments: Readonly<Record<SegmentName, number>>;
  /** For the summary: output shape and parameters of each layer. */
  readonly layers: readonly {
    readonly name: string;
    readonly kind: string;
    readonly outputShape: Shape;
    readonly parameters: number;
    readonly note: string;
  }[];
}

/** Whoever runs a forward pass gives it these. */
export interface Surroundings {
  readonly training: boolean;
  param(entry: ParameterEntry): Tensor;
  state(entry: StateEntry): Variable;
  /** `site` numbers the dropout layers. */
  dropout(x: Tensor, keepProb: number, site: number): Tensor;
  /** Told what each layer puts out, by its place in the stack. */
  seen?(layer: number, y: Tensor): void;
}

/** Parameters start at multiples of 16 elements: a cache line of f32, so that no vector of one reaches into the next. */
const parameterAlignment = 16;

/** The rules that a parameter's request breaks, if any, are named with the layer. */
function checkName(layer: string, name: unknown): string {
  if (typeof name === "string" && /^\w{1,100}$/.test(name)) return name;
  throw new MinibatchError(`${layer}: a parameter's name must be letters, digits or "_", got ${describe(name)}`);
}

export class Network {
  readonly layers: readonly LayerDefinition[];
  readonly names: readonly string[];
  #structure: Structure | undefined;

  constructor(layers: readonly LayerDefinition[]) {
    this.layers = layers;
    this.names = nameLayers(layers);
  }

  get structure(): Structure | undefined {
    return this.#structure;
  }

  /** The structure for this shape of input, found by tracing shapes. Throws when the network was built for another. */
  structureFor(inputShape: Shape): Structure {
    const built = this.#structure;
    if (!built) return this.#traceShapes(inputShape);
    if (sameShape(built.inputShape, inputShape)) return built;
    throw new MinibatchError(`model: it was built for examples of shape ${show(built.inputShape)}, got ${show(inputShape)}`, "SHAPE");
  }

  /** From here on the network is for this shape of input. */
  build(inputShape: Shape): Structure {
    this.#structure = this.structureFor(inputShape);
    return this.#structure;
  }

  #traceShapes(inputShape: Shape): Structure {
    const fixed = this.layers[0]?.inputShape;
    if (fixed && !sameShape(fixed, inputShape))
      throw new MinibatchError(`model: its input layer takes examples of shape ${show(fixed)}, got ${show(inputShape)}`, "SHAPE");
    const parameters: ParameterEntry[] = [];
    const states: StateEntry[] = [];
    const sizes: Record<SegmentName, number> = { decay: 0, plain: 0, frozen: 0 };
    const layers: { name: string; kind: string; outputShape: Shape; parameters: number; note: string }[] = [];
    const hole = (name: string, shape: Shape) => asTensor(source({ kind: "argument", name }, { shape, dtype: "f32" }));
    // Two rows: enough for every shape, and batch statistics are defined.
    let x = hole("x", [2, ...inputShape]);
    this.layers.forEach((layer, i) => {
      const name = this.names[i] as string;
      const first = parameters.length;
      const own: Pick<OwnContext, "param" | "state"> = {
        param: (key, shape, options = {}) => {
          checkOptions(`${name}: param("${key}")`, options, ["init", "decay", "trainable"]);
          checkInit(`${name}: param("${key}")`, options.init);
          checkShape(`${name}: param("${key}")`, shape);
          const full = `${name}.${checkName(name, key)}`;
          const known = parameters.find((p) => p.name === full);
          if (known) return hole(full, shape);
          const segment: SegmentName = options.trainable === false ? "frozen" : (options.decay ?? shape.length >= 2) ? "decay" : "plain";
          parameters.push({
            name: full,
            shape: [...shape],
            segment,
            offset: sizes[segment],
            init: options.init ?? (shape.length >= 2 ? initFor(this.#activationAhead(i)) : inits.zeros()),
          });
          sizes[segment] = Math.ceil((sizes[segment] + sizeOf(shape)) / parameterAlignment) * parameterAlignment;
          return hole(full, shape);
        },
        state: (key, shape, options = {}) => {
          checkOptions(`${name}: state("${key}")`, options, ["init"]);
          checkInit(`${name}: state("${key}")`, options.init);
          checkShape(`${name}: state("${key}")`, shape);
          const full = `${name}.${checkName(name, key)}`;
          if (!states.some((s) => s.name === full)) states.push({ name: full, shape: [...shape], init: options.init ?? inits.zeros() });
          return tracedState(hole(full, shape), full);
        },
      };
      x = this.#apply(i, x, { ...own, training: true, dropout: (value) => value });
      const count = parameters.slice(first).reduce((sum, p) => sum + sizeOf(p.shape), 0);
      const note =
        layer.kind === "dense" && this.layers[i + 1]?.kind === "batchNorm" && !parameters.some((p) => p.name === `${name}.b`)
          ? "no bias: the batchNorm behind it would cancel it"
          : "";
      layers.push({ name, kind: layer.kind, outputShape: x.shape.slice(1), parameters: count, note });
    });
    this.#checkCaptures(x);
    return { inputShape: [...inputShape], outputShape: x.shape.slice(1), parameters, states, segments: sizes, layers };
  }

  /** A variable inside a layer would be frozen at its value of now and never learn. */
  #checkCaptures(output: Value): void {
    const captured = reachable([output]).find(({ source: from }) => from?.kind === "variable")?.source;
    if (captured?.kind !== "variable") return;
    throw new MinibatchError(
      `model: a layer uses the variable ${captured.name}, which the model would not train; ask for it with param() in layer(...), or use ${captured.name}.detach()`,
    );
  }

  /** Runs all layers on a batch x [m, ...]. */
  forward(x: Value, { training, param, state, dropout, seen }: Surroundings): Tensor {
    const structure = this.#structure;
    if (!structure)
      throw new MinibatchError(
        "model: the input shape is not known yet; call build({ shape }), fit, or begin with input({ shape })",
        "NOT_BUILT",
      );
    const parameters = new Map(structure.parameters.map((p) => [p.name, p]));
    const states = new Map(structure.states.map((s) => [s.name, s]));
    let site = 0;
    let y = asTensor(x);
    this.layers.forEach((layer, i) => {
      const name = this.names[i] as string;
      const find = <T>(map: ReadonlyMap<string, T & { readonly shape: Shape }>, key: string, shape: Shape): T => {
        const entry = map.get(`${name}.${key}`);
        if (!entry) throw new MinibatchError(`${name}: asks for ${key}, which it did not when the model was built`);
        if (!sameShape(entry.shape, shape))
          throw new MinibatchError(`${name}: ${key} was built with shape ${show(entry.shape)}, now asks for ${show(shape)}`, "SHAPE");
        return entry;
      };
      y = this.#apply(i, y, {
        training,
        param: (key, shape) => param(find(parameters, key, shape)),
        state: (key, shape) => state(find(states, key, shape)),
        dropout: (value, keepProb) => dropout(value, keepProb, site),
      });
      if (layer.kind === "dropout") site++;
      seen?.(i, y);
    });
    return y;
  }

  #apply(i: number, x: Tensor, context: Omit<OwnContext, "activationAhead" | "next">): Tensor {
    const layer = this.layers[i] as LayerDefinition;
    return scoped(`layer "${this.names[i]}"`, () => {
      const y: unknown = layer.forward(x, { ...context, activationAhead: this.#activationAhead(i), next: this.layers[i + 1]?.kind });
      if (!(y instanceof Value))
        throw new MinibatchError(`layer "${this.names[i]}": its function must return a tensor, got ${describe(y)}`);
      return asTensor(y);
    });
  }

  #activationAhead(i: number): string | undefined {
    for (const { kind } of this.layers.slice(i + 1)) {
      if (activations.has(kind)) return kind;
      if (!transparent.has(kind)) return undefined;
    }
    return undefined;
  }
}

/** `dense_1`, `dense_2`, ... in order, unless a layer has a name of its own; no two alike. */
function nameLayers(layers: readonly LayerDefinition[]): string[] {
  const counts = new Map<string, number>();
  const seen = new Set<string>();
  return layers.map((layer) => {
    const count = (counts.get(layer.kind) ?? 0) + 1;
    counts.set(layer.kind, count);
    const name = layer.name ?? `${layer.kind}_${count}`;
    if (seen.has(name)) throw new MinibatchError(`sequential: two layers are named "${name}"; give one another name`);
    seen.add(name);
    return name;
  });
}

/** Checks what sequential() was given. */
export function checkLayers(layers: unknown): LayerDefinition[] {
  if (!Array.isArray(layers)) throw new MinibatchError(`sequential: expected an array of layers, got ${describe(layers)}`);
  if (!layers.length) throw new MinibatchError("sequential: a model needs at least one layer, got an empty array");
  layers.forEach((layer: unknown, i) => {
    if (isLayer(layer)) return;
    const hint = typeof layer === "function" ? `; call it: ${layer.name || "layer"}(...)` : "";
    throw new MinibatchError(`sequential: element ${i} must be a layer, got ${describe(layer)}${hint}`);
  });
  if (new Set(layers).size !== layers.length)
    throw new MinibatchError("sequential: the same layer stands in the list twice; make one for each place");
  return layers as LayerDefinition[];
}
