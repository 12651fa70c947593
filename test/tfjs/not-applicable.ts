// What minibatch does not do, so that no test of it can be asked: names of tfjs-core with the reason, files that test its own parts,
// single cases that ask for another rule. A name, a file or a failing case without a decision here is a failure.

/** Thrown where a test asks for something that the library does not offer; the reason is a group in the report. */
export class NotApplicable extends Error {}

const windows = "windows (convolution, pooling) are not in the op table";
const images = "of images there is augmentation only, no resampling to other sizes and no boxes";
const trigonometry = "trigonometric and hyperbolic functions but tanh are not in the op table";
const machinery = "tfjs-core's own parts: engine, backends, registries, tape";
const memory = "no memory is freed by hand: there is no tidy, no dispose, no scope";
const state = "an optimizer's state is saved with a run's checkpoint, not read out and put back by hand";

const groups: Readonly<Record<string, string>> = {
  [windows]:
    "conv1d conv2d conv2dTranspose conv3d conv3dTranspose depthwiseConv2d depthwiseConv2D separableConv2d avgPool avgPool3d maxPool maxPool3d maxPoolWithArgmax pool dilation2d localResponseNormalization fused.conv2d fused.depthwiseConv2d conv2d_util backend_util conv_util",
  [images]:
    "image.resizeBilinear image.resizeNearestNeighbor image.cropAndResize image.nonMaxSuppression image.nonMaxSuppressionAsync image.nonMaxSuppressionPadded image.nonMaxSuppressionPaddedAsync image.nonMaxSuppressionWithScore image.nonMaxSuppressionWithScoreAsync image.transform image.threshold image.rotateWithOffset image.grayscaleToRGB image.rgbToGrayscale browser spaceToBatchND batchToSpaceND depthToSpace resizeBilinear resizeNearestNeighbor",
  [trigonometry]: "sin cos tan asin acos atan atan2 sinh cosh asinh acosh atanh",
  [machinery]:
    "engine ENGINE env ENV backend getBackend setBackend ready registerBackend findBackend removeBackend registerKernel unregisterKernel getKernel registerGradient getGradient op customGrad profile time nextFrame kernel_impls setPlatform enableProdMode enableDebugMode test_util util serialization io version_core convertToTensor data_util slice_util isTensorInList getTensorsInContainer makeTypesMatch assertTypesMatch",
  [memory]: "isDisposed keep dispose",
  [state]:
    "getWeights setWeights getConfig fromConfig iterations saveIterations extractIterations MomentumOptimizer RMSPropOptimizer AdamOptimizer AdamaxOptimizer AdagradOptimizer AdadeltaOptimizer setIterations incrementIterations",
  "recurrent layers are not offered": "basicLSTMCell multiRNNCell",
  "complex numbers are not offered": "complex real imag spectral fft ifft rfft irfft signal",
  "text is not a tensor": "string encodeString",
  "sparse and ragged tensors are not offered": "sparse sparseToDense raggedGather raggedRange raggedTensorToTensor",
  "shapes that depend on values are refused by design": "booleanMaskAsync whereAsync setdiff1dAsync unique",
  "rounding, remainders and bits are not in the op table": "ceil floor round mod floorDiv bitwiseAnd",
  "sorting, products and running sums are not in the op table": "topk prod cumsum cumprod searchSorted lowerBound upperBound inTopKAsync",
  "decompositions and other linear algebra are not offered": "linalg diag",
  "einsum notation and meshes are not offered": "einsum meshgrid",
  "scattering is only the gradient of gather here (it adds, along one axis)": "scatterND tensorScatterUpdate bincount denseBincount",
  "gathering by tuples is not offered": "gatherND",
  "log(1 + x) and e^x - 1 are not in the op table": "log1p expm1",
  "pad repeats one value; its mirror is not offered": "mirrorPad",
  "slices have no strides, masks or ellipses": "stridedSlice",
  "random draws are normal or uniform, on [low, high)": "multinomial randomGamma truncatedNormal randomUniformInt rand",
  "optimizers are sgd, momentum, nesterov, rmsprop, adam, adamW and adagrad": "train.adadelta train.adamax",
  "running averages of arrays are in stats, not on variables": "movingAverage",
  "shapes are broadcast by the ops themselves": "broadcastArgs",
  "numbers are made by JavaScript itself (ranges, copies of them)": "linspace",
  "tensors are looked at with data, item and toArray, and printed by nobody": "print toString bytes bytesSync",
  "a tensor cannot be checked to have a shape": "ensureShape",
  "a tensor of text or a GPU's memory is not made": "createVideoElement encodeStrings",
  "it draws on a canvas": "draw",
  "a tensor's numbers are never changed in place": "buffer TensorBuffer",
};

const byName: ReadonlyMap<string, string> = new Map(
  Object.entries(groups).flatMap(([reason, names]) => names.split(" ").map((name) => [name, reason] as const)),
);

/** Why a name of tfjs-core is out of scope: itself, or the family that it belongs to. */
export function reasonOf(name: string): string | undefined {
  const parts = name.split(".");
  for (let length = parts.length; length > 0; length--) {
    const reason = byName.get(parts.slice(0, length).join("."));
    if (reason) return reason;
  }
  return undefined;
}

/** Files that are not loaded, since they import tfjs-core's own parts. Their cases are counted in the text. */
export const filesNotApplicable: readonly { readonly pattern: RegExp; readonly reason: string }[] = [
  { pattern: /^(backends|io|platforms)\//, reason: machinery },
  {
    pattern:
      /^(debug_mode|device_util|engine|environment|flags|hash_util|jasmine_util|kernel_registry|profiler|serialization|tape|tensor_util|test_util|types|util|version|worker_node|worker|browser_util|globals)$/,
    reason: machinery,
  },
  { pattern: /^ops\/.*_util$/, reason: "it tests functions inside tfjs-core" },
  { pattern: /^(buffer)$/, reason: "a tensor's numbers are never changed in place" },
  { pattern: /^ops\/(range|clone)$/, reason: "the facade would answer by itself" },
  { pattern: /^(ops\/(operation|rand|from_pixels|to_pixels)|public\/.*)$/, reason: machinery },
];

/**
 * Cases that ask for another rule than the library's documented one, by a pattern of their full names. Only a case that fails is looked up
 * here, and each pattern must be needed (run.ts).
 */
export const casesNotApplicable: readonly { readonly pattern: RegExp; readonly reason: string }[] = [
  { pattern: /(max|min) gradient: (1D, )?ties/, reason: "equal greatest or least numbers share the gradient evenly" },
  { pattern: /(maximum|minimum) > gradients: Tensor[12]D$/, reason: "equal numbers share the gradient of maximum and minimum in halves" },
  { pattern: /gradients: relu6 array/, reason: "clip passes the gradient on its bounds" },
  { pattern: /^ops\/arg_(max|min) .*ignores NaNs/, reason: "NaN counts as the greatest number" },
  { pattern: /^ops\/sign > /, reason: "NaN propagates through every op" },
  { pattern: /^ops\/all > all > ignores NaNs/, reason: "a NaN is no truth value" },
  { pattern: /> throws for (int32|string) tensor$/, reason: "whole numbers are taken as f32" },
  { pattern: /indices not int32 throws error/, reason: "indices may be whole numbers of any dtype" },
  { pattern: /stack > non matching dtypes throws error/, reason: "tensors that are joined take the widest dtype" },
  { pattern: /(maximum|minimum) > bool and bool/, reason: "truth values are u8, and the greater of two is u8 too" },
  { pattern: /oneHot > (Out of range events|Supports chaining)|ignores negative segmentIds/, reason: "indices out of range are refused" },
  { pattern: /oneHot > Depth 1 throws error/, reason: "oneHot may have one class" },
  { pattern: /pow > gradient/, reason: "whole numbers have no gradients" },
  { pattern: /gradients > reshape outside tf.grads\(\) throws/, reason: "the gradient of what a cost does not depend on is zero" },
  { pattern: /Incorrect tensor rank leads to Error/, reason: "oneHot takes indices of any rank" },
  { pattern: /ensureShape > null shape/, reason: "null is no number" },
  {
    pattern: /tf\.tensor\(\) from (Float32Array and number\[\]|Int32Array and number\[\]|mixed TypedArray)/,
    reason: "rows are typed arrays or lists, not both",
  },
  { pattern: /variable > if name already used/, reason: "variables may have the same name" },
];
