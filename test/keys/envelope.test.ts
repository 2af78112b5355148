/** The bytes of key envelopes and of packs under rotated keys. */
import { createHash, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { chmodSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { createKeyFileWrapper } from '../../shared/app/key-file';
import {
  authenticateEnvelope,
  decodeEnvelope,
  encodeEnvelope,
  type KeyEnvelope,
  rootKeyCheck,
} from '../../shared/format/key-envelope';
import { aesKeyId, aesUnwrap, aesWrap } from '../../shared/format/key-envelope-wrap';
import { deriveKeys, packGenerationMax } from '../../shared/format/keys';
import { createPackContext, openPackHeader } from '../../shared/format/pack-header';
import { AppError } from '../../shared/model/errors';
import { type KeyWorld, keyWorld } from './key-world';

const bytes = (text: string): Buffer => createHash('sha256').update(text).digest();
const rootKey = bytes('root key');
const kek = bytes('kek');
const tenant = 'contoso';
const object = 't/contoso/k/1/3';
const wrapped = aesWrap(kek, rootKey, { tenant, generation: 1 }, bytes('nonce').subarray(0, 12));
const envelope: KeyEnvelope = {
  tenant,
  generation: 1,
  rewrap: 3,
  packGeneration: 2,
  check: rootKeyCheck(rootKey, tenant),
  wraps: [{ kind: 'key-file', keyId: aesKeyId(kek), algorithm: 'A256GCM', wrapped: wrapped.toString('base64') }],
};
const stored = encodeEnvelope(envelope, rootKey);

test('the bytes are those of docs/format.md, by other words', () => {
  const [line = '', mac] = stored.toString().split('\n');
  const derive = (label: string) => Buffer.from(hkdfSync('sha256', rootKey, 'blockferry/1/contoso', label, 32));
  expect(mac).toBe(createHmac('sha256', derive('key-envelope/1')).update(line).digest('hex'));
  expect(JSON.parse(line)).toEqual({ magic: 'blockferry-key', version: 1, ...envelope });
  expect(envelope.check).toBe(derive('check/1').toString('hex'));
  expect(createHash('sha256').update(stored).digest('hex')).toBe(
    'ed0565365ac6528cb3520e9f53fde8b01da224d664dbbe354d602679eabb6ce8',
  );
});

test('what is encoded is read again, and authenticates under its own root key only', () => {
  expect(decodeEnvelope(stored, object)).toEqual(envelope);
  expect(authenticateEnvelope(stored, rootKey, envelope)).toBe(true);
  expect(authenticateEnvelope(stored, bytes('another'), envelope)).toBe(false);
});

test('any change of any byte is an AppError or does not authenticate', () => {
  fc.assert(
    fc.property(fc.nat(stored.length - 1), fc.integer({ min: 1, max: 255 }), (at, mask) => {
      const changed = Buffer.from(stored);
      changed[at] = (changed[at] ?? 0) ^ mask;
      try {
        return !authenticateEnvelope(changed, rootKey, decodeEnvelope(changed, object));
      } catch (error) {
        return error instanceof AppError && ['key.corrupt', 'format.unknown'].includes(error.code);
      }
    }),
    { numRuns: 3000 },
  );
});

test('rubbish is refused with an AppError', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 300 }),
        fc.json().map((text) => Buffer.from(`${text}\n`)),
      ),
      (input) => {
        try {
          decodeEnvelope(Buffer.from(input), object);
          return false;
        } catch (error) {
          return error instanceof AppError;
        }
      },
    ),
    { numRuns: 2000 },
  );
  expect(() => decodeEnvelope(Buffer.alloc(10 * 2 ** 20, '{'), object)).toThrow('too long');
  expect(() => decodeEnvelope(stored, 't/contoso/k/1/4')).toThrow('another name');
  expect(() => decodeEnvelope(stored, 't/fabrikam/k/1/3')).toThrow('another name');
});

test('a wrap is bound to its tenant, generation and key', () => {
  expect(aesUnwrap(kek, wrapped, { tenant, generation: 1 })?.equals(rootKey)).toBe(true);
  expect(aesUnwrap(kek, wrapped, { tenant: 'fabrikam', generation: 1 })).toBeUndefined();
  expect(aesUnwrap(kek, wrapped, { tenant, generation: 2 })).toBeUndefined();
  expect(aesUnwrap(bytes('other'), wrapped, { tenant, generation: 1 })).toBeUndefined();
});

describe('generations of pack keys', () => {
  const unit = randomBytes(16);
  const made = (generation: number) =>
    createPackContext(deriveKeys(rootKey, tenant, generation), unit, 65_536, randomBytes);

  test.each([1, 2, 7, packGenerationMax])(
    'a pack of generation %i opens with keys of the same and of later ones',
    (generation) => {
      const { header, dataKey } = made(generation);
      expect(header.readUInt16LE(6)).toBe(generation);
      for (const later of [generation, Math.min(generation + 5, packGenerationMax)]) {
        expect(openPackHeader(deriveKeys(rootKey, tenant, later), unit, header).dataKey.equals(dataKey)).toBe(true);
      }
    },
  );

  test('a process that has not heard of a rotation still reads new packs; the name cannot be forged', () => {
    const { header, dataKey } = made(2);
    expect(openPackHeader(deriveKeys(rootKey, tenant), unit, header).dataKey.equals(dataKey)).toBe(true);
    header.writeUInt16LE(1, 6);
    expect(() => openPackHeader(deriveKeys(rootKey, tenant), unit, header)).toThrow('does not authenticate');
    for (const unknown of [0, 500]) {
      header.writeUInt16LE(unknown, 6);
      expect(() => openPackHeader(deriveKeys(rootKey, tenant), unit, header)).toThrow(`wrap generation ${unknown}`);
    }
  });
});

describe('the key file', () => {
  let world: KeyWorld;
  beforeEach(() => {
    world = keyWorld();
  });
  afterEach(() => world.close());

  const wrapperOf = (content: Buffer | string, mode = 0o600) => {
    const file = path.join(world.folder, 'kek');
    writeFileSync(file, content, { mode });
    chmodSync(file, mode);
    return createKeyFileWrapper({ path: file, randomBytes });
  };
  const wrapWith = (content: Buffer | string, mode?: number) =>
    wrapperOf(content, mode).wrap(rootKey, { tenant, generation: 1 });

  test('is 32 bytes, or 64 hex digits with or without a line end', async () => {
    const wrap = await wrapWith(kek);
    for (const content of [kek, kek.toString('hex'), `${kek.toString('hex').toUpperCase()}\n`]) {
      const again = wrapperOf(content);
      expect(await again.opens(wrap)).toBe(true);
      expect((await again.unwrap(wrap, { tenant, generation: 1 })).equals(rootKey)).toBe(true);
    }
  });

  test('of another size, readable by others, or missing is refused without a word of its content', async () => {
    await expect(wrapWith('short secret')).rejects.toMatchObject({ code: 'key.wrong' });
    await expect(wrapWith('short secret')).rejects.not.toThrow('secret');
    await expect(wrapWith(kek, 0o644)).rejects.toMatchObject({ code: 'key.missing' });
    const none = createKeyFileWrapper({ path: path.join(world.folder, 'none'), randomBytes });
    await expect(none.wrap(rootKey, { tenant, generation: 1 })).rejects.toMatchObject({ code: 'key.missing' });
  });
});
