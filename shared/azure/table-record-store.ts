/**
 * `RecordStore` on one Azure table. Every write carries a nonce of its own: when a reply is lost and the repetition meets a
 * conflict, reading back tells whether it was our own earlier try that is there.
 */
import { randomUUID } from 'node:crypto';
import type { TableClient } from '@azure/data-tables';
import type { RecordStore, StoredRecord } from '../catalog/record-store';
import { AppError, isAppError } from '../model/errors';
import { BEHIND_ALL_KEYS, decodeKey, decodeValue, encodeKey, encodeValue } from './record-codec';
import {
  isLocalConnection,
  type StorageCall,
  type StorageCallOptions,
  type StorageConnection,
  storageCall,
} from './storage-call';

export interface TableRecordStoreOptions extends StorageCallOptions {
  readonly connection: StorageConnection;
  readonly table?: string;
}

const NOT_FOUND = { notFound: 'record.not-found', conflict: 'record.conflict' } as const;
const CONFLICT = { notFound: 'record.conflict', conflict: 'record.conflict' } as const;

export function createTableRecordStore(options: TableRecordStoreOptions): RecordStore {
  return new TableRecordStore(options);
}

class TableRecordStore implements RecordStore {
  private readonly call: StorageCall;
  private ready: Promise<TableClient> | undefined;

  constructor(private readonly options: TableRecordStoreOptions) {
    this.call = storageCall(options);
  }

  async read(partition: string, id: string): Promise<StoredRecord | undefined> {
    const entity = await this.find(partition, id);
    return entity ? { partition, id, value: decodeValue(entity), etag: etagOf(entity) } : undefined;
  }

  async create(partition: string, id: string, value: unknown): Promise<string> {
    return this.write(`creating record ${partition}/${id}`, partition, id, value, (client, entity, abortSignal) =>
      client.createEntity(entity, { abortSignal }),
    );
  }

  async update(partition: string, id: string, value: unknown, etag: string): Promise<string> {
    return this.write(`updating record ${partition}/${id}`, partition, id, value, (client, entity, abortSignal) =>
      client.updateEntity(entity, 'Replace', { etag, abortSignal }),
    );
  }

  async put(partition: string, id: string, value: unknown): Promise<void> {
    await this.write(`writing record ${partition}/${id}`, partition, id, value, (client, entity, abortSignal) =>
      client.upsertEntity(entity, 'Replace', { abortSignal }),
    );
  }

  async remove(partition: string, id: string, etag?: string): Promise<void> {
    const client = await this.client();
    const what = `removing record ${partition}/${id}`;
    try {
      await this.call({ what, meaning: NOT_FOUND }, (abortSignal) =>
        client.deleteEntity(encodeKey(partition), encodeKey(id), { etag: etag ?? '*', abortSignal }),
      );
    } catch (error) {
      if (!isAppError(error, 'record.not-found')) throw error;
    }
  }

  async *list(partition: string, idPrefix = ''): AsyncIterable<StoredRecord> {
    const client = await this.client();
    const from = encodeKey(idPrefix);
    const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;
    const filter =
      `PartitionKey eq ${quoted(encodeKey(partition))}` +
      ` and RowKey ge ${quoted(from)} and RowKey lt ${quoted(from + BEHIND_ALL_KEYS)}`;
    let continuationToken: string | undefined;
    do {
      const page = await this.call({ what: `listing records of ${partition}` }, async (abortSignal) => {
        const entities = client.listEntities({ queryOptions: { filter }, abortSignal });
        const pages = entities.byPage(continuationToken === undefined ? {} : { continuationToken });
        const step = await pages.next();
        return step.done ? undefined : { entities: [...step.value], next: step.value.continuationToken };
      });
      for (const entity of page?.entities ?? []) {
        const id = decodeKey(entity.rowKey ?? '');
        yield { partition, id, value: decodeValue(entity), etag: etagOf(entity) };
      }
      continuationToken = page?.next || undefined;
    } while (continuationToken !== undefined);
  }

  private async write(
    what: string,
    partition: string,
    id: string,
    value: unknown,
    send: (client: TableClient, entity: Entity, abortSignal: AbortSignal) => Promise<{ readonly etag?: string }>,
  ): Promise<string> {
    const client = await this.client();
    const nonce = randomUUID();
    const entity: Entity = {
      partitionKey: encodeKey(partition),
      rowKey: encodeKey(id),
      nonce,
      ...encodeValue(value),
    };
    let attempts = 0;
    try {
      const reply = await this.call({ what, meaning: CONFLICT }, (abortSignal, attempt) => {
        attempts = attempt;
        return send(client, entity, abortSignal);
      });
      if (!reply.etag) throw new AppError('cloud.unavailable', `${what}: an answer without etag`, { retryable: true });
      return reply.etag;
    } catch (error) {
      if (!isAppError(error, 'record.conflict') || attempts === 1) throw error;
      const present = await this.find(partition, id);
      if (present?.['nonce'] === nonce) return etagOf(present);
      throw error;
    }
  }

  private async find(partition: string, id: string): Promise<Readonly<Record<string, unknown>> | undefined> {
    const client = await this.client();
    try {
      const request = { what: `reading record ${partition}/${id}`, meaning: NOT_FOUND };
      return await this.call(request, (abortSignal) =>
        client.getEntity<Record<string, unknown>>(encodeKey(partition), encodeKey(id), { abortSignal }),
      );
    } catch (error) {
      if (isAppError(error, 'record.not-found')) return undefined;
      throw error;
    }
  }

  private client(): Promise<TableClient> {
    this.ready ??= this.open().catch((error: unknown) => {
      this.ready = undefined;
      throw error;
    });
    return this.ready;
  }

  private async open(): Promise<TableClient> {
    const sdk = require('@azure/data-tables') as typeof import('@azure/data-tables'); // 0.3 s: only when used
    const { connection, table = 'blockferry' } = this.options;
    const retryOptions = { maxRetries: 0 }; // repeated by StorageCall
    const client =
      'connectionString' in connection
        ? sdk.TableClient.fromConnectionString(connection.connectionString, table, {
            retryOptions,
            allowInsecureConnection: isLocalConnection(connection.connectionString),
          })
        : new sdk.TableClient(connection.endpoint, table, connection.credential, { retryOptions });
    await this.call({ what: `making table ${table}` }, (abortSignal) => client.createTable({ abortSignal }));
    return client;
  }
}

interface Entity {
  readonly partitionKey: string;
  readonly rowKey: string;
  readonly nonce: string;
  readonly [part: string]: string | Uint8Array;
}

function etagOf(entity: Readonly<Record<string, unknown>>): string {
  const etag = entity['etag'];
  if (typeof etag === 'string' && etag !== '') return etag;
  throw new AppError('cloud.unavailable', 'a table entity came without etag', { retryable: true });
}
