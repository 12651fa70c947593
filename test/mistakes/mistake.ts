// What a mistake is, and what the tables of mistakes share: a small data set, models on it, a folder for files.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { adam, type BusyError, crossEntropy, dataset, dense, type Model, relu, type ShapeError, sequential, tensor } from "minibatch";
import { afterAll } from "vitest";

export interface Mistake {
  readonly what: string;
  readonly make: () => unknown;
  readonly says: RegExp;
  /** The class of the error, where it is not plainly MinibatchError. */
  readonly kind?: typeof ShapeError | typeof BusyError;
}

/** What JavaScript lets through and TypeScript would not. */
export const untyped = (value: unknown) => value as never;

export const scratch = mkdtempSync(join(tmpdir(), "minibatch-bad-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

export const file = (name: string) => join(scratch, name);
export const written = (name: string, content: string | Uint8Array) => {
  writeFileSync(file(name), content);
  return file(name);
};

export const x = tensor([
  [0, 1],
  [1, 0],
  [1, 1],
  [0, 0],
]); // [4, 2]
export const train = dataset(x, [0, 1, 1, 0]);
export const options = { loss: crossEntropy(), optimizer: adam(), epochs: 1 };
export const net = () => sequential([dense(4), relu(), dense(2)]);
export const built = () => net().build({ shape: [2] });
export const trained = async (): Promise<Model> => {
  const model = net();
  await model.fit(train, options);
  return model;
};
