/** A message that a queue trigger delivers: the host renews, removes and re-delivers it, so only "again or not" is left to say. */
import { AppError } from '../model/errors';
import type { Transfer } from '../model/transfer';
import { type ServeOptions, serveDelivery } from './run-data-proxy';

/** Resolves when the message is done with, also when it failed for good (its job has been told). Rejects to have it again. */
export async function transferOnce(options: ServeOptions, transfer: Transfer, deliveries: number): Promise<void> {
  let again = false;
  await serveDelivery(options, {
    transfer,
    deliveries,
    renew: () => Promise.resolve(true),
    done: () => Promise.resolve(),
    release: () => {
      again = true;
      return Promise.resolve();
    },
    poison: () => Promise.resolve(),
  });
  if (again)
    throw new AppError(
      'job.stalled',
      `window ${transfer.window.index} of job ${transfer.jobId} goes on in the next delivery`,
    );
}
