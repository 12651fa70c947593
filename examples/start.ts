// What `npm start` runs: a network with batch norm and dropout learns real handwritten digits.
// Trains, shows its errors, saves the model, loads it again and lets it read a few digits it has never seen.
import {
  adam,
  backend,
  batchNorm,
  crossEntropy,
  type Dataset,
  dense,
  dropout,
  loadModel,
  type Model,
  metrics,
  relu,
  sequential,
  type Tensor,
  tensor,
} from "minibatch";
import { digits, split, standardize } from "minibatch/data";

const file = "digits.safetensors";

async function main(): Promise<void> {
  const { name, isa, threads } = backend();
  const all = await digits(); // x: [1797, 64], gray levels 0 to 16 of 8 x 8 images; y: [1797]
  const { train, dev, test } = split(all, { dev: 0.15, test: 0.15, stratify: true, seed: 1 });
  const count = (data: Dataset) => data.x.size(0);
  console.log(
    `${count(all)} handwritten digits: ${count(train)} to learn from, ${count(dev)} to watch, ${count(test)} kept back for the test`,
  );
  console.log(`back end: ${describeBackend(name, isa, threads)}\n`);

  const model = sequential([
    standardize(train).layer(),
    dense(128),
    batchNorm(),
    relu(),
    dropout({ keepProb: 0.8 }),
    dense(64),
    batchNorm(),
    relu(),
    dropout({ keepProb: 0.8 }),
    dense(10),
  ]);

  const began = performance.now();
  const run = model.fit(train, {
    dev,
    loss: crossEntropy(),
    optimizer: adam({ learningRate: 1e-3 }),
    batchSize: 64,
    epochs: 30,
    seed: 1,
  });
  for await (const epoch of run) {
    // The progress line above shows every epoch on a terminal; elsewhere some are enough.
    if (!process.stderr.isTTY && (epoch.epoch === 1 || epoch.epoch % 10 === 0)) {
      console.log(
        `epoch ${String(epoch.epoch).padStart(2)}  train loss ${epoch.trainLoss.toFixed(4)}  dev error ${percent(epoch.devError)}`,
      );
    }
  }
  const history = await run;
  const seconds = (performance.now() - began) / 1000;
  console.log(
    `\n${history.last.step} steps in ${seconds.toFixed(1)} s, best dev error ${percent(history.best.devError)} in epoch ${history.best.epoch}`,
  );

  const { accuracy } = await model.evaluate(test);
  console.log(`test accuracy ${percent(accuracy)}\n`);
  console.log(await confusion(model, test));

  await model.save(file);
  const loaded = await loadModel(file);
  console.log(`saved as ${file} and loaded again; it reads these test digits as`);
  console.log(await read(loaded, test, 6));
}

function percent(x: number): string {
  return `${(100 * x).toFixed(2)} %`;
}

function describeBackend(name: string, isa: string, threads: number): string {
  return name === "native"
    ? `native code, ${isa} kernels, ${threads} thread${threads === 1 ? "" : "s"}`
    : "TypeScript (the native addon is not there; `npx minibatch doctor` says why)";
}

/** Rows: what it is. Columns: what the network says. */
async function confusion(model: Model, data: Dataset): Promise<string> {
  const table = metrics.confusionMatrix(await model.predict(data.x), data.y).toArray(2); // [10, 10]
  const cell = (n: number | string) => String(n).padStart(4);
  const head = `      ${table.map((_, j) => cell(j)).join("")}   <- the network's answer`;
  return [head, ...table.map((row, i) => `    ${i} ${row.map((n) => cell(n || ".")).join("")}`), ""].join("\n");
}

/** Draws some images, taken from all over the set, side by side with the model's answers below. */
async function read(model: Model, data: Dataset, n: number): Promise<string> {
  const rows = Array.from({ length: n }, (_, i) => Math.floor(((i + 0.5) * data.x.size(0)) / n));
  const images = data.x.gather(tensor(rows, { dtype: "i32" })); // [n, 64]
  const classes = (await model.predict(images, { as: "classes" })).toArray(1);
  const probabilities = (await model.predict(images, { as: "probabilities" })).toArray(2);
  const answers = classes.map((digit, i) => `${digit} (${(100 * (probabilities[i]?.[digit] ?? 0)).toFixed(0)} %)`.padEnd(18)).join("");
  return `${draw(images)}\n  ${answers}`;
}

function draw(images: Tensor): string {
  const shades = " .:-=+*#%@";
  const rows = images.toArray(2);
  return Array.from({ length: 8 }, (_, y) => {
    const line = rows.map((image) => image.slice(8 * y, 8 * y + 8).map((level) => (shades[Math.round((level / 16) * 9)] ?? " ").repeat(2)));
    return `  ${line.map((cells) => cells.join("")).join("  ")}`;
  }).join("\n");
}

await main();
