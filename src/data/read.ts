// Bytes and text of a data file, gzipped or not: told by its first bytes, not by its name; and what every format with sizes in its
// header must check. Knows no format of data.
import { constants } from "node:buffer";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { MinibatchError } from "../errors.ts";
import { readFile } from "../io/file.ts";
import { checkShape, type Shape } from "../shape.ts";

const inflate = promisify(gunzip);

/**
 * A gzipped file may unpack to this many times its size and this much beside: the numbers of real data sets shrink tenfold at most, zeros
 * a thousandfold. What grows more is taken for a bomb.
 */
const maxGrowth = 100;
const alwaysUnpacked = 2 ** 28;
/** What V8 holds in one string, 2^29 - 24 characters. */
const maxText = 2 ** 29 - 24;

export async function readBytes(op: string, file: string | URL): Promise<Uint8Array> {
  const bytes = await readFile(op, file);
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  const maxOutputLength = Math.min(maxGrowth * bytes.length + alwaysUnpacked, constants.MAX_LENGTH);
  try {
    const buffer = await inflate(bytes, { maxOutputLength });
    return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
  } catch (cause) {
    if ((cause as { code?: unknown }).code === "ERR_BUFFER_TOO_LARGE") {
      const what = `a gzipped file may unpack to ${maxOutputLength} bytes, "${file}" of ${bytes.length} bytes has more`;
      throw new MinibatchError(`${op}: ${what}; unpack it yourself if you trust it`, "FILE", { cause });
    }
    throw new MinibatchError(`${op}: a gzipped file must be whole, got "${file}", which does not unpack: cut short?`, "FILE", { cause });
  }
}

/** The file as text, without a byte order mark. */
export async function readText(op: string, file: string | URL): Promise<string> {
  return textOf(op, await readBytes(op, file), file);
}

export function textOf(op: string, bytes: Uint8Array, file: string | URL): string {
  if (bytes.length > maxText)
    throw new MinibatchError(`${op}: a text file has at most ${maxText} bytes, got ${bytes.length} in "${file}"`, "FILE");
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new MinibatchError(`${op}: a text file must be UTF-8, got other bytes in "${file}"`, "FILE", { cause });
  }
}

/** The sizes that a file's header gives, if they are a shape of ours. `fail` makes the error. */
export function shapeInFile(shape: readonly number[], fail: (what: string) => Error): Shape {
  try {
    return checkShape("shape", shape);
  } catch (error) {
    throw fail((error as Error).message);
  }
}
