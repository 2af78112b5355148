/**
 * The main thread of a data proxy only moves bytes. What it computes between two turns of its loop is measured in CPU time
 * of that thread, so a busy machine changes nothing: heartbeats and leases depend on these turns.
 */
import { type CompiledBuild, compiledBuild } from '../helpers/compiled-build';

let build: CompiledBuild;
beforeAll(async () => {
  build = await compiledBuild(['base', 'model', 'format', 'blockstore', 'dataproxy']);
});
afterAll(() => build.remove());

const script = `
const { createHash } = require('node:crypto');
const { createTransferHandler } = require('./dataproxy/transfer-handler.js');
const { openRepository } = require('./blockstore/repository.js');
const { openSession } = require('./blockstore/session.js');
const { createMemory } = require('./blockstore/shared-buffers.js');
const { systemClock } = require('./base/clock.js');
const { silentLogger } = require('./base/logger.js');
const { AppError } = require('./model/errors.js');
const { planWindows } = require('./model/transfer.js');

const MIB = 1024 * 1024;
const size = 320 * MIB;
const half = createHash('shake256', { outputLength: MIB / 2 }).update('x').digest();
const objects = new Map();
const used = () => { const { user, system } = process.threadCpuUsage(); return (user + system) / 1000; };
let made = 0;
const store = {
  putOnce: async (key, body) => {
    await new Promise((resolve) => setTimeout(resolve, 5));
    objects.set(key, key.includes('/u/') ? { length: body.length } : Buffer.from(body));
    return { outcome: 'created', etag: key };
  },
  replace: async (key, body) => {
    objects.set(key, Buffer.from(body));
    return { outcome: 'replaced', etag: key };
  },
  get: async (key) => {
    if (!objects.has(key)) throw new AppError('store.not-found', key);
    return { body: objects.get(key), etag: key };
  },
  list: async function* (prefix) {
    for (const [key, body] of objects) if (key.startsWith(prefix)) yield { key, sizeBytes: body.length, etag: key };
  },
};
const reader = {
  sizeBytes: size,
  allocatedRanges: async (within) => [within],
  changedRanges: async (within) => [within],
  read: async (range, signal, into) => {
    for (let at = 0; at < into.length; at += MIB) {
      // Bytes come in pieces from a network, not eight reads at once.
      await new Promise((resolve) => setTimeout(resolve, 1));
      const since = used();
      into.fill(7, at, at + MIB);
      half.copy(into, at);
      for (let block = 0; block < MIB; block += 65536) into.writeDoubleLE(range.start + at + block, at + block);
      made += used() - since;
    }
    return into;
  },
};

(async () => {
  const keys = { rootKey: async () => Buffer.alloc(32, 7) };
  const stores = { data: store, control: store };
  const repository = await openRepository({ stores, tenant: 'acme', keys, clock: systemClock, logger: silentLogger });
  const vmKey = '0123456789abcdef';
  await openSession(repository, { sessionId: 'job-1', vmKey, kind: 'BACKUP' });
  const memory = createMemory();
  const handle = createTransferHandler({
    access: { openSnapshot: async () => reader },
    openRepository: async () => repository,
    events: { report: async () => undefined },
    clock: systemClock,
    logger: silentLogger,
    imageDirectory: undefined,
    concurrency: 2,
    memory,
  });
  let before = used();
  let longest = 0;
  // Making up what the disk holds is this test's work, not the product's.
  const turn = () => { const now = used(); longest = Math.max(longest, now - before - made); before = now; made = 0; };
  const timer = setInterval(turn, 1);
  const base = { kind: 'backup', version: 1, tenant: 'acme', region: 'r', jobId: 'job-1', vmKey, lun: 0 };
  const never = new AbortController().signal;
  const stats = await Promise.all(planWindows(size, size / 5 * 3 - size / 5 * 3 % (64 * MIB)).map((window) =>
    handle({ ...base, diskBytes: size, window, snapshotId: 's1' }, never)));
  clearInterval(timer);
  const newBytes = stats.reduce((sum, one) => sum + one.newBytes, 0);
  console.log(JSON.stringify({ newBytes, longest, accounted: memory.reads.peakBytes + memory.windows.peakBytes }));
  process.exit(0);
})();
`;

test('between two turns it computes less than the 50 ms that heartbeats can bear', async () => {
  const result = JSON.parse(await build.run(script)) as { newBytes: number; longest: number; accounted: number };
  expect(result.newBytes).toBe(320 * 1024 * 1024);
  expect(result.longest).toBeLessThan(50);
  expect(result.accounted).toBeLessThanOrEqual(288 * 1024 * 1024);
});
