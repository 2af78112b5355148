/** The API as it is deployed: no key, tokens of the tenant only, each role over real sockets. */

import { type CallerName, sampleCallers, tokenOf } from '../../local/stack/callers';
import { sampleTenant } from '../../local/stack/settings';
import { startTrial, type Trial } from './harness';
import { MIB } from './images';

let trial: Trial;
const restorer = sampleCallers.find(({ name }) => name === 'restorer')?.objectId ?? '';

beforeAll(async () => {
  trial = await startTrial({
    machines: [{ name: 'vm1', disks: [{ lun: 'os', bytes: 8 * MIB }] }],
    settings: {
      BLOCKFERRY_AUTH: 'entra',
      BLOCKFERRY_CALLER_SCOPES: `*=all;${restorer}=/subscriptions/${sampleTenant.subscription}/resourceGroups/elsewhere`,
    },
  });
}, 180_000);
afterAll(() => trial?.stop(), 60_000);

async function as(name: CallerName, method: string, route: string, body?: unknown) {
  const token = await tokenOf(name, trial.stack.cloud.identity);
  return trial.api(method, route, body, { authorization: `Bearer ${token}` });
}

test('a function key opens nothing, no token opens nothing, and neither does a token for something else', async () => {
  const bare = await trial.api('GET', '/vms');
  expect(bare.status).toBe(401);
  expect(bare.headers.get('www-authenticate')).toBe('Bearer');
  const foreign = await tokenOf('viewer', trial.stack.cloud.identity, 'api://something-else');
  const refused = await trial.api('GET', '/vms', undefined, { authorization: `Bearer ${foreign}` });
  expect(refused).toMatchObject({ status: 401, body: { code: 'caller.unknown' } });
  expect(JSON.stringify(refused.body)).not.toContain(foreign.slice(0, 30));
  expect((await trial.api('GET', '/healthz')).status).toBe(200);
});

test('each role may do its own and nothing else', async () => {
  const backup = { vmId: trial.vmId('vm1') };
  const policy = { include: { tags: [{ tag: 'backup' }] } };
  expect((await as('stranger', 'GET', '/vms')).status).toBe(403);
  expect((await as('viewer', 'GET', '/vms')).body).toMatchObject({ items: [{ name: 'vm1' }] });
  expect((await as('viewer', 'POST', '/backups?dryRun=true', backup)).status).toBe(403);
  expect((await as('operator', 'POST', '/backups?dryRun=true', backup)).status).toBe(200);
  expect((await as('operator', 'PUT', '/policies/nightly', policy)).status).toBe(403);
  expect((await as('policy-admin', 'PUT', '/policies/nightly', policy)).status).toBe(201);
  expect((await as('security-admin', 'PUT', '/policies/nightly', policy)).status).toBe(403);
});

test('who may see another resource group only sees no VM here', async () => {
  expect((await as('restorer', 'GET', '/vms')).body).toEqual({ items: [] });
  const path = `/restore-points?vmId=${encodeURIComponent(trial.vmId('vm1'))}`;
  expect((await as('restorer', 'GET', path)).body).toEqual({ items: [] });
});

test('unknown paths and methods are problems too', async () => {
  expect(await trial.api('GET', '/nothing')).toMatchObject({ status: 404, body: { code: 'request.not-found' } });
  const wrong = await trial.api('DELETE', '/vms');
  expect(wrong).toMatchObject({ status: 405, body: { code: 'request.method' } });
  expect(wrong.headers.get('allow')).toBe('GET');
});
