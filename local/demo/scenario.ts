/**
 * The whole mission, through the product's own entrances:
 *
 *  1. a policy by tag; the timer finds it due and starts a full backup of every VM
 *  2. files change inside the images
 *  3. the policy is run by hand: an incremental backup
 *  4. one VM and its disks are deleted
 *  5. its newest restore point becomes image files and new managed disks
 *  6. both are compared with what was there; nothing may be left over
 */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SampleFileSystem } from '../images/file-system';
import { SAMPLE_TAG } from '../images/sample-machines';
import type { Stack } from '../stack/stack';
import type { JobView } from './api-client';
import { type Comparison, compareDisk } from './compare';
import { formatBytes } from './format';
import { findLeftovers } from './leftovers';
import { ageMachine, type DemoDisk, type DemoMachine, diskIdOf } from './machines';
import type { DemoResult, RoundResult } from './summary';
import { awaitStarted, type Watching, watchJobs } from './watch';

export interface Scenario extends Watching {
  readonly stack: Stack;
  readonly fileSystem: SampleFileSystem;
  readonly machines: readonly DemoMachine[];
  readonly startedAt: number;
}

const POLICY = 'gold';
/** More than a second, as slots are whole seconds. */
const SLOT_MS = 1500;
const LEFTOVER_WAIT_MS = 30_000;

export async function runScenario(scenario: Scenario): Promise<DemoResult> {
  const { stack, api, cloud, chaos, reporter, fileSystem } = scenario;
  const rounds: RoundResult[] = [];

  reporter.step('Full backup: the timer finds the policy due');
  const vms = await api.vms();
  reporter.note(`${vms.length} VMs found: ${vms.map((vm) => `${vm.name} (${vm.region})`).join(', ')}`);
  // A policy is not due for slots before it was made: this one is due in a moment.
  const slot = new Date(Date.now() + SLOT_MS);
  await api.putPolicy(POLICY, {
    include: { tags: [{ tag: SAMPLE_TAG.name, value: SAMPLE_TAG.value }] },
    schedule: { cron: dueAt(slot), timeZone: 'UTC' },
    retention: { keepLast: 30 },
  });
  rounds.push(
    await round(scenario, 'full backup', async () => {
      await sleep(Math.max(0, slot.getTime() - Date.now()), undefined, { signal: scenario.signal });
      await api.runTimer('scheduler');
      return awaitStarted(scenario, scenario.machines.length, new Set());
    }),
  );

  reporter.step('Files change inside the images');
  const machines: DemoMachine[] = [];
  let changedInImagesBytes = 0;
  for (const machine of scenario.machines) {
    const aged = await ageMachine(fileSystem, machine, '1');
    machines.push(aged);
    for (const disk of aged.disks) {
      const { changedBytes, clearedBytes } = await cloud.importDisk(diskIdOf(aged, disk), disk.image);
      changedInImagesBytes += changedBytes + clearedBytes;
    }
  }
  reporter.note(`${formatBytes(changedInImagesBytes)} changed`);

  reporter.step('Incremental backup: the policy is run by hand');
  rounds.push(await round(scenario, 'incremental', () => api.runPolicy(POLICY)));

  const lost = machines.at(-1);
  if (!lost) throw new Error('the demo has no machine');
  reporter.step(`${lost.name} is lost: VM and disks are deleted`);
  const vmId = vms.find((vm) => vm.name === lost.name)?.id ?? '';
  await cloud.deleteMachine(
    vmId,
    lost.disks.map((disk) => diskIdOf(lost, disk)),
  );
  const points = await api.points(vmId);
  const [newest] = points;
  const first = points.at(-1);
  if (!newest || !first || points.length !== 2)
    throw new Error(`${lost.name} has ${points.length} restore points, not 2`);

  reporter.step(`${lost.name} comes back: as image files and as new managed disks`);
  const fromUser = lost.disks.some((disk) => disk.userDisk !== undefined);
  const restored = await round(scenario, 'restore', () =>
    Promise.all([
      api.restore(newest.id, { kind: 'image' }),
      api.restore(newest.id, { kind: 'disk', resourceGroup: 'restored', namePrefix: 'again-' }),
      // The user's own file is what the first backup saw; the second one saw the demo's changes.
      ...(fromUser ? [api.restore(first.id, { kind: 'image' })] : []),
    ]),
  );
  rounds.push(restored);

  reporter.step('Comparing what came back with what was there');
  const [asImages, asDisks, firstPoint] = restored.jobs;
  const comparisons = [
    ...(await compareImages(scenario, lost, asImages, 'image file')),
    ...(await compareImages(scenario, lost, firstPoint, 'first point')),
    ...(await compareManaged(scenario, lost, asDisks)),
  ];
  const leftovers = await findLeftovers(stack, cloud, LEFTOVER_WAIT_MS);
  await cloud.countRequests('last');
  return {
    rounds,
    comparisons,
    changedInImagesBytes,
    leftovers,
    s3Requests: cloud.counted().s3Requests,
    killed: chaos.killed,
    notKilled: chaos.left,
    totalMs: Date.now() - scenario.startedAt,
  };
}

async function round(scenario: Scenario, name: string, start: () => Promise<readonly string[]>): Promise<RoundResult> {
  const { cloud } = scenario;
  await cloud.countRequests('last');
  const before = cloud.counted().diskReadBytes;
  const startedAt = Date.now();
  const jobs = await watchJobs(scenario, await start());
  const ms = Date.now() - startedAt;
  await cloud.countRequests('last');
  return { name, jobs, ms, wireReadBytes: cloud.counted().diskReadBytes - before };
}

async function compareImages(
  { stack, fileSystem }: Scenario,
  machine: DemoMachine,
  job: JobView | undefined,
  as: Comparison['restoredAs'],
): Promise<Comparison[]> {
  const comparisons: Comparison[] = [];
  // Of the first point only the user's files are known: the sample disk has changed since.
  for (const disk of machine.disks.filter((candidate) => as !== 'first point' || candidate.userDisk !== undefined)) {
    const target = targetOf(job, disk);
    if (target === undefined) continue;
    comparisons.push(await compareDisk(fileSystem, disk, path.join(stack.layout.restored, path.basename(target)), as));
  }
  return comparisons;
}

async function compareManaged(
  { stack, cloud, fileSystem }: Scenario,
  machine: DemoMachine,
  job: JobView | undefined,
): Promise<Comparison[]> {
  const folder = path.join(stack.layout.state, 'exported');
  mkdirSync(folder, { recursive: true });
  const comparisons: Comparison[] = [];
  for (const disk of machine.disks) {
    const target = targetOf(job, disk);
    if (target === undefined) continue;
    const file = path.join(folder, `${disk.name}.img`);
    await cloud.exportDisk(target, file);
    comparisons.push(await compareDisk(fileSystem, disk, file, 'managed disk'));
  }
  return comparisons;
}

/** Where the disk came back; undefined when the job failed, which is a problem of its own and takes its targets away. */
function targetOf(job: JobView | undefined, disk: DemoDisk): string | undefined {
  if (job?.status !== 'succeeded') return undefined;
  return job.targets?.find(({ lun }) => lun === disk.lun)?.target;
}

/** A slot at this second, and then not again before tomorrow: the timer itself must start nothing more. */
function dueAt(slot: Date): string {
  return `${slot.getUTCSeconds()} ${slot.getUTCMinutes()} ${slot.getUTCHours()} * * *`;
}
