/**
 * A copy of a bucket in a folder (`aws s3 sync`), to read from: `FOLDER/t/<tenant>/…`. It refuses to write, because a copy that
 * was written to is neither a copy nor a repository.
 */
import { open, readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import type { ObjectStore, StoredObject } from '../blockstore/object-store';
import { AppError } from '../model/errors';

export function createFolderStore(root: string): ObjectStore {
  const refuse = async (key: string): Promise<never> => {
    throw new AppError('store.denied', `${key}: a folder with a copy of a bucket is only read`);
  };
  return {
    putOnce: refuse,
    replace: refuse,
    get: async (key, { start = 0, end, into } = {}) => {
      const file = await open(path.join(root, key), 'r').catch((error: NodeJS.ErrnoException) => {
        throw toStoreError(error, key);
      });
      try {
        const info = await file.stat();
        const length = (end ?? info.size) - start;
        const bodyBytes = Math.max(0, Math.min(length, info.size - start));
        const body = into && into.length >= bodyBytes ? into.subarray(0, bodyBytes) : Buffer.alloc(bodyBytes);
        for (let done = 0; done < body.length; ) {
          const { bytesRead } = await file.read(body, done, body.length - done, start + done);
          if (bytesRead === 0) break;
          done += bytesRead;
        }
        if (body.length !== length) {
          throw new AppError('store.unavailable', `${key} is shorter than it should be: copy the bucket again`);
        }
        return { body, etag: etagOf(info) };
      } finally {
        await file.close();
      }
    },
    list: (prefix) => list(root, prefix),
  };
}

/** In key order, as S3 does: by code point of the whole key, which is not the order of a walk through folders. */
async function* list(root: string, prefix: string): AsyncIterable<StoredObject> {
  const below = path.join(root, prefix.slice(0, prefix.lastIndexOf('/') + 1));
  const entries = await readdir(below, { recursive: true, withFileTypes: true }).catch((error) => {
    if (error.code === 'ENOENT') return [];
    throw toStoreError(error, prefix);
  });
  const keys = entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)).split(path.sep).join('/'))
    .filter((key) => key.startsWith(prefix))
    .sort((a, b) => (a < b ? -1 : 1));
  for (const key of keys) {
    const info = await stat(path.join(root, key));
    yield { key, sizeBytes: info.size, etag: etagOf(info) };
  }
}

const etagOf = ({ size, mtimeMs }: { readonly size: number; readonly mtimeMs: number }): string => `${size}-${mtimeMs}`;

function toStoreError(error: NodeJS.ErrnoException, key: string): AppError {
  if (error.code === 'ENOENT') {
    return new AppError('store.not-found', `there is no object ${key}`, { context: { object: key } });
  }
  return new AppError('store.denied', `${key} cannot be read (${error.code ?? 'unknown'})`);
}

/** For a copy without its control bucket: nothing is there. */
export const emptyStore: ObjectStore = {
  putOnce: async (key) => {
    throw new AppError('store.denied', `${key}: this bucket was not given`);
  },
  replace: async (key) => {
    throw new AppError('store.denied', `${key}: this bucket was not given`);
  },
  get: async (key) => {
    throw new AppError('store.not-found', `there is no object ${key}: this bucket was not given`);
  },
  list: async function* () {},
};
