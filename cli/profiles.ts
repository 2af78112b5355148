/** The profile file: named places of APIs, with the key or the way to sign in. Mode 600, or it is not read. */
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import { CliError } from './cli-error';
import { requirePrivate } from './secret-file';

export type Environment = Readonly<Record<string, string | undefined>>;

export const profileSchema = z.strictObject({
  url: z.string(),
  /** A function key. */
  key: z.string().optional(),
  /** Scope of the Entra app: the token comes from `az`, which keeps the sign-in. */
  scope: z.string().optional(),
});
export type Profile = z.infer<typeof profileSchema>;
const fileSchema = z.record(z.string().regex(/^[\w.-]{1,64}$/), profileSchema);

export function profilePath(environment: Environment): string {
  const base =
    environment['XDG_CONFIG_HOME'] || environment['APPDATA'] || path.join(environment['HOME'] || homedir(), '.config');
  return path.join(base, 'blockferry', 'profiles.json');
}

/** Empty when there is no file. */
export async function readProfiles(environment: Environment): Promise<Readonly<Record<string, Profile>>> {
  const file = profilePath(environment);
  const info = await stat(file).catch(() => undefined);
  if (!info) return {};
  requirePrivate(file, info.mode);
  try {
    return fileSchema.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch {
    // The parser's own message quotes the file, and the file holds keys.
    throw new CliError('usage', `${file} is not as it should be`, {
      code: 'cli.profile',
      hint: 'delete it and run `blockferry login` again',
    });
  }
}

/** All or nothing: a crash leaves the old file. */
export async function writeProfile(environment: Environment, name: string, profile: Profile): Promise<string> {
  const file = profilePath(environment);
  const all = fileSchema.parse({ ...(await readProfiles(environment)), [name]: profile });
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
  const draft = `${file}.${process.pid}`;
  try {
    await writeFile(draft, `${JSON.stringify(all, null, 2)}\n`, { mode: 0o600, flag: 'wx' });
    await rename(draft, file);
  } finally {
    await rm(draft, { force: true });
  }
  return file;
}
