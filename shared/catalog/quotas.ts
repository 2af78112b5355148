/** Counters by the hour: how often something was done in the hour that runs. One record a name, overwritten each hour. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Clock } from '../base/clock';
import { parseRecord } from './parse-record';
import type { RecordStore } from './record-store';
import { updateRecord } from './update-record';

export interface Quotas {
  /** Counts one, unless `perHour` were counted already. `endsAt` is the end of the hour, epoch ms. */
  take(name: string, perHour: number): Promise<{ readonly taken: boolean; readonly endsAt: number }>;
}

const PARTITION = 'quotas';
const HOUR_MS = 3_600_000;
const quotaSchema = z.strictObject({ hour: z.number().int(), count: z.number().int().min(0) });

export function createQuotas(records: RecordStore, clock: Clock): Quotas {
  return {
    async take(name, perHour) {
      const hour = Math.floor(clock.now() / HOUR_MS);
      let taken = false;
      const id = createHash('sha256').update(name).digest('hex').slice(0, 32);
      await updateRecord(
        records,
        { partition: PARTITION, id },
        (value) => parseRecord(quotaSchema, 'a quota', value),
        (current) => {
          const count = current?.hour === hour ? current.count : 0;
          taken = count < perHour;
          return taken ? { hour, count: count + 1 } : undefined;
        },
      );
      return { taken, endsAt: (hour + 1) * HOUR_MS };
    },
  };
}
