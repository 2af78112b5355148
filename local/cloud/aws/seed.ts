/** What the simulated AWS account holds at the start; the `aws` part of the simulator's seed file. */
import type { Issuer } from '../kit/issuer';
import type { PolicyDocument } from './iam/policy-document';

export interface AwsSeed {
  /** Twelve digits. */
  readonly accountId: string;
  readonly region: string;
  /** `url` is the token's `iss`, exactly; only the simulator's own issuer has keys to check against. */
  readonly oidcProviders: ReadonlyArray<{ readonly url: string; readonly audiences: readonly string[] }>;
  readonly roles: readonly RoleSeed[];
  /** Created when missing; a bucket that exists keeps its configuration. */
  readonly buckets: readonly BucketSeed[];
  /** IAM users with static keys, for tests and set-up scripts; everything is allowed without a policy. */
  readonly users?: readonly UserSeed[];
  /** What aws:SecureTransport says on this loopback listener without TLS; true when absent. */
  readonly treatLoopbackAsTls?: boolean;
}

export interface RoleSeed {
  readonly name: string;
  readonly trust: PolicyDocument;
  readonly policy: PolicyDocument;
  /** 3600 when absent. */
  readonly maxSessionSeconds?: number;
}

export interface BucketSeed {
  readonly name: string;
  readonly versioning?: boolean;
  /** Turns Object Lock (and with it versioning) on, with this default retention in COMPLIANCE mode; 0 for no default. */
  readonly objectLockDays?: number;
  readonly policy?: PolicyDocument;
}

export interface UserSeed {
  readonly name: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly policy?: PolicyDocument;
}

/** The issuer as condition keys and provider ARNs name it: without the scheme. */
export function issuerHostPath(issuer: string): string {
  return issuer.replace(/^https?:\/\//, '');
}

/** The seed with `{issuer}` and `{issuerHostPath}` replaced wherever they occur, also in names of keys. */
export function resolveSeed(seed: AwsSeed, issuer: Issuer): AwsSeed {
  const text = JSON.stringify(seed)
    .replaceAll('{issuer}', issuer.issuer)
    .replaceAll('{issuerHostPath}', issuerHostPath(issuer.issuer));
  const resolved: AwsSeed = JSON.parse(text);
  return resolved;
}
