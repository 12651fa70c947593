// What `minibatch/data` offers. Public exports, nothing else.
export { type Augmentation, crop, distort, flip, rotate, zoom } from "../nn/augmentation.ts";
export { augmented, centerCrop } from "./augmented.ts";
export { batches, suggestBatchSize } from "./batches.ts";
export { type Comparison, compareDistributions, type FeatureComparison } from "./compare.ts";
export { type CsvOptions, csv } from "./csv.ts";
export { idx } from "./idx.ts";
export { oneHot } from "./labels.ts";
export { npy } from "./npy.ts";
export { breastCancer, diabetes, digits, fashionMnist, iris, wine } from "./sets.ts";
export { type Fold, kFold, type SplitCommon, split, suggestSplit } from "./split.ts";
export { type Scaler, standardize } from "./standardize.ts";
