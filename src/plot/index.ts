// Public exports of minibatch/plot, nothing else.
export type { Numbers } from "../dtype.ts";
export { type Bar, type BarsOptions, bars, type HistogramOptions, histograms, type Values } from "./bars.ts";
export { type BoxesOptions, boxes, type GridAndRandomOptions, gridAndRandom } from "./boxes.ts";
export { type ConfusionOptions, confusionMatrix } from "./confusion.ts";
export { type GraphOptions, graph } from "./graph.ts";
export { type ImagesOptions, images } from "./images.ts";
export { landscape } from "./landscape.ts";
export { activationHistograms, gradientHealth } from "./layers.ts";
export type { PictureOptions } from "./picture.ts";
export { type AxesOptions, type Group, lines, type Series, scatter } from "./series.ts";
export { importance, parallelCoordinates, type SlicesOptions, slices, studyHistory } from "./study.ts";
export { learningCurves, learningRates, type MovingAveragesOptions, movingAverages, type ScheduleOptions, schedule } from "./training.ts";
export type { ParameterLike, StudyLike, StudyPictureOptions, TrialLike } from "./trials.ts";
export { weights } from "./weights.ts";
