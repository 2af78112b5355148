/** Compiled, the compute pool runs on real threads: same results as on the calling thread, errors keep their type. */
import { type CompiledBuild, compiledBuild } from '../helpers/compiled-build';

let build: CompiledBuild;
beforeAll(async () => {
  build = await compiledBuild(['base', 'model', 'format', 'blockstore']);
});
afterAll(() => build.remove());

const script = `
const { createComputePool, inlinePool } = require('./blockstore/compute-pool.js');
const { createPackContext } = require('./format/pack-header.js');
const { openPackTail, sealPackTail } = require('./format/pack.js');
const { deriveKeys } = require('./format/keys.js');
const { randomBytes } = require('node:crypto');
const { threadId } = require('node:worker_threads');
(async () => {
  const keys = deriveKeys(Buffer.alloc(32, 1), 'contoso');
  const pool = createComputePool(2);
  const context = createPackContext(keys, randomBytes(16), 65536, randomBytes);
  const shared = (bytes) => { const copy = Buffer.from(new SharedArrayBuffer(bytes)); return copy; };
  const frames = [], ids = [], stored = [];
  await Promise.all(Array.from({ length: 12 }, async (_, ordinal) => {
    const bytes = shared(1048576 + 16384);
    const blocks = bytes.subarray(0, 1048576).fill(ordinal + 1);
    const job = { kind: 'hash', idKey: keys.id, bytes: blocks, blockBytes: 65536 };
    const same = await inlinePool.run(job);
    const hashed = await pool.run(job);
    if (!hashed.ids.equals(same.ids) || !hashed.zero.equals(same.zero)) throw new Error('hash');
    ids[ordinal] = hashed.ids;
    // Neighbours, or in two parts: the same frame.
    const parts = ordinal % 2 === 0 ? [blocks] : [blocks.subarray(0, 65536), blocks.subarray(65536)];
    const seal = { kind: 'seal-frame', context, ordinal, ids: hashed.ids, parts, into: bytes, level: 1 };
    frames[ordinal] = await pool.run(seal);
    stored[ordinal] = bytes.subarray(0, frames[ordinal].storedBytes);
  }));
  const allIds = Buffer.concat(ids);
  const tail = sealPackTail(context, frames, allIds);
  const whole = Buffer.concat([context.header, ...stored, tail]);
  const pack = shared(whole.length);
  whole.copy(pack);
  const directory = openPackTail(context, tail, whole.length);
  const verify = (frame) => pool.run({
    kind: 'verify-frame', context, idKey: keys.id, ordinal: frame.ordinal, shape: frame,
    ids: ids[frame.ordinal], stored: pack.subarray(frame.start, frame.end),
  });
  const verified = (await Promise.all(directory.frames.map(verify))).reduce((sum, { blocks }) => sum + blocks, 0);
  const into = shared(12 * 1048576);
  const bytes = Buffer.from(whole.subarray(96, whole.length - tail.length));
  await pool.run({ kind: 'open-frames', context, idKey: keys.id, frames: directory.frames, ids: allIds, bytes, into });
  const restored = [...new Set(into)].join();
  pack[200] ^= 1;
  const error = await verify(directory.frames[0]).catch((reason) => reason);
  const { name, code, retryable } = error;
  console.log(JSON.stringify({ name, code, retryable, verified, restored, thread: threadId }));
})();
`;

test('two threads hash, seal, verify and open in shared memory, and let the process end by itself', async () => {
  expect(JSON.parse(await build.run(script))).toEqual({
    name: 'AppError',
    code: 'pack.corrupt',
    retryable: true,
    verified: 192,
    restored: '1,2,3,4,5,6,7,8,9,10,11,12',
    thread: 0,
  });
});
