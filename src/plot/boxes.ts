// Pictures of where a search looked: the boxes of coarse-to-fine, and a grid beside random points.
import { checkNumber, describe, MinibatchError } from "../errors.ts";
import { library } from "./library.ts";
import { panel } from "./panel.ts";
import { type Box, checkPicture, checkText, finished, framed, type LegendEntry, type PictureOptions } from "./picture.ts";
import { defaultHeight, defaultWidth } from "./series.ts";
import { faint, ink, lookOf, showNumber } from "./style.ts";
import { checkStudy, look, type ParameterLike, parameterOf, placed, type StudyLike, type TrialLike } from "./trials.ts";

export interface BoxesOptions extends PictureOptions {
  /** Names of the two parameters; by default the first two with numbers. */
  x?: string | undefined;
  y?: string | undefined;
}

/**
 * Where coarse-to-fine looked: the trials of each round over two parameters, and the box that the round drew from.
 *
 * ```ts
 * await boxes(result, { x: "learningRate", y: "lambda", file: "boxes.svg" });
 * ```
 */
export async function boxes(result: StudyLike, options: BoxesOptions = {}): Promise<string> {
  const where = "boxes";
  checkPicture(where, options, ["x", "y"]);
  const study = checkStudy(where, result);
  const rounds = study.boxes ?? [];
  if (!rounds.length) throw new MinibatchError(`${where}: the study has no boxes; the strategy coarseToFine records them`);
  const numbers = study.parameters.filter(({ kind }) => kind !== "choice");
  const pick = (name: string | undefined, other: string | undefined, axis: string) => {
    const found =
      name === undefined ? numbers.find((parameter) => parameter.name !== other) : parameterOf(where, study, checkText(where, axis, name));
    if (found && found.kind !== "choice") return found;
    throw new MinibatchError(
      `${where}: ${axis} must be a parameter with numbers, got ${found ? `the choice "${found.name}"` : "none beside the other"}`,
    );
  };
  const first = pick(options.x, options.y, "x");
  const second = pick(options.y, first.name, "y");
  const [x, y] = [placed(where, first), placed(where, second)];
  const note = (trial: TrialLike) => (trial as { readonly note?: { readonly round?: unknown } | null }).note?.round;
  const list = study.trials.filter((trial) => x.at(trial) !== undefined && y.at(trial) !== undefined);
  const sign = study.direction === "minimize" ? 1 : -1;
  const best = list.filter(({ state }) => state === "done").sort((a, b) => sign * (a.value - b.value))[0];
  const edges = (parameter: ParameterLike, values: readonly unknown[] | undefined) => {
    const bounds = values ?? [parameter.low, parameter.high];
    if (!Array.isArray(bounds) || bounds.length !== 2 || !Array.from(bounds).every(Number.isFinite))
      throw new MinibatchError(`${where}: a box must have two finite bounds of "${parameter.name}", got ${describe(values)}`);
    const [low, high] = bounds as [number, number];
    return parameter.kind === "oneMinusLogUniform" ? [1 - high, 1 - low] : [low, high];
  };
  const looks = rounds.map(({ round }, i) => ({ ...lookOf(i), name: `round ${round}` }));
  const legend: LegendEntry[] = looks.map(({ name, color, symbol }) => ({ name, kind: "marker", color, symbol }));
  // Tried beforehand, as initial values or by another strategy.
  const others = list.filter((trial) => note(trial) === undefined);
  const { color: gray, symbol: diamond } = look.pruned;
  if (others.length) legend.push({ name: "of no round", kind: "marker", color: gray, symbol: diamond });
  if (best) legend.push({ name: `best: ${showNumber(best.value)}`, kind: "marker", color: ink, symbol: "star" });
  const { title = "From coarse to fine", width = defaultWidth, height = 520 } = options;
  const lib = await library();
  const svg = framed(width, height, { title, legend }, (box) =>
    panel(lib, box, {
      x: x.axis,
      y: y.axis,
      marks: (plot, named) => [
        others.length
          ? plot.dot(others, { x: x.at as never, y: y.at as never, r: 3.6, fill: gray, symbol: diamond, ...named("trials of no round") })
          : null,
        ...rounds.flatMap(({ round, parameters }, i) => {
          const [x1, x2] = edges(first, parameters[first.name]);
          const [y1, y2] = edges(second, parameters[second.name]);
          const { color, symbol } = looks[i] as (typeof looks)[number];
          const own = list.filter((trial) => note(trial) === round);
          return [
            plot.rect([{ x1, x2, y1, y2 }], {
              x1: "x1",
              x2: "x2",
              y1: "y1",
              y2: "y2",
              stroke: color,
              strokeWidth: 2,
              fill: color,
              fillOpacity: 0.05,
              ...named(`box of round ${round}`),
            }),
            plot.dot(own, { x: x.at as never, y: y.at as never, r: 3.6, fill: color, symbol, ...named(`trials of round ${round}`) }),
          ];
        }),
        best ? plot.dot([best], { x: x.at as never, y: y.at as never, r: 8, fill: ink, symbol: "star", ...named("best") }) : null,
      ],
    }),
  );
  return finished(where, svg, { ...options, title });
}

export interface GridAndRandomOptions extends PictureOptions {
  /** A study by gridSearch and one by randomSearch over the same space, or whatever is to be compared. */
  grid: StudyLike;
  random: StudyLike;
  /** The parameter that matters, and another; by default the first two with numbers. */
  x?: string | undefined;
  y?: string | undefined;
}

/**
 * The course's picture: the points of a grid beside random ones, and below each the values that the important parameter was tried at. Five by five
 * points of a grid try five of them, 25 random points try 25.
 *
 * ```ts
 * await gridAndRandom({ grid: await study({ ..., strategy: gridSearch({ points: 5 }) }), random: await study({ ..., strategy: randomSearch({ trials: 25 }) }) });
 * ```
 */
export async function gridAndRandom(options: GridAndRandomOptions): Promise<string> {
  const where = "gridAndRandom";
  checkPicture(where, options, ["grid", "random", "x", "y"]);
  if (options === undefined || options === null) throw new MinibatchError(`${where}: options must have the studies grid and random`);
  const studies = [checkStudy(where, options.grid), checkStudy(where, options.random)] as const;
  const numbers = studies[0].parameters.filter(({ kind }) => kind !== "choice");
  const nameOf = (given: string | undefined, axis: string, fallback: ParameterLike | undefined) => {
    const name = given === undefined ? fallback?.name : checkText(where, axis, given);
    if (name === undefined) throw new MinibatchError(`${where}: the studies need two parameters with numbers, got ${numbers.length}`);
    for (const study of studies)
      if (parameterOf(where, study, name).kind === "choice")
        throw new MinibatchError(`${where}: ${axis} must be a parameter with numbers, got the choice "${name}"`);
    return name;
  };
  const xName = nameOf(
    options.x,
    "x",
    numbers.find(({ name }) => name !== options.y),
  );
  const yName = nameOf(
    options.y,
    "y",
    numbers.find(({ name }) => name !== xName),
  );
  const { title = "A grid and random points", width = defaultWidth, height = defaultHeight } = options;
  checkNumber(where, "width", width, { min: 240 });
  const drawn = studies.map((study, i) => {
    const [x, y] = [placed(where, parameterOf(where, study, xName), 4), placed(where, parameterOf(where, study, yName), 4)];
    const points = study.trials.flatMap((trial) => {
      const [px, py] = [x.at(trial), y.at(trial)];
      return px === undefined || py === undefined ? [] : [{ x: px, y: py }];
    });
    const values = [...new Set(points.map((point) => point.x))];
    return { name: i ? "random" : "grid", x, y, points, values };
  });
  const lib = await library();
  const svg = framed(width, height, { title }, (box) => {
    const gap = 20;
    const wide = (box.width - gap) / 2;
    return drawn
      .map(({ name, x, y, points, values }, i) => {
        const place: Box = { ...box, x: box.x + i * (wide + gap), width: wide };
        const said = `${points.length} trials, ${values.length} ${values.length === 1 ? "value" : "values"} of ${x.name}`;
        return panel(lib, place, {
          x: x.axis,
          y: y.axis,
          title: `${name}: ${said}`,
          marks: (plot, named) => [
            plot.ruleX(values, { stroke: faint, strokeOpacity: 0.45, strokeWidth: 1, ...named(`values ${name}`) }),
            plot.dot(points, { x: "x", y: "y", r: 4.5, fill: lookOf(i).color, symbol: lookOf(i).symbol, ...named(`points ${name}`) }),
          ],
        });
      })
      .join("");
  });
  return finished(where, svg, { ...options, title });
}
