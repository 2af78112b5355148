import fc from 'fast-check';
import { addStats, emptyStats, planWindows, transferSchema } from '../../shared/model/transfer';

test('windows cover the disk exactly once, in order', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 512, max: 10_000_000 }),
      fc.integer({ min: 512, max: 1_000_000 }),
      (diskBytes, windowBytes) => {
        const windows = planWindows(diskBytes, windowBytes);
        expect(windows[0]?.start).toBe(0);
        expect(windows.at(-1)?.end).toBe(diskBytes);
        for (const [index, window] of windows.entries()) {
          expect(window.index).toBe(index);
          if (index > 0) expect(window.start).toBe(windows[index - 1]?.end);
        }
      },
    ),
  );
});

test('64 TiB in windows of 8 GiB needs no number that JavaScript cannot hold', () => {
  const windows = planWindows(64 * 1024 ** 4, 8 * 1024 ** 3);
  expect(windows).toHaveLength(8192);
  expect(windows.at(-1)?.end).toBe(70_368_744_177_664);
});

test('stats add up field by field', () => {
  const one = { ...emptyStats, readBytes: 5, packs: 1 };
  expect(addStats(one, one)).toEqual({ ...emptyStats, readBytes: 10, packs: 2 });
});

test('a message with a field it should not have is refused: a SAS cannot ride along', () => {
  const transfer = {
    kind: 'backup',
    version: 1,
    tenant: 't',
    region: 'westeurope',
    jobId: 'b-1-x',
    vmKey: '0123456789abcdef',
    lun: 'os',
    diskBytes: 1024,
    window: { index: 0, start: 0, end: 1024 },
    snapshotId: 'snapshot',
  };
  expect(transferSchema.safeParse(transfer).success).toBe(true);
  expect(transferSchema.safeParse({ ...transfer, sas: 'https://example/?sig=x' }).success).toBe(false);
  expect(transferSchema.safeParse({ ...transfer, version: 2 }).success).toBe(false);
});
