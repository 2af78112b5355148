/**
 * What the storage SDK does with the data plane of managed disks, pinned: the reasons why `shared/azure` speaks this protocol by
 * itself. Beside each edge stands what our own client does with the same answer.
 */
import { createHash } from 'node:crypto';
import { inspect } from 'node:util';
import { AnonymousCredential, PageBlobClient } from '@azure/storage-blob';
import type { AccessCache } from '../../shared/azure/access-cache';
import { BlobHttp } from '../../shared/azure/blob-http';
import type { DataPlane } from '../../shared/azure/disk-access';
import { listPageRanges } from '../../shared/azure/page-ranges';
import { openSnapshotReader } from '../../shared/azure/snapshot-reader';
import { vhdFooter } from '../../shared/azure/vhd-footer';
import { systemClock } from '../../shared/base/clock';
import { Pace } from '../../shared/base/pace';
import type { DiskReader } from '../../shared/dataproxy/ports';
import { AppError } from '../../shared/model/errors';
import { MIB } from '../../shared/model/limits';
import { type Answer, type Script, type ScriptedServer, startScriptedServer, staysOpen } from './scripted-server';

const SIGNATURE = 'c2lnbmF0dXJlLWNhbmFyeQ';
const DISK = Buffer.alloc(MIB, 'what the disk holds ');
const BLOB = Buffer.concat([DISK, vhdFooter(DISK.length, 'disk')]);
const never = new AbortController().signal;
const HANG_MS = 1_200;
const SHORT_MS = 300;

let server: ScriptedServer;
let http: BlobHttp;
beforeEach(async () => {
  server = await startScriptedServer();
  http = new BlobHttp({ connections: 8, deadlineBaseMs: SHORT_MS });
});
afterEach(async () => {
  await http.close();
  await server.close();
});

const sas = (): string => `${server.origin}/container/abcd?sv=2020-10-02&sr=b&sig=${SIGNATURE}`;
const sdk = (): PageBlobClient =>
  new PageBlobClient(sas(), new AnonymousCredential(), { retryOptions: { maxTries: 4, retryDelayInMs: 1 } });

function plane(attemptsMax = 3): DataPlane {
  const accesses = {
    paceOf: () => new Pace(8),
    using: <Result>(_targets: unknown, _signal: AbortSignal, run: (urls: readonly string[]) => Promise<Result>) =>
      run([sas()]),
  };
  return {
    http,
    accesses: accesses as unknown as AccessCache, // the real one asks ARM for what is a constant here
    rule: { attemptsMax, firstDelayMs: 1, delayMsMax: 1 },
    clock: systemClock,
    random: () => 0,
    checksums: { offered: true },
  };
}

interface Asked {
  readonly start: number;
  readonly end: number;
}

function asked(headers: Readonly<Record<string, unknown>>): Asked {
  const range = /^bytes=(\d+)-(\d+)$/.exec(String(headers['x-ms-range'] ?? headers['range'] ?? ''));
  return { start: Number(range?.[1]), end: Number(range?.[2]) + 1 };
}

function right({ start, end }: Asked): Answer {
  const body = BLOB.subarray(start, end);
  const headers = {
    'content-range': `bytes ${start}-${end - 1}/${BLOB.length}`,
    'content-md5': createHash('md5').update(body).digest('base64'),
    etag: '"0x1"',
    'last-modified': new Date(0).toUTCString(),
  };
  return { status: 206, headers, body };
}

/** Right answers to the first page and the footer, then what the test says about everything else. */
const behindOpening =
  (script: (range: Asked, index: number) => ReturnType<Script>): Script =>
  (request, index) => {
    const range = asked(request.headers);
    return range.end - range.start === 512 ? right(range) : script(range, index);
  };

async function ours(attemptsMax = 3): Promise<DiskReader> {
  return openSnapshotReader(plane(attemptsMax), { snapshotId: 'snapshot' });
}

const failure = (promise: Promise<unknown>): Promise<Error & Record<string, unknown>> =>
  promise.then(
    () => {
      throw new Error('it succeeded');
    },
    (error: Error & Record<string, unknown>) => error,
  );

async function sdkRead(client = sdk()): Promise<Buffer> {
  const { readableStreamBody } = await client.download(0, 65_536);
  const chunks: Buffer[] = [];
  for await (const chunk of readableStreamBody ?? []) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

const page = (kind: 'PageRange' | 'ClearRange', start: number, end: number): string =>
  `<${kind}><Start>${start}</Start><End>${end}</End></${kind}>`;
const list = (ranges: string, marker = ''): Answer => ({
  headers: { 'content-type': 'application/xml' },
  body: `<?xml version="1.0" encoding="utf-8"?><PageList>${ranges}<NextMarker>${marker}</NextMarker></PageList>`,
});

describe('lists of page ranges', () => {
  const paged: Script = ({ url }) =>
    url.includes('marker=m1') ? list(page('PageRange', 4096, 4607)) : list(page('PageRange', 0, 511), 'm1');
  const within = { start: 0, end: MIB };

  test('the diff of a managed disk is one request: what lies behind NextMarker is never fetched; ours follows it', async () => {
    server.answer(paged);
    const diff = await sdk().getPageRangesDiffForManagedDisks(0, MIB, `${server.origin}/base`);
    expect(server.requests).toHaveLength(1);
    expect(diff.pageRange).toHaveLength(1);
    expect(diff).toMatchObject({ continuationToken: 'm1' }); // known, and no option takes it
    server.answer(paged);
    const ranges = await listPageRanges(http, {
      url: sas(),
      previousUrl: `${server.origin}/base`,
      within,
      signal: never,
    });
    expect(ranges).toEqual([
      { start: 0, end: 512 },
      { start: 4096, end: 4608 },
    ]);
  });

  test('mixed page and clear ranges are all parsed, in lists apart; ours keeps both as changed', async () => {
    const mixed = [
      page('PageRange', 0, 511),
      page('ClearRange', 512, 1023),
      page('PageRange', 2048, 2559),
      page('ClearRange', 4096, 8191),
    ].join('');
    server.answer(() => list(mixed));
    const diff = await sdk().getPageRangesDiffForManagedDisks(0, MIB, `${server.origin}/base`);
    expect([diff.pageRange?.length, diff.clearRange?.length]).toEqual([2, 2]);
    const ranges = await listPageRanges(http, {
      url: sas(),
      previousUrl: `${server.origin}/base`,
      within,
      signal: never,
    });
    expect(ranges).toEqual([
      { start: 0, end: 1024 },
      { start: 2048, end: 2560 },
      { start: 4096, end: 8192 },
    ]);
  });

  test('the count of a range is one byte short of it; ours is half-open', async () => {
    server.answer(() => list(page('PageRange', 0, 511)));
    const diff = await sdk().getPageRangesDiffForManagedDisks(0, MIB, `${server.origin}/base`);
    const full = await sdk().getPageRanges(0, MIB);
    expect([diff.pageRange?.[0], full.pageRange?.[0]]).toEqual([
      { offset: 0, count: 511 },
      { offset: 0, count: 511 },
    ]);
    expect(await listPageRanges(http, { url: sas(), within, signal: never })).toEqual([{ start: 0, end: 512 }]);
  });

  test('the iterators follow markers and give inclusive ends, but send the wrong parameter for managed disks', async () => {
    server.answer(paged);
    const ranges: unknown[] = [];
    for await (const { start, end } of sdk().listPageRangesDiff(0, MIB, 'previous')) ranges.push([start, end]);
    expect(ranges).toEqual([
      [0, 511],
      [4096, 4607],
    ]);
    expect(server.requests[0]?.url).toContain('prevsnapshot=previous');
    expect(server.requests[0]?.headers['x-ms-previous-snapshot-url']).toBeUndefined();
  });
});

describe('reading', () => {
  const within = { start: 0, end: 65_536 };

  test('half of the bytes with a matching length are accepted as the range; ours refuses them', async () => {
    const short = (range: Asked): Answer => ({
      ...right(range),
      body: BLOB.subarray(range.start, (range.start + range.end) >> 1),
    });
    server.answer(behindOpening(short));
    expect(await sdkRead()).toHaveLength(32_768);
    await failure(sdk().downloadToBuffer(0, 65_536));
    await expect((await ours()).read(within, never)).rejects.toMatchObject({ code: 'source.short-read' });
  });

  test('bytes of another range than asked are accepted; ours refuses them', async () => {
    server.answer(behindOpening(({ start, end }) => right({ start: start + 4096, end: end + 4096 })));
    expect((await sdkRead()).equals(BLOB.subarray(4096, 65_536 + 4096))).toBe(true);
    expect((await sdk().downloadToBuffer(0, 65_536)).equals(BLOB.subarray(4096, 65_536 + 4096))).toBe(true);
    await expect((await ours()).read(within, never)).rejects.toMatchObject({ code: 'source.short-read' });
  });

  test('a flipped bit is accepted; ours asks for a checksum and refuses it', async () => {
    server.answer(
      behindOpening((range) => {
        const body = Buffer.from(BLOB.subarray(range.start, range.end));
        body.writeUInt8(body.readUInt8(999) ^ 4, 999);
        return { ...right(range), body };
      }),
    );
    expect((await sdkRead()).equals(DISK.subarray(0, 65_536))).toBe(false);
    expect(server.requests[0]?.headers['x-ms-range-get-content-md5']).toBeUndefined();
    await expect((await ours()).read(within, never)).rejects.toMatchObject({ code: 'source.short-read' });
  });

  test('a reset in the middle of the body ends the read as an AbortError that nobody repeats; ours reads again', async () => {
    const cut = (range: Asked): Answer => ({
      ...right(range),
      body: BLOB.subarray(range.start, range.start + 1000),
      length: range.end - range.start,
      ending: 'reset',
    });
    server.answer(behindOpening(cut));
    const error = await failure(sdkRead());
    expect([error.name, server.requests.length]).toEqual(['AbortError', 1]);
    let cuts = 0;
    server.answer(behindOpening((range) => (cuts++ === 0 ? cut(range) : right(range))));
    expect((await (await ours()).read(within, never)).equals(DISK.subarray(0, 65_536))).toBe(true);
  });

  test('a stalled body hangs; ours ends at its deadline and reads again', async () => {
    const stall = (range: Asked): Answer => ({
      ...right(range),
      body: BLOB.subarray(range.start, range.start + 1000),
      length: range.end - range.start,
      ending: 'silence',
    });
    server.answer(behindOpening(stall));
    expect(await staysOpen(sdkRead(), HANG_MS)).toBe(true);
    let stalls = 0;
    server.answer(behindOpening((range) => (stalls++ === 0 ? stall(range) : right(range))));
    expect((await (await ours()).read(within, never)).equals(DISK.subarray(0, 65_536))).toBe(true);
  });

  test('a drip that never ends is no progress: ours ends at its deadline', async () => {
    server.answer(behindOpening((range) => ({ ...right(range), drip: { bytes: 1, everyMs: 50 } })));
    await expect((await ours(1)).read(within, never)).rejects.toMatchObject({ code: 'cloud.timeout', retryable: true });
  });
});

test('an error of the SDK shows no SAS, but carries it in its request; ours carries none', async () => {
  server.answer(() => ({ status: 403, headers: { 'x-ms-error-code': 'AuthenticationFailed' } }));
  const error = await failure(sdkRead());
  expect(`${error.message}${error.stack}${JSON.stringify(error)}${inspect(error)}`).not.toContain(SIGNATURE);
  expect((error['request'] as { readonly url?: string }).url).toContain(SIGNATURE);
  const own = await failure(openSnapshotReader(plane(1), { snapshotId: 'snapshot' }));
  expect(own).toBeInstanceOf(AppError);
  expect(inspect(own, { depth: 20, showHidden: true })).not.toContain(SIGNATURE);
});
