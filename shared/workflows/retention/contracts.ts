import type { Allowance, Stop, Tally } from '../../collector/guards';
import type { Waited } from '../../collector/wait';
import { contract, type Failure } from '../durable';

export const retentionOrchestrator = 'retentionRun';

export interface RetentionInput {
  readonly trigger: 'schedule' | 'request';
  /** What a person has allowed the collector for this run, by the figures of the report that asked. */
  readonly allowance?: Allowance;
}

/** Where a walk over the VMs goes on; undefined at its end. */
export interface Walk {
  readonly after?: string;
}

export interface Reviewed {
  /** Taken back since. */
  readonly returned: number;
  /** Their data are being collected: out of the catalog. */
  readonly gone: number;
}

export interface Expired {
  readonly next?: string;
  readonly vms: number;
  readonly expired: number;
  /** The rules let them go, and a hold keeps them. */
  readonly held: number;
}

/** How a cycle of the collector began. */
export interface Condemned {
  readonly kind: 'published' | 'deleting' | 'nothing' | 'stopped' | 'not-now';
  readonly why?: string;
  readonly listed?: Tally;
  readonly condemned?: Tally;
  readonly locked?: Tally;
  readonly livePoints?: number;
  readonly stops: readonly Stop[];
}

/** How it ended. `asks`: it would delete more than it may by itself. `open`: something is under a lock; the next run goes on. */
export interface Collection extends Omit<Condemned, 'kind'> {
  readonly outcome: 'closed' | 'open' | 'nothing' | 'asks' | 'not-now';
  readonly deleted?: Tally;
  readonly fenced: readonly string[];
}

export interface RetentionEnd {
  readonly runId: string;
  readonly trigger: RetentionInput['trigger'];
  readonly vms: number;
  readonly expired: number;
  readonly held: number;
  readonly returned: number;
  readonly gone: number;
  readonly collection?: Collection;
  readonly failure?: Pick<Failure, 'code' | 'message'>;
}

/** Points that were given up, held against their registers: taken back, or gone for good. */
export const reviewExpired = contract<null, Reviewed>('reviewExpired');
/** The rules of each policy, on some VMs. */
export const expirePoints = contract<Walk, Expired>('expirePoints');
export const condemnUnits = contract<{ allowance?: Allowance }, Condemned>('condemnUnits');
export const lookForSessions = contract<null, readonly Waited[]>('lookForSessions');
export const fenceSilent = contract<{ suspects: readonly Waited[] }, readonly string[]>('fenceSilent');
/** Fixes the delete set, takes its packs out of the index, and says in how many parts the set is. */
export const fixDeletes = contract<null, { parts: number }>('fixDeletes');
export const deleteUnits = contract<{ part: number }, Tally>('deleteUnits');
export const closeCollection = contract<null, { closed: boolean }>('closeCollection');
export const endRetention = contract<RetentionEnd, null>('endRetention');
