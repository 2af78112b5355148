/** Image files of restores as the control plane sees them: finished under the final name, or discarded. */
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '../model/errors';
import type { ImageFiles } from '../workflows/ports';

export function createImageFiles(directory: string | undefined): ImageFiles {
  const place = (name: string): string => {
    if (directory === undefined) {
      throw new AppError(
        'restore.target-invalid',
        'image restores need BLOCKFERRY_IMAGE_DIRECTORY, shared with the data proxies',
      );
    }
    return join(directory, name);
  };
  const exists = async (path: string): Promise<boolean> => (await stat(path).catch(() => undefined)) !== undefined;
  return {
    finish: async (partialName, finalName) => {
      const partial = place(partialName);
      const final = place(finalName);
      if (!(await exists(partial))) {
        if (await exists(final)) return; // done by an earlier try of this activity
        throw new AppError(
          'restore.target-invalid',
          `the restored image ${partialName} is not in the image directory any more`,
        );
      }
      await mkdir(place('.'), { recursive: true });
      await rename(partial, final);
    },
    discard: (partialName) => rm(place(partialName), { force: true }),
  };
}
