/**
 * A restore into a raw image file: sparse, so that what was never written costs nothing. The name is the job's own, so
 * whatever the file holds was written by this restore.
 */
import { constants } from 'node:fs';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { isZero } from '../format/block-id';
import { AppError } from '../model/errors';
import type { DiskWriter } from './ports';

const ZERO_STEP_BYTES = 1024 * 1024;

export interface ImageWriter extends DiskWriter {
  close(): Promise<void>;
}

/** Creates the file at its full size, or opens what an earlier window made of it. `name` comes from a checked transfer. */
export async function openImage(directory: string, name: string, diskBytes: number): Promise<ImageWriter> {
  const told = <Result>(work: Promise<Result>): Promise<Result> =>
    work.catch((error: unknown) => {
      throw targetError(error, name, diskBytes);
    });
  await told(mkdir(directory, { recursive: true }));
  const file = await told(open(join(directory, name), constants.O_RDWR | constants.O_CREAT, 0o600));
  try {
    const { size } = await file.stat();
    if (size > diskBytes) {
      throw new AppError('restore.target-invalid', `the image ${name} exists and is larger than the disk`);
    }
    // Two windows may do this at once: growing to the same size twice is harmless.
    if (size < diskBytes) await told(file.truncate(diskBytes));
  } catch (error) {
    await file.close();
    throw error;
  }
  return {
    write: (offset, bytes) => told(writeFully(file, bytes, offset)),
    zero: async (range, signal) => {
      const step = Buffer.allocUnsafe(ZERO_STEP_BYTES);
      for (let start = range.start; start < range.end; start += step.length) {
        signal.throwIfAborted();
        const length = Math.min(step.length, range.end - start);
        const there = step.subarray(0, length);
        await readFully(file, there, start);
        // Only what is not zero is written: holes stay holes.
        if (!isZero(there)) await told(writeFully(file, Buffer.alloc(length), start));
      }
    },
    flush: () => told(file.datasync()),
    close: () => file.close(),
  };
}

async function writeFully(file: FileHandle, bytes: Buffer, offset: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await file.write(bytes, done, bytes.length - done, offset + done)).bytesWritten;
  }
}

async function readFully(file: FileHandle, bytes: Buffer, offset: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesRead } = await file.read(bytes, done, bytes.length - done, offset + done);
    if (bytesRead === 0) throw new AppError('restore.target-invalid', 'the image became shorter while it was written');
    done += bytesRead;
  }
}

/** What the operator can do about a place that takes no image. */
const ADVICE: Readonly<Record<string, string>> = {
  ENOSPC: 'the file system of the image directory is full',
  EDQUOT: 'the quota of the image directory is used up',
  EROFS: 'the file system of the image directory is read-only',
  EFBIG: 'the file system of the image directory takes no file of this size',
  EACCES: 'the image directory may not be written to',
  EPERM: 'the image directory may not be written to',
  ENOTDIR: 'the image directory is no directory',
};

function targetError(error: unknown, name: string, diskBytes: number): unknown {
  const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';
  const advice = ADVICE[code];
  if (advice === undefined) return error;
  return new AppError('restore.target-invalid', `${advice}; image ${name} needs up to ${diskBytes} bytes (${code})`, {
    context: { errno: code, bytes: diskBytes },
  });
}
