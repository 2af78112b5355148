/**
 * Damaged repositories, each with a name, what was done to the golden one, and what must be said of it: by the product's
 * verification of point p-web-4 (unless another is named) and by the independent reader.
 */
import { deriveKeys } from '../../shared/format/keys';
import { openObject, sealObject } from '../../shared/format/seal';
import type { MemoryStores } from '../helpers/memory-object-store';
import { filesBelow, goldenFolder, goldenKey } from './load';

export interface Damage {
  readonly name: string;
  readonly apply: (stores: MemoryStores) => void;
  readonly pointId?: string;
  /** Code and context of the error; undefined where the point is whole all the same. */
  readonly product: { readonly code: string; readonly context?: Readonly<Record<string, unknown>> } | undefined;
  /** Exit code and words of `verify`. */
  readonly reader: { readonly code: number; readonly says: RegExp };
}

export const webKey = '47d0f36d0c2bcd41';
const acme = (key: string): string => `t/acme/${key}`;
const pointOf = (id: string): string => acme(`p/${webKey}/${id}`);

function bodyOf(stores: MemoryStores, key: string): Buffer {
  const body = (stores.data.objects.get(key) ?? stores.control.objects.get(key))?.body;
  if (!body) throw new Error(`the golden repository has no ${key}`);
  return body;
}

const set = (stores: MemoryStores, key: string, body: Buffer): void => {
  const bucket = stores.data.objects.has(key) ? stores.data : stores.control;
  bucket.objects.set(key, { body, etag: `"${key} changed"` });
};

/** Flips the lowest bit of one byte; a negative place counts from the end. */
const flip =
  (key: (stores: MemoryStores) => string, at: number) =>
  (stores: MemoryStores): void => {
    const body = Buffer.from(bodyOf(stores, key(stores)));
    const place = at < 0 ? body.length + at : at;
    body[place] = (body[place] ?? 0) ^ 1;
    set(stores, key(stores), body);
  };

const is = (key: string) => (): string => key;
const remove = (key: (stores: MemoryStores) => string) => (stores: MemoryStores) =>
  void stores.data.objects.delete(key(stores));
const copy = (from: string, to: string) => (stores: MemoryStores) => set(stores, to, bodyOf(stores, from));
const resize = (key: (stores: MemoryStores) => string, bytes: number) => (stores: MemoryStores) => {
  const body = bodyOf(stores, key(stores));
  set(stores, key(stores), bytes < 0 ? body.subarray(0, bytes) : Buffer.concat([body, Buffer.alloc(bytes)]));
};

/** The pack with the most bytes: noise of the first backup, stored raw, in several frames; all points of web need it. */
export function largestPack(stores: MemoryStores): string {
  const packs = [...stores.data.objects].filter(([key]) => key.startsWith(acme('u/')));
  const [largest] = packs.sort(([, a], [, b]) => b.body.length - a.body.length);
  return largest?.[0] ?? '';
}

function swapPacks(stores: MemoryStores): void {
  const mine = largestPack(stores);
  const other = [...stores.data.objects.keys()].find((key) => key.startsWith(acme('u/')) && key !== mine) ?? '';
  const [one, two] = [bodyOf(stores, mine), bodyOf(stores, other)];
  set(stores, mine, two);
  set(stores, other, one);
}

function replayRegister(stores: MemoryStores): void {
  for (const [key, body] of filesBelow(`${goldenFolder}/replays`)) set(stores, key, body);
}

const manifest = (object: string) => ({ code: 'manifest.corrupt', context: { object: acme(object) } });

export const damages: readonly Damage[] = [
  {
    name: 'a bit flipped in a frame of a pack',
    apply: flip(largestPack, 1_000),
    product: { code: 'pack.corrupt', context: { frame: 0, lun: 'os' } },
    reader: { code: 3, says: /frame 0 of pack [0-9a-f]{32}: it does not authenticate \(disk os, bytes 0-/ },
  },
  {
    name: 'a bit flipped in the wrapped key of a pack',
    apply: flip(largestPack, 60),
    product: { code: 'pack.corrupt' },
    reader: { code: 3, says: /its header does not authenticate/ },
  },
  {
    name: 'a bit flipped in the directory of a pack',
    apply: flip(largestPack, -60),
    product: { code: 'pack.corrupt' },
    reader: { code: 3, says: /its directory does not authenticate/ },
  },
  {
    name: 'a bit flipped in the footer of a pack',
    apply: flip(largestPack, -3),
    product: { code: 'pack.corrupt' },
    reader: { code: 3, says: /its directory does not authenticate/ },
  },
  {
    name: 'a pack with another cipher suite',
    apply: flip(largestPack, 4),
    product: { code: 'format.unknown' },
    reader: { code: 6, says: /cipher suite 0/ },
  },
  {
    name: 'a pack is missing',
    apply: remove(largestPack),
    product: { code: 'manifest.incomplete', context: { missing: 1, lun: 'os' } },
    reader: { code: 3, says: /there is no object t\/acme\/u\// },
  },
  {
    name: 'a pack is one byte short',
    apply: resize(largestPack, -1),
    product: { code: 'pack.corrupt', context: { lun: 'os' } },
    reader: { code: 3, says: /it has only \d+ bytes/ },
  },
  {
    name: 'a pack is one byte long',
    apply: resize(largestPack, 1),
    product: { code: 'pack.corrupt', context: { lun: 'os' } },
    reader: { code: 0, says: /all right/ },
  },
  {
    name: 'two packs have changed places',
    apply: swapPacks,
    product: { code: 'pack.corrupt' },
    reader: { code: 3, says: /the object holds another pack|it has only/ },
  },
  {
    name: 'a bit flipped in leaves',
    apply: flip(is(acme('m/web-1/os-1')), 70),
    pointId: 'p-web-1',
    product: manifest('m/web-1/os-1'),
    reader: {
      code: 3,
      says: /m\/web-1\/os-1: it is not the object that the root names \(disk os, bytes 67108864-69207552\)/,
    },
  },
  {
    name: 'leaves are missing',
    apply: remove(is(acme('m/web-1/os-1'))),
    pointId: 'p-web-1',
    product: { code: 'store.not-found', context: { lun: 'os' } },
    reader: { code: 3, says: /there is no object t\/acme\/m\/web-1\/os-1/ },
  },
  {
    name: 'leaves of another window',
    apply: copy(acme('m/web-1/os-0'), acme('m/web-1/os-1')),
    pointId: 'p-web-1',
    product: manifest('m/web-1/os-1'),
    reader: { code: 3, says: /it is not the object that the root names/ },
  },
  {
    name: 'a bit flipped in a root',
    apply: flip(is(acme('m/web-4/os-root')), 100),
    product: manifest('m/web-4/os-root'),
    reader: { code: 3, says: /m\/web-4\/os-root: it is not the root that the point names/ },
  },
  {
    name: 'a root cut short',
    apply: resize(is(acme('m/web-4/os-root')), -20),
    product: manifest('m/web-4/os-root'),
    reader: { code: 3, says: /it is not the root/ },
  },
  {
    name: 'an older root of the same disk',
    apply: copy(acme('m/web-2/os-root'), acme('m/web-4/os-root')),
    product: manifest('m/web-4/os-root'),
    reader: { code: 3, says: /it is not the root/ },
  },
  {
    name: 'the root of the other disk',
    apply: copy(acme('m/web-4/0-root'), acme('m/web-4/os-root')),
    product: manifest('m/web-4/os-root'),
    reader: { code: 3, says: /it is not the root/ },
  },
  {
    name: 'a bit flipped in a point record',
    apply: flip(is(pointOf('p-web-4')), 200),
    product: manifest(`p/${webKey}/p-web-4`),
    reader: { code: 3, says: /p-web-4: its authentication tag does not match/ },
  },
  {
    name: 'a point record of a newer format',
    apply: flip(is(pointOf('p-web-4')), 3),
    product: { code: 'format.unknown', context: { object: pointOf('p-web-4') } },
    reader: { code: 6, says: /format version "0"/ },
  },
  {
    name: 'a point record with a field of a newer version',
    apply: (stores) => {
      const identity = { kind: 'point', key: pointOf('p-web-4') } as const;
      const keys = deriveKeys(goldenKey(), 'acme');
      const record: unknown = JSON.parse(openObject(keys, identity, bodyOf(stores, identity.key)).toString('utf8'));
      const newer = Buffer.from(JSON.stringify({ ...(record as object), colour: 'red' }));
      set(stores, identity.key, sealObject(keys, identity, newer));
    },
    product: { code: 'format.unknown', context: { object: pointOf('p-web-4') } },
    reader: { code: 6, says: /p-web-4 uses field colour/ },
  },
  {
    name: 'the record of an older point',
    apply: copy(pointOf('p-web-2'), pointOf('p-web-4')),
    product: manifest(`p/${webKey}/p-web-4`),
    reader: { code: 3, says: /p-web-4: its authentication tag does not match/ },
  },
  {
    name: 'the record of another tenant',
    apply: copy(`t/fabrikam/p/${webKey}/p-web-1`, pointOf('p-web-1')),
    pointId: 'p-web-1',
    product: { code: 'key.wrong' },
    reader: { code: 4, says: /another root key/ },
  },
  {
    name: 'a point record is missing',
    apply: remove(is(pointOf('p-web-4'))),
    product: { code: 'store.not-found' },
    reader: { code: 5, says: /no restore point p-web-4/ },
  },
  {
    name: 'an index segment is damaged',
    apply: flip(is(acme('x/0/web-1/os-0')), 100),
    product: undefined,
    reader: { code: 0, says: /all right/ },
  },
  {
    name: 'older registers are played again',
    apply: replayRegister,
    product: undefined,
    reader: { code: 0, says: /all right/ },
  },
];
