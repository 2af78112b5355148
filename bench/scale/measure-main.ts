/**
 * What one backup job costs in calls, counted on the embedded stack: one VM with two disks, first in full, then with nothing
 * changed. Prints JSON; bench/scale/measured.json is the output of a run, and the scale model reads it.
 *
 *     node dist/bench/scale/measure-main.js > bench/scale/measured.json
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ApiClient } from '../../local/demo/api-client';
import { sampleTenant } from '../../local/stack/settings';
import { type Stack, startStack } from '../../local/stack/stack';

const MIB = 1024 * 1024;
const DISK_BYTES = 128 * MIB;
const DATA_BYTES = 8 * MIB;
const JOB_MS_MAX = 180_000;
/** Polling is a matter of time, not of jobs: the model adds it. Here it happens once or twice. */
const POLL_MS = 2000;

interface Counts {
  readonly armReads: number;
  readonly armWrites: number;
  readonly armDeletes: number;
  readonly diskReads: number;
  readonly s3Reads: number;
  readonly s3Writes: number;
  readonly s3Lists: number;
  readonly stsCalls: number;
  readonly instances: number;
  readonly turns: number;
  readonly activities: number;
}

async function main(): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), 'blockferry-scale-'));
  let stack: Stack | undefined;
  try {
    stack = await startStack({
      state: state(folder),
      vms: [machine(folder)],
      settings: {
        BLOCKFERRY_POLL_MS: String(POLL_MS),
        BLOCKFERRY_SCHEDULE: '0 0 0 1 1 *',
        BLOCKFERRY_JANITOR_SCHEDULE: '0 0 0 1 1 *',
        BLOCKFERRY_KEEPER_SCHEDULE: '0 0 0 1 1 *',
        BLOCKFERRY_RETENTION_SCHEDULE: '0 0 0 1 1 *',
      },
    });
    const { url = '', functionKey = '', masterKey = '' } = stack.api ?? {};
    const api = new ApiClient(url, functionKey, masterKey);
    await api.putPolicy('scale', {
      include: { tags: [{ tag: 'backup', value: 'scale' }] },
      schedule: { cron: '0 0 0 1 1 *', timeZone: 'UTC' },
      retention: { keepLast: 30 },
    });
    const full = await counted(stack, url, masterKey, () => runOnce(api));
    const incremental = await counted(stack, url, masterKey, () => runOnce(api));
    process.stdout.write(
      `${JSON.stringify({ disks: 2, windowsPerDisk: 2, pollMs: POLL_MS, full, incremental }, null, 2)}\n`,
    );
  } finally {
    for (const leftover of (await stack?.stop()) ?? []) process.stderr.write(`${leftover}\n`);
    rmSync(folder, { recursive: true, force: true });
  }
}

function state(folder: string): string {
  const made = path.join(folder, 'state');
  mkdirSync(made);
  return made;
}

function machine(folder: string) {
  const disk = (name: string) => {
    const file = path.join(folder, `${name}.img`);
    writeFileSync(file, Buffer.concat([randomBytes(DATA_BYTES), Buffer.alloc(DISK_BYTES - DATA_BYTES)]));
    return { name, file };
  };
  return {
    subscription: sampleTenant.subscription,
    resourceGroup: 'rg-scale',
    name: 'scale',
    location: sampleTenant.regions[0],
    tags: { backup: 'scale' },
    osDisk: disk('scale-os'),
    dataDisks: [{ lun: 0, ...disk('scale-data0') }],
  };
}

async function runOnce(api: ApiClient): Promise<void> {
  const [id = ''] = await api.runPolicy('scale');
  for (const endsAt = Date.now() + JOB_MS_MAX; ; await sleep(500)) {
    const job = await api.job(id);
    if (job.status === 'succeeded') return;
    if (job.status !== 'running' || Date.now() > endsAt) throw new Error(`job ${id}: ${job.status}`);
  }
}

async function counted(stack: Stack, url: string, masterKey: string, action: () => Promise<void>): Promise<Counts> {
  const since = Date.now();
  const before = await durable(url, masterKey);
  await action();
  const after = await durable(url, masterKey);
  const reply = await fetch(`${stack.cloud.control}/log?since=${since}`);
  const { entries } = (await reply.json()) as { entries: { service: string; operation: string; method?: string }[] };
  const operations = entries.map(({ operation }) => operation);
  const count = (pattern: RegExp): number => operations.filter((operation) => pattern.test(operation)).length;
  return {
    armReads: count(/^arm\..*(get|list|status|operation)/i),
    armWrites: count(/^arm\..*(put|create|update|begin|end|access)/i),
    armDeletes: count(/^arm\..*delete/i),
    diskReads: count(/^disk\./),
    s3Reads: count(/^s3\.(get|head)/i),
    s3Writes: count(/^s3\.(put|delete|copy|create|complete|upload)/i),
    s3Lists: count(/^s3\.list/i),
    stsCalls: count(/^sts\./i),
    instances: after.instances - before.instances,
    turns: after.turns - before.turns,
    activities: after.activities - before.activities,
  };
}

/** Instances, orchestrator turns and activities that the durable store has seen in all. */
async function durable(url: string, masterKey: string) {
  const call = async (route: string): Promise<unknown> => {
    const reply = await fetch(`${url}/runtime/webhooks/durabletask/${route}`, {
      headers: { 'x-functions-key': masterKey },
    });
    return reply.json();
  };
  const instances = (await call('instances?top=1000')) as { readonly instanceId: string }[];
  let [turns, activities] = [0, 0];
  for (const { instanceId } of instances) {
    if (instanceId.startsWith('@')) continue;
    const status = (await call(`instances/${encodeURIComponent(instanceId)}?showHistory=true`)) as {
      readonly historyEvents?: readonly { readonly EventType: string }[];
    };
    for (const { EventType } of status.historyEvents ?? []) {
      if (EventType === 'TaskCompleted') activities++;
      if (/Completed$|TimerFired|EventRaised|ExecutionStarted/.test(EventType)) turns++;
    }
  }
  return { instances: instances.length, turns, activities };
}

main().catch((error: unknown) => {
  process.stderr.write(`scale: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
