/** The lock keeper: its timer, orchestration and activities. Without BLOCKFERRY_LOCK_DAYS there are no locks to keep. */
import { app, type InvocationContext } from '@azure/functions';
import * as df from 'durable-functions';
import { composeApp } from '../shared/app/compose';
import { orchestrationClient } from '../shared/workflows/durable';
import { beginKeeping, extendLocks, keeperOrchestrator } from '../shared/workflows/keeper/contracts';
import { keepLocks } from '../shared/workflows/keeper/keep-locks.orchestrator';
import { registerActivities } from './registration/activities';
import { onControlPlane } from './registration/plane';

onControlPlane(() => {
  app.timer('lockKeeper', {
    schedule: '%BLOCKFERRY_KEEPER_SCHEDULE%',
    extraInputs: [df.input.durableClient()],
    handler: async (_timer: unknown, context: InvocationContext) => {
      const { keepsLocks } = await composeApp();
      if (!keepsLocks) return;
      // One an hour: whether a run is due, the store knows.
      const instance = `keeper-${new Date().toISOString().slice(0, 13)}`;
      await orchestrationClient(df.getClient(context)).start(keeperOrchestrator, instance, {});
    },
  });

  df.app.orchestration(keeperOrchestrator, keepLocks);
  registerActivities([beginKeeping, extendLocks]);
});
