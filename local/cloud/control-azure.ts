/** Control routes of the Azure side: disks from and to files, snapshots, accesses, VMs, groups, figures, behaviour. */
import { z } from 'zod';
import { diskView } from './arm/disks';
import type { ScaleSetProcesses } from './arm/scale-set-processes';
import { snapshotView } from './arm/snapshots';
import type { ArmWorld } from './arm/world';
import { parseControl } from './control';
import { exportImage, imageSizeBytes, importImage } from './disks/image-file';
import type { TransferStatsStore } from './disks/transfer-stats';
import { ControlError, type RegisterControl } from './kit/service';
import { addVm, behaviourSchema, vmSeedSchema } from './seed';

export interface AzureControlParts {
  readonly world: ArmWorld;
  readonly stats: TransferStatsStore;
  readonly scaleSets: ScaleSetProcesses;
}

export function registerAzureControl(register: RegisterControl, { world, stats, scaleSets }: AzureControlParts): void {
  register('POST', '/disks/import', async ({ body }) => {
    const { diskId, file } = parseControl(
      z.object({ diskId: z.string(), file: z.string(), changedOnly: z.literal(true).optional() }),
      body,
    );
    const volumeId = volumeOf(world, diskId);
    if (readable(() => imageSizeBytes(file)) > world.volumes.get(volumeId).sizeBytes) {
      throw new ControlError(400, `${file} is larger than the disk`);
    }
    return importImage(world.volumes, volumeId, file);
  });
  register('GET', '/disks/export', ({ query }) => {
    const file = query.get('file');
    if (file === null) throw new ControlError(400, "'file' is missing");
    return exportImage(world.volumes, volumeOf(world, query.get('diskId') ?? ''), file);
  });
  register('GET', '/disks', () => ({ disks: world.resources.list('disks').map((disk) => diskView(world, disk)) }));
  register('GET', '/snapshots', () => ({
    snapshots: world.resources.list('snapshots').map((snapshot) => {
      const access = world.accesses.active(snapshot.key);
      return {
        ...snapshotView(world, snapshot),
        access:
          access === undefined
            ? null
            : { level: access.level, grantedAt: access.grantedAt, expiresAt: access.expiresAt },
      };
    }),
  }));
  register('GET', '/access', () => ({
    accesses: world.accesses
      .list()
      .map(({ target, level, grantedAt, expiresAt }) => ({ target, level, grantedAt, expiresAt })),
  }));
  register('POST', '/vms', ({ body }) => addVm(world, parseControl(vmSeedSchema, body), process.cwd()));
  register('POST', '/groups', ({ body }) => {
    const group = parseControl(z.object({ subscription: z.string(), name: z.string(), location: z.string() }), body);
    world.resources.addGroup(group.subscription, group.name, group.location);
    return {};
  });
  register('GET', '/stats', () => ({ transfers: stats.list() }));
  register('GET', '/instances', () => ({ instances: scaleSets.list() }));
  register('GET', '/behaviour', () => ({ ...world.behaviour }));
  register('POST', '/behaviour', ({ body }) =>
    Object.assign(world.behaviour, withoutUndefined(parseControl(behaviourSchema, body))),
  );
}

function volumeOf(world: ArmWorld, id: string): string {
  const volumeId = world.resources.get(id)?.state.volumeId;
  if (volumeId === undefined) throw new ControlError(404, `no disk or snapshot ${id}`);
  return volumeId;
}

function readable<Result>(work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    throw new ControlError(400, error instanceof Error ? error.message : String(error));
  }
}

function withoutUndefined(value: object): object {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined));
}
