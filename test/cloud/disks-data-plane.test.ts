import { AnonymousCredential, PageBlobClient } from '@azure/storage-blob';
import { encodeFooter } from '../../local/cloud/disks/vhd-footer';
import type { FaultAction } from '../../local/cloud/kit/faults';
import {
  type AzureFixture,
  DISK_BYTES,
  LOCATION,
  MIB,
  pattern,
  resource,
  SNAPSHOT_GROUP,
  startAzureFixture,
} from './arm-fixture';

const INTERVAL = { updateIntervalInMs: 5 };
const PAGE = 4096;
const BLOB_BYTES = DISK_BYTES + 512;
const VERSION = { 'x-ms-version': '2021-08-06' };

const blobClient = (sas: string) => new PageBlobClient(sas, new AnonymousCredential());

let fixture: AzureFixture;
beforeEach(async () => {
  fixture = await startAzureFixture();
});
afterEach(() => fixture.close());

/** Takes an incremental snapshot of the data disk and returns its SAS. */
async function snapshotSas(name: string, disk = 'web-data'): Promise<string> {
  const { compute } = fixture;
  await compute.snapshots.createOrUpdate(
    SNAPSHOT_GROUP,
    name,
    {
      location: LOCATION,
      incremental: true,
      creationData: { createOption: 'Copy', sourceResourceId: resource('disks', disk) },
    },
    INTERVAL,
  );
  const { accessSAS } = await compute.snapshots.grantAccess(
    SNAPSHOT_GROUP,
    name,
    { access: 'Read', durationInSeconds: 3600 },
    INTERVAL,
  );
  return accessSAS ?? '';
}

function guestWrites(start: number, bytes: Buffer): void {
  const { world } = fixture.azure;
  world.volumes.write(world.resources.get(resource('disks', 'web-data'))?.state.volumeId ?? '', start, bytes);
}

function guestClears(start: number, end: number): void {
  const { world } = fixture.azure;
  world.volumes.clear(world.resources.get(resource('disks', 'web-data'))?.state.volumeId ?? '', start, end);
}

const codeOf = async (response: Response): Promise<[number, string | null]> => {
  await response.arrayBuffer();
  return [response.status, response.headers.get('x-ms-error-code')];
};

test('the blob is the disk and a valid VHD footer; the SDK reads it', async () => {
  const client = blobClient(await snapshotSas('s1', 'web-os'));
  const properties = await client.getProperties();
  expect(properties).toMatchObject({ contentLength: BLOB_BYTES, blobType: 'PageBlob' });
  const bytes = await client.downloadToBuffer(0, BLOB_BYTES, { blockSize: 3 * MIB });
  expect(bytes.subarray(0, DISK_BYTES).equals(fixture.images.os)).toBe(true);
  expect(bytes.toString('latin1', DISK_BYTES, DISK_BYTES + 8)).toBe('conectix');
  expect(Number(bytes.readBigUInt64BE(DISK_BYTES + 48))).toBe(DISK_BYTES);
});

test('ranges: 206 with Content-Range, cut at the end, 416 behind it, x-ms-range before Range', async () => {
  const sas = await snapshotSas('s1', 'web-os');
  const tail = await fetch(sas, {
    headers: { 'x-ms-range': `bytes=${BLOB_BYTES - 100}-${BLOB_BYTES + 900}`, range: 'bytes=0-1' },
  });
  expect([tail.status, tail.headers.get('content-range')]).toEqual([
    206,
    `bytes ${BLOB_BYTES - 100}-${BLOB_BYTES - 1}/${BLOB_BYTES}`,
  ]);
  expect((await tail.arrayBuffer()).byteLength).toBe(100);
  const one = await fetch(sas, { headers: { range: 'bytes=5-9' } });
  expect(Buffer.from(await one.arrayBuffer()).equals(fixture.images.os.subarray(5, 10))).toBe(true);
  expect(await codeOf(await fetch(sas, { headers: { range: `bytes=${BLOB_BYTES}-` } }))).toEqual([416, 'InvalidRange']);
});

test('page ranges list what is allocated, the footer last, with inclusive ends', async () => {
  const client = blobClient(await snapshotSas('s1'));
  const ranges: unknown[] = [];
  for await (const { start, end, isClear } of client.listPageRanges(0, BLOB_BYTES))
    ranges.push({ start, end, isClear });
  expect(ranges).toEqual([
    { start: MIB, end: MIB + 64 * 1024 - 1, isClear: false },
    { start: DISK_BYTES, end: BLOB_BYTES - 1, isClear: false },
  ]);
});

test('a list longer than the server allows comes in pages; a window clips it', async () => {
  fixture.azure.world.behaviour.pageListMax = 3;
  for (let page = 0; page < 20; page += 2) guestWrites(2 * MIB + page * PAGE, Buffer.alloc(PAGE, 1));
  const sas = await snapshotSas('s1');
  const starts: number[] = [];
  for await (const { start } of blobClient(sas).listPageRanges(2 * MIB, MIB)) starts.push(start);
  expect(starts).toEqual(Array.from({ length: 10 }, (_, index) => 2 * MIB + index * 2 * PAGE));
  const first = await (await fetch(`${sas}&comp=pagelist`, { headers: VERSION })).text();
  expect(first.match(/<PageRange>/g)).toHaveLength(3);
  expect(first).toMatch(/<NextMarker>\d+<\/NextMarker><\/PageList>$/);
  const clipped = await (
    await fetch(`${sas}&comp=pagelist`, { headers: { ...VERSION, 'x-ms-range': `bytes=${MIB + 512}-${MIB + 1535}` } })
  ).text();
  expect(clipped).toContain(`<PageRange><Start>${MIB + 512}</Start><End>${MIB + 1535}</End></PageRange><NextMarker/>`);
  const old = await (await fetch(`${sas}&comp=pagelist`, { headers: { 'x-ms-version': '2019-07-07' } })).text();
  expect(old.match(/<PageRange>/g)).toHaveLength(12);
  expect(await codeOf(await fetch(`${sas}&comp=pagelist&maxresults=0`, { headers: VERSION }))).toEqual([
    400,
    'OutOfRangeQueryParameterValue',
  ]);
});

test('a diff interleaves changed and cleared ranges in offset order', async () => {
  const base = await snapshotSas('s1');
  guestWrites(0, Buffer.alloc(PAGE, 1));
  guestClears(MIB, MIB + 2 * PAGE);
  guestWrites(MIB + 2 * PAGE, Buffer.alloc(PAGE, 2));
  const next = await snapshotSas('s2');
  const diff = async (marker: string): Promise<string> =>
    (
      await fetch(`${next}&comp=pagelist${marker}`, { headers: { ...VERSION, 'x-ms-previous-snapshot-url': base } })
    ).text();
  const elementsOf = (xml: string): readonly string[][] =>
    [...xml.matchAll(/<(PageRange|ClearRange)><Start>(\d+)<\/Start><End>(\d+)<\/End>/g)].map((match) => match.slice(1));
  const elements = elementsOf(await diff(''));
  expect(elements).toEqual([
    ['PageRange', '0', String(PAGE - 1)],
    ['ClearRange', String(MIB), String(MIB + 2 * PAGE - 1)],
    ['PageRange', String(MIB + 2 * PAGE), String(MIB + 3 * PAGE - 1)],
  ]);
  const sdk = await blobClient(next).getPageRangesDiffForManagedDisks(0, DISK_BYTES, base);
  expect(sdk.pageRange).toHaveLength(2);
  expect(sdk.clearRange).toHaveLength(1);

  // Cleared ranges count as results too, and a diff has pages like a list.
  fixture.azure.world.behaviour.pageListMax = 2;
  const first = await diff('');
  const marker = /<NextMarker>(\d+)<\/NextMarker>/.exec(first)?.[1] ?? '';
  expect([...elementsOf(first), ...elementsOf(await diff(`&marker=${marker}`))]).toEqual(elements);
  expect(elementsOf(first)).toHaveLength(2);
  const cut = await blobClient(next).getPageRangesDiffForManagedDisks(0, DISK_BYTES, base);
  expect((cut as { continuationToken?: string }).continuationToken).toBe(marker);
});

test('a diff is refused for a newer base, another family, a revoked base and by prevsnapshot', async () => {
  const first = await snapshotSas('s1');
  const second = await snapshotSas('s2');
  const other = await snapshotSas('o1', 'web-os');
  const diff = async (url: string, base: string) =>
    codeOf(await fetch(`${url}&comp=pagelist`, { headers: { ...VERSION, 'x-ms-previous-snapshot-url': base } }));
  expect(await diff(second, first)).toEqual([200, null]);
  expect(await diff(first, second)).toEqual([400, 'PreviousSnapshotCannotBeNewer']);
  expect(await diff(second, other)).toEqual([409, 'PreviousSnapshotOperationNotSupported']);
  expect(await diff(second, first.replace('sig=', 'sig=x'))).toEqual([403, 'AuthenticationFailed']);
  await fixture.compute.snapshots.revokeAccess(SNAPSHOT_GROUP, 's1', INTERVAL);
  expect(await diff(second, first)).toEqual([403, 'AuthenticationFailed']);
  expect(await codeOf(await fetch(`${second}&comp=pagelist&prevsnapshot=x`))).toEqual([
    400,
    'InvalidQueryParameterValue',
  ]);
});

test('a SAS ends by expiry, revocation and the fault "expire", and does not allow writing', async () => {
  const sas = await snapshotSas('s1');
  const read = async () => codeOf(await fetch(sas, { headers: { range: 'bytes=0-511' } }));
  expect(await read()).toEqual([206, null]);
  fixture.context.faults.add({ id: 'x', operation: 'disk.read', times: 1, action: { kind: 'expire' } });
  expect(await read()).toEqual([403, 'AuthenticationFailed']);
  const put = await fetch(`${sas}&comp=page`, {
    method: 'PUT',
    headers: { 'x-ms-page-write': 'update', 'x-ms-range': 'bytes=0-511' },
    body: new Uint8Array(512),
  });
  expect(await codeOf(put)).toEqual([403, 'AuthorizationPermissionMismatch']);
  fixture.shiftClock(3_600_001);
  expect(await read()).toEqual([403, 'AuthenticationFailed']);
  const again = await snapshotSas('s1');
  expect(again).not.toBe(sas);
  await fixture.compute.snapshots.revokeAccess(SNAPSHOT_GROUP, 's1', INTERVAL);
  expect(await codeOf(await fetch(again))).toEqual([403, 'AuthenticationFailed']);
});

test('busy, broken and short replies are what the fault rules say', async () => {
  const sas = await snapshotSas('s1', 'web-os');
  const inject = (action: FaultAction): void =>
    fixture.context.faults.add({ id: 'one', service: 'disk', times: 1, action });
  inject({ kind: 'status', status: 503, code: 'ServerBusy' });
  expect(await codeOf(await fetch(sas))).toEqual([503, 'ServerBusy']);
  inject({ kind: 'cut' });
  await expect(fetch(sas).then((response) => response.arrayBuffer())).rejects.toThrow();
  inject({ kind: 'truncate' });
  const short = await fetch(sas, { headers: { range: 'bytes=0-8191' } });
  expect([short.status, (await short.arrayBuffer()).byteLength]).toEqual([206, 4096]);
});

test('an uploaded disk has exactly the bytes that were put, and needs its footer', async () => {
  const { compute } = fixture;
  const sizeBytes = 20 * MIB;
  const upload = { location: LOCATION, creationData: { createOption: 'Upload', uploadSizeBytes: sizeBytes + 512 } };
  const created = await compute.disks.createOrUpdate('vms', 'restored', upload, INTERVAL);
  expect(created.diskState).toBe('ReadyToUpload');
  const { accessSAS = '' } = await compute.disks.grantAccess(
    'vms',
    'restored',
    { access: 'Write', durationInSeconds: 600 },
    INTERVAL,
  );
  expect((await compute.disks.get('vms', 'restored')).diskState).toBe('ActiveUpload');
  const client = blobClient(accessSAS);
  const bytes = pattern(4 * MIB, 5);
  await client.uploadPages(bytes, 12 * MIB, bytes.length);
  await client.uploadPages(bytes.subarray(0, 512), 1536, 512);
  await client.clearPages(12 * MIB + 512, 512);
  await expect(compute.disks.revokeAccess('vms', 'restored', INTERVAL)).rejects.toMatchObject({
    statusCode: 400,
    code: 'InvalidVhd',
  });
  const footer = encodeFooter({ diskSizeBytes: sizeBytes, uniqueId: Buffer.alloc(16, 3), createdAt: Date.now() });
  await client.uploadPages(footer, sizeBytes, 512);
  await compute.disks.revokeAccess('vms', 'restored', INTERVAL);
  const disk = await compute.disks.get('vms', 'restored');
  expect(disk).toMatchObject({ diskState: 'Unattached', diskSizeBytes: sizeBytes });

  const read = await compute.disks.grantAccess('vms', 'restored', { access: 'Read', durationInSeconds: 600 }, INTERVAL);
  const expected = Buffer.alloc(sizeBytes);
  bytes.copy(expected, 12 * MIB);
  bytes.copy(expected, 1536, 0, 512);
  expected.fill(0, 12 * MIB + 512, 12 * MIB + 1024);
  const back = await blobClient(read.accessSAS ?? '').downloadToBuffer();
  expect(back.equals(Buffer.concat([expected, footer]))).toBe(true);
});

test('Put Page refuses what Azure refuses', async () => {
  const { compute } = fixture;
  const upload = { location: LOCATION, creationData: { createOption: 'Upload', uploadSizeBytes: 20 * MIB + 512 } };
  await compute.disks.createOrUpdate('vms', 'restored', upload, INTERVAL);
  const { accessSAS = '' } = await compute.disks.grantAccess(
    'vms',
    'restored',
    { access: 'Write', durationInSeconds: 600 },
    INTERVAL,
  );
  const put = async (range: string, bytes: number, headers: Record<string, string> = {}) =>
    codeOf(
      await fetch(`${accessSAS}&comp=page`, {
        method: 'PUT',
        headers: { 'x-ms-page-write': 'update', 'x-ms-range': range, ...headers },
        body: new Uint8Array(bytes),
      }),
    );
  expect(await put('bytes=0-511', 512)).toEqual([201, null]);
  expect(await put('bytes=100-611', 512)).toEqual([416, 'InvalidPageRange']);
  expect(await put(`bytes=${20 * MIB + 512}-${20 * MIB + 1023}`, 512)).toEqual([416, 'InvalidPageRange']);
  expect(await put(`bytes=0-${4 * MIB + 511}`, 512)).toEqual([413, 'RequestBodyTooLarge']);
  expect(await put('bytes=0-511', 1024)).toEqual([400, 'InvalidHeaderValue']);
  expect(await put('bytes=0-511', 512, { 'content-md5': 'AAAAAAAAAAAAAAAAAAAAAA==' })).toEqual([400, 'Md5Mismatch']);
});

test('the figures count what each snapshot gave', async () => {
  const sas = await snapshotSas('s1', 'web-os');
  await (await fetch(sas, { headers: { range: 'bytes=0-8191' } })).arrayBuffer();
  await (await fetch(`${sas}&comp=pagelist`, { headers: VERSION })).text();
  const answer = await fixture.routes.find('GET', '/stats')?.({ query: new URLSearchParams(), body: undefined });
  expect(answer).toEqual({
    transfers: [
      expect.objectContaining({
        target: resource('snapshots', 's1', SNAPSHOT_GROUP).toLowerCase(),
        readCount: 1,
        readBytes: 8192,
        pageListCount: 1,
      }),
    ],
  });
});
