// Pictures with something for each layer: how gradients fare, what activations look like.
import type { GradientHealth } from "../check/health.ts";
import { describe, MinibatchError } from "../errors.ts";
import type { Model } from "../model.ts";
import { type Node, Value } from "../ops/define.ts";
import { asTensor, type TensorLike, tensor } from "../tensor.ts";
import { bandAxis, numberAxis } from "./axis.ts";
import { binned, histogramPanel } from "./bars.ts";
import { type Library, library } from "./library.ts";
import { panel } from "./panel.ts";
import { type Box, checkPicture, finished, framed, type PictureOptions } from "./picture.ts";
import { defaultWidth } from "./series.ts";
import { faint, ink, palette, showNumber, size } from "./style.ts";

const measures = [
  { key: "gradient", label: "gradient (norm)" },
  { key: "activation", label: "activation (root mean square)" },
  { key: "update", label: "update / weights (ratio)" },
] as const;

function checkHealth(where: string, health: unknown): GradientHealth {
  const { layers, verdict } = (health ?? {}) as Partial<GradientHealth>;
  if (!Array.isArray(layers) || typeof verdict !== "string")
    throw new MinibatchError(`${where}: expected what gradientHealth(run) gives, got ${describe(health)}`);
  if (!layers.length) throw new MinibatchError(`${where}: there is nothing to draw, no layer has parameters`);
  Array.from(layers).forEach((layer: unknown, i) => {
    const one = (layer ?? {}) as Record<string, unknown>;
    for (const { key } of measures)
      if (typeof one[key] !== "number" || typeof one.name !== "string")
        throw new MinibatchError(`${where}: layers[${i}] must have name, gradient, activation and update, got ${describe(layer)}`);
  });
  return health as GradientHealth;
}

/** Pixels for a layer: less where there are many. */
const rowHeight = (layers: number) => (layers > 60 ? 7 : layers > 30 ? 12 : 22);

export function healthHeight(health: GradientHealth): number {
  return Math.max(110, 60 + health.layers.length * rowHeight(health.layers.length));
}

/** Three panels side by side, a row for each layer; the layer that the verdict names is vermilion. */
export function healthMarkup(lib: Library, where: string, health: GradientHealth, box: Box): string {
  const { layers, layer } = checkHealth(where, health);
  const names = layers.map(({ name }) => name);
  const band = bandAxis("", names, Math.floor((box.height - 60) / 14));
  const unnamed = { ...band, ticks: [] };
  // The first panel also holds the names.
  const nameWidth = Math.min(150, Math.max(...names.map((name) => name.length)) * 7);
  const each = (box.width - nameWidth - 20) / measures.length;
  const panels = measures.map(({ key, label }, m) => {
    const positive = layers.map((one) => one[key]).filter((value) => value > 0 && Number.isFinite(value));
    const x = numberAxis(where, "log", positive.length ? positive : [0.1, 1], { label, nice: true, count: 3, grid: true });
    const low = x.domain[0] as number;
    const rows = layers.map((one, i) => ({ at: String(i), value: one[key], color: one.name === layer ? "#d55e00" : palette[0] }));
    const drawn = rows.filter(({ value }) => value > 0 && Number.isFinite(value));
    const odd = rows.filter((row) => !drawn.includes(row));
    const left = m === 0 ? 0 : nameWidth + m * (each + 10);
    const own: Box = { ...box, x: box.x + left, width: m === 0 ? each + nameWidth : each };
    return panel(lib, own, {
      x,
      y: m === 0 ? band : unnamed,
      marks: (plot, named) => [
        plot.ruleY(drawn, { x1: low, x2: "value", y: "at", stroke: "color", strokeWidth: layers.length > 60 ? 1 : 2, strokeOpacity: 0.5 }),
        plot.dot(drawn, { x: "value", y: "at", fill: "color", r: layers.length > 60 ? 2 : 4, ...named(`${key} by layer`) }),
        odd.length
          ? plot.text(odd, { x: () => low, y: "at", text: (row) => (row.value === 0 ? "0" : "not finite"), textAnchor: "start", dx: 4, fill: "color", fontSize: size.small, ...named(`${key} that cannot be drawn`) }) // biome-ignore format: one mark
          : null,
        plot.ruleX([low], { stroke: ink }),
      ],
    });
  });
  return panels.join("");
}

export function healthNote({ verdict, layer }: GradientHealth): string {
  return `Verdict: ${verdict}${layer === undefined ? "" : `, layer ${layer}`}`;
}

/**
 * What gradientHealth() measures, layer by layer from the input down: the norm of the gradient, the scale of the activation, the size of
 * an update beside the weights, on logarithmic axes; the verdict above, the layer it names in vermilion.
 *
 * ```ts
 * await plot.gradientHealth(gradientHealth(run));
 * ```
 */
export async function gradientHealth(health: GradientHealth, options: PictureOptions = {}): Promise<string> {
  const where = "gradientHealth";
  checkPicture(where, options);
  const checked = checkHealth(where, health);
  const lib = await library();
  const { title = "Gradient health", width = defaultWidth, height = healthHeight(checked) + 80 } = options;
  const svg = framed(width, height, { title, note: healthNote(checked) }, (box) => healthMarkup(lib, where, checked, box));
  return finished(where, svg, { ...options, title });
}

/** The value that each layer gives, found by the scopes in which the nodes of a forward pass were written. */
function layerOutputs(output: Value): { name: string; value: Value }[] {
  const seen = new Set<Node>();
  const last = new Map<string, Node>();
  const open = [output.node];
  for (let node = open.pop(); node; node = open.pop()) {
    if (seen.has(node)) continue;
    seen.add(node);
    for (const input of node.inputs) open.push(input.node);
    const layer = node.op && node.scope.match(/^layer "([^"]*)"/)?.[1];
    if (layer !== undefined && node.id > (last.get(layer)?.id ?? -1)) last.set(layer, node);
  }
  return [...last]
    .sort(([, a], [, b]) => a.id - b.id)
    .map(([name, node]) => ({ name, value: node === output.node ? output : new Value(node, 0) }));
}

/**
 * A histogram of what each layer gives for a batch x [m, ...], as in prediction, with mean, standard deviation and the share of exact
 * zeros: signals that fade or grow with depth, and units that a relu has silenced, are seen at once.
 */
export async function activationHistograms(model: Model, x: TensorLike, options: PictureOptions = {}): Promise<string> {
  const where = "activationHistograms";
  checkPicture(where, options);
  if (typeof (model as Partial<Model> | undefined)?.forward !== "function")
    throw new MinibatchError(`${where}: expected a model such as sequential([...]) makes, got ${describe(model)}`);
  const outputs = layerOutputs(model.forward(x instanceof Value ? asTensor(x) : tensor(x)));
  const found = await Promise.all(outputs.map(async ({ name, value }) => ({ name, values: [...(await asTensor(value).read("f64"))] })));
  const lib = await library();
  const { title = "Activations by layer", width = defaultWidth } = options;
  const columns = Math.max(1, Math.min(3, found.length, Math.floor(width / 240)));
  const rows = Math.ceil(found.length / columns);
  const height = options.height ?? rows * 220 + 60;
  const svg = framed(width, height, { title }, (box) => {
    const [w, h] = [(box.width - 14 * (columns - 1)) / columns, (box.height - 10 * (rows - 1)) / rows];
    return found
      .map(({ name, values }, i) => {
        const place: Box = { x: box.x + (i % columns) * (w + 14), y: box.y + Math.floor(i / columns) * (h + 10), width: w, height: h };
        return activationPanel(lib, where, place, name, values);
      })
      .join("");
  });
  return finished(where, svg, { ...options, title });
}

function activationPanel(lib: Library, where: string, box: Box, name: string, values: readonly number[]): string {
  const finite = values.filter(Number.isFinite);
  if (!finite.length) {
    const x = numberAxis(where, "linear", [0, 1], { label: "no value is finite", count: 2 });
    return panel(lib, box, { x, y: numberAxis(where, "linear", [0, 1], { label: "" }), title: name, marks: () => [] });
  }
  const mean = finite.reduce((sum, v) => sum + v, 0) / finite.length;
  const deviation = Math.sqrt(finite.reduce((sum, v) => sum + (v - mean) ** 2, 0) / finite.length);
  const zeros = finite.filter((v) => v === 0).length / finite.length;
  const lost = values.length - finite.length;
  const facts = [`mean ${showNumber(mean, 2)}`, `deviation ${showNumber(deviation, 2)}`];
  if (zeros > 0.005) facts.push(`${Math.round(100 * zeros)}% zeros`);
  if (lost) facts.push(`${lost} not finite`);
  return histogramPanel(lib, box, binned(where, name, [finite]), {
    x: facts.join(", "),
    y: "",
    title: name,
    names: [name],
    ticks: 4,
    colors: [lost ? faint : (palette[0] as string)],
  });
}
