// Damage to bytes: flips, cuts, splices, and numbers replaced by hostile ones, in binary and in the text of a header.
// Knows no format beyond where a header of text may lie.
import type { Random } from "./evidence.ts";

/** What overflows, wraps or surprises somewhere. */
const hostileTexts = [
  "-1",
  "0",
  "1",
  "2",
  "1e3",
  "1.5",
  "-0",
  "NaN",
  "Infinity",
  "null",
  "true",
  '""',
  "[]",
  "{}",
  '"__proto__"',
  "127",
  "128",
  "255",
  "256",
  "65535",
  "65536",
  "2147483647",
  "2147483648",
  "4294967295",
  "4294967296",
  "4294967297",
  "9007199254740991",
  "9007199254740992",
  "9007199254740993",
  "18446744073709551615",
  "18446744073709551616",
  "1e308",
  "1e999",
  "99999999999999999999999999999999999999",
  "0x10",
  "01",
  "1_000",
];
const hostileWords = [
  "__proto__",
  "constructor",
  "toString",
  "hasOwnProperty",
  "__metadata__",
  "dtype",
  "shape",
  "data_offsets",
  "F32",
  "BF16",
  "U8",
  "f4",
  "O8",
  "<constructor",
  "valueOf",
  "input",
  "dense",
  "units",
  "name",
  "architecture",
  "y",
  "\u0000",
  "\ud83d\ude00",
  "\\ud800",
];
const hostileIntegers = [
  0n,
  1n,
  7n,
  8n,
  0x7fn,
  0x80n,
  0xffn,
  0x7fffn,
  0xffffn,
  0x7fffffffn,
  0x80000000n,
  0xffffffffn,
  0x100000000n,
  100_000_000n,
  100_000_001n,
  2n ** 53n,
  2n ** 63n,
  2n ** 64n - 1n,
];

type Mutation = (bytes: Uint8Array, random: Random, other: Uint8Array) => Uint8Array;

const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");
const fromLatin1 = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "latin1"));

/** Replaces one match of a pattern in the bytes read as text; with `fit` the rest is moved so that a length before it stays right. */
function replaceMatch(bytes: Uint8Array, random: Random, pattern: RegExp, values: readonly string[]): Uint8Array {
  const text = latin1(bytes);
  const found = [...text.matchAll(pattern)].slice(0, 400);
  if (found.length === 0) return bytes;
  const match = random.pick(found);
  const value = Buffer.from(random.pick(values), "utf8").toString("latin1");
  const changed = fromLatin1(text.slice(0, match.index) + value + text.slice(match.index + match[0].length));
  // Half of the time the length of a safetensors header is put right, so that the damage is met behind it.
  if (random.chance(0.5) && bytes.length >= 8 && changed.length >= 8) {
    const view = new DataView(changed.buffer);
    const length = view.getBigUint64(0, true);
    const begin = 8 + match.index;
    if (length < 2n ** 32n && begin > 8) view.setBigUint64(0, length + BigInt(changed.length - bytes.length), true);
  }
  return changed;
}

export const mutations: Readonly<Record<string, Mutation>> = {
  flip: (bytes, random) => {
    const out = Uint8Array.from(bytes);
    for (let k = 1 + random.below(4); k > 0 && out.length > 0; k--) {
      const at = random.below(out.length);
      out[at] = (out[at] as number) ^ (1 << random.below(8));
    }
    return out;
  },
  byte: (bytes, random) => {
    const out = Uint8Array.from(bytes);
    for (let k = 1 + random.below(4); k > 0 && out.length > 0; k--) out[random.below(out.length)] = random.word();
    return out;
  },
  cut: (bytes, random) => bytes.slice(0, random.below(bytes.length + 1)),
  grow: (bytes, random) => Uint8Array.from([...bytes, ...Array.from({ length: 1 + random.below(40) }, () => random.word())]),
  remove: (bytes, random) => {
    const begin = random.below(bytes.length + 1);
    const end = Math.min(bytes.length, begin + 1 + random.below(16));
    return Uint8Array.from([...bytes.subarray(0, begin), ...bytes.subarray(end)]);
  },
  repeat: (bytes, random) => {
    const begin = random.below(bytes.length + 1);
    const part = bytes.subarray(begin, begin + 1 + random.below(64));
    return Uint8Array.from([...bytes.subarray(0, begin), ...part, ...bytes.subarray(begin)]);
  },
  splice: (bytes, random, other) => {
    const at = random.below(Math.min(bytes.length, other.length) + 1);
    return Uint8Array.from([...bytes.subarray(0, at), ...other.subarray(at)]);
  },
  integer: (bytes, random) => {
    const out = Uint8Array.from(bytes);
    const width = random.pick([1, 2, 4, 8]);
    if (out.length < width) return out;
    // Lengths and sizes stand at the beginning.
    const at = random.chance(0.7) ? random.below(Math.min(20, out.length - width + 1)) : random.below(out.length - width + 1);
    const value = random.pick(hostileIntegers);
    const big = random.chance(0.5);
    for (let k = 0; k < width; k++) out[at + (big ? width - 1 - k : k)] = Number((value >> BigInt(8 * k)) & 0xffn);
    return out;
  },
  number: (bytes, random) => replaceMatch(bytes, random, /-?\d+(\.\d+)?/g, hostileTexts),
  word: (bytes, random) => replaceMatch(bytes, random, /[A-Za-z_]\w*/g, hostileWords),
  mark: (bytes, random) =>
    replaceMatch(bytes, random, /[{}[\]",:()']/g, ["{", "}", "[", "]", '"', ",", ":", "(", ")", "", "{{", "]]", '\\"']),
};

/** One to three mutations, one after another, and their names. */
export function mutate(bytes: Uint8Array, random: Random, other: Uint8Array): { bytes: Uint8Array; names: string } {
  const names: string[] = [];
  let now = bytes;
  for (let k = random.pick([1, 1, 1, 2, 3]); k > 0; k--) {
    const name = random.pick(Object.keys(mutations));
    names.push(name);
    now = (mutations[name] as Mutation)(now, random, other);
  }
  return { bytes: now, names: names.join("+") };
}
