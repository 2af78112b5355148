import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { type FaultAction, FaultPlan } from '../../local/cloud/kit/faults';
import { readBody, sendJson } from '../../local/cloud/kit/http';
import { type Listener, listen } from '../../local/cloud/kit/listen';
import { SeededRandom } from '../../local/cloud/kit/random';
import { RequestLog } from '../../local/cloud/kit/request-log';
import type { CloudContext, CloudService } from '../../local/cloud/kit/service';

const BODY = Buffer.alloc(4096, 'blockferry');

/** A service of one page; counts the effects of its PUT. */
class EchoService implements CloudService {
  readonly name = 'disk';
  effects = 0;
  operationOf(request: IncomingMessage): string {
    return request.method === 'PUT' ? 'disk.write' : 'disk.read';
  }
  errorReply(operation: string, status: number, code: string | undefined) {
    return { headers: { 'content-type': 'text/plain' }, body: `${operation} ${status} ${code ?? ''}` };
  }
  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.url === '/throws') throw new Error('broken');
    if (request.method === 'PUT') {
      const body = await readBody(request, 1e6);
      this.effects += 1;
      sendJson(response, 201, { bytes: body.length });
      return;
    }
    request.logDetails = { expired: request.fault?.kind === 'expire' };
    response.writeHead(200, { 'content-length': BODY.length, 'x-page': 'yes', 'content-range': 'bytes 0-4095/9000' });
    response.write(BODY.subarray(0, 1000));
    response.end(BODY.subarray(1000));
  }
  async close(): Promise<void> {}
}

interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Buffer;
}

function fetchOnce(port: number, path: string, body?: Buffer): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(
      { port, host: '127.0.0.1', path, method: body ? 'PUT' : 'GET', agent: false },
      (reply) => {
        const chunks: Buffer[] = [];
        reply.on('data', (chunk: Buffer) => chunks.push(chunk));
        reply.on('error', reject);
        reply.on('end', () =>
          resolve({ status: reply.statusCode ?? 0, headers: reply.headers, body: Buffer.concat(chunks) }),
        );
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

describe('listen', () => {
  let service: EchoService;
  let context: CloudContext;
  let listener: Listener;

  beforeEach(async () => {
    const random = new SeededRandom('kit');
    context = {
      stateDirectory: '/nowhere',
      now: () => 1_000,
      random,
      faults: new FaultPlan(random),
      log: new RequestLog(),
      registerControl: () => undefined,
    };
    service = new EchoService();
    listener = await listen(service, context, { port: 0 });
  });
  afterEach(() => listener.close());

  const inject = (action: FaultAction): void => context.faults.add({ id: 'one', times: 1, action });
  const lastEntry = () => context.log.entries().at(-1);

  test('passes a request through and logs its bytes without secrets', async () => {
    const reply = await fetchOnce(listener.port, '/page?sig=secret&sv=1', Buffer.alloc(300));
    expect(reply.status).toBe(201);
    expect(lastEntry()).toMatchObject({
      service: 'disk',
      operation: 'disk.write',
      method: 'PUT',
      path: '/page?sig=REDACTED&sv=1',
      status: 201,
      requestBytes: 300,
      responseBytes: reply.body.length,
    });
  });

  test('answers a thrown error with the 500 of the protocol', async () => {
    const reply = await fetchOnce(listener.port, '/throws');
    expect([reply.status, reply.body.toString()]).toEqual([500, 'disk.read 500 ']);
  });

  test('status: answers before the effect, with Retry-After', async () => {
    inject({ kind: 'status', status: 503, code: 'ServerBusy', retryAfterSeconds: 2 });
    const reply = await fetchOnce(listener.port, '/page', Buffer.alloc(10));
    expect([reply.status, reply.headers['retry-after'], reply.body.toString()]).toEqual([
      503,
      '2',
      'disk.write 503 ServerBusy',
    ]);
    expect(service.effects).toBe(0);
  });

  test('reset: no reply and no effect', async () => {
    inject({ kind: 'reset' });
    await expect(fetchOnce(listener.port, '/page', Buffer.alloc(10))).rejects.toThrow();
    expect(service.effects).toBe(0);
    expect(lastEntry()).toMatchObject({ status: 0, fault: 'reset' });
  });

  test('lost-reply: no reply although the effect has happened', async () => {
    inject({ kind: 'lost-reply' });
    await expect(fetchOnce(listener.port, '/page', Buffer.alloc(10))).rejects.toThrow();
    expect(service.effects).toBe(1);
  });

  test('truncate: a clean reply with half of the body', async () => {
    inject({ kind: 'truncate' });
    const reply = await fetchOnce(listener.port, '/page');
    expect([reply.status, reply.headers['content-length'], reply.headers['x-page']]).toEqual([200, '2048', 'yes']);
    expect(reply.body.equals(BODY.subarray(0, 2048))).toBe(true);
  });

  test('cut: the connection ends in the middle of the body', async () => {
    inject({ kind: 'cut' });
    await expect(fetchOnce(listener.port, '/page')).rejects.toThrow();
  });

  test('corrupt: exactly one bit differs', async () => {
    inject({ kind: 'corrupt' });
    const { body } = await fetchOnce(listener.port, '/page');
    const different = [...body].map((byte, at) => byte ^ (BODY[at] ?? 0)).filter((bits) => bits !== 0);
    expect(different).toHaveLength(1);
    expect(Math.log2(different[0] ?? 0) % 1).toBe(0);
  });

  test('status 200: a success that carries an error, before the effect', async () => {
    inject({ kind: 'status', status: 200, code: 'InternalError' });
    const reply = await fetchOnce(listener.port, '/page', Buffer.alloc(10));
    expect([reply.status, reply.body.toString()]).toEqual([200, 'disk.write 200 InternalError']);
    expect(service.effects).toBe(0);
  });

  test('short-chunked and empty: clean ends that no length contradicts', async () => {
    inject({ kind: 'short-chunked' });
    const short = await fetchOnce(listener.port, '/page');
    expect([short.headers['content-length'], short.headers['transfer-encoding']]).toEqual([undefined, 'chunked']);
    expect(short.body.equals(BODY.subarray(0, 2048))).toBe(true);
    inject({ kind: 'empty' });
    expect((await fetchOnce(listener.port, '/page')).headers['content-length']).toBe('0');
  });

  test('other-bytes and other-range: a reply of the right shape for something else', async () => {
    inject({ kind: 'other-bytes' });
    const bytes = await fetchOnce(listener.port, '/page');
    expect(bytes.body).toHaveLength(BODY.length);
    expect(bytes.body.some((byte, at) => byte === BODY[at])).toBe(false);
    inject({ kind: 'other-range' });
    const range = await fetchOnce(listener.port, '/page');
    expect([range.headers['content-range'], range.body.equals(BODY)]).toEqual(['bytes 512-4607/9000', true]);
  });

  test.each<FaultAction>([
    { kind: 'stall', ms: 20 },
    { kind: 'drip', bytes: 1500, everyMs: 5 },
    { kind: 'delay', ms: 5 },
  ])('$kind: the whole reply arrives in the end', async (action) => {
    inject(action);
    const reply = await fetchOnce(listener.port, '/page');
    expect(reply.body.equals(BODY)).toBe(true);
  });

  test('expire: is left to the service, which sees it on the request', async () => {
    inject({ kind: 'expire' });
    await fetchOnce(listener.port, '/page');
    expect(lastEntry()?.details).toEqual({ expired: true });
  });

  test('closing ends a reply that is stalled', async () => {
    inject({ kind: 'stall', ms: 3_600_000 });
    const pending = fetchOnce(listener.port, '/page');
    pending.catch(() => undefined);
    while (context.faults.list()[0]?.appliedCount === 0) await new Promise((resolve) => setImmediate(resolve));
    await listener.close();
    await expect(pending).rejects.toThrow();
    listener = await listen(service, context, { port: 0 });
  });
});

describe('fault rules', () => {
  const request = { service: 'disk', operation: 'disk.read', path: '/c/abcd?x=1' };

  test('skip and times count matching requests only', () => {
    const plan = new FaultPlan(new SeededRandom('plan'));
    plan.add({ id: 'a', operation: 'disk.*', skip: 1, times: 2, action: { kind: 'reset' } });
    const taken = [request, { ...request, operation: 'arm.get' }, request, request, request].map(
      (one) => plan.take(one)?.kind,
    );
    expect(taken).toEqual([undefined, undefined, 'reset', 'reset', undefined]);
    expect(plan.list()[0]).toMatchObject({ matchedCount: 4, appliedCount: 2 });
  });

  test('service, exact operation and path narrow a rule', () => {
    const plan = new FaultPlan(new SeededRandom('plan'));
    plan.add({ id: 'a', service: 'disk', operation: 'disk.read', pathIncludes: 'abcd', action: { kind: 'cut' } });
    expect(plan.take(request)?.kind).toBe('cut');
    expect(plan.take({ ...request, service: 'arm' })).toBeUndefined();
    expect(plan.take({ ...request, operation: 'disk.readMore' })).toBeUndefined();
    expect(plan.take({ ...request, path: '/other' })).toBeUndefined();
  });

  test('the same seed makes the same choices', () => {
    const run = (): readonly boolean[] => {
      const plan = new FaultPlan(new SeededRandom('same'));
      plan.add({ id: 'a', probability: 0.5, action: { kind: 'reset' } });
      return Array.from({ length: 64 }, () => plan.take(request) !== undefined);
    };
    expect(run()).toEqual(run());
    expect(new Set(run()).size).toBe(2);
  });
});
