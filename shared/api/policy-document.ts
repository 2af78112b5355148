/** A policy as a caller gives it and as he sees it. The schema judges the shape; what it cannot say is checked here. */
import { z } from 'zod';
import type { Clock } from '../base/clock';
import { type PolicyState, policyRunSchema } from '../catalog/policies';
import { isAppError } from '../model/errors';
import { policyNameSchema } from '../model/ids';
import { type Policy, policySchema, type Selector } from '../model/policy';
import { checkSchedule, nextSlotAt } from '../policy/schedule';
import { badRequest, type FieldError, plainMessage } from './problem';
import { VM_ID_WANTED, vmIdFrom } from './query';

/** What GET adds to a policy. PUT takes and drops it, so that what was read can be changed and sent back. */
const readOnlyFields = { lastRun: z.unknown().optional(), nextSlotAt: z.unknown().optional() };
export const putPolicySchema = policySchema
  .extend({ name: policyNameSchema.optional(), ...readOnlyFields })
  .meta({ id: 'PolicyInput' });

export const policyViewSchema = policySchema
  .extend({ lastRun: policyRunSchema.optional(), nextSlotAt: z.string().optional() })
  .meta({ id: 'Policy' });

/** The policy of a body under the name of its path. 400 with pointers. */
export function policyFrom(body: z.output<typeof putPolicySchema>, name: string): Policy {
  const { lastRun: _lastRun, nextSlotAt: _nextSlotAt, ...given } = body;
  const policy = { ...given, name: given.name ?? name };
  const errors: FieldError[] = [
    ...(policy.name === name ? [] : [{ pointer: '/name', message: `is not the ${name} of the path` }]),
    ...policyErrors(policy),
  ];
  if (errors.length > 0) throw badRequest('the policy is not as it should be', errors);
  return policy;
}

/** What a schema cannot say: the schedule can be read and comes due, VM ids are ids of VMs. */
export const policyErrors = (policy: Policy): FieldError[] => [
  ...scheduleErrors(policy),
  ...vmIdErrors('/include', policy.include),
  ...vmIdErrors('/exclude', policy.exclude),
];

export function policyView(clock: Clock, policy: Policy, state: PolicyState): z.output<typeof policyViewSchema> {
  const next = policy.enabled && policy.schedule ? nextSlotAt(policy.schedule, clock.now()) : undefined;
  return {
    ...policy,
    ...(state.lastRun ? { lastRun: state.lastRun } : {}),
    ...(next ? { nextSlotAt: next.toISOString() } : {}),
  };
}

/** Empty when it can be read, or when there is none. */
export function scheduleErrors({ schedule }: Pick<Policy, 'schedule'>): FieldError[] {
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
