/**
 * Wraps root keys under a key that lies in a file: 32 bytes, or 64 hex digits. For the embedded stack and for functions with
 * a mounted secret. A file that others may read is refused: a key that leaked is worse than a backup that waits.
 */
import { readFile, stat } from 'node:fs/promises';
import type { KeyWrapper } from '../blockstore/key-wrapper';
import { aesKeyId, aesUnwrap, aesWrap, aesWrapAlgorithm } from '../format/key-envelope-wrap';
import { AppError } from '../model/errors';

export interface KeyFileOptions {
  readonly path: string;
  readonly randomBytes: (count: number) => Buffer;
}

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const OTHERS_MASK = 0o077;

/** The file is read at each use and its bytes are dropped afterwards. */
export function createKeyFileWrapper({ path, randomBytes }: KeyFileOptions): KeyWrapper {
  const withKey = async <Result>(use: (key: Buffer) => Result): Promise<Result> => {
    const key = await readKey(path);
    try {
      return use(key);
    } finally {
      key.fill(0);
    }
  };
  return {
    kind: 'key-file',
    describe: async () => `key-file ${await withKey(aesKeyId)}`,
    wrap: (rootKey, context) =>
      withKey((key) => ({
        kind: 'key-file',
        keyId: aesKeyId(key),
        algorithm: aesWrapAlgorithm,
        wrapped: aesWrap(key, rootKey, context, randomBytes(NONCE_BYTES)).toString('base64'),
      })),
    opens: async (wrap) =>
      wrap.kind === 'key-file' && wrap.algorithm === aesWrapAlgorithm && wrap.keyId === (await withKey(aesKeyId)),
    unwrap: (wrap, context) =>
      withKey((key) => {
        const rootKey = aesUnwrap(key, Buffer.from(wrap.wrapped, 'base64'), context);
        if (rootKey) return rootKey;
        throw new AppError(
          'key.wrong',
          `the key file does not open the root key of tenant ${context.tenant}: the envelope was changed, or is another tenant's`,
        );
      }),
  };
}

async function readKey(path: string): Promise<Buffer> {
  const info = await stat(path).catch(() => undefined);
  if (!info?.isFile()) {
    throw new AppError('key.missing', 'the key file (BLOCKFERRY_KEY_FILE) does not exist or is no file');
  }
  if (process.platform !== 'win32' && (info.mode & OTHERS_MASK) !== 0) {
    throw new AppError('key.missing', 'the key file (BLOCKFERRY_KEY_FILE) is readable by others: chmod 600 it');
  }
  const content = await readFile(path).catch(() => undefined);
  if (!content) throw new AppError('key.missing', 'the key file (BLOCKFERRY_KEY_FILE) cannot be read by this process');
  const text = content.length > KEY_BYTES ? content.toString('latin1').trim() : '';
  const key = /^[0-9a-f]{64}$/i.test(text) ? Buffer.from(text, 'hex') : content;
  if (key.length !== KEY_BYTES) {
    const wanted = `${KEY_BYTES} bytes or ${2 * KEY_BYTES} hex digits`;
    throw new AppError('key.wrong', `the key file (BLOCKFERRY_KEY_FILE) must hold ${wanted}`);
  }
  return key;
}
