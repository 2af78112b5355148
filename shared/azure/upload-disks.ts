/** Managed disks that restores make: created for upload, finished, or discarded. */
import type { Disk } from '@azure/arm-compute';
import { AppError, isAppError } from '../model/errors';
import { limits } from '../model/limits';
import type { DiskInfo } from '../model/machine';
import { uploadRefusal } from '../model/upload-rules';
import type { Arm } from './arm';
import { unlessGone } from './snapshots';

const TYPE = 'disks';
const NOT_FOUND = { notFound: 'disk.not-found', conflictRetryable: true } as const;

export interface UploadDiskRequest {
  readonly diskId: string;
  readonly region: string;
  readonly template: DiskInfo;
  readonly tags: Readonly<Record<string, string>>;
}

export async function findDisk(arm: Arm, diskId: string): Promise<Disk | undefined> {
  return unlessGone('disk.not-found', () =>
    arm.onResource(
      { what: 'reading disk', id: diskId, type: TYPE, meaning: NOT_FOUND },
      (client, id, { abortSignal }) => client.disks.get(id.resourceGroup, id.name, { abortSignal }),
    ),
  );
}

export async function createUploadDisk(arm: Arm, jobTag: string, request: UploadDiskRequest): Promise<void> {
  const { template } = request;
  refuseImpossible(template);
  const uploadSizeBytes = template.sizeBytes + limits.vhdFooterBytes;
  const existing = await findDisk(arm, request.diskId);
  if (existing) {
    const ours = existing.tags?.[jobTag] !== undefined && existing.tags[jobTag] === request.tags[jobTag];
    const sameSize = existing.creationData?.uploadSizeBytes === uploadSizeBytes;
    if (ours && sameSize && existing.creationData?.createOption === 'Upload') return;
    throw new AppError('restore.target-exists', `a disk named ${existing.name} exists already and is not this job's`);
  }
  const meaning = { conflict: 'restore.target-exists', conflictRetryable: true } as const;
  await arm.onResource(
    { what: 'creating disk', id: request.diskId, type: TYPE, meaning },
    async (client, id, parameters) => {
      const disk: Disk = {
        location: request.region,
        sku: { name: template.sku },
        creationData: { createOption: 'Upload', uploadSizeBytes },
        ...(template.osType ? { osType: template.osType } : {}),
        ...(template.hyperVGeneration ? { hyperVGeneration: template.hyperVGeneration } : {}),
        ...(template.zones?.length ? { zones: [...template.zones] } : {}),
        ...(template.diskEncryptionSetId
          ? {
              encryption: {
                type: 'EncryptionAtRestWithCustomerKey',
                diskEncryptionSetId: template.diskEncryptionSetId,
              },
            }
          : {}),
        tags: { ...request.tags },
      };
      await client.disks.createOrUpdate(id.resourceGroup, id.name, disk, parameters).pollUntilDone(parameters);
    },
  );
}

/** Ends the write access; Azure then checks the footer and makes the disk attachable. */
export async function finishUploadDisk(arm: Arm, diskId: string): Promise<void> {
  await revoke(arm, diskId);
}

export interface DiscardRequest {
  readonly jobTag: string;
  readonly diskId: string;
  readonly jobId: string;
  /** Writes the footer of a disk of so many bytes: Azure may refuse to end an upload that has none. */
  readonly writeFooter: (diskId: string, diskBytes: number) => Promise<void>;
}

/** Leaves alone what does not carry the job's tag, and what is attached to a VM. */
export async function discardUploadDisk(arm: Arm, request: DiscardRequest): Promise<void> {
  const { diskId } = request;
  const disk = await findDisk(arm, diskId);
  if (!disk || disk.tags?.[request.jobTag] !== request.jobId || disk.managedBy) return;
  await unlessGone('disk.not-found', async () => {
    try {
      await revoke(arm, diskId);
    } catch (error) {
      const uploadBytes = disk.creationData?.uploadSizeBytes;
      if (!isAppError(error, 'cloud.rejected') || uploadBytes === undefined) throw error;
      await request.writeFooter(diskId, uploadBytes - limits.vhdFooterBytes);
      await revoke(arm, diskId);
    }
  });
  await unlessGone('disk.not-found', () =>
    arm.onResource({ what: 'deleting disk', id: diskId, type: TYPE, meaning: NOT_FOUND }, (client, id, parameters) =>
      client.disks.delete(id.resourceGroup, id.name, parameters).pollUntilDone({ abortSignal: parameters.abortSignal }),
    ),
  );
}

async function revoke(arm: Arm, diskId: string): Promise<void> {
  const what = 'ending the upload of disk';
  await arm.onResource({ what, id: diskId, type: TYPE, meaning: NOT_FOUND }, (client, id, parameters) =>
    client.disks.revokeAccess(id.resourceGroup, id.name, parameters).pollUntilDone(parameters),
  );
}

function refuseImpossible(template: DiskInfo): void {
  const why = uploadRefusal(template);
  if (why === undefined) return;
  throw new AppError('restore.target-invalid', `disk ${template.name} cannot be uploaded as a managed disk: ${why}`);
}
