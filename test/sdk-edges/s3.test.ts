/**
 * What the S3 client does at its edges, pinned: these are the reasons for what `shared/aws` does by itself. When a new version
 * behaves otherwise a line here fails, and the adapter's comment that names the behaviour has to be looked at again.
 */
import { Readable } from 'node:stream';
import { inspect } from 'node:util';
import { crc32 } from 'node:zlib';
import { GetObjectCommand, PutObjectCommand, S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { S3Caller } from '../../shared/aws/s3-caller';
import { S3ObjectStore } from '../../shared/aws/s3-object-store';
import { systemClock } from '../../shared/base/clock';
import { type ScriptedServer, startScriptedServer, staysOpen } from './scripted-server';

const SESSION_TOKEN = 'FwoGZXIvYXdzEPIN-canary-of-the-session';
const BYTES = Buffer.alloc(100_000, 'the bytes of an object ');
const HALF = BYTES.subarray(0, 50_000);
const ETAG = { etag: '"0123456789abcdef0123456789abcdef"' };
const HANG_MS = 1_200;
const SHORT_MS = 300;

let server: ScriptedServer;
const clients: S3Client[] = [];
// One a test: what a test left hanging tries again when its client is destroyed, and must not count in the next.
beforeEach(async () => {
  server = await startScriptedServer();
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await server.close();
});

const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

function s3(config: S3ClientConfig = {}): S3Client {
  const client = new S3Client({
    region: 'eu-central-1',
    endpoint: server.origin,
    forcePathStyle: true,
    credentials: { accessKeyId: 'ASIATEST', secretAccessKey: 'secret-canary', sessionToken: SESSION_TOKEN },
    logger: quiet,
    ...config,
  });
  clients.push(client);
  return client;
}

/** The product's store on the same endpoint, in a hurry. */
function ours(attemptsMax = 3): S3ObjectStore {
  return new S3ObjectStore({
    bucket: 'bucket',
    caller: new S3Caller({
      createClient: () => s3({ maxAttempts: 1 }),
      clock: systemClock,
      random: () => 0,
      rule: { attemptsMax, firstDelayMs: 1, delayMsMax: 1 },
      deadlineBaseMs: SHORT_MS,
    }),
  });
}

const where = { Bucket: 'bucket', Key: 'key' };
const read = async (client: S3Client, more: { readonly Range?: string } = {}, abortSignal?: AbortSignal) => {
  const options = abortSignal ? { abortSignal } : {};
  const { Body } = await client.send(new GetObjectCommand({ ...where, ...more }), options);
  return Buffer.from((await Body?.transformToByteArray()) ?? []);
};
const put = (client: S3Client, abortSignal?: AbortSignal) =>
  client.send(new PutObjectCommand({ ...where, Body: BYTES, IfNoneMatch: '*' }), abortSignal ? { abortSignal } : {});
const failure = (promise: Promise<unknown>): Promise<Error & Record<string, unknown>> =>
  promise.then(
    () => {
      throw new Error('it succeeded');
    },
    (error: Error & Record<string, unknown>) => error,
  );
const attempts = (error: Record<string, unknown>): unknown =>
  (error['$metadata'] as { attempts?: number } | undefined)?.attempts;
const errorXml = (code: string): string =>
  `<?xml version="1.0"?><Error><Code>${code}</Code><Message>m</Message></Error>`;

describe('reading', () => {
  test('a reset in the middle of the body is an error that nobody repeats; ours reads again', async () => {
    server.answer(() => ({ headers: ETAG, body: HALF, length: BYTES.length, ending: 'reset' }));
    expect((await failure(read(s3()))).message).toMatch(/ECONNRESET|aborted/);
    expect(server.requests).toHaveLength(1);
    server.answer((_, index) =>
      index === 0
        ? { headers: ETAG, body: HALF, length: BYTES.length, ending: 'reset' }
        : { headers: ETAG, body: BYTES },
    );
    expect((await ours().get('key')).body.equals(BYTES)).toBe(true);
  });

  test('a chunked reply that ends early but cleanly is taken for the object; ours refuses what has no length', async () => {
    server.answer(() => ({ headers: ETAG, body: HALF, length: 'chunked' }));
    expect(await read(s3())).toHaveLength(50_000);
    await expect(ours().get('key')).rejects.toMatchObject({ code: 'store.unavailable', retryable: true });
    server.answer(() => ({ status: 206, headers: { ...ETAG, 'content-range': 'bytes 0-99999/200000' }, body: HALF }));
    expect(await read(s3(), { Range: 'bytes=0-99999' })).toHaveLength(50_000);
    await expect(ours().get('key', { start: 0, end: 100_000 })).rejects.toMatchObject({ code: 'store.unavailable' });
  });

  test('a range other than the one asked for is handed on; ours refuses it', async () => {
    const headers = { ...ETAG, 'content-range': 'bytes 512-100511/200000' };
    server.answer(() => ({ status: 206, headers, body: BYTES }));
    expect(await read(s3(), { Range: 'bytes=0-99999' })).toHaveLength(100_000);
    await expect(ours().get('key', { start: 0, end: 100_000 })).rejects.toMatchObject({ code: 'store.unavailable' });
  });

  test('a wrong checksum is found, unless told to check only if required; a range comes without one and is believed', async () => {
    const sum = Buffer.alloc(4);
    sum.writeUInt32BE(crc32(HALF));
    const checksum = { 'x-amz-checksum-crc32': sum.toString('base64') };
    server.answer(() => ({ headers: { ...ETAG, ...checksum }, body: BYTES }));
    expect((await failure(read(s3()))).message).toMatch(/Checksum mismatch/);
    expect(await read(s3({ responseChecksumValidation: 'WHEN_REQUIRED' }))).toHaveLength(BYTES.length);
    // S3 gives the checksum of the whole object only, so none with a range.
    const partial = { ...ETAG, 'content-range': 'bytes 0-99999/200000' };
    server.answer(() => ({ status: 206, headers: partial, body: BYTES }));
    expect(await read(s3(), { Range: 'bytes=0-99999' })).toHaveLength(BYTES.length);
  });

  test('a stalled body hangs: no request timeout covers it, a socket timeout and a deadline of ours do', async () => {
    server.answer(() => ({ headers: ETAG, body: HALF, length: BYTES.length, ending: 'silence' }));
    const requestTimeout = { requestTimeout: SHORT_MS, throwOnRequestTimeout: true };
    const [byDefault, withTimeout] = await Promise.all([
      staysOpen(read(s3()), HANG_MS),
      staysOpen(read(s3({ requestHandler: requestTimeout })), HANG_MS),
    ]);
    expect([byDefault, withTimeout]).toEqual([true, true]);
    await failure(read(s3({ requestHandler: { socketTimeout: SHORT_MS } })));
    await expect(ours(2).get('key')).rejects.toMatchObject({ code: 'store.unavailable', retryable: true });
  });

  test('a drip defeats the socket timeout; only a deadline ends it', async () => {
    server.answer(() => ({ headers: ETAG, body: BYTES, drip: { bytes: 1, everyMs: 100 } }));
    const dripping = read(s3({ requestHandler: { socketTimeout: SHORT_MS } }));
    expect(await staysOpen(dripping, HANG_MS)).toBe(true);
    const deadline = AbortSignal.timeout(SHORT_MS);
    await failure(Promise.race([read(s3(), {}, deadline), abortOf(deadline)]));
    await expect(ours(1).get('key')).rejects.toMatchObject({ code: 'store.unavailable', retryable: true });
  });
});

describe('writing', () => {
  test('no reply: hangs by default and with a request timeout alone, which only warns', async () => {
    server.answer(() => 'silence');
    const [byDefault, warned] = await Promise.all([
      staysOpen(put(s3()), HANG_MS),
      staysOpen(put(s3({ requestHandler: { requestTimeout: SHORT_MS } })), HANG_MS),
    ]);
    expect([byDefault, warned]).toEqual([true, true]);
    const throwing = { requestTimeout: SHORT_MS, throwOnRequestTimeout: true };
    await failure(put(s3({ requestHandler: throwing, maxAttempts: 1 })));
    await failure(put(s3({ requestHandler: { socketTimeout: SHORT_MS }, maxAttempts: 1 })));
    await failure(put(s3({ maxAttempts: 1 }), AbortSignal.timeout(SHORT_MS)));
    await expect(ours(2).putOnce('key', BYTES)).rejects.toMatchObject({ code: 'store.unavailable', retryable: true });
  });

  test('a conditional write whose reply was lost comes back as 412 on the second attempt', async () => {
    let stored = false;
    server.answer(() => {
      if (stored) return { status: 412, body: errorXml('PreconditionFailed') };
      stored = true;
      return 'reset';
    });
    const error = await failure(put(s3()));
    expect([error.name, attempts(error)]).toEqual(['PreconditionFailed', 2]);
  });

  test.each([
    ['SlowDown', 503, 3],
    ['InternalError', 500, 3],
    ['ConditionalRequestConflict', 409, 1],
    ['ExpiredToken', 400, 1],
    ['RequestTimeTooSkewed', 403, 3],
  ])('%s (%i) is tried %i times by the SDK', async (code, status, tried) => {
    // Any error is repeated with the service's time when that is far from ours.
    const date = new Date(Date.now() + (code === 'RequestTimeTooSkewed' ? 3_600_000 : 0)).toUTCString();
    server.answer(() => ({ status, headers: { date }, body: errorXml(code) }));
    const error = await failure(put(s3()));
    expect([error.name, attempts(error), server.requests.length]).toEqual([code, tried, tried]);
  });

  test('200 with the body of an error: ours takes no write without an etag for a success', async () => {
    server.answer(() => ({ status: 200, body: errorXml('InternalError') }));
    const seen = await put(s3()).then(
      ({ ETag }) => `accepted, etag ${ETag}`,
      (error: Error & Record<string, unknown>) => `${error.name} after ${attempts(error)}`,
    );
    expect(seen).toBe('InternalError after 3');
    await expect(ours().putOnce('key', BYTES)).rejects.toMatchObject({ code: 'store.unavailable', retryable: true });
    server.answer(() => ({ status: 200 }));
    expect((await put(s3())).ETag).toBeUndefined(); // an empty success is a success to the SDK
    await expect(ours().putOnce('key', BYTES)).rejects.toMatchObject({ code: 'store.unavailable', retryable: true });
  });

  test('a checksum and the payload hash are sent without being asked for', async () => {
    server.answer(() => ({ headers: ETAG }));
    await put(s3());
    const [request] = server.requests;
    expect(request?.headers['x-amz-checksum-crc32']).toMatch(/^[A-Za-z0-9+/]{6}==$/);
    expect(request?.headers['x-amz-content-sha256']).toMatch(/^[0-9a-f]{64}$/);
    await put(s3({ requestChecksumCalculation: 'WHEN_REQUIRED' }));
    expect(server.requests[1]?.headers['x-amz-checksum-crc32']).toBeUndefined();
  });

  test('a stream cannot be sent twice; ours sends buffers', async () => {
    server.answer(() => ({ status: 503, body: errorXml('SlowDown') }));
    const body = Readable.from([BYTES]);
    const sending = s3().send(new PutObjectCommand({ ...where, Body: body, ContentLength: BYTES.length }));
    await failure(sending);
    expect(server.requests).toHaveLength(1);
  });
});

test('an error shows no secret, but carries the session token where a debugger or a careless logger finds it', async () => {
  server.answer(() => ({ status: 403, body: errorXml('AccessDenied') }));
  const error = await failure(put(s3()));
  expect(`${JSON.stringify(error)}${inspect(error, { depth: 9 })}${error.stack}`).not.toContain(SESSION_TOKEN);
  const response = error['$response'] as { readonly body?: { readonly req?: { readonly _header?: string } } };
  expect(response.body?.req?._header).toContain(SESSION_TOKEN);
  const own = await failure(ours(1).putOnce('key', BYTES));
  expect(inspect(own, { depth: 20, showHidden: true })).not.toMatch(/canary/);
});

const abortOf = (signal: AbortSignal): Promise<never> =>
  new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
