/** The second way to the root key: in service only the public half, in need the private one; with nothing of ours but openssl. */
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { createEscrowWrapper } from '../../shared/app/key-escrow';
import { openRootKey, rewrapRootKey } from '../../shared/blockstore/tenant-keys';
import { envelopeAt, type KeyWorld, keyWorld, tenant } from './key-world';

const pair = generateKeyPairSync('rsa', { modulusLength: 3072 });
const privatePem = pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const publicPem = pair.publicKey.export({ type: 'spki', format: 'pem' }).toString();

let world: KeyWorld;
let file: (name: string, text: string) => string;
beforeEach(() => {
  world = keyWorld();
  file = (name, text) => {
    const place = path.join(world.folder, name);
    writeFileSync(place, text, { mode: 0o600 });
    return place;
  };
});
afterEach(() => world.close());

const publicHalf = () => createEscrowWrapper({ path: file('public.pem', publicPem), half: 'public' });
const privateHalf = () => createEscrowWrapper({ path: file('private.pem', privatePem), half: 'private' });

test('the public half wraps and opens nothing; the private half brings a tenant back when its key file is lost', async () => {
  const lost = world.keyFile('kek');
  const key = await world.open([lost, publicHalf()]);
  await expect(world.open([publicHalf()])).rejects.toMatchObject({ code: 'key.wrong' });
  const next = world.keyFile('next');
  const envelope = await rewrapRootKey(world.options([privateHalf()]), [next, publicHalf()]);
  expect(envelope.wraps.map(({ kind }) => kind)).toEqual(['key-file', 'escrow']);
  expect(await world.open([next])).toBe(key);
});

test('openssl opens it, by the words of docs/keys.md', async () => {
  const key = await world.open([world.keyFile('kek'), publicHalf()]);
  const stored = world.stores.data.objects.get(envelopeAt(0))?.body.toString('utf8') ?? '';
  const { wraps } = JSON.parse(stored.split('\n')[0] ?? '') as { wraps: { kind: string; wrapped: string }[] };
  const wrapped = wraps.find(({ kind }) => kind === 'escrow')?.wrapped ?? '';
  const padding = ['rsa_padding_mode:oaep', 'rsa_oaep_md:sha256', 'rsa_mgf1_md:sha256'];
  const opened = execFileSync(
    'openssl',
    [
      ...['pkeyutl', '-decrypt', '-inkey', file('private.pem', privatePem)],
      ...padding.flatMap((option) => ['-pkeyopt', option]),
    ],
    { input: Buffer.from(wrapped, 'base64') },
  );
  expect(opened.toString('hex')).toBe(key);
});

test('an escrow alone is no way to run a tenant', async () => {
  await expect(openRootKey(world.options([publicHalf()]), true)).rejects.toMatchObject({ code: 'config.invalid' });
});

test.each([
  ['a private key in service', () => privatePem, 'config.invalid'],
  ['a key that is too short', () => shortPem(), 'key.wrong'],
  ['something else', () => 'no key', 'key.wrong'],
])('%s is refused', async (_name, text, code) => {
  const wrapper = createEscrowWrapper({ path: file('odd.pem', text()), half: 'public' });
  const wrapping = wrapper.wrap(randomBytes(32), { tenant, generation: 1 });
  await expect(wrapping).rejects.toMatchObject({ code });
  await expect(wrapping).rejects.not.toThrow(/BEGIN|MII/);
});

test('a missing file is told as that', async () => {
  const wrapper = createEscrowWrapper({ path: path.join(world.folder, 'none'), half: 'public' });
  await expect(wrapper.wrap(randomBytes(32), { tenant, generation: 1 })).rejects.toMatchObject({ code: 'key.missing' });
});

const shortPem = (): string =>
  generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ type: 'spki', format: 'pem' }).toString();
