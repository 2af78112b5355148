/**
 * Object data on disk: one immutable file per PUT or part.
 *
 *   incoming/<id>  being received; deleted at the next start
 *   data/<2>/<id>  complete; belongs to an object once a row names it, otherwise deleted at the next start
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { copyFile, type FileHandle, open, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** A run of an object's bytes; an object is its segments one after the other. */
export interface Segment {
  readonly file: string;
  readonly sizeBytes: number;
}

export interface IncomingFile {
  /** Undefined when the piece was only buffered. */
  write(piece: Buffer): Promise<void> | undefined;
  /** Makes the file durable against the death of the process; its name goes into a Segment. */
  keep(): Promise<string>;
  discard(): Promise<void>;
}

const FLUSH_BYTES = 1024 * 1024;

export interface DataFiles {
  pathOf(file: string): string;
  receive(): Promise<IncomingFile>;
  copy(file: string): Promise<string>;
  /** Keeps the files on disk until the returned function is called, even if they are removed meanwhile. */
  pin(segments: readonly Segment[]): () => void;
  remove(segments: readonly Segment[]): void;
}

/** `isKnown` tells which files of an earlier process belong to an object or part. */
export function openDataFiles(directory: string, isKnown: (file: string) => boolean): DataFiles {
  const incoming = join(directory, 'incoming');
  const data = join(directory, 'data');
  rmSync(incoming, { recursive: true, force: true });
  mkdirSync(incoming, { recursive: true });
  for (let shard = 0; shard < 256; shard += 1) {
    const name = shard.toString(16).padStart(2, '0');
    mkdirSync(join(data, name), { recursive: true });
    for (const file of readdirSync(join(data, name)))
      if (!isKnown(file)) rmSync(join(data, name, file), { force: true });
  }
  const pathOf = (file: string): string => join(data, file.slice(0, 2), file);
  const pins = new Map<string, number>();
  const doomed = new Set<string>();
  const unlink = (file: string): void => {
    // A file that stays behind is found at the next start.
    rm(pathOf(file), { force: true }).catch(() => undefined);
  };

  return {
    pathOf,
    async receive() {
      const file = randomBytes(16).toString('hex');
      const temporary = join(incoming, file);
      return writeTo(await open(temporary, 'wx'), {
        keep() {
          renameSync(temporary, pathOf(file));
          return file;
        },
        discard: () => rm(temporary, { force: true }),
      });
    },
    async copy(file) {
      const target = randomBytes(16).toString('hex');
      const temporary = join(incoming, target);
      await copyFile(pathOf(file), temporary);
      renameSync(temporary, pathOf(target));
      return target;
    },
    pin(segments) {
      for (const { file } of segments) pins.set(file, (pins.get(file) ?? 0) + 1);
      return () => {
        for (const { file } of segments) {
          const left = (pins.get(file) ?? 1) - 1;
          if (left > 0) {
            pins.set(file, left);
            continue;
          }
          pins.delete(file);
          if (doomed.delete(file)) unlink(file);
        }
      };
    },
    remove(segments) {
      for (const { file } of segments) {
        if (pins.has(file)) doomed.add(file);
        else unlink(file);
      }
    },
  };
}

function writeTo(
  handle: FileHandle,
  end: { readonly keep: () => string; readonly discard: () => Promise<void> },
): IncomingFile {
  let pieces: Buffer[] = [];
  let bufferedBytes = 0;
  const flush = async (): Promise<void> => {
    const batch = pieces;
    pieces = [];
    let leftBytes = bufferedBytes;
    bufferedBytes = 0;
    const { bytesWritten } = await handle.writev(batch);
    leftBytes -= bytesWritten;
    // A short write happens only when the disk is full; the next attempt then says so.
    if (leftBytes > 0) await handle.write(Buffer.concat(batch).subarray(bytesWritten));
  };
  return {
    write(piece) {
      pieces.push(piece);
      bufferedBytes += piece.length;
      return bufferedBytes >= FLUSH_BYTES ? flush() : undefined;
    },
    async keep() {
      if (bufferedBytes > 0) await flush();
      await handle.close();
      return end.keep();
    },
    async discard() {
      await handle.close();
      await end.discard();
    },
  };
}
