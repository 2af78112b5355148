/** Files that hold a secret: one line, and nobody else's business. */
import { readFile, stat } from 'node:fs/promises';
import { CliError } from './cli-error';

const OTHERS_MASK = 0o077;
/** More than any key or token; a wrong file is not read to its end. */
const SECRET_BYTES_MAX = 64 * 1024;

/** The trimmed content. `denied` when others may read the file, `usage` when it is not there. */
export async function readSecretFile(path: string): Promise<string> {
  const info = await stat(path).catch(() => undefined);
  if (!info?.isFile() || info.size > SECRET_BYTES_MAX) {
    throw new CliError('usage', `${path} is not there, or is no file with a key or token`, { code: 'cli.secret-file' });
  }
  requirePrivate(path, info.mode);
  return (await readFile(path, 'utf8')).trim();
}

/** POSIX only: elsewhere the mode says nothing. */
export function requirePrivate(path: string, mode: number): void {
  if (process.platform === 'win32' || (mode & OTHERS_MASK) === 0) return;
  throw new CliError('denied', `${path} holds a secret and others may read it`, {
    code: 'cli.secret-file',
    hint: `chmod 600 ${path}`,
  });
}
