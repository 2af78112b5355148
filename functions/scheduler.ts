/** The two timers: due policies start their jobs; the janitor reconciles what exists with what was recorded. */
import { app, type InvocationContext } from '@azure/functions';
import * as df from 'durable-functions';
import { startDue } from '../shared/api/start-due';
import { composeApp } from '../shared/app/compose';
import { orchestrationClient } from '../shared/workflows/durable';
import { onControlPlane } from './registration/plane';

const extraInputs = [df.input.durableClient()];

onControlPlane(() => {
  app.timer('scheduler', {
    schedule: '%BLOCKFERRY_SCHEDULE%',
    extraInputs,
    handler: async (_timer: unknown, context: InvocationContext) => {
      const composed = await composeApp();
      await startDue(composed.apiFor(orchestrationClient(df.getClient(context))));
      await composed.catalog.heartbeats.beat('scheduler');
    },
  });

  app.timer('janitor', {
    schedule: '%BLOCKFERRY_JANITOR_SCHEDULE%',
    extraInputs,
    handler: async (_timer: unknown, context: InvocationContext) => {
      const composed = await composeApp();
      const report = await composed.janitorFor(orchestrationClient(df.getClient(context))).reconcile();
      await composed.catalog.heartbeats.beat('janitor');
      context.log(`janitor: ${report.closed} closed, ${report.failed} to try again, ${report.lostJobs} lost jobs`);
    },
  });
});
