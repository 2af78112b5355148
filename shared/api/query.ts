/** Query parameters: known ones only, so that a typing error does not silently widen a list. */
import { z } from 'zod';
import { formatArmId, parseArmId } from '../model/ids';
import { limits } from '../model/limits';
import type { ApiRequest } from './http';
import { badRequest } from './problem';
import type { Shape } from './route';

const PAGE_SIZE_DEFAULT = 50;
/** The Functions host takes its key from this parameter or from the header. */
export const HOSTS_OWN = ['code', 'clientId'];

/** Judges the query by a shape of single-valued parameters. 400 with the parameter's name. */
export function readQuery<S extends Shape>(request: Pick<ApiRequest, 'query'>, shape: S): z.output<z.ZodObject<S>> {
  const given: Record<string, string> = {};
  for (const name of new Set(request.query.keys())) {
    if (HOSTS_OWN.includes(name)) continue;
    const values = request.query.getAll(name);
    if (!Object.hasOwn(shape, name))
      throw bad(name, `unknown parameter; known: ${Object.keys(shape).join(', ') || 'none'}`);
    if (values.length > 1) throw bad(name, 'given more than once');
    given[name] = values[0] ?? '';
  }
  const parsed = z.object(shape).safeParse(given);
  if (parsed.success) return parsed.data;
  throw badRequest(
    'the query is not as it should be',
    parsed.error.issues.map((issue) => ({ parameter: String(issue.path[0] ?? ''), message: issue.message })),
  );
}

export const dryRunParameter = z
  .enum(['true', 'false'])
  .optional()
  .transform((text) => text === 'true');

/** A VM's ARM id, rebuilt from its parsed parts. */
export const vmIdParameter = z.string().transform((text, context) => {
  const id = vmIdFrom(text);
  if (id !== undefined) return id;
  context.addIssue({ code: 'custom', message: VM_ID_WANTED });
  return z.NEVER;
});

export const pageParameters = {
  limit: z
    .string()
    .regex(/^\d{1,4}$/, 'a whole number')
    .transform(Number)
    .pipe(z.number().min(1).max(limits.pageSizeMax))
    .default(PAGE_SIZE_DEFAULT),
  cursor: z
    .string()
    .max(400)
    .transform((text) => Buffer.from(text, 'base64url').toString('latin1'))
    .optional(),
} as const;

/** Cursors are ours alone: callers give back what they got. */
export const cursorOf = (cursor: string): string => Buffer.from(cursor, 'latin1').toString('base64url');

export const VM_ID_WANTED =
  'must be the id of a virtual machine: /subscriptions/…/resourceGroups/…/providers/Microsoft.Compute/virtualMachines/…';

/** The id in the form we use, or undefined when the text is no VM's id. */
export function vmIdFrom(text: string): string | undefined {
  try {
    const id = parseArmId(text);
    const isVm = id.provider.toLowerCase() === 'microsoft.compute' && id.type.toLowerCase() === 'virtualmachines';
    return isVm ? formatArmId({ ...id, provider: 'Microsoft.Compute', type: 'virtualMachines' }) : undefined;
  } catch {
    return undefined;
  }
}

const bad = (parameter: string, message: string) =>
  badRequest('the query is not as it should be', [{ parameter, message }]);
