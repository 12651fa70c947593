// Pictures of training, and the page about a run.
import { adam, crossEntropy, dense, relu, sequential } from "minibatch";
import { dev, history, model, train } from "./first.ts";
// --- example
import { gradientHealth, landscapes, metrics, momentum, schedule } from "minibatch";
import * as plot from "minibatch/plot";

const curves = await plot.learningCurves(history, { file: "curves.svg" });                     // SVG as text, and as a file
await plot.schedule(schedule.cosine({ initial: 0.1, over: 20 }), { epochs: 25, file: "rate.svg" }); // before it is used
await plot.confusionMatrix(metrics.confusionMatrix(await model.predict(dev.x), dev.y), { file: "confusion.html" });
await plot.lines([{ name: "cost", y: [3, 2, 1.5] }], { xLabel: "epoch", yLabel: "cost", yScale: "log", file: "cost.svg" });

const canyon = landscapes.canyon();
const { path } = landscapes.descend(canyon, momentum({ learningRate: 0.02 }), { steps: 60 });
await plot.landscape(canyon, { momentum: path }, { file: "canyon.svg" });
// --- end

// --- example
const watched = sequential([dense(32), relu(), dense(10)]).fit(train, { dev, loss: crossEntropy(), optimizer: adam(), epochs: 10 });
await watched.report("report.html");                             // waits for the end of the run
await plot.gradientHealth(gradientHealth(watched), { file: "health.svg" });
// --- end

export { curves };
