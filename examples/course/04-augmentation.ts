// Augmentation: changed copies of few images teach a network what does not matter, as long as the changes are ones that can happen.
import { adam, crossEntropy, type Dataset, dataset, dense, flatten, ops, relu, schedule, sequential, stats } from "minibatch";
import { type Augmentation, augmented, crop, digits, distort, flip, rotate, split } from "minibatch/data";
import { bars, images as pictureOf } from "minibatch/plot";
import { claim, percent, picture, small, table } from "./claim.ts";

const all = await digits();
const images = dataset(all.x.cast("f32").div(16).reshape([1797, 8, 8]), all.y); // [m, height, width], 0 to 1

// Four of the changes, and what each is for. A shift by a pixel is a crop from an image with a border of one pixel.
const changes: Record<string, Augmentation[] | undefined> = {
  none: undefined,
  distort: [distort({ alpha: 8, sigma: 2 })], // the pen bends a little: elastic distortion
  shift: [crop({ size: [8, 8], pad: 1 })], // the camera is off by a pixel
  flip: [flip()], // a mirror image
};

// 1. What they do, exactly. A flip twice is no change, a rotation by 0 neither; and the same seed, row and epoch give the same image.
const twice = augmented(augmented(images.x, [flip({ probability: 1 })]), [flip({ probability: 1 })]);
const still = augmented(images.x, [rotate({ degrees: 0 })]);
claim(
  "a flip twice, and a rotation by 0, give every pixel back",
  stats.l1Norm(twice.sub(images.x)) === 0 && stats.l1Norm(still.sub(images.x)) === 0,
);
const draw = (epoch: number) => augmented(images.x, [distort({ alpha: 8, sigma: 2 })], { seed: 1, epoch });
claim(
  "every epoch sees other images, and a run can be repeated exactly",
  stats.l1Norm(draw(1).sub(draw(1))) === 0 && stats.l1Norm(draw(1).sub(draw(2))) > 1,
);

// 2. A hundred images to learn from. `augment` changes the training batches as they are built; dev stays as it is.
// Beside the dev set of centred digits stands one from a camera that is not aligned: every image is up to a pixel off.
const epochs = small ? 100 : 150;
async function errors(augment: Augmentation[] | undefined, seed: number): Promise<{ centred: number; shifted: number }> {
  const { train, dev } = split(images, { train: 100, dev: small ? 500 : 1000, stratify: true, seed });
  const shifted = augmented(dev, changes.shift ?? [], { seed });
  const model = sequential([flatten(), dense(128), relu(), dense(10)]);
  const optimizer = adam({ learningRate: schedule.cosine({ initial: 0.02, over: epochs }) });
  await model.fit(train, { loss: crossEntropy(), optimizer, augment, batchSize: 50, epochs, seed });
  const error = async (data: Dataset) => (await model.evaluate(data)).error;
  return { centred: await error(dev), shifted: await error(shifted) };
}

// A hundred rows are a matter of luck, so the errors are means over several draws of them.
const draws = small ? [1] : [1, 2, 3, 4];
const results: Record<string, { centred: number; shifted: number }> = {};
for (const [name, augment] of Object.entries(changes)) {
  const each = await Promise.all(draws.map((seed) => errors(augment, seed)));
  const mean = (of: "centred" | "shifted") => each.reduce((sum, error) => sum + error[of], 0) / draws.length;
  results[name] = { centred: mean("centred"), shifted: mean("shifted") };
}
table(
  Object.entries(results).map(([name, { centred, shifted }]) => ({
    augment: name,
    "dev, centred": percent(centred),
    "dev, off by a pixel": percent(shifted),
  })),
);
const { none, distort: bent, shift, flip: mirrored } = results;
if (!none || !bent || !shift || !mirrored) throw new Error("every change has its result");
claim("bent copies lower the dev error", bent.centred < (small ? 0.95 : 0.85) * none.centred);
claim("shifted copies cut the error on shifted images to less than half", shift.shifted < none.shifted / 2);

// 3. The price: the copies must be images that could have come in. No pen writes mirror images, and no digit of the centred dev set is shifted.
claim("mirrored copies raise the error: a mirrored digit is no digit", mirrored.centred > 1.1 * none.centred);
claim("where nothing is ever shifted, shifted copies do less than bent ones", shift.centred > bent.centred);

await picture(
  "04-augmentation",
  bars(
    Object.entries(results).flatMap(([name, { centred, shifted }]) => [
      { name, group: "dev, centred", value: 100 * centred },
      { name, group: "dev, off by up to a pixel", value: 100 * shifted },
    ]),
    { title: "Learning from 100 images", xLabel: "augmentation of the training images", yLabel: "error (%)" },
  ),
);
// The same ten images under each change, one row for each.
const ten = images.x.slice([0, 0, 0], [10, 8, 8]);
const shown = Object.entries(changes).map(([name, augment]) => ({ name, x: augment ? augmented(ten, augment, { seed: 2 }) : ten }));
await picture(
  "04-changed-images",
  pictureOf(ops.concat(shown.map(({ x }) => x)), {
    columns: 10,
    labels: shown.flatMap(({ name }) => Array<string>(10).fill(name)),
    title: "What the network is shown",
  }),
);
