/** Parts of answers that several routes share. All closed: a field that is not here cannot leave. */
import { z } from 'zod';
import { jobIdSchema, pointIdSchema, policyNameSchema } from '../model/ids';
import { diskInfoSchema } from '../model/machine';
import { roles } from './caller';
import type { Reply } from './route';

export const lunSchema = diskInfoSchema.shape.lun.meta({ id: 'Lun', description: "'os' or the LUN of a data disk" });
export const idParameter = { id: jobIdSchema } as const;
export const pointIdParameter = { id: pointIdSchema } as const;
export const nameParameter = { name: policyNameSchema } as const;

/** Reading is for everyone who has any role here. */
export const readers = roles;

const startedSchema = z.strictObject({ jobId: jobIdSchema, status: z.literal('running') }).meta({ id: 'StartedJob' });
export const startedReply: Reply = {
  description: 'The job works from now on. Look at `Location`, first after `Retry-After` seconds.',
  schema: startedSchema,
  headers: { location: 'Path of the job', 'retry-after': 'Seconds' },
};

export const sampleVmId =
  '/subscriptions/11111111-2222-4333-8444-555555555555/resourceGroups/prod/providers/Microsoft.Compute/virtualMachines/web';
