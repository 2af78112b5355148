/** restic: always encrypts; zstd by `--compression auto` in a repository of version 2; its own defaults otherwise. */
import { linkSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { folderSize, remove } from '../kit/folders';
import { measure, run } from '../kit/shell';
import type { Tool } from './tool';

export function restic(folder: string): Tool {
  const repository = path.join(folder, 'repository');
  const stage = path.join(folder, 'stage');
  const env = {
    RESTIC_PASSWORD: 'bench',
    RESTIC_REPOSITORY: repository,
    RESTIC_CACHE_DIR: path.join(folder, 'cache'),
  };
  return {
    name: 'restic',
    reset: () => {
      remove(folder);
      mkdirSync(folder, { recursive: true });
      run('restic', ['init', '--repository-version', '2', '--quiet'], { env });
    },
    backup: (image, label) => {
      // The same path each time, as a disk has, but another file: restic reads it whole.
      remove(stage);
      mkdirSync(stage);
      linkSync(image.file, path.join(stage, 'disk.img'));
      const args = ['backup', '--quiet', '--compression', 'auto', '--tag', label, 'disk.img'];
      return measure('restic', args, { env, cwd: stage });
    },
    restore: (_image, label) => {
      const out = path.join(folder, 'restored');
      remove(out);
      const done = measure('restic', ['restore', 'latest', '--quiet', '--tag', label, '--target', out], { env });
      return { ...done, file: path.join(out, 'disk.img') };
    },
    stored: () => folderSize(repository),
  };
}

export const resticVersion = (): string => run('restic', ['version']).split(' ').slice(0, 2).join(' ');
