/**
 * Numbers and messages of the NBD protocol (github.com/NetworkBlockDevice/nbd, doc/proto.md), fixed newstyle. Big-endian.
 */
import { AppError } from '../../model/errors';

export const magic = {
  greeting: Buffer.from('NBDMAGIC'),
  option: Buffer.from('IHAVEOPT'),
  optionReply: 0x3e889045565a9n,
  request: 0x25609513,
  simpleReply: 0x67446698,
  structuredReply: 0x668e33ef,
} as const;

export const handshakeFlags = { fixedNewstyle: 1, noZeroes: 2 } as const;

export const options = {
  exportName: 1,
  abort: 2,
  list: 3,
  startTls: 5,
  info: 6,
  go: 7,
  structuredReply: 8,
  listMetaContext: 9,
  setMetaContext: 10,
} as const;

export const optionReplies = {
  ack: 1,
  server: 2,
  info: 3,
  metaContext: 4,
  unsupported: 2 ** 31 + 1,
  policy: 2 ** 31 + 2,
  invalid: 2 ** 31 + 3,
  unknownExport: 2 ** 31 + 6,
  tooBig: 2 ** 31 + 9,
} as const;

export const infos = { export: 0, name: 1, description: 2, blockSize: 3 } as const;

export const transmissionFlags = {
  hasFlags: 1,
  readOnly: 2,
  sendFlush: 4,
  sendFua: 8,
  sendTrim: 32,
  sendWriteZeroes: 64,
  sendDf: 128,
  canMultiConn: 256,
} as const;

export const commands = {
  read: 0,
  write: 1,
  disconnect: 2,
  flush: 3,
  trim: 4,
  writeZeroes: 6,
  blockStatus: 7,
} as const;

export const commandFlags = { fua: 1, noHole: 2, df: 4, reqOne: 8, fastZero: 16 } as const;

export const chunks = { none: 0, offsetData: 1, offsetHole: 2, blockStatus: 5, error: 2 ** 15 + 1 } as const;
export const chunkDone = 1;

/** Errors as the protocol numbers them. */
export const errnos = { EPERM: 1, EIO: 5, EINVAL: 22, ENOSPC: 28, EOVERFLOW: 75, ENOTSUP: 95 } as const;

export const allocationContext = 'base:allocation';
export const allocationContextId = 1;
export const allocation = { hole: 1, zero: 2 } as const;

export const requestBytes = 28;
/** What a client may ask for or send at once; told to it, and what it would take from a server that says nothing. */
export const payloadBytesMax = 32 * 1024 * 1024;

export interface Request {
  readonly flags: number;
  readonly type: number;
  readonly handle: Buffer;
  readonly offset: bigint;
  readonly length: number;
}

/** A header of 28 bytes. Anything but a request means that the two sides have lost each other: the connection must end. */
export function parseRequest(header: Buffer): Request {
  if (header.readUInt32BE(0) !== magic.request) {
    throw new AppError('request.invalid', 'an NBD client sent something that is no request');
  }
  return {
    flags: header.readUInt16BE(4),
    type: header.readUInt16BE(6),
    handle: Buffer.from(header.subarray(8, 16)),
    offset: header.readBigUInt64BE(16),
    length: header.readUInt32BE(24),
  };
}

export function optionReply(option: number, type: number, data: Buffer = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(20);
  header.writeBigUInt64BE(magic.optionReply, 0);
  header.writeUInt32BE(option, 8);
  header.writeUInt32BE(type, 12);
  header.writeUInt32BE(data.length, 16);
  return Buffer.concat([header, data]);
}

export function simpleReply(handle: Buffer, error: number): Buffer {
  const header = Buffer.alloc(16);
  header.writeUInt32BE(magic.simpleReply, 0);
  header.writeUInt32BE(error, 4);
  handle.copy(header, 8);
  return header;
}

/** The only chunk of its reply. `dataBytes`: what follows `payload` on the wire. */
export function structuredReply(handle: Buffer, type: number, payload: Buffer, dataBytes = 0): Buffer {
  const header = Buffer.alloc(20);
  header.writeUInt32BE(magic.structuredReply, 0);
  header.writeUInt16BE(chunkDone, 4);
  header.writeUInt16BE(type, 6);
  handle.copy(header, 8);
  header.writeUInt32BE(payload.length + dataBytes, 16);
  return Buffer.concat([header, payload]);
}
