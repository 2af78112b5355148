/** Retention and collector: what no rule keeps expires, what nothing needs is deleted. By a timer, and by POST /retention-runs. */
import { app, type InvocationContext } from '@azure/functions';
import * as df from 'durable-functions';
import { composeApp } from '../shared/app/compose';
import { orchestrationClient } from '../shared/workflows/durable';
import {
  closeCollection,
  condemnUnits,
  deleteUnits,
  endRetention,
  expirePoints,
  fenceSilent,
  fixDeletes,
  lookForSessions,
  retentionOrchestrator,
  reviewExpired,
} from '../shared/workflows/retention/contracts';
import { retentionRun } from '../shared/workflows/retention/retention.orchestrator';
import { registerActivities } from './registration/activities';
import { onControlPlane } from './registration/plane';

onControlPlane(() => {
  df.app.orchestration(retentionOrchestrator, retentionRun);

  registerActivities([
    reviewExpired,
    expirePoints,
    condemnUnits,
    lookForSessions,
    fenceSilent,
    fixDeletes,
    deleteUnits,
    closeCollection,
    endRetention,
  ]);

  app.timer('retention', {
    schedule: '%BLOCKFERRY_RETENTION_SCHEDULE%',
    extraInputs: [df.input.durableClient()],
    handler: async (_timer: unknown, context: InvocationContext) => {
      const { retentionFor } = await composeApp();
      const outcome = await retentionFor(orchestrationClient(df.getClient(context))).start({ trigger: 'schedule' });
      context.log(
        outcome === undefined ? 'retention: no collector role, nothing is done' : `retention: ${outcome.runId}`,
      );
    },
  });
});
