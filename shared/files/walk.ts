/** All nodes below a folder, folders before what is in them. Each folder is entered once, whatever its parents claim. */
import { type FileNode, type FileSystem, type FolderEntry, fileLimits } from './file-system';

export interface WalkedNode {
  /** Names from the folder where the walk began; none for the folder itself. */
  readonly names: readonly string[];
  readonly node: FileNode;
}

export interface WalkOptions {
  readonly nodesMax: number;
  /** What could not be read and is left out. Without it the walk ends with the error. */
  readonly onUnreadable?: (names: readonly string[], error: unknown) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Ends after `nodesMax` nodes; the caller counts, if it matters. */
export async function* walk(system: FileSystem, top: FileNode, options: WalkOptions): AsyncGenerator<WalkedNode> {
  const { nodesMax, signal } = options;
  const entered = new Set<string>([top.id]);
  const stack: { readonly names: readonly string[]; readonly entries: FolderEntry[] }[] = [];
  const failed = (names: readonly string[], error: unknown): void => {
    if (signal?.aborted || !options.onUnreadable) throw error;
    options.onUnreadable(names, error);
  };
  const enter = async (names: readonly string[], node: FileNode): Promise<void> => {
    const entries: FolderEntry[] = [];
    try {
      for await (const entry of system.list(node, signal)) entries.push(entry);
    } catch (error) {
      failed(names, error);
    }
    // Taken from the end.
    entries.sort((a, b) => (a.name < b.name ? 1 : a.name > b.name ? -1 : 0));
    stack.push({ names, entries });
  };
  let count = 0;
  await enter([], top);
  while (stack.length > 0) {
    signal?.throwIfAborted();
    const level = stack.at(-1);
    const entry = level?.entries.pop();
    if (!level || !entry) {
      stack.pop();
      continue;
    }
    // The same name twice: only the first could be asked for.
    if (level.entries.at(-1)?.name === entry.name) level.entries.pop();
    if (++count > nodesMax) return;
    const names = [...level.names, entry.name];
    let node: FileNode;
    try {
      node = await entry.node(signal);
    } catch (error) {
      failed(names, error);
      continue;
    }
    yield { names, node };
    if (node.kind !== 'folder' || entered.has(node.id) || names.length >= fileLimits.depthMax) continue;
    entered.add(node.id);
    await enter(names, node);
  }
}
