/**
 * Writes test/golden/v1 anew:  node -r ./test/cloud/aws-swc-register.js test/golden/make-v1.ts
 * Only while version 1 is unreleased. Afterwards a new version gets a folder of its own and this one stays as it is.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { writeExpectation } from './expectation';
import { goldenFileKey, makeEnvelopes } from './golden-envelopes';
import { goldenRootKey, makeGoldenWorld } from './golden-world';
import { filesBelow } from './load';

const target = path.join(__dirname, 'v1');

async function main(): Promise<void> {
  const world = await makeGoldenWorld();
  const kept = existsSync(path.join(target, 'data')) ? filesBelow(path.join(target, 'data')) : [];
  const envelopes = kept.filter(([key]) => /^t\/[^/]+\/k\//.test(key));
  if (envelopes.length === 0) {
    const pem = readFileSync(path.join(target, 'escrow-private.pem'), 'utf8');
    for (const tenant of ['acme', 'fabrikam']) envelopes.push(...makeEnvelopes(tenant, pem));
  }
  for (const part of ['data', 'control', 'replays']) rmSync(path.join(target, part), { recursive: true, force: true });
  const write = (part: string, key: string, body: Buffer): void => {
    const file = path.join(target, part, key);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, body);
  };
  for (const bucket of ['data', 'control'] as const) {
    for (const [key, { body }] of world.stores[bucket].objects) write(bucket, key, body);
  }
  for (const [key, body] of envelopes) for (const bucket of ['data', 'control']) write(bucket, key, body);
  for (const [key, body] of world.replays) write('replays', key, body);
  writeFileSync(path.join(target, 'root-key.hex'), `${goldenRootKey.toString('hex')}\n`);
  writeFileSync(path.join(target, 'key-file.hex'), `${goldenFileKey.toString('hex')}\n`, { mode: 0o600 });
  writeExpectation(path.join(target, 'expected.json'), world);
}

void main();
