// onnxruntime-node on network (a) as PyTorch wrote it: `node onnx.mjs FILE THREADS`. One network, so nothing runs beside
// it: one thread between operators, all of them within one.
import { InferenceSession, Tensor } from "onnxruntime-node";
import { numbers, sample, serve } from "./serve.mjs";

const [file, threads] = process.argv.slice(2);
const options = { intraOpNumThreads: Number(threads), interOpNumThreads: 1, executionMode: "sequential" };
const session = await InferenceSession.create(file, options);

await serve("onnxruntime-node", {
  inference({ rows, seconds }) {
    const x = numbers(rows * 784);
    return sample(() => session.run({ x: new Tensor("float32", x, [rows, 784]) }), seconds);
  },
});
