/** Members of a tar archive as POSIX pax has them: long names, UTF-8 and sizes beyond 8 GiB in an extended header. */
import type { FileNode } from './file-system';

const BLOCK = 512;
const types = { file: '0', link: '2', folder: '5', extended: 'x' } as const;

export interface TarMember {
  /** Relative, `/` between names. */
  readonly path: string;
  readonly node: FileNode;
  readonly linkTarget?: string;
}

/** The header of a member; its content and `tarPadding` follow. */
export function tarHeader({ path, node, linkTarget }: TarMember): Buffer {
  const name = node.kind === 'folder' ? `${path}/` : path;
  const sizeBytes = node.kind === 'file' ? node.sizeBytes : 0;
  const seconds = node.modifiedAt === undefined ? 0 : Math.max(0, Math.floor(Date.parse(node.modifiedAt) / 1000));
  const records = [
    ...(fits(name, 100) ? [] : [record('path', name)]),
    ...(linkTarget === undefined || fits(linkTarget, 100) ? [] : [record('linkpath', linkTarget)]),
    ...(sizeBytes < 8 ** 11 ? [] : [record('size', String(sizeBytes))]),
    ...(seconds < 8 ** 11 ? [] : [record('mtime', String(seconds))]),
  ];
  const type = node.kind === 'folder' ? types.folder : node.kind === 'link' ? types.link : types.file;
  const mode = node.mode ?? (node.kind === 'folder' ? 0o755 : 0o644);
  const own = header({ name, type, sizeBytes, seconds, mode, node, linkTarget: linkTarget ?? '' });
  if (records.length === 0) return own;
  const extended = Buffer.concat(records);
  const head = header({
    name: 'pax',
    type: types.extended,
    sizeBytes: extended.length,
    seconds,
    mode: 0o644,
    node,
    linkTarget: '',
  });
  return Buffer.concat([head, extended, tarPadding(extended.length), own]);
}

export const tarPadding = (sizeBytes: number): Buffer => Buffer.alloc((BLOCK - (sizeBytes % BLOCK)) % BLOCK);

/** Two empty blocks. */
export const tarEnd = Buffer.alloc(2 * BLOCK);

const fits = (text: string, bytes: number): boolean => Buffer.byteLength(text) <= bytes && /^[\x20-\x7e]*$/.test(text);

/** `length name=value\n`, where the length counts itself. */
function record(name: string, value: string): Buffer {
  const rest = Buffer.from(` ${name}=${value}\n`);
  let length = rest.length + 1;
  while (rest.length + String(length).length !== length) length = rest.length + String(length).length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

interface HeaderFields {
  readonly name: string;
  readonly type: string;
  readonly sizeBytes: number;
  readonly seconds: number;
  readonly mode: number;
  readonly node: FileNode;
  readonly linkTarget: string;
}

function header({ name, type, sizeBytes, seconds, mode, node, linkTarget }: HeaderFields): Buffer {
  const block = Buffer.alloc(BLOCK);
  // What does not fit stands in the extended header; here it is cut, not left out, for readers that know no pax.
  const put = (text: string, at: number, length: number): void => void Buffer.from(text).copy(block, at, 0, length);
  const octal = (value: number, at: number, digits: number): void =>
    put(`${(value < 8 ** digits ? value : 0).toString(8).padStart(digits, '0')}\0`, at, digits + 1);
  put(name, 0, 100);
  octal(mode & 0o7777, 100, 7);
  octal(node.uid ?? 0, 108, 7);
  octal(node.gid ?? 0, 116, 7);
  octal(sizeBytes, 124, 11);
  octal(seconds, 136, 11);
  block.fill(' ', 148, 156);
  put(type, 156, 1);
  put(linkTarget, 157, 100);
  put('ustar\0' + '00', 257, 8);
  const sum = block.reduce((total, byte) => total + byte, 0);
  put(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 8);
  return block;
}
