/** AssumeRoleWithWebIdentity. Source: AWS STS API reference. */
import { deflateRawSync } from 'node:zlib';
import type { Issuer } from '../../kit/issuer';
import type { Account, Role, SessionCredentials } from '../iam/account';
import type { ConditionKeys } from '../iam/conditions';
import { verdictOf } from '../iam/evaluate';
import { PolicyError, parsePolicyText } from '../iam/policy-document';
import { AwsError } from '../wire/aws-error';
import { validateWebIdentityToken, type WebIdentity } from './web-identity-token';

const ACTION = 'sts:AssumeRoleWithWebIdentity';
const DURATION_SECONDS_MIN = 900;
const DURATION_SECONDS_MAX = 43_200;
const DURATION_SECONDS_DEFAULT = 3600;
const POLICY_CHARACTERS_MAX = 2048;
const TOKEN_CHARACTERS_MAX = 20_000;
/** AWS does not publish its packing; the deflated size against 1 KiB behaves alike: only incompressible texts fail. */
const PACKED_BYTES_MAX = 1024;

export interface AssumeRoleInput {
  readonly parameters: ReadonlyMap<string, string>;
  readonly account: Account;
  readonly issuer: Issuer;
  readonly nowMs: number;
  /** aws:SourceIp, aws:SecureTransport and so on. */
  readonly keys: ConditionKeys;
}

export interface AssumedRole {
  readonly role: Role;
  readonly sessionName: string;
  readonly identity: WebIdentity;
  readonly credentials: SessionCredentials;
  /** Percent; undefined without a session policy. */
  readonly packedPolicySize: number | undefined;
}

/** Throws the errors of the operation as AWS names them. */
export function assumeRoleWithWebIdentity(input: AssumeRoleInput): AssumedRole {
  const { parameters, account, nowMs } = input;
  const sessionName = required(parameters, 'RoleSessionName', /^[\w+=,.@-]{2,64}$/);
  const roleArn = required(parameters, 'RoleArn', /^arn:aws[\w-]*:iam::\d{12}:role\/.{1,512}$/);
  const token = required(parameters, 'WebIdentityToken', /^[\s\S]{4,}$/);
  if (token.length > TOKEN_CHARACTERS_MAX) throw invalidValue('webIdentityToken', 'has too many characters');
  const policyText = parameters.get('Policy');
  const packedPolicySize = policyText === undefined ? undefined : checkSessionPolicy(policyText);
  if ([...parameters.keys()].some((name) => name.startsWith('PolicyArns.'))) {
    throw new AwsError('NotImplemented', 'Managed session policies (PolicyArns) are not emulated.');
  }
  const identity = validateWebIdentityToken(token, {
    issuer: input.issuer,
    provider: (url) => account.provider(url),
    nowMs,
  });
  const role = account.role(roleArn);
  if (role === undefined || !isTrusted(role, identity, sessionName, input)) {
    throw new AwsError('AccessDenied', `Not authorized to perform ${ACTION}`);
  }
  const durationSeconds = durationOf(parameters.get('DurationSeconds'), role);
  const expiresAt = Math.floor(nowMs / 1000) * 1000 + durationSeconds * 1000;
  const credentials = account.openSession({
    role,
    sessionName,
    policyText,
    providerArn: identity.provider.arn,
    expiresAt,
  });
  return { role, sessionName, identity, credentials, packedPolicySize };
}

function isTrusted(role: Role, identity: WebIdentity, sessionName: string, input: AssumeRoleInput): boolean {
  const { provider } = identity;
  const keys = new Map<string, readonly string[]>([
    ...input.keys,
    [`${provider.hostPath}:aud`.toLowerCase(), identity.audiences],
    [`${provider.hostPath}:sub`.toLowerCase(), [identity.subject]],
    [`${provider.hostPath}:amr`.toLowerCase(), identity.amr],
    ['sts:rolesessionname', [sessionName]],
    ['aws:federatedprovider', [provider.arn]],
  ]);
  const principal = {
    accountId: input.account.accountId,
    arn: provider.arn,
    sessionArn: undefined,
    federatedArn: provider.arn,
  };
  return verdictOf(role.trust, { principal, action: ACTION, resource: undefined, keys }) === 'allow';
}

function checkSessionPolicy(text: string): number {
  if (text.length > POLICY_CHARACTERS_MAX || text.length === 0) {
    throw invalidValue('policy', `must have a length between 1 and ${POLICY_CHARACTERS_MAX}`);
  }
  try {
    parsePolicyText(text, 'identity');
  } catch (error) {
    if (error instanceof PolicyError) throw new AwsError('MalformedPolicyDocument', error.message);
    throw error;
  }
  const percent = Math.ceil((deflateRawSync(text).length / PACKED_BYTES_MAX) * 100);
  if (percent > 100) {
    throw new AwsError('PackedPolicyTooLarge', `Serialized token too large for session: ${percent} % of the limit`);
  }
  return percent;
}

function durationOf(text: string | undefined, role: Role): number {
  const seconds = text === undefined ? DURATION_SECONDS_DEFAULT : Number(text);
  if (!Number.isInteger(seconds) || seconds < DURATION_SECONDS_MIN || seconds > DURATION_SECONDS_MAX) {
    throw invalidValue('durationSeconds', `must be between ${DURATION_SECONDS_MIN} and ${DURATION_SECONDS_MAX}`);
  }
  if (seconds > role.maxSessionSeconds) {
    throw new AwsError(
      'ValidationError',
      'The requested DurationSeconds exceeds the MaxSessionDuration set for this role.',
    );
  }
  return seconds;
}

function required(parameters: ReadonlyMap<string, string>, name: string, form: RegExp): string {
  const value = parameters.get(name);
  const member = `${name.charAt(0).toLowerCase()}${name.slice(1)}`;
  if (value === undefined) throw invalidValue(member, 'must not be null');
  if (!form.test(value)) throw invalidValue(member, `must satisfy regular expression pattern: ${form.source}`);
  return value;
}

function invalidValue(member: string, constraint: string): AwsError {
  return new AwsError(
    'ValidationError',
    `1 validation error detected: Value at '${member}' failed: Member ${constraint}`,
  );
}
