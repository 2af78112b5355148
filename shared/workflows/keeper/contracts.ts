import type { KeeperPlace, KeepStep } from '../../collector/keep-locks';
import type { BeginOutcome, KeeperRun } from '../../collector/keeper-state';
import { contract } from '../durable';

export const keeperOrchestrator = 'keepLocks';

/** Where the orchestration stands; nothing at its start. */
export interface KeeperInput {
  readonly run?: KeeperRun;
  readonly next?: KeeperPlace;
  readonly extended?: number;
  readonly missing?: number;
}

export const beginKeeping = contract<Record<string, never>, BeginOutcome>('beginKeeping');
export interface ExtendInput {
  readonly run: KeeperRun;
  readonly next?: KeeperPlace;
}

/** Some minutes of extending locks. */
export const extendLocks = contract<ExtendInput, KeepStep>('extendLocks');
