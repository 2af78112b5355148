/** What the machine itself can do, MiB for each second of a core: the hash, the cipher, the codec and a copy, over data of an image. */
import { createCipheriv, randomBytes } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { blockId } from '../shared/format/block-id';
import { compress, decompress } from '../shared/format/compression';
import type { Image } from './images/recipe';

const MIB = 1024 * 1024;
const BLOCK = 64 * 1024;
const SAMPLE_MIB = 96;

export interface Limits {
  readonly copy: number;
  readonly blake3: number;
  readonly aesGcm: number;
  readonly zstd1: number;
  readonly zstd3: number;
  readonly unzstd: number;
}

export function machineLimits(image: Image): Limits {
  const frames = sampleOf(image);
  const key = randomBytes(32);
  const packed = frames.map((frame) => compress(frame, 1));
  const into = Buffer.alloc(MIB);
  const speed = (act: (frame: Buffer, at: number) => void): number => {
    const runs = [0, 1, 2].map(() => {
      const before = process.cpuUsage();
      frames.forEach(act);
      const { user, system } = process.cpuUsage(before);
      return frames.length / ((user + system) / 1e6);
    });
    return runs.sort((a, b) => a - b)[1] ?? 0;
  };
  return {
    copy: speed((frame) => frame.copy(into)),
    blake3: speed((frame) => {
      for (let at = 0; at < frame.length; at += BLOCK) blockId(key, frame.subarray(at, at + BLOCK));
    }),
    aesGcm: speed((frame) => {
      createCipheriv('aes-256-gcm', key, Buffer.alloc(12)).update(frame);
    }),
    zstd1: speed((frame) => compress(frame, 1)),
    zstd3: speed((frame) => compress(frame, 3)),
    unzstd: speed((frame, at) => {
      const one = packed[at];
      if (one) decompress(one, frame.length, 'the sample', 'pack.corrupt');
    }),
  };
}

/** Pieces of 1 MiB from all over the image's data. */
function sampleOf(image: Image): Buffer[] {
  const pieces = image.data.flatMap(({ start, end }) =>
    Array.from({ length: Math.floor((end - start) / MIB) }, (_, at) => start + at * MIB),
  );
  const every = Math.max(1, Math.floor(pieces.length / SAMPLE_MIB));
  const handle = openSync(image.file, 'r');
  const frames = pieces.flatMap((start, at) => {
    if (at % every !== 0) return [];
    const frame = Buffer.alloc(MIB);
    readSync(handle, frame, 0, MIB, start);
    return [frame];
  });
  closeSync(handle);
  return frames;
}
