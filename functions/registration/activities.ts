import type { InvocationContext } from '@azure/functions';
import * as df from 'durable-functions';
import { composeApp } from '../../shared/app/compose';
import { type ActivityContract, failureOf, type Outcome } from '../../shared/workflows/durable';

/**
 * Registers activities by their contracts. An activity returns its failure as a value (see workflows/durable.ts); the log gets
 * the code and, for our own bugs, the stack: neither holds a secret, because adapters strip SDK errors.
 */
export function registerActivities(contracts: readonly ActivityContract<never, unknown>[]): void {
  for (const { name } of contracts) {
    df.app.activity(name, {
      handler: async (input: unknown, context: InvocationContext): Promise<Outcome<unknown>> => {
        try {
          const { activities } = await composeApp();
          const run = activities[name];
          if (!run) throw new Error(`no activity is composed under the name ${name}`);
          return { ok: true, value: await run(input as never) };
        } catch (error) {
          const failure = failureOf(error);
          const detail = failure.code === 'internal' && error instanceof Error ? error.stack : failure.message;
          context.warn(`activity ${name} failed: ${detail}`);
          return { ok: false, failure };
        }
      },
    });
  }
}
