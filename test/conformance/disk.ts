/** What the data plane of a managed disk must do: the same sentences for the simulator and for Azure. */
import { encodeFooter } from '../../local/cloud/disks/vhd-footer';

export interface DiskTarget {
  /** Read SAS of two incremental snapshots of one disk, the older first. */
  readonly baseSas: string;
  readonly nextSas: string;
  readonly diskSizeBytes: number;
  /** Write SAS of a disk for upload of 20 MiB without data. */
  readonly uploadSas: string;
  /** Ends the upload and gives a Read SAS of the disk. */
  finishUpload(): Promise<string>;
}

const MIB = 2 ** 20;
export const UPLOAD_DISK_BYTES = 20 * MIB;
const VERSION = { 'x-ms-version': '2021-08-06' };

interface Listed {
  readonly kind: 'PageRange' | 'ClearRange';
  readonly start: number;
  /** Inclusive, as on the wire. */
  readonly end: number;
}

export function diskConformance(target: () => DiskTarget): void {
  const get = (url: string, headers: Record<string, string> = {}) =>
    fetch(url, { headers: { ...VERSION, ...headers } });
  const bytesOf = async (response: Response): Promise<Buffer> => Buffer.from(await response.arrayBuffer());
  const codeOf = async (response: Response): Promise<string | null> => {
    await response.arrayBuffer();
    return response.headers.get('x-ms-error-code');
  };

  async function listPages(
    url: string,
    headers: Record<string, string> = {},
    maxResults?: number,
  ): Promise<readonly Listed[]> {
    const found: Listed[] = [];
    for (let marker = ''; ; ) {
      const paging = `${maxResults === undefined ? '' : `&maxresults=${maxResults}`}${marker === '' ? '' : `&marker=${encodeURIComponent(marker)}`}`;
      const response = await get(`${url}&comp=pagelist${paging}`, headers);
      const text = await response.text();
      expect(response.status).toBe(200);
      expect(text.trimEnd().endsWith('</PageList>')).toBe(true);
      for (const [, kind, start, end] of text.matchAll(
        /<(PageRange|ClearRange)>\s*<Start>(\d+)<\/Start>\s*<End>(\d+)<\/End>/g,
      )) {
        found.push({
          kind: kind === 'ClearRange' ? 'ClearRange' : 'PageRange',
          start: Number(start),
          end: Number(end),
        });
      }
      marker = /<NextMarker>(.*?)<\/NextMarker>/.exec(text)?.[1] ?? '';
      if (marker === '') return found;
    }
  }

  function expectWellFormed(ranges: readonly Listed[]): void {
    let previousEnd = -1;
    for (const { start, end } of ranges) {
      expect(start).toBeGreaterThan(previousEnd);
      expect([start % 512, (end + 1) % 512]).toEqual([0, 0]);
      previousEnd = end;
    }
  }

  test('the blob is 512 bytes longer than the disk and ends with a VHD footer', async () => {
    const blobBytes = target().diskSizeBytes + 512;
    const head = await fetch(target().nextSas, { method: 'HEAD', headers: VERSION });
    expect([head.status, Number(head.headers.get('content-length')), head.headers.get('x-ms-blob-type')]).toEqual([
      200,
      blobBytes,
      'PageBlob',
    ]);
    const footer = await get(target().nextSas, { 'x-ms-range': `bytes=${target().diskSizeBytes}-${blobBytes - 1}` });
    expect(footer.headers.get('content-range')).toBe(`bytes ${target().diskSizeBytes}-${blobBytes - 1}/${blobBytes}`);
    expect((await bytesOf(footer)).toString('latin1', 0, 8)).toBe('conectix');
  });

  test('a range is 206 with exactly its bytes; behind the end it is 416', async () => {
    const response = await get(target().nextSas, { 'x-ms-range': 'bytes=1000-5095' });
    expect([response.status, (await bytesOf(response)).length]).toEqual([206, 4096]);
    const behind = await get(target().nextSas, {
      'x-ms-range': `bytes=${target().diskSizeBytes + 512}-${target().diskSizeBytes + 1023}`,
    });
    expect(behind.status).toBe(416);
    expect(await codeOf(behind)).toBe('InvalidRange');
  });

  test('page ranges are aligned and in order, and pages of results join to the same list', async () => {
    const all = await listPages(target().nextSas);
    expectWellFormed(all);
    expect(await listPages(target().nextSas, {}, 1)).toEqual(all);
  });

  test('a window lists its own pages only', async () => {
    const window = await listPages(target().nextSas, { 'x-ms-range': `bytes=0-${MIB - 1}` });
    expectWellFormed(window);
    expect(window.every(({ end }) => end < MIB)).toBe(true);
  });

  test('the base and the diff together give the newer snapshot', async () => {
    const { baseSas, nextSas, diskSizeBytes } = target();
    const readAll = async (sas: string) => bytesOf(await get(sas, { 'x-ms-range': `bytes=0-${diskSizeBytes - 1}` }));
    const [base, next] = [await readAll(baseSas), await readAll(nextSas)];
    const diff = await listPages(nextSas, { 'x-ms-previous-snapshot-url': baseSas });
    expectWellFormed(diff);
    for (const { kind, start, end } of diff) {
      const to = Math.min(end + 1, diskSizeBytes);
      if (kind === 'PageRange') next.copy(base, start, start, to);
      else base.fill(0, start, to);
    }
    expect(base.equals(next)).toBe(true);
  });

  test('a changed signature is refused', async () => {
    const forged = target().nextSas.replace(/sig=[^&]{4}/, 'sig=AAAA');
    const response = await get(forged, { 'x-ms-range': 'bytes=0-511' });
    expect(response.status).toBe(403);
    expect(await codeOf(response)).toBe('AuthenticationFailed');
  });

  test('Put Page on a snapshot is refused', async () => {
    const response = await fetch(`${target().nextSas}&comp=page`, {
      method: 'PUT',
      headers: { ...VERSION, 'x-ms-page-write': 'update', 'x-ms-range': 'bytes=0-511' },
      body: new Uint8Array(512),
    });
    await response.arrayBuffer();
    expect(response.status).toBe(403);
  });

  test('an upload holds what was put and zeros elsewhere', async () => {
    const put = async (start: number, bytes: Buffer | undefined, lengthBytes: number) => {
      const response = await fetch(`${target().uploadSas}&comp=page`, {
        method: 'PUT',
        headers: {
          ...VERSION,
          'x-ms-page-write': bytes === undefined ? 'clear' : 'update',
          'x-ms-range': `bytes=${start}-${start + lengthBytes - 1}`,
        },
        ...(bytes === undefined ? {} : { body: new Uint8Array(bytes) }),
      });
      await response.arrayBuffer();
      expect(response.status).toBe(201);
    };
    const data = Buffer.alloc(4 * MIB, 'blockferry');
    await put(8 * MIB, data, data.length);
    await put(9 * MIB, undefined, 4096);
    const footer = encodeFooter({
      diskSizeBytes: UPLOAD_DISK_BYTES,
      uniqueId: Buffer.alloc(16, 1),
      createdAt: Date.now(),
    });
    await put(UPLOAD_DISK_BYTES, footer, footer.length);
    const expected = Buffer.alloc(UPLOAD_DISK_BYTES);
    data.copy(expected, 8 * MIB);
    expected.fill(0, 9 * MIB, 9 * MIB + 4096);
    const sas = await target().finishUpload();
    const actual = await bytesOf(await get(sas, { 'x-ms-range': `bytes=0-${UPLOAD_DISK_BYTES - 1}` }));
    expect(actual.equals(expected)).toBe(true);
  });
}
