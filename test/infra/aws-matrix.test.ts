/**
 * Every identity tries everything on everything: the SDK's own clients against the simulated account that is set up with the
 * policies read out of the shipped template. What is not listed as allowed must be refused.
 */
import {
  CopyObjectCommand,
  DeleteBucketPolicyCommand,
  DeleteObjectCommand,
  GetBucketPolicyCommand,
  GetObjectCommand,
  GetObjectRetentionCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketPolicyCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  PutObjectLegalHoldCommand,
  PutObjectLockConfigurationCommand,
  PutObjectRetentionCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { sessionPolicy } from '../../shared/aws/session-policy';
import { type RoleName, roleNames } from '../../shared/rights/names';
import { CONTROL, DATA, powerful, type ShippedAccount, startShippedAccount, subjectOf } from './shipped-account';

const DAY_MS = 86_400_000;

/** Kinds of objects, by where they lie. */
const places = {
  k: [DATA, 't/acme/k/1/'],
  u: [DATA, 't/acme/u/00/'],
  x: [DATA, 't/acme/x/0/'],
  m: [DATA, 't/acme/m/job-1/'],
  p: [DATA, 't/acme/p/vm/'],
  foreign: [DATA, 't/other/u/00/'],
  keys: [CONTROL, 't/acme/k/1/'],
  own: [CONTROL, 't/acme/s/job-1/'],
  session: [CONTROL, 't/acme/s/job-2/'],
  gc: [CONTROL, 't/acme/gc/1/'],
  'foreign session': [CONTROL, 't/other/s/job-1/'],
} as const;
type Place = keyof typeof places;
const inData = (Object.keys(places) as Place[]).filter((place) => places[place][0] === DATA);
const everywhere = Object.keys(places) as Place[];

interface Target {
  readonly Bucket: string;
  readonly Key: string;
  readonly VersionId: string;
  /** Of an object that is not there yet. */
  readonly fresh: string;
}

type Attempt = (client: S3Client, target: Target) => Promise<unknown>;
const retention = (days: number): Attempt => {
  return (client, { Bucket, Key }) =>
    client.send(
      new PutObjectRetentionCommand({
        Bucket,
        Key,
        Retention: { Mode: 'COMPLIANCE', RetainUntilDate: new Date(Date.now() + days * DAY_MS) },
      }),
    );
};
const sseC = { SSECustomerAlgorithm: 'AES256', SSECustomerKey: 'k'.repeat(32) };

const onObjects: Readonly<Record<string, { readonly at: readonly Place[]; readonly attempt: Attempt }>> = {
  create: {
    at: everywhere,
    attempt: (client, { Bucket, fresh }) =>
      client.send(new PutObjectCommand({ Bucket, Key: fresh, Body: 'x', IfNoneMatch: '*' })),
  },
  overwrite: {
    at: everywhere,
    attempt: (client, { Bucket, Key }) => client.send(new PutObjectCommand({ Bucket, Key, Body: 'y' })),
  },
  'copy over': {
    at: inData,
    attempt: (client, { Bucket, Key }) =>
      client.send(new CopyObjectCommand({ Bucket, Key, CopySource: `${Bucket}/${Key}`, MetadataDirective: 'REPLACE' })),
  },
  'encrypt by another key': {
    at: inData,
    attempt: (client, { Bucket, fresh }) =>
      client.send(new PutObjectCommand({ Bucket, Key: `${fresh}-c`, Body: 'x', IfNoneMatch: '*', ...sseC })),
  },
  read: { at: everywhere, attempt: (client, { Bucket, Key }) => client.send(new GetObjectCommand({ Bucket, Key })) },
  'read version': {
    at: everywhere,
    attempt: (client, { Bucket, Key, VersionId }) => client.send(new GetObjectCommand({ Bucket, Key, VersionId })),
  },
  hide: { at: everywhere, attempt: (client, { Bucket, Key }) => client.send(new DeleteObjectCommand({ Bucket, Key })) },
  'see lock': {
    at: inData,
    attempt: (client, { Bucket, Key }) => client.send(new GetObjectRetentionCommand({ Bucket, Key })),
  },
  'lock for the window': { at: inData, attempt: retention(30) },
  'lock for longer': { at: inData, attempt: retention(40) },
  'lock for ever': {
    at: inData,
    attempt: (client, { Bucket, Key }) =>
      client.send(new PutObjectLegalHoldCommand({ Bucket, Key, LegalHold: { Status: 'ON' } })),
  },
  // The last one: it takes the object away.
  delete: {
    at: everywhere,
    attempt: (client, { Bucket, Key, VersionId }) => client.send(new DeleteObjectCommand({ Bucket, Key, VersionId })),
  },
};

const onBuckets: Readonly<Record<string, (client: S3Client, Bucket: string) => Promise<unknown>>> = {
  'list all': (client, Bucket) => client.send(new ListObjectsV2Command({ Bucket })),
  'list tenant': (client, Bucket) => client.send(new ListObjectsV2Command({ Bucket, Prefix: 't/acme/' })),
  'list packs': (client, Bucket) => client.send(new ListObjectsV2Command({ Bucket, Prefix: 't/acme/u/' })),
  'list points': (client, Bucket) => client.send(new ListObjectsV2Command({ Bucket, Prefix: 't/acme/p/' })),
  'list foreign': (client, Bucket) => client.send(new ListObjectsV2Command({ Bucket, Prefix: 't/other/' })),
  'list versions': (client, Bucket) => client.send(new ListObjectVersionsCommand({ Bucket, Prefix: 't/acme/u/' })),
  'list key versions': (client, Bucket) => client.send(new ListObjectVersionsCommand({ Bucket, Prefix: 't/acme/k/' })),
  'see settings': (client, Bucket) => client.send(new GetBucketPolicyCommand({ Bucket })),
  'stop versioning': (client, Bucket) =>
    client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } })),
  'set lifecycle': (client, Bucket) =>
    client.send(
      new PutBucketLifecycleConfigurationCommand({
        Bucket,
        LifecycleConfiguration: { Rules: [{ Status: 'Enabled', Filter: { Prefix: '' }, Expiration: { Days: 1 } }] },
      }),
    ),
  'set lock default': (client, Bucket) =>
    client.send(
      new PutObjectLockConfigurationCommand({ Bucket, ObjectLockConfiguration: { ObjectLockEnabled: 'Enabled' } }),
    ),
  'set policy': (client, Bucket) => client.send(new PutBucketPolicyCommand({ Bucket, Policy: '{"Statement":[]}' })),
  'remove policy': (client, Bucket) => client.send(new DeleteBucketPolicyCommand({ Bucket })),
};

type Table = Readonly<Record<string, readonly string[]>>;
const tenant = ['k', 'u', 'x', 'm', 'p'];
const sessions = { read: ['gc', 'keys', 'own', 'session'], create: ['own', 'session'], overwrite: ['own', 'session'] };
const listsTenant = { 'list tenant': [DATA, CONTROL], 'list packs': [DATA, CONTROL], 'list points': [DATA, CONTROL] };

/** All that is allowed. */
const allowed: Readonly<Record<RoleName, Table>> = {
  writer: {
    ...listsTenant,
    create: ['k', 'u', 'x', 'm', 'p', 'keys', 'own', 'session'],
    overwrite: sessions.overwrite,
    read: ['k', 'x', 'm', 'p', ...sessions.read],
  },
  reader: { ...listsTenant, ...sessions, read: [...tenant, ...sessions.read], 'read version': tenant },
  collector: {
    ...listsTenant,
    create: ['x', 'own', 'session', 'gc'],
    overwrite: ['own', 'session', 'gc'],
    read: ['k', 'x', 'm', 'p', ...sessions.read],
    'see lock': ['u', 'x', 'm'],
    delete: ['u', 'x', 'm'],
    'list versions': [DATA, CONTROL],
    'list key versions': [DATA, CONTROL],
  },
  keeper: {
    ...listsTenant,
    ...sessions,
    read: ['k', 'x', 'm', 'p', ...sessions.read],
    'see lock': tenant,
    'lock for the window': tenant,
    'list versions': [DATA, CONTROL],
    'list key versions': [DATA, CONTROL],
  },
  catalogue: {
    read: ['k', 'p', 'keys', 'own', 'session'],
    'list points': [DATA],
    'see settings': [DATA, CONTROL],
  },
  eraser: { delete: ['k', 'keys'], 'list key versions': [DATA, CONTROL] },
};

const settings = ['stop versioning', 'set lifecycle', 'set lock default', 'set policy', 'remove policy'];

let account: ShippedAccount;
beforeAll(async () => {
  account = await startShippedAccount();
});
afterAll(() => account.aws.close());

/** Objects as old as a hundred days: their locks have run out, so that what is refused is refused by a policy. */
async function objects(label: string, at: readonly Place[]): Promise<ReadonlyMap<Place, Target>> {
  const past = -100 * DAY_MS;
  account.aws.setNow(Date.now() + past);
  const client = account.aws.client({ systemClockOffset: past, credentials: account.user('admin').config.credentials });
  const made = new Map<Place, Target>();
  for (const place of at) {
    const [Bucket, prefix] = places[place];
    const Key = `${prefix}${label}`;
    const { VersionId = '' } = await client.send(new PutObjectCommand({ Bucket, Key, Body: 'x', IfNoneMatch: '*' }));
    made.set(place, { Bucket, Key, VersionId, fresh: `${Key}-fresh` });
  }
  account.aws.setNow(undefined);
  return made;
}

/** true or false for allowed or refused by a policy; everything else is a failure of the test. */
async function isAllowed(attempt: Promise<unknown>): Promise<boolean> {
  try {
    await attempt;
    return true;
  } catch (error) {
    const { name, message } = error as Error;
    if (name === 'AccessDenied' && !message.includes('object lock')) return false;
    // Past the policies.
    if (['MalformedPolicy', 'InvalidBucketState'].includes(name)) return true;
    throw error;
  }
}

async function outcomes(
  label: string,
  client: S3Client,
  buckets: readonly string[] = Object.keys(onBuckets),
): Promise<Table> {
  const found: Record<string, string[]> = {};
  const note = async (action: string, place: string, attempt: Promise<unknown>): Promise<void> => {
    if (await isAllowed(attempt)) found[action] = [...(found[action] ?? []), place];
  };
  const targets = await objects(label, everywhere);
  for (const [action, { at, attempt }] of Object.entries(onObjects)) {
    for (const [place, target] of targets) if (at.includes(place)) await note(action, place, attempt(client, target));
  }
  for (const action of buckets) {
    for (const bucket of [DATA, CONTROL])
      await note(action, bucket, onBuckets[action]?.(client, bucket) ?? Promise.reject());
  }
  return found;
}

const sorted = (table: Table): Table =>
  Object.fromEntries(Object.entries(table).map(([action, at]) => [action, [...at].sort()]));

describe('the role', () => {
  test.each(roleNames)('%s may what is listed, and nothing else', async (role) => {
    expect(sorted(await outcomes(`role-${role}`, await account.role(role)))).toEqual(sorted(allowed[role]));
  });
});

describe('the session policy', () => {
  test.each(['writer', 'reader', 'collector', 'keeper', 'catalogue'] as const)(
    'cuts %s down, and takes nothing that it needs',
    async (role) => {
      const Policy = sessionPolicy({
        role,
        tenant: 'acme',
        sessionId: 'job-1',
        dataBucket: DATA,
        controlBucket: CONTROL,
        partition: 'aws',
      });
      const found = await outcomes(`session-${role}`, await account.role(role, { Policy }));
      const table = { ...allowed[role] };
      if (role === 'reader') delete (table as Record<string, unknown>)['read version'];
      const other = (at: readonly string[] = []) => at.filter((place) => place !== 'session');
      // Index segments can be made anew: nobody needs to lock them.
      if (role === 'keeper') {
        for (const action of ['see lock', 'lock for the window']) {
          (table as Record<string, unknown>)[action] = ['k', 'u', 'm', 'p'];
        }
        for (const action of ['list versions', 'list key versions']) delete (table as Record<string, unknown>)[action];
      }
      const cut =
        role === 'collector' || role === 'catalogue'
          ? table
          : { ...table, create: other(table['create']), overwrite: other(table['overwrite']) };
      expect(sorted(found)).toEqual(sorted(cut));
    },
  );

  test('of another tenant leaves nothing', async () => {
    const Policy = sessionPolicy({
      role: 'writer',
      tenant: 'other',
      sessionId: 'job-1',
      dataBucket: DATA,
      controlBucket: CONTROL,
      partition: 'aws',
    });
    expect(await outcomes('session-other', await account.role('writer', { Policy }))).toEqual({});
  });
});

describe('the buckets', () => {
  test('hold against an administrator with every right', async () => {
    const control = ['gc', 'own', 'session', 'foreign session'];
    const anything = [
      'see settings',
      'list all',
      'list foreign',
      'list key versions',
      'list versions',
      ...Object.keys(listsTenant),
    ];
    expect(sorted(await outcomes('admin', account.user('admin')))).toEqual(
      sorted({
        create: everywhere,
        overwrite: control,
        read: everywhere,
        'read version': everywhere,
        hide: control,
        'see lock': inData,
        'lock for the window': inData,
        delete: control,
        ...Object.fromEntries(anything.map((action) => [action, [DATA, CONTROL]])),
      }),
    );
  });

  test('are changed by the deployer alone', async () => {
    for (const name of powerful) {
      for (const action of settings.filter((each) => each !== 'remove policy')) {
        const may = await isAllowed(onBuckets[action]?.(account.user(name), DATA) ?? Promise.reject());
        expect({ name, action, may }).toEqual({ name, action, may: name === 'deployer' });
      }
    }
  });

  test('are read and written from known networks alone, and by the rescuer from anywhere', async () => {
    const elsewhere = await startShippedAccount({ AllowedNetworks: '192.0.2.0/24' as never });
    try {
      const put = (client: S3Client, Key: string) =>
        client.send(new PutObjectCommand({ Bucket: DATA, Key, Body: 'x', IfNoneMatch: '*' }));
      expect(await isAllowed(put(await elsewhere.role('writer'), 't/acme/u/00/a'))).toBe(false);
      expect(await isAllowed(put(elsewhere.user('admin'), 't/acme/u/00/a'))).toBe(false);
      expect(await isAllowed(put(elsewhere.user('rescuer'), 't/acme/u/00/a'))).toBe(true);
      const get = (client: S3Client) => client.send(new GetObjectCommand({ Bucket: DATA, Key: 't/acme/u/00/a' }));
      expect(await isAllowed(get(await elsewhere.role('reader')))).toBe(false);
      expect(await isAllowed(get(elsewhere.user('rescuer')))).toBe(true);
    } finally {
      await elsewhere.aws.close();
    }
  });

  test('answer nothing without TLS', async () => {
    const plain = await startShippedAccount({}, { treatLoopbackAsTls: false });
    try {
      for (const name of powerful) {
        const list = plain.user(name).send(new ListObjectsV2Command({ Bucket: DATA, Prefix: 't/acme/' }));
        expect(await isAllowed(list)).toBe(false);
      }
    } finally {
      await plain.aws.close();
    }
  });
});

describe('trust', () => {
  const identities = [...new Set(Object.values(subjectOf)), 'stranger'];

  test.each(roleNames)('%s is assumed by those it names, for our audience', async (role) => {
    const may: string[] = [];
    for (const sub of identities) {
      if (await account.role(role, { sub }).then(() => true, refusedBySts)) may.push(sub);
    }
    const ours = role === 'writer' || role === 'reader' ? [subjectOf.writer, subjectOf.reader] : [subjectOf[role]];
    expect(may.sort()).toEqual([...ours].sort());
    await expect(account.role(role, { aud: 'api://another' })).rejects.toMatchObject({
      name: 'InvalidIdentityTokenException',
    });
  });

  const refusedBySts = (error: Error): false => {
    if (error.name !== 'AccessDenied') throw error;
    return false;
  };
});
