/** When each part that works by the clock last did its round: silence is the failure that nothing else reports. */
import { z } from 'zod';
import type { Clock } from '../base/clock';
import { parseRecord } from './parse-record';
import type { RecordStore } from './record-store';

/** How long a part may be silent before somebody should look. */
export const heartbeatSecondsMax = { scheduler: 15 * 60, janitor: 60 * 60, retention: 3 * 24 * 3600 } as const;
export type HeartbeatPart = keyof typeof heartbeatSecondsMax;
export const heartbeatParts = Object.keys(heartbeatSecondsMax) as HeartbeatPart[];

export interface Heartbeats {
  /** After a round that was done to its end. */
  beat(part: HeartbeatPart): Promise<void>;
  /** Epoch ms of the last round; undefined: never. */
  lastAtMs(part: HeartbeatPart): Promise<number | undefined>;
}

const PARTITION = 'heartbeats';
const beatSchema = z.strictObject({ atMs: z.number().int() });

export function createHeartbeats(records: RecordStore, clock: Clock): Heartbeats {
  return {
    beat: (part) => records.put(PARTITION, part, { atMs: clock.now() }),
    lastAtMs: async (part) => {
      const record = await records.read(PARTITION, part);
      return record && parseRecord(beatSchema, `heartbeat of the ${part}`, record.value).atMs;
    },
  };
}
