/** As much XML as the S3 and STS protocols need: elements and text; attributes are skipped, no document types. */

export interface XmlElement {
  readonly name: string;
  readonly children: readonly XmlElement[];
  /** The element's own character data, entities resolved. */
  readonly text: string;
}

/** `<name>content</name>`; the content is XML already. */
export function element(name: string, ...content: readonly string[]): string {
  return `<${name}>${content.join('')}</${name}>`;
}

/** An element with character data; nothing at all when the value is undefined. */
export function textElement(name: string, value: string | number | boolean | undefined): string {
  return value === undefined ? '' : element(name, escapeXml(String(value)));
}

export function xmlDocument(root: string, namespace: string | undefined, ...content: readonly string[]): string {
  const open = namespace === undefined ? root : `${root} xmlns="${namespace}"`;
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${open}>${content.join('')}</${root}>`;
}

function escapeXml(text: string): string {
  const escaped = text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
  // Control characters are no legal XML 1.0; S3 writes them as character references all the same.
  return escaped.replace(/\p{Cc}/gu, (character) => `&#x${character.charCodeAt(0).toString(16)};`);
}

export function childOf(parent: XmlElement, name: string): XmlElement | undefined {
  return parent.children.find((child) => child.name === name);
}

export function childrenOf(parent: XmlElement, name: string): readonly XmlElement[] {
  return parent.children.filter((child) => child.name === name);
}

/** The trimmed text of a child; undefined when there is no such child. */
export function childText(parent: XmlElement, name: string): string | undefined {
  return childOf(parent, name)?.text.trim();
}

interface Open {
  readonly name: string;
  readonly children: XmlElement[];
  text: string;
}

const TOKEN =
  /<!\[CDATA\[([\s\S]*?)\]\]>|<!--[\s\S]*?-->|<\?[\s\S]*?\?>|<\/([^\s>]+)\s*>|<([^\s/>!?]+)([^>]*?)(\/?)>|([^<]+)/y;

/** The root element, or undefined when the text is not well formed. */
export function parseXml(text: string): XmlElement | undefined {
  const root: Open = { name: '', children: [], text: '' };
  const stack: Open[] = [root];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const match = TOKEN.exec(text);
    const top = stack.at(-1);
    if (match === null || top === undefined) return undefined;
    const [, cdata, closing, opening, , selfClosing, characters] = match;
    if (cdata !== undefined) top.text += cdata;
    else if (characters !== undefined) top.text += unescapeXml(characters);
    else if (opening !== undefined) {
      const child: Open = { name: localName(opening), children: [], text: '' };
      top.children.push(child);
      if (selfClosing === '') stack.push(child);
    } else if (closing !== undefined) {
      if (stack.length === 1 || top.name !== localName(closing)) return undefined;
      stack.pop();
    }
  }
  const [only, ...rest] = root.children;
  return stack.length === 1 && rest.length === 0 && root.text.trim() === '' ? only : undefined;
}

function localName(name: string): string {
  return name.slice(name.indexOf(':') + 1);
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function unescapeXml(text: string): string {
  return text.replace(/&(?:#x([0-9a-fA-F]{1,6})|#([0-9]{1,7})|([a-z]+));/g, (whole, hex, decimal, name) => {
    if (name !== undefined) return ENTITIES[String(name)] ?? whole;
    const code = hex === undefined ? Number.parseInt(String(decimal), 10) : Number.parseInt(String(hex), 16);
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}
