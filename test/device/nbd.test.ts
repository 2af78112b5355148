/** The NBD server, judged by programs that we did not write, and by a client that does not keep to the rules. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { findTool, runTool, runToolWell } from '../../local/images/tools';
import { silentLogger } from '../../shared/base/logger';
import { inlinePool } from '../../shared/blockstore/compute-pool';
import { type NbdServer, startNbdServer } from '../../shared/device/nbd/server';
import { createNbdExports } from '../../shared/device/nbd-exports';
import { openOverlay } from '../../shared/device/overlay';
import type { PointDisk } from '../../shared/device/point-disk';
import { createPointLibrary } from '../../shared/device/point-library';
import { MIB } from '../../shared/model/limits';
import { FakeDisk, noise } from '../helpers/fake-disk';
import { RawClient, u32 } from './nbd-client';
import { type StoredDisk, storeDisk } from './stored-disk';

jest.setTimeout(120_000);

const content = new FakeDisk(72 * MIB)
  .write(0, noise(1, 3 * MIB))
  .write(40 * MIB, noise(2, 2 * MIB, true))
  .write(70 * MIB + 512, noise(3, 70_000));
const whole = content.bytes.read(0, content.bytes.length);
let folder: string;
let stored: StoredDisk;
let disk: PointDisk;
let image: string;
let closing: (() => Promise<void>)[] = [];

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'bf-nbd-'));
  image = path.join(folder, 'original.img');
  await writeFile(image, whole);
  stored = await storeDisk(content);
  ({ disk } = await stored.open());
});

afterEach(async () => {
  for (const close of closing.reverse()) await close();
  closing = [];
});

afterAll(() => rm(folder, { recursive: true, force: true }));

const only = () => ({ pointId: stored.pointId, lun: 'os' as const });

async function serve(overlayFile?: string, handshakeMs?: number): Promise<NbdServer> {
  const library = createPointLibrary({ repository: await stored.bench.repository(), pool: inlinePool });
  const exports = createNbdExports({ library, ...(overlayFile ? { only: only(), overlayFile } : {}) });
  const server = await startNbdServer({
    exports,
    address: { path: path.join(folder, `s${Math.random()}.sock`) },
    logger: silentLogger,
    ...(handshakeMs === undefined ? {} : { handshakeMs }),
  });
  closing.push(async () => {
    await server.close();
    await exports.close();
    library.close();
  });
  return server;
}

const uriOf = (server: NbdServer, name: string): string => server.uri.replace(':///', `:///${name}`);
const socketOf = (server: NbdServer): string => decodeURI(server.uri.split('socket=')[1] ?? '');
const tool = (name: string): string | undefined => findTool(name);
const withTools = (...names: string[]) => (names.every((name) => tool(name)) ? test : test.skip);
const run = (name: string, ...args: string[]): Promise<string> => runToolWell(tool(name) ?? name, args);

withTools(
  'nbdinfo',
  'nbdcopy',
  'qemu-img',
)('nbdinfo, nbdcopy and qemu-img read the disk of a point', async () => {
  const server = await serve();
  const uri = uriOf(server, `${stored.pointId}/os`);
  expect(await run('nbdinfo', '--list', server.uri)).toContain(`export="${stored.pointId}/os"`);
  const info = JSON.parse(await run('nbdinfo', '--json', uri)) as { exports: Record<string, unknown>[] };
  expect(info.exports[0]).toMatchObject({
    'export-size': 72 * MIB,
    is_read_only: true,
    can_multi_conn: true,
    contexts: ['base:allocation'],
  });
  const map = JSON.parse(await run('nbdinfo', '--map', '--json', uri)) as { length: number; type: number }[];
  expect(map.reduce((sum, { length }) => sum + length, 0)).toBe(72 * MIB);
  expect(map.filter(({ type }) => type === 0).reduce((sum, { length }) => sum + length, 0)).toBeLessThan(6 * MIB);
  const copy = path.join(folder, 'copy.img');
  await run('nbdcopy', uri, copy);
  expect((await readFile(copy)).equals(whole)).toBe(true);
  await run('qemu-img', 'convert', '-O', 'qcow2', uri, `${copy}.qcow2`);
  expect(await run('qemu-img', 'compare', '-f', 'raw', '-F', 'qcow2', image, `${copy}.qcow2`)).toContain('identical');
  await expect(run('nbdinfo', uriOf(server, 'p-none/os'))).rejects.toThrow('No such file or directory for export');
});

withTools('qemu-io', 'qemu-img')(
  'a read-only device refuses writes, an overlay takes them and the point stays',
  async () => {
    const readOnly = await serve();
    const denied = await runTool(tool('qemu-io') ?? '', [
      '-f',
      'raw',
      '-c',
      'write 0 4k',
      uriOf(readOnly, `${stored.pointId}/os`),
    ]);
    expect(denied.stdout + denied.stderr).toMatch(/read-only|Permission|not permitted/i);
    const overlay = path.join(folder, 'writes.cow');
    const server = await serve(overlay);
    const scripts = [
      'write -P 0xab 1000 3000',
      'write -P 0xcd 40M 200k',
      'write -z 1M 1M',
      'discard 2M 512k',
      'write -f -P 1 71M 1M',
      'flush',
    ];
    for (const line of [...scripts, 'read -P 0xab 1000 3000', 'read -P 0xcd 40M 200k', 'read -P 0 1M 1M']) {
      expect(await run('qemu-io', '-f', 'raw', '-c', line, server.uri)).not.toMatch(/fail|error/i);
    }
    const expected = path.join(folder, 'expected.img');
    const bytes = Buffer.from(whole);
    bytes.fill(0xab, 1000, 4000).fill(0xcd, 40 * MIB, 40 * MIB + 200 * 1024);
    bytes
      .fill(0, MIB, 2 * MIB)
      .fill(0, 2 * MIB, 2.5 * MIB)
      .fill(1, 71 * MIB);
    await writeFile(expected, bytes);
    expect(await run('qemu-img', 'compare', '-f', 'raw', expected, server.uri)).toContain('identical');
    for (const close of closing.splice(0).reverse()) await close();
    // Another process goes on with the file.
    const again = await serve(overlay);
    expect(await run('qemu-img', 'compare', '-f', 'raw', expected, again.uri)).toContain('identical');
    expect((await disk.read(0, disk.sizeBytes / 4)).equals(whole.subarray(0, disk.sizeBytes / 4))).toBe(true);
  },
);

test('an overlay over another disk, or a file that is none, is refused and left as it is', async () => {
  const file = path.join(folder, 'foreign');
  await writeFile(file, 'something of somebody else');
  const identity = { point: 'p-1', lun: 'os', contentTag: 'aa', sizeBytes: disk.sizeBytes };
  await expect(openOverlay(disk, file, identity)).rejects.toMatchObject({ code: 'config.invalid' });
  expect(await readFile(file, 'utf8')).toBe('something of somebody else');
  const own = path.join(folder, 'own.cow');
  await (await openOverlay(disk, own, identity)).close();
  await expect(openOverlay(disk, own, { ...identity, contentTag: 'bb' })).rejects.toThrow('it lies over disk os');
});

test('whatever is written, zeroed and read in whatever order, an overlay is a disk', async () => {
  const identity = { point: 'p-1', lun: 'os', contentTag: 'aa', sizeBytes: 4 * MIB };
  const base = { sizeBytes: 4 * MIB, read: disk.read, extents: disk.extents };
  const step = fc.record({
    what: fc.constantFrom('write', 'zero', 'reopen'),
    at: fc.nat(4 * MIB),
    length: fc.oneof(fc.nat(5000), fc.nat(300_000), fc.constant(65_536)),
    aligned: fc.boolean(),
  });
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      const file = path.join(folder, `model-${runs++}.cow`);
      const model = Buffer.from(whole.subarray(0, 4 * MIB));
      let overlay = await openOverlay(base, file, identity);
      for (const { what, at, length, aligned } of steps) {
        const start = aligned ? at - (at % 65_536) : at;
        const end = Math.min(4 * MIB, start + length);
        if (what === 'reopen') {
          await overlay.close();
          overlay = await openOverlay(base, file, identity);
        } else if (what === 'write') {
          const bytes = Buffer.alloc(end - start, (at % 255) + 1);
          bytes.copy(model, start);
          await overlay.write(start, bytes);
        } else {
          model.fill(0, start, end);
          await overlay.zero({ start, end });
        }
      }
      expect((await overlay.read(0, 4 * MIB)).equals(model)).toBe(true);
      for (const extent of await overlay.extents({ start: 0, end: 4 * MIB })) {
        if (extent.zero) expect(model.subarray(extent.start, extent.end).every((byte) => byte === 0)).toBe(true);
      }
      await overlay.close();
      await rm(file);
    }),
    { numRuns: 25 },
  );
});

test('requests outside of the disk or of the rules are refused one by one, and the connection lives', async () => {
  const server = await serve();
  const client = await RawClient.open(socketOf(server));
  await client.greet();
  const name = Buffer.from(`${stored.pointId}/os`);
  const go = Buffer.concat([u32(name.length), name, Buffer.from([0, 0])]);
  expect((await client.option(7, go))?.type).toBe(3);
  expect((await client.take(20))?.readUInt32BE(12)).toBe(1);
  expect(await client.request(0, 72n * 1048576n - 1n, 2)).toBe(22);
  expect(await client.request(0, 2n ** 64n - 1n, 4096)).toBe(22);
  expect(await client.request(0, 0n, 0)).toBe(22);
  expect(await client.request(0, 0n, 33 * MIB)).toBe(75);
  expect(await client.request(99, 0n, 512)).toBe(22);
  expect(await client.request(7, 0n, 512)).toBe(22); // block status was not agreed upon
  expect(await client.request(1, 0n, 4, 0, Buffer.alloc(4))).toBe(1);
  expect(await client.request(0, 0n, 512, 0x40)).toBe(22);
  expect(await client.request(0, 0n, 16)).toBe(0);
  expect((await client.take(16))?.equals(whole.subarray(0, 16))).toBe(true);
  expect(await client.request(3, 0n, 0)).toBe(0);
  client.send(Buffer.alloc(28, 0x41));
  await client.gone();
});

test('a stranger who sends anything at all gets an answer or the end of the connection, and the server goes on', async () => {
  const server = await serve(undefined, 2000);
  const option = fc.record({
    option: fc.oneof(fc.integer({ min: 0, max: 12 }), fc.nat()),
    data: fc.uint8Array({ maxLength: 64 }),
    lie: fc.constantFrom(0, 0, 0, 1, -1, 100_000, 2 ** 31),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.nat(3),
      fc.array(option, { maxLength: 6 }),
      fc.uint8Array({ maxLength: 60 }),
      async (flags, sent, tail) => {
        const client = await RawClient.open(socketOf(server));
        await client.greet(flags);
        for (const { option: number, data, lie } of sent) {
          const length = Math.max(0, data.length + lie);
          client.send(Buffer.from('IHAVEOPT'), u32(number), u32(length), Buffer.from(data));
        }
        client.send(Buffer.from(tail));
        client.end();
      },
    ),
    { numRuns: 200 },
  );
  const silent = await RawClient.open(socketOf(server));
  await silent.gone(); // hung up on after its time
  const endless = await RawClient.open(socketOf(server));
  await endless.greet();
  for (let count = 0; count < 70; count++) endless.send(Buffer.from('IHAVEOPT'), u32(8), u32(0));
  await endless.gone();
  const client = await RawClient.open(socketOf(server));
  await client.greet();
  expect((await client.option(3, Buffer.alloc(0)))?.data.toString('latin1')).toContain(stored.pointId);
  client.end();
});
