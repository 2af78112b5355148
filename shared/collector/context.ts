/** What a collector works with. All effects are behind these ports: a simulation gives its own. */
import type { VersionStore } from '../blockstore/object-store';
import type { Repository } from '../blockstore/repository';

export interface CollectorSettings {
  /** Units younger than this are left for a later cycle: most belong to sessions that have not committed yet. */
  readonly youngMs: number;
  /** An expired restore point can be had back for so long; then it stops being a root. */
  readonly undoMs: number;
  /** A cycle that would delete more than this share of units or bytes stops and asks. */
  readonly shareMax: number;
}

export const collectorDefaults: CollectorSettings = {
  youngMs: 24 * 3_600_000,
  undoMs: 14 * 24 * 3_600_000,
  shareMax: 0.1,
};

/** A register that stands still for so long belongs to nobody: fifteen beats. */
export const leaseMs = 15 * 60_000;

/** What reading registers and manifests takes; collector and lock keeper alike. */
export interface StoreContext {
  /** Under the credential of the one who works. */
  readonly repository: Repository;
  readonly signal?: AbortSignal;
}

export interface CollectorContext extends StoreContext {
  readonly versions: VersionStore;
  readonly settings: CollectorSettings;
}
