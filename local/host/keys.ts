/** The host's keys: made once, kept in the state folder, readable by their owner only. */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** `masterKey` opens everything, `functionKey` the function level, `systemKey` the durable webhooks. */
export interface Keys {
  readonly masterKey: string;
  readonly functionKey: string;
  readonly systemKey: string;
}

const KEY_BYTES = 30;
const OWNER_ONLY = 0o600;

export function loadKeys(stateDir: string): Keys {
  const file = join(stateDir, 'keys.json');
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Keys;
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) {
      throw new Error(`The key file ${file} cannot be read; delete it to get new keys.`, { cause: error });
    }
  }
  const make = (): string => randomBytes(KEY_BYTES).toString('base64url');
  const keys: Keys = { masterKey: make(), functionKey: make(), systemKey: make() };
  // Written aside and renamed: a kill in between must not leave half a file.
  writeFileSync(`${file}.new`, JSON.stringify(keys), { mode: OWNER_ONLY });
  renameSync(`${file}.new`, file);
  return keys;
}

/** Whether the given key is one of the allowed, without telling by its timing how much of it was right. */
export function isOneOf(given: string | undefined, allowed: readonly string[]): boolean {
  if (given === undefined) {
    return false;
  }
  const bytes = Buffer.from(given);
  return allowed.some((key) => {
    const expected = Buffer.from(key);
    return expected.length === bytes.length && timingSafeEqual(expected, bytes);
  });
}
