// A strict reader for the JSON of a file's header: duplicate names, deep nesting and numbers that are not whole are refused, and objects
// become maps, so that a name such as "__proto__" is a name like any other. Knows nothing of tensors.

export type HeaderValue = string | number | boolean | null | readonly HeaderValue[] | HeaderMap;
export type HeaderMap = ReadonlyMap<string, HeaderValue>;

/** What is wrong and at which character; the caller adds the file. */
export class HeaderError extends Error {}

/** Headers are three deep; more than this is an attack on the call stack. */
const maxDepth = 16;

const space = /[ \t\r\n]*/y;
const word = /[-+.\w]+/y;
/** A surrogate without its other half: no UTF-8 can hold it. */
export const loneSurrogate = /\p{Surrogate}/u;

export function parseHeader(source: string): HeaderValue {
  let at = 0;

  function fail(what: string): never {
    const got = at < source.length ? JSON.stringify(source.slice(at, at + 12)) : "the end";
    throw new HeaderError(`${what} expected at character ${at} of the header, got ${got}`);
  }
  function token(pattern: RegExp): string | undefined {
    pattern.lastIndex = at;
    const found = pattern.exec(source)?.[0];
    if (found !== undefined) at += found.length;
    return found;
  }
  function skip(): void {
    token(space);
  }
  /** Whether `mark` comes next; steps over it if so. */
  function eat(mark: string): boolean {
    skip();
    if (source[at] !== mark) return false;
    at++;
    return true;
  }
  function string(): string {
    skip();
    let end = at + 1;
    while (end < source.length && source[end] !== '"') end += source[end] === "\\" ? 2 : 1;
    if (source[at] !== '"' || end >= source.length) fail("a string");
    let value: unknown;
    try {
      value = JSON.parse(source.slice(at, end + 1));
    } catch {
      fail("a string with JSON's escapes");
    }
    if (typeof value !== "string" || loneSurrogate.test(value)) return fail("a string of whole characters");
    at = end + 1;
    return value;
  }
  function object(depth: number): HeaderMap {
    const map = new Map<string, HeaderValue>();
    if (eat("}")) return map;
    do {
      const name = string();
      if (map.has(name)) throw new HeaderError(`names must differ, got ${JSON.stringify(name)} twice in the header`);
      if (!eat(":")) fail('":"');
      map.set(name, value(depth));
    } while (eat(","));
    if (!eat("}")) fail('"," or "}"');
    return map;
  }
  function list(depth: number): HeaderValue[] {
    const items: HeaderValue[] = [];
    if (eat("]")) return items;
    do items.push(value(depth));
    while (eat(","));
    if (!eat("]")) fail('"," or "]"');
    return items;
  }
  function value(depth: number): HeaderValue {
    if (depth >= maxDepth) throw new HeaderError(`at most ${maxDepth} levels may be nested, got more at character ${at} of the header`);
    if (eat("{")) return object(depth + 1);
    if (eat("[")) return list(depth + 1);
    if (source[at] === '"') return string();
    const start = at;
    const found = token(word);
    if (found === "true" || found === "false") return found === "true";
    if (found === "null") return null;
    if (found !== undefined && /^(0|[1-9]\d*)$/.test(found)) {
      const number = Number(found);
      if (Number.isSafeInteger(number)) return number;
    }
    at = start;
    return fail("a value (numbers whole, from 0 to 2^53 - 1)");
  }

  const result = value(0);
  skip();
  if (at < source.length) fail("the end");
  return result;
}
