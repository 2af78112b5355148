/**
 * The tenant's root key from a file: 32 bytes, or 64 hex digits. For the embedded stack and for functions with a mounted
 * secret. A file that others may read is refused: a key that leaked is worse than a backup that waits.
 */
import { readFile, stat } from 'node:fs/promises';
import type { KeySource } from '../blockstore/object-store';
import { AppError } from '../model/errors';

const keyBytes = 32;
const othersMask = 0o077;

export function createKeyFileSource(path: string): KeySource {
  return {
    rootKey: async (tenant) => {
      const info = await stat(path).catch(() => undefined);
      if (!info?.isFile()) {
        throw new AppError(
          'key.missing',
          `the key file of tenant ${tenant} (BLOCKFERRY_KEY_FILE) does not exist or is no file`,
        );
      }
      if (process.platform !== 'win32' && (info.mode & othersMask) !== 0) {
        throw new AppError('key.missing', `the key file of tenant ${tenant} is readable by others: chmod 600 it`);
      }
      const content = await readFile(path);
      const text = content.length > keyBytes ? content.toString('latin1').trim() : '';
      const key = /^[0-9a-f]{64}$/i.test(text) ? Buffer.from(text, 'hex') : content;
      if (key.length !== keyBytes) {
        throw new AppError(
          'key.wrong',
          `the key file of tenant ${tenant} must hold ${keyBytes} bytes or ${2 * keyBytes} hex digits`,
        );
      }
      return key;
    },
  };
}
