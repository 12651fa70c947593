// The model file: safetensors with the architecture as plain data in its metadata. No code is written to it and none is
// run from it. Knows layers by kind and options only.
import { checkNumber, describe, MinibatchError, nearest } from "../errors.ts";
import type { Json, Layer, LayerDefinition, Named } from "../nn/layer.ts";
import { kinds } from "../nn/layers.ts";
import { type LossDefinition, losses } from "../nn/losses.ts";
import { Network, type Structure } from "../nn/network.ts";
import { elasticNet, type RegularizerDefinition } from "../nn/regularizers.ts";
import { standardizationFromFile } from "../nn/standardization.ts";
import { Weights } from "../nn/weights.ts";
import { type Shape, sameShape, show } from "../shape.ts";
import { readFile, writeFile } from "./file.ts";
import { decodeSafetensors, encodeSafetensors, type StoredTensor } from "./safetensors.ts";

/** Raised when what the metadata mean changes; files of a later version are refused by name. */
const formatVersion = 1;

interface StoredLayer {
  readonly kind: string;
  readonly name: string;
  readonly options: Json;
}

interface Architecture {
  readonly version: number;
  readonly inputShape: Shape;
  readonly layers: readonly StoredLayer[];
  readonly loss?: { readonly kind: string; readonly options: Readonly<Record<string, number>> };
  /** Of the last fit: evaluate adds its term to the loss. */
  readonly regularizer?: { readonly l1: number; readonly l2: number; readonly batchSize: number };
}

/** What a fit leaves for evaluate and predict. */
export interface Trained {
  readonly loss: LossDefinition;
  readonly regularizer?: RegularizerDefinition | undefined;
  readonly batchSize?: number;
}

export interface StoredModel {
  readonly network: Network;
  readonly weights: Weights;
  readonly trained: Trained | undefined;
}

export async function saveModel(file: string | URL, { network, weights, trained }: StoredModel): Promise<void> {
  const layers = network.layers.map((layer, i): StoredLayer => {
    const name = network.names[i] as string;
    if (layer.options === undefined)
      throw new MinibatchError(
        `save: layer "${name}" is a ${layer.kind}, whose code cannot be written to a file; layer(kind, forward) makes a kind that can be saved`,
      );
    return { kind: layer.kind, name, options: layer.options };
  });
  const architecture: Architecture = {
    version: formatVersion,
    inputShape: weights.structure.inputShape,
    layers,
    ...(trained ? { loss: { kind: trained.loss.kind, options: trained.loss.options } } : {}),
    ...(trained?.regularizer
      ? { regularizer: { l1: trained.regularizer.l1, l2: trained.regularizer.l2, batchSize: trained.batchSize ?? 1 } }
      : {}),
  };
  const tensors = new Map<string, StoredTensor>();
  for (const { name, shape, data } of weights.entries()) tensors.set(name, { dtype: "f32", shape, data });
  const metadata = new Map([
    ["format", "minibatch"],
    ["architecture", JSON.stringify(architecture)],
  ]);
  await writeFile("save", file, encodeSafetensors({ tensors, metadata }));
}

type Kinds = Readonly<Record<string, (options: Readonly<Record<string, unknown>> & Named) => Layer>>;

/** Reads a model. `own` are kinds of layer that the file may name beyond the library's. */
export async function readModel(file: string | URL, own: readonly { readonly kind: string }[]): Promise<StoredModel> {
  return decodeModel(await readFile("loadModel", file), String(file), own);
}

/** More than the architecture of the largest network we know, small enough to be parsed at once: characters. */
const maxArchitecture = 2 ** 22;

/** The model in a file's bytes. Nothing is allocated for a layer before the file is known to hold its numbers. */
export function decodeModel(bytes: Uint8Array, file: string, own: readonly { readonly kind: string }[]): StoredModel {
  const fail = (what: string, cause?: unknown): never => {
    throw new MinibatchError(`loadModel: ${what} (${file})`, "FILE", cause === undefined ? undefined : { cause });
  };
  const { tensors, metadata } = decodeSafetensors(bytes, file);
  const text = metadata.get("architecture");
  if (metadata.get("format") !== "minibatch" || text === undefined)
    fail("the file holds tensors but no minibatch model (no architecture in its metadata)");
  if ((text as string).length > maxArchitecture)
    fail(`its architecture must have at most ${maxArchitecture} characters, got ${(text as string).length}`);
  const architecture = checkArchitecture(parse(text as string, fail), fail);
  const makers = new Map<string, Kinds[string]>([...Object.entries(kinds), ["standardization", standardizationFromFile]]);
  for (const kind of own) {
    if (typeof kind !== "function" || typeof (kind as { kind: unknown }).kind !== "string")
      throw new MinibatchError(`loadModel: layers must be kinds made by layer(kind, forward), got ${describe(kind)}`);
    makers.set((kind as { kind: string }).kind, kind as unknown as Kinds[string]);
  }
  const layers = architecture.layers.map(({ kind, name, options }, i) => {
    const maker = makers.get(kind);
    if (!maker) {
      const near = kind.length <= 100 ? nearest(kind, [...makers.keys()]) : undefined;
      return fail(
        `layer ${i} is of kind ${describe(kind)}, which is not known${near ? ` (did you mean "${near}"?)` : ""}; hand kinds of your own in as { layers: [${/^\w{1,100}$/.test(kind) ? kind : "yourKind"}] }`,
      );
    }
    try {
      const layer = maker({ ...(options as Record<string, unknown>), ...(kind === "input" || kind === "standardization" ? {} : { name }) });
      return { ...layer, name } as LayerDefinition;
    } catch (error) {
      return fail(`layer ${i} ("${name}"): ${error instanceof Error ? error.message : String(error)}`, error);
    }
  });
  const { network, structure } = built(layers, architecture.inputShape, fail);
  const wanted = [...structure.parameters, ...structure.states];
  for (const { name, shape } of wanted) {
    const stored = tensors.get(name);
    if (!stored) return fail(`tensor "${name}" is missing`);
    if (stored.dtype !== "f32" || !sameShape(stored.shape, shape))
      fail(`tensor "${name}" must be f32${show(shape)}, got ${stored.dtype}${show(stored.shape)}`);
  }
  const names = new Set(wanted.map(({ name }) => name));
  for (const name of tensors.keys()) if (!names.has(name)) fail(`tensor ${describe(name)} belongs to no layer`);
  const trained = trainedOf(architecture, fail);
  const weights = new Weights(structure);
  const numbers = (name: string) => (tensors.get(name) as StoredTensor).data;
  for (const entry of structure.parameters) weights.parameter(entry).set(numbers(entry.name));
  for (const entry of structure.states) weights.stateOf(entry).set(numbers(entry.name));
  return { network, weights, trained };
}

/** The network of a file's layers: sizes are followed through it, no number is stored yet. */
function built(layers: readonly LayerDefinition[], inputShape: Shape, fail: Fail): { network: Network; structure: Structure } {
  try {
    const network = new Network(layers);
    return { network, structure: network.build(inputShape) };
  } catch (error) {
    return fail(`its layers do not fit together: ${error instanceof Error ? error.message : String(error)}`, error);
  }
}

type Fail = (what: string, cause?: unknown) => never;

function parse(text: string, fail: Fail): unknown {
  try {
    // Keys that would reach an object's prototype are dropped: nothing of ours has such a name.
    return JSON.parse(text, (key, value: unknown) => (key === "__proto__" ? undefined : value));
  } catch (error) {
    return fail("its architecture is not valid JSON", error);
  }
}

function checkArchitecture(value: unknown, fail: Fail): Architecture {
  const { version, inputShape, layers, loss, regularizer } = (value ?? {}) as Partial<Record<keyof Architecture, unknown>>;
  if (version !== formatVersion)
    fail(`architecture.version must be ${formatVersion}, got ${describe(version)}; a newer minibatch may read it`);
  const sizes = (shape: unknown): shape is number[] =>
    Array.isArray(shape) && shape.length <= 5 && shape.every((n) => Number.isInteger(n) && n > 0 && n <= 2 ** 24);
  if (!sizes(inputShape)) return fail(`architecture.inputShape must be a list of sizes, got ${describe(inputShape)}`);
  if (!Array.isArray(layers) || !layers.length || layers.length > 10_000)
    return fail(`architecture.layers must be a list of layers, got ${describe(layers)}`);
  const checked = layers.map((layer: unknown, i): StoredLayer => {
    const { kind, name, options } = (layer ?? {}) as Partial<Record<keyof StoredLayer, unknown>>;
    if (typeof kind !== "string" || typeof name !== "string" || typeof options !== "object" || options === null || Array.isArray(options)) {
      return fail(`architecture.layers[${i}] must have kind, name and options, got ${describe(layer)}`);
    }
    if (!/^[\w.-]{1,100}$/.test(name))
      fail(`architecture.layers[${i}].name must be letters, digits, "_", "-" or ".", got ${describe(name)}`);
    return { kind, name, options: options as Json };
  });
  if (loss !== undefined && (typeof loss !== "object" || loss === null || typeof (loss as { kind?: unknown }).kind !== "string"))
    fail(`architecture.loss must name a loss, got ${describe(loss)}`);
  if (regularizer !== undefined && (typeof regularizer !== "object" || regularizer === null))
    fail(`architecture.regularizer must be an object, got ${describe(regularizer)}`);
  return {
    version: formatVersion,
    inputShape,
    layers: checked,
    ...(loss ? { loss: loss as NonNullable<Architecture["loss"]> } : {}),
    ...(regularizer ? { regularizer: regularizer as NonNullable<Architecture["regularizer"]> } : {}),
  };
}

function trainedOf({ loss, regularizer }: Architecture, fail: Fail): Trained | undefined {
  if (!loss) return undefined;
  const make = Object.hasOwn(losses, loss.kind) ? losses[loss.kind] : undefined;
  if (!make) return fail(`architecture.loss ${describe(loss.kind)} is not known`);
  try {
    const made = make(loss.options ?? {}) as LossDefinition;
    if (!regularizer) return { loss: made };
    const batchSize = checkNumber("regularizer", "batchSize", regularizer.batchSize, { whole: true, min: 1 });
    return { loss: made, regularizer: elasticNet({ l1: regularizer.l1, l2: regularizer.l2 }) as RegularizerDefinition, batchSize };
  } catch (error) {
    return fail(`architecture: ${error instanceof Error ? error.message : String(error)}`, error);
  }
}
