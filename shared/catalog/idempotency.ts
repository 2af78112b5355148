/**
 * Idempotency-Key: the first request with a key writes down what it is about (a fingerprint) before it does anything; its
 * answer is added when it is done. The same request again gets that answer, another request under the same key is refused.
 * A request that died in between is done again with the same `seed`, so that it makes the same ids and starts nothing twice.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Clock } from '../base/clock';
import { isAppError } from '../model/errors';
import { parseRecord } from './parse-record';
import type { RecordStore } from './record-store';
import { updateRecord } from './update-record';

const answerSchema = z.strictObject({
  status: z.number().int(),
  headers: z.record(z.string(), z.string()),
  body: z.unknown(),
});
export type KeptAnswer = z.infer<typeof answerSchema>;

const recordSchema = z.strictObject({
  fingerprint: z.string(),
  /** Epoch ms. */
  createdAt: z.number(),
  answer: answerSchema.optional(),
});
type IdempotencyRecord = z.infer<typeof recordSchema>;

export type Claim =
  /** Do it. The seed is the same for every repetition of this request. */
  | { readonly kind: 'proceed'; readonly seed: string }
  | { readonly kind: 'answered'; readonly answer: KeptAnswer }
  | { readonly kind: 'mismatch' };

export interface Idempotency {
  claim(key: string, fingerprint: string): Promise<Claim>;
  /** Keeps the answer for 24 h from the claim. Safe to repeat; does nothing when the key is another request's by now. */
  keep(key: string, fingerprint: string, answer: KeptAnswer): Promise<void>;
}

const PARTITION = 'idempotency';
const KEPT_MS = 86_400_000;

export function createIdempotency(records: RecordStore, clock: Clock): Idempotency {
  const parse = (value: unknown): IdempotencyRecord => parseRecord(recordSchema, 'an idempotency key', value);
  const expired = (record: IdempotencyRecord): boolean => clock.now() - record.createdAt >= KEPT_MS;

  return {
    async claim(key, fingerprint) {
      const id = recordId(key);
      const fresh: IdempotencyRecord = { fingerprint, createdAt: clock.now() };
      const stands = await updateRecord(records, { partition: PARTITION, id }, parse, (current) =>
        current === undefined || expired(current) ? fresh : undefined,
      );
      const record = stands ?? fresh;
      if (record.fingerprint !== fingerprint) return { kind: 'mismatch' };
      if (record.answer) return { kind: 'answered', answer: record.answer };
      return { kind: 'proceed', seed: `${id}-${record.createdAt}` };
    },

    async keep(key, fingerprint, answer) {
      try {
        await updateRecord(records, { partition: PARTITION, id: recordId(key) }, parse, (current) =>
          current?.fingerprint === fingerprint ? { ...current, answer } : undefined,
        );
      } catch (error) {
        // A repetition of the same request wrote its answer, which is the same.
        if (!isAppError(error, 'record.conflict')) throw error;
      }
    },
  };
}

/** A key is a caller's text: never part of a record key as it is. */
const recordId = (key: string): string => createHash('sha256').update(key).digest('hex').slice(0, 32);
