/** A file system whose parser ran over the end of a structure says that the disk is damaged, and not that we are. */
import { type FileSystem, unreadable } from './file-system';

export function guarded(system: FileSystem): FileSystem {
  return {
    kind: system.kind,
    label: system.label,
    isCaseSensitive: system.isCaseSensitive,
    root: system.root,
    list: (folder, signal) =>
      guardedItems(system.list(folder, signal), (entry) => ({
        name: entry.name,
        node: (until) => entry.node(until).catch((error: unknown) => Promise.reject(translated(error))),
      })),
    extents: (file, signal) => guardedItems(system.extents(file, signal), (extent) => extent),
    readLink: (link, signal) =>
      system.readLink(link, signal).catch((error: unknown) => Promise.reject(translated(error))),
  };
}

async function* guardedItems<Item>(items: AsyncIterable<Item>, map: (item: Item) => Item): AsyncGenerator<Item> {
  try {
    for await (const item of items) yield map(item);
  } catch (error) {
    throw translated(error);
  }
}

const translated = (error: unknown): unknown =>
  error instanceof RangeError ? unreadable('the file system', 'a structure points outside of itself') : error;
