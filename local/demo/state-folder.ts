/** Where one demo run keeps its disks, stores and logs. */
import { mkdirSync, mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fromCaller } from '../stack/layout';

/** What is wrong with the folder, for the user; exit code 2. */
export class StateFolderError extends Error {
  override readonly name = 'StateFolderError';
}

/**
 * The user's folder, made when missing, or a temporary one. It must be empty: the demo counts restore points and snapshots,
 * and those of an earlier run would be in its way. Throws StateFolderError.
 */
export function takeStateFolder(wanted: string | undefined): string {
  const folder = wanted === undefined ? undefined : fromCaller(wanted);
  let found: readonly string[];
  try {
    if (folder === undefined) return mkdtempSync(path.join(tmpdir(), 'blockferry-demo-'));
    mkdirSync(folder, { recursive: true });
    found = readdirSync(folder);
  } catch (error) {
    const where = folder === undefined ? `a temporary folder in ${tmpdir()}` : JSON.stringify(folder);
    throw new StateFolderError(`${where} cannot be used: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (found.length === 0) return folder;
  throw new StateFolderError(
    `${JSON.stringify(folder)} is not empty; the demo starts from nothing: give --state a new folder`,
  );
}
