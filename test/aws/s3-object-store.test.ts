import { randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import type { FaultAction } from '../../local/cloud/kit/faults';
import type { ObjectStore } from '../../shared/blockstore/object-store';
import { AppError } from '../../shared/model/errors';
import { objectStoreContract } from '../contract/object-store';
import { type StoreFixture, startStoreFixture } from './store-fixture';

const sessionId = 'job-store-1';
const units = 't/acme/u/';
const register = `t/acme/s/${sessionId}/`;

describe('S3', () => {
  let fixture: StoreFixture;
  let data: ObjectStore;
  let control: ObjectStore;

  beforeAll(async () => {
    fixture = await startStoreFixture();
    ({ data, control } = fixture.access.open({ role: 'writer', tenant: 'acme', sessionId }));
  });
  afterAll(() => fixture.close());
  afterEach(() => fixture.cloud.clearFaults());

  objectStoreContract(async () => ({ store: control, prefix: register }));

  const fault = (action: FaultAction, operation: string, times = 1): void =>
    fixture.cloud.fault({ id: 'f', service: 'aws', operation, times, action });
  const listed = async (store: ObjectStore, prefix: string): Promise<string[]> => {
    const keys: string[] = [];
    for await (const { key } of store.list(prefix)) keys.push(key);
    return keys;
  };

  test('a pack that its writer may not read back is still told from a foreign one', async () => {
    const pack = randomBytes(100_000);
    const key = `${units}aa/own`;
    expect((await data.putOnce(key, pack)).outcome).toBe('created');
    expect((await data.putOnce(key, pack)).outcome).toBe('created');
    expect((await data.putOnce(key, randomBytes(100_000))).outcome).toBe('exists');
    expect((await data.putOnce(key, randomBytes(99))).outcome).toBe('exists');
    await expect(data.get(key)).rejects.toMatchObject({ code: 'store.denied', retryable: false });
  });

  test.each([
    ['a lost reply', { kind: 'lost-reply' }],
    ['a reset', { kind: 'reset' }],
    ['a conflict of conditional writers', { kind: 'status', status: 409, code: 'ConditionalRequestConflict' }],
    ['SlowDown', { kind: 'status', status: 503, code: 'SlowDown' }],
    ['an internal error', { kind: 'status', status: 500, code: 'InternalError' }],
    ['a request that S3 waited too long for', { kind: 'status', status: 400, code: 'RequestTimeout' }],
    ['an expired session', { kind: 'expire' }],
  ] as const)('%s at a write ends in the object written once', async (name, action) => {
    const key = `${units}bb/${name.replaceAll(' ', '-')}`;
    fault(action, 's3.PutObject');
    expect((await data.putOnce(key, randomBytes(5000))).outcome).toBe('created');
    expect(await listed(data, key)).toEqual([key]);
    const swapKey = `${register}${name.replaceAll(' ', '-')}`;
    const { etag } = await control.putOnce(swapKey, Buffer.from('before'));
    fault(action, 's3.PutObject');
    expect((await control.replace(swapKey, Buffer.from('after'), etag)).outcome).toBe('replaced');
  });

  test.each([
    ['a reset', { kind: 'reset' }],
    ['a body cut off', { kind: 'cut' }],
    ['a short but clean body', { kind: 'truncate' }],
    ['a flipped bit', { kind: 'corrupt' }],
    ['SlowDown', { kind: 'status', status: 503, code: 'SlowDown' }],
    ['an expired session', { kind: 'expire' }],
  ] as const)('%s at a read or a listing is not handed on', async (name, action) => {
    const bytes = randomBytes(50_000);
    const key = `${register}read/${name.replaceAll(' ', '-')}`;
    await control.putOnce(key, bytes);
    fault(action, 's3.GetObject');
    expect((await control.get(key)).body.equals(bytes)).toBe(true);
    if (action.kind !== 'corrupt') {
      fault(action, 's3.GetObject');
      expect((await control.get(key, { start: 10, end: 40_000 })).body.equals(bytes.subarray(10, 40_000))).toBe(true);
      fault(action, 's3.ListObjectsV2');
      expect(await listed(control, key)).toEqual([key]);
    }
  });

  test('a stalled answer ends at the deadline and the call is made again', async () => {
    const hasty = fixture.open({ deadlineBaseMs: 200 }).open({ role: 'writer', tenant: 'acme', sessionId });
    const key = `${register}stalled`;
    await hasty.control.putOnce(key, Buffer.alloc(10_000, 7));
    fault({ kind: 'stall', ms: 5000 }, 's3.GetObject');
    const into = Buffer.alloc(20_000);
    const { body } = await hasty.control.get(key, { into });
    expect(body).toHaveLength(10_000);
    expect(into.lastIndexOf(7)).toBe(9_999);
  });

  test('an abort of the caller ends a call at once, with the caller’s reason', async () => {
    fault({ kind: 'stall', ms: 5000 }, 's3.GetObject', 9);
    const stop = new AbortController();
    const reading = control.get(`${register}stalled`, { signal: stop.signal });
    setTimeout(() => stop.abort(new Error('canceled by the test')), 50);
    await expect(reading).rejects.toThrow('canceled by the test');
  });

  test('bytes that change on the way are refused by the store, and sent again', async () => {
    fault({ kind: 'status', status: 400, code: 'BadDigest' }, 's3.PutObject');
    expect((await data.putOnce(`${units}cc/digest`, randomBytes(1000))).outcome).toBe('created');
  });

  test('a listing follows every page', async () => {
    const keys = Array.from({ length: 1020 }, (_, index) => `${register}many/${String(index).padStart(5, '0')}`);
    for (let start = 0; start < keys.length; start += 60) {
      await Promise.all(keys.slice(start, start + 60).map((key) => control.putOnce(key, Buffer.from('x'))));
    }
    expect(await listed(control, `${register}many/`)).toEqual(keys);
  });

  test('a listing that fails on any page is an error, never a shorter list', async () => {
    const many = `${register}many/`;
    fixture.cloud.fault({ id: 'f', operation: 's3.ListObjectsV2', skip: 1, action: { kind: 'status', status: 500 } });
    await expect(listed(control, many)).rejects.toMatchObject({ code: 'store.unavailable', retryable: true });
  });

  test('a refusal is final: no storm of repetitions', async () => {
    fixture.cloud.cloud.context.log.clear();
    await expect(data.get('t/other/m/x')).rejects.toMatchObject({ code: 'store.denied', retryable: false });
    expect(fixture.requests('s3.GetObject')).toBe(1);
  });

  test('an outage ends in a retryable error after a bounded number of tries', async () => {
    fixture.cloud.cloud.context.log.clear();
    fixture.cloud.fault({ id: 'f', service: 'aws', action: { kind: 'reset' } });
    await expect(control.get(`${register}stalled`)).rejects.toMatchObject({
      code: 'store.unavailable',
      retryable: true,
    });
    expect(fixture.cloud.cloud.context.log.entries({ service: 'aws' }).length).toBeLessThanOrEqual(6);
  });

  test('no credential, token or signature is in any error', async () => {
    const actions: FaultAction[] = [
      { kind: 'status', status: 403, code: 'AccessDenied' },
      { kind: 'status', status: 400, code: 'InvalidRequest' },
      { kind: 'status', status: 503, code: 'SlowDown' },
      { kind: 'reset' },
      { kind: 'cut' },
      { kind: 'expire' },
    ];
    const brief = fixture.open({ rule: { attemptsMax: 1, firstDelayMs: 1, delayMsMax: 1 } });
    for (const [index, action] of actions.entries()) {
      const fresh = brief.open({ role: 'writer', tenant: 'acme', sessionId: `canary-${index}` });
      const calls = [
        () => fresh.control.get(`t/acme/s/canary-${index}/none`),
        () => fresh.control.putOnce(`t/acme/s/canary-${index}/one`, Buffer.from('x')),
        () => listed(fresh.data, units),
      ];
      for (const call of calls) {
        fixture.cloud.fault({ id: 'f', service: 'aws', action });
        const error = await call().then(
          () => undefined,
          (reason: unknown) => reason,
        );
        expect(error).toBeInstanceOf(AppError);
        const shown = [inspect(error, { depth: 12, showHidden: true }), JSON.stringify(error), String(error)].join(
          '\n',
        );
        expect(shown).not.toMatch(/eyJ[A-Za-z0-9_-]{10}|AWS4-HMAC|ASIA\w+|security-token|Signature=|SecretAccessKey/i);
      }
    }
  });
});
