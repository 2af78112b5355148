/** Policies, with the etag that guards them against lost updates, and what the scheduler last did for each. */
import { z } from 'zod';
import type { Clock } from '../base/clock';
import { AppError, isAppError } from '../model/errors';
import { type Policy, policySchema } from '../model/policy';
import { parseRecord } from './parse-record';
import type { RecordStore, StoredRecord } from './record-store';
import { updateRecord } from './update-record';

export interface StoredPolicy {
  readonly policy: Policy;
  readonly etag: string;
  /** Since when this schedule is in force: slots before it are none of its business. */
  readonly scheduledAt: string;
}

/** What one due slot, or the newest of several missed ones, led to. */
export const policyRunSchema = z.strictObject({
  slot: z.string(),
  /** When the scheduler dealt with the slot. */
  at: z.string(),
  selected: z.number().int().min(0),
  started: z.number().int().min(0),
  /** VMs that already had a job under way. */
  running: z.number().int().min(0),
  skippedCount: z.number().int().min(0),
  /** The first of them. */
  skipped: z.array(z.strictObject({ vmId: z.string(), reason: z.string() })),
});
export type PolicyRun = z.infer<typeof policyRunSchema>;

export const policyStateSchema = z.strictObject({
  /** Slots up to this instant are dealt with. */
  lastSlot: z.string().optional(),
  lastRun: policyRunSchema.optional(),
});
export type PolicyState = z.infer<typeof policyStateSchema>;

export interface Policies {
  read(name: string): Promise<StoredPolicy | undefined>;
  /** By name. */
  list(): Promise<StoredPolicy[]>;
  /**
   * Creates or replaces. `expected`: an etag (only while it matches), 'absent' (only when there is none), undefined (whatever
   * is there). `record.conflict` when the expectation fails.
   */
  put(policy: Policy, expected?: string): Promise<{ readonly created: boolean; readonly etag: string }>;
  /** false when there was none; `record.conflict` when the etag does not match. */
  remove(name: string, etag?: string): Promise<boolean>;
  readState(name: string): Promise<PolicyState>;
  /** `change` may run several times. */
  updateState(name: string, change: (state: PolicyState) => PolicyState): Promise<PolicyState>;
}

export const ABSENT = 'absent';
const PARTITION = 'policies';
const STATES = 'policy-states';
const storedSchema = z.strictObject({ policy: policySchema, changedAt: z.string(), scheduledAt: z.string() });

export function createPolicies(records: RecordStore, clock: Clock): Policies {
  const parse = (record: StoredRecord): StoredPolicy => {
    const { policy, scheduledAt } = parseRecord(storedSchema, `policy ${record.id}`, record.value);
    return { policy, scheduledAt, etag: record.etag };
  };
  const parseState = (name: string) => (value: unknown) =>
    parseRecord(policyStateSchema, `the state of ${name}`, value);

  return {
    async read(name) {
      const record = await records.read(PARTITION, name);
      return record && parse(record);
    },

    async list() {
      const policies: StoredPolicy[] = [];
      for await (const record of records.list(PARTITION)) policies.push(parse(record));
      return policies;
    },

    async put(policy, expected) {
      const changedAt = new Date(clock.now()).toISOString();
      for (let round = 1; ; round++) {
        const current = await records.read(PARTITION, policy.name);
        const asExpected =
          expected === undefined || (expected === ABSENT ? current === undefined : current?.etag === expected);
        if (!asExpected) throw new AppError('record.conflict', `policy ${policy.name} is not as expected`);
        const before = current && parse(current);
        const scheduledAt = before && sameTiming(before.policy, policy) ? before.scheduledAt : changedAt;
        const value = { policy, changedAt, scheduledAt };
        try {
          return current === undefined
            ? { created: true, etag: await records.create(PARTITION, policy.name, value) }
            : { created: false, etag: await records.update(PARTITION, policy.name, value, current.etag) };
        } catch (error) {
          // Without an expectation the caller asked for his version to win, so look again; with one the next look will say no.
          if (!isAppError(error, 'record.conflict') || round > 8) throw error;
        }
      }
    },

    async remove(name, etag) {
      const current = await records.read(PARTITION, name);
      if (current === undefined) return false;
      if (etag !== undefined && etag !== current.etag) {
        throw new AppError('record.conflict', `policy ${name} is not as expected`);
      }
      await records.remove(PARTITION, name, etag);
      // Behind the policy: a policy made anew under the name starts without the old one's slots.
      await records.remove(STATES, name);
      return true;
    },

    async readState(name) {
      const record = await records.read(STATES, name);
      return record === undefined ? {} : parseState(name)(record.value);
    },

    async updateState(name, change) {
      const state = await updateRecord(records, { partition: STATES, id: name }, parseState(name), (current) =>
        change(current ?? {}),
      );
      return state ?? {};
    },
  };
}

/** Switched on, or given another schedule, a policy starts afresh: what was due before is not made up for. */
function sameTiming(a: Policy, b: Policy): boolean {
  return (
    a.enabled === b.enabled && a.schedule?.cron === b.schedule?.cron && a.schedule?.timeZone === b.schedule?.timeZone
  );
}
