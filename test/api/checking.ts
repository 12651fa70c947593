// Gradients checked against central differences.
import { batchNorm, crossEntropy, dense, relu, sequential } from "minibatch";
import { train } from "./first.ts";
// --- example
import { checkGradients, l2 } from "minibatch";

const small = sequential([dense(8), batchNorm(), relu(), dense(10)]);
const report = await checkGradients(small, { x: train.x.slice([0, 0], [16, 64]), y: train.y.slice([0], [16]), loss: crossEntropy(), regularizer: l2(0.1) });
report.difference;      // ||approx - grad|| / (||approx|| + ||grad||), about 1e-9 when all is well
report.verdict;         // "correct" (<= 1e-7), "look" (< 1e-3), "bug" (from 1e-3)
report.parameters;      // the same per parameter, worst element first, so that "only db is wrong" can be seen
// --- end

export { report };
