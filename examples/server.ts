// Training does not block the process: an HTTP server answers with one model while another one trains.
//
//   npx tsx examples/server.ts
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { adam, backend, batchNorm, crossEntropy, dense, relu, sequential } from "minibatch";
import { digits, split, standardize } from "minibatch/data";

export async function serveWhileTraining({ epochs = 40 } = {}) {
  const { train, test } = split(await digits(), { test: 0.2, seed: 1 });
  const network = () =>
    sequential([standardize(train).layer(), dense(256), batchNorm(), relu(), dense(256), batchNorm(), relu(), dense(10)]);
  const options = { loss: crossEntropy(), optimizer: adam(), seed: 1 };

  const serving = network();
  await serving.fit(train, { ...options, epochs: 5 });
  const server = createServer((request, response) => {
    const row = Number(new URL(request.url ?? "/", "http://localhost").searchParams.get("row"));
    const [digit] = serving.predictSync(test.x.slice([row, 0], [1, 64]), { as: "classes" }).toArray(1);
    response.end(String(digit));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;

  let training = true;
  // One thread is left to the server.
  const run = network().fit(train, { ...options, epochs, threads: Math.max(1, backend().threads - 1) });
  const done = run.finally(() => {
    training = false;
  });
  const delays: number[] = [];
  let right = 0;
  while (training) {
    const row = delays.length % test.x.size(0);
    const asked = performance.now();
    const answer = Number(await (await fetch(`http://127.0.0.1:${port}/?row=${row}`)).text());
    delays.push(performance.now() - asked);
    if (answer === test.y.slice([row], [1]).item()) right++;
  }
  const history = await done;
  server.close();
  delays.sort((a, b) => a - b);
  return { steps: history.last.step, requests: delays.length, right, median: delays[delays.length >> 1] ?? 0, slowest: delays.at(-1) ?? 0 };
}

if (process.argv[1]?.endsWith("server.ts")) {
  const { steps, requests, right, median, slowest } = await serveWhileTraining();
  console.log(`${requests} requests answered during ${steps} training steps, ${right} of them right`);
  console.log(`median ${median.toFixed(1)} ms, slowest ${slowest.toFixed(1)} ms`);
}
