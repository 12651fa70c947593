// Public exports of minibatch/plot, nothing else.
export { type Bar, type BarsOptions, bars, type HistogramOptions, histograms, type Values } from "./bars.ts";
export type { PictureOptions } from "./picture.ts";
export { type AxesOptions, type Group, lines, type Series, scatter } from "./series.ts";
export { learningCurves, type MovingAveragesOptions, movingAverages, type ScheduleOptions, schedule } from "./training.ts";
