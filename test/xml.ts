// A strict reader of the XML that pictures are made of: elements, attributes, text, the five named entities. Throws where a browser's XML
// parser would stop.

export interface XmlElement {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: (XmlElement | string)[];
}

const names: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

function unescaped(text: string): string {
  if (text.includes("<")) throw new Error(`a bare < in ${text}`);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: XML forbids them.
  if (/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/.test(text)) throw new Error("a control character");
  return text.replace(/&([^;]*;?)/g, (whole, entity: string) => {
    const name = entity.slice(0, -1);
    const number = name.match(/^#(\d+)$/)?.[1];
    const found = number ? String.fromCodePoint(Number(number)) : names[name];
    if (!entity.endsWith(";") || found === undefined) throw new Error(`not an entity: ${whole}`);
    return found;
  });
}

export function parseXml(source: string): XmlElement {
  const root: XmlElement = { name: "", attributes: {}, children: [] };
  const open: XmlElement[] = [root];
  const tag = /<(\/?)([A-Za-z][\w:-]*)((?:\s+[\w:-]+="[^"]*")*)\s*(\/?)>/y;
  let at = 0;
  while (at < source.length) {
    const next = source.indexOf("<", at);
    const text = source.slice(at, next < 0 ? undefined : next);
    if (text) open.at(-1)?.children.push(unescaped(text));
    if (next < 0) break;
    tag.lastIndex = next;
    const match = tag.exec(source);
    if (!match) throw new Error(`not a tag: ${source.slice(next, next + 60)}`);
    const [whole, closing, name = "", rest = "", empty] = match;
    if (closing) {
      if (open.pop()?.name !== name) throw new Error(`</${name}> closes another element`);
    } else {
      const attributes: Record<string, string> = {};
      for (const [, key = "", value = ""] of rest.matchAll(/([\w:-]+)="([^"]*)"/g)) {
        if (key in attributes) throw new Error(`${key} twice in <${name}>`);
        attributes[key] = unescaped(value);
      }
      const element: XmlElement = { name, attributes, children: [] };
      open.at(-1)?.children.push(element);
      if (!empty) open.push(element);
    }
    at = next + whole.length;
  }
  if (open.length !== 1) throw new Error(`<${open.at(-1)?.name}> is not closed`);
  const elements = root.children.filter((child): child is XmlElement => typeof child !== "string");
  if (elements.length !== 1 || root.children.some((child) => typeof child === "string" && child.trim()))
    throw new Error("one root element is needed");
  return elements[0] as XmlElement;
}

/** All elements, in the order of the document. */
export function elements(of: XmlElement): XmlElement[] {
  return [of, ...of.children.flatMap((child) => (typeof child === "string" ? [] : elements(child)))];
}

export function textOf(of: XmlElement): string {
  return of.children.map((child) => (typeof child === "string" ? child : textOf(child))).join("");
}
