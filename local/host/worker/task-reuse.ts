/**
 * Finds a durable task that an orchestrator put into two composites (`Task.any`, `Task.all`).
 *
 * The JavaScript protocol cannot express that: the real extension would schedule the task's work a
 * second time (Azure/azure-functions-durable-js issue 574). In the SDK's state both composites hold the
 * very same action object, which is visible only here, before it becomes JSON.
 */

interface ActionLike {
  readonly functionName?: unknown;
  readonly externalEventName?: unknown;
  readonly fireAt?: unknown;
  readonly compoundActions?: unknown;
}

/** A description of the first task that appears twice in the orchestrator's state, or undefined. */
export function findReusedTask(state: unknown): string | undefined {
  if (typeof state !== 'object' || state === null || !('actions' in state) || !Array.isArray(state.actions)) {
    return undefined;
  }
  const seen = new Set<object>();
  const visit = (action: unknown): string | undefined => {
    if (typeof action !== 'object' || action === null) {
      return undefined;
    }
    const { compoundActions } = action as ActionLike;
    if (Array.isArray(compoundActions)) {
      return firstDefined(compoundActions, visit);
    }
    if (seen.has(action)) {
      return describe(action);
    }
    seen.add(action);
    return undefined;
  };
  return firstDefined(state.actions.flat(), visit);
}

function describe(action: ActionLike): string {
  if (typeof action.functionName === 'string') {
    return `the call of ${action.functionName}`;
  }
  if (typeof action.externalEventName === 'string') {
    return `the wait for event ${action.externalEventName}`;
  }
  return action.fireAt === undefined ? 'a task' : 'a timer';
}

function firstDefined<Item, Found>(items: readonly Item[], find: (item: Item) => Found | undefined): Found | undefined {
  for (const item of items) {
    const found = find(item);
    if (found !== undefined) {
      return found;
    }
  }
  return undefined;
}
