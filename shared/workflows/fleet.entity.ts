/**
 * One entity a region: which jobs need its data proxies. The first user launches the fleet, the last one removes it. An
 * entity, because its operations run one at a time: a job that comes while the last one leaves cannot be left without proxies.
 * Launch and remove are idempotent, as an operation may run again when its commit was lost.
 */
import type { EntityContext } from 'durable-functions';
import { failureOf, type Outcome } from './durable';
import type { DataProxyFleet } from './ports';

export interface FleetState {
  readonly jobs: readonly string[];
}

export function createFleetEntity(fleet: DataProxyFleet) {
  return async (context: EntityContext<FleetState>): Promise<void> => {
    const region = context.df.entityKey;
    const jobId = context.df.getInput<string>() ?? '';
    const jobs = (context.df.getState(() => ({ jobs: [] })) ?? { jobs: [] }).jobs.filter((id) => id !== jobId);
    let reply: Outcome<null> = { ok: true, value: null };
    try {
      if (context.df.operationName === 'use') {
        await fleet.launch(region);
        context.df.setState({ jobs: [...jobs, jobId] });
      } else {
        // The user is gone even if removing fails: the caller repeats, and the next last user removes as well.
        context.df.setState({ jobs });
        if (jobs.length === 0) await fleet.remove(region);
      }
    } catch (error) {
      reply = { ok: false, failure: failureOf(error) };
    }
    context.df.return(reply);
  };
}
