/**
 * The sample VMs: three, in two regions, seven disks. Two were made from one image, so that blocks they share show in the
 * figures; the third has its own.
 */
import type { TableKind } from './partition-table';
import type { ContentKind, SampleFile } from './sample-content';
import type { SampleDiskSpec } from './sample-disk';

export interface SampleMachine {
  readonly name: string;
  readonly region: string;
  readonly size: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly osDisk: SampleDiskSpec;
  /** By LUN, from 0. */
  readonly dataDisks: readonly SampleDiskSpec[];
}

const MIB = 1024 * 1024;
/** The tag that the sample policy selects by. */
export const SAMPLE_TAG = { name: 'backup', value: 'gold' } as const;

export function sampleMachines(): SampleMachine[] {
  return [
    {
      name: 'web-01',
      region: 'westeurope',
      size: 'Standard_D2s_v5',
      tags: { [SAMPLE_TAG.name]: SAMPLE_TAG.value, role: 'web' },
      osDisk: osDisk('base-web', 'web-01', 'gpt'),
      dataDisks: [dataDisk('web-01-media', 128, 'gpt', [['media', 'clip', 3, 4]])],
    },
    {
      name: 'web-02',
      region: 'westeurope',
      size: 'Standard_D2s_v5',
      tags: { [SAMPLE_TAG.name]: SAMPLE_TAG.value, role: 'web' },
      osDisk: osDisk('base-web', 'web-02', 'gpt'),
      dataDisks: [dataDisk('web-02-logs', 96, 'mbr', [['log', 'access', 3, 3]])],
    },
    {
      name: 'db-01',
      region: 'northeurope',
      size: 'Standard_E4s_v5',
      tags: { [SAMPLE_TAG.name]: SAMPLE_TAG.value, role: 'database' },
      osDisk: osDisk('base-db', 'db-01', 'mbr'),
      dataDisks: [
        dataDisk('db-01-data', 192, 'gpt', [['database', 'table', 2, 9]]),
        dataDisk('db-01-log', 128, 'mbr', [
          ['log', 'journal', 2, 2],
          ['media', 'dump', 1, 4],
        ]),
      ],
    },
  ];
}

/** Everything but the last two files comes from the base image, and so is the same on every VM made from it. */
export function osDisk(base: string, host: string, table: TableKind): SampleDiskSpec {
  return {
    diskBytes: 256 * MIB,
    table,
    seed: base,
    files: [
      ...several('program', base, '/usr/bin/tool', 5, MIB),
      ...several('text', base, '/usr/share/doc/manual', 4, MIB),
      ...several('media', base, '/usr/share/icons/theme', 2, 2 * MIB),
      { path: '/var/log/syslog', kind: 'log', seed: `${host}/syslog`, bytes: MIB },
      { path: '/etc/hostname.txt', kind: 'text', seed: `${host}/hostname`, bytes: 5000 },
    ],
  };
}

function dataDisk(
  seed: string,
  diskMib: number,
  table: TableKind,
  content: readonly (readonly [kind: ContentKind, name: string, count: number, mib: number])[],
): SampleDiskSpec {
  const files = content.flatMap(([kind, name, count, mib]) => several(kind, seed, `/srv/${name}`, count, mib * MIB));
  return { diskBytes: diskMib * MIB, table, seed, files: [...files, readme(seed)] };
}

/** The file that a round of ageing deletes. */
const readme = (seed: string): SampleFile => ({
  path: '/readme.txt',
  kind: 'text',
  seed: `${seed}/readme`,
  bytes: 300_000,
});

function several(kind: ContentKind, seed: string, stem: string, count: number, bytes: number): SampleFile[] {
  return Array.from({ length: count }, (_none, index) => {
    const path = `${stem}-${index}.${kind === 'log' ? 'log' : kind === 'text' ? 'txt' : 'bin'}`;
    return { path, kind, seed: `${seed}${path}`, bytes };
  });
}
