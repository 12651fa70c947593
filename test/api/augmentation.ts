// Augmentation as the guide shows it.
import { adam, crossEntropy, dense, relu, sequential } from "minibatch";
import { standardize } from "minibatch/data";
import { dev, train } from "./first.ts";

// --- example
import { dataset, flatten } from "minibatch";
import { augmented, crop, rotate, zoom } from "minibatch/data";

const images = dataset(train.x.reshape([train.x.size(0), 8, 8]), train.y);       // rows of 64 numbers become images
const devImages = dataset(dev.x.reshape([dev.x.size(0), 8, 8]), dev.y);
const augment = [crop({ size: [8, 8], pad: 1 }), rotate({ degrees: 10 }), zoom({ by: 0.1 })];

const scale = standardize(augmented(images, augment)).layer();                   // measured on images as training sees them
const reader = sequential([scale, flatten(), dense(128), relu(), dense(10)]);
const learnt = await reader.fit(images, { dev: devImages, loss: crossEntropy(), optimizer: adam(), augment, epochs: 20, seed: 1 });

const shown = augmented(images, augment, { seed: 1, epoch: 20 });                // the very images of the last epoch
console.log(learnt.best.devError, shown.x.shape);
// --- end

export { images, learnt, reader, shown };
