// Who is told of everything that a run does: the writer of a log, or a replay that compares. The trainer knows no more of them than this.

import { sha256, sha256OfBlocks } from "../io/digest.ts";
import type { Network, Structure } from "../nn/network.ts";
import type { Weights } from "../nn/weights.ts";
import type { Epoch, Intervention, StoppedBecause } from "./history.ts";
import type { Settings } from "./options.ts";

/** What a recorder learns when a run begins. */
export interface Beginning {
  readonly network: Network;
  readonly structure: Structure;
  readonly settings: Settings;
  /** What two runs must share to have the same weights. */
  readonly identity: Readonly<Record<string, string>>;
  /** Before the first step of a run that goes on with no other. */
  readonly start: Weights;
  /** Where a checkpoint had it go on. */
  readonly resumed: { readonly step: number; readonly epochs: number; readonly interventions: readonly Intervention[] } | undefined;
  /** Whether it was asked to go on with another run, had there been one. */
  readonly resumes: boolean;
}

export interface Recorder {
  /** Before the first step. Rejects when the run cannot be recorded. */
  begin(beginning: Beginning): Promise<void>;
  intervention(intervention: Intervention): void;
  /** With the weights at its end. */
  epoch(epoch: Epoch, weights: Weights): Promise<void>;
  /** With the weights that the model has from then on. Not called when the run fails. */
  end(because: StoppedBecause, step: number, weights: Weights): Promise<void>;
  /** The run is over, however; after end it changes nothing. */
  close(): Promise<void>;
}

/** SHA-256 over parameters and statistics: equal for equal bits, as 64 hexadecimal digits. */
export async function weightsDigest({ theta, state }: Weights): Promise<string> {
  return sha256(`${await sha256OfBlocks(theta)} ${await sha256OfBlocks(state)}`);
}
