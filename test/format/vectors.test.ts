/** The bytes of version 1, pinned: whoever changes one of these has changed the format and must say so. */
import { createHash } from 'node:crypto';
import { blockId } from '../../shared/format/block-id';
import { sealFrame } from '../../shared/format/frame';
import { deriveKeys } from '../../shared/format/keys';
import { encodeLeaves } from '../../shared/format/manifest-leaves';
import { encodeRoot } from '../../shared/format/manifest-root';
import { assemblePack } from '../../shared/format/pack';
import { createPackContext } from '../../shared/format/pack-header';
import { sealObject } from '../../shared/format/seal';
import { pointKey, segmentKey, unitKey } from '../../shared/format/store-keys';

const bytes = (name: string, length: number): Buffer =>
  createHash('shake256', { outputLength: length }).update(name).digest();
const sha256 = (value: Buffer): string => createHash('sha256').update(value).digest('hex');
const keys = deriveKeys(bytes('root key', 32), 'contoso');

test('keys', () => {
  const { id, mac, meta, wrap, check } = keys;
  expect([id, mac, meta, wrap, check].map((key) => key.toString('hex'))).toMatchInlineSnapshot(`
[
  "19d2220b21e50bf92fcf461835da05f7b018bfe92133a41dbb027e7242cb2a7b",
  "9483dd2b8b2c9739812917776c1fd7dbc159b901357b19bf42e599df86c08043",
  "70f916c42fc1f3c9ad4d45e0bcff055094c9e34618a28d8780e52de9f0dceb4b",
  "8ec296ebf8d9a367935c2fbbc496bae59c6a15ff515139118177b2ae3c2754a8",
  "b192b50745b20acd",
]
`);
});

test('block ids', () => {
  expect(blockId(keys.id, bytes('block', 65_536)).toString('hex')).toMatchInlineSnapshot(
    `"ebaab74a37ce7f8fd4547b670bc68a560f8cc1cf0ca082d219e86a371d27881f"`,
  );
});

test('a sealed object', () => {
  const sealed = sealObject(keys, { kind: 'leaves', key: 't/contoso/m/job/0-0' }, bytes('plaintext', 200));
  expect([sealed.length, sha256(sealed)]).toMatchInlineSnapshot(`
[
  268,
  "7ea9c7f1970d059a4a5d25ef72c4cc76c9cd0e3075ff83da60ee764b7f82a4d9",
]
`);
});

test('a pack', () => {
  let counter = 0;
  const unit = bytes('unit', 16);
  const context = createPackContext(keys, unit, 65_536, (count) => bytes(`random ${counter++}`, count));
  const blocks = [bytes('one', 65_536), bytes('two', 512)];
  const ids = Buffer.concat(blocks.map((block) => blockId(keys.id, block)));
  const pack = assemblePack(context, [sealFrame(context, 0, ids, Buffer.concat(blocks), 1)], ids);
  expect([pack.bytes.length, pack.tailBytes, sha256(pack.bytes)]).toMatchInlineSnapshot(`
[
  66330,
  106,
  "682b36de406431adee332b97901bc0c387a72aebbfe575dfa2846fee9a81cc26",
]
`);
});

test('manifests', () => {
  const unit = { unit: bytes('unit', 16).toString('hex'), sizeBytes: 70_000, tailBytes: 120 };
  const runs = [{ count: 1000 }, { count: 24, data: { unit: 0, slot: 300 } }];
  const leaves = [{ index: 7, blockCount: 1024, runs }];
  const object = encodeLeaves({ blockBytes: 65_536, leafBlocks: 1024, units: [unit], leaves });
  expect(object.toString('hex')).toMatchInlineSnapshot(
    `"01808004800801c976f309865564ff68edad0f21866df2f0a204780107800802d00f3100ac02"`,
  );
  const refs = [{ count: 7 }, { count: 1, at: { object: 'm/job/0-0', digest: 'ab'.repeat(32), ordinal: 0 } }];
  const root = encodeRoot({
    vmKey: '00ff',
    lun: 0,
    diskBytes: 8 * 2 ** 26,
    blockBytes: 65_536,
    leafBytes: 2 ** 26,
    refs,
  });
  expect(root.toString('hex')).toMatchInlineSnapshot(
    `"010430306666013080808080028080048080802001096d2f6a6f622f302d30abababababababababababababababababababababababababababababababab020e030000"`,
  );
});

test('keys in the store', () => {
  expect([
    unitKey('contoso', bytes('unit', 16)),
    segmentKey('contoso', 0, 'job-1', 'os-3', 0),
    segmentKey('contoso', 0, 'job-1', 'os-3', 2),
    pointKey('contoso', '0123456789abcdef', 'p-job-1'),
  ]).toMatchInlineSnapshot(`
[
  "t/contoso/u/c9/c976f309865564ff68edad0f21866df2",
  "t/contoso/x/0/job-1/os-3",
  "t/contoso/x/0/job-1/os-3.2",
  "t/contoso/p/0123456789abcdef/p-job-1",
]
`);
});
