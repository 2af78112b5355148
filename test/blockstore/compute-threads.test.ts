/** Compiled, the compute pool runs on real threads: same results as on the calling thread, errors keep their type. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { transformFile } from '@swc/core';

const root = join(__dirname, '..', '..');
let directory: string;

/** A build of the folders that a compute thread loads, where the packages of the project are found. */
beforeAll(async () => {
  const cache = join(root, 'node_modules', '.cache');
  await mkdir(cache, { recursive: true });
  directory = await mkdtemp(join(cache, 'compute-threads-'));
  for (const folder of ['base', 'model', 'format', 'blockstore']) {
    const files = (await readdir(join(root, 'shared', folder))).filter((file) => file.endsWith('.ts'));
    for (const file of files) {
      const { code } = await transformFile(join(root, 'shared', folder, file), {
        jsc: { parser: { syntax: 'typescript' }, target: 'es2023' },
        module: { type: 'commonjs' },
      });
      const target = join(directory, folder, file.replace(/\.ts$/, '.js'));
      await mkdir(dirname(target), { recursive: true });
      await writeFile(target, code);
    }
  }
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const script = `
const { createComputePool, inlinePool } = require('./blockstore/compute-pool.js');
const { createPackContext } = require('./format/pack-header.js');
const { assemblePack } = require('./format/pack.js');
const { deriveKeys } = require('./format/keys.js');
const { randomBytes } = require('node:crypto');
const { threadId } = require('node:worker_threads');
(async () => {
  const keys = deriveKeys(Buffer.alloc(32, 1), 'contoso');
  const pool = createComputePool(2);
  const context = createPackContext(keys, randomBytes(16), 65536, randomBytes);
  const source = Array.from({ length: 12 }, (_, n) => Buffer.from(new Uint8Array(1048576).fill(n + 1).buffer));
  const frames = [], ids = [];
  await Promise.all(source.map(async (bytes, ordinal) => {
    const same = await inlinePool.run({ kind: 'hash', idKey: keys.id, bytes: Buffer.from(bytes), blockBytes: 65536 });
    const hashed = await pool.run({ kind: 'hash', idKey: keys.id, bytes, blockBytes: 65536 });
    if (bytes.length !== 0 || !hashed.ids.equals(same.ids) || !hashed.zero.equals(same.zero)) throw new Error('hash');
    ids[ordinal] = hashed.ids;
    frames[ordinal] = await pool.run({ kind: 'seal-frame', context, ordinal, ids: hashed.ids, bytes: hashed.bytes, level: 1 });
  }));
  const allIds = Buffer.concat(ids);
  const pack = assemblePack(context, frames, allIds);
  const verify = (bytes) => pool.run({ kind: 'verify-pack', context, idKey: keys.id, ids: allIds, bytes, tailBytes: pack.tailBytes });
  const { bytes } = await verify(pack.bytes);
  if (pack.bytes.length !== 0 || bytes.length === 0) throw new Error('the pack did not move');
  bytes[200] ^= 1;
  const error = await verify(bytes).catch((reason) => reason);
  console.log(JSON.stringify({ name: error.name, code: error.code, retryable: error.retryable, thread: threadId }));
})();
`;

test('two threads hash, seal and verify, and let the process end by itself', async () => {
  const file = join(directory, 'main.js');
  await writeFile(file, script);
  const { stdout } = await promisify(execFile)(process.execPath, [file], { timeout: 20_000 });
  expect(JSON.parse(stdout)).toEqual({ name: 'AppError', code: 'pack.corrupt', retryable: true, thread: 0 });
});
