/** `zstd -1 -T2`: no deduplication, no encryption, no index. What the codec alone costs: the floor. */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { folderSize, remove } from '../kit/folders';
import { measure, run } from '../kit/shell';
import type { Tool } from './tool';

export function zstd(folder: string): Tool {
  const repository = path.join(folder, 'repository');
  return {
    name: 'zstd -1 -T2',
    reset: () => {
      remove(folder);
      mkdirSync(repository, { recursive: true });
    },
    backup: (image, label) =>
      measure('zstd', ['-1', '-T2', '-q', '-f', '-o', path.join(repository, `${label}.zst`), image.file]),
    stored: () => folderSize(repository),
  };
}

export const zstdVersion = (): string => /v[\d.]+/.exec(run('zstd', ['--version']))?.[0] ?? '';
