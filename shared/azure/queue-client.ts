/** Storage queues by name, made when missing. Texts are base64, as the Functions queue trigger expects by default. */
import type { QueueClient, QueueServiceClient } from '@azure/storage-queue';
import { AppError, isAppError } from '../model/errors';
import { limits } from '../model/limits';
import { type StorageCall, type StorageCallOptions, type StorageConnection, storageCall } from './storage-call';

export interface QueueOptions extends StorageCallOptions {
  readonly connection: StorageConnection;
}

/** Never expires: an unread transfer is found by the job's watchdog, not by the queue's seven days. */
const TIME_TO_LIVE_SECONDS = -1;

export class Queues {
  readonly call: StorageCall;
  private service: QueueServiceClient | undefined;
  private readonly known = new Map<string, Promise<QueueClient>>();

  constructor(private readonly options: QueueOptions) {
    this.call = storageCall(options);
  }

  async send(queue: string, value: unknown, signal?: AbortSignal): Promise<void> {
    const json = Buffer.from(JSON.stringify(value));
    if (json.length > limits.queueMessageBytesMax) {
      throw new AppError('request.invalid', `a message of ${json.length} bytes is too long for queue ${queue}`);
    }
    await this.sendText(queue, json.toString('base64'), signal);
  }

  async sendText(queue: string, text: string, signal?: AbortSignal): Promise<void> {
    await this.withQueue(queue, (client) =>
      this.call({ what: `sending to queue ${queue}`, meaning: MISSING, signal }, (abortSignal) =>
        client.sendMessage(text, { abortSignal, messageTimeToLive: TIME_TO_LIVE_SECONDS }),
      ),
    );
  }

  /** Runs with the queue's client; a queue that somebody removed is made again once. */
  async withQueue<Result>(queue: string, run: (client: QueueClient) => Promise<Result>): Promise<Result> {
    try {
      return await run(await this.queue(queue));
    } catch (error) {
      if (!isAppError(error, 'record.not-found')) throw error;
      this.known.delete(queue);
      return run(await this.queue(queue));
    }
  }

  private queue(name: string): Promise<QueueClient> {
    const known = this.known.get(name);
    if (known) return known;
    const making = this.make(name).catch((error: unknown) => {
      this.known.delete(name);
      throw error;
    });
    this.known.set(name, making);
    return making;
  }

  private async make(name: string): Promise<QueueClient> {
    this.service ??= this.createService();
    const client = this.service.getQueueClient(name);
    await this.call({ what: `making queue ${name}` }, (abortSignal) => client.createIfNotExists({ abortSignal }));
    return client;
  }

  private createService(): QueueServiceClient {
    const sdk = require('@azure/storage-queue') as typeof import('@azure/storage-queue'); // 0.3 s: only when used
    const { connection } = this.options;
    const pipeline = { retryOptions: { maxTries: 1 } }; // repeated by StorageCall
    return 'connectionString' in connection
      ? sdk.QueueServiceClient.fromConnectionString(connection.connectionString, pipeline)
      : new sdk.QueueServiceClient(connection.endpoint, connection.credential, pipeline);
  }
}

/** 404 of a queue operation: the queue, or a message of it, is not there. */
export const MISSING = { notFound: 'record.not-found' } as const;
