/**
 * A folder as one stream. Members have relative names made of plain names: nothing that is unpacked lands outside of the
 * folder it is unpacked into. Links that lead out of the archive, what cannot be read, and what is neither file, folder nor link
 * is left out, and named in a text at its end.
 */
import type { BlockSource } from '../device/block-source';
import { isAppError } from '../model/errors';
import type { FileNode, FileSystem } from './file-system';
import { extentsOf, readFile } from './read-file';
import { type TarMember, tarEnd, tarHeader, tarPadding } from './tar';
import { walk } from './walk';
import { ZipWriter } from './zip';

export type ArchiveFormat = 'tar' | 'zip';

export interface ArchiveRequest {
  readonly source: BlockSource;
  readonly system: FileSystem;
  readonly folder: FileNode;
  /** The folder in the archive that holds everything. */
  readonly name: string;
  readonly format: ArchiveFormat;
  readonly signal?: AbortSignal | undefined;
}

const NODES_MAX = 5_000_000;
/** Names of what was left out that are kept; beyond it, only the number. */
const LEFT_OUT_MAX = 10_000;
const LEFT_OUT_NAME = 'NOT-IN-THIS-ARCHIVE.txt';

interface Member extends TarMember {
  readonly content: () => AsyncIterable<Buffer>;
}

/** Ends with an error, and so broken off, when stored data are damaged: what has come out is never passed off as whole. */
export async function* archive(request: ArchiveRequest): AsyncGenerator<Buffer> {
  if (request.format === 'tar') {
    for await (const member of members(request)) {
      yield tarHeader(member);
      yield* member.content();
      if (member.node.kind === 'file') yield tarPadding(member.node.sizeBytes);
    }
    yield tarEnd;
    return;
  }
  const zip = new ZipWriter();
  for await (const { path, node, linkTarget, content } of members(request)) {
    // A link in a zip is a file that holds its target, with the type of a link in its mode.
    const type = node.kind === 'folder' ? 0o040000 : node.kind === 'link' ? 0o120000 : 0o100000;
    const mode = type | (node.mode ?? (node.kind === 'folder' ? 0o755 : 0o644));
    const bytes = node.kind === 'link' ? once(Buffer.from(linkTarget ?? '')) : content();
    yield* zip.add({ path: node.kind === 'folder' ? `${path}/` : path, modifiedAt: node.modifiedAt, mode }, bytes);
  }
  yield* zip.end();
}

async function* members(request: ArchiveRequest): AsyncGenerator<Member> {
  const { source, system, folder, signal } = request;
  const top = safeName(request.name) || 'files';
  const leftOut: string[] = [];
  let more = 0;
  const leave = (names: readonly string[], why: string): void => {
    if (leftOut.length < LEFT_OUT_MAX) leftOut.push(`${JSON.stringify(names.join('/'))}: ${why}`);
    else more++;
  };
  const onUnreadable = (names: readonly string[], error: unknown): void => leave(names, reasonOf(error));
  yield { path: top, node: folder, content: none };
  for await (const { names, node } of walk(system, folder, { nodesMax: NODES_MAX, onUnreadable, signal })) {
    const path = [top, ...names.map(safeName)].join('/');
    try {
      if (node.kind === 'folder') yield { path, node, content: none };
      else if (node.kind === 'file') {
        const extents = await extentsOf(system, node, signal);
        yield { path, node, content: () => readFile(source, node, extents, undefined, signal) };
      } else if (node.kind === 'link') {
        const linkTarget = await system.readLink(node, signal);
        if (staysInside(names, linkTarget)) yield { path, node, linkTarget, content: none };
        else leave(names, `a link to ${JSON.stringify(linkTarget)}, which is outside`);
      } else leave(names, 'neither file, folder nor link');
    } catch (error) {
      onUnreadable(names, error);
    }
  }
  if (leftOut.length === 0) return;
  const text = Buffer.from(`${leftOut.join('\n')}\n${more > 0 ? `and ${more} more\n` : ''}`);
  const node: FileNode = { id: 'left-out', kind: 'file', sizeBytes: text.length };
  yield { path: `${top}/${LEFT_OUT_NAME}`, node, content: () => once(text) };
}

/** A name that is one everywhere: no separators, no control characters, nothing that Windows takes for a drive or a stream. */
export function safeName(name: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is replaced
  const plain = name.replaceAll(/[/\\\u0000-\u001f\u007f]/g, '_').replace(/^([A-Za-z]):/, '$1_');
  return plain === '.' || plain === '..' ? plain.replaceAll('.', '_') : plain;
}

/** Does a link among these names stay below the folder that the archive holds? */
function staysInside(names: readonly string[], target: string): boolean {
  if (target === '' || target.startsWith('/') || /[\\\0]|^[A-Za-z]:/.test(target)) return false;
  let depth = names.length - 1;
  for (const part of target.split('/')) {
    if (part === '' || part === '.') continue;
    depth += part === '..' ? -1 : 1;
    if (depth < 0) return false;
  }
  return true;
}

/** What is wrong with the file system is said in the archive; anything else ends it. */
function reasonOf(error: unknown): string {
  if (isAppError(error, 'disk.unreadable') || isAppError(error, 'disk.unsupported')) return error.message;
  throw error;
}

async function* none(): AsyncGenerator<Buffer> {}

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}
