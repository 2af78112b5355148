/** The parts of the demo that decide something: its command line, its verdict, its words. */
import type { JobView } from '../../local/demo/api-client';
import { formatBytes, formatCount, formatRatio, formatTable } from '../../local/demo/format';
import { parseDemoOptions } from '../../local/demo/options';
import { createHumanReporter, createJsonReporter, describeProgress } from '../../local/demo/reporter';
import { type DemoResult, describeResult, findProblems, summarize } from '../../local/demo/summary';
import { emptyStats } from '../../shared/model/transfer';

const job: JobView = {
  id: 'job-1',
  kind: 'backup',
  vmId: '/vm',
  vmName: 'web-01',
  region: 'westeurope',
  status: 'succeeded',
  phase: 'ended',
  createdAt: '2026-11-22T00:00:00Z',
  notes: [],
  stats: {
    ...emptyStats,
    logicalBytes: 1000,
    changedBytes: 400,
    readBytes: 400,
    newBytes: 200,
    storedBytes: 100,
    dedupBytes: 100,
  },
  progress: { bytesTotal: 1000, bytesDone: 1000, percent: 100, rateBytesPerSecond: 50, etaSeconds: null },
};

const good: DemoResult = {
  rounds: [{ name: 'full backup', jobs: [job], ms: 2000, wireReadBytes: 400 }],
  comparisons: [
    { disk: 'db-os', restoredAs: 'image file', bytes: 1000, judges: ['bytes'], filesCompared: 3, problems: [] },
  ],
  changedInImagesBytes: 64,
  leftovers: {
    snapshots: 7,
    supersededSnapshots: 0,
    activeAccesses: 0,
    dataProxies: 0,
    unfinishedDisks: 0,
    openUploads: 0,
  },
  s3Requests: { 's3.PutObject': 3 },
  killed: [],
  notKilled: [],
  totalMs: 4000,
};

describe('options', () => {
  test('disks may be repeated, all kills all parts', () => {
    expect(parseDemoOptions(['--disk', 'a', '--disk', 'b', '--kill', 'all', '--json'])).toEqual({
      disks: ['a', 'b'],
      keep: false,
      json: true,
      kill: ['host', 'proxy', 'cloud'],
      state: undefined,
      help: false,
    });
  });

  test.each([
    [['--nonsense'], /--nonsense/],
    [['--kill', 'everything'], /host, proxy, cloud or all/],
    [['--disk'], /argument missing/],
    [['--disk', 'a', '--disk', 'a'], /given twice/],
    [['stray'], /stray/],
  ])('%j is refused with a sentence', (args, message) => {
    expect(() => parseDemoOptions(args)).toThrow(message);
  });
});

describe('verdict', () => {
  test('all right is all right', () => {
    expect(findProblems(good)).toEqual([]);
    expect(summarize(good)).toMatchObject({ ok: true, orphans: 0 });
    expect(describeResult(good)).toContain('Everything came back as it was.');
  });

  test.each<[string, Partial<DemoResult>, RegExp]>([
    [
      'a failed job',
      { rounds: [{ name: 'full', jobs: [{ ...job, status: 'failed' }], ms: 1, wireReadBytes: 0 }] },
      /failed/,
    ],
    [
      'a wrong byte',
      { comparisons: good.comparisons.map((one) => ({ ...one, problems: ['differs from byte 5 on'] })) },
      /byte 5/,
    ],
    [
      'reading more than has changed',
      { rounds: [{ name: 'incremental', jobs: [job], ms: 1, wireReadBytes: 10 ** 9 }] },
      /incremental: 1000000000 bytes/,
    ],
    ['nothing compared', { comparisons: [] }, /nothing was compared/],
    ['an orphan', { leftovers: { ...good.leftovers, activeAccesses: 1 } }, /1 left over/],
    ['a part that was not killed', { notKilled: ['proxy'] }, /proxy was not killed/],
  ])('%s is a problem', (_name, change, message) => {
    const result = { ...good, ...change };
    expect(findProblems(result).join()).toMatch(message);
    expect(summarize(result).ok).toBe(false);
    expect(describeResult(result)).toContain('FAILED');
  });
});

describe('words', () => {
  test('sizes, ratios, tables', () => {
    expect([0, 1023, 1536, 5 * 2 ** 30].map(formatBytes)).toEqual(['0 B', '1023 B', '1.5 KiB', '5.0 GiB']);
    expect([formatCount(1, 'disk'), formatCount(2, 'disk')]).toEqual(['1 disk', '2 disks']);
    expect([formatRatio(10, 4), formatRatio(10, 0)]).toEqual(['2.5 : 1', '-']);
    expect(
      formatTable([
        ['a', '1'],
        ['long', '200'],
      ]),
    ).toBe('a        1\nlong   200');
  });

  test('progress names phase, bytes, rate and what was known already', () => {
    expect(describeProgress([{ ...job, status: 'running', phase: 'transferring' }])).toBe(
      '   web-01 transferring  1000 B of 1000 B 100 %  50 B/s  dedup so far 25 %',
    );
  });

  test('machines get JSON lines only, each state once', () => {
    const lines: string[] = [];
    const reporter = createJsonReporter((text) => lines.push(text));
    reporter.step('one');
    reporter.progress([job]);
    reporter.progress([job]);
    reporter.summary({ ok: true }, 'table');
    const types = lines.map((line) => (JSON.parse(line) as { type: string }).type);
    expect(types).toEqual(['step', 'progress', 'summary']);
  });

  test('machines get a last line that says no when there is nothing to sum up', () => {
    const lines: string[] = [];
    createJsonReporter((text) => lines.push(text)).failure('cloud did not start');
    expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { type: 'summary', ok: false, problems: ['cloud did not start'] },
    ]);
  });

  test('without a terminal every line is a plain line', () => {
    let text = '';
    const reporter = createHumanReporter(
      (piece) => {
        text += piece;
      },
      () => undefined,
    );
    reporter.step('one');
    reporter.progress([job]);
    reporter.note('two');
    expect(text).not.toContain('\x1b');
    expect(text).not.toContain('\r');
    expect(text.trimEnd().split('\n')).toHaveLength(4);
  });

  test('on a terminal progress stays in one line', () => {
    let text = '';
    const reporter = createHumanReporter(
      (piece) => {
        text += piece;
      },
      () => 40,
    );
    reporter.progress([job]);
    expect(text.startsWith('\r\x1b[K')).toBe(true);
    expect(text).not.toContain('\n');
  });
});
