/**
 * Requests of one client, several at a time, answered in the order in which they are done. What a client asks for outside of
 * the disk gets an error; what makes no sense as a message ends the connection.
 */
import { assert } from '../../base/assert';
import { ByteBudget } from '../../blockstore/byte-budget';
import { AppError, isAppError } from '../../model/errors';
import { GIB } from '../../model/limits';
import type { BlockSource, Extent } from '../block-source';
import { isWritable, type Session } from './handshake';
import {
  allocation,
  allocationContextId,
  chunks,
  commandFlags,
  commands,
  errnos,
  parseRequest,
  payloadBytesMax,
  type Request,
  requestBytes,
  simpleReply,
  structuredReply,
} from './protocol';
import type { SocketIo } from './socket-io';

export interface TransmissionHooks {
  readonly signal: AbortSignal;
  /** A request that failed for another reason than the client's. */
  readonly onFailure: (error: unknown, request: { readonly type: number; readonly offset: number }) => void;
}

/** Requests under way for one client. */
const REQUESTS_MAX = 32;
/** Bytes that they may hold together: two of the largest. */
const REQUEST_BYTES_MAX = 2 * payloadBytesMax;
/** Block status is told for at most so much, in so many pieces: the client asks on. */
const STATUS_BYTES_MAX = 8 * GIB;
const EXTENTS_MAX = 1024;

interface Failure {
  readonly errno: number;
  readonly message: string;
}

/** Resolves when the client has left. */
export async function serveRequests(io: SocketIo, session: Session, hooks: TransmissionHooks): Promise<void> {
  const server = new Transmission(io, session, hooks);
  const underway = new Set<Promise<void>>();
  try {
    for (;;) {
      const header = await io.take(requestBytes);
      if (!header) return;
      const request = parseRequest(header);
      if (request.type === commands.disconnect) return;
      const give = await server.room(request);
      const payload = request.type === commands.write ? await io.need(request.length) : undefined;
      const answered = server.answer(request, payload).finally(() => {
        give();
        underway.delete(answered);
      });
      underway.add(answered);
      if (underway.size >= REQUESTS_MAX) await Promise.race(underway);
    }
  } finally {
    await Promise.allSettled(underway);
  }
}

class Transmission {
  private readonly budget = new ByteBudget('requests of an NBD client', REQUEST_BYTES_MAX);

  constructor(
    private readonly io: SocketIo,
    private readonly session: Session,
    private readonly hooks: TransmissionHooks,
  ) {}

  /** Room for what the request brings or fetches. A write that is too long to be taken ends the connection. */
  room({ type, length }: Request): Promise<() => void> {
    const carries = type === commands.read || type === commands.write;
    if (type === commands.write && length > payloadBytesMax) {
      throw new AppError('request.invalid', `an NBD client sends ${length} bytes at once; at most ${payloadBytesMax}`);
    }
    return this.budget.take(carries ? Math.min(length, payloadBytesMax) : 0, this.hooks.signal);
  }

  /** Answers, whatever happens. */
  async answer(request: Request, payload: Buffer | undefined): Promise<void> {
    const failure = this.wrong(request);
    if (failure) return this.fail(request, failure);
    try {
      await this.run(request, payload);
    } catch (error) {
      this.hooks.onFailure(error, { type: request.type, offset: Number(request.offset) });
      const message = isAppError(error) ? error.message : 'something failed that should not have';
      await this.fail(request, { errno: errnos.EIO, message });
    }
  }

  private async run(request: Request, payload: Buffer | undefined): Promise<void> {
    const { source } = this.session.device;
    const { signal } = this.hooks;
    const range = { start: Number(request.offset), end: Number(request.offset) + request.length };
    switch (request.type) {
      case commands.read:
        return this.read(request, range.start);
      case commands.blockStatus:
        return this.blockStatus(request, source);
      case commands.flush:
        if (isWritable(source)) await source.flush(signal);
        break;
      default:
        assert(isWritable(source), 'a read-only device is not written');
        if (request.type === commands.write) await source.write(range.start, payload ?? Buffer.alloc(0), signal);
        // TRIM promises nothing about what is read afterwards; zeros give the room back.
        else await source.zero(range, signal);
        if (request.flags & commandFlags.fua) await source.flush(signal);
    }
    await this.done(request);
  }

  private async read({ handle, length }: Request, start: number): Promise<void> {
    const { structured, device } = this.session;
    const bytes = await device.source.read(start, length, this.hooks.signal);
    if (!structured) return this.io.write(simpleReply(handle, 0), bytes);
    const place = Buffer.alloc(8);
    place.writeBigUInt64BE(BigInt(start));
    return this.io.write(structuredReply(handle, chunks.offsetData, place, bytes.length), bytes);
  }

  private async blockStatus(request: Request, source: BlockSource): Promise<void> {
    const start = Number(request.offset);
    const end = start + Math.min(request.length, STATUS_BYTES_MAX);
    const extents = await source.extents({ start, end }, this.hooks.signal);
    const told = extents.slice(0, request.flags & commandFlags.reqOne ? 1 : EXTENTS_MAX);
    const payload = Buffer.alloc(4 + 8 * told.length);
    payload.writeUInt32BE(allocationContextId);
    told.forEach((extent, index) => {
      payload.writeUInt32BE(extentLength(extent), 4 + 8 * index);
      payload.writeUInt32BE(extent.zero ? allocation.hole | allocation.zero : 0, 8 + 8 * index);
    });
    return this.io.write(structuredReply(request.handle, chunks.blockStatus, payload));
  }

  /** What is wrong with a request before anything is done for it. */
  private wrong({ type, flags, offset, length }: Request): Failure | undefined {
    const { device, blockStatus, structured } = this.session;
    const invalid = (message: string): Failure => ({ errno: errnos.EINVAL, message });
    const writes = type === commands.write || type === commands.trim || type === commands.writeZeroes;
    if (!Object.values<number>(commands).includes(type)) return invalid(`command ${type} is not known`);
    if ((flags & ~allowedFlags(type, structured)) !== 0)
      return invalid(`flags ${flags} do not go with command ${type}`);
    if (writes && !isWritable(device.source)) return { errno: errnos.EPERM, message: 'this device is read-only' };
    if (type === commands.flush) return offset === 0n && length === 0 ? undefined : invalid('a flush has no range');
    if (type === commands.blockStatus && !blockStatus) return invalid('block status was not agreed upon');
    if (offset + BigInt(length) > BigInt(device.source.sizeBytes)) {
      return type === commands.read || type === commands.blockStatus
        ? invalid('the range ends behind the disk')
        : { errno: errnos.ENOSPC, message: 'the range ends behind the disk' };
    }
    if (length === 0) return invalid('a range of no bytes');
    if (type === commands.read && length > payloadBytesMax) {
      return { errno: errnos.EOVERFLOW, message: `at most ${payloadBytesMax} bytes at once` };
    }
    return undefined;
  }

  private done({ handle }: Request): Promise<void> {
    const reply = this.session.structured
      ? structuredReply(handle, chunks.none, Buffer.alloc(0))
      : simpleReply(handle, 0);
    return this.io.write(reply);
  }

  private fail({ handle }: Request, { errno, message }: Failure): Promise<void> {
    if (!this.session.structured) return this.io.write(simpleReply(handle, errno));
    const text = Buffer.from(message).subarray(0, 1024);
    const head = Buffer.alloc(6);
    head.writeUInt32BE(errno, 0);
    head.writeUInt16BE(text.length, 4);
    return this.io.write(structuredReply(handle, chunks.error, Buffer.concat([head, text])));
  }
}

function allowedFlags(type: number, structured: boolean): number {
  const { fua, noHole, df, reqOne } = commandFlags;
  switch (type) {
    case commands.read:
      return structured ? df | fua : fua;
    case commands.writeZeroes:
      return fua | noHole;
    case commands.blockStatus:
      return reqOne | fua;
    default:
      return fua;
  }
}

/** Lengths have 32 bits on the wire; a multiple of 64 KiB keeps what follows aligned. */
const extentLength = ({ start, end }: Extent): number => Math.min(end - start, 2 ** 32 - 65_536);
