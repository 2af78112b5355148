import type { Lun } from '../../model/machine';
import { contract, stubborn } from '../durable';
import type { TransferPlan } from '../transfer/contracts';

export const restoreOrchestrator = 'restoreJob';

/** Where a restore goes. Disks are always new ones: nothing that exists is written over. */
export type RestoreTarget =
  | { readonly kind: 'image' }
  | {
      readonly kind: 'disk';
      readonly subscription: string;
      readonly resourceGroup: string;
      readonly namePrefix?: string | undefined;
      readonly region?: string | undefined;
    };

export interface RestoreJobInput {
  readonly vmKey: string;
  readonly pointId: string;
  readonly luns: readonly Lun[];
  readonly target: RestoreTarget;
}

export interface RestoreScope {
  readonly jobId: string;
  readonly plan: TransferPlan;
  readonly pollMs: number;
  readonly stallMs: number;
}

type Part = { readonly jobId: string; readonly plan: TransferPlan; readonly lun: Lun };

export const beginRestore = contract<RestoreJobInput & { jobId: string }, RestoreScope>('beginRestore');
export const createTarget = contract<Part, null>('createTarget');
export const finishTarget = contract<Part, null>('finishTarget');
export const discardTarget = contract<Part, null>('discardTarget', stubborn);
