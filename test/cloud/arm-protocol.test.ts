/** ARM as it is on the wire, without the SDK: operations by both headers, throttling headers, refused requests, quotas. */
import { request } from 'node:https';
import { type AzureFixture, LOCATION, resource, SNAPSHOT_GROUP, SUBSCRIPTION, startAzureFixture } from './arm-fixture';

const VERSION = 'api-version=2026-03-02';
const SNAPSHOTS = `/subscriptions/${SUBSCRIPTION}/resourceGroups/${SNAPSHOT_GROUP}/providers/Microsoft.Compute/snapshots`;
const DISK = resource('disks', 'web-data');

let fixture: AzureFixture;
let token = '';
beforeAll(async () => {
  fixture = await startAzureFixture();
  const { identity, identityHeader } = fixture.azure.endpoints;
  const answer = await fetch(`${identity}?api-version=2019-08-01&resource=https://management.azure.com`, {
    headers: { 'x-identity-header': identityHeader },
  });
  token = ((await answer.json()) as { access_token: string }).access_token;
});
afterAll(() => fixture.close());

interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: { readonly [name: string]: unknown; readonly error?: { readonly code: string } };
}

/** The target goes out as it is: `fetch` would mend some of what is sent here. */
function arm(method: string, target: string, body?: string): Promise<Reply> {
  const { arm: origin } = fixture.azure.endpoints;
  const path = target.startsWith(origin) ? target.slice(origin.length) : target;
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}` };
    const outgoing = request(origin, { method, path, headers, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: JSON.parse(text === '' ? '{}' : text),
        }),
      );
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

const snapshotBody = JSON.stringify({
  location: LOCATION,
  properties: { incremental: true, creationData: { createOption: 'Copy', sourceResourceId: DISK } },
});

test('an operation can be followed by its status document or by its location', async () => {
  const { behaviour } = fixture.azure.world;
  behaviour.lroMs = 60_000;
  const accepted = await arm('PUT', `${SNAPSHOTS}/lro?${VERSION}`, snapshotBody);
  behaviour.lroMs = 0;
  expect(accepted.status).toBe(202);
  expect(accepted.headers['retry-after']).toBe('60');
  const status = String(accepted.headers['azure-asyncoperation']);
  const location = String(accepted.headers['location']);
  expect((await arm('GET', status)).body['status']).toBe('InProgress');
  expect((await arm('GET', location)).status).toBe(202);
  fixture.shiftClock(60_001);
  expect((await arm('GET', status)).body).toMatchObject({
    status: 'Succeeded',
    properties: { output: { name: 'lro' } },
  });
  expect(await arm('GET', location)).toMatchObject({ status: 200, body: { name: 'lro' } });
});

test('each answer tells how much is left of the rate limits, by kind of request', async () => {
  const left = async (method: string, target: string, name: string): Promise<number> =>
    Number(String((await arm(method, target)).headers[`x-ms-ratelimit-remaining-${name}`]).replace(/^.*;/, ''));
  const list = `${SNAPSHOTS}?${VERSION}`;
  const first = await left('GET', list, 'subscription-reads');
  expect(await left('GET', list, 'subscription-reads')).toBe(first - 1);
  expect(await left('GET', list, 'subscription-global-reads')).toBe(15 * (first - 2));
  const none = `${SNAPSHOTS}/none?${VERSION}`;
  const deletes = await left('DELETE', none, 'subscription-deletes');
  expect(await left('DELETE', none, 'subscription-deletes')).toBe(deletes - 1);
  const poll = `/subscriptions/${SUBSCRIPTION}/providers/Microsoft.Compute/locations/local/operations/none?${VERSION}`;
  const polls = await left('GET', poll, 'resource');
  expect(await left('GET', poll, 'resource')).toBe(polls - 1);
});

test.each([
  ['a path that is no valid percent encoding', 'GET', `${SNAPSHOTS}/%E0%A4%A?${VERSION}`, 400, 'InvalidRequestUri'],
  ['a target that is no URL', 'GET', `//[?${VERSION}`, 400, 'InvalidRequestUri'],
  ['no api-version', 'GET', SNAPSHOTS, 400, 'MissingApiVersionParameter'],
  ['a page token of someone else', 'GET', `${SNAPSHOTS}?${VERSION}&$skiptoken=abc`, 400, 'InvalidParameter'],
  ['a body that is no JSON', 'PUT', `${SNAPSHOTS}/bad?${VERSION}`, 400, 'InvalidRequestContent'],
  ['another provider', 'GET', `/subscriptions/${SUBSCRIPTION}/providers/X.Y/z?${VERSION}`, 404, 'InvalidResourceType'],
  ['another subscription', 'GET', `/subscriptions/other?${VERSION}`, 404, 'SubscriptionNotFound'],
])('%s is refused', async (_what, method, target, status, code) => {
  const reply = await arm(method, target, method === 'PUT' ? '{"location":' : undefined);
  expect([reply.status, reply.body.error?.code]).toEqual([status, code]);
});

test('what is not emulated says so with 501', async () => {
  expect((await arm('POST', `${DISK}/defragment?${VERSION}`)).status).toBe(501);
});

test('a disk has 500 incremental snapshots at most', async () => {
  const { world } = fixture.azure;
  const disk = world.resources.get(DISK);
  const present = await arm('PUT', `${SNAPSHOTS}/one?${VERSION}`, snapshotBody);
  expect(present.status).toBe(202);
  const state = { createdAt: 0, readyAt: 0, ...(disk?.state.familyId && { familyId: disk.state.familyId }) };
  world.database.transaction(() => {
    const count = world.resources.list('snapshots').length;
    for (let number = count; number < 499; number += 1) {
      world.resources.put('snapshots', { id: `${SNAPSHOTS}/old-${number}`, name: `old-${number}` }, state);
    }
  });
  expect((await arm('PUT', `${SNAPSHOTS}/last?${VERSION}`, snapshotBody)).status).toBe(202);
  const refused = await arm('PUT', `${SNAPSHOTS}/beyond?${VERSION}`, snapshotBody);
  expect([refused.status, refused.body.error?.code]).toEqual([409, 'OperationNotAllowed']);
});
