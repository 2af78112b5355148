/**
 * The data proxy's own queue loop, for hosts other than a queue trigger: one message at a time, kept invisible while it is
 * worked on. Each renewal gives a *new* pop receipt, and only the newest counts: the calls of one delivery are queued up.
 */
import type { QueueClient } from '@azure/storage-queue';
import { type Clock, systemClock } from '../base/clock';
import { type Logger, silentLogger } from '../base/logger';
import type { TransferDelivery, TransferSource } from '../dataproxy/ports';
import { AppError } from '../model/errors';
import { type Transfer, transferQueueName, transferSchema } from '../model/transfer';
import { MISSING, type QueueOptions, Queues } from './queue-client';

export interface TransferSourceOptions extends QueueOptions {
  readonly region: string;
  /** How long a message stays invisible unless renewed; renew every third of it. */
  readonly leaseMs?: number;
  /** Pause after an empty receive. */
  readonly pollMs?: number;
  readonly logger?: Logger;
}

export const transferLeaseMsDefault = 60_000;

export function createTransferSource(options: TransferSourceOptions): TransferSource {
  const { region, pollMs = 1000, logger = silentLogger } = options;
  const queues = new Queues(options);
  const clock: Clock = options.clock ?? systemClock;
  const name = transferQueueName(region);
  const visibilityTimeout = Math.max(1, Math.round((options.leaseMs ?? transferLeaseMsDefault) / 1000));
  return {
    receive: async (signal) => {
      const delivery = await queues.withQueue(name, async (client) => {
        const what = `receiving from queue ${name}`;
        const reply = await queues.call({ what, meaning: MISSING, signal }, (abortSignal) =>
          client.receiveMessages({ numberOfMessages: 1, visibilityTimeout, abortSignal }),
        );
        const message = reply.receivedMessageItems[0];
        return message ? new Delivery(queues, client, message, { name, visibilityTimeout, logger }) : undefined;
      });
      if (!delivery) await clock.sleep(pollMs, signal);
      return delivery;
    },
  };
}

interface QueueMessage {
  readonly messageId: string;
  readonly popReceipt: string;
  readonly messageText: string;
  readonly dequeueCount: number;
}

interface DeliverySettings {
  readonly name: string;
  readonly visibilityTimeout: number;
  readonly logger: Logger;
}

class Delivery implements TransferDelivery {
  readonly transfer: Transfer | undefined;
  readonly deliveries: number;
  private popReceipt: string;
  private last: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly queues: Queues,
    private readonly client: QueueClient,
    private readonly message: QueueMessage,
    private readonly settings: DeliverySettings,
  ) {
    this.transfer = parseTransfer(message.messageText);
    this.deliveries = message.dequeueCount;
    this.popReceipt = message.popReceipt;
  }

  renew(): Promise<boolean> {
    return this.inTurn(() => this.hide(this.settings.visibilityTimeout));
  }

  done(): Promise<void> {
    return this.inTurn(async () => {
      await this.remove();
    });
  }

  release(delayMs: number): Promise<void> {
    return this.inTurn(async () => {
      await this.hide(Math.round(delayMs / 1000));
    });
  }

  /** Copied first: a crash between the two steps leaves the message twice, never lost. */
  poison(reason: string): Promise<void> {
    const { name, logger } = this.settings;
    return this.inTurn(async () => {
      await this.queues.sendText(`${name}-poison`, this.message.messageText);
      await this.remove();
      logger.error('message moved to the poison queue', { queue: name, messageId: this.message.messageId, reason });
    });
  }

  private async hide(seconds: number): Promise<boolean> {
    const { messageId, messageText } = this.message;
    return this.whileOurs('keeping a message', async (abortSignal) => {
      const reply = await this.client.updateMessage(messageId, this.popReceipt, messageText, seconds, { abortSignal });
      if (reply.popReceipt) this.popReceipt = reply.popReceipt;
    });
  }

  private async remove(): Promise<boolean> {
    return this.whileOurs('removing a message', async (abortSignal) => {
      await this.client.deleteMessage(this.message.messageId, this.popReceipt, { abortSignal });
    });
  }

  /** False when the message is somebody else's by now. */
  private async whileOurs(what: string, run: (abortSignal: AbortSignal) => Promise<void>): Promise<boolean> {
    try {
      await this.queues.call({ what: `${what} of queue ${this.settings.name}`, meaning: MISSING }, run);
      return true;
    } catch (error) {
      if (error instanceof AppError && isLost(error)) return false;
      throw error;
    }
  }

  private inTurn<Result>(run: () => Promise<Result>): Promise<Result> {
    const turn = this.last.then(run, run);
    this.last = turn.catch(() => undefined);
    return turn;
  }
}

const isLost = (error: AppError): boolean =>
  error.code === 'record.not-found' || error.context['serviceCode'] === 'PopReceiptMismatch';

/** undefined for whatever is not a Transfer of this version. */
export function parseTransfer(text: string): Transfer | undefined {
  try {
    const parsed = transferSchema.safeParse(JSON.parse(Buffer.from(text, 'base64').toString('utf8')));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined; // not JSON: a poison message, which the caller moves aside
  }
}
