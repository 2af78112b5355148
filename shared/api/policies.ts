/** Policies over HTTP: read, put with optimistic concurrency, delete. The schema and the schedule are judged before a write. */
import { z } from 'zod';
import { ABSENT, type PolicyState, type StoredPolicy } from '../catalog/policies';
import { isAppError } from '../model/errors';
import { policyNameSchema } from '../model/ids';
import { type Policy, policySchema, type Selector } from '../model/policy';
import { checkSchedule, nextSlotAt } from '../policy/schedule';
import { checkBody, readJson } from './body';
import type { ApiDependencies } from './dependencies';
import { type ApiRequest, type ApiResponse, json, routeParameter } from './http';
import { badRequest, type FieldError, fieldErrors, notFound, ProblemError, plainMessage } from './problem';
import { readQuery, VM_ID_WANTED, vmIdFrom } from './query';

/** What GET adds to a policy. PUT takes and drops it, so that what was read can be changed and sent back. */
const readOnlyFields = { lastRun: z.unknown().optional(), nextSlotAt: z.unknown().optional() };
const putSchema = policySchema.extend({ name: policyNameSchema.optional(), ...readOnlyFields });

export async function listPolicies(request: ApiRequest, deps: ApiDependencies): Promise<ApiResponse> {
  readQuery(request, {});
  const stored = await deps.catalog.policies.list();
  const items = await Promise.all(
    stored.map(async ({ policy }) => viewOf(deps, policy, await deps.catalog.policies.readState(policy.name))),
  );
  return json(200, { items });
}

export async function getPolicy(request: ApiRequest, deps: ApiDependencies): Promise<ApiResponse> {
  readQuery(request, {});
  const { policy, etag } = await findPolicy(request, deps);
  const state = await deps.catalog.policies.readState(policy.name);
  return json(200, viewOf(deps, policy, state), { etag: etagHeader(etag) });
}

export async function putPolicy(request: ApiRequest, deps: ApiDependencies): Promise<ApiResponse> {
  readQuery(request, {});
  const policy = await readPolicy(request);
  const current = await deps.catalog.policies.read(policy.name);
  const expected = expectation(request, current);
  const { created, etag } = await deps.catalog.policies.put(policy, expected).catch((error: unknown) => {
    throw isAppError(error, 'record.conflict') && expected !== undefined ? preconditionFailed(policy.name) : error;
  });
  const state = await deps.catalog.policies.readState(policy.name);
  const headers = { etag: etagHeader(etag), location: `/api/policies/${policy.name}` };
  return json(created ? 201 : 200, viewOf(deps, policy, state), headers);
}

export async function deletePolicy(request: ApiRequest, deps: ApiDependencies): Promise<ApiResponse> {
  readQuery(request, {});
  const current = await findPolicy(request, deps);
  const { name } = current.policy;
  const expected = expectation(request, current);
  const removed = await deps.catalog.policies.remove(name, expected).catch((error: unknown) => {
    throw isAppError(error, 'record.conflict') ? preconditionFailed(name) : error;
  });
  if (!removed) throw notFound(`no policy ${name}`);
  return { status: 204, headers: {} };
}

export async function findPolicy(request: ApiRequest, deps: ApiDependencies): Promise<StoredPolicy> {
  const name = routeParameter(request, 'name');
  const stored = policyNameSchema.safeParse(name).success ? await deps.catalog.policies.read(name) : undefined;
  if (!stored) throw notFound('no such policy');
  return stored;
}

/** The policy of the body under the name of the route. */
async function readPolicy(request: ApiRequest): Promise<Policy> {
  const name = policyNameSchema.safeParse(routeParameter(request, 'name'));
  if (!name.success)
    throw badRequest('the name in the path is no policy name', fieldErrors(name.error.issues, '/name'));
  const { lastRun: _lastRun, nextSlotAt: _nextSlotAt, ...body } = checkBody(putSchema, await readJson(request));
  const policy = { ...body, name: body.name ?? name.data };
  const errors: FieldError[] = [
    ...(policy.name === name.data ? [] : [{ pointer: '/name', message: `is not the ${name.data} of the path` }]),
    ...scheduleErrors(policy),
    ...vmIdErrors('/include', policy.include),
    ...vmIdErrors('/exclude', policy.exclude),
  ];
  if (errors.length > 0) throw badRequest('the policy is not as it should be', errors);
  return policy;
}

function scheduleErrors({ schedule }: Policy): FieldError[] {
  if (!schedule) return [];
  try {
    checkSchedule(schedule);
    return [];
  } catch (error) {
    if (!isAppError(error, 'request.invalid')) throw error;
    return [{ pointer: `/schedule/${error.context['field']}`, message: plainMessage(error) }];
  }
}

const vmIdErrors = (pointer: string, selector: Selector | undefined): FieldError[] =>
  (selector?.vmIds ?? []).flatMap((id, index) =>
    vmIdFrom(id) === undefined ? [{ pointer: `${pointer}/vmIds/${index}`, message: VM_ID_WANTED }] : [],
  );

/** What If-Match and If-None-Match ask for, checked against what is there now; the write checks it once more. */
function expectation(request: ApiRequest, current: StoredPolicy | undefined): string | undefined {
  const match = request.headers.get('if-match');
  const noneMatch = request.headers.get('if-none-match');
  const failed = preconditionFailed(current?.policy.name ?? routeParameter(request, 'name'));
  if (noneMatch !== null) {
    if (noneMatch.trim() !== '*') {
      throw badRequest('only "*" makes sense here', [{ header: 'If-None-Match', message: 'must be *' }]);
    }
    if (current) throw failed;
    return ABSENT;
  }
  if (match === null) return undefined;
  const tags = match.split(',').map((tag) => tag.trim());
  if (!current || !(tags.includes('*') || tags.includes(etagHeader(current.etag)))) throw failed;
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

function viewOf({ clock }: ApiDependencies, policy: Policy, state: PolicyState) {
  const next = policy.enabled && policy.schedule ? nextSlotAt(policy.schedule, clock.now()) : undefined;
  return {
    ...policy,
    ...(state.lastRun ? { lastRun: state.lastRun } : {}),
    ...(next ? { nextSlotAt: next.toISOString() } : {}),
  };
}
