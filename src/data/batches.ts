// Mini-batches for a loop of one's own, and the size that suits a training set.
import type { Dataset } from "../dataset.ts";
import { checkNumber, checkOptions } from "../errors.ts";
import { checkSeed, permutation } from "../random.ts";
import { rowCount, taker } from "./rows.ts";

/**
 * The rows in random order, `size` at a time; the last batch is smaller when the rows do not divide. Another epoch is another order;
 * the same seed and epoch give the same batches, as often as they are gone through.
 *
 * ```ts
 * for (const { x, y } of batches(train, { size: 64, seed: 1, epoch: 1 })) step(x, y);
 * ```
 */
export function batches(
  data: Dataset,
  options: { size: number; seed?: number | undefined; epoch?: number | undefined },
): Iterable<Dataset> {
  const m = rowCount("batches", data);
  checkOptions("batches", options, ["size", "seed", "epoch"]);
  const size = checkNumber("batches", "size", options?.size, { whole: true, min: 1 });
  const seed = checkSeed("batches", options.seed ?? 0);
  const epoch = checkNumber("batches", "epoch", options.epoch ?? 1, { whole: true, min: 0, max: 2 ** 32 - 1 });
  return {
    *[Symbol.iterator]() {
      const take = taker(data);
      const order = permutation({ seed, purpose: "shuffle", step: epoch }, m);
      for (let begin = 0; begin < m; begin += size) yield take(order.subarray(begin, begin + size));
    },
  };
}

/** Up to here one step over all rows is cheap, and its cost falls at every step. */
const smallTrainingSet = 2000;
/** Fewer updates in an epoch than this, and a larger batch costs more epochs than it saves time. */
const updatesPerEpoch = 200;

/** "all" up to 2000 rows; then the largest of 64, 128, 256 and 512 that leaves 200 updates in an epoch, 64 at least. */
export function suggestBatchSize(m: number): number | "all" {
  checkNumber("suggestBatchSize", "m", m, { whole: true, min: 1 });
  if (m <= smallTrainingSet) return "all";
  return [512, 256, 128].find((size) => m / size >= updatesPerEpoch) ?? 64;
}
