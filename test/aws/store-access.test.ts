import { type StoreFixture, startStoreFixture } from './store-fixture';

const pack = Buffer.alloc(1000, 3);

describe('federated store access', () => {
  let fixture: StoreFixture;

  beforeAll(async () => {
    fixture = await startStoreFixture();
  });
  afterAll(() => fixture.close());
  beforeEach(() => {
    fixture.cloud.clearFaults();
    fixture.cloud.cloud.context.log.clear();
  });

  const writer = (sessionId: string, tenant = 'acme') => fixture.access.open({ role: 'writer', tenant, sessionId });
  const reader = (sessionId: string, tenant = 'acme') => fixture.access.open({ role: 'reader', tenant, sessionId });

  test('one role is assumed once for both buckets and for many calls at the same time', async () => {
    const { data, control } = writer('job-once');
    await Promise.all([
      ...Array.from({ length: 6 }, (_, index) => data.putOnce(`t/acme/u/00/once-${index}`, pack)),
      control.putOnce('t/acme/s/job-once/w', pack),
    ]);
    await writer('job-once').data.putOnce('t/acme/u/00/once-again', pack);
    expect(fixture.requests('sts.AssumeRoleWithWebIdentity')).toBe(1);
  });

  test('a dead session is replaced, with a fresh JWT', async () => {
    const { data } = writer('job-dead');
    await data.putOnce('t/acme/u/00/dead-1', pack);
    const asked = fixture.tokensAsked();
    fixture.cloud.fault({ id: 'f', operation: 's3.*', times: 1, action: { kind: 'expire' } });
    expect((await data.putOnce('t/acme/u/00/dead-2', pack)).outcome).toBe('created');
    expect(fixture.requests('sts.AssumeRoleWithWebIdentity')).toBe(2);
    expect(fixture.tokensAsked()).toBe(asked + 1);
  });

  test('a session that dies again and again is given up', async () => {
    fixture.cloud.fault({ id: 'f', operation: 's3.*', action: { kind: 'expire' } });
    await expect(writer('job-dying').data.putOnce('t/acme/u/00/x', pack)).rejects.toMatchObject({
      code: 'store.denied',
    });
    expect(fixture.requests('s3.PutObject')).toBeLessThanOrEqual(2);
  });

  test.each([
    ['throttles', { kind: 'status', status: 400, code: 'Throttling' }],
    ['is down', { kind: 'status', status: 503 }],
    ['resets', { kind: 'reset' }],
    ['cannot reach the issuer', { kind: 'status', status: 400, code: 'IDPCommunicationError' }],
  ] as const)('STS that %s is asked again', async (name, action) => {
    fixture.cloud.fault({ id: 'f', operation: 'sts.*', times: 2, action });
    const { control } = writer(`job-sts-${name.replaceAll(' ', '-')}`);
    expect((await control.putOnce(`t/acme/s/job-sts-${name.replaceAll(' ', '-')}/a`, pack)).outcome).toBe('created');
  });

  test('rights end at the tenant, whatever the role may do', async () => {
    const { data, control } = writer('job-fence');
    await expect(data.putOnce('t/other/u/00/x', pack)).rejects.toMatchObject({ code: 'store.denied' });
    await expect(data.get('t/other/m/x')).rejects.toMatchObject({ code: 'store.denied' });
    await expect(control.putOnce('t/other/s/job-fence', pack)).rejects.toMatchObject({ code: 'store.denied' });
    const listing = data.list('t/other/');
    await expect(listing[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'store.denied' });
  });

  test("a session writes its own register and nobody else's, not even one whose name begins alike", async () => {
    await writer('job-10').control.putOnce('t/acme/s/job-10/register', pack);
    const { control } = writer('job-1');
    expect((await control.putOnce('t/acme/s/job-1/register', pack)).outcome).toBe('created');
    await expect(control.putOnce('t/acme/s/job-10/register', Buffer.alloc(9))).rejects.toMatchObject({
      code: 'store.denied',
    });
    // Read it may: a backup looks at its parent's register.
    expect((await control.get('t/acme/s/job-10/register')).body.equals(pack)).toBe(true);
  });

  test('a reader reads packs and writes no data', async () => {
    await writer('job-rw').data.putOnce('t/acme/u/00/for-reader', pack);
    const { data, control } = reader('job-rw');
    expect((await data.get('t/acme/u/00/for-reader')).body.equals(pack)).toBe(true);
    await expect(data.putOnce('t/acme/u/00/by-reader', pack)).rejects.toMatchObject({ code: 'store.denied' });
    expect((await control.putOnce('t/acme/s/job-rw/r', pack)).outcome).toBe('created');
  });

  test('an identity that may not assume the role is told so, once', async () => {
    const access = fixture.open({ webIdentityToken: () => Promise.resolve('not.a.token') });
    const { data } = access.open({ role: 'writer', tenant: 'acme', sessionId: 'job-stranger' });
    await expect(data.putOnce('t/acme/u/00/x', pack)).rejects.toMatchObject({ code: 'store.denied', retryable: false });
    expect(fixture.requests('sts.AssumeRoleWithWebIdentity')).toBe(1);
  });

  test('a bucket in foreign hands is refused', async () => {
    const access = fixture.open({ accountId: '999999999999' });
    const { data } = access.open({ role: 'writer', tenant: 'acme', sessionId: 'job-owner' });
    await expect(data.putOnce('t/acme/u/00/owner', pack)).rejects.toMatchObject({ code: 'store.denied' });
  });

  test('settings that are no role are refused before anything is sent', () => {
    const access = fixture.open({ roles: { writer: 'nonsense', reader: 'nonsense' } });
    const opening = () => access.open({ role: 'writer', tenant: 'acme', sessionId: 'job-x' });
    expect(opening).toThrow(expect.objectContaining({ code: 'config.invalid' }));
  });
});
