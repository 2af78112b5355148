/**
 * Ids. Those that become parts of S3 keys, snapshot names or record keys are made here from safe characters only; names
 * that come from Azure are data and never become a key.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { AppError } from './errors';

export const jobIdSchema = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{2,79}$/, 'lower-case letters, digits and "-", 3 to 80 characters');
export const tenantIdSchema = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,39}$/, 'lower-case letters, digits and "-", at most 40 characters');
export const pointIdSchema = z.string().regex(/^p-[a-z0-9-]{3,80}$/, 'a restore point id');
export const policyNameSchema = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,39}$/, 'lower-case letters, digits and "-", at most 40 characters');
export const regionSchema = z.string().regex(/^[a-z0-9]{2,40}$/, 'an Azure region name such as westeurope');

export interface ArmId {
  readonly subscription: string;
  readonly resourceGroup: string;
  readonly provider: string;
  readonly type: string;
  readonly name: string;
}

const ARM_ID =
  /^\/subscriptions\/([0-9a-f-]{36})\/resourceGroups\/([-\w.()]{1,90})\/providers\/(Microsoft\.[A-Za-z]+)\/([A-Za-z]+)\/([-\w.]{1,80})$/i;

/** Parses and thereby vets a top-level ARM resource id. `request.invalid` when it is none. */
export function parseArmId(id: string): ArmId {
  const match = ARM_ID.exec(id);
  if (!match) throw new AppError('request.invalid', `not an Azure resource id: ${JSON.stringify(id.slice(0, 200))}`);
  const [, subscription = '', resourceGroup = '', provider = '', type = '', name = ''] = match;
  return { subscription: subscription.toLowerCase(), resourceGroup, provider, type, name };
}

export function formatArmId(id: ArmId): string {
  return `/subscriptions/${id.subscription}/resourceGroups/${id.resourceGroup}/providers/${id.provider}/${id.type}/${id.name}`;
}

export function computeId(subscription: string, resourceGroup: string, type: string, name: string): string {
  return formatArmId({ subscription, resourceGroup, provider: 'Microsoft.Compute', type, name });
}

/** ARM ids compare without case; 16 hex characters of their hash serve where a key part is needed. */
export function resourceKey(armId: string): string {
  return createHash('sha256').update(armId.toLowerCase()).digest('hex').slice(0, 16);
}

export const sameResource = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();

/**
 * Deterministic per job and disk, never shared by two jobs: ARM's PUT on an existing name succeeds without taking a new
 * snapshot (azure-cli#28879), so a name used twice would back up old data as new.
 */
export function snapshotName(jobId: string, lun: number | 'os'): string {
  return `bf-${createHash('sha256').update(`${jobId}/${lun}`).digest('hex').slice(0, 32)}-${lun === 'os' ? 'os' : `d${lun}`}`;
}

export const pointIdOf = (jobId: string): string => `p-${jobId}`;
export const jobIdOfPoint = (pointId: string): string => pointId.slice('p-'.length);
