/** Each lineage rule, alone, turns an incremental into a full read; none of them fires on a sound chain. */
import type { DiskBase } from '../../shared/catalog/disk-bases';
import { doubtAboutBase } from '../../shared/workflows/backup/lineage';
import type { SnapshotState } from '../../shared/workflows/ports';

const tebibyte = 1024 ** 4;

const base: DiskBase = {
  pointId: 'p-b-1',
  snapshotId: 'old',
  familyId: 'family',
  sourceUniqueId: 'disk-1',
  sizeBytes: tebibyte,
  logicalSectorBytes: 512,
  takenAt: '2026-03-01T00:00:00.000Z',
};
const state = (changes: Partial<SnapshotState>): SnapshotState => ({
  id: 'x',
  state: 'usable',
  completionPercent: 100,
  takenAt: '2026-03-02T00:00:00.000Z',
  familyId: 'family',
  sourceUniqueId: 'disk-1',
  sourceDiskId: 'disk',
  sizeBytes: tebibyte,
  logicalSectorBytes: 512,
  tags: {},
  ...changes,
});
const old = (changes: Partial<SnapshotState> = {}): SnapshotState => state({ takenAt: base.takenAt, ...changes });

test('a sound chain is read incrementally, also after a small growth', () => {
  expect(doubtAboutBase(state({}), base, old())).toBeUndefined();
  expect(doubtAboutBase(state({ sizeBytes: 2 * tebibyte }), base, old())).toBeUndefined();
});

test.each<[string, Partial<SnapshotState>, Partial<DiskBase>, Partial<SnapshotState>]>([
  ['is gone', {}, {}, { state: 'gone' }],
  ['is pending', {}, {}, { state: 'pending' }],
  ['was replaced', { sourceUniqueId: 'disk-2' }, {}, {}],
  ['was replaced', {}, {}, { sourceUniqueId: 'disk-2' }],
  ['was replaced', {}, { sourceUniqueId: 'disk-2' }, {}],
  ['different families', { familyId: 'other' }, {}, {}],
  ['different families', { familyId: undefined }, {}, { familyId: undefined }],
  ['not older', { takenAt: base.takenAt }, {}, {}],
  ['not the one recorded', {}, {}, { takenAt: '2026-02-28T00:00:00.000Z' }],
  ['sector size', { logicalSectorBytes: 4096 }, {}, {}],
  ['smaller', { sizeBytes: tebibyte / 2 }, {}, {}],
  ['4 TiB', { sizeBytes: 5 * tebibyte }, { sizeBytes: 4 * tebibyte }, {}],
])('full read: %s', (words, fresh, recorded, baseSnapshot) => {
  expect(doubtAboutBase(state(fresh), { ...base, ...recorded }, old(baseSnapshot))).toContain(words);
});
