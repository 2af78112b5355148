/**
 * borg at the settings that suit disk images best: fixed 1 MiB chunks, holes skipped (`--sparse`), zstd 1, and encryption
 * with repokey-blake2, its fastest authenticated mode here.
 */
import { linkSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { folderSize, remove } from '../kit/folders';
import { measure, run } from '../kit/shell';
import type { Tool } from './tool';

export function borg(folder: string): Tool {
  const repository = path.join(folder, 'repository');
  const stage = path.join(folder, 'stage');
  const env = { BORG_PASSPHRASE: 'bench', BORG_BASE_DIR: path.join(folder, 'base'), LC_ALL: 'C.UTF-8' };
  return {
    name: 'borg',
    reset: () => {
      remove(folder);
      mkdirSync(env.BORG_BASE_DIR, { recursive: true });
      run('borg', ['init', '--encryption', 'repokey-blake2', repository], { env });
    },
    backup: (image, label) => {
      remove(stage);
      mkdirSync(stage);
      linkSync(image.file, path.join(stage, 'disk.img'));
      const settings = ['--chunker-params', 'fixed,1048576', '--compression', 'zstd,1', '--files-cache', 'disabled'];
      return measure('borg', ['create', '--sparse', ...settings, `${repository}::${label}`, 'disk.img'], {
        env,
        cwd: stage,
      });
    },
    restore: (_image, label) => {
      const out = path.join(folder, 'restored');
      remove(out);
      mkdirSync(out);
      const done = measure('borg', ['extract', '--sparse', `${repository}::${label}`], { env, cwd: out });
      return { ...done, file: path.join(out, 'disk.img') };
    },
    stored: () => folderSize(repository),
  };
}

export const borgVersion = (): string => run('borg', ['--version']).trim();
