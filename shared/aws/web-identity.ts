/** Credentials from STS for a JWT of the managed identity. No secret is stored anywhere: each refresh brings a fresh JWT. */
import type { STSClient } from '@aws-sdk/client-sts';
import type { Clock } from '../base/clock';
import { type RetryRule, retry } from '../base/retry';
import { AppError, retryVerdict } from '../model/errors';
import { toStoreError } from './aws-error';
import { withDeadline } from './deadline';

export interface WebIdentityRequest {
  readonly sts: STSClient;
  readonly roleArn: string;
  readonly sessionName: string;
  readonly policy: string;
  readonly durationSeconds: number;
  readonly webIdentityToken: () => Promise<string>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly rule: RetryRule;
}

export interface SessionCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
  readonly expiration: Date;
}

const STS_DEADLINE_MS = 30_000;

/** The SDK's `fromWebToken` keeps one JWT for ever; this asks for a new one at every call, also at every repetition. */
export async function assumeRole(request: WebIdentityRequest): Promise<SessionCredentials> {
  const { AssumeRoleWithWebIdentityCommand } = require('@aws-sdk/client-sts') as typeof import('@aws-sdk/client-sts');
  const what = `assuming role ${request.roleArn.split('/').at(-1) ?? ''}`;
  const hooks = { clock: request.clock, random: request.random, verdict: retryVerdict };
  return retry(request.rule, hooks, async () => {
    const WebIdentityToken = await request.webIdentityToken();
    try {
      const answer = await withDeadline({ what, deadlineMs: STS_DEADLINE_MS }, (abortSignal) =>
        request.sts.send(
          new AssumeRoleWithWebIdentityCommand({
            RoleArn: request.roleArn,
            RoleSessionName: request.sessionName,
            Policy: request.policy,
            DurationSeconds: request.durationSeconds,
            WebIdentityToken,
          }),
          { abortSignal },
        ),
      );
      const { AccessKeyId, SecretAccessKey, SessionToken, Expiration } = answer.Credentials ?? {};
      if (!AccessKeyId || !SecretAccessKey || !SessionToken || !Expiration) {
        throw new AppError('store.unavailable', `${what}: STS gave no complete credentials`, { retryable: true });
      }
      return {
        accessKeyId: AccessKeyId,
        secretAccessKey: SecretAccessKey,
        sessionToken: SessionToken,
        expiration: Expiration,
      };
    } catch (error) {
      throw toStoreError(error, what);
    }
  });
}
