/** The backup job: its orchestrations and activities. */
import * as df from 'durable-functions';
import { backupJob } from '../shared/workflows/backup/backup-job.orchestrator';
import {
  abandonSession,
  adoptPoint,
  backupOrchestrator,
  beginBackup,
  checkSnapshots,
  endAccess,
  endJob,
  enterPhase,
  prepareTransfer,
  publishPoint,
  removeSnapshot,
  requestSnapshot,
  snapshotOrchestrator,
  verifyPoint,
} from '../shared/workflows/backup/contracts';
import { snapshotMachine } from '../shared/workflows/backup/snapshot.orchestrator';
import { registerActivities } from './registration/activities';
import { onControlPlane } from './registration/plane';

onControlPlane(() => {
  df.app.orchestration(backupOrchestrator, backupJob);
  df.app.orchestration(snapshotOrchestrator, snapshotMachine);

  registerActivities([
    beginBackup,
    enterPhase,
    requestSnapshot,
    checkSnapshots,
    prepareTransfer,
    publishPoint,
    verifyPoint,
    adoptPoint,
    abandonSession,
    endAccess,
    removeSnapshot,
    endJob,
  ]);
});
