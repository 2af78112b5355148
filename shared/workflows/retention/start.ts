/** Starts a run of retention and collector, for the timer and for a request. */
import type { Clock } from '../../base/clock';
import type { OrchestrationClient } from '../durable';
import { type RetentionInput, retentionOrchestrator } from './contracts';

export interface RetentionStarter {
  /** undefined when this installation has no collector role. A given `runId` starts once, however often it is asked for. */
  start(input: RetentionInput, runId?: string): Promise<{ readonly runId: string } | undefined>;
  isRunning(runId: string): Promise<boolean>;
}

export function createRetentionStarter(deps: {
  readonly canCollect: boolean;
  readonly orchestrations: OrchestrationClient;
  readonly clock: Clock;
  readonly randomHex: (bytes: number) => string;
}): RetentionStarter {
  return {
    start: async (input, given) => {
      if (!deps.canCollect) return undefined;
      const at = new Date(deps.clock.now()).toISOString().slice(0, 16).replaceAll(/[-:]/g, '').replace('T', '-');
      const runId = given ?? `g-${at}-${deps.randomHex(4)}`;
      await deps.orchestrations.start(retentionOrchestrator, runId, input);
      return { runId };
    },
    isRunning: (runId) => deps.orchestrations.isRunning(runId),
  };
}
