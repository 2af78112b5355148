/** The table that is the command line, in the order of help and docs/cli.md. What is not in it does not exist. */
import type { Command } from './command';
import { backupRunCommand } from './commands/backup-run';
import { completeCommand } from './commands/complete';
import { completionCommand } from './commands/completion';
import { coverageCommand } from './commands/coverage';
import { docsCommand } from './commands/docs';
import { gcCommand } from './commands/gc';
import { indexRebuildCommand } from './commands/index-rebuild';
import { jobsCancelCommand } from './commands/jobs-cancel';
import { jobsListCommand } from './commands/jobs-list';
import { jobsLogCommand } from './commands/jobs-log';
import { jobsShowCommand } from './commands/jobs-show';
import { jobsWatchCommand } from './commands/jobs-watch';
import { keyCreateCommand } from './commands/key-create';
import { keyEraseCommand } from './commands/key-erase';
import { keyRecoverCommand } from './commands/key-recover';
import { keyRewrapCommand } from './commands/key-rewrap';
import { keyRotatePackKeyCommand } from './commands/key-rotate-pack-key';
import { keyStatusCommand } from './commands/key-status';
import { locksExtendCommand } from './commands/locks-extend';
import { loginCommand } from './commands/login';
import { pointsExpireCommand } from './commands/points-expire';
import { pointsHoldCommand } from './commands/points-hold';
import { pointsListCommand } from './commands/points-list';
import { pointsReleaseCommand } from './commands/points-release';
import { pointsShowCommand } from './commands/points-show';
import { pointsUndoExpireCommand } from './commands/points-undo-expire';
import { policyApplyCommand } from './commands/policy-apply';
import { policyDeleteCommand } from './commands/policy-delete';
import { policyListCommand } from './commands/policy-list';
import { policyRunCommand } from './commands/policy-run';
import { policyShowCommand } from './commands/policy-show';
import { pruneCommand } from './commands/prune';
import { restoreDiskCommand } from './commands/restore-disk';
import { restoreImageCommand } from './commands/restore-image';
import { schemaCommand } from './commands/schema';
import { serveCommand } from './commands/serve';
import { statusCommand } from './commands/status';
import { versionCommand } from './commands/version';
import { vmsCommand } from './commands/vms';

export const commands: readonly Command[] = [
  statusCommand,
  vmsCommand,
  coverageCommand,
  policyListCommand,
  policyShowCommand,
  policyApplyCommand,
  policyRunCommand,
  policyDeleteCommand,
  backupRunCommand,
  jobsListCommand,
  jobsShowCommand,
  jobsWatchCommand,
  jobsLogCommand,
  jobsCancelCommand,
  pointsListCommand,
  pointsShowCommand,
  pointsExpireCommand,
  pointsUndoExpireCommand,
  pointsHoldCommand,
  pointsReleaseCommand,
  pruneCommand,
  gcCommand,
  locksExtendCommand,
  restoreImageCommand,
  restoreDiskCommand,
  serveCommand,
  keyStatusCommand,
  keyCreateCommand,
  keyRewrapCommand,
  keyRotatePackKeyCommand,
  keyRecoverCommand,
  keyEraseCommand,
  indexRebuildCommand,
  loginCommand,
  completionCommand,
  schemaCommand,
  versionCommand,
  completeCommand,
  docsCommand,
];
