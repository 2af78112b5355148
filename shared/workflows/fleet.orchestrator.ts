/** Calls to the fleet entity, for orchestrators. */
import type { OrchestrationContext } from 'durable-functions';
import { EntityId } from 'durable-functions';
import { type Outcome, patient, pause, StepError, type Steps } from './durable';

export const fleetEntity = 'dataProxyFleet';

export type FleetOperation = 'use' | 'release';

export function* useFleet(context: OrchestrationContext, region: string, jobId: string): Steps<void> {
  yield* operate(context, region, 'use', jobId);
}

export function* releaseFleet(context: OrchestrationContext, region: string, jobId: string): Steps<void> {
  yield* operate(context, region, 'release', jobId);
}

function* operate(
  context: OrchestrationContext,
  region: string,
  operation: FleetOperation,
  jobId: string,
): Steps<void> {
  for (let attempt = 1; ; attempt++) {
    const outcome = (yield context.df.callEntity(new EntityId(fleetEntity, region), operation, jobId)) as Outcome<null>;
    if (outcome.ok) return;
    if (!outcome.failure.retryable || attempt >= patient.attemptsMax) throw new StepError(outcome.failure);
    yield pause(context, Math.min(patient.delayMsMax, patient.firstDelayMs * 2 ** (attempt - 1)));
  }
}
