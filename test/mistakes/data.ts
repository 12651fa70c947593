// Mistakes with data sets and files.
import { dataset, ShapeError, tensor } from "minibatch";
import { batches, csv, fashionMnist, idx, kFold, npy, oneHot, split, standardize, suggestSplit } from "minibatch/data";
import { file, type Mistake, scratch, train, untyped, written, x } from "./mistake.ts";

export const data: readonly Mistake[] = [
  { what: "no seed for a split", make: () => split(train, untyped({ dev: 0.5 })), says: /^split: seed must be/ },
  { what: "parts that are more than the whole", make: () => split(train, { dev: 0.7, test: 0.7, seed: 1 }), says: /^split: / },
  { what: "more folds than rows", make: () => kFold(train, { k: 5, seed: 1 }), says: /^kFold: k must be .*, got 5$/ },
  { what: "batches of nothing", make: () => batches(train, { size: 0 }), says: /^batches: size must be a whole number from 1.*, got 0$/ },
  { what: "one class too many", make: () => oneHot([0, 3], 3), says: /^oneHot: .*3/ },
  {
    what: "scaling another width",
    make: () => standardize(train).transform([[1, 2, 3]]),
    says: /^standardize: .*\[2\].*\[1, 3\]/,
    kind: ShapeError,
  },
  {
    what: "scaling with missing values",
    make: () => standardize(tensor([[1], [Number.NaN]])),
    says: /^standardize: values must be finite, got NaN in row 1/,
  },
  { what: "a split of nothing", make: () => suggestSplit(0), says: /^suggestSplit: m must be a whole number from .*, got 0$/ },
  { what: "a csv file that is not there", make: () => csv(file("none.csv"), { label: "y" }), says: /^csv: .*none\.csv/ },
  {
    what: "a label column that is not there",
    make: () => csv(written("a.csv", "x,target\n1,2\n"), { label: "traget" }),
    says: /^csv: .*"traget".*"target"/,
  },
  {
    what: "a csv row that is too short",
    make: () => csv(written("b.csv", "x,z,y\n1,2,3\n4,5\n"), { label: "y" }),
    says: /^csv: .*(line|row) \d.*b\.csv|^csv: .*b\.csv.*(line|row) \d/,
  },
  { what: "an idx file that is something else", make: () => idx(written("c.idx", "no idx at all")), says: /^idx: .*c\.idx/ },
  {
    what: "a truncated npy file",
    make: () => npy(written("d.npy", Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, 118))),
    says: /^npy: .*d\.npy/,
  },
  { what: "Fashion-MNIST where it is not", make: () => fashionMnist({ dir: scratch }), says: /^fashionMnist: / },
  {
    what: "a class of one row to stratify",
    make: () => split(dataset(x, [0, 0, 0, 1]), { dev: 0.5, stratify: true, seed: 1 }),
    says: /^split: .*class/,
  },
  {
    what: "a class of two rows for three sets",
    make: () => split(dataset([0, 1, 2, 3, 4, 5], [0, 0, 0, 0, 1, 1]), { dev: 1, test: 1, stratify: true, seed: 1 }),
    says: /^split: stratify needs a row of every class for each of 3 sets, got 2 of class 1/,
  },
  {
    what: "ratios that do not add up",
    make: () => split(train, untyped({ train: 0.5, dev: 0.25, seed: 1 })),
    says: /^split: fractions must add up to 1 .*got train 0\.5, dev 0\.25/,
  },
];
