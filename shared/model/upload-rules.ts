/**
 * Which disks Azure takes as an upload into a new managed disk. One place says it, so that a restore is refused when it is asked
 * for and not hours later; sizes from Azure REST: Disks, `uploadSizeBytes` (20 MiB to 32 TiB, footer included).
 */
import { limits, MIB } from './limits';
import type { DiskInfo } from './machine';

const UPLOAD_BYTES_MIN = 20 * MIB;
const UPLOAD_BYTES_MAX = 35_183_298_347_520 - limits.vhdFooterBytes;

/** Why this disk cannot come back as a managed disk, and what can be done instead; undefined when it can. */
export function uploadRefusal(
  disk: Pick<DiskInfo, 'logicalSectorBytes' | 'sku' | 'sizeBytes' | 'securityType'>,
): string | undefined {
  if (disk.logicalSectorBytes !== 512) return '4096-byte sectors need the VHDX format; restore it to an image file';
  if (/^(PremiumV2|UltraSSD)_LRS$/.test(disk.sku)) return `${disk.sku} takes VHDX only; restore it to an image file`;
  if (disk.sizeBytes % MIB !== 0) return 'its size is not a whole number of MiB';
  if (disk.sizeBytes < UPLOAD_BYTES_MIN) return 'Azure takes no upload below 20 MiB';
  if (disk.sizeBytes > UPLOAD_BYTES_MAX) return 'Azure takes no upload above 32 TiB';
  if (disk.securityType)
    return `its security type ${disk.securityType} needs a guest-state upload; restore it to an image file`;
  return undefined;
}
