// What tfjs-core's comparisons ask of their environment: which objects are typed arrays.
import { notApplicable } from "./jasmine.ts";

const environment = {
  platform: {
    isTypedArray: (x: unknown) =>
      x instanceof Float32Array || x instanceof Int32Array || x instanceof Uint8Array || x instanceof Uint8ClampedArray,
    encode: () => notApplicable("text is not a tensor"),
  },
  getBool: () => false,
  get: () => undefined,
};
export const env = () => environment;
