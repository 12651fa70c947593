// A file for every rule of the safetensors format that can be broken (format definition of the safetensors project, README "Format", and the
// checks of its reference reader), and files made to cost memory. Knows no reader.

export interface RuleCase {
  readonly rule: string;
  readonly bytes: Uint8Array;
  /** What the error must name. */
  readonly field: RegExp;
}

/** A file with this header and so many bytes of numbers; `length` is written instead of the header's own. */
export function fileOf(header: string | Uint8Array, numbers = 0, length?: bigint): Uint8Array {
  const text = typeof header === "string" ? new TextEncoder().encode(header) : header;
  const out = new Uint8Array(8 + text.length + numbers);
  new DataView(out.buffer).setBigUint64(0, length ?? BigInt(text.length), true);
  out.set(text, 8);
  return out;
}

const entry = (dtype: string, shape: string, offsets: string): string => `{"dtype":${dtype},"shape":${shape},"data_offsets":${offsets}}`;
const one = (dtype: string, shape: string, offsets: string, numbers: number): Uint8Array =>
  fileOf(`{"a":${entry(dtype, shape, offsets)}}`, numbers);
const two = (first: string, second: string, numbers: number): Uint8Array =>
  fileOf(
    `{"a":${entry('"U8"', first.split("@")[0] as string, first.split("@")[1] as string)},"b":${entry('"U8"', second.split("@")[0] as string, second.split("@")[1] as string)}}`,
    numbers,
  );

export function ruleCases(): RuleCase[] {
  const length = /header's length|header must end/;
  const cases: [rule: string, bytes: Uint8Array, field: RegExp][] = [
    ["8 bytes of length come first", new Uint8Array(7), /header's length/],
    ["8 bytes of length come first: nothing", new Uint8Array(0), /header's length/],
    ["a header has at most 100 MB", fileOf("{}", 0, 100_000_001n), length],
    ["a header has at most 100 MB: 2^32", fileOf("{}", 0, 2n ** 32n), length],
    ["a header has at most 100 MB: 2^63", fileOf("{}", 0, 2n ** 63n), length],
    ["a header has at most 100 MB: 2^64 - 1", fileOf("{}", 0, 2n ** 64n - 1n), length],
    ["the header ends inside the file", fileOf("{}", 0, 3n), length],
    ["the header ends inside the file: 100 MB", fileOf("{}", 0, 100_000_000n), length],
    ["the header is not empty", fileOf(""), /header must start with/],
    ['the header begins with "{"', fileOf(" {}"), /header must start with/],
    ['the header begins with "{": a byte order mark', fileOf("\ufeff{}"), /header must start with/],
    ["the header is an object", fileOf("[]"), /header must start with/],
    ["the header is UTF-8", fileOf(Uint8Array.of(0x7b, 0xff, 0x7d)), /UTF-8/],
    ["the header is UTF-8: overlong", fileOf(Uint8Array.of(0x7b, 0x22, 0xc0, 0x80, 0x22, 0x7d)), /UTF-8/],
    ["the header is JSON", fileOf("{a:1}"), /character 1 of the header/],
    ["the header is JSON: no comment", fileOf("{/**/}"), /character 1 of the header/],
    ["the header is JSON: unfinished", fileOf('{"a"'), /header/],
    ["the header is JSON: a comma too many", fileOf('{"a":1,}'), /"a"|header/],
    ["only spaces come behind the object", fileOf("{} {}"), /character 3 of the header/],
    ["only spaces come behind the object: NUL", fileOf("{}\u0000"), /character 2 of the header/],
    ["names differ", fileOf(`{"a":${entry('"U8"', "[0]", "[0,0]")},"a":${entry('"U8"', "[0]", "[0,0]")}}`), /"a" twice/],
    ["names differ: by escapes", fileOf(`{"a":${entry('"U8"', "[0]", "[0,0]")},"\\u0061":${entry('"U8"', "[0]", "[0,0]")}}`), /"a" twice/],
    [
      "names differ: __proto__",
      fileOf(`{"__proto__":${entry('"U8"', "[0]", "[0,0]")},"__proto__":${entry('"U8"', "[0]", "[0,0]")}}`),
      /"__proto__" twice/,
    ],
    ["names differ: fields of a tensor", fileOf('{"a":{"dtype":"U8","dtype":"F32","shape":[],"data_offsets":[0,1]}}', 1), /"dtype" twice/],
    ["names differ: metadata", fileOf('{"__metadata__":{},"__metadata__":{}}'), /"__metadata__" twice/],
    ["names differ: within metadata", fileOf('{"__metadata__":{"k":"1","k":"2"}}'), /"k" twice/],
    ["a tensor is an object", fileOf('{"a":[]}'), /"a" must be an object/],
    ["a tensor is an object: null", fileOf('{"a":null}'), /"a" must be an object/],
    ["a tensor has a dtype", fileOf('{"a":{"shape":[],"data_offsets":[0,1]}}', 1), /no dtype/],
    ["a tensor has a shape", fileOf('{"a":{"dtype":"U8","data_offsets":[0,1]}}', 1), /no shape/],
    ["a tensor has offsets", fileOf('{"a":{"dtype":"U8","shape":[]}}', 1), /no data_offsets/],
    ["fields are the tensor's own: __proto__", fileOf('{"a":{"__proto__":{"dtype":"U8"},"shape":[],"data_offsets":[0,1]}}', 1), /no dtype/],
    ["the dtype is known", one('"F128"', "[1]", "[0,16]", 16), /"a"\.dtype/],
    ["the dtype is known: case", one('"f32"', "[1]", "[0,4]", 4), /"a"\.dtype/],
    ["the dtype is known: of an object", one('"constructor"', "[1]", "[0,4]", 4), /"a"\.dtype/],
    ["the dtype is text", one("3", "[1]", "[0,4]", 4), /"a"\.dtype/],
    ["the shape is a list", one('"U8"', "1", "[0,1]", 1), /"a"\.shape/],
    ["the shape has numbers", one('"U8"', '["1"]', "[0,1]", 1), /"a"\.shape/],
    ["the shape has numbers: null", one('"U8"', "[null]", "[0,1]", 1), /"a"\.shape/],
    ["sizes are whole", one('"U8"', "[1.0]", "[0,1]", 1), /numbers whole/],
    ["sizes are whole: exponents", one('"U8"', "[1e0]", "[0,1]", 1), /numbers whole/],
    ["sizes are not negative", one('"U8"', "[-1]", "[0,1]", 1), /numbers whole/],
    ["sizes are not negative: -0", one('"U8"', "[-0]", "[0,0]", 0), /numbers whole/],
    ["sizes are exact: 2^53 + 1", one('"U8"', "[9007199254740993]", "[0,1]", 1), /numbers whole/],
    ["sizes are exact: 2^64", one('"U8"', "[18446744073709551616]", "[0,0]", 0), /numbers whole/],
    ["sizes have no leading zero", one('"U8"', "[01]", "[0,1]", 1), /numbers whole/],
    ["the product of sizes does not overflow", one('"U8"', "[4294967296,4294967296]", "[0,0]", 0), /"a"\.shape/],
    ["the product of sizes does not overflow: with the element", one('"F64"', "[4503599627370496]", "[0,0]", 0), /"a"\.shape/],
    ["the product of sizes does not overflow: 0 behind", one('"U8"', "[4294967296,4294967296,0]", "[0,0]", 0), /"a"\.shape/],
    ["offsets are a list", one('"U8"', "[1]", "1", 1), /"a"\.data_offsets/],
    ["offsets are two", one('"U8"', "[1]", "[0,1,1]", 1), /"a"\.data_offsets/],
    ["offsets are two: one", one('"U8"', "[0]", "[0]", 0), /"a"\.data_offsets/],
    ["offsets are two: none", one('"U8"', "[0]", "[]", 0), /"a"\.data_offsets/],
    ["offsets are numbers", one('"U8"', "[1]", '[0,"1"]', 1), /"a"\.data_offsets/],
    ["offsets are whole", one('"U8"', "[1]", "[0,1.5]", 1), /numbers whole/],
    ["offsets are not negative", one('"U8"', "[1]", "[-1,0]", 1), /numbers whole/],
    ["begin is not behind end", one('"U8"', "[1]", "[1,0]", 1), /"a"\.data_offsets/],
    ["offsets fit the shape: fewer", one('"F32"', "[2]", "[0,4]", 4), /"a"\.data_offsets/],
    ["offsets fit the shape: more", one('"F32"', "[1]", "[0,8]", 8), /"a"\.data_offsets/],
    ["offsets fit the shape: a scalar has one", one('"F32"', "[]", "[0,0]", 0), /"a"\.data_offsets/],
    ["offsets end inside the file", one('"U8"', "[4]", "[0,4]", 3), /"a"\.data_offsets/],
    ["offsets end inside the file: 2^53 - 1", one('"U8"', "[9007199254740991]", "[0,9007199254740991]", 3), /"a"\.data_offsets/],
    ["no hole before the first", one('"U8"', "[1]", "[1,2]", 2), /"a"\.data_offsets/],
    ["no hole between", two("[1]@[0,1]", "[1]@[2,3]", 3), /"b"\.data_offsets/],
    ["no overlap", two("[2]@[0,2]", "[2]@[1,3]", 3), /"b"\.data_offsets/],
    ["no overlap: the same twice", two("[2]@[0,2]", "[2]@[0,2]", 2), /"b"\.data_offsets/],
    ["no overlap: inside", two("[4]@[0,4]", "[2]@[1,3]", 4), /"b"\.data_offsets/],
    ["nothing behind the last", one('"U8"', "[1]", "[0,1]", 2), /cover all 2 bytes/],
    ["nothing behind no tensor", fileOf("{}", 1), /cover all 1 bytes/],
    ["metadata is an object", fileOf('{"__metadata__":[]}'), /"__metadata__" must/],
    ["metadata is an object: null", fileOf('{"__metadata__":null}'), /"__metadata__" must/],
    ["metadata holds texts: a number", fileOf('{"__metadata__":{"k":1}}'), /"__metadata__"\."k"/],
    ["metadata holds texts: null", fileOf('{"__metadata__":{"k":null}}'), /"__metadata__"\."k"/],
    ["metadata holds texts: an object", fileOf('{"__metadata__":{"k":{}}}'), /"__metadata__"\."k"/],
    ["texts are whole characters", fileOf('{"\\ud800":1}'), /whole characters/],
    ["texts have no control characters", fileOf('{"\n":1}'), /escapes/],
    ["nesting is bounded", fileOf(`{"a":${"[".repeat(50_000)}`), /levels/],
    ["nesting is bounded: objects", fileOf('{"a":'.repeat(50_000)), /levels/],
    ["lists are bounded", one('"U8"', `[${"1,".repeat(1000)}1]`, "[0,1]", 1), /items/],
  ];
  return cases.map(([rule, bytes, field]) => ({ rule, bytes, field }));
}

/** Headers of about this many bytes that would grow to many times their size in a parser that keeps what it reads. */
export function headerBombs(size: number): { what: string; bytes: Uint8Array }[] {
  const filled = (begin: string, unit: string, end: string): Uint8Array => {
    const out = new Uint8Array(8 + size).fill(0x20);
    new DataView(out.buffer).setBigUint64(0, BigInt(size), true);
    const bytes = Buffer.from(out.buffer);
    bytes.write(begin, 8, "latin1");
    bytes.fill(unit, 8 + begin.length, out.length - end.length - unit.length, "latin1");
    // The last unit may be cut: the end puts an end to it in any case.
    bytes.write(end, out.length - end.length, "latin1");
    return out;
  };
  const numbers = new Uint8Array(8 + 128 + size);
  const header = `{"a":${entry('"F32"', `[${size / 4}]`, `[0,${size}]`)}}`.padEnd(128);
  numbers.set(fileOf(header), 0);
  const empty = entry('"U8"', "[0]", "[0,0]");
  let named = "{";
  for (let i = 0; named.length < size - 200; i++) named += `"${i.toString(36)}":${empty},`;
  const tensors = fileOf(`${named}"last":${empty}}`);
  return [
    { what: "one tensor of numbers", bytes: numbers },
    { what: "a list of zeros", bytes: filled('{"a":{"dtype":"U8","shape":[', "0,", "0]}}") },
    { what: "empty lists", bytes: filled('{"a":{"x":[', "[],", "[]]}}") },
    { what: "empty objects", bytes: filled('{"a":{"x":[', "{},", "{}]}}") },
    { what: "open lists", bytes: filled('{"a":', "[", "}") },
    { what: "open objects", bytes: filled("", '{"":', "}") },
    { what: "metadata without end", bytes: filled('{"__metadata__":{', '"":"",', '"":""}}') },
    { what: "one long name", bytes: filled('{"', "x", '":1}') },
    { what: "a name of escapes", bytes: filled('{"', "\\u0041", '":1}') },
    { what: "a million empty tensors", bytes: tensors },
    { what: "spaces", bytes: filled("{", " ", "}") },
  ];
}
