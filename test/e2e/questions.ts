/**
 * What the documentation of the clouds leaves open and the product would like to know. Each question is asked with the real
 * SDK; an answer is a sentence for people, without an id or a secret. The product is right whatever they are: it
 * reads in full, waits, or refuses where it cannot know.
 */
import { createHash, randomBytes } from 'node:crypto';
import { encodeFooter } from '../../local/cloud/disks/vhd-footer';
import type { BenchDisks } from './bench-disks';

export interface Question {
  readonly id: string;
  readonly asks: string;
  readonly matters: string;
  readonly ask: (bench: BenchDisks) => Promise<string>;
}

const MIB = 2 ** 20;
const API = '2021-08-06';

export const questions: readonly Question[] = [
  {
    id: 'base-gone',
    asks: 'What does a diff say when its base snapshot was deleted?',
    matters: 'the code tells "read in full" from "try again"',
    ask: async (bench) => {
      const [base, next] = [await bench.snapshotOf(bench.target.diskId), await bench.snapshotOf(bench.target.diskId)];
      const [baseSas, nextSas] = [await bench.grant('snapshots', base), await bench.grant('snapshots', next)];
      await bench.remove('snapshots', base);
      return said(await pageList(nextSas, { 'x-ms-previous-snapshot-url': baseSas }));
    },
  },
  {
    id: 'other-family',
    asks: 'What does a diff say when its base belongs to another disk?',
    matters: 'a wrong base must be an error, not an empty list',
    ask: async (bench) => {
      const other = await bench.disk({ emptyGib: 1 });
      const base = await bench.grant('snapshots', await bench.snapshotOf(other.id));
      const next = await bench.grant('snapshots', await bench.snapshotOf(bench.target.diskId));
      return said(await pageList(next, { 'x-ms-previous-snapshot-url': base }));
    },
  },
  {
    id: 'growth',
    asks: 'Does a diff over a disk that grew list pages behind the old end, or the footer?',
    matters: 'ranges are clamped to the new size; pages that nobody wrote are zeros',
    ask: async (bench) => {
      const { name, id } = await bench.disk({ emptyGib: 1 });
      const base = await bench.snapshotOf(id);
      await bench.grow(name, 2);
      const next = await bench.snapshotOf(id);
      const answer = await pageList(await bench.grant('snapshots', next), {
        'x-ms-previous-snapshot-url': await bench.grant('snapshots', base),
      });
      if (answer.status !== 200) return said(answer);
      const ends = [...answer.text.matchAll(/<End>(\d+)<\/End>/g)].map(([, end]) => Number(end));
      const [oldEnd, newEnd] = [1024 * MIB, 2048 * MIB];
      const behindOld = ends.filter((end) => end >= oldEnd && end < newEnd).length;
      return `${ends.length} ranges, ${behindOld} behind the old end, ${ends.filter((end) => end >= newEnd).length} at the footer`;
    },
  },
  {
    id: 'versions',
    asks: 'Which x-ms-version do the hosts of disks accept?',
    matters: 'the one that is sent must be among them',
    ask: async (bench) => {
      const sas = await bench.grant('snapshots', await bench.snapshotOf(bench.target.diskId));
      const asked = ['2017-11-09', '2019-12-12', '2020-10-02', API, '2024-11-04', '2025-05-05'].map(async (version) => {
        const response = await fetch(sas, { method: 'HEAD', headers: { 'x-ms-version': version } });
        return `${version}: ${response.status}`;
      });
      return (await Promise.all(asked)).join(', ');
    },
  },
  {
    id: 'grant-again',
    asks: 'Is the url the same when access is revoked and granted again?',
    matters: 'a data proxy must not go on with a url that somebody revoked',
    ask: async (bench) => {
      const name = await bench.snapshotOf(bench.target.diskId);
      const first = await bench.grant('snapshots', name);
      await bench.revoke('snapshots', name);
      const second = await bench.grant('snapshots', name);
      const old = await fetch(first, { method: 'HEAD', headers: { 'x-ms-version': API } });
      const blob = (url: string): string => url.split('?')[0] ?? '';
      return `${first === second ? 'the same url' : 'another signature'}, ${blob(first) === blob(second) ? 'the same' : 'another'} blob; the old url answers ${old.status}`;
    },
  },
  {
    id: 'read-limits',
    asks: 'How many calls does ARM say are left for snapshots?',
    matters: 'pace of polling for a large estate (docs/scale.md)',
    ask: async (bench) => {
      const name = await bench.snapshotOf(bench.target.diskId);
      const { client, resourceGroup } = bench.target;
      const left = new Set<string>();
      await client.snapshots.get(resourceGroup, name, {
        onResponse: ({ headers }) => {
          for (const [header, value] of headers)
            if (header.startsWith('x-ms-ratelimit')) left.add(`${header}: ${value}`);
        },
      });
      return left.size === 0 ? 'nothing' : [...left].sort().join('; ');
    },
  },
  {
    id: 'put-checksums',
    asks: 'Does Put Page to a disk under upload check Content-MD5?',
    matters: 'a restore over a bad line is refused by the cloud as well as found by us',
    ask: async (bench) => {
      const { name } = await bench.disk({ uploadBytes: 20 * MIB + 512 });
      const sas = await bench.grant('disks', name, 'Write');
      const put = async (start: number, body: Uint8Array<ArrayBuffer>, checked: Uint8Array): Promise<string> => {
        const headers = {
          'x-ms-version': API,
          'x-ms-page-write': 'update',
          'x-ms-range': `bytes=${start}-${start + body.length - 1}`,
          'content-md5': createHash('md5').update(checked).digest('base64'),
        };
        const response = await fetch(`${sas}&comp=page`, { method: 'PUT', headers, body });
        await response.arrayBuffer();
        return `${response.status}${code(response)}`;
      };
      const page = new Uint8Array(4096).fill(7);
      const [right, wrong] = [await put(0, page, page), await put(0, page, page.toReversed().fill(8))];
      // Without a footer the access cannot be ended, and so the disk not be removed.
      const footer = new Uint8Array(
        encodeFooter({ diskSizeBytes: 20 * MIB, uniqueId: randomBytes(16), createdAt: Date.now() }),
      );
      await put(20 * MIB, footer, footer);
      return `right: ${right}, wrong: ${wrong}`;
    },
  },
  {
    id: 'parallel-reads',
    asks: 'Do 16 reads of one access at a time all succeed?',
    matters: 'the pace begins there and adapts to 503',
    ask: async (bench) => {
      const sas = await bench.grant('snapshots', await bench.snapshotOf(bench.target.diskId));
      const counts = new Map<number, number>();
      const read = async (slot: number): Promise<void> => {
        const start = slot * 64 * 1024;
        const response = await fetch(sas, {
          headers: { 'x-ms-version': API, 'x-ms-range': `bytes=${start}-${start + 65_535}` },
        });
        await response.arrayBuffer();
        counts.set(response.status, (counts.get(response.status) ?? 0) + 1);
      };
      await Promise.all(Array.from({ length: 16 }, (_, slot) => read(slot)));
      return [...counts].map(([status, times]) => `${status}: ${times}`).join(', ');
    },
  },
];

interface PageListAnswer {
  readonly status: number;
  readonly code: string;
  readonly text: string;
}

async function pageList(sas: string, headers: Record<string, string>): Promise<PageListAnswer> {
  const response = await fetch(`${sas}&comp=pagelist`, { headers: { 'x-ms-version': API, ...headers } });
  return { status: response.status, code: code(response), text: await response.text() };
}

const said = ({ status, code: reason }: PageListAnswer): string => `${status}${reason}`;

const code = (response: Response): string => {
  const reason = response.headers.get('x-ms-error-code');
  return reason === null ? '' : ` ${reason}`;
};
