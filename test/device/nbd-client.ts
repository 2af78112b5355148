/** An NBD client of a few lines, to say what well-behaved ones would never say. */
import { connect, type Socket } from 'node:net';

export class RawClient {
  private readonly received: Buffer[] = [];
  private wake: () => void = () => undefined;
  closed = false;

  private constructor(private readonly socket: Socket) {
    socket.on('data', (chunk) => {
      this.received.push(chunk);
      this.wake();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.closed = true;
      this.wake();
    });
  }

  static open(socketPath: string): Promise<RawClient> {
    const socket = connect(socketPath);
    return new Promise((resolve) => socket.once('connect', () => resolve(new RawClient(socket))));
  }

  send(...parts: readonly Buffer[]): void {
    for (const part of parts) this.socket.write(part);
  }

  /** undefined when the server hangs up first. */
  async take(length: number): Promise<Buffer | undefined> {
    for (;;) {
      const all = Buffer.concat(this.received.splice(0));
      if (all.length >= length) {
        this.received.push(all.subarray(length));
        return all.subarray(0, length);
      }
      this.received.push(all);
      if (this.closed) return undefined;
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
  }

  /** Resolves when the server has hung up. */
  async gone(): Promise<void> {
    while (!this.closed) {
      this.received.length = 0;
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
  }

  end(): void {
    this.socket.destroy();
  }

  /** Greeting, flags, and one option. */
  async greet(flags = 3): Promise<void> {
    await this.take(18);
    this.send(u32(flags));
  }

  async option(option: number, data: Buffer): Promise<{ readonly type: number; readonly data: Buffer } | undefined> {
    this.send(Buffer.from('IHAVEOPT'), u32(option), u32(data.length), data);
    const header = await this.take(20);
    if (!header) return undefined;
    return { type: header.readUInt32BE(12), data: (await this.take(header.readUInt32BE(16))) ?? Buffer.alloc(0) };
  }

  async request(
    type: number,
    offset: bigint,
    length: number,
    flags = 0,
    payload = Buffer.alloc(0),
  ): Promise<number | undefined> {
    const header = Buffer.alloc(28);
    header.writeUInt32BE(0x25609513);
    header.writeUInt16BE(flags, 4);
    header.writeUInt16BE(type, 6);
    header.writeBigUInt64BE(offset, 16);
    header.writeUInt32BE(length, 24);
    this.send(header, payload);
    return (await this.take(16))?.readUInt32BE(4);
  }
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
