/** A socket as a stream of exactly as many bytes as are asked for. No more is buffered than one answer and one chunk. */
import type { Socket } from 'node:net';
import { AppError } from '../../model/errors';

export class SocketIo {
  private readonly iterator: AsyncIterator<Buffer>;
  private rest: Buffer = Buffer.alloc(0);
  private writing: Promise<void> = Promise.resolve();

  constructor(private readonly socket: Socket) {
    this.iterator = socket[Symbol.asyncIterator]();
  }

  /** The next `length` bytes; undefined when the peer has gone before the first of them. */
  async take(length: number): Promise<Buffer | undefined> {
    const parts: Buffer[] = [];
    let missing = length;
    while (missing > 0) {
      if (this.rest.length === 0) {
        const step = await this.iterator.next();
        if (step.done) {
          if (missing === length) return undefined;
          throw new AppError('request.invalid', `an NBD client went away ${missing} bytes before the end of a message`);
        }
        this.rest = step.value;
      }
      const part = this.rest.subarray(0, missing);
      this.rest = this.rest.subarray(part.length);
      parts.push(part);
      missing -= part.length;
    }
    return parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts);
  }

  /** The next `length` bytes, which must come. */
  async need(length: number): Promise<Buffer> {
    const bytes = await this.take(length);
    if (!bytes) throw new AppError('request.invalid', 'an NBD client went away in the middle of a message');
    return bytes;
  }

  /** In the order of the calls, all parts of one call together. Resolves when the kernel has room for more. */
  write(...parts: readonly Buffer[]): Promise<void> {
    this.writing = this.writing.then(() => this.send(parts));
    return this.writing;
  }

  private send(parts: readonly Buffer[]): Promise<void> {
    if (this.socket.destroyed) return Promise.resolve(); // nobody waits for it any more
    this.socket.cork();
    let room = true;
    for (const part of parts) room = this.socket.write(part);
    this.socket.uncork();
    if (room) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        this.socket.off('drain', done);
        this.socket.off('close', done);
        resolve();
      };
      this.socket.once('drain', done);
      this.socket.once('close', done);
    });
  }
}
