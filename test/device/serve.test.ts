/** `serve` over HTTP: ranges as RFC 9110 has them, read by nbdkit, qemu-img and curl-like clients; and who is turned away. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { findTool } from '../../local/images/tools';
import { type Serving, startServe } from '../../shared/app/serve/serve';
import { silentLogger } from '../../shared/base/logger';
import { answerRange } from '../../shared/device/http-range';
import { rawAnswer } from '../../shared/device/raw-disk';
import { MIB } from '../../shared/model/limits';
import { FakeDisk, noise } from '../helpers/fake-disk';
import { copyStores } from '../helpers/memory-object-store';
import { type StoredDisk, storeDisk } from './stored-disk';

jest.setTimeout(120_000);

const content = new FakeDisk(66 * MIB).write(0, noise(1, 2 * MIB)).write(65 * MIB, noise(2, MIB));
const whole = content.bytes.read(0, content.bytes.length);
let stored: StoredDisk;
let serving: Serving;
let url: string;

beforeAll(async () => {
  stored = await storeDisk(content);
  const repository = await stored.bench.repository();
  serving = await startServe({ repository, logger: silentLogger, http: { host: '127.0.0.1', port: 0 } });
  url = `${serving.httpUrl}/api/restore-points/${stored.pointId}/disks/os/raw`;
});

afterAll(() => serving.close());

const get = (headers: Record<string, string> = {}, method = 'GET', at = url) => fetch(at, { method, headers });
const bodyOf = async (response: Response): Promise<Buffer> => Buffer.from(await response.arrayBuffer());

test('ranges: whole, part, from, last, clamped, outside; HEAD says the same without the bytes', async () => {
  const all = await get();
  expect(all.status).toBe(200);
  expect((await bodyOf(all)).equals(whole)).toBe(true);
  const etag = all.headers.get('etag') ?? '';
  expect(etag).toMatch(/^"[0-9a-f]{32}"$/);
  const size = whole.length;
  for (const [range, start, end] of [
    ['bytes=0-0', 0, 1],
    ['bytes=1000-2999', 1000, 3000],
    [`bytes=${65 * MIB}-`, 65 * MIB, size],
    ['bytes=-512', size - 512, size],
    [`bytes=${size - 1}-${size + 100}`, size - 1, size],
  ] as const) {
    const part = await get({ range });
    expect([range, part.status, part.headers.get('content-range')]).toEqual([
      range,
      206,
      `bytes ${start}-${end - 1}/${size}`,
    ]);
    expect((await bodyOf(part)).equals(whole.subarray(start, end))).toBe(true);
    const head = await get({ range }, 'HEAD');
    expect([head.status, head.headers.get('content-length'), head.headers.get('etag')]).toEqual([
      206,
      String(end - start),
      etag,
    ]);
  }
  for (const range of [`bytes=${size}-`, 'bytes=0-1,5-6', 'bytes=-0']) {
    const refused = await get({ range });
    expect([range, refused.status, refused.headers.get('content-range')]).toEqual([range, 416, `bytes */${size}`]);
  }
  expect((await get({ range: 'bytes=0-9', 'if-range': etag })).status).toBe(206);
  expect((await get({ range: 'bytes=0-9', 'if-range': '"other"' }, 'HEAD')).status).toBe(200);
  expect((await get({ 'if-none-match': etag })).status).toBe(304);
  expect((await get({ 'if-match': '"other"' })).status).toBe(412);
});

test('what is answered to a range is never more than the disk, and no more than was asked for', async () => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: 0n, max: 10n ** 20n }),
      fc.bigInt({ min: 0n, max: 10n ** 20n }),
      fc.integer({ min: 1, max: 9999 }),
      (a, b, sizeBytes) => {
        for (const range of [`bytes=${a}-${b}`, `bytes=${a}-`, `bytes=-${b}`, `bytes=${a % 9999n}-${b % 9999n}`]) {
          const answer = answerRange({
            sizeBytes,
            etag: '"e"',
            range,
            ifRange: null,
            ifMatch: null,
            ifNoneMatch: null,
          });
          if (!('range' in answer)) continue;
          expect(answer.range.start).toBeGreaterThanOrEqual(0);
          expect(answer.range.end).toBeLessThanOrEqual(sizeBytes);
          expect(answer.range.start).toBeLessThan(answer.range.end);
          if (answer.status === 206 && range.startsWith(`bytes=${a}-`)) expect(answer.range.start).toBe(Number(a));
        }
      },
    ),
  );
  const source = { sizeBytes: 100, read: async () => Buffer.alloc(0), extents: async () => [] };
  const headers = new Headers();
  const signal = new AbortController().signal;
  const options = { source, contentTag: 'x', signal, answerBytesMax: 10 };
  expect((await rawAnswer({ method: 'GET', headers }, options)).status).toBe(413);
  expect((await rawAnswer({ method: 'HEAD', headers }, options)).status).toBe(200);
});

test('what is not there, cannot be or may not be', async () => {
  const base = serving.httpUrl ?? '';
  const at = (rest: string): string => `${base}/api/restore-points/${rest}`;
  expect((await get({}, 'GET', at('p-none/disks/os/raw'))).status).toBe(404);
  expect((await get({}, 'GET', at(`${stored.pointId}/disks/9/raw`))).status).toBe(404);
  expect((await get({}, 'GET', at(`${stored.pointId}/disks/abc/raw`))).status).toBe(400);
  expect((await get({}, 'GET', at('..%2F..%2Fetc/disks/os/raw'))).status).toBe(404);
  expect((await get({}, 'GET', `${base}/`)).status).toBe(404);
  expect((await get({}, 'DELETE')).status).toBe(405);
});

test('a damaged block is an error that names it, or breaks the answer off; nothing is put in its place', async () => {
  const stores = copyStores(stored.bench.stores);
  for (const [key, entry] of stores.data.objects) {
    if (key.includes('/u/')) entry.body[entry.body.length >> 1] = (entry.body[entry.body.length >> 1] ?? 0) ^ 4;
  }
  const repository = await stored.bench.repository(stores);
  const damaged = await startServe({ repository, logger: silentLogger, http: { host: '127.0.0.1', port: 0 } });
  try {
    const at = url.replace(serving.httpUrl ?? '', damaged.httpUrl ?? '');
    const refused = await get({}, 'GET', at);
    expect([refused.status, await refused.json()]).toMatchObject([502, { code: 'pack.corrupt' }]);
    const broken = await get({ range: `bytes=${60 * MIB}-` }, 'GET', at);
    expect(broken.status).toBe(206);
    await expect(broken.arrayBuffer()).rejects.toThrow();
  } finally {
    await damaged.close();
  }
});

test('a token is asked for where others could ask, and a foreign Host is led to nothing', async () => {
  const repository = await stored.bench.repository();
  const open = (host: string, token?: string) =>
    startServe({ repository, logger: silentLogger, http: { host, port: 0, token } });
  await expect(open('0.0.0.0')).rejects.toMatchObject({ code: 'config.invalid' });
  await expect(open('127.0.0.1', 'short')).rejects.toMatchObject({ code: 'config.invalid' });
  const token = 'a-token-of-some-length';
  const guarded = await open('127.0.0.1', token);
  try {
    const there = url.replace(serving.httpUrl ?? '', guarded.httpUrl ?? '');
    const login = (password: string) => `Basic ${Buffer.from(`any:${password}`).toString('base64')}`;
    for (const [authorization, status] of [
      ['', 401],
      ['Bearer wrong-token-of-length', 401],
      [login('wrong'), 401],
      [`Bearer ${token}`, 200],
      [login(token), 200],
    ] as const) {
      expect((await get({ authorization }, 'HEAD', there)).status).toBe(status);
    }
  } finally {
    await guarded.close();
  }
  const curl = findTool('curl');
  if (curl) {
    const { stdout } = await promisify(execFile)(curl, ['-s', '-I', '-H', 'Host: evil.example', url]);
    expect(stdout).toMatch(/^HTTP\/1.1 403/);
  }
});

const nbdkit = findTool('nbdkit');
const qemu = findTool('qemu-img');
(nbdkit && qemu ? test : test.skip)('nbdkit curl, and qemu-img over it, read the very disk', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'bf-serve-'));
  try {
    const image = path.join(folder, 'original.img');
    await writeFile(image, whole);
    const compare = `${qemu} compare -f raw -F raw ${image} "$uri"`;
    const args = ['-U', '-', '-r', 'curl', url, '--run', compare];
    const { stdout } = await promisify(execFile)(nbdkit ?? '', args);
    expect(stdout).toContain('identical');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
