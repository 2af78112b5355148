/** The control plane's ends of the queues: transfers out to a region. */
import { boundedMap } from '../base/bounded-map';
import type { TransferEvents } from '../dataproxy/ports';
import { transferEventQueueName, transferQueueName } from '../model/transfer';
import type { TransferQueue } from '../workflows/ports';
import { type QueueOptions, Queues } from './queue-client';

const SENDS_AT_A_TIME = 8;

export function createTransferQueue(options: QueueOptions): TransferQueue {
  const queues = new Queues(options);
  return {
    send: async (region, transfers) => {
      const queue = transferQueueName(region);
      await boundedMap(transfers, SENDS_AT_A_TIME, (transfer) => queues.send(queue, transfer));
    },
  };
}

/** What a data proxy tells the control plane. Best effort: the facts are in the store, so a failure is only counted. */
export function createTransferEvents(
  options: QueueOptions & { readonly onFailure?: (error: unknown) => void },
): TransferEvents {
  const queues = new Queues({ rule: { attemptsMax: 2, firstDelayMs: 200, delayMsMax: 1000 }, ...options });
  return {
    report: async (event) => {
      try {
        await queues.send(transferEventQueueName, event);
      } catch (error) {
        options.onFailure?.(error);
      }
    },
  };
}
