/** A restore point, as GET /api/restore-points/{id} answers and as a `--json` line. */
import { z } from 'zod';
import type { Field } from '../output';
import type { Column } from '../table';
import { age, bytes, instant } from '../text';

const lun = z.union([z.literal('os'), z.number()]);

export const pointLine = z.object({
  id: z.string(),
  vmId: z.string(),
  vmName: z.string(),
  region: z.string(),
  createdAt: z.string(),
  policy: z.string().optional(),
  jobId: z.string(),
  consistency: z.string(),
  skewMs: z.number(),
  excludedLuns: z.array(z.number()),
  disks: z.array(
    z.object({
      lun,
      sizeBytes: z.number(),
      mode: z.string(),
      fullReason: z.string().optional(),
      snapshotTakenAt: z.string(),
      stats: z.object({
        logicalBytes: z.number(),
        changedBytes: z.number(),
        readBytes: z.number(),
        newBytes: z.number(),
        storedBytes: z.number(),
      }),
    }),
  ),
  verification: z.object({ level: z.string(), verifiedAt: z.string().optional() }),
  /** Why it stays, by its policy as it is now; empty: its policy lets it go. */
  keepReasons: z.array(z.string()).optional(),
  hold: z.object({ at: z.string(), by: z.string(), reason: z.string() }).optional(),
  expiry: z.object({ at: z.string(), by: z.string(), reason: z.string() }).optional(),
});
export type PointLine = z.output<typeof pointLine>;

const total = ({ disks }: PointLine, of: (disk: PointLine['disks'][number]) => number): string =>
  bytes(disks.reduce((sum, disk) => sum + of(disk), 0));

export const pointColumns = (nowMs: number): Column<PointLine>[] => [
  { title: 'POINT', of: ({ id }) => id },
  { title: 'VM', of: ({ vmName }) => vmName },
  { title: 'AGE', of: ({ createdAt }) => age(createdAt, nowMs) },
  { title: 'DISKS', of: ({ disks }) => disks.length, align: 'right' },
  { title: 'SIZE', of: (point) => total(point, ({ sizeBytes }) => sizeBytes), align: 'right' },
  { title: 'CHANGED', of: (point) => total(point, ({ stats }) => stats.changedBytes), align: 'right' },
  { title: 'STORED', of: (point) => total(point, ({ stats }) => stats.storedBytes), align: 'right' },
  { title: 'VERIFIED', of: ({ verification }) => verification.level },
  { title: 'KEPT AS', of: keptAs },
];

export const pointFields = (point: PointLine, nowMs: number): Field[] => [
  ['restore point', point.id],
  ['vm', `${point.vmName} in ${point.region}`],
  ['taken', `${instant(point.createdAt)} (${age(point.createdAt, nowMs)})`],
  ['policy', point.policy],
  ['job', point.jobId],
  ['consistency', `${point.consistency}${point.disks.length > 1 ? `, disks within ${point.skewMs} ms` : ''}`],
  ['verified', verifiedOf(point, nowMs)],
  ['kept as', keptAs(point)],
  ['on hold', point.hold && `since ${instant(point.hold.at)} by ${point.hold.by}: ${point.hold.reason}`],
  ['given up', point.expiry && `${instant(point.expiry.at)} by ${point.expiry.by}: ${point.expiry.reason}`],
  ['left out', point.excludedLuns.length > 0 ? `LUN ${point.excludedLuns.join(', ')}` : undefined],
  ...point.disks.map(
    ({ lun: disk, sizeBytes, mode, fullReason, stats }): Field => [
      `disk ${disk}`,
      `${bytes(sizeBytes)}, ${mode}${fullReason === undefined ? '' : ` (${fullReason})`}: changed ${bytes(stats.changedBytes)}, ` +
        `read ${bytes(stats.readBytes)}, new ${bytes(stats.newBytes)}, stored ${bytes(stats.storedBytes)}`,
    ],
  ),
];

const keptAs = ({ keepReasons }: PointLine): string | undefined =>
  keepReasons?.length === 0 ? 'its policy lets it go' : keepReasons?.join(', ');

const verifiedOf = ({ verification: { level, verifiedAt } }: PointLine, nowMs: number): string =>
  verifiedAt === undefined ? level : `${level}, ${age(verifiedAt, nowMs)}`;
