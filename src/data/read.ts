// Bytes and text of a data file, gzipped or not: told by its first bytes, not by its name. Knows no format of data.
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { MinibatchError } from "../errors.ts";
import { readFile } from "../io/file.ts";

const inflate = promisify(gunzip);

export async function readBytes(op: string, file: string | URL): Promise<Uint8Array> {
  const bytes = await readFile(op, file);
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    const buffer = await inflate(bytes);
    return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
  } catch (cause) {
    throw new MinibatchError(`${op}: a gzipped file must be whole, got "${file}", which does not unpack: cut short?`, "FILE", { cause });
  }
}

/** The file as text, without a byte order mark. */
export async function readText(op: string, file: string | URL): Promise<string> {
  const bytes = await readBytes(op, file);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new MinibatchError(`${op}: a text file must be UTF-8, got other bytes in "${file}"`, "FILE", { cause });
  }
}
