/** The restore job: its orchestration and activities. */
import * as df from 'durable-functions';
import {
  beginRestore,
  createTarget,
  discardTarget,
  finishTarget,
  restoreOrchestrator,
} from '../shared/workflows/restore/contracts';
import { restoreJob } from '../shared/workflows/restore/restore-job.orchestrator';
import { registerActivities } from './registration/activities';
import { onControlPlane } from './registration/plane';

onControlPlane(() => {
  df.app.orchestration(restoreOrchestrator, restoreJob);

  registerActivities([beginRestore, createTarget, finishTarget, discardTarget]);
});
