import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { QueueServiceClient } from '@azure/storage-queue';
import fc from 'fast-check';
import { decodeKey, decodeValue, encodeKey, encodeValue } from '../../shared/azure/record-codec';
import { createTableRecordStore } from '../../shared/azure/table-record-store';
import { createTransferEvents, createTransferQueue } from '../../shared/azure/transfer-queue';
import { createTransferSource } from '../../shared/azure/transfer-source';
import type { RecordStore } from '../../shared/catalog/record-store';
import { emptyStats, type Transfer, transferEventQueueName } from '../../shared/model/transfer';
import { recordStoreContract } from '../contract/record-store';
import { type RunningAzurite, startAzurite } from '../helpers/azurite';

const never = new AbortController().signal;
const rule = { attemptsMax: 2, firstDelayMs: 1, delayMsMax: 1 };

const transfer = (index: number): Transfer => ({
  kind: 'backup',
  version: 1,
  tenant: 'acme',
  region: 'westeurope',
  jobId: 'job-1',
  vmKey: '0123456789abcdef',
  lun: 'os',
  diskBytes: 1024,
  window: { index, start: 0, end: 1024 },
  snapshotId: 'snapshot',
});

describe('storage queues and tables', () => {
  let directory: string;
  let azurite: RunningAzurite;
  let service: QueueServiceClient;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'blockferry-storage-'));
    azurite = await startAzurite(directory);
    service = QueueServiceClient.fromConnectionString(azurite.connectionString);
  }, 40_000);
  afterAll(async () => {
    await azurite.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  const connection = () => ({ connectionString: azurite.connectionString });
  const source = (region: string) => createTransferSource({ connection: connection(), region, pollMs: 1 });
  const raw = (name: string) => service.getQueueClient(name);
  const texts = async (name: string): Promise<string[]> => {
    const { peekedMessageItems } = await raw(name).peekMessages({ numberOfMessages: 32 });
    return peekedMessageItems.map(({ messageText }) => Buffer.from(messageText, 'base64').toString('utf8'));
  };

  describe('transfers', () => {
    test('arrive whole, base64 as the queue trigger expects, in a queue made on the way', async () => {
      await createTransferQueue({ connection: connection() }).send('regiona', [transfer(0), transfer(1)]);
      expect((await texts('transfers-regiona')).map((text) => JSON.parse(text))).toEqual(
        expect.arrayContaining([transfer(0), transfer(1)]),
      );
      const delivery = await source('regiona').receive(never);
      expect(delivery?.transfer).toMatchObject({ jobId: 'job-1' });
      expect(delivery?.deliveries).toBe(1);
    });

    test('an empty queue gives nothing, and an aborted wait ends', async () => {
      expect(await source('empty').receive(never)).toBeUndefined();
      const slow = createTransferSource({ connection: connection(), region: 'empty', pollMs: 60_000 });
      const stop = new AbortController();
      const waiting = slow.receive(stop.signal);
      setTimeout(() => stop.abort(new Error('stop')), 100);
      await expect(waiting).rejects.toThrow('stop');
    });

    test('a message is renewed many times, then removed with the newest receipt', async () => {
      await createTransferQueue({ connection: connection() }).send('renewed', [transfer(0)]);
      const delivery = await source('renewed').receive(never);
      const renewals = await Promise.all([delivery?.renew(), delivery?.renew(), delivery?.renew()]);
      expect(renewals).toEqual([true, true, true]);
      expect(await source('renewed').receive(never)).toBeUndefined();
      await delivery?.done();
      expect((await raw('transfers-renewed').getProperties()).approximateMessagesCount).toBe(0);
    });

    test('a released message comes again, counted', async () => {
      await createTransferQueue({ connection: connection() }).send('released', [transfer(0)]);
      await (await source('released').receive(never))?.release(0);
      expect((await source('released').receive(never))?.deliveries).toBe(2);
    });

    test('a lost lease is told, and the loser neither removes nor hides the message', async () => {
      await createTransferQueue({ connection: connection() }).send('lost', [transfer(0)]);
      const loser = await source('lost').receive(never);
      await loser?.release(0);
      const winner = await source('lost').receive(never);
      expect(winner).toBeDefined();
      const late = await source('lost').receive(never);
      expect(late).toBeUndefined();
      await winner?.done();
      expect(await winner?.renew()).toBe(false);
      expect(await loser?.renew()).toBe(false);
      await loser?.done();
    });

    test('what is no transfer is delivered as such and moves to the poison queue as it was', async () => {
      const odd = [
        'no json',
        '{}',
        JSON.stringify({ ...transfer(0), version: 2 }),
        JSON.stringify({ ...transfer(0), sas: 'x' }),
      ];
      await raw('transfers-odd').create();
      for (const text of odd) await raw('transfers-odd').sendMessage(Buffer.from(text).toString('base64'));
      for (const _one of odd) {
        const delivery = await source('odd').receive(never);
        expect(delivery?.transfer).toBeUndefined();
        await delivery?.poison('not a transfer');
      }
      expect((await texts('transfers-odd-poison')).sort()).toEqual([...odd].sort());
      expect(await source('odd').receive(never)).toBeUndefined();
    });

    test('a queue that somebody removed is made again', async () => {
      const queue = createTransferQueue({ connection: connection() });
      await queue.send('removed', [transfer(0)]);
      await raw('transfers-removed').delete();
      await queue.send('removed', [transfer(1)]);
      expect(await texts('transfers-removed')).toHaveLength(1);
    });

    test('events are sent, and a failure to send one is only counted', async () => {
      const event = { kind: 'finished', jobId: 'job-1', lun: 'os', windowIndex: 0, stats: emptyStats, at: 1 } as const;
      await createTransferEvents({ connection: connection() }).report(event);
      expect((await texts(transferEventQueueName)).map((text) => JSON.parse(text))).toEqual([event]);
      const dead = { connectionString: azurite.connectionString.replace(/127\.0\.0\.1:\d+/g, '127.0.0.1:1') };
      const failures: unknown[] = [];
      await createTransferEvents({ connection: dead, rule, onFailure: (error) => failures.push(error) }).report(event);
      expect(failures).toEqual([expect.objectContaining({ code: 'cloud.unavailable', retryable: true })]);
      expect(inspect(failures, { depth: 10, showHidden: true })).not.toMatch(/SharedKey|AccountKey|Eby8/);
    });

    test('a message that is too long is refused by us, not by the queue', async () => {
      const queue = createTransferQueue({ connection: connection() });
      const long = queue.send('toolong', [{ ...transfer(0), snapshotId: 'x'.repeat(60_000) } as Transfer]);
      await expect(long).rejects.toMatchObject({ code: 'request.invalid' });
    });
  });

  describe('records', () => {
    const make = async (): Promise<RecordStore> => createTableRecordStore({ connection: connection() });

    recordStoreContract(make);

    test('long values, odd ids and quotes come back as they went', async () => {
      const store = await make();
      const value = {
        text: `${'ä€𝄞'.repeat(50_000)}${'𝄞'.repeat(50_000)}`,
        quote: "it's",
        nested: [null, 1, { deep: true }],
      };
      const id = "a/b\\c#d?e'f$g.h>i[j";
      await store.create("odd 'partition'/x", id, value);
      const back = (await store.read("odd 'partition'/x", id))?.value;
      expect(JSON.stringify(back) === JSON.stringify(value)).toBe(true); // a difference would print megabytes
      const found: string[] = [];
      for await (const record of store.list("odd 'partition'/x", "a/b\\c#d?e'")) found.push(record.id);
      expect(found).toEqual([id]);
    });

    test('a list has every page, in the order of the ids', async () => {
      const store = await make();
      const ids = Array.from({ length: 1100 }, (_, index) => `r/${String(index).padStart(5, '0')}`);
      for (let start = 0; start < ids.length; start += 100) {
        await Promise.all(ids.slice(start, start + 100).map((id) => store.put('paged', id, { id })));
      }
      const found: string[] = [];
      for await (const record of store.list('paged', 'r/')) found.push(record.id);
      expect(found).toEqual(ids);
    });

    test('a value that no entity can hold is refused', async () => {
      const store = await make();
      const create = store.create('large', 'one', 'x'.repeat(1_100_000));
      await expect(create).rejects.toMatchObject({ code: 'request.invalid' });
    });

    test('a store that is away is a retryable error without secrets', async () => {
      const connectionString = azurite.connectionString.replace(/127\.0\.0\.1:\d+/g, '127.0.0.1:1');
      const store = createTableRecordStore({ connection: { connectionString }, rule });
      const error = await store.read('a', 'b').catch((reason: unknown) => reason);
      expect(error).toMatchObject({ code: 'cloud.unavailable', retryable: true });
      expect(inspect(error, { depth: 10, showHidden: true })).not.toMatch(/SharedKey|AccountKey|Eby8/);
    });
  });
});

describe('record codec', () => {
  const keys = fc.string({
    maxLength: 60,
    unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)),
  });

  test('keys come back, sort as the ids do, and keep their prefixes', () => {
    fc.assert(
      fc.property(keys, keys, (a, b) => {
        expect(decodeKey(encodeKey(a))).toBe(a);
        expect(encodeKey(a)).not.toMatch(/[/\\#?]/);
        expect(encodeKey(a) < encodeKey(b)).toBe(a < b);
        expect(encodeKey(a + b).startsWith(encodeKey(a))).toBe(true);
      }),
      { numRuns: 3000 },
    );
  });

  test('keys that tables cannot hold are refused', () => {
    for (const key of ['tab\t', 'ä', 'x'.repeat(201)]) expect(() => encodeKey(key)).toThrow('record key');
  });

  test('values come back whatever their length', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.nat(100_000), (value, length) => {
        const wrapped = { value, padding: 'x'.repeat(length) };
        expect(decodeValue(encodeValue(wrapped))).toEqual(JSON.parse(JSON.stringify(wrapped)));
      }),
      { numRuns: 200 },
    );
  });
});
