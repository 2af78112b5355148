/**
 * The head of a pack: which pack it is, and its data key, wrapped.
 *
 *   0 magic "BFP1"   4 cipher suite   5 id algorithm   6 wrap generation (u16 LE)
 *   8 key check (8)  16 unit id (16)  32 block bytes (u32 LE)
 *  36 wrap nonce (12)  48 wrapped data key (32)  80 tag (16)  = 96 bytes
 *
 * The data key is made fresh for each pack and each attempt, so counter nonces inside the pack can never meet it twice.
 */
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { assert } from '../base/assert';
import { AppError } from '../model/errors';
import { idAlgorithms } from './block-id';
import type { RepositoryKeys } from './keys';

export const packHeaderBytes = 96;
export const unitIdBytes = 16;
const MAGIC = Buffer.from('BFP1');
const SUITE_AES_256_GCM = 1;
const BOUND_BYTES = 36;
/** Bounds what a header can make us allocate: a frame holds 16 blocks. Ours have 64 KiB. */
const BLOCK_BYTES_MAX = 2 ** 24;

/** What it takes to seal and open the frames of one pack. Plain data: it crosses to worker threads. */
export interface PackContext {
  readonly tenant: string;
  readonly header: Buffer;
  readonly dataKey: Buffer;
  readonly blockBytes: number;
}

export function createPackContext(
  keys: RepositoryKeys,
  unit: Buffer,
  blockBytes: number,
  randomBytes: (count: number) => Buffer,
): PackContext {
  assert(unit.length === unitIdBytes, 'a unit id has 16 bytes');
  const dataKey = randomBytes(32);
  const header = Buffer.alloc(packHeaderBytes);
  MAGIC.copy(header);
  header[4] = SUITE_AES_256_GCM;
  header[5] = idAlgorithms.blake3Keyed;
  header.writeUInt16LE(keys.wrapGeneration, 6);
  keys.check.copy(header, 8);
  unit.copy(header, 16);
  header.writeUInt32LE(blockBytes, 32);
  randomBytes(12).copy(header, 36);
  const cipher = createCipheriv('aes-256-gcm', keys.wrap, header.subarray(36, 48));
  cipher.setAAD(wrapData(keys, header));
  cipher.update(dataKey).copy(header, 48);
  cipher.final();
  cipher.getAuthTag().copy(header, 80);
  return { tenant: keys.tenant, header, dataKey, blockBytes };
}

/** Opens the head of the pack that is stored as `unit`. `pack.corrupt`, `key.wrong` or `format.unknown` otherwise. */
export function openPackHeader(keys: RepositoryKeys, unit: Buffer, stored: Buffer): PackContext {
  const name = unit.toString('hex');
  const context = { unit: name };
  if (stored.length !== packHeaderBytes || !stored.subarray(0, 3).equals(MAGIC.subarray(0, 3))) {
    throw new AppError('pack.corrupt', `pack ${name} has no pack header`, { context });
  }
  const unknown = (what: string): AppError =>
    new AppError('format.unknown', `pack ${name} uses ${what}, which this version does not know; update Blockferry`, {
      context,
    });
  if (stored[3] !== MAGIC[3]) throw unknown(`format version ${String.fromCharCode(stored[3] ?? 0)}`);
  if (stored[4] !== SUITE_AES_256_GCM) throw unknown(`cipher suite ${stored[4]}`);
  if (stored[5] !== idAlgorithms.blake3Keyed) throw unknown(`block id algorithm ${stored[5]}`);
  if (!stored.subarray(8, 16).equals(keys.check)) {
    throw new AppError('key.wrong', `pack ${name} was written under another root key`, { context });
  }
  const wrap = keys.wraps[stored.readUInt16LE(6) - 1];
  if (wrap === undefined) throw unknown(`wrap generation ${stored.readUInt16LE(6)}`);
  if (!stored.subarray(16, 32).equals(unit)) {
    throw new AppError('pack.corrupt', `the object of pack ${name} holds another pack`, { context });
  }
  const blockBytes = stored.readUInt32LE(32);
  if (blockBytes < 512 || blockBytes > BLOCK_BYTES_MAX) {
    throw new AppError('pack.corrupt', `pack ${name} declares blocks of ${blockBytes} bytes`, { context });
  }
  const header = Buffer.from(stored);
  const decipher = createDecipheriv('aes-256-gcm', wrap, header.subarray(36, 48), { authTagLength: 16 });
  decipher.setAAD(wrapData(keys, header));
  decipher.setAuthTag(header.subarray(80, 96));
  try {
    const dataKey = Buffer.concat([decipher.update(header.subarray(48, 80)), decipher.final()]);
    return { tenant: keys.tenant, header, dataKey, blockBytes };
  } catch {
    throw new AppError('pack.corrupt', `the header of pack ${name} does not authenticate`, { context });
  }
}

export const unitNameOf = (context: PackContext): string => context.header.subarray(16, 32).toString('hex');

const wrapData = (keys: RepositoryKeys, header: Buffer): Buffer =>
  Buffer.concat([header.subarray(0, BOUND_BYTES), Buffer.from(`pack-key\0${keys.tenant}`)]);
