/** What the product relies on STS to do for AssumeRoleWithWebIdentity, as tests against any STS endpoint. */
import {
  AssumeRoleWithWebIdentityCommand,
  type AssumeRoleWithWebIdentityCommandInput,
  type Credentials,
  GetCallerIdentityCommand,
  type STSClient,
} from '@aws-sdk/client-sts';
import { expectError } from './s3-expect';

export interface StsTarget {
  /** Without retries. */
  readonly client: STSClient;
  /** The same endpoint with the credentials of a session. */
  withCredentials(credentials: Credentials): STSClient;
  /** A role that trusts `token()`, with a maximal session of one hour. */
  readonly roleArn: string;
  /** A fresh token that the role trusts. */
  readonly token: () => string;
  close(): Promise<void>;
}

export function stsConformance(name: string, open: () => Promise<StsTarget>): void {
  describe(name, () => {
    let opened: StsTarget | undefined;
    const target = (): StsTarget => {
      if (opened === undefined) throw new Error('the target is not open');
      return opened;
    };
    beforeAll(async () => {
      opened = await open();
    });
    afterAll(() => opened?.close());

    const assume = (
      input: Partial<AssumeRoleWithWebIdentityCommandInput> = {},
    ): Promise<{ Credentials?: Credentials | undefined; PackedPolicySize?: number | undefined }> => {
      const { client, roleArn, token } = target();
      const defaults = { RoleArn: roleArn, RoleSessionName: 'job-1', WebIdentityToken: token() };
      return client.send(new AssumeRoleWithWebIdentityCommand({ ...defaults, ...input }));
    };
    const sessionPolicy = (resources: readonly string[]): string =>
      JSON.stringify({
        Version: '2012-10-17',
        Statement: [{ Effect: 'Allow', Action: 's3:GetObject', Resource: resources }],
      });

    test('a trusted token gives a session that knows its own name and end', async () => {
      const { withCredentials } = target();
      const before = Date.now();
      const { Credentials } = await assume({ DurationSeconds: 900, RoleSessionName: 'job-7' });
      const leftMs = (Credentials?.Expiration?.getTime() ?? 0) - before;
      expect(leftMs).toBeGreaterThan(890_000);
      expect(leftMs).toBeLessThan(960_000);
      if (Credentials === undefined) throw new Error('no credentials');
      const client = withCredentials(Credentials);
      const identity = await client.send(new GetCallerIdentityCommand({}));
      client.destroy();
      expect(identity.Arn).toMatch(/^arn:aws:sts::\d{12}:assumed-role\/.+\/job-7$/);
      expect(identity.UserId).toMatch(/^AROA[A-Z0-9]+:job-7$/);
    });

    test('a token with an altered signature is refused', async () => {
      const token = target().token();
      const [header, claims, signature = ''] = token.split('.');
      const altered = `${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`;
      const attempt = assume({ WebIdentityToken: `${header}.${claims}.${altered}` });
      await expectError(attempt, 'InvalidIdentityTokenException', 400);
    });

    test('a token with alg none is refused', async () => {
      const [, claims] = target().token().split('.');
      const header = Buffer.from(JSON.stringify({ alg: 'none', typ: 'JWT' })).toString('base64url');
      await expectError(assume({ WebIdentityToken: `${header}.${claims}.` }), 'InvalidIdentityTokenException', 400);
    });

    test('what is no token is refused', async () => {
      await expectError(assume({ WebIdentityToken: 'no-token-at-all' }), 'InvalidIdentityTokenException', 400);
    });

    test('a role that does not exist is refused like one that does not trust', async () => {
      const RoleArn = `${target().roleArn}-none`;
      await expectError(assume({ RoleArn }), 'AccessDenied', 403);
    });

    test.each([[899], [43_201]])('a duration of %i seconds is refused', async (DurationSeconds) => {
      await expectError(assume({ DurationSeconds }), 'ValidationError', 400);
    });

    test("a duration above the role's maximum is refused", async () => {
      await expectError(assume({ DurationSeconds: 7200 }), 'ValidationError', 400);
    });

    test.each(['has space', 'has/slash', 'has:colon', 'x'])(
      'the session name %p is refused',
      async (RoleSessionName) => {
        await expectError(assume({ RoleSessionName }), 'ValidationError', 400);
      },
    );

    test('a session policy is accepted and its packed size told', async () => {
      const { PackedPolicySize } = await assume({ Policy: sessionPolicy(['arn:aws:s3:::data/t/one/*']) });
      expect(PackedPolicySize).toBeGreaterThan(0);
      expect(PackedPolicySize).toBeLessThanOrEqual(100);
    });

    test('a session policy that is no policy is refused', async () => {
      await expectError(assume({ Policy: '{"Statement":' }), 'MalformedPolicyDocumentException', 400);
      await expectError(assume({ Policy: '{"Version":"2012-10-17"}' }), 'MalformedPolicyDocumentException', 400);
    });

    test('a session policy of more than 2048 characters is refused', async () => {
      const Policy = sessionPolicy(Array.from({ length: 80 }, (_, index) => `arn:aws:s3:::data/t/${index}/*`));
      await expectError(assume({ Policy }), 'ValidationError', 400);
    });
  });
}
