/** What the simulated AWS account holds at the start; the `aws` part of the simulator's seed file. */
import { z } from 'zod';
import type { Issuer } from '../kit/issuer';
import { type PolicyDocument, PolicyError, type PolicyKind, parsePolicy } from './iam/policy-document';

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
  readonly users?: readonly UserSeed[] | undefined;
  /** What aws:SecureTransport says on this loopback listener without TLS; true when absent. */
  readonly treatLoopbackAsTls?: boolean | undefined;
}

export interface RoleSeed {
  readonly name: string;
  readonly trust: PolicyDocument;
  readonly policy: PolicyDocument;
  /** 3600 when absent. */
  readonly maxSessionSeconds?: number | undefined;
}

export interface BucketSeed {
  readonly name: string;
  readonly versioning?: boolean | undefined;
  /** Turns Object Lock (and with it versioning) on, with this default retention in COMPLIANCE mode; 0 for no default. */
  readonly objectLockDays?: number | undefined;
  readonly policy?: PolicyDocument | undefined;
}

export interface UserSeed {
  readonly name: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly policy?: PolicyDocument | undefined;
}

const policyOf = (kind: PolicyKind): z.ZodType<PolicyDocument> =>
  z.custom<PolicyDocument>().superRefine((document, context) => {
    try {
      parsePolicy(document, kind);
    } catch (error) {
      if (!(error instanceof PolicyError)) throw error;
      context.addIssue({ code: 'custom', message: error.message });
    }
  });

const iamName = z.string().regex(/^[\w+=,.@-]{1,64}$/);

const awsSeedSchema = z.strictObject({
  accountId: z.string().regex(/^\d{12}$/, 'must be twelve digits'),
  region: z.string().regex(/^[a-z0-9-]+$/),
  oidcProviders: z.array(
    z.strictObject({ url: z.string().regex(/^https?:\/\//), audiences: z.array(z.string()).min(1) }),
  ),
  roles: z.array(
    z.strictObject({
      name: iamName,
      trust: policyOf('trust'),
      policy: policyOf('identity'),
      maxSessionSeconds: z.int().min(3600).max(43_200).optional(),
    }),
  ),
  buckets: z.array(
    z.strictObject({
      name: z.string().regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/),
      versioning: z.boolean().optional(),
      objectLockDays: z.int().min(0).max(36_500).optional(),
      policy: policyOf('resource').optional(),
    }),
  ),
  users: z
    .array(
      z.strictObject({
        name: iamName,
        accessKeyId: z.string().regex(/^\w{16,128}$/),
        secretAccessKey: z.string().min(1),
        policy: policyOf('identity').optional(),
      }),
    )
    .optional(),
  treatLoopbackAsTls: z.boolean().optional(),
});

/** The issuer as condition keys and provider ARNs name it: without the scheme. */
export function issuerHostPath(issuer: string): string {
  return issuer.replace(/^https?:\/\//, '');
}

/**
 * The seed, checked, with `{issuer}` and `{issuerHostPath}` replaced wherever they occur, also in names of keys.
 * Throws an error that names each wrong field.
 */
export function resolveSeed(seed: AwsSeed, issuer: Issuer): AwsSeed {
  const text = JSON.stringify(seed)
    .replaceAll('{issuer}', issuer.issuer)
    .replaceAll('{issuerHostPath}', issuerHostPath(issuer.issuer));
  const result = awsSeedSchema.safeParse(JSON.parse(text));
  if (result.success) return result.data;
  const problems = result.error.issues.map(({ path, message }) => `aws.${path.join('.')}: ${message}`);
  throw new Error(`the seed of the AWS side is not usable: ${problems.join('; ')}`);
}
