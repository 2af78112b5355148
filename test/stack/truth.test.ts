/**
 * The product's claims held against the simulator's own log: what is read, what is asked of S3, and that no secret of the run
 * lies anywhere it was not meant to be.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { limits } from '../../shared/model/limits';
import { onlySnapshots, startTrial, type Trial } from './harness';
import { changeImage, MIB } from './images';
import { type RecordingProxy, startRecordingProxy } from './recording-proxy';
import { type Canary, filesBelow, findSecrets } from './secrets';

const DISK_BYTES = 96 * MIB;
const BLOCK = limits.blockBytes;
let trial: Trial;
let identity: RecordingProxy;
let aws: RecordingProxy;

beforeAll(async () => {
  trial = await startTrial({
    // On a busy machine a slow window would be sent again, and read again: right, and not what is counted here.
    settings: { BLOCKFERRY_STALL_MS: '120000', BLOCKFERRY_LEASE_MS: '60000' },
    machines: [{ name: 'honest', disks: [{ lun: 'os', bytes: DISK_BYTES }] }],
    throughProxies: async (ports) => {
      identity = await startRecordingProxy(ports.identity, ({ url = '' }) => url.startsWith('/msi/token'));
      aws = await startRecordingProxy(
        ports.aws,
        ({ method, url = '' }) => method === 'POST' && url.split('?')[0] === '/',
      );
      return { IDENTITY_ENDPOINT: `${identity.origin}/msi/token`, AWS_ENDPOINT_URL: aws.origin };
    },
  });
}, 60_000);
afterAll(async () => {
  await trial.stop();
  await identity.close();
  await aws.close();
}, 30_000);

interface Requests {
  readonly diskReads: number;
  readonly diskReadBytes: number;
  readonly puts: number;
  readonly storedBytes: number;
  readonly gets: number;
  readonly heads: number;
  readonly lists: number;
}

async function requestsOf(work: () => Promise<unknown>): Promise<Requests> {
  await trial.cloud.clearLog();
  await work();
  const entries = await trial.cloud.log();
  const of = (operation: string) => entries.filter((entry) => entry.operation === operation);
  const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);
  return {
    diskReads: of('disk.read').length,
    diskReadBytes: sum(of('disk.read').map(({ responseBytes }) => responseBytes)),
    puts: of('s3.PutObject').length,
    storedBytes: sum(of('s3.PutObject').map(({ requestBytes }) => requestBytes)),
    gets: of('s3.GetObject').length,
    heads: of('s3.HeadObject').length,
    lists: of('s3.ListObjectsV2').length,
  };
}

/** What a job asks besides its blocks: footers and sessions, facts, leaves, roots, polling, a verified sample. */
const FIXED_GETS_MAX = 120;
const WINDOWS = Math.ceil(DISK_BYTES / (64 * MIB));
/** Two small reads an opening of the export: its first page and its footer. */
const OPENING_BYTES_MAX = 2 * 512;

test('a full backup reads what is allocated, once, and asks S3 for nothing block by block', async () => {
  const requests = await requestsOf(() => trial.backup('honest'));
  const blocks = DISK_BYTES / BLOCK;
  expect(requests.diskReadBytes).toBeLessThanOrEqual(DISK_BYTES + WINDOWS * OPENING_BYTES_MAX);
  expect(requests.diskReads).toBeLessThan(blocks / 5);
  expect(requests.heads).toBe(0);
  expect(requests.gets).toBeLessThan(FIXED_GETS_MAX);
  const stored = requests.storedBytes / 1024 ** 3;
  // Packs of 32 MiB: 32 PUTs a GiB, and a fixed handful a window and a job.
  expect(requests.puts).toBeLessThanOrEqual(Math.ceil(stored * 45) + WINDOWS * 6 + 10);
});

test('an incremental backup reads the changed blocks and the audit sample, no more', async () => {
  changeImage(trial.imageOf('honest', 'os'), 10 * MIB + 100, 300, 'one block');
  changeImage(trial.imageOf('honest', 'os'), 70 * MIB, 2 * MIB, 'thirty-two blocks');
  changeImage(trial.imageOf('honest', 'os'), 90 * MIB - 512, 1024, 'two blocks');
  await trial.cloud.importDisk(trial.diskId('honest', 'os'), trial.imageOf('honest', 'os'));
  const requests = await requestsOf(() => trial.backup('honest'));
  const changed = (1 + 32 + 2) * BLOCK;
  const audit = WINDOWS * limits.auditBlocksPerWindow * BLOCK;
  expect(requests.diskReadBytes).toBeLessThanOrEqual(changed + audit + WINDOWS * OPENING_BYTES_MAX);
  expect(requests.diskReadBytes).toBeGreaterThanOrEqual(changed);
  expect(requests.storedBytes).toBeLessThan(changed + MIB);
  expect(requests.heads).toBe(0);
  expect(requests.gets).toBeLessThan(FIXED_GETS_MAX);
});

test('an incremental backup of an unchanged disk stores next to nothing', async () => {
  const requests = await requestsOf(() => trial.backup('honest'));
  expect(requests.diskReadBytes).toBeLessThanOrEqual(
    WINDOWS * (limits.auditBlocksPerWindow * BLOCK + OPENING_BYTES_MAX),
  );
  expect(requests.storedBytes).toBeLessThan(256 * 1024);
});

test('no secret of the run is in a log, a history, a queue, a table, an object or a reply', async () => {
  await trial.cloud.faults([{ id: 'slow', operation: 'disk.*', action: { kind: 'delay', ms: 150 } }]);
  const accesses = new Map<string, string>();
  const jobId = await trial.startBackup('honest');
  while ((await trial.job(jobId)).status === 'running') {
    for (const { container, signature } of readAccesses(trial)) accesses.set(String(container), String(signature));
    await sleep(20);
  }
  await trial.cloud.clearFaults();
  await trial.succeeded(jobId);
  const [point] = await trial.points('honest');
  const restoreId = await trial.startRestore(point?.id ?? '', {
    kind: 'disk',
    resourceGroup: 'restored',
    namePrefix: 'secret',
  });
  await trial.succeeded(restoreId);
  expect(await trial.leftovers()).toEqual(onlySnapshots(1));

  const { layout, cloud } = trial.stack;
  const replies = path.join(trial.folder, 'replies');
  mkdirSync(replies);
  for (const [index, route] of [
    '/jobs',
    `/jobs/${jobId}`,
    `/jobs/${restoreId}`,
    '/vms',
    '/policies',
    '/restore-points',
  ].entries()) {
    writeFileSync(path.join(replies, String(index)), JSON.stringify((await trial.api('GET', route)).body));
  }
  const canaries: Canary[] = [
    ...[...accesses.values()].map((value, index) => ({ name: `SAS signature ${index}`, value })),
    ...tokensOf(identity),
    ...sessionsOf(aws),
    { name: 'identity header', value: cloud.identityHeader },
    ...(['hex', 'base64', 'base64url'] as const).map((form) => ({
      name: `tenant key as ${form}`,
      value: readFileSync(layout.keyFile).toString(form),
    })),
    ...(['functionKey', 'masterKey'] as const).map((name) => ({ name, value: trial.stack.api?.[name] ?? '' })),
  ];
  expect(accesses.size).toBeGreaterThan(0);
  for (const kind of ['token', 'session token', 'secret key']) {
    expect(canaries.filter(({ name }) => name.startsWith(kind)).length).toBeGreaterThan(0);
  }

  // The host's own key file is where its keys belong; the simulator's identity and ARM state hold what they gave out.
  const sinks = filesBelow([
    layout.logs,
    layout.proxies,
    layout.host,
    layout.azurite,
    replies,
    path.join(layout.cloud, 'aws'),
  ]);
  const found = findSecrets(canaries, sinks).filter((find) => !/Key in .*\/host\/keys\.json$/.test(find));
  expect(found).toEqual([]);
  // The search itself works: a job's id is in the history, and base64-coded in a queue.
  const control = findSecrets([{ name: 'job', value: jobId }], sinks);
  expect(control.some((find) => find.startsWith(`job in ${layout.host}`))).toBe(true);
  expect(control.some((find) => find.startsWith(`job in ${layout.azurite}`))).toBe(true);
}, 60_000);

function readAccesses({ stack }: Trial) {
  const database = new DatabaseSync(path.join(stack.layout.cloud, 'azure', 'azure.db'), { readOnly: true });
  try {
    return database.prepare('SELECT container, signature FROM accesses').all();
  } finally {
    database.close();
  }
}

/** Also each part of a JWT: a log that cuts a token in pieces has still logged it. */
function tokensOf({ replies }: RecordingProxy): Canary[] {
  return replies.flatMap((reply) => {
    const token = z.looseObject({ access_token: z.string() }).parse(JSON.parse(reply)).access_token;
    const [, claims = '', signature = ''] = token.split('.');
    return [
      { name: 'token claims', value: claims },
      { name: 'token signature', value: signature },
    ];
  });
}

function sessionsOf({ replies }: RecordingProxy): Canary[] {
  const all = (tag: string): string[] =>
    replies.flatMap((reply) =>
      [...reply.matchAll(new RegExp(`<${tag}>([^<]+)</${tag}>`, 'g'))].map((match) => match[1] ?? ''),
    );
  return [
    ...all('SessionToken').map((value) => ({ name: 'session token', value })),
    ...all('SecretAccessKey').map((value) => ({ name: 'secret key', value })),
  ];
}
