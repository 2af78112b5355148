import { z } from 'zod';
import { ApiClient } from '../api-client';
import { authorizer } from '../authorize';
import { usageError } from '../cli-error';
import { defineCommand } from '../command';
import { bareKey, type Credential, vetUrl } from '../connection';
import { writeProfile } from '../profiles';

const profileName = z
  .string()
  .regex(/^[\w.-]{1,64}$/, 'letters, digits, ".", "_" and "-", at most 64')
  .default('default');

export const loginCommand = defineCommand({
  name: 'login',
  summary: 'keep the address of an API, and how to sign in, in the profile file',
  description:
    'The function key is read from stdin, or from BLOCKFERRY_KEY: it is never an argument. With --scope no secret is kept at all: the\n' +
    'token comes from `az login`. The API is asked once before anything is written. The file has mode 600.',
  examples: [
    { run: 'echo "$KEY" | blockferry login --url "$URL"', does: 'with what `npm start` printed' },
    {
      run: 'blockferry login --url https://HOST/api --scope api://blockferry/.default --profile prod',
      does: 'with the sign-in of `az`, under a name of its own',
    },
  ],
  options: {
    url: { flags: '--url <url>', says: 'base address of the API', value: z.string({ error: 'is needed' }) },
    profile: { flags: '--profile <name>', says: 'name of the entry (default)', value: profileName },
    scope: { flags: '--scope <scope>', says: 'sign in with `az`, for this scope', value: z.string().min(1).optional() },
  },
  lines: { profile: z.object({ name: z.string(), url: z.string(), file: z.string(), signIn: z.enum(['key', 'az']) }) },
  run: async ({ options, out, environment, readStdin, signal, sleep }) => {
    const url = vetUrl(options.url);
    const key = options.scope === undefined ? bareKey(environment['BLOCKFERRY_KEY'] || (await readStdin())) : undefined;
    if (key === '') throw usageError('no key came from stdin', 'echo "$KEY" | blockferry login --url URL');
    const credential: Credential =
      options.scope === undefined ? { kind: 'key', key: key ?? '' } : { kind: 'azure-cli', scope: options.scope };
    const client = new ApiClient({ url, authorize: authorizer(credential), signal, sleep });
    await client.get('/policies', z.unknown());
    const profile = { url, ...(key === undefined ? {} : { key }), ...(options.scope ? { scope: options.scope } : {}) };
    const file = await writeProfile(environment, options.profile, profile);
    const signIn = key === undefined ? ('az' as const) : ('key' as const);
    out.line('profile', { name: options.profile, url, file, signIn }, (row) => `${row.name}: ${row.url} (${row.file})`);
    return undefined;
  },
});
