// Small bitmaps as data URIs, so that a picture holds its pixels itself. PNG (W3C, third edition) with stored blocks: no compressor
// is needed, and the same pixels are the same bytes everywhere. Knows pixels only.

/** Rows from the top, `channels` bytes a pixel: 1 grey, 3 red green blue. */
export interface Bitmap {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
  readonly pixels: Uint8Array;
}

const crcTable = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c >>> 0;
});

function crc32(bytes: Uint8Array): number {
  let c = 0xffffffff;
  for (const byte of bytes) c = (crcTable[(c ^ byte) & 0xff] as number) ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}

function adler32(bytes: Uint8Array): number {
  let [a, b] = [1, 0];
  for (const byte of bytes) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  return ((b << 16) | a) >>> 0;
}

const bigEndian = (n: number) => Uint8Array.of(n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255);

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Length, name, content, checksum of name and content. */
function chunk(name: string, content: Uint8Array): Uint8Array {
  const body = joined([Uint8Array.from(name, (c) => c.charCodeAt(0)), content]);
  return joined([bigEndian(content.length), body, bigEndian(crc32(body))]);
}

/** A zlib stream of blocks that are stored as they are. */
function stored(bytes: Uint8Array): Uint8Array {
  const most = 0xffff;
  const parts: Uint8Array[] = [Uint8Array.of(0x78, 0x01)];
  for (let at = 0; at < bytes.length || at === 0; at += most) {
    const block = bytes.subarray(at, at + most);
    const last = at + most >= bytes.length ? 1 : 0;
    const n = block.length;
    parts.push(Uint8Array.of(last, n & 255, n >>> 8, ~n & 255, (~n >>> 8) & 255), block);
  }
  return joined([...parts, bigEndian(adler32(bytes))]);
}

export function png({ width, height, channels, pixels }: Bitmap): Uint8Array {
  // Each row begins with the number of its filter; 0 is none.
  const row = width * channels;
  const raw = new Uint8Array((row + 1) * height);
  for (let y = 0; y < height; y++) raw.set(pixels.subarray(y * row, (y + 1) * row), y * (row + 1) + 1);
  const header = joined([bigEndian(width), bigEndian(height), Uint8Array.of(8, channels === 1 ? 0 : 2, 0, 0, 0)]);
  const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
  return joined([signature, chunk("IHDR", header), chunk("IDAT", stored(raw)), chunk("IEND", new Uint8Array(0))]);
}

function base64(bytes: Uint8Array): string {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const parts: string[] = [];
  for (let at = 0; at < bytes.length; at += 3) {
    const [a = 0, b, c] = bytes.subarray(at, at + 3);
    const word = (a << 16) | ((b ?? 0) << 8) | (c ?? 0);
    parts.push(
      letters.charAt(word >>> 18),
      letters.charAt((word >>> 12) & 63),
      b === undefined ? "=" : letters.charAt((word >>> 6) & 63),
      c === undefined ? "=" : letters.charAt(word & 63),
    );
  }
  return parts.join("");
}

/** For the href of an image. */
export function dataUri(bitmap: Bitmap): string {
  return `data:image/png;base64,${base64(png(bitmap))}`;
}
