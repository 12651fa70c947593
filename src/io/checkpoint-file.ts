// The checkpoint file: safetensors with a text beside the tensors and a SHA-256 of every part, so that damage is seen and
// named. What the tensors and the text mean is the trainer's affair.
import type { TypedArray } from "../dtype.ts";
import { MinibatchError } from "../errors.ts";
import { littleEndianBytes } from "./bytes.ts";
import { sha256 } from "./digest.ts";
import { type HeaderValue, parseHeader } from "./header.ts";
import { decodeSafetensors, encodeSafetensors, type StoredTensor } from "./safetensors.ts";

/** Raised when what a checkpoint holds, or what it means, changes; a file of a later version is refused by name. */
export const checkpointVersion = 2;
const format = "minibatch checkpoint";

export interface CheckpointContent {
  /** What is not an array of numbers, as text. */
  readonly run: string;
  readonly tensors: ReadonlyMap<string, StoredTensor<TypedArray>>;
}

/** A sound file that a later version of the library has written: not damage, and not to be passed over for an older one. */
export class LaterVersionError extends MinibatchError {}

/** The digest of a tensor covers its numbers; name, type and shape are covered by the text of the digests. */
async function digests(tensors: CheckpointContent["tensors"]): Promise<[name: string, digest: string][]> {
  const bytes = ({ data }: StoredTensor<TypedArray>) => littleEndianBytes(data) as Uint8Array<ArrayBuffer>;
  return Promise.all([...tensors].map(async ([name, tensor]): Promise<[string, string]> => [name, await sha256(bytes(tensor))]));
}

function describeTensors(tensors: CheckpointContent["tensors"], sums: readonly (readonly [string, string])[]): string {
  return JSON.stringify(
    Object.fromEntries(sums.map(([name, digest]) => [name, `${tensors.get(name)?.dtype}[${tensors.get(name)?.shape}] ${digest}`])),
  );
}

/** The digest over everything but the numbers. */
const sealOf = (version: string, run: string, sha256s: string) => sha256(`${version}\n${sha256s}\n${run}`);

export async function encodeCheckpoint({ run, tensors }: CheckpointContent): Promise<Uint8Array<ArrayBuffer>> {
  const version = String(checkpointVersion);
  const sha256s = describeTensors(tensors, await digests(tensors));
  const metadata = new Map([
    ["format", format],
    ["version", version],
    ["run", run],
    ["sha256", sha256s],
    ["seal", await sealOf(version, run, sha256s)],
  ]);
  return encodeSafetensors({ tensors, metadata });
}

/**
 * What a checkpoint holds, every byte of it checked. Throws a `MinibatchError` with code "FILE" that names the damage, and a
 * `LaterVersionError` for a sound file of a later version.
 */
export async function decodeCheckpoint(bytes: Uint8Array, file: string): Promise<CheckpointContent> {
  const fail = (what: string): never => {
    throw new MinibatchError(`checkpoint: ${what} (${file})`, "FILE");
  };
  const { tensors, metadata } = decodeSafetensors(bytes, file);
  const part = (name: string): string => metadata.get(name) ?? fail(`the file must have "${name}" in its metadata, got none`);
  if (part("format") !== format) fail("the file must be a checkpoint, got other tensors");
  const [version, run, sha256s] = [part("version"), part("run"), part("sha256")];
  if (part("seal") !== (await sealOf(version, run, sha256s))) fail("its metadata must fit their checksum, got other text");
  if (version !== String(checkpointVersion))
    throw new LaterVersionError(`checkpoint: version ${checkpointVersion} can be read, got version ${version} (${file})`, "FILE");
  let listed: HeaderValue;
  try {
    listed = parseHeader(sha256s);
  } catch {
    return fail("its checksums must be a list, got other text");
  }
  const expected = listed instanceof Map ? (listed as ReadonlyMap<string, HeaderValue>) : new Map<string, HeaderValue>();
  for (const name of expected.keys()) if (!tensors.has(name)) fail(`tensor "${name}" is missing`);
  for (const [name, digest] of await digests(tensors)) {
    const { dtype, shape } = tensors.get(name) as StoredTensor<TypedArray>;
    if (expected.get(name) !== `${dtype}[${shape}] ${digest}`)
      fail(`the numbers of tensor "${name}" must fit their checksum, got other numbers`);
  }
  return { run, tensors };
}
