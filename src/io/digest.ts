// SHA-256 of bytes, computed off the event loop by the platform's own cryptography. Knows no files.

/** Blocks of shared memory that are copied at a time: the platform digests only bytes that nobody else can write. */
const blockBytes = 4 * 2 ** 20;

function hex(digest: ArrayBuffer): string {
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** SHA-256 as 64 hexadecimal digits. */
export async function sha256(bytes: Uint8Array<ArrayBuffer> | string): Promise<string> {
  return hex(await globalThis.crypto.subtle.digest("SHA-256", typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes));
}

/** SHA-256 of the SHA-256 of every block of 4 MB: for large or shared memory, of which only one block is copied at a time. */
export async function sha256OfBlocks(bytes: Uint8Array): Promise<string> {
  const digests: string[] = [];
  for (let at = 0; at < bytes.length; at += blockBytes) digests.push(await sha256(new Uint8Array(bytes.subarray(at, at + blockBytes))));
  return sha256(digests.join(""));
}
