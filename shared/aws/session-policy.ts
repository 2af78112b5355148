/**
 * The session policy passed with each AssumeRoleWithWebIdentity: it cuts the role down to one tenant's prefix and one
 * session's register. A worker that is tricked into another tenant's name then has no right there, whatever its role may do.
 */
import { assert } from '../base/assert';
import type { StoreRole } from '../blockstore/object-store';

export interface SessionScope {
  readonly role: StoreRole;
  readonly tenant: string;
  readonly sessionId: string;
  readonly dataBucket: string;
  readonly controlBucket: string;
  /** `aws`, `aws-cn` or `aws-us-gov`. */
  readonly partition: string;
}

/** Longest policy that AWS STS takes inline. */
const POLICY_CHARS_MAX = 2048;

/**
 * Below a tenant: key envelopes k, packs u, index segments x, manifests m, restore points p. One letter each, so one pattern
 * covers what a writer writes: five ARNs would not fit. Reading is spelled out, because a writer cannot read packs back.
 */
const WRITABLE = '?';
const READABLE_BY_WRITER = ['k', 'x', 'm', 'p'];
/** What the collector deletes when no restore point needs it. */
const COLLECTED = ['u', 'x', 'm'];

/** Objects that nobody may delete while a restore point needs them; index segments can be made anew. */
const LOCKED = ['k', 'u', 'm', 'p'];
/** How the buckets are set up, for who checks it. */
const SETTINGS_READ = [
  's3:GetBucketVersioning',
  's3:GetBucketObjectLockConfiguration',
  's3:GetBucketPolicy',
  's3:GetLifecycleConfiguration',
];

export function sessionPolicy(scope: SessionScope): string {
  for (const part of [scope.tenant, scope.sessionId, scope.dataBucket, scope.controlBucket]) {
    assert(/^[a-zA-Z0-9.-]+$/.test(part), 'parts of a session policy are made of safe characters, no wildcards');
  }
  const arn = (bucket: string, key: string): string => `arn:${scope.partition}:s3:::${bucket}${key}`;
  const tenant = `/t/${scope.tenant}`;
  const data = (folder: string): string => arn(scope.dataBucket, `${tenant}/${folder}/*`);
  const control = (path: string): string => arn(scope.controlBucket, `${tenant}/${path}`);
  const allow = (Action: string | readonly string[], Resource: readonly string[], extra = {}): object => ({
    Effect: 'Allow',
    Action,
    Resource,
    ...extra,
  });
  // Reading the control bucket is not cut to the session: a window looks at the collector's state and at its parent's register.
  const listing = (...actions: string[]) =>
    allow(
      actions.length === 1 ? (actions[0] ?? '') : actions,
      [arn(scope.dataBucket, ''), arn(scope.controlBucket, '')],
      {
        Condition: { StringLike: { 's3:prefix': `t/${scope.tenant}/*` } },
      },
    );
  const sessions = [`s/${scope.sessionId}/*`, 'gc/state'].map(control);
  // The collector's state is made once, by whoever comes first to a new tenant; the role admits no replacing of it.
  const ownSession = allow('s3:PutObject', sessions);
  const metadata = allow('s3:GetObject', [...READABLE_BY_WRITER.map(data), control('*')]);
  const statements: Readonly<Record<StoreRole, () => object[]>> = {
    writer: () => [
      allow('s3:PutObject', [data(WRITABLE), control('k/*')]),
      metadata,
      listing('s3:ListBucket'),
      ownSession,
    ],
    reader: () => [
      allow('s3:GetObject', [arn(scope.dataBucket, `${tenant}/*`), control('*')]),
      listing('s3:ListBucket'),
      ownSession,
    ],
    // Never a pack: whoever deletes cannot read what is in the backups. Never a point record or an envelope.
    collector: () => [
      metadata,
      allow('s3:GetObjectRetention', COLLECTED.map(data)),
      allow('s3:DeleteObjectVersion', COLLECTED.map(data)),
      allow('s3:PutObject', [data('x'), control('s/*'), control('gc/*')]),
      listing('s3:ListBucket', 's3:ListBucketVersions'),
    ],
    keeper: () => [
      metadata,
      allow(['s3:GetObjectRetention', 's3:PutObjectRetention'], LOCKED.map(data)),
      allow('s3:PutObject', [...sessions, control('gc/keeper')]),
      listing('s3:ListBucket'),
    ],
    catalogue: () => [
      allow('s3:GetObject', [data('k'), data('p'), control('k/*'), control('s/*')]),
      allow(SETTINGS_READ, [arn(scope.dataBucket, ''), arn(scope.controlBucket, '')]),
      listing('s3:ListBucket'),
    ],
  };
  const policy = JSON.stringify({ Version: '2012-10-17', Statement: statements[scope.role]() });
  assert(policy.length <= POLICY_CHARS_MAX, `a session policy of ${policy.length} characters is too long for STS`);
  return policy;
}

/** What CloudTrail shows as the session's name: letters, digits and `=,.@-_`, 2 to 64 of them. */
export const sessionNameOf = (sessionId: string): string =>
  sessionId
    .replace(/[^\w=,.@-]/g, '-')
    .slice(0, 64)
    .padEnd(2, '-');
