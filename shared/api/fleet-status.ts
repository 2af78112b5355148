/** The facts behind the status of each VM, gathered for whoever asks: the status route and the metrics. */
import { boundedMap } from '../base/bounded-map';
import { heartbeatParts, heartbeatSecondsMax } from '../catalog/heartbeats';
import type { Machine } from '../model/machine';
import type { Policy } from '../model/policy';
import { type VmStatus, vmStatus } from '../observe/vm-status';
import { expectedIntervalSeconds } from '../policy/expected-interval';
import { selectMachines } from '../policy/selection';
import { type Caller, inScope } from './caller';
import type { ApiDependencies } from './dependencies';
import { listMachines } from './inventory';
import { obstacleOf } from './start-selected';

export interface VmView {
  readonly machine: Machine;
  readonly policies: readonly string[];
  readonly lastPointAt: string | undefined;
  readonly lastVerifiedAt: string | undefined;
  readonly status: VmStatus;
}

export interface FleetView {
  readonly vms: readonly VmView[];
  /** What is wrong with the installation as a whole; no VM is protected while there is any. */
  readonly doubts: readonly string[];
  readonly heartbeats: readonly { readonly part: string; readonly lastAtMs: number | undefined }[];
}

const LOOKUPS_AT_ONCE = 16;
/** Points looked through for a verified one; a VM whose last so many are not verified has a fresher problem. */
const POINTS_SEEN_MAX = 10;

type Deps = Pick<ApiDependencies, 'catalog' | 'compute' | 'subscriptions' | 'clock'>;

export async function fleetView(deps: Deps, caller: Pick<Caller, 'scopes'>): Promise<FleetView> {
  const nowMs = deps.clock.now();
  const [all, stored, heartbeats] = await Promise.all([
    listMachines(deps),
    deps.catalog.policies.list(),
    boundedMap(heartbeatParts, heartbeatParts.length, async (part) => ({
      part,
      lastAtMs: await deps.catalog.heartbeats.lastAtMs(part),
    })),
  ]);
  const machines = all.filter(({ id }) => inScope(caller, id));
  const enabled = stored.map(({ policy }) => policy).filter((policy) => policy.enabled);
  const protection = protectionOf(enabled, machines);
  const doubts = heartbeats.flatMap(({ part, lastAtMs }) => doubtOf(part, lastAtMs, nowMs));
  const vms = await boundedMap(machines, LOOKUPS_AT_ONCE, async (machine) => {
    const { policies, excludedBy } = protection.get(machine.id) ?? { policies: [], excludedBy: undefined };
    const points = await deps.catalog.points.list({ vmId: machine.id, limit: POINTS_SEEN_MAX });
    const newest = points[0]?.point;
    const verified = points.find(({ verification }) => verification.verifiedAt !== undefined);
    const { items: jobs } = await deps.catalog.jobs.list({ vmId: machine.id, limit: 5 });
    const lastBackup = jobs.find(({ kind, status }) => kind === 'backup' && status !== 'running');
    // With several policies a VM is as safe as the most demanding one wants it.
    const intervals = policies.flatMap((policy) => expectedIntervalSeconds(policy, nowMs) ?? []);
    const excludeLuns = policies[0]?.excludeLuns ?? [];
    const status = vmStatus({
      policies: policies.map(({ name }) => name),
      excludedBy,
      obstacle: obstacleOf(machine, excludeLuns),
      lastPointAt: newest?.createdAt,
      lastVerifiedAt: verified?.point.createdAt,
      partial: newest !== undefined && lacksDisks(machine, newest.disks, excludeLuns),
      lastJobFailed: lastBackup?.status === 'failed',
      rpoSeconds: intervals.length > 0 ? Math.min(...intervals) : undefined,
      doubts,
      nowMs,
    });
    return {
      machine,
      policies: policies.map(({ name }) => name),
      lastPointAt: newest?.createdAt,
      lastVerifiedAt: verified?.point.createdAt,
      status,
    };
  });
  return { vms, doubts, heartbeats };
}

interface Protection {
  readonly policies: readonly Policy[];
  readonly excludedBy: string | undefined;
}

function protectionOf(policies: readonly Policy[], machines: readonly Machine[]): Map<string, Protection> {
  const found = new Map<string, Protection>();
  for (const policy of policies) {
    const { selected, excluded } = selectMachines(policy, machines);
    for (const { id } of selected) {
      const known = found.get(id);
      found.set(id, { policies: [...(known?.policies ?? []), policy], excludedBy: known?.excludedBy });
    }
    for (const { vmId, rule } of excluded) {
      const known = found.get(vmId);
      found.set(vmId, { policies: known?.policies ?? [], excludedBy: `policy ${policy.name}, ${rule}` });
    }
  }
  return found;
}

function lacksDisks(
  machine: Machine,
  disks: readonly { readonly lun: number | 'os' }[],
  excludeLuns: readonly number[],
): boolean {
  const has = new Set(disks.map(({ lun }) => lun));
  return machine.disks.some(({ lun }) => !has.has(lun) && (lun === 'os' || !excludeLuns.includes(lun)));
}

function doubtOf(part: keyof typeof heartbeatSecondsMax, lastAtMs: number | undefined, nowMs: number): string[] {
  // A new installation has had no night yet; and where nothing collects, nothing is lost by it.
  if (lastAtMs === undefined) return part === 'retention' ? [] : [`the ${part} has never done its round`];
  const seconds = (nowMs - lastAtMs) / 1000;
  if (seconds <= heartbeatSecondsMax[part]) return [];
  return [`the ${part} has been silent for ${Math.round(seconds / 60)} min`];
}
