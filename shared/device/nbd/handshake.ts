/**
 * The fixed-newstyle handshake: options, until the client has chosen an export. What a stranger may send is bounded: so many
 * options, so many bytes each. No TLS: the server listens on loopback and on sockets of the file system only.
 */
import { AppError, isAppError } from '../../model/errors';
import type { BlockSource, WritableSource } from '../block-source';
import {
  allocationContext,
  allocationContextId,
  handshakeFlags,
  infos,
  magic,
  optionReplies,
  optionReply,
  options,
  payloadBytesMax,
  transmissionFlags,
} from './protocol';
import type { SocketIo } from './socket-io';

/** What is offered under one name. */
export interface NbdDevice {
  readonly source: BlockSource | WritableSource;
  readonly description: string;
  /** The client leaves. */
  close(): Promise<void>;
}

export interface NbdExports {
  /** Names, and what they are. */
  list(): Promise<readonly { readonly name: string; readonly description: string }[]>;
  /** The empty name is the default. `request.not-found`, `store.not-found` for a name that is none. */
  open(name: string, signal: AbortSignal): Promise<NbdDevice>;
}

/** What was agreed upon. */
export interface Session {
  readonly device: NbdDevice;
  readonly structured: boolean;
  readonly blockStatus: boolean;
}

const OPTIONS_MAX = 64;
const OPTION_BYTES_MAX = 8 * 1024;
const NAME_BYTES_MAX = 4096;
const QUERIES_MAX = 32;
/** Reads of whole blocks are best; of single bytes they are possible. */
const PREFERRED_BYTES = 65_536;

export const isWritable = (source: BlockSource | WritableSource): source is WritableSource => 'write' in source;

export function flagsOf(source: BlockSource | WritableSource): number {
  const flags = transmissionFlags;
  const common = flags.hasFlags | flags.sendFlush | flags.sendDf | flags.canMultiConn;
  return isWritable(source) ? common | flags.sendFua | flags.sendTrim | flags.sendWriteZeroes : common | flags.readOnly;
}

/** undefined when the client was content with asking. */
export async function shakeHands(io: SocketIo, exports: NbdExports, signal: AbortSignal): Promise<Session | undefined> {
  const ourFlags = Buffer.alloc(2);
  ourFlags.writeUInt16BE(handshakeFlags.fixedNewstyle | handshakeFlags.noZeroes);
  await io.write(magic.greeting, magic.option, ourFlags);
  const answer = await io.take(4);
  if (!answer) return undefined;
  const clientFlags = answer.readUInt32BE(0);
  if (clientFlags > (handshakeFlags.fixedNewstyle | handshakeFlags.noZeroes)) {
    throw new AppError('request.invalid', 'an NBD client wants what this server does not offer');
  }
  return new Handshake(io, exports, signal, (clientFlags & handshakeFlags.noZeroes) !== 0).run();
}

class Handshake {
  private structured = false;
  /** The export that block status was agreed upon for. */
  private statusFor: string | undefined;

  constructor(
    private readonly io: SocketIo,
    private readonly exports: NbdExports,
    private readonly signal: AbortSignal,
    private readonly noZeroes: boolean,
  ) {}

  async run(): Promise<Session | undefined> {
    for (let count = 0; count < OPTIONS_MAX; count++) {
      const header = await this.io.take(16);
      if (!header) return undefined;
      if (!header.subarray(0, 8).equals(magic.option)) {
        throw new AppError('request.invalid', 'an NBD client sent something that is no option');
      }
      const option = header.readUInt32BE(8);
      const length = header.readUInt32BE(12);
      // Skipping what is too long would let a stranger keep us reading; the standard allows to hang up.
      if (length > OPTION_BYTES_MAX) {
        await this.io.write(optionReply(option, optionReplies.tooBig));
        throw new AppError('request.invalid', `an NBD client sent an option of ${length} bytes`);
      }
      const data = await this.io.need(length);
      const session = await this.answer(option, data);
      if (session !== 'more') return session;
    }
    throw new AppError('request.invalid', `an NBD client sent more than ${OPTIONS_MAX} options`);
  }

  private async answer(option: number, data: Buffer): Promise<Session | 'more' | undefined> {
    switch (option) {
      case options.exportName:
        return this.exportName(data);
      case options.abort:
        await this.io.write(optionReply(option, optionReplies.ack));
        return undefined;
      case options.list:
        return this.list(data);
      case options.info:
      case options.go:
        return this.choose(option, data);
      case options.structuredReply:
        if (data.length > 0) return this.refuse(option, optionReplies.invalid, 'no data belongs here');
        this.structured = true;
        await this.io.write(optionReply(option, optionReplies.ack));
        return 'more';
      case options.listMetaContext:
      case options.setMetaContext:
        return this.metaContext(option, data);
      default:
        return this.refuse(option, optionReplies.unsupported, 'not offered');
    }
  }

  private async refuse(option: number, type: number, why: string): Promise<'more'> {
    await this.io.write(optionReply(option, type, Buffer.from(why)));
    return 'more';
  }

  /** The old way to choose: there is no reply for a refusal, only the end of the connection. */
  private async exportName(data: Buffer): Promise<Session> {
    const name = data.toString('utf8');
    const device = await this.exports.open(name, this.signal);
    await this.io.write(sizeAndFlags(device), this.noZeroes ? Buffer.alloc(0) : Buffer.alloc(124));
    return this.session(device, name);
  }

  private async list(data: Buffer): Promise<'more'> {
    if (data.length > 0) return this.refuse(options.list, optionReplies.invalid, 'no data belongs here');
    for (const { name, description } of await this.exports.list()) {
      const bytes = Buffer.from(name);
      const length = Buffer.alloc(4);
      length.writeUInt32BE(bytes.length);
      const reply = Buffer.concat([length, bytes, Buffer.from(description)]);
      await this.io.write(optionReply(options.list, optionReplies.server, reply));
    }
    await this.io.write(optionReply(options.list, optionReplies.ack));
    return 'more';
  }

  private async choose(option: number, data: Buffer): Promise<Session | 'more'> {
    const parsed = parseChoice(data);
    if (!parsed) return this.refuse(option, optionReplies.invalid, 'the lengths in it do not fit');
    const device = await this.open(option, parsed.name);
    if (!device) return 'more';
    const info = (type: number, body: Buffer): Promise<void> => {
      const head = Buffer.alloc(2);
      head.writeUInt16BE(type);
      return this.io.write(optionReply(option, optionReplies.info, Buffer.concat([head, body])));
    };
    await info(infos.export, sizeAndFlags(device));
    if (parsed.wanted.has(infos.name)) await info(infos.name, Buffer.from(parsed.name));
    if (parsed.wanted.has(infos.description)) await info(infos.description, Buffer.from(device.description));
    if (parsed.wanted.has(infos.blockSize)) {
      const sizes = Buffer.alloc(12);
      sizes.writeUInt32BE(1, 0);
      sizes.writeUInt32BE(PREFERRED_BYTES, 4);
      sizes.writeUInt32BE(payloadBytesMax, 8);
      await info(infos.blockSize, sizes);
    }
    await this.io.write(optionReply(option, optionReplies.ack));
    if (option === options.go) return this.session(device, parsed.name);
    await device.close();
    return 'more';
  }

  private async metaContext(option: number, data: Buffer): Promise<'more'> {
    const isSet = option === options.setMetaContext;
    if (isSet) this.statusFor = undefined;
    const parsed = parseQueries(data);
    if (!parsed) return this.refuse(option, optionReplies.invalid, 'the lengths in it do not fit');
    if (isSet && !this.structured) {
      return this.refuse(option, optionReplies.invalid, 'structured replies must be agreed upon first');
    }
    const device = await this.open(option, parsed.name);
    if (!device) return 'more';
    await device.close();
    const asksAll = !isSet && (parsed.queries.length === 0 || parsed.queries.includes('base:'));
    if (asksAll || parsed.queries.includes(allocationContext)) {
      if (isSet) this.statusFor = parsed.name;
      const id = Buffer.alloc(4);
      id.writeUInt32BE(isSet ? allocationContextId : 0);
      const reply = Buffer.concat([id, Buffer.from(allocationContext)]);
      await this.io.write(optionReply(option, optionReplies.metaContext, reply));
    }
    await this.io.write(optionReply(option, optionReplies.ack));
    return 'more';
  }

  /** undefined after a refusal. Whatever else goes wrong ends the connection, and is logged there. */
  private async open(option: number, name: string): Promise<NbdDevice | undefined> {
    try {
      return await this.exports.open(name, this.signal);
    } catch (error) {
      const unknown = isAppError(error, 'request.not-found') || isAppError(error, 'store.not-found');
      if (!isAppError(error)) throw error;
      await this.refuse(option, unknown ? optionReplies.unknownExport : optionReplies.policy, error.message);
      return undefined;
    }
  }

  private session(device: NbdDevice, name: string): Session {
    return { device, structured: this.structured, blockStatus: this.structured && this.statusFor === name };
  }
}

function sizeAndFlags({ source }: NbdDevice): Buffer {
  const bytes = Buffer.alloc(10);
  bytes.writeBigUInt64BE(BigInt(source.sizeBytes), 0);
  bytes.writeUInt16BE(flagsOf(source), 8);
  return bytes;
}

function parseChoice(data: Buffer): { readonly name: string; readonly wanted: ReadonlySet<number> } | undefined {
  const name = readName(data);
  if (!name || data.length < name.end + 2) return undefined;
  const count = data.readUInt16BE(name.end);
  if (data.length !== name.end + 2 + 2 * count) return undefined;
  const wanted = new Set(Array.from({ length: count }, (_, index) => data.readUInt16BE(name.end + 2 + 2 * index)));
  return { name: name.text, wanted };
}

function parseQueries(data: Buffer): { readonly name: string; readonly queries: readonly string[] } | undefined {
  const name = readName(data);
  if (!name || data.length < name.end + 4) return undefined;
  const count = data.readUInt32BE(name.end);
  if (count > QUERIES_MAX) return undefined;
  const queries: string[] = [];
  let at = name.end + 4;
  for (let index = 0; index < count; index++) {
    const query = readName(data.subarray(at));
    if (!query) return undefined;
    queries.push(query.text);
    at += query.end;
  }
  return at === data.length ? { name: name.text, queries } : undefined;
}

function readName(data: Buffer): { readonly text: string; readonly end: number } | undefined {
  if (data.length < 4) return undefined;
  const length = data.readUInt32BE(0);
  if (length > NAME_BYTES_MAX || 4 + length > data.length) return undefined;
  return { text: data.subarray(4, 4 + length).toString('utf8'), end: 4 + length };
}
