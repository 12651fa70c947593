// The data sets: five small ones that ship with the package (data/SOURCE.md says whose they are), and Fashion-MNIST from a folder.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Dataset, dataset } from "../dataset.ts";
import { convert, dtypeOf } from "../dtype.ts";
import { checkOptions, describe, internal, MinibatchError } from "../errors.ts";
import { show } from "../shape.ts";
import { fromArray } from "../tensor.ts";
import { decodeIdx } from "./idx.ts";
import { readBytes, readText } from "./read.ts";

/** A shipped file. The folder lies one step up from the built package, two from the sources. */
function shipped(name: string): URL {
  for (const up of ["../", "../../"]) {
    const file = new URL(`${up}data/${name}`, import.meta.url);
    if (existsSync(file)) return file;
  }
  throw new MinibatchError(
    `data: the package's file data/${name} must lie beside its code, got none (was the package bundled without its folder "data"?)`,
    "FILE",
  );
}

/** The numbers of a shipped text, row by row, all of one length. */
async function rowsOf(name: string, separator: string, skip = 0): Promise<number[][]> {
  const lines = (await readText("data", shipped(name))).trimEnd().split("\n").slice(skip);
  const rows = lines.map((line) => line.split(separator).map(Number));
  const wrong = rows.findIndex((row) => row.length !== rows[0]?.length || !row.every(Number.isFinite));
  if (wrong >= 0) throw internal(`data/${name} is damaged in row ${wrong + 1}`);
  return rows;
}

/** The features and the last column, which holds the classes. */
function table(x: Float32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>, rows: readonly number[][], classes?: readonly string[]): Dataset {
  const n = (rows[0] as number[]).length - 1;
  for (const [i, row] of rows.entries()) x.set(row.slice(0, n), i * n);
  const y = Int32Array.from(rows, (row) => row[n] as number);
  return dataset(fromArray(x, [rows.length, n]), fromArray(y, [rows.length]), { classes });
}

/** A table whose first line gives rows, features and the names of the classes. */
async function named(name: string): Promise<Dataset> {
  const [first = ""] = (await readText("data", shipped(name))).split("\n", 1);
  const [m, n, ...classes] = first.trim().split(",");
  const rows = await rowsOf(name, ",", 1);
  if (rows.length !== Number(m) || rows[0]?.length !== Number(n) + 1) throw internal(`data/${name} must have ${m} rows of ${n} features`);
  return table(new Float32Array(Number(m) * Number(n)), rows, classes);
}

/** 1,797 handwritten digits: x u8 `[1797, 64]`, images of 8 x 8 pixels from 0 to 16; y i32 `[1797]`, the digit. */
export async function digits(): Promise<Dataset> {
  const rows = await rowsOf("digits.csv.gz", ",");
  return table(new Uint8Array(rows.length * 64), rows);
}

/** 150 flowers of three species: x f32 `[150, 4]`, sizes in centimetres; y i32 `[150]`. */
export function iris(): Promise<Dataset> {
  return named("iris.csv");
}

/** 178 wines of three growers: x f32 `[178, 13]`; y i32 `[178]`. */
export function wine(): Promise<Dataset> {
  return named("wine_data.csv");
}

/** 569 tumours: x f32 `[569, 30]`; y i32 `[569]`, 0 malignant, 1 benign. */
export function breastCancer(): Promise<Dataset> {
  return named("breast_cancer.csv");
}

/** 442 patients: x f32 `[442, 10]`; y f32 `[442]`, the progress of the illness after a year (regression). */
export async function diabetes(): Promise<Dataset> {
  const [x, y] = await Promise.all([rowsOf("diabetes_data_raw.csv.gz", " "), rowsOf("diabetes_target.csv.gz", " ")]);
  const m = x.length;
  return dataset(fromArray(Float32Array.from(x.flat()), [m, 10]), fromArray(Float32Array.from(y.flat()), [m]));
}

const fashionFolder = "/usr/share/datasets/fashion-mnist";
const fashionClasses = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"];

/**
 * Fashion-MNIST: x u8 `[m, 784]`, images of 28 x 28 pixels from 0 to 255; y i32 `[m]`; 60,000 rows to train, 10,000 to test.
 * `dir` holds the four IDX files, gzipped or not; by default it is the environment variable MINIBATCH_FASHION_MNIST, else the folder of
 * Debian's package dataset-fashion-mnist.
 */
export async function fashionMnist(options: { dir?: string | undefined } = {}): Promise<{ train: Dataset; test: Dataset }> {
  checkOptions("fashionMnist", options, ["dir"]);
  const dir = options.dir ?? (process.env.MINIBATCH_FASHION_MNIST || fashionFolder);
  if (typeof dir !== "string" || dir === "") throw new MinibatchError(`fashionMnist: dir must be a folder's path, got ${describe(dir)}`);
  const names = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];
  const files = names.map((name) => [join(dir, `${name}.gz`), join(dir, name)].find((file) => existsSync(file)));
  const [trainImages, trainLabels, testImages, testLabels] = files;
  if (!trainImages || !trainLabels || !testImages || !testLabels) {
    const absent = names.filter((_, i) => files[i] === undefined);
    throw new MinibatchError(
      `fashionMnist: the folder must hold ${names.join(", ")} (each gzipped, .gz, or not), got ${describe(dir)} without ${absent.join(", ")}; ` +
        `on Debian "apt install dataset-fashion-mnist" puts them into ${fashionFolder}, elsewhere the option dir or MINIBATCH_FASHION_MNIST names a folder`,
      "FILE",
    );
  }
  const [train, test] = await Promise.all([images(trainImages, trainLabels), images(testImages, testLabels)]);
  return { train, test };
}

async function images(imageFile: string, labelFile: string): Promise<Dataset> {
  const [x, y] = [
    decodeIdx(await readBytes("fashionMnist", imageFile), imageFile),
    decodeIdx(await readBytes("fashionMnist", labelFile), labelFile),
  ];
  const [m = 0, height = 0, width = 0] = x.shape;
  if (x.shape.length !== 3 || dtypeOf(x.data) !== "u8") {
    throw new MinibatchError(`fashionMnist: images must be u8 [m, 28, 28], got ${dtypeOf(x.data)} ${show(x.shape)} (${imageFile})`, "FILE");
  }
  return dataset(fromArray(x.data, [m, height * width]), fromArray(convert(y.data, "i32"), y.shape), { classes: fashionClasses });
}
