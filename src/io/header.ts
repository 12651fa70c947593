// A strict reader for the JSON of a file's header: duplicate names, deep nesting and numbers that are not whole are refused, and objects
// become maps, so that a name such as "__proto__" is a name like any other. Knows nothing of tensors.

export type HeaderValue = string | number | boolean | null | readonly HeaderValue[] | HeaderMap;
export type HeaderMap = ReadonlyMap<string, HeaderValue>;

/** What is wrong and at which character; the caller adds the file. */
export class HeaderError extends Error {}

/** Headers are three deep; more than this is an attack on the call stack. */
const maxDepth = 4;
/** Sizes of a shape, fields of a tensor: far beyond any, small enough that a header cannot become a multiple of itself. */
const maxItems = 64;
/** Tensors of a file, texts of its metadata. */
export const maxFields = 65_536;

const space = /[ \t\r\n]*/y;
const word = /[-+.\w]+/y;
/** A name in an error message: it may be as long as the header. */
const shown = (name: string): string => JSON.stringify(name.length > 60 ? `${name.slice(0, 57)}...` : name);
/** A surrogate without its other half: no UTF-8 can hold it. */
export const loneSurrogate = /\p{Surrogate}/u;

/**
 * The fields of a header's object, each handed to `field` as soon as it ends: what is wrong with the first tensor is said before the
 * second is read, so that a hostile header costs no memory.
 */
export function headerFields(source: string, field: (name: string, value: HeaderValue) => void): void {
  read(source, field, { depth: maxDepth, items: maxItems });
}

/** A value in the same strict JSON, for text that is small and may be deeper. */
export function parseHeader(source: string): HeaderValue {
  return read(source, undefined, { depth: 16, items: maxFields });
}

/** With `field` the text is an object whose fields are handed out, and nothing is given back. */
function read(
  source: string,
  field: ((name: string, value: HeaderValue) => void) | undefined,
  limits: { readonly depth: number; readonly items: number },
): HeaderValue {
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
  /** From behind the opening brace. At depth 1 stand the tensors, in metadata at depth 2 texts: these are many. */
  function object(depth: number, each: (name: string, value: HeaderValue) => void): void {
    const seen = new Set<string>();
    if (eat("}")) return;
    do {
      const name = string();
      if (seen.has(name)) throw new HeaderError(`names must differ, got ${shown(name)} twice in the header`);
      if (seen.size >= (depth <= 2 ? maxFields : maxItems)) {
        throw new HeaderError(
          `at most ${depth <= 2 ? maxFields : maxItems} fields may stand in an object, got more at character ${at} of the header`,
        );
      }
      seen.add(name);
      if (!eat(":")) fail('":"');
      each(name, value(depth));
    } while (eat(","));
    if (!eat("}")) fail('"," or "}"');
  }
  function map(depth: number): HeaderMap {
    const made = new Map<string, HeaderValue>();
    object(depth, (name, item) => made.set(name, item));
    return made;
  }
  function list(depth: number): HeaderValue[] {
    const items: HeaderValue[] = [];
    if (eat("]")) return items;
    do {
      if (items.length >= limits.items)
        throw new HeaderError(`at most ${limits.items} items may stand in a list, got more at character ${at} of the header`);
      items.push(value(depth));
    } while (eat(","));
    if (!eat("]")) fail('"," or "]"');
    return items;
  }
  function value(depth: number): HeaderValue {
    if (depth >= limits.depth)
      throw new HeaderError(`at most ${limits.depth} levels may be nested, got more at character ${at} of the header`);
    if (eat("{")) return map(depth + 1);
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

  let result: HeaderValue = null;
  if (!field) result = value(0);
  else if (eat("{")) object(1, field);
  else fail('"{"');
  skip();
  if (at < source.length) fail("the end");
  return result;
}
