/** From a path to a node. Links are followed inside of the file system, as often as a kernel would. */
import { AppError } from '../model/errors';
import { type FileNode, type FileSystem, type FolderEntry, notSupported } from './file-system';

export interface FoundNode {
  /** Without links and dots, from the root, `/` between names. */
  readonly path: string;
  readonly node: FileNode;
}

const LINKS_MAX = 40;
const NAMES_MAX = 512;

/** `request.not-found` when there is nothing, or the way leads through what is no folder. `follow`: also the last link. */
export async function findPath(
  system: FileSystem,
  path: string,
  options: { readonly follow?: boolean; readonly signal?: AbortSignal | undefined } = {},
): Promise<FoundNode> {
  const { follow = false, signal } = options;
  const pending = namesOf(path);
  let way: { readonly name: string; readonly node: FileNode }[] = [];
  let links = 0;
  while (pending.length > 0) {
    signal?.throwIfAborted();
    const name = pending.shift() ?? '';
    if (name === '..') {
      way.pop();
      continue;
    }
    const folder = way.at(-1)?.node ?? system.root;
    if (folder.kind !== 'folder') throw nothing(path);
    const entry = await findEntry(system, folder, name, signal);
    if (!entry) throw nothing(path);
    const node = await entry.node(signal);
    if (node.kind === 'link' && (pending.length > 0 || follow)) {
      if (++links > LINKS_MAX) throw new AppError('request.invalid', `${shown(path)}: its links lead in a circle`);
      const target = await system.readLink(node, signal);
      if (/^[A-Za-z]:|\\/.test(target))
        throw notSupported(`${shown(path)} leads to ${shown(target)}, a path of Windows`);
      if (target.startsWith('/')) way = [];
      pending.unshift(...namesOf(target));
      if (pending.length > NAMES_MAX) throw new AppError('request.invalid', `${shown(path)}: its links never end`);
    } else {
      way.push({ name: entry.name, node });
    }
  }
  return { path: `/${way.map(({ name }) => name).join('/')}`, node: way.at(-1)?.node ?? system.root };
}

async function findEntry(
  system: FileSystem,
  folder: FileNode,
  name: string,
  signal?: AbortSignal,
): Promise<FolderEntry | undefined> {
  let alike: FolderEntry | undefined;
  for await (const entry of system.list(folder, signal)) {
    if (entry.name === name) return entry;
    if (!system.isCaseSensitive && entry.name.toLowerCase() === name.toLowerCase()) alike ??= entry;
  }
  return alike;
}

function namesOf(path: string): string[] {
  const names = path.split('/').filter((name) => name !== '' && name !== '.');
  if (names.length > NAMES_MAX) throw new AppError('request.invalid', `a path of ${names.length} names`);
  return names;
}

const shown = (path: string): string => JSON.stringify(path.slice(0, 300));
const nothing = (path: string): AppError => new AppError('request.not-found', `there is nothing at ${shown(path)}`);
