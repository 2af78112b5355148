/**
 * A storage queue trigger: receive, run, delete; or make visible again, and after too many tries move to the poison
 * queue. The lease of a message is renewed while its function runs.
 *
 * Unlike Azure's host, which takes messages for ten minutes, the lease is short: a killed host should not hold work
 * back for long on a developer's machine.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { DequeuedMessageItem, QueueClient } from '@azure/storage-queue';
import type { KnownFunction } from '../function-table';
import type { QueueConfig } from '../host-json';
import { type Log, messageOf } from '../log';
import type { TypedData } from '../protocol';
import type { QueueLeaseStore } from './lease-store';
import { decodeMessage } from './output';

export interface QueueTriggerOptions {
  readonly known: KnownFunction;
  readonly queue: string;
  readonly client: QueueClient;
  readonly poisonClient: QueueClient;
  readonly leases: QueueLeaseStore;
  readonly config: QueueConfig;
  /** Runs the function; rejects when it fails. */
  readonly run: (known: KnownFunction, text: string, metadata: Readonly<Record<string, TypedData>>) => Promise<void>;
  readonly log: Log;
}

const LEASE_SECONDS = 60;
const RENEW_MS = (LEASE_SECONDS * 1000) / 3;
const POLL_MS_MIN = 100;

export class QueueTrigger {
  readonly #options: QueueTriggerOptions;
  readonly #stopping = new AbortController();
  #running = 0;

  constructor(options: QueueTriggerOptions) {
    this.#options = options;
  }

  start(): void {
    void this.#poll();
  }

  /** Stops receiving; what runs is left to the leases. */
  stop(): void {
    this.#stopping.abort();
  }

  async #poll(): Promise<void> {
    const { client, config, leases } = this.#options;
    const { signal } = this.#stopping;
    await leases.releaseLeftOver(client);
    let pauseMs = POLL_MS_MIN;
    while (!signal.aborted) {
      // As the real host: a full batch at first, then another one when few enough are left.
      const wanted = this.#running <= config.newBatchThreshold ? config.batchSize : 0;
      const received = wanted === 0 ? 0 : await this.#receive(wanted);
      pauseMs = received > 0 ? POLL_MS_MIN : Math.min(pauseMs * 2, config.maxPollingIntervalMs);
      if (received === 0 || this.#running > config.newBatchThreshold) {
        await sleep(wanted === 0 ? POLL_MS_MIN : pauseMs, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  /** Takes messages and starts their functions. A queue that does not exist yet, or storage that is away, is just empty. */
  async #receive(wanted: number): Promise<number> {
    const { client, leases, log, queue } = this.#options;
    try {
      const options = {
        numberOfMessages: wanted,
        visibilityTimeout: LEASE_SECONDS,
        abortSignal: this.#stopping.signal,
      };
      const { receivedMessageItems } = await client.receiveMessages(options);
      for (const message of receivedMessageItems) {
        leases.hold(message.messageId, message.popReceipt);
        this.#running += 1;
        void this.#handle(message);
      }
      return receivedMessageItems.length;
    } catch (error) {
      const isExpected = this.#stopping.signal.aborted || (error as { statusCode?: number }).statusCode === 404;
      if (!isExpected) {
        log({ level: 'warning', category: 'host.queue', message: `Cannot receive from ${queue}: ${messageOf(error)}` });
      }
      return 0;
    }
  }

  async #handle(message: DequeuedMessageItem): Promise<void> {
    const { client, config, known, leases, log } = this.#options;
    const lease = new MessageLease(client, message, leases);
    try {
      const text = decodeMessage(message.messageText, config.encoding);
      const failure = text === undefined ? 'the message is not base64' : await this.#run(text, message);
      if (this.#stopping.signal.aborted && failure !== undefined) {
        return;
      }
      await lease.stop();
      if (failure === undefined) {
        await client.deleteMessage(message.messageId, lease.popReceipt);
      } else if (text === undefined || message.dequeueCount >= config.maxDequeueCount) {
        await this.#toPoison(message, lease.popReceipt, failure);
      } else {
        const seconds = Math.ceil(config.visibilityTimeoutMs / 1000);
        await client.updateMessage(message.messageId, lease.popReceipt, message.messageText, seconds);
      }
      leases.drop(message.messageId);
    } catch (error) {
      // The message comes back when its lease ends.
      const text = `Message ${message.messageId} could not be settled: ${messageOf(error)}`;
      log({ level: 'warning', category: 'host.queue', message: text, functionName: known.info.name });
    } finally {
      await lease.stop();
      this.#running -= 1;
    }
  }

  /** The reason of a failure, or undefined. */
  async #run(text: string, message: DequeuedMessageItem): Promise<string | undefined> {
    const { known, log, queue, run } = this.#options;
    try {
      await run(known, text, metadataOf(message, queue));
      return undefined;
    } catch (error) {
      const reason = messageOf(error);
      log({ level: 'error', category: 'host.queue', message: reason, functionName: known.info.name });
      return reason;
    }
  }

  async #toPoison(message: DequeuedMessageItem, popReceipt: string, reason: string): Promise<void> {
    const { client, poisonClient, known, log, queue } = this.#options;
    await poisonClient.createIfNotExists();
    await poisonClient.sendMessage(message.messageText, { messageTimeToLive: -1 });
    await client.deleteMessage(message.messageId, popReceipt);
    const text = `Message ${message.messageId} moved to ${queue}-poison after ${message.dequeueCount} tries: ${reason}`;
    log({ level: 'warning', category: 'host.queue', message: text, functionName: known.info.name });
  }
}

/** Keeps a message invisible. Each renewal gives a new receipt, which the next call has to use. */
class MessageLease {
  popReceipt: string;
  readonly #timer: NodeJS.Timeout;
  #renewal: Promise<void> = Promise.resolve();

  constructor(client: QueueClient, message: DequeuedMessageItem, leases: QueueLeaseStore) {
    this.popReceipt = message.popReceipt;
    const renew = async (): Promise<void> => {
      const { messageId, messageText } = message;
      const answer = await client.updateMessage(messageId, this.popReceipt, messageText, LEASE_SECONDS);
      this.popReceipt = answer.popReceipt ?? this.popReceipt;
      leases.hold(messageId, this.popReceipt);
    };
    this.#timer = setInterval(() => {
      // A failed renewal is tried again at the next tick, well before the lease ends.
      this.#renewal = this.#renewal.then(renew).catch(() => undefined);
    }, RENEW_MS);
  }

  /** After it the receipt does not change any more. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#renewal;
  }
}

function metadataOf(message: DequeuedMessageItem, queue: string): Readonly<Record<string, TypedData>> {
  return {
    QueueTrigger: { string: queue },
    Id: { string: message.messageId },
    PopReceipt: { string: message.popReceipt },
    DequeueCount: { int: message.dequeueCount },
    InsertionTime: { json: JSON.stringify(message.insertedOn) },
    ExpirationTime: { json: JSON.stringify(message.expiresOn) },
    NextVisibleTime: { json: JSON.stringify(message.nextVisibleOn) },
  };
}
