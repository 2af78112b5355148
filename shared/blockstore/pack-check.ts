/** What a pack must show before it is put, apart from its frames, which are decoded one by one. */
import { openPackTail, type PackDirectory } from '../format/pack';
import { type PackContext, packHeaderBytes, unitNameOf } from '../format/pack-header';
import { AppError } from '../model/errors';

/** Header and directory read as they were meant. `pack.corrupt` otherwise. */
export function requireDirectory(context: PackContext, bytes: Buffer, tailBytes: number, ids: Buffer): void {
  const isHeader = bytes.subarray(0, packHeaderBytes).equals(context.header);
  if (!isHeader) throw notWritten(context, 'its header changed after it was made');
  let directory: PackDirectory;
  try {
    directory = openPackTail(context, bytes.subarray(bytes.length - tailBytes), bytes.length);
  } catch {
    throw notWritten(context, 'its directory does not decode');
  }
  if (!directory.ids.equals(ids)) throw notWritten(context, 'its directory names other blocks than were read');
}

/** The source is intact: the damage came about in this machine's memory, and another try makes another pack. */
export function notWritten(context: PackContext, why: string): AppError {
  const unit = unitNameOf(context);
  return new AppError('pack.corrupt', `pack ${unit} was not written: ${why}`, { retryable: true, context: { unit } });
}
