/**
 * Little tools for bytes: unsigned varints (LEB128, 7 bits a byte, low first, canonical), raw bytes and short texts. The
 * reader trusts nothing: every length is checked against what is left and against a caller's bound before it is used.
 */
import { assert } from '../base/assert';
import { AppError, type ErrorCode } from '../model/errors';

export class ByteWriter {
  private buffer: Buffer;
  private used = 0;

  constructor(sizeHintBytes = 256) {
    this.buffer = Buffer.allocUnsafe(Math.max(16, sizeHintBytes));
  }

  varint(value: number): this {
    assert(Number.isSafeInteger(value) && value >= 0, `not an unsigned integer: ${value}`);
    this.room(8);
    let rest = value;
    while (rest >= 0x80) {
      this.buffer[this.used++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.buffer[this.used++] = rest;
    return this;
  }

  bytes(bytes: Uint8Array): this {
    this.room(bytes.length);
    this.buffer.set(bytes, this.used);
    this.used += bytes.length;
    return this;
  }

  /** UTF-8 behind its length. */
  text(text: string): this {
    const bytes = Buffer.from(text, 'utf8');
    return this.varint(bytes.length).bytes(bytes);
  }

  finish(): Buffer {
    return this.buffer.subarray(0, this.used);
  }

  private room(bytes: number): void {
    if (this.used + bytes <= this.buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.used + bytes, this.buffer.length * 2));
    this.buffer.copy(grown, 0, 0, this.used);
    this.buffer = grown;
  }
}

export class ByteReader {
  private at = 0;

  /** `what` names the thing in error messages; `code` is the error's code when the bytes make no sense. */
  constructor(
    private readonly buffer: Buffer,
    private readonly what: string,
    private readonly code: ErrorCode,
  ) {}

  /** At most `max`; a longer encoding than needed is refused, so that one value has one encoding. */
  varint(max: number, field: string): number {
    let value = 0;
    let scale = 1;
    for (let count = 0; ; count++) {
      const byte = this.buffer[this.at];
      if (byte === undefined || count > 7) throw this.bad(`${field} is cut off or too long`);
      this.at++;
      value += (byte & 0x7f) * scale;
      scale *= 0x80;
      if (byte < 0x80) {
        if (byte === 0 && count > 0) throw this.bad(`${field} is not in its shortest form`);
        break;
      }
    }
    if (value > max) throw this.bad(`${field} is ${value}, at most ${max} is allowed`);
    return value;
  }

  bytes(length: number, field: string): Buffer {
    if (this.at + length > this.buffer.length) throw this.bad(`${field} is cut off`);
    this.at += length;
    return this.buffer.subarray(this.at - length, this.at);
  }

  text(maxBytes: number, field: string): string {
    const bytes = this.bytes(this.varint(maxBytes, field), field);
    const text = bytes.toString('utf8');
    if (!Buffer.from(text, 'utf8').equals(bytes)) throw this.bad(`${field} is not UTF-8`);
    return text;
  }

  /** Bytes behind the last field are refused: nothing rides along unseen. */
  end(): void {
    if (this.at !== this.buffer.length) throw this.bad(`${this.buffer.length - this.at} bytes too many`);
  }

  bad(why: string): AppError {
    return new AppError(this.code, `${this.what} cannot be read: ${why}`);
  }
}
