// Public exports of minibatch/plot, nothing else.
export type { Numbers } from "../dtype.ts";
export { type Bar, type BarsOptions, bars, type HistogramOptions, histograms, type Values } from "./bars.ts";
export { type ConfusionOptions, confusionMatrix } from "./confusion.ts";
export { type GraphOptions, graph } from "./graph.ts";
export { type ImagesOptions, images } from "./images.ts";
export { landscape } from "./landscape.ts";
export { activationHistograms, gradientHealth } from "./layers.ts";
export type { PictureOptions } from "./picture.ts";
export { type AxesOptions, type Group, lines, type Series, scatter } from "./series.ts";
export {
  type BoxesOptions,
  boxes,
  type GridAndRandomOptions,
  gridAndRandom,
  importance,
  type ParameterLike,
  parallelCoordinates,
  type SlicesOptions,
  type StudyLike,
  type StudyPictureOptions,
  slices,
  studyHistory,
  type TrialLike,
} from "./study.ts";
export { learningCurves, learningRates, type MovingAveragesOptions, movingAverages, type ScheduleOptions, schedule } from "./training.ts";
export { weights } from "./weights.ts";
