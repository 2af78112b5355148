/**
 * The table that is the HTTP API. Registration, authorization, validation, the OpenAPI document and the generated tests read
 * it; what is not in it does not exist.
 *
 * To add a route:
 * 1. Write it with `defineRoute` in the file of its area, handler and schemas included (`jobs.ts` is a good model). Path
 *    parameters, query, body and each reply get closed schemas (`z.strictObject`); give shared ones a name with `.meta({ id })`.
 * 2. Name the roles that may call it. Reading is for `readers`; whatever changes something gets one role, seldom two.
 * 3. `mutates: true` for whatever changes something: `call.dryRun` must then be honoured (answer as for real, change nothing),
 *    and ids be made of `call.seed` where it is given, so that a repetition under one Idempotency-Key starts nothing twice.
 * 4. `scope: 'vm'` when it is about VMs, their jobs or points: look them up through `findMachine`, `findJob`, `findPoint`, or
 *    filter lists by `inScope(call.caller, vmId)`. Unknown and out of scope look alike.
 * 5. Answer with `json`, `accepted`, `pageReply`, or `raw` in the response for anything that is not JSON; throw `ProblemError`,
 *    `notFound`, `badRequest` or an `AppError` for the rest. Long work is a job: 202 with `accepted`.
 * 6. Add an `example` that is a valid request, and the route to the list below. The tests in `test/api` do the rest.
 */
import { startBackup } from './backups';
import { health } from './health';
import { getJobLog } from './job-log';
import { cancelJob, getJob, listJobs } from './jobs';
import { getMetrics } from './metrics';
import { deletePolicy, getPolicy, listPolicies, putPolicy } from './policies';
import { runPolicy } from './policy-run';
import { getPoint, listPoints } from './restore-points';
import { startRestore } from './restores';
import { getRetentionRun, listRetentionRuns, simulateRetention, startRetentionRun } from './retention';
import type { Route } from './route';
import { getStatus } from './status';
import { listVms } from './vms';

export const routes: readonly Route[] = [
  health,
  getMetrics,
  getStatus,
  listVms,
  listPolicies,
  getPolicy,
  putPolicy,
  deletePolicy,
  runPolicy,
  startBackup,
  listJobs,
  getJob,
  getJobLog,
  cancelJob,
  listPoints,
  getPoint,
  startRestore,
  simulateRetention,
  listRetentionRuns,
  getRetentionRun,
  startRetentionRun,
];
