/**
 * The content of the sample disks: deterministic, so that any file can be made again to compare with, and of the kinds
 * that a backup meets: text and logs (compress well), programs (half), media (not at all), database pages (partly empty).
 */
import { createCipheriv, createHash } from 'node:crypto';

export type ContentKind = 'text' | 'log' | 'program' | 'media' | 'database';

/** A piece written over (or behind the end of) what was there. */
export interface ContentEdit {
  readonly offset: number;
  readonly kind: ContentKind;
  readonly seed: string;
  readonly bytes: number;
}

export interface SampleFile {
  /** Absolute inside the file system: /var/log/app.log. Letters, digits, dot, dash and slash only. */
  readonly path: string;
  readonly kind: ContentKind;
  readonly seed: string;
  readonly bytes: number;
  readonly edits?: readonly ContentEdit[];
}

const DATABASE_PAGE_BYTES = 8192;

/** The bytes of the file, edits applied in order. */
export function contentOf(file: SampleFile): Buffer {
  const edits = file.edits ?? [];
  const length = edits.reduce((end, edit) => Math.max(end, edit.offset + edit.bytes), file.bytes);
  const content = Buffer.alloc(length);
  makeContent(file.kind, file.seed, file.bytes).copy(content);
  for (const edit of edits) makeContent(edit.kind, edit.seed, edit.bytes).copy(content, edit.offset);
  return content;
}

export const sha256Of = (content: Uint8Array): string => createHash('sha256').update(content).digest('hex');

export function makeContent(kind: ContentKind, seed: string, bytes: number): Buffer {
  switch (kind) {
    case 'media':
      return keystream(seed, bytes);
    case 'program':
      return program(seed, bytes);
    case 'database':
      return databasePages(seed, bytes);
    case 'text':
    case 'log':
      return lines(kind, seed, bytes);
  }
}

/** Uniform in [0, 1), the same for the same seed. Mulberry32: small, and good enough for sample data. */
export function seededNumbers(seed: string): () => number {
  let state = createHash('sha256').update(seed).digest().readUInt32LE();
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The key stream of a cipher: incompressible, deterministic, and as fast as the processor's AES. */
function keystream(seed: string, bytes: number): Buffer {
  const key = createHash('sha256').update(seed).digest().subarray(0, 16);
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(bytes));
}

function program(seed: string, bytes: number): Buffer {
  const content = keystream(seed, bytes);
  // Every second run of 32 bytes repeats a small table: machine code compresses to about a half.
  for (let offset = 32; offset + 32 <= bytes; offset += 64) content.copy(content, offset, 0, 32);
  return content;
}

function databasePages(seed: string, bytes: number): Buffer {
  const content = lines('text', seed, bytes);
  const number = seededNumbers(`${seed}/pages`);
  for (let page = 0; page < bytes; page += DATABASE_PAGE_BYTES) {
    if (page + 24 <= bytes) keystream(`${seed}/${page}`, 24).copy(content, page);
    const used = 5000 + Math.floor(number() * 3000);
    content.fill(0, Math.min(bytes, page + used), Math.min(bytes, page + DATABASE_PAGE_BYTES));
  }
  return content;
}

function lines(kind: 'text' | 'log', seed: string, bytes: number): Buffer {
  const number = seededNumbers(seed);
  const words = Array.from({ length: 600 }, () => word(number));
  const pick = (): string => words[Math.floor(number() * words.length)] ?? '';
  const content = Buffer.alloc(bytes);
  let clock = 1_760_000_000;
  for (let offset = 0; offset < bytes; ) {
    clock += Math.floor(number() * 4);
    const line =
      kind === 'log'
        ? `${clock} app[${Math.floor(number() * 9000)}]: GET /${pick()}/${pick()} status=${number() < 0.9 ? 200 : 404} us=${Math.floor(number() * 90_000)}\n`
        : `${pick()} ${pick()} ${pick()} ${pick()} ${pick()} ${pick()} ${pick()} ${pick()} ${pick()} ${pick()}.\n`;
    offset += content.write(line, offset, 'latin1');
  }
  return content;
}

function word(number: () => number): string {
  const length = 3 + Math.floor(number() * 8);
  return Array.from({ length }, () => String.fromCharCode(97 + Math.floor(number() * 26))).join('');
}
