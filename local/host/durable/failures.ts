/** From what user code threw to what TaskFailed carries. */
import { messageOf } from '../log';
import type { OrchestratorState } from './actions';
import type { Failure } from './history';

/**
 * With an exception-properties provider registered, durable-functions makes the message of a failed activity a JSON
 * document (`error/ExceptionPropertiesProvider.js`); the host turns it into FailureDetails, from which the
 * orchestrator gets a `TaskFailedError` with `failureDetails.properties`.
 */
export function activityFailure(functionName: string, error: unknown): Failure {
  const message = messageOf(error);
  const payload = parsePayload(message);
  if (payload === undefined) {
    return { reason: `Activity function '${functionName}' failed: ${message}`, text: message };
  }
  return {
    reason: `Activity function '${functionName}' failed: ${payload.errorMessage}`,
    text: payload.errorMessage,
    details: {
      ErrorType: payload.errorType,
      ErrorMessage: payload.errorMessage,
      StackTrace: payload.stackTrace ?? null,
      IsNonRetriable: payload.isNonRetriable ?? false,
      Properties: payload.properties ?? null,
    },
  };
}

interface FailurePayload {
  readonly errorType: string;
  readonly errorMessage: string;
  readonly stackTrace?: string;
  readonly isNonRetriable?: boolean;
  readonly properties?: unknown;
}

function parsePayload(message: string): FailurePayload | undefined {
  if (!message.startsWith('{')) {
    return undefined;
  }
  try {
    const value = JSON.parse(message) as Partial<FailurePayload>;
    const { errorType, errorMessage } = value;
    return typeof errorType === 'string' && typeof errorMessage === 'string'
      ? { ...value, errorType, errorMessage }
      : undefined;
  } catch {
    return undefined;
  }
}

/** The SDK appends the orchestrator's state to the message of its failure (`error/OrchestrationFailureError.js`). */
const STATE_LABEL = '\n\n$OutOfProcData$:';

export interface FailedTurn {
  readonly state: OrchestratorState;
  readonly failure: Failure;
}

/** Takes a failed turn apart. Without a state in the message the SDK itself gave up: nothing was scheduled. */
export function orchestratorFailure(error: unknown): FailedTurn {
  const message = messageOf(error);
  const at = message.lastIndexOf(STATE_LABEL);
  const state =
    at < 0
      ? { isDone: true, actions: [[]], error: message }
      : (JSON.parse(message.slice(at + STATE_LABEL.length)) as OrchestratorState);
  const text = state.error ?? message.slice(0, Math.max(at, 0));
  return {
    state,
    failure: { reason: text, text, ...(state.failureDetails === undefined ? {} : { details: state.failureDetails }) },
  };
}
