/** An AWS service on a loopback port with a state directory of its own, and an issuer whose key the test holds. */
import { createSign, generateKeyPairSync, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { STSClient } from '@aws-sdk/client-sts';
import type { AwsSeed } from '../../local/cloud/aws/seed';
import { createAwsService } from '../../local/cloud/aws/service';
import { FaultPlan } from '../../local/cloud/kit/faults';
import type { Issuer } from '../../local/cloud/kit/issuer';
import { type Listener, listen } from '../../local/cloud/kit/listen';
import { SeededRandom } from '../../local/cloud/kit/random';
import { RequestLog } from '../../local/cloud/kit/request-log';
import type { CloudContext, ControlHandler } from '../../local/cloud/kit/service';

export const ACCOUNT_ID = '111122223333';
export const REGION = 'eu-central-1';
export const ADMIN = { accessKeyId: 'AKIATESTADMIN0000001', secretAccessKey: 'test/secret+of/the/admin' };

/** The SDK warns on the console about streams that it cannot repeat, which is what some tests want. */
const ignore = (): void => undefined;
const SILENT = { debug: ignore, info: ignore, warn: ignore, error: ignore };

export interface AwsHarness {
  readonly endpoint: string;
  readonly context: CloudContext;
  readonly issuer: TestIssuer;
  readonly controls: ReadonlyMap<string, ControlHandler>;
  readonly s3: S3Client;
  /** A client without retries unless told otherwise. */
  client(config?: S3ClientConfig): S3Client;
  sts(): STSClient;
  setNow(nowMs: number | undefined): void;
  /** Closes the service and opens it again on the same state and port. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

export async function startAws(seed: Partial<AwsSeed> = {}): Promise<AwsHarness> {
  const directory = mkdtempSync(join(tmpdir(), 'blockferry-aws-'));
  const issuer = createTestIssuer();
  const random = new SeededRandom('test');
  const controls = new Map<string, ControlHandler>();
  let nowMs: number | undefined;
  const context: CloudContext = {
    stateDirectory: directory,
    now: () => nowMs ?? Date.now(),
    random,
    faults: new FaultPlan(random),
    log: new RequestLog(),
    registerControl: (method, path, handler) => void controls.set(`${method} ${path}`, handler),
  };
  const full: AwsSeed = {
    accountId: ACCOUNT_ID,
    region: REGION,
    oidcProviders: [],
    roles: [],
    buckets: [],
    users: [{ name: 'admin', ...ADMIN }],
    ...seed,
  };
  const open = async (port: number): Promise<{ listener: Listener; closeService: () => Promise<void> }> => {
    const service = createAwsService(context, full, issuer);
    return { listener: await listen(service, context, { port }), closeService: () => service.close() };
  };
  let running = await open(0).catch((error: unknown) => {
    rmSync(directory, { recursive: true, force: true });
    throw error;
  });
  const { port } = running.listener;
  const endpoint = `http://127.0.0.1:${port}`;
  const clients: Array<{ destroy(): void }> = [];
  const track = <Client extends { destroy(): void }>(client: Client): Client => {
    clients.push(client);
    return client;
  };
  const client = (config: S3ClientConfig = {}): S3Client =>
    track(
      new S3Client({
        logger: SILENT,
        endpoint,
        region: REGION,
        forcePathStyle: true,
        credentials: ADMIN,
        maxAttempts: 1,
        ...config,
      }),
    );
  const stop = async (): Promise<void> => {
    await running.listener.close();
    await running.closeService();
  };
  return {
    endpoint,
    context,
    issuer,
    controls,
    s3: client(),
    client,
    sts: () => track(new STSClient({ endpoint, region: REGION, credentials: ADMIN, maxAttempts: 1 })),
    setNow(value) {
      nowMs = value;
    },
    async restart() {
      await stop();
      running = await open(port);
    },
    async close() {
      for (const one of clients) one.destroy();
      await stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

export interface TestIssuer extends Issuer {
  /** An RS256 token; `header` and `claims` override the defaults. */
  token(claims: Readonly<Record<string, unknown>>, header?: Readonly<Record<string, unknown>>): string;
}

export function createTestIssuer(): TestIssuer {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const { n = '', e = '' } = publicKey.export({ format: 'jwk' });
  const kid = randomUUID();
  const issuer = 'http://127.0.0.1:9/11111111-2222-3333-4444-555555555555/';
  const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  return {
    issuer,
    jwks: () => ({ keys: [{ kty: 'RSA', kid, use: 'sig', alg: 'RS256', n, e }] }),
    token(claims, header = {}) {
      const nowSeconds = Math.floor(Date.now() / 1000);
      const defaults = { iss: issuer, iat: nowSeconds, nbf: nowSeconds - 5, exp: nowSeconds + 3600 };
      const signed = `${encode({ alg: 'RS256', typ: 'JWT', kid, ...header })}.${encode({ ...defaults, ...claims })}`;
      return `${signed}.${createSign('RSA-SHA256').update(signed).sign(privateKey).toString('base64url')}`;
    },
  };
}
