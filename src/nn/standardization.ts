// The layer behind standardize(train).layer(): a fixed shift and scale per feature, saved with the model.
import { MinibatchError } from "../errors.ts";
import { div } from "../ops/elementwise.ts";
import { asTensor } from "../tensor.ts";
import { type Init, init as inits } from "./init.ts";
import { type Layer, makeLayer } from "./layer.ts";

function given(values: ArrayLike<number>): Init {
  return {
    kind: "given",
    fill(out) {
      if (out.length !== values.length)
        throw new MinibatchError(`standardize: the scaler was fitted on ${values.length} features, the model gives ${out.length}`);
      for (let i = 0; i < out.length; i++) out[i] = values[i] as number;
    },
  };
}

/** y = (x - mean) / deviation per feature, or with `inverse` y = x deviation + mean. */
export function standardizationLayer(mean: ArrayLike<number>, deviation: ArrayLike<number>, inverse = false): Layer {
  return affineLayer(mean.length, given(mean), given(deviation), inverse);
}

function affineLayer(n: number, shift: Init, spread: Init, inverse: boolean): Layer {
  return makeLayer(
    "standardization",
    undefined,
    (x, { state }) => {
      const features = x.shape.slice(1);
      if (features.reduce((product, size) => product * size, 1) !== n) {
        throw new MinibatchError(`standardize: the scaler was fitted on ${n} features, the layer's input has shape [${x.shape}]`);
      }
      const center = state("mean", features, { init: shift });
      const scale = state("deviation", features, { init: spread });
      // A product with the inverse, which is as many divisions as there are features: simplify makes one pass of it.
      return inverse ? x.mul(scale).add(center) : x.sub(center).mul(asTensor(div(1, scale)));
    },
    { saved: { size: n, inverse } },
  );
}

/** For loading: the numbers come from the file's tensors. */
export function standardizationFromFile(options: Readonly<Record<string, unknown>>): Layer {
  const size = Number(options.size);
  if (!Number.isInteger(size) || size < 0 || size > 2 ** 24)
    throw new MinibatchError(`loadModel: standardization: size must be a whole number, got ${String(options.size)}`, "FILE");
  return affineLayer(size, inits.zeros(), inits.ones(), options.inverse === true);
}
