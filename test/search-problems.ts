// Functions on which strategies are compared; formulas and optima after Surjanovic and Bingham, "Virtual Library of
// Simulation Experiments", and Dixon and Szegö 1978.
import { type Params, type Space, uniform } from "minibatch/search";

export interface Problem<S extends Space> {
  readonly name: string;
  readonly space: S;
  readonly f: (params: Params<S>) => number;
  readonly minimum: number;
}

const plane = { x: uniform(-5, 10), y: uniform(0, 15) };

export const branin: Problem<typeof plane> = {
  name: "Branin",
  space: plane,
  f: ({ x, y }) => (y - (5.1 * x * x) / (4 * Math.PI ** 2) + (5 * x) / Math.PI - 6) ** 2 + 10 * (1 - 1 / (8 * Math.PI)) * Math.cos(x) + 10,
  minimum: 0.39788735772973816,
};

const weights = [
  [10, 3, 17, 3.5, 1.7, 8],
  [0.05, 10, 17, 0.1, 8, 14],
  [3, 3.5, 1.7, 10, 17, 8],
  [17, 8, 0.05, 10, 0.1, 14],
];
const centres = [
  [1312, 1696, 5569, 124, 8283, 5886],
  [2329, 4135, 8307, 3736, 1004, 9991],
  [2348, 1451, 3522, 2883, 3047, 6650],
  [4047, 8828, 8732, 5743, 1091, 381],
];
const cube = { x1: uniform(0, 1), x2: uniform(0, 1), x3: uniform(0, 1), x4: uniform(0, 1), x5: uniform(0, 1), x6: uniform(0, 1) };

export const hartmann6: Problem<typeof cube> = {
  name: "Hartmann 6",
  space: cube,
  f: (params) => {
    const x = [params.x1, params.x2, params.x3, params.x4, params.x5, params.x6];
    return -[1, 1.2, 3, 3.2].reduce((sum, alpha, i) => {
      const inner = x.reduce((s, v, j) => s + (weights[i]?.[j] as number) * (v - (centres[i]?.[j] as number) / 1e4) ** 2, 0);
      return sum + alpha * Math.exp(-inner);
    }, 0);
  },
  minimum: -3.32236801141551,
};
