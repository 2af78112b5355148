/** What cannot be backed up is refused by name before anything is started: a point that lacks a disk in silence is a trap. */
import { limits } from '../../model/limits';
import { type DiskInfo, type Machine, unsupportedSkus } from '../../model/machine';

export function unsupportedReason(disk: DiskInfo): string | undefined {
  if (disk.sku === unsupportedSkus.ephemeral)
    return 'an ephemeral OS disk has no snapshots; its content is lost with the host by design';
  if (disk.sku === unsupportedSkus.unmanaged)
    return 'an unmanaged disk (a page blob of its own) has no managed snapshots; migrate it';
  if (disk.sku === unsupportedSkus.missing)
    return 'Azure names the disk but does not know it; it may have been deleted';
  if (disk.logicalSectorBytes !== 512) {
    return `sectors of ${disk.logicalSectorBytes} bytes are exported as VHDX, which this version does not read`;
  }
  if (disk.securityType?.startsWith('ConfidentialVM'))
    return 'confidential VM disks carry guest state that is not exported';
  if (disk.sizeBytes > limits.diskBytesMax) return `larger than ${limits.diskBytesMax} bytes`;
  if (disk.sizeBytes % limits.pageBytes !== 0) return 'its size is no multiple of 512 bytes';
  return undefined;
}

/** Luns that stop a backup, each with its reason; excluded ones do not count. */
export function unsupportedDisks(machine: Machine, excludeLuns: readonly number[]): { lun: string; reason: string }[] {
  return machine.disks
    .filter((disk) => disk.lun === 'os' || !excludeLuns.includes(disk.lun))
    .flatMap((disk) => {
      const reason = unsupportedReason(disk);
      return reason === undefined ? [] : [{ lun: String(disk.lun), reason }];
    });
}
