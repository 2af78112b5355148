/** Policies over HTTP: read, put with optimistic concurrency, delete. A policy may select VMs anywhere, so it takes the whole scope. */
import { z } from 'zod';
import { ABSENT, type StoredPolicy } from '../catalog/policies';
import { isAppError } from '../model/errors';
import type { ApiDependencies } from './dependencies';
import { type ApiRequest, json } from './http';
import { policyFrom, policyView, policyViewSchema, putPolicySchema } from './policy-document';
import { badRequest, notFound, ProblemError } from './problem';
import { defineRoute } from './route';
import { nameParameter, readers } from './schemas';

const etagHeaders = { etag: 'Give back as If-Match' };
const example = { include: { tags: [{ tag: 'backup', value: 'yes' }] }, schedule: { cron: '0 0 2 * * *' } };

export const listPolicies = defineRoute({
  name: 'listPolicies',
  method: 'GET',
  path: 'policies',
  area: 'Policies',
  roles: readers,
  scope: 'installation',
  mutates: false,
  summary: 'All policies, with their last run and their next slot',
  replies: { 200: { description: 'By name', schema: z.strictObject({ items: z.array(policyViewSchema) }) } },
  handler: async (_call, { catalog, clock }) => {
    const stored = await catalog.policies.list();
    const items = stored.map(async ({ policy }) =>
      policyView(clock, policy, await catalog.policies.readState(policy.name)),
    );
    return json(200, { items: await Promise.all(items) });
  },
});

export const getPolicy = defineRoute({
  name: 'getPolicy',
  method: 'GET',
  path: 'policies/{name}',
  area: 'Policies',
  roles: readers,
  scope: 'installation',
  mutates: false,
  summary: 'One policy',
  params: nameParameter,
  replies: { 200: { description: 'The policy', schema: policyViewSchema, headers: etagHeaders } },
  example: { params: { name: 'nightly' } },
  handler: async ({ params }, deps) => {
    const { policy, etag } = await findPolicy(deps, params.name);
    const state = await deps.catalog.policies.readState(policy.name);
    return json(200, policyView(deps.clock, policy, state), { etag: etagHeader(etag) });
  },
});

export const putPolicy = defineRoute({
  name: 'putPolicy',
  method: 'PUT',
  path: 'policies/{name}',
  area: 'Policies',
  roles: ['policy-admin'],
  scope: 'installation',
  mutates: true,
  conditional: true,
  summary: 'Create or replace a policy',
  params: nameParameter,
  body: putPolicySchema,
  replies: {
    200: {
      description: 'Replaced; or, as a dry run, what would stand',
      schema: policyViewSchema,
      headers: etagHeaders,
    },
    201: { description: 'Created', schema: policyViewSchema, headers: { ...etagHeaders, location: 'Its path' } },
  },
  example: { params: { name: 'nightly' }, body: example },
  handler: async ({ request, params: { name }, body, dryRun }, deps) => {
    const policy = policyFrom(body, name);
    const expected = expectation(request, name, await deps.catalog.policies.read(name));
    if (dryRun) return json(200, policyView(deps.clock, policy, await deps.catalog.policies.readState(name)));
    const { created, etag } = await deps.catalog.policies.put(policy, expected).catch((error: unknown) => {
      throw isAppError(error, 'record.conflict') && expected !== undefined ? preconditionFailed(name) : error;
    });
    const state = await deps.catalog.policies.readState(name);
    const headers = { etag: etagHeader(etag), location: `/api/policies/${name}` };
    return json(created ? 201 : 200, policyView(deps.clock, policy, state), headers);
  },
});

export const deletePolicy = defineRoute({
  name: 'deletePolicy',
  method: 'DELETE',
  path: 'policies/{name}',
  area: 'Policies',
  roles: ['policy-admin'],
  scope: 'installation',
  mutates: true,
  conditional: true,
  summary: 'Remove a policy',
  description: 'Restore points stay: without a policy nothing expires them.',
  params: nameParameter,
  replies: { 204: { description: 'It is gone; or, as a dry run, it would be' } },
  example: { params: { name: 'nightly' } },
  handler: async ({ request, params: { name }, dryRun }, deps) => {
    const expected = expectation(request, name, await findPolicy(deps, name));
    if (dryRun) return { status: 204, headers: {} };
    const removed = await deps.catalog.policies.remove(name, expected).catch((error: unknown) => {
      throw isAppError(error, 'record.conflict') ? preconditionFailed(name) : error;
    });
    if (!removed) throw notFound(`no policy ${name}`);
    return { status: 204, headers: {} };
  },
});

export async function findPolicy({ catalog }: Pick<ApiDependencies, 'catalog'>, name: string): Promise<StoredPolicy> {
  const stored = await catalog.policies.read(name);
  if (!stored) throw notFound('no such policy');
  return stored;
}

/** What If-Match and If-None-Match ask for, checked against what is there now; the write checks it once more. */
function expectation(request: ApiRequest, name: string, current: StoredPolicy | undefined): string | undefined {
  const match = request.headers.get('if-match');
  const noneMatch = request.headers.get('if-none-match');
  if (noneMatch !== null) {
    if (noneMatch.trim() !== '*') {
      throw badRequest('only "*" makes sense here', [{ header: 'If-None-Match', message: 'must be *' }]);
    }
    if (current) throw preconditionFailed(name);
    return ABSENT;
  }
  if (match === null) return undefined;
  const tags = match.split(',').map((tag) => tag.trim());
  if (!current || !(tags.includes('*') || tags.includes(etagHeader(current.etag)))) throw preconditionFailed(name);
  return current.etag;
}

/** The store's etag may hold any character; a header's may not. */
const etagHeader = (etag: string): string => `"${Buffer.from(etag).toString('base64url')}"`;

const preconditionFailed = (name: string): ProblemError =>
  new ProblemError({
    status: 412,
    code: 'policy.changed',
    detail: `policy ${name} is not as the request expects; read it again`,
  });
