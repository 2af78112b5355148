/** Roles, users and OIDC providers of the account, and the credentials of their sessions. */
import { createHash, randomBytes } from 'node:crypto';
import { type AwsSeed, issuerHostPath } from '../seed';
import { AwsError } from '../wire/aws-error';
import type { PrincipalNames } from './evaluate';
import { type Policy, parsePolicy, parsePolicyText } from './policy-document';
import type { SessionSeal } from './session-seal';

export interface Role {
  readonly name: string;
  readonly arn: string;
  /** `AROA…`, as in user ids. */
  readonly id: string;
  readonly trust: Policy;
  readonly policy: Policy;
  readonly maxSessionSeconds: number;
}

export interface OidcProvider {
  readonly url: string;
  readonly arn: string;
  readonly hostPath: string;
  readonly audiences: readonly string[];
}

/** Who sends a request, with all policies that are his own. */
export interface Caller {
  readonly names: PrincipalNames;
  /** aws:userid. */
  readonly userId: string;
  readonly userName: string | undefined;
  readonly federatedProvider: string | undefined;
  readonly identityPolicies: readonly Policy[];
  readonly sessionPolicy: Policy | undefined;
  readonly secretAccessKey: string;
}

export interface SessionCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
  readonly expiresAt: number;
}

export interface Account {
  readonly accountId: string;
  readonly region: string;
  role(arn: string): Role | undefined;
  provider(issuer: string): OidcProvider | undefined;
  openSession(session: NewSession): SessionCredentials;
  /** Throws InvalidAccessKeyId, InvalidToken or ExpiredToken. */
  caller(accessKeyId: string, sessionToken: string | undefined, nowMs: number): Caller;
}

export interface NewSession {
  readonly role: Role;
  readonly sessionName: string;
  readonly policyText: string | undefined;
  readonly providerArn: string;
  readonly expiresAt: number;
}

export function createAccount(seed: AwsSeed, seal: SessionSeal): Account {
  const { accountId, region } = seed;
  const everything = parsePolicy({ Statement: { Effect: 'Allow', Action: '*', Resource: '*' } }, 'identity');
  const roles = new Map<string, Role>();
  for (const role of seed.roles) {
    const arn = `arn:aws:iam::${accountId}:role/${role.name}`;
    roles.set(arn, {
      name: role.name,
      arn,
      id: idOf('AROA', arn),
      trust: parsePolicy(role.trust, 'trust'),
      policy: parsePolicy(role.policy, 'identity'),
      maxSessionSeconds: role.maxSessionSeconds ?? 3600,
    });
  }
  const providers = new Map<string, OidcProvider>();
  for (const { url, audiences } of seed.oidcProviders) {
    const hostPath = issuerHostPath(url);
    providers.set(url, { url, hostPath, arn: `arn:aws:iam::${accountId}:oidc-provider/${hostPath}`, audiences });
  }
  const users = new Map<string, Caller>();
  for (const user of seed.users ?? []) {
    const arn = `arn:aws:iam::${accountId}:user/${user.name}`;
    users.set(user.accessKeyId, {
      names: { accountId, arn, sessionArn: undefined },
      userId: idOf('AIDA', arn),
      userName: user.name,
      federatedProvider: undefined,
      identityPolicies: [user.policy === undefined ? everything : parsePolicy(user.policy, 'identity')],
      sessionPolicy: undefined,
      secretAccessKey: user.secretAccessKey,
    });
  }

  const sessionCaller = (accessKeyId: string, sessionToken: string, nowMs: number): Caller => {
    const session = seal.open(sessionToken);
    if (session === undefined || session.accessKeyId !== accessKeyId) {
      throw new AwsError('InvalidToken', 'The provided token is malformed or otherwise invalid.');
    }
    if (session.expiresAt <= nowMs) throw new AwsError('ExpiredToken', 'The provided token has expired.');
    const role = roles.get(session.roleArn);
    if (role === undefined) throw new AwsError('InvalidToken', 'The role of this session does not exist any more.');
    return {
      names: {
        accountId,
        arn: role.arn,
        sessionArn: `arn:aws:sts::${accountId}:assumed-role/${role.name}/${session.sessionName}`,
      },
      userId: `${role.id}:${session.sessionName}`,
      userName: undefined,
      federatedProvider: session.providerArn,
      identityPolicies: [role.policy],
      sessionPolicy: session.policyText === undefined ? undefined : parsePolicyText(session.policyText, 'identity'),
      secretAccessKey: session.secretAccessKey,
    };
  };

  return {
    accountId,
    region,
    role: (arn) => roles.get(arn),
    provider: (issuer) => providers.get(issuer),
    openSession({ role, sessionName, policyText, providerArn, expiresAt }) {
      const accessKeyId = `ASIA${randomBytes(8).toString('hex').toUpperCase()}`;
      const secretAccessKey = randomBytes(30).toString('base64');
      const sessionToken = seal.close({
        accessKeyId,
        secretAccessKey,
        roleArn: role.arn,
        sessionName,
        providerArn,
        expiresAt,
        ...(policyText === undefined ? {} : { policyText }),
      });
      return { accessKeyId, secretAccessKey, sessionToken, expiresAt };
    },
    caller(accessKeyId, sessionToken, nowMs) {
      if (sessionToken !== undefined) return sessionCaller(accessKeyId, sessionToken, nowMs);
      const user = users.get(accessKeyId);
      if (user === undefined) {
        throw new AwsError('InvalidAccessKeyId', 'The AWS Access Key Id you provided does not exist in our records.');
      }
      return user;
    },
  };
}

function idOf(prefix: string, arn: string): string {
  return `${prefix}${createHash('sha256').update(arn).digest('hex').slice(0, 17).toUpperCase()}`;
}
