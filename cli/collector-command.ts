/** What the commands on the end of restore points share: the settings of the function app, and sockets that are closed. */
import { userInfo } from 'node:os';
import type { createCollectorCommands } from '../shared/app/collector-commands';
import type { Logger } from '../shared/base/logger';
import type { Environment } from './profiles';

type CollectorCommands = Awaited<ReturnType<typeof createCollectorCommands>>;

export async function withCollector<Result>(
  { environment, logger }: { readonly environment: Environment; readonly logger: Logger },
  use: (collector: CollectorCommands) => Promise<Result>,
): Promise<Result> {
  const { loadSettings } = require('../shared/app/config') as typeof import('../shared/app/config');
  const app = require('../shared/app/collector-commands') as typeof import('../shared/app/collector-commands');
  const collector = await app.createCollectorCommands(loadSettings(environment), logger);
  try {
    return await use(collector);
  } finally {
    collector.close();
  }
}

/** Who is at this machine, for the register. */
export const whoAsks = (): string => `cli:${userInfo().username}`;
