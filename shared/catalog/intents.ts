/**
 * Every effect on a cloud is written down before it happens and struck out when it is undone or no longer ours to undo. What
 * stands here after a crash is the list of what may exist; the janitor looks each one up.
 */
import { z } from 'zod';
import type { Clock } from '../base/clock';
import { isAppError } from '../model/errors';
import { jobIdSchema, resourceKey } from '../model/ids';
import { parseRecord } from './parse-record';
import type { RecordStore } from './record-store';

export const intentKindSchema = z.enum(['snapshot', 'access', 'upload-disk', 'fleet', 'session']);
export type IntentKind = z.infer<typeof intentKindSchema>;

const intentSchema = z.strictObject({
  jobId: jobIdSchema,
  kind: intentKindSchema,
  resourceId: z.string().min(1),
  recordedAt: z.string(),
});
export type Intent = z.infer<typeof intentSchema>;

/** All three are safe to repeat. */
export interface Intents {
  record(jobId: string, kind: IntentKind, resourceId: string): Promise<void>;
  close(jobId: string, kind: IntentKind, resourceId: string): Promise<void>;
  /** Open intents of one job, or of all. */
  list(jobId?: string): Promise<Intent[]>;
}

const PARTITION = 'intents';

export function createIntents(records: RecordStore, clock: Clock): Intents {
  return {
    async record(jobId, kind, resourceId) {
      const intent: Intent = { jobId, kind, resourceId, recordedAt: new Date(clock.now()).toISOString() };
      try {
        await records.create(PARTITION, intentId(jobId, kind, resourceId), intent);
      } catch (error) {
        // Recorded already: the first time stands, it is when the effect may have begun.
        if (!isAppError(error, 'record.conflict')) throw error;
      }
    },

    close: (jobId, kind, resourceId) => records.remove(PARTITION, intentId(jobId, kind, resourceId)),

    async list(jobId) {
      const intents: Intent[] = [];
      for await (const record of records.list(PARTITION, jobId === undefined ? undefined : `${jobId}~`)) {
        intents.push(parseRecord(intentSchema, `the intent ${record.id}`, record.value));
      }
      return intents;
    },
  };
}

/** `~` is in no job id, so the prefix of one job never covers another's. */
const intentId = (jobId: string, kind: IntentKind, resourceId: string): string =>
  `${jobId}~${kind}~${resourceKey(resourceId)}`;
