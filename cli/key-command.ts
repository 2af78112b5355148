/** What the commands on keys share: the settings of the function app in the environment, and sockets that are closed. */
import { z } from 'zod';
import type { createKeyCommands } from '../shared/app/key-commands';
import type { Logger } from '../shared/base/logger';
import type { Field } from './output';
import type { Environment } from './profiles';

type KeyCommands = ReturnType<typeof createKeyCommands>;

export const keyLine = z.object({
  tenant: z.string(),
  check: z.string(),
  rewrap: z.number(),
  packGeneration: z.number(),
  wraps: z.array(z.string()),
});

export const keyFields = (key: z.output<typeof keyLine>): Field[] => [
  ['tenant', key.tenant],
  ['check', key.check],
  ['rewrap', key.rewrap],
  ['pack keys', `generation ${key.packGeneration}`],
  ...key.wraps.map((wrap): Field => ['opened by', wrap]),
];

export async function withKeys<Result>(
  { environment, logger }: { readonly environment: Environment; readonly logger: Logger },
  use: (keys: KeyCommands) => Promise<Result>,
): Promise<Result> {
  const { loadSettings } = require('../shared/app/config') as typeof import('../shared/app/config');
  const app = require('../shared/app/key-commands') as typeof import('../shared/app/key-commands');
  const keys = app.createKeyCommands(loadSettings(environment), logger);
  try {
    return await use(keys);
  } finally {
    keys.close();
  }
}
