/** The programs that the bench needs from Debian: looked for first, and installed by apt-get only when missing. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { BenchError, run } from './shell';

/** Program -> Debian package. */
const packages: Readonly<Record<string, string>> = {
  restic: 'restic',
  borg: 'borgbackup',
  mmdebstrap: 'mmdebstrap',
  debugfs: 'e2fsprogs',
  mke2fs: 'e2fsprogs',
  zstd: 'zstd',
  time: 'time',
  perl: 'perl-base',
};

export function ensureTools(names: readonly string[], say: (line: string) => void): void {
  const missing = names.filter((name) => !isInstalled(name));
  if (missing.length === 0) return;
  const wanted = [...new Set(missing.map((name) => packages[name] ?? name))];
  const remedy = `install ${wanted.join(', ')} and run the bench again`;
  if (process.platform !== 'linux' || !isInstalled('apt-get')) {
    throw new BenchError(`${missing.join(', ')}: not found, and there is no apt-get here; ${remedy}`);
  }
  if (process.getuid?.() !== 0) throw new BenchError(`${missing.join(', ')}: not found; as root, ${remedy}`);
  say(`installing ${wanted.join(' ')}`);
  const env = { DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' };
  try {
    run('apt-get', ['-q', 'update'], { env });
    run('apt-get', ['-qy', '--no-install-recommends', 'install', ...wanted], { env });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new BenchError(
      `${why}\nthe packages ${wanted.join(', ')} could not be installed (is the machine offline?); ${remedy}`,
    );
  }
}

function isInstalled(name: string): boolean {
  const folders = [...(process.env['PATH'] ?? '').split(':'), '/usr/bin', '/usr/sbin', '/sbin', '/bin'];
  return folders.some((folder) => folder !== '' && existsSync(path.join(folder, name)));
}
