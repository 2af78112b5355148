/** Storage queue clients by the name of the app setting that holds the connection. */
import { type QueueClient, QueueServiceClient } from '@azure/storage-queue';
import type { Settings } from '../settings';

/**
 * The queue client for a binding's `connection` (a setting's name, with or without the prefix `AzureWebJobs`;
 * `AzureWebJobsStorage` when none is given). Throws when the setting is missing or is an identity-based one.
 */
export function queueClient(settings: Settings, connection: unknown, queue: string): QueueClient {
  const name = typeof connection === 'string' && connection !== '' ? connection : 'AzureWebJobsStorage';
  const value = settings[`AzureWebJobs${name}`] ?? settings[name];
  if (value !== undefined) {
    return QueueServiceClient.fromConnectionString(value).getQueueClient(queue);
  }
  const isIdentity = Object.keys(settings).some((key) => key.startsWith(`${name}__`));
  throw new Error(
    isIdentity
      ? `The connection "${name}" is identity-based, which the embedded host does not emulate; set a connection string.`
      : `The connection "${name}" is not set in the app settings.`,
  );
}

/** The same, as a key under which leases of that connection are remembered. */
export function connectionName(connection: unknown): string {
  return typeof connection === 'string' && connection !== '' ? connection : 'AzureWebJobsStorage';
}
