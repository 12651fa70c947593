// Mistakes with augmentations, and with images that they are asked to change.
import { dataset, dense, flatten, ShapeError, sequential, tensor, zeros } from "minibatch";
import { augmented, centerCrop, crop, distort, flip, rotate, zoom } from "minibatch/data";
import { type Mistake, net, options, train, untyped } from "./mistake.ts";

const images = dataset(zeros([4, 6, 6]), [0, 1, 1, 0]);
const model = () => sequential([flatten(), dense(2)]);

export const augmentation: readonly Mistake[] = [
  {
    what: "a probability of 2",
    make: () => flip({ probability: 2 }),
    says: /^flip: probability must be a finite number from 0 to 1, got 2$/,
  },
  {
    what: "a misspelled option of an augmentation",
    make: () => flip(untyped({ probabilty: 0.5 })),
    says: /^flip: unknown option "probabilty", did you mean "probability"\?$/,
  },
  { what: "a bare number for an angle", make: () => rotate(untyped(15)), says: /^rotate: options must be an object with degrees, got 15$/ },
  { what: "no angle", make: () => rotate(untyped(undefined)), says: /^rotate: degrees must be .*, got undefined$/ },
  { what: "an angle that is not finite", make: () => rotate({ degrees: Number.NaN }), says: /^rotate: degrees must be .*, got NaN$/ },
  {
    what: "an angle beyond half a turn",
    make: () => rotate({ degrees: 270 }),
    says: /^rotate: degrees must be .* from 0 to 180, got 270$/,
  },
  { what: "a zoom that leaves nothing", make: () => zoom({ by: 1 }), says: /^zoom: by must be .* from 0 below 1, got 1$/ },
  { what: "a crop of one number", make: () => crop(untyped({ size: 24 })), says: /^crop: size must be \[height, width\], got 24$/ },
  {
    what: "a crop without rows",
    make: () => crop({ size: [0, 3] }),
    says: /^crop: size\[0\] must be a whole number from 1, got 0$/,
  },
  {
    what: "half a pixel of padding",
    make: () => crop({ size: [3, 3], pad: 0.5 }),
    says: /^crop: pad must be a whole number from 0 .*, got 0\.5$/,
  },
  { what: "a negative alpha", make: () => distort({ alpha: -1, sigma: 4 }), says: /^distort: alpha must be .* from 0, got -1$/ },
  { what: "a sigma of 0", make: () => distort({ alpha: 1, sigma: 0 }), says: /^distort: sigma must be .* above 0 to 100, got 0$/ },
  {
    what: "one augmentation without a list",
    make: () => net().fit(images, { ...options, augment: untyped(flip()) }),
    says: /^fit: augment: expected a list such as \[flip\(\), /,
  },
  {
    what: "an augmentation that was not called",
    make: () => net().fit(images, { ...options, augment: untyped([flip]) }),
    says: /^fit: augment: element 0 must be flip, .*; call it: flip\(\.\.\.\)$/,
  },
  {
    what: "a name for an augmentation",
    make: () => net().fit(images, { ...options, augment: untyped([flip(), "rotate"]) }),
    says: /^fit: augment: element 1 must be flip, .*, got "rotate"$/,
  },
  {
    what: "an augmentation made by hand",
    make: () => net().fit(images, { ...options, augment: [{ kind: "flip" }] }),
    says: /^fit: augment: element 0 must be flip, /,
  },
  {
    what: "rows instead of images",
    make: () => net().fit(train, { ...options, augment: [flip()] }),
    says: /^fit: augment: images must be \[m, height, width\] .*\[m, 2\].*reshape.*flatten\(\)/,
    kind: ShapeError,
  },
  {
    what: "volumes instead of images",
    make: () => net().fit(dataset(zeros([4, 2, 2, 2, 2]), [0, 1, 1, 0]), { ...options, augment: [flip()] }),
    says: /^fit: augment: images must be .*\[m, 2, 2, 2, 2\]/,
    kind: ShapeError,
  },
  {
    what: "a crop larger than the images",
    make: () => net().fit(images, { ...options, augment: [crop({ size: [8, 6] })] }),
    says: /^fit: augment: crop must not be larger than the images, got size \[8, 6\] for images of \[6, 6\]; pad adds/,
    kind: ShapeError,
  },
  {
    what: "a crop larger than images and padding, after another crop",
    make: () => augmented(images, [crop({ size: [4, 4] }), crop({ size: [4, 7], pad: 1 })]),
    says: /^augmented: crop must not be larger .*\[4, 7\] for images of \[4, 4\] with pad 1$/,
    kind: ShapeError,
  },
  {
    what: "dev images of the size before a crop",
    make: () => model().fit(images, { ...options, dev: images, augment: [crop({ size: [4, 4] })] }),
    says: /^fit: dev: crop makes examples of shape \[4, 4\].*got \[6, 6\]; centerCrop\(dev, \[4, 4\]\)/,
    kind: ShapeError,
  },
  {
    what: "dev images of yet another size",
    make: () => model().fit(images, { ...options, dev: dataset(zeros([1, 5, 5]), [0]), augment: [crop({ size: [4, 4] })] }),
    says: /^fit: dev: the model takes examples of shape \[4, 4\], got \[5, 5\]/,
    kind: ShapeError,
  },
  {
    what: "a crop for a model of larger images",
    make: () =>
      model()
        .build({ shape: [6, 6] })
        .fit(images, { ...options, augment: [crop({ size: [4, 4] })] }),
    says: /^model: it was built for examples of shape \[6, 6\], got \[4, 4\]/,
  },
  { what: "augmentation of nothing", make: () => augmented(images, untyped(undefined)), says: /^augmented: expected a list such as / },
  {
    what: "augmentation of rows",
    make: () => augmented(tensor([[1, 2]]), [flip()]),
    says: /^augmented: images must be .*\[1, 2\]/,
    kind: ShapeError,
  },
  {
    what: "half an epoch",
    make: () => augmented(images, [flip()], { epoch: 0.5 }),
    says: /^augmented: epoch must be a whole number .*0\.5$/,
  },
  {
    what: "a middle larger than the whole",
    make: () => centerCrop(images, [7, 2]),
    says: /^centerCrop: size\[0\] must be a whole number from 1 to 6, got 7$/,
  },
];
