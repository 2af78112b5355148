/**
 * What a session must not see: units of the condemned list in force when it began, and index segments that were replaced.
 * The register names both, so whoever works for the session, now or after a crash, hides the same.
 */
import type { Register } from '../format/records';
import { tenantPrefix } from '../format/store-keys';
import { readCycleList, readListParts } from './collector-state';
import { KeySet } from './key-set';
import type { Repository } from './repository';

export interface SessionView {
  /** Distinguishes views: the same name, the same content. */
  readonly name: string;
  readonly epoch: number;
  /** Whether the pack counts as absent. */
  hidesUnit(unit: string): boolean;
  /** Whether the index segment (full key) counts for nothing. */
  hidesSegment(key: string): boolean;
}

/** Sees everything: for tools that look at a repository and change nothing. */
export const wholeView: SessionView = {
  name: '',
  epoch: 0,
  hidesUnit: () => false,
  hidesSegment: () => false,
};

export const viewNameOf = ({
  epoch,
  condemned,
  replaced,
}: Pick<Register, 'epoch' | 'condemned' | 'replaced'>): string =>
  `${epoch}/${condemned?.digest ?? ''}/${replaced?.digest ?? ''}`;

/** Reads the lists that the register names: 23 bytes of memory for each condemned pack. */
export async function loadView(
  repository: Repository,
  register: Pick<Register, 'epoch' | 'condemned' | 'replaced'>,
  signal?: AbortSignal,
): Promise<SessionView> {
  const { epoch, condemned, replaced } = register;
  const units = new KeySet();
  const segments = new Set<string>();
  if (condemned) {
    const list = await readCycleList(repository, condemned, 'condemned', signal);
    for await (const part of readListParts(repository, list, signal)) {
      for (const { key } of part) if (key.startsWith('u/')) units.add(unitBytes(key));
    }
  }
  if (replaced) {
    const list = await readCycleList(repository, replaced, 'replaced', signal);
    for await (const part of readListParts(repository, list, signal)) {
      for (const { key } of part) segments.add(tenantPrefix(repository.tenant) + key);
    }
  }
  return {
    name: viewNameOf(register),
    epoch,
    hidesUnit: (unit) => units.size > 0 && units.has(Buffer.from(unit, 'hex')),
    hidesSegment: (key) => segments.has(key),
  };
}

const unitBytes = (key: string): Buffer => Buffer.from(key.slice(key.lastIndexOf('/') + 1), 'hex');
