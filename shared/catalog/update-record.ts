/** Read, change, write, again when another was faster. The one loop behind every change of a shared record. */
import { AppError, isAppError } from '../model/errors';
import type { RecordStore } from './record-store';

/** Writers of one record are few (an orchestration, a cancel, an event): more rounds than this mean something is wrong. */
const ROUNDS_MAX = 12;

/**
 * `change` gets the stored value (undefined: none) and returns the new one, or undefined to leave all as it is. It may run
 * several times, so it must have no effects. Resolves the value that now stands. `record.conflict` after too many rounds.
 */
export async function updateRecord<Value>(
  records: RecordStore,
  at: { readonly partition: string; readonly id: string },
  parse: (value: unknown) => Value,
  change: (current: Value | undefined) => Value | undefined,
): Promise<Value | undefined> {
  for (let round = 1; round <= ROUNDS_MAX; round++) {
    const record = await records.read(at.partition, at.id);
    const current = record === undefined ? undefined : parse(record.value);
    const next = change(current);
    if (next === undefined) return current;
    try {
      if (record === undefined) await records.create(at.partition, at.id, next);
      else await records.update(at.partition, at.id, next, record.etag);
      return next;
    } catch (error) {
      if (!isAppError(error, 'record.conflict')) throw error;
    }
  }
  throw new AppError('record.conflict', `the record ${at.partition}/${at.id} keeps changing`, { retryable: true });
}
