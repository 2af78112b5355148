import { createHash, createHmac } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { GetObjectCommand, HeadBucketCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { expectError, readText } from '../conformance/s3-expect';
import { ADMIN, type AwsHarness, REGION, startAws } from './aws-harness';

let aws: AwsHarness;
beforeAll(async () => {
  aws = await startAws({ buckets: [{ name: 'plain' }] });
});
afterAll(() => aws.close());

const Bucket = 'plain';
const put = (Key: string): PutObjectCommand => new PutObjectCommand({ Bucket, Key, Body: 'x' });

test.each([
  ['an unknown key', { ...ADMIN, accessKeyId: 'AKIAUNKNOWN000000000' }, 'InvalidAccessKeyId', 403],
  ['a wrong secret', { ...ADMIN, secretAccessKey: 'wrong' }, 'SignatureDoesNotMatch', 403],
  ['a session token that nobody sealed', { ...ADMIN, sessionToken: 'Zm9v'.repeat(20) }, 'InvalidToken', 400],
])('%s is refused', async (_name, credentials, code, status) => {
  await expectError(aws.client({ credentials }).send(put('never')), code, status);
});

test('a clock that is 16 minutes off is refused, and the SDK corrects itself with one retry', async () => {
  aws.setNow(Date.now() + 16 * 60_000);
  try {
    await expectError(aws.client().send(put('skewed')), 'RequestTimeTooSkewed', 403);
    const { $metadata } = await aws.client({ maxAttempts: 2 }).send(put('skewed'));
    expect($metadata.attempts).toBe(2);
  } finally {
    aws.setNow(undefined);
  }
});

test('another region is refused with the right one named', async () => {
  const attempt = aws.client({ region: 'us-west-2' }).send(put('never'));
  await expectError(attempt, 'AuthorizationHeaderMalformed', 400);
  await expect(attempt).rejects.toMatchObject({ Region: REGION });
});

test('an anonymous request is refused', async () => {
  const reply = await fetch(`${aws.endpoint}/${Bucket}/x`);
  expect(reply.status).toBe(403);
  expect(await reply.text()).toContain('<Code>AccessDenied</Code>');
});

test('virtual-host style addresses the same bucket', async () => {
  await aws.s3.send(put('styled'));
  const stamp = stampOf(Date.now());
  const host = `${Bucket}.localhost:${new URL(aws.endpoint).port}`;
  const reply = await send({ method: 'GET', path: '/styled', host, stamp, payload: sha256('') });
  expect(reply).toMatchObject({ status: 200, body: 'x' });
});

test('what is not emulated answers 501', async () => {
  const stamp = stampOf(Date.now());
  const host = new URL(aws.endpoint).host;
  const reply = await send({ method: 'GET', path: `/${Bucket}`, query: 'acl=', host, stamp, payload: sha256('') });
  expect(reply.status).toBe(501);
  expect(reply.body).toContain('<Code>NotImplemented</Code>');
});

describe('presigned requests', () => {
  const presigned = (key: string, options: { expires: number; signedAt: number }): string => {
    const stamp = stampOf(options.signedAt);
    const query = [
      'X-Amz-Algorithm=AWS4-HMAC-SHA256',
      `X-Amz-Credential=${encodeURIComponent(`${ADMIN.accessKeyId}/${scopeOf(stamp)}`)}`,
      `X-Amz-Date=${stamp}`,
      `X-Amz-Expires=${options.expires}`,
      'X-Amz-SignedHeaders=host',
    ].join('&');
    const { host } = new URL(aws.endpoint);
    const signature = signRequest(
      { method: 'GET', path: `/${Bucket}/${key}`, query, host, stamp, payload: 'UNSIGNED-PAYLOAD' },
      ['host'],
    );
    return `${aws.endpoint}/${Bucket}/${key}?${query}&X-Amz-Signature=${signature}`;
  };

  test('are served until their end', async () => {
    await aws.s3.send(put('presigned'));
    const fresh = await fetch(presigned('presigned', { expires: 60, signedAt: Date.now() }));
    expect([fresh.status, await fresh.text()]).toEqual([200, 'x']);
    const old = await fetch(presigned('presigned', { expires: 60, signedAt: Date.now() - 120_000 }));
    expect([old.status, await old.text()]).toEqual([403, expect.stringContaining('Request has expired')]);
  });

  test('are refused when altered', async () => {
    const url = presigned('presigned', { expires: 60, signedAt: Date.now() }).replace('Expires=60', 'Expires=600');
    const reply = await fetch(url);
    expect(reply.status).toBe(403);
    expect(await reply.text()).toContain('SignatureDoesNotMatch');
  });
});

describe('signed chunks', () => {
  const upload = async (key: string, damage: (body: string) => string): Promise<Reply> => {
    const stamp = stampOf(Date.now());
    const payload = 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD';
    const data = ['hello ', 'chunked ', 'world', ''];
    const length = String(data.join('').length);
    const headers = { 'x-amz-decoded-content-length': length, 'content-encoding': 'aws-chunked' };
    const { host } = new URL(aws.endpoint);
    const base = { method: 'PUT', path: `/${Bucket}/${key}`, host, stamp, payload, headers };
    let previous = signRequest(base, signedNames(base));
    const chunks = data.map((text) => {
      const toSign = ['AWS4-HMAC-SHA256-PAYLOAD', stamp, scopeOf(stamp), previous, sha256(''), sha256(text)].join('\n');
      previous = hmac(keyOf(stamp), toSign).toString('hex');
      return `${text.length.toString(16)};chunk-signature=${previous}\r\n${text}\r\n`;
    });
    return send({ ...base, body: damage(chunks.join('')) });
  };

  test('are decoded and verified', async () => {
    const reply = await upload('chunked', (body) => body);
    expect(reply.status).toBe(200);
    expect(await readText(aws.s3, { Bucket, Key: 'chunked' })).toBe('hello chunked world');
  });

  test('are refused when a byte of them is another', async () => {
    const reply = await upload('damaged', (body) => body.replace('world', 'World'));
    expect([reply.status, reply.body]).toEqual([403, expect.stringContaining('SignatureDoesNotMatch')]);
    await expectError(aws.s3.send(new GetObjectCommand({ Bucket, Key: 'damaged' })), 'NoSuchKey', 404);
  });
});

test('secrets are in no log entry', async () => {
  await aws.s3.send(new HeadBucketCommand({ Bucket }));
  const text = JSON.stringify(aws.context.log.entries());
  expect(text).not.toContain(ADMIN.secretAccessKey);
  expect(text).not.toMatch(/X-Amz-Signature=[0-9a-f]/);
});

interface RawRequest {
  readonly method: string;
  readonly path: string;
  readonly query?: string;
  readonly host: string;
  readonly stamp: string;
  readonly payload: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

interface Reply {
  readonly status: number | undefined;
  readonly body: string;
}

function signedNames(raw: RawRequest): readonly string[] {
  return ['host', 'x-amz-content-sha256', 'x-amz-date', ...Object.keys(raw.headers ?? {})].sort();
}

/** Signs by hand: the SDK signs neither chunks nor foreign host names. */
function signRequest(raw: RawRequest, names: readonly string[]): string {
  const values: Readonly<Record<string, string>> = {
    host: raw.host,
    'x-amz-content-sha256': raw.payload,
    'x-amz-date': raw.stamp,
    ...raw.headers,
  };
  const canonical = [
    raw.method,
    raw.path,
    raw.query ?? '',
    ...names.map((name) => `${name}:${values[name]}`),
    '',
    names.join(';'),
    raw.payload,
  ].join('\n');
  const text = ['AWS4-HMAC-SHA256', raw.stamp, scopeOf(raw.stamp), sha256(canonical)].join('\n');
  return hmac(keyOf(raw.stamp), text).toString('hex');
}

function send(raw: RawRequest): Promise<Reply> {
  const names = signedNames(raw);
  const authorization = `AWS4-HMAC-SHA256 Credential=${ADMIN.accessKeyId}/${scopeOf(raw.stamp)}, SignedHeaders=${names.join(';')}, Signature=${signRequest(raw, names)}`;
  const { hostname, port } = new URL(aws.endpoint);
  return new Promise((resolve, reject) => {
    const sent = httpRequest(
      {
        hostname,
        port,
        method: raw.method,
        path: raw.query === undefined ? raw.path : `${raw.path}?${raw.query}`,
        headers: {
          host: raw.host,
          'x-amz-date': raw.stamp,
          'x-amz-content-sha256': raw.payload,
          ...raw.headers,
          ...(raw.body === undefined ? {} : { 'content-length': String(Buffer.byteLength(raw.body)) }),
          authorization,
        },
      },
      (response) => {
        const pieces: Buffer[] = [];
        response.on('data', (piece: Buffer) => pieces.push(piece));
        response.on('end', () => resolve({ status: response.statusCode, body: Buffer.concat(pieces).toString() }));
      },
    );
    sent.on('error', reject);
    sent.end(raw.body);
  });
}

function scopeOf(stamp: string): string {
  return `${stamp.slice(0, 8)}/${REGION}/s3/aws4_request`;
}

function keyOf(stamp: string): Buffer {
  return scopeOf(stamp)
    .split('/')
    .reduce<Buffer>((key, part) => hmac(key, part), Buffer.from(`AWS4${ADMIN.secretAccessKey}`));
}

function stampOf(ms: number): string {
  return new Date(ms).toISOString().replace(/[-:]|\.\d{3}/g, '');
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
