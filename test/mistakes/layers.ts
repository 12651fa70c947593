// Mistakes in building a model.
import { dense, dropout, init, input, layer, relu, sequential } from "minibatch";
import { type Mistake, net, untyped } from "./mistake.ts";

export const layers: readonly Mistake[] = [
  { what: "dropout with a bare number", make: () => dropout(untyped(0.5)), says: /^dropout: .*keepProb/ },
  {
    what: "dropout that keeps nothing",
    make: () => dropout({ keepProb: 0 }),
    says: /^dropout: keepProb must be a finite number above 0 to 1, got 0$/,
  },
  { what: "dropout with rate and keepProb", make: () => dropout(untyped({ keepProb: 0.8, rate: 0.2 })), says: /^dropout: / },
  { what: "a dense layer without units", make: () => dense(0), says: /^dense: units must be a whole number from 1.*, got 0$/ },
  { what: "half a unit", make: () => dense(2.5), says: /^dense: units must be a whole number from 1.*, got 2\.5$/ },
  {
    what: "a misspelled option of a layer",
    make: () => dense(2, untyped({ biass: false })),
    says: /^dense: unknown option "biass", did you mean "bias"\?$/,
  },
  { what: "an initialiser that was not called", make: () => dense(2, { init: untyped(init.he) }), says: /init/ },
  { what: "no layers", make: () => sequential([]), says: /^sequential: / },
  {
    what: "a layer that was not called",
    make: () => sequential([untyped(relu)]),
    says: /^sequential: element 0 must be a layer, got a function/,
  },
  { what: "layers that are not in an array", make: () => sequential(untyped(dense(2))), says: /^sequential: / },
  {
    what: "a kind of layer that the library has",
    make: () => layer("dense", (a) => a),
    says: /^layer: "dense" is a kind of the library; choose another name$/,
  },
  {
    what: "a layer that forgets to return",
    make: () =>
      sequential([
        layer(
          "mute",
          untyped(() => undefined),
        )(),
      ]).build({ shape: [2] }),
    says: /^mute: the forward function must return a tensor, got undefined/,
  },
  { what: "building with a bad shape", make: () => net().build({ shape: [0.5] }), says: /sizes must be whole numbers from 0 on/ },
  {
    what: "an input layer in the middle",
    make: () => sequential([dense(2), input({ shape: [3] }), dense(1)]).build({ shape: [2] }),
    says: /input/,
  },
];
