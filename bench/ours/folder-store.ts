/**
 * An object store in a folder, for one process at a time: a put is a temporary file and a link, so readers see all or
 * nothing and a key is never overwritten. No fsync: the peers' repositories lie in the same memory file system.
 */
import {
  constants,
  type FileHandle,
  link,
  mkdir,
  open,
  readdir,
  rename,
  stat,
  unlink,
  writeFile,
} from 'node:fs/promises';
import path from 'node:path';
import type { GetOptions, ObjectStore, StorePair } from '../../shared/blockstore/object-store';
import { AppError } from '../../shared/model/errors';

export interface Calls {
  puts: number;
  gets: number;
  lists: number;
  putBytes: number;
  gotBytes: number;
}

export function folderStores(folder: string): { readonly stores: StorePair; readonly calls: Calls } {
  const calls: Calls = { puts: 0, gets: 0, lists: 0, putBytes: 0, gotBytes: 0 };
  const stores = {
    data: folderStore(path.join(folder, 'data'), calls),
    control: folderStore(path.join(folder, 'control'), calls),
  };
  return { stores, calls };
}

function folderStore(root: string, calls: Calls): ObjectStore {
  let temporary = 0;
  const fileOf = (key: string): string => path.join(root, key);
  const write = async (key: string, body: Buffer): Promise<string> => {
    const made = path.join(root, `.new-${process.pid}-${temporary++}`);
    await mkdir(path.dirname(fileOf(key)), { recursive: true });
    await writeFile(made, body);
    calls.puts++;
    calls.putBytes += body.length;
    return made;
  };
  const etagOf = async (key: string): Promise<string | undefined> => {
    const found = await stat(fileOf(key), { bigint: true }).catch(ignoreMissing);
    return found && `${found.ino}-${found.size}`;
  };
  const store: ObjectStore = {
    putOnce: async (key, body) => {
      const made = await write(key, body);
      const isNew = await link(made, fileOf(key)).then(
        () => true,
        (error: NodeJS.ErrnoException) => {
          if (error.code === 'EEXIST') return false;
          throw error;
        },
      );
      await unlink(made);
      const etag = (await etagOf(key)) ?? '';
      if (isNew) return { outcome: 'created', etag };
      const there = await readWhole(fileOf(key));
      return { outcome: there.equals(body) ? 'created' : 'exists', etag };
    },
    replace: async (key, body, etag) => {
      if ((await etagOf(key)) !== etag) return { outcome: 'changed' };
      await rename(await write(key, body), fileOf(key));
      return { outcome: 'replaced', etag: (await etagOf(key)) ?? '' };
    },
    get: async (key, options) => {
      calls.gets++;
      const etag = await etagOf(key);
      if (etag === undefined) throw new AppError('store.not-found', `there is no object ${key}`, { context: { key } });
      const body = await readWhole(fileOf(key), options);
      calls.gotBytes += body.length;
      return { body, etag };
    },
    list: async function* (prefix) {
      calls.lists++;
      // Only the folder that the prefix names: a prefix in the store is always whole names and a slash.
      const below = path.join(root, prefix.slice(0, prefix.lastIndexOf('/') + 1));
      const names = await readdir(below, { recursive: true, withFileTypes: true }).catch(ignoreMissing);
      const files = (names ?? [])
        .filter((entry) => entry.isFile())
        .map((entry) => path.join(entry.parentPath, entry.name));
      for (const file of files.sort()) {
        const key = path.relative(root, file);
        if (!key.startsWith(prefix) || path.basename(key).startsWith('.new-')) continue;
        const { size } = await stat(file);
        yield { key, sizeBytes: size, etag: (await etagOf(key)) ?? '' };
      }
    },
  };
  return store;
}

async function readWhole(file: string, range?: GetOptions): Promise<Buffer> {
  const handle = await open(file, constants.O_RDONLY);
  try {
    const start = range?.start ?? 0;
    const length = (range?.end ?? (await handle.stat()).size) - start;
    const into = range?.into;
    const room = into && into.length >= length ? into.subarray(0, length) : Buffer.allocUnsafeSlow(length);
    return await readExactly(handle, start, room);
  } finally {
    await handle.close();
  }
}

/** Fills the whole buffer from the file, from `start` on. */
export async function readExactly(handle: FileHandle, start: number, bytes: Buffer): Promise<Buffer> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesRead } = await handle.read(bytes, done, bytes.length - done, start + done);
    if (bytesRead === 0) {
      throw new AppError('store.unavailable', 'the file ends before the range does', { retryable: true });
    }
    done += bytesRead;
  }
  return bytes;
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}
